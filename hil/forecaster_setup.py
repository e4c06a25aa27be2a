"""What the forecaster works with: targets with their history, clear sky of the sites, models from files."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from forecasting.history import NO_STAMPS, Wish, read_history
from forecasting.residual_lstm import ResidualLstm
from forecasting.retraining import use_model
from forecasting.series import Series
from forecasting.service import Service
from forecasting.target import LoadTarget, SolarTarget
from hil.forecast_history import find_history, find_model
from hil.forecast_targets import SUN, Target, targets_of
from hil.runspec import RunSpec
from hil.settings import Station
from hil.settings_sections import ForecastSection
from hil.settings_types import clock
from hil.station import Plan, read_plan
from hil.weather import WeatherSettings, clear_sky_poa
from rtcore.clock import NS_PER_S
from rtcore.errors import Problem, UserInputError

Floats = npt.NDArray[np.float64]

W_PER_KW = 1000.0
DAY_STEPS_NS = 86_400 * NS_PER_S
DAYS_KEPT = 100
CLEAR_STEP_NS = 300 * NS_PER_S
"""The clear sky of a step is the mean of values so far apart [ns]."""


def make_service(spec: RunSpec, say: Callable[[str], None]) -> Service:
    """Return the service that forecasts the station's targets, before any forecast."""
    plan = read_plan(spec.core["station"])
    settings = plan.station.forecast
    assert settings is not None
    targets, problems = targets_of(settings, plan.points.core, str(plan.station.path))
    if problems:
        raise UserInputError(problems)
    step_ns = settings.step_min * 60 * NS_PER_S
    start_ns = plan.station.start_utc_ns // step_ns * step_ns
    return Service(
        [_load(t, plan, settings, start_ns, step_ns, say) for t in targets if not t.is_sun],
        _suns([t for t in targets if t.is_sun], plan, step_ns),
        step_ns=step_ns,
        start_ns=start_ns,
        scored=settings.scored,
        rng=np.random.default_rng([spec.core["seed"], 7]),
        choice=settings.choice,
        say=say,
    )


def _load(
    target: Target,
    plan: Plan,
    settings: ForecastSection,
    start_ns: int,
    step_ns: int,
    say: Callable[[str], None],
) -> LoadTarget:
    load = settings.loads[target.name]
    past = history_of(plan.station, settings, target.name, start_ns, step_ns, say)
    if load.model is None:
        return LoadTarget(target.name, past)
    path = model_path(load.model, plan.station.path.parent)

    def put(member: ResidualLstm, series: Series) -> None:
        use_model(member, path, series, factor=W_PER_KW)

    return LoadTarget(target.name, past, put)


def history_of(
    station: Station,
    settings: ForecastSection,
    name: str,
    start_ns: int,
    step_ns: int,
    say: Callable[[str], None] = lambda _: None,
) -> Series:
    """Return what is known of a load when the run begins [W], means of steps; nothing without a history.

    Stamps without an offset are on the station's clock. ``say`` hears how rows were treated.
    """
    column = settings.loads[name].column
    zone = clock(station.utc_offset_s)
    if settings.history is None or column is None:
        return Series(name, start_ns, step_ns, np.empty(0), zone)
    beside = station.path.parent / settings.history
    path = beside if beside.is_file() else find_history(settings.history)
    series, report = read_history(path, Wish(column=column, step_s=step_ns / NS_PER_S, zone=zone))
    for note in report.notes:
        if note.kind == NO_STAMPS:
            what = "has no time stamps: what lies before the run cannot be told from what comes"
            raise UserInputError([Problem(str(path), "", what)])
        say(f"{name}: {path.name}: {note}")
    values = series.values * W_PER_KW * station.load.scale
    if settings.history_rows == "instants":
        values = (values + np.append(values[1:], np.nan)) / 2.0
    known = int(np.clip((start_ns - series.start_ns) // step_ns, 0, len(values)))
    return dc.replace(series, name=name, values=values[:known], zone=zone)


def model_path(name: str, near: Path) -> Path:
    """Return the path of an LSTM's file: beside the station file, else a shipped one's name."""
    beside = near / name
    return beside if beside.is_file() else find_model(name)


def _suns(targets: list[Target], plan: Plan, step_ns: int) -> list[SolarTarget]:
    if not targets:
        return []
    weather = plan.station.weather
    assert weather is not None
    sky = ClearSky(weather, step_ns)
    rated_w = {d.name: W_PER_KW * d.kva for d in plan.network.ders if d.kind == "pv"}
    rated_w[SUN] = sum(rated_w[t.name] for t in targets if t.name != SUN)
    return [SolarTarget(t.name, rated_w[t.name], partial(sky.power, rated_w[t.name])) for t in targets]


class ClearSky:
    """Clear-sky irradiance of a place, worked out once for all of its sites."""

    def __init__(self, weather: WeatherSettings, step_ns: int) -> None:
        self._weather, self._step_ns = weather, step_ns
        self._days: dict[int, Floats] = {}

    def power(self, rated_w: float, start_ns: int, n: int) -> Floats:
        """Return the mean power of n steps [W], as if 1 kW/m2 gave the rated power."""
        day_ns = DAY_STEPS_NS // self._step_ns * self._step_ns
        first, last = start_ns // day_ns, (start_ns + (n - 1) * self._step_ns) // day_ns
        poa = np.concatenate([self._day(d, day_ns) for d in range(first, last + 1)])
        skip = (start_ns - first * day_ns) // self._step_ns
        power: Floats = rated_w * np.minimum(poa[skip : skip + n], 1.0)
        return power

    def _day(self, day: int, day_ns: int) -> Floats:
        """Return the mean irradiance of the steps of a UTC day [kW/m2]."""
        if day not in self._days:
            if len(self._days) >= DAYS_KEPT:
                self._days.pop(min(self._days))
            at = day * day_ns + CLEAR_STEP_NS * np.arange(day_ns // CLEAR_STEP_NS) + CLEAR_STEP_NS // 2
            poa = clear_sky_poa(self._weather, at.astype(np.int64))
            self._days[day] = poa.reshape(day_ns // self._step_ns, -1).mean(axis=1) / 1000.0
        return self._days[day]
