"""Station files: one TOML file ties network, points, profile, loop and servers together.

caller                  function        files read
run, check, points ...  draft_station   the station file; looks whether what it names is there
                                        (``station_survey`` reads on from there)
studies                 read_station    the same, and every problem is an error
check --schema          schema          none
"""

from __future__ import annotations

import dataclasses as dc
import importlib.metadata
from pathlib import Path
from typing import Any

from hil import paths
from hil.profile_settings import ProfileSettings
from hil.profiles import Profile, check_coverage, read_profile
from hil.settings_errors import check_model, load_toml
from hil.settings_rules import check_sections, command_units
from hil.settings_sections import (
    AttackSection,
    DeviceSection,
    DispatchSection,
    EstimationSection,
    ForecastSection,
    InjectionSection,
    LoadSection,
    LoopSection,
    ModbusSection,
    OpcuaSection,
    PlantShape,
    PlantTables,
    RecorderSection,
    SecuritySection,
    SourceSection,
    StationFile,
    TimeSection,
)
from hil.settings_types import offset_s, utc_ns
from hil.weather import WeatherSettings
from rtcore.errors import Problem, UserInputError, did_you_mean

OPTIONAL_TABLES = {
    "profile": ProfileSettings,
    "weather": WeatherSettings,
    "estimation": EstimationSection,
    "forecast": ForecastSection,
    "dispatch": DispatchSection,
}
"""Tables that may be left out, which means something."""

LOOPBACK = ("127.0.0.0/8", "::1/128")


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A station file, checked, with the paths of what it names.

    Attributes
    ----------
    path : Path
        The station file.
    network, points : Path
        Folders.
    protection, faults : Path or None
        Protection scheme and fault library; None: there is none.
    profile : ProfileSettings or None
        None: every load keeps the power that the network states.
    estimation : EstimationSection or None
        None: there is no estimator.
    forecast : ForecastSection or None
        None: there are no forecasts.
    dispatch : DispatchSection or None
        None: there is no dispatcher.
    plant : dict
        The plant tables as written; ``plant_settings`` checks them against the network.
    """

    path: Path
    name: str
    title: str
    network: Path
    points: Path
    protection: Path | None
    faults: Path | None
    time: TimeSection
    loop: LoopSection
    load: LoadSection
    profile: ProfileSettings | None
    source: SourceSection
    weather: WeatherSettings | None
    plant: PlantTables
    modbus: ModbusSection
    opcua: OpcuaSection
    device: DeviceSection
    recorder: RecorderSection
    estimation: EstimationSection | None
    forecast: ForecastSection | None
    dispatch: DispatchSection | None
    injection: InjectionSection
    attack: AttackSection
    security: SecuritySection

    @property
    def has_estimator(self) -> bool:
        """Tell whether the station has a state estimator."""
        return self.estimation is not None and self.estimation.enabled

    @property
    def has_forecasts(self) -> bool:
        """Tell whether the station has a forecaster."""
        return self.forecast is not None and self.forecast.enabled

    @property
    def start_utc_ns(self) -> int:
        """Simulated time at step 0 [ns UTC since 1970]."""
        return utc_ns(self.time.start)

    @property
    def utc_offset_s(self) -> int:
        """UTC offset of the station's local time [s]."""
        return offset_s(self.time.start)

    def read_profile(self, load_names: list[str], duration_s: float | None) -> Profile | None:
        """Read the station's profile and refuse it when the run is longer; None: constant load.

        Parameters
        ----------
        load_names : list of str
            Loads of the network.
        duration_s : float or None
            Simulated length of the run [s]; None for an open end.
        """
        if self.profile is None:
            return None
        profile = read_profile(self.profile, load_names, folder=self.path.parent)
        check_coverage(profile, self.start_utc_ns, duration_s, repeat=self.profile.repeat)
        return profile

    def modbus_dict(self) -> dict[str, Any]:
        """Return the settings that gw-modbus takes; plain data."""
        row = self.modbus.model_dump(exclude={"enabled", "writers"})
        row["units"] = [dict(u) for u in row["units"]]
        row["writers"] = [{"network": w.network, "units": list(w.units)} for w in self.modbus.writers or ()]
        if self.modbus.writers is None:
            units = command_units(self.modbus)
            row["writers"] = [{"network": n, "units": list(units)} for n in LOOPBACK]
        row["identity"]["version"] = row["identity"]["version"] or importlib.metadata.version("gridhil")
        row["identity"]["application"] = row["identity"]["application"] or self.title
        return row

    def opcua_dict(self) -> dict[str, Any]:
        """Return the settings that gw-opcua takes; plain data."""
        return self.opcua.model_dump(exclude={"enabled"})


@dc.dataclass(frozen=True, slots=True)
class Draft:
    """A station file as far as it could be read.

    Attributes
    ----------
    raw, sections : dict
        The tables as written, and those that are right by themselves.
    found : dict
        Folders and files that there are: ``network``, ``points``, ``protection``, ``faults``, and
        ``name`` for the profile's.
    lost : frozenset of Path
        Tables that the file names and that are not there.
    problems : list of Problem
        Everything wrong so far, what is lost included.
    """

    path: Path
    raw: dict[str, Any]
    sections: dict[str, Any]
    found: dict[str, Path]
    lost: frozenset[Path]
    problems: list[Problem]

    def station(self) -> Station:
        """Return the station of a file without problems."""
        part = StationFile(**self.sections)
        return Station(
            path=self.path,
            name=part.station.name,
            title=part.station.title,
            network=self.found["network"],
            points=self.found["points"],
            protection=self.found.get("protection"),
            faults=self.found.get("faults"),
            **{f: getattr(part, f) for f in StationFile.model_fields if f != "station"},
        )


def schema() -> dict[str, Any]:
    """Return the JSON Schema of station files, for editors."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "made by gridhil check --schema",
    }
    return head | StationFile.model_json_schema()


def read_station(name_or_path: str | Path) -> Station:
    """Read and check a station file.

    Parameters
    ----------
    name_or_path : str or Path
        A shipped station's name (``iowa240``) or the path of a station file.

    Raises
    ------
    UserInputError
        Every problem of the file, and every network, points or profile folder it names in vain.
    """
    draft = draft_station(name_or_path)
    if draft.problems:
        raise UserInputError(draft.problems)
    return draft.station()


def draft_station(name_or_path: str | Path) -> Draft:
    """Read a station file as far as it goes; only one that is nowhere to be found is an error."""
    path = paths.find("stations", str(name_or_path))
    raw, problems = load_toml(path)
    if problems:
        return Draft(path, raw, {}, {}, frozenset(), problems)
    sections, problems = _read_sections(raw, str(path))
    problems += check_sections(sections, str(path))
    found, lost = _find_parts(raw, path, problems)
    return Draft(path, raw, sections, found, frozenset(lost), problems)


def _read_sections(raw: dict[str, Any], file: str) -> tuple[dict[str, Any], list[Problem]]:
    """Validate every table by itself; returns those that are right, and every problem."""
    fields = StationFile.model_fields
    problems = [
        Problem(file, key, f"unknown table; allowed: {', '.join(fields)}{did_you_mean(key, fields)}")
        for key in raw
        if key not in fields
    ]
    sections: dict[str, Any] = {}
    for name, field in fields.items():
        if name == "plant" and name in raw:
            shape, wrong = check_model(PlantShape, {name: raw[name]}, file)
            problems += wrong
            if shape is not None:
                sections[name] = shape.plant
        elif name in raw:
            model = OPTIONAL_TABLES.get(name, field.annotation)
            assert isinstance(model, type), field
            section, wrong = check_model(model, raw[name], file, name)
            problems += wrong
            if section is not None:
                sections[name] = section
        elif field.is_required():
            problems.append(Problem(file, name, f"the table [{name}] is missing and has no default"))
        else:
            sections[name] = field.get_default()
    return sections, problems


def _find_parts(
    raw: dict[str, Any], path: Path, problems: list[Problem]
) -> tuple[dict[str, Path], list[Path]]:
    """Look for what the file names, also in a table with a mistake; what is not there is a problem.

    Returns
    -------
    found : dict
        Folders by key.
    lost : list of Path
        Tables that are not there.
    """
    station, profile = (t if isinstance(t, dict) else {} for t in (raw.get("station"), raw.get("profile")))
    wanted: list[tuple[paths.Kind, str, Any]] = [
        ("networks", "station.network", station.get("network")),
        ("points", "station.points", station.get("points")),
        ("protection", "station.protection", station.get("protection")),
        ("faults", "station.faults", station.get("faults")),
        ("profiles", "profile.name", profile.get("name")),
    ]
    found: dict[str, Path] = {}
    for kind, place, name in wanted:
        if not isinstance(name, str):
            continue  # absent, or refused by the section's own checks
        try:
            found[place.rpartition(".")[2]] = paths.find(kind, name, path.parent)
        except paths.NotFoundError as error:
            problems.append(Problem(str(path), place, error.what))
    lost = []
    for key in ("file", "p_file", "q_file"):
        file = profile.get(key)
        if isinstance(file, str) and not (path.parent / file).is_file():
            lost.append(path.parent / file)
            what = f"no such file {file!r}; searched: {(path.parent / file).absolute()}"
            problems.append(Problem(str(path), f"profile.{key}", what))
    return found, lost
