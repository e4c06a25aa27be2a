"""``gridhil check``: tell what kind of file a path is and list every problem of it.

A file inside a network, profile or points folder stands for the whole folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hil import paths
from hil.profiles import check_coverage, read_profile
from hil.settings import Station, read_station
from hil.settings_errors import load_toml
from hil.settings_sections import StationFile
from rtcore.errors import Problem, UserInputError

KINDS = "a station file, or a network, profile or points folder (or a file in one)"


def check_file(path: Path | str) -> list[Problem]:
    """Recognise a file or folder and return everything that is wrong with it.

    A bare name that is not a path in the working directory is taken for a shipped station.
    """
    path = Path(path)
    if not path.exists():
        try:
            path = paths.find("stations", str(path))
        except paths.NotFoundError as error:
            return error.problems
    checks: list[tuple[bool, Callable[[Path], None]]] = [
        (_is_in(path, "network.toml"), _check_network),
        (_is_in(path, "profile.toml"), _check_profile),
        (_is_in(path, "devices.csv"), _check_points),
        (_is_station(path), _check_station),
    ]
    for is_it, check in checks:
        if is_it:
            try:
                check(path)
            except UserInputError as error:
                return error.problems
            return []
    if path.is_file() and _is_shared_by_points(path):
        return _check_all_points(path)
    return [Problem(str(path), "", f"not recognised; {KINDS} can be checked")]


def _is_station(path: Path) -> bool:
    """Tell a station file by its tables; a TOML file with a slip in it passes, to be reported."""
    if path.suffix != ".toml" or not path.is_file():
        return False
    raw, problems = load_toml(path)
    return bool(problems) or not raw or any(key in StationFile.model_fields for key in raw)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _is_in(path: Path, marker: str) -> bool:
    return (_folder(path) / marker).is_file()


def _check_network(path: Path) -> None:
    from hil.network_files import read_network

    read_network(_folder(path))


def _check_profile(path: Path) -> None:
    read_profile(str(_folder(path).absolute()))


def _check_points(path: Path) -> None:
    from hil.point_files import read_points

    read_points(_folder(path), None)


def _is_shared_by_points(path: Path) -> bool:
    """Tell whether a file is a template or the instrument classes beside point lists."""
    return path.name == "instruments.toml" or path.parent.name == "templates"


def _check_all_points(path: Path) -> list[Problem]:
    """Check every point list that a shared template or instrument file serves."""
    root = path.parent.parent if path.parent.name == "templates" else path.parent
    lists = sorted(p.parent for p in [*root.glob("devices.csv"), *root.glob("*/devices.csv")])
    if not lists:
        return [Problem(str(path), "", f"no point list (devices.csv) below {root} uses it")]
    return [problem for folder in lists for problem in check_file(folder)]


def _check_station(path: Path) -> None:
    station = read_station(path)
    problems: list[Problem] = []
    for check in (_network_and_profile, _points):
        try:
            check(station)
        except UserInputError as error:
            problems += error.problems
    if problems:
        raise UserInputError(problems)


def _network_and_profile(station: Station) -> None:
    from hil.network_files import read_network

    network = read_network(station.network)
    if station.profile is None:
        return
    names = [load.name for load in network.loads]
    profile = read_profile(station.profile, names, folder=station.path.parent)
    # How long a run will be is not known here; that it can begin is.
    check_coverage(profile, station.start_utc_ns, 0.0, repeat=station.profile.repeat)


def _points(station: Station) -> None:
    from hil.point_files import read_points
    from protocols import modbus_map

    points = read_points(station.points, None)
    if station.modbus.enabled:
        modbus_map.build(points.points, points.stamps, station.modbus_dict(), str(station.path))
