"""Everything that is wrong with a station and with all that it names, in one report.

``run``, ``check``, ``points`` and scenarios read a station this way, so that what one of them
accepts no other refuses. A part that cannot be read hides nothing of the parts beside it.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from estimation.outputs import DETECTORS
from hil import paths
from hil.fault_library import FaultLibrary, empty, survey_faults
from hil.forecast_targets import targets_of
from hil.network_files import survey_network
from hil.point_files import PointSet, survey_points
from hil.profile_settings import ProfileSettings, stand_in
from hil.profiles import check_coverage, read_profile
from hil.protection_files import survey_scheme
from hil.publishers import DISPATCHER, ESTIMATOR, FORECASTER
from hil.recorder.disturbance_setup import limit_problems
from hil.settings import Draft, draft_station
from hil.settings_sections import (
    DeviceSection,
    ForecastSection,
    InjectionSection,
    ModbusSection,
    RecorderSection,
    TimeSection,
)
from hil.settings_types import utc_ns
from hil.station import Plan, read_station_plant
from hil.weather import WeatherSettings, ambient
from hil.wiring_files import Wired, device_dict, find, survey_wiring
from protocols import modbus_map
from rtcore.assemble import bindable
from rtcore.component import REGISTRY
from rtcore.errors import Problem, UserInputError
from rtcore.network.model import Network
from rtcore.protection.scheme import Scheme
from rtcore.published import instance_of, kind_of

WITH_ARTICLE = {ESTIMATOR: "an estimator", FORECASTER: "a forecaster", DISPATCHER: "a dispatcher"}
Plant = dict[str, dict[str, dict[str, Any]]]
"""Kind -> instance -> parameter -> value."""


@dc.dataclass(frozen=True, slots=True)
class Survey:
    """A station as far as it could be read; ``problems`` are those of all but the histories."""

    draft: Draft
    network: Network | None
    load_names: list[str] | None
    points: PointSet | None
    scheme: Scheme | None
    faults: FaultLibrary
    plant: Plant
    problems: list[Problem]

    def history_problems(self) -> list[Problem]:
        """Return what is wrong with what is over time: loads, temperature, records to play; takes a while."""
        return [
            *_of(lambda: _check_profile(self.draft, self.load_names), self.draft),
            *_of(lambda: _check_weather(self.draft), self.draft),
            *_playback_problems(self.draft, self.network),
            *self._forecast_problems(),
        ]

    def _forecast_problems(self) -> list[Problem]:
        """Return what is wrong with what forecasts and plans are made from, where nothing else is."""
        if self.problems or self.network is None or self.points is None:
            return []
        station = self.draft.station()
        if not station.has_forecasts and station.dispatch is None:
            return []
        from hil.dispatch_checks import dispatch_problems  # they read stations by this module
        from hil.forecast_checks import forecast_problems

        plan = Plan(station, self.network, self.points, self.plant, self.scheme, self.faults)
        return forecast_problems(plan) + dispatch_problems(plan)


def survey(name_or_path: str) -> Survey:
    """Read a station; only a file that is nowhere to be found is an error."""
    draft = draft_station(name_or_path)
    problems = list(draft.problems)
    network, load_names = None, None
    if "network" in draft.found:
        network, load_names, wrong = survey_network(draft.found["network"])
        problems += wrong
    scheme = None
    if "protection" in draft.found:
        scheme, wrong = survey_scheme(draft.found["protection"], network)
        problems += wrong
    faults = empty()
    if "faults" in draft.found and network is not None:
        faults, wrong = survey_faults(draft.found["faults"], network)
        problems += wrong
    plant, wrong = read_station_plant(draft.sections.get("plant"), network, str(draft.path), scheme=scheme)
    problems += wrong
    points = None
    is_whole = False
    if "points" in draft.found:
        # what a scheme with a mistake would hold is not known
        is_known = network is not None and ("protection" not in draft.found or scheme is not None)
        known = bindable(network, plant, scheme) if network is not None and is_known else None
        if known is not None and network is not None:
            known |= estimator_outputs(network)
        points, wrong = survey_points(draft.found["points"], known)
        is_whole = not wrong
        points, unpublished = _published(draft, points, is_whole=is_whole)
        problems += unpublished + wrong + _map_problems(draft, points, is_whole=is_whole)
    known_points = points if is_whole else None
    problems += _wiring_problems(draft, known_points) + _trigger_problems(draft, known_points)
    if not problems and network is not None and points is not None:
        plan = Plan(draft.station(), network, points, plant, scheme, faults)
        channels, wrong = _channels(plan)
        points = points.with_residuals(channels)
        problems += wrong + _attack_problems(plan)
    return Survey(draft, network, load_names, points, scheme, faults, plant, list(dict.fromkeys(problems)))


def _published(draft: Draft, points: PointSet, *, is_whole: bool) -> tuple[PointSet, list[Problem]]:
    """Return the points of the processes that the station has, and what is missing."""
    sections = {ESTIMATOR: "estimation", FORECASTER: "forecast", DISPATCHER: "dispatch"}
    found: dict[str, Any] = {name: draft.sections.get(section) for name, section in sections.items()}
    absent = [name for name, section in found.items() if section is None or not section.enabled]
    points, problems = points.without(*absent), list[Problem]()
    for name in found.keys() - set(absent):
        if is_whole and not points.of(name):
            what = f"the point list {draft.found['points'].name} has no points of {WITH_ARTICLE[name]}"
            problems.append(Problem(str(draft.path), sections[name], what))
    if FORECASTER not in absent and is_whole and not problems:
        return _with_targets(draft, points)
    return points, problems


def _with_targets(draft: Draft, points: PointSet) -> tuple[PointSet, list[Problem]]:
    """Return the list without forecasts of what the station does not forecast."""
    settings: ForecastSection = draft.sections["forecast"]
    targets, problems = targets_of(settings, points.core, str(draft.path))
    wanted = {t.name for t in targets} | {f"{t.name}.{h}" for t in targets for h in settings.scored}
    own = [p for p in points.of(FORECASTER) if kind_of(p) != "forecaster"]
    shown = {instance_of(p) for p in own}
    for h in settings.scored:
        if targets and not any(f"{t.name}.{h}" in shown for t in targets):
            what = f"{h}: the point list {draft.found['points'].name} has no points of scores so far ahead"
            problems.append(Problem(str(draft.path), "forecast.scored", what))
    for target in targets:
        if target.name not in shown:
            what = f"the point list {draft.found['points'].name} has no points for this forecast"
            problems.append(Problem(str(draft.path), f"forecast.loads.{target.name}", what))
    return points.without_devices({p.device for p in own if instance_of(p) not in wanted}), problems


def estimator_outputs(network: Network) -> dict[str, Collection[str]]:
    """Return what points of the estimator may bind to, but the residuals, which go by other points."""
    names = {"estimator": ["estimator"], "detector": DETECTORS, "estimate": [b.name for b in network.buses]}
    return {
        f"{kind}.{name}": [a.name for a in REGISTRY[kind].attrs]
        for kind, there in names.items()
        for name in there
    }


def _channels(plan: Plan) -> tuple[set[str], list[Problem]]:
    """Return the tags of the telemetry set of the estimator, and what is wrong with it for the station."""
    settings = plan.station.estimation
    if settings is None or not settings.enabled:
        return set(), []
    from hil.telemetry_files import survey_telemetry  # it reads stations by this module

    try:
        path = paths.find("telemetry", settings.telemetry, plan.station.path.parent)
    except paths.NotFoundError as error:
        return set(), [Problem(str(plan.station.path), "estimation.telemetry", error.what)]
    telemetry, problems = survey_telemetry(path, plan)
    if settings.detectors is not None:
        from hil.estimator_setup import survey_thresholds

        problems += survey_thresholds(plan.station.path.parent / settings.detectors)[1]
    channels = () if telemetry is None else telemetry.channels
    return {c.measurement.name for c in channels}, problems


def _attack_problems(plan: Plan) -> list[Problem]:
    """Check the attacks between the plant and its servers against the station's points."""
    file, station = plan.station.attack.file, plan.station.path
    if file is None:
        return []
    from hil.attack_files import read_attacks  # it reads stations by this module

    try:
        read_attacks(file, station.parent, plan=plan)
    except paths.NotFoundError as error:
        return [Problem(str(station), "attack.file", error.what)]
    except UserInputError as error:
        return error.problems
    return []


def _map_problems(draft: Draft, points: PointSet, *, is_whole: bool) -> list[Problem]:
    """Check that the Modbus server can serve the points; of half a list only who serves what."""
    modbus: ModbusSection | None = draft.sections.get("modbus")
    if modbus is None or not modbus.enabled or any(p.place.startswith("modbus.") for p in draft.problems):
        return []
    settings = {"units": [dict(u) for u in modbus.units], "default_unit": modbus.default_unit}
    file = str(draft.path)
    if not is_whole:
        return modbus_map.missing_units(points.points, points.stamps, settings, file)
    return _of(lambda: modbus_map.build(points.points, points.stamps, settings, file), draft)


def _wiring_problems(draft: Draft, points: PointSet | None) -> list[Problem]:
    """Check the wiring table of the device under test; where no points are known, none of its tags."""
    device: DeviceSection | None = draft.sections.get("device")
    if device is None or device.wiring is None:
        return []
    path = find(device.wiring, draft.path.parent)
    if points is None and path is not None:
        return survey_wiring(path, None)[1]
    known = [] if points is None else points.points
    return _of(lambda: device_dict(Wired(draft.path, device), known), draft)


def _trigger_problems(draft: Draft, points: PointSet | None) -> list[Problem]:
    """Check the limits that trigger disturbance records; where no points are known, none of their tags."""
    recorder: RecorderSection | None = draft.sections.get("recorder")
    if recorder is None:
        return []
    tags = None if points is None else [p.tag for p in points.points]
    return limit_problems(str(draft.path), recorder.disturbances.triggers, tags)


def _playback_problems(draft: Draft, network: Network | None) -> list[Problem]:
    """Look into the records that the test set can play."""
    injection: InjectionSection | None = draft.sections.get("injection")
    if injection is None or not injection.play:
        return []
    from hil.recorder.player import Playback, playback_problems  # its reader takes a while to import

    records = [Playback.of(section, draft.path.parent) for section in injection.play]
    return playback_problems(records, None if network is None else network.base_frequency_hz)


def _check_profile(draft: Draft, load_names: list[str] | None) -> None:
    settings: ProfileSettings | None = (
        draft.sections["profile"] if "profile" in draft.sections else stand_in(draft.raw.get("profile"))
    )
    if settings is None or (settings.name is not None and "name" not in draft.found):
        return
    profile = read_profile(settings, load_names, folder=draft.path.parent)
    time: TimeSection | None = draft.sections.get("time")
    if time is not None and "profile" in draft.sections:
        # How long a run will be is not known here; that it can begin is.
        check_coverage(profile, utc_ns(time.start), 0.0, repeat=settings.repeat)


def _check_weather(draft: Draft) -> None:
    weather: WeatherSettings | None = draft.sections.get("weather")
    time: TimeSection | None = draft.sections.get("time")
    if weather is not None and weather.ambient.file is not None and time is not None:
        ambient(weather, np.array([utc_ns(time.start)], np.int64), draft.path.parent)


def _of(check: Callable[[], object], draft: Draft) -> list[Problem]:
    """Return the problems that a check raises, without those of files already known to be lost."""
    try:
        check()
    except UserInputError as error:
        lost = {str(path) for path in draft.lost}
        return [p for p in error.problems if p.file not in lost]
    return []
