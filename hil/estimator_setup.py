"""What the estimator's process works with: telemetry set, unit factors, the estimating service."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from estimation.channels import Telemetry
from estimation.detectors.areas import areas_of, layout_of
from estimation.detectors.bank import NAMES, Bank
from estimation.detectors.changes import ChangeWatch
from estimation.pseudo import Pseudo
from estimation.service import Service
from estimation.telemetry_scan import TelemetryScan
from estimation.watchers import Watchers
from hil import joined_board, paths
from hil.forecast_feeders import ForecastLevels, feeders_of
from hil.forecast_targets import targets_of
from hil.gateway_process import say
from hil.learned_file import key_of
from hil.load_history import history_of
from hil.publishers import ESTIMATOR, FORECASTER
from hil.runspec import RunSpec
from hil.settings import Station
from hil.settings_errors import load_toml
from hil.station import Plan, read_plan
from hil.telemetry_files import telemetry_of
from rtcore.clock import NS_PER_S
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.published import Layout

if TYPE_CHECKING:
    from hil.estimator_process import Scanner


@dc.dataclass(frozen=True, slots=True)
class Setup:
    """Everything that follows from the station's files.

    Attributes
    ----------
    period_s : mapping
        Core point -> how often it is fetched [s of simulated time].
    key : mapping
        What learned offsets are of, see ``hil.learned_file``.
    levels : ForecastLevels or None
        What loads are brought to beside their history.
    """

    scanner: Scanner
    period_s: Mapping[int, float]
    key: Mapping[str, str]
    levels: ForecastLevels | None

    @classmethod
    def of(cls, spec: RunSpec) -> Setup:
        """Read the station again that a run is of."""
        plan = read_plan(spec.core["station"])
        telemetry = telemetry_of(plan, spec.estimation["telemetry"], plan.station.path.parent)
        key = key_of(spec.core["run_id"], telemetry, plan.network)
        levels = levels_of(plan, spec) if spec.estimation["pseudo"] == "forecast" else None
        return cls(make_service(plan, telemetry, spec), periods(telemetry), key, levels)


def periods(telemetry: Telemetry) -> dict[int, float]:
    """Return how often each point of a telemetry set is fetched [s]; positions in every scan."""
    found: dict[int, float] = dict.fromkeys(telemetry.points, 0.0)
    found.update({c.point: c.period_s for c in telemetry.channels if c.point >= 0})
    return found


def levels_of(plan: Plan, spec: RunSpec) -> ForecastLevels:
    """Return the levels that the forecaster of a run gives."""
    settings = plan.station.forecast
    assert settings is not None
    targets, problems = targets_of(settings, plan.points.core, str(plan.station.path))
    if problems:
        raise UserInputError(problems)
    feeders = feeders_of(targets, plan.points.core, plan.network, say)
    told = ", ".join(f"{f.name} ({len(f.loads)})" for f in feeders)
    say(f"levels of loads from the forecasts of {told}" if feeders else "no forecast is a level for loads")
    points, board = spec.points_of(FORECASTER), joined_board.part_of(spec, FORECASTER)
    return ForecastLevels(feeders, points, settings.step_min * 60 * NS_PER_S, board.read, say)


def make_service(plan: Plan, telemetry: Telemetry, spec: RunSpec) -> Scanner:
    """Return the service that estimates the station's state."""
    station = plan.station
    pseudo = Pseudo(
        plan.network,
        history_of(plan),
        ripple_pu=station.load.ripple_pct / 100.0,
        ripple_tau_s=station.load.ripple_tau_s,
    )
    bank = Bank(layout_of(telemetry.channels), areas_of(telemetry.channels))
    return Service(
        TelemetryScan(plan.network, telemetry, pseudo, load_scale=station.load.scale),
        Layout(plan.points.of(ESTIMATOR)),
        Watchers(bank, thresholds_of(plan.station, telemetry.name), say=say),
        ChangeWatch(plan.points.core, telemetry).update,
        rate_hz=spec.estimation["rate_hz"],
    )


def thresholds_of(station: Station, telemetry: str) -> dict[str, float]:
    """Return the thresholds of the detectors: the station's own, else those of its telemetry set, if any."""
    assert station.estimation is not None
    if station.estimation.detectors is not None:
        path = station.path.parent / station.estimation.detectors
        thresholds, problems = survey_thresholds(path)
        if problems:
            raise UserInputError(problems)
        return thresholds
    path = paths.config_dir() / "telemetry" / "thresholds" / f"{telemetry}.toml"
    return survey_thresholds(path)[0] if path.is_file() else {}


def survey_thresholds(path: Path) -> tuple[dict[str, float], list[Problem]]:
    """Read a file with a table [thresholds], a number for each detector it speaks of; and every problem."""
    raw, problems = load_toml(path)
    table = raw.get("thresholds")
    if not problems and not isinstance(table, dict):
        problems = [Problem(str(path), "thresholds", "the table [thresholds] is missing")]
    found = {}
    for name, value in (table if isinstance(table, dict) else {}).items():
        if name not in NAMES:
            what = f"no such detector; allowed: {', '.join(NAMES)}{did_you_mean(name, NAMES)}"
            problems.append(Problem(str(path), f"thresholds.{name}", what))
        elif isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            problems.append(Problem(str(path), f"thresholds.{name}", f"{value!r}: must be a number > 0"))
        else:
            found[name] = float(value)
    return found, problems
