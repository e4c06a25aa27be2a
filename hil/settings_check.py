"""``gridhil check``: tell what kind of file a path is and list every problem of it.

A file inside a network, profile or points folder stands for the whole folder. A protection scheme, a fault
library or a wiring table by itself is checked as far as it can be without a station: none of its names is.
A station is checked with all that it names: wiring table, limits of its recorder, records that it can play.
A relay test plan, a range plan and an attack file are checked with their station, a telemetry set with its
point list.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil import paths
from hil.profiles import read_profile
from hil.settings_errors import load_toml
from hil.settings_sections import StationFile
from rtcore.errors import Problem, UserInputError, did_you_mean

KINDS = (
    "a station file, or a network, profile or points folder (or a file in one), or a scenario file, "
    "a relay test plan, an attack file, a range plan, a wiring table, a telemetry set, a protection scheme "
    "or a fault library"
)


def check_file(path: Path | str) -> list[Problem]:
    """Recognise a file or folder and return everything that is wrong with it.

    A bare name that is not a path in the working directory is taken for a shipped station.
    """
    path = Path(path)
    if not path.exists():
        try:
            path = paths.find("stations", str(path))
        except paths.NotFoundError as error:
            return _nothing_there(path) if path.suffix or path.name != str(path) else error.problems
    checks: list[tuple[bool, Callable[[Path], None]]] = [
        (_is_scheme(path), _check_scheme),
        (_is_fault_library(path), _check_faults),
        (_is_in(path, "network.toml"), _check_network),
        (_is_in(path, "profile.toml"), _check_profile),
        (_is_in(path, "devices.csv"), _check_points),
        (_is_range(path), _check_range),
        (_is_scenario(path), _check_scenario),
        (_is_relaytest(path), _check_relaytest),
        (_is_telemetry(path), _check_telemetry),
        (_is_attacks(path), _check_attacks),
        (_is_wiring(path), _check_wiring),
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
    is_empty = path.suffix == ".toml" and path.is_file() and not _tables(path)
    why = "empty, it could be anything" if is_empty else "not recognised"
    return [Problem(str(path), "", f"{why}; {KINDS} can be checked")]


def _nothing_there(path: Path) -> list[Problem]:
    """Return the problem of a path that leads nowhere: the part of it that is missing, and a near name."""
    folder = path.parent
    if not folder.is_dir():
        return [Problem(str(path), "", f"no such file or folder: there is no folder {folder}")]
    near = did_you_mean(path.name, [p.name for p in folder.iterdir()])
    return [Problem(str(path), "", f"no such file or folder{near}")]


def _tables(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file; none where it is no such file or cannot be read."""
    return load_toml(path)[0] if path.suffix == ".toml" and path.is_file() else {}


def _is_scheme(path: Path) -> bool:
    raw = _tables(path)
    return isinstance(raw.get("scheme"), dict) or isinstance(raw.get("relay"), dict)


def _is_fault_library(path: Path) -> bool:
    return isinstance(_tables(path).get("fault"), list)


def _is_scenario(path: Path) -> bool:
    from hil.scenario_files import is_scenario

    return is_scenario(_tables(path))


def _is_relaytest(path: Path) -> bool:
    raw = _tables(path)
    return isinstance(raw.get("plan"), dict) or isinstance(raw.get("test"), list)


def _is_telemetry(path: Path) -> bool:
    raw = _tables(path)
    return "station" not in raw and any(key in raw for key in ("read", "status", "extends"))


def _is_range(path: Path) -> bool:
    from hil.cyberrange.plan import is_range

    return is_range(_tables(path))


def _is_attacks(path: Path) -> bool:
    from hil.attack_files import is_attacks

    return is_attacks(_tables(path))


def _is_wiring(path: Path) -> bool:
    """Tell a wiring table by its tables; a station file names one and has none of them."""
    from hil.wiring_sections import WiringFile

    raw = _tables(path)
    return "station" not in raw and any(key in WiringFile.model_fields for key in raw)


def _is_station(path: Path) -> bool:
    """Tell a station file by its tables; a TOML file with a slip in it passes, to be reported."""
    if path.suffix != ".toml" or not path.is_file():
        return False
    raw, problems = load_toml(path)
    return bool(problems) or any(key in StationFile.model_fields for key in raw)


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _is_in(path: Path, marker: str) -> bool:
    return (_folder(path) / marker).is_file()


def _check_scheme(path: Path) -> None:
    from hil.protection_files import survey_scheme

    _, problems = survey_scheme(path, None)
    if problems:
        raise UserInputError(problems)


def _check_faults(path: Path) -> None:
    from hil.fault_library import survey_faults

    _, problems = survey_faults(path, None)
    if problems:
        raise UserInputError(problems)


def _check_relaytest(path: Path) -> None:
    from hil.relaytest.plan import read_plan
    from hil.relaytest.station_facts import facts_of

    read_plan(path, facts_of)


def _check_range(path: Path) -> None:
    from hil.cyberrange.plan import read_plan_file

    read_plan_file(path)


def _check_wiring(path: Path) -> None:
    from hil.wiring_files import survey_wiring

    _, problems = survey_wiring(path, None)
    if problems:
        raise UserInputError(problems)


def _check_telemetry(path: Path) -> None:
    from hil.telemetry_files import check_telemetry

    if problems := check_telemetry(path):
        raise UserInputError(problems)


def _check_attacks(path: Path) -> None:
    from hil.attack_files import read_attacks

    read_attacks(str(path.absolute()))


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


def _check_scenario(path: Path) -> None:
    from hil.scenario_files import read_scenario

    read_scenario(path)


def _check_station(path: Path) -> None:
    from hil.station_survey import survey

    found = survey(str(path))
    problems = found.problems + found.history_problems()
    if problems:
        raise UserInputError(dict.fromkeys(problems))
