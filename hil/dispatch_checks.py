"""What must be right of a station's dispatcher before a run: prices, points, forecasts."""

from __future__ import annotations

import dataclasses as dc
from typing import Any

from forecasting.dispatch.settings import Settings
from hil.dispatch_forecast import DispatchForecast
from hil.dispatch_points import DispatchPoints, MissingPointError
from hil.dispatch_site import site_of
from hil.forecaster_setup import ClearSky
from hil.publishers import FORECASTER
from hil.settings_sections import DispatchSection
from hil.station import Plan
from rtcore.clock import NS_PER_HOUR
from rtcore.errors import Problem, UserInputError, did_you_mean


def require(plan: Plan) -> None:
    """Raise UserInputError with everything that is wrong with a station's dispatcher."""
    problems = dispatch_problems(plan)
    if problems:
        raise UserInputError(problems)


def dispatch_problems(plan: Plan) -> list[Problem]:
    """Return what is wrong with what a station's dispatcher plans from."""
    station, section = plan.station, plan.station.dispatch
    file = str(station.path)
    if section is None or not section.enabled:
        return []
    _, problems = read_settings(section, file)
    forecast = station.forecast
    if forecast is None or not forecast.enabled or station.weather is None:
        what = "plans are made from forecasts of loads and sun: [forecast] and [weather] are needed"
        return [*problems, Problem(file, "dispatch", what)]
    if forecast.step_min != 60:
        problems.append(Problem(file, "forecast.step_min", "the dispatcher plans in hours: 60"))
    try:
        site = site_of(plan, station.start_utc_ns)
        DispatchPoints(plan.points.core, site)
        ours = DispatchForecast(
            plan.points.of(FORECASTER), site, ClearSky(station.weather, NS_PER_HOUR).power
        )
        if ours.missing:
            what = f"no forecast of {', '.join(ours.missing[:5])}; needed are total, feeders and sites"
            problems.append(Problem(file, "forecast.loads", what))
    except MissingPointError as error:
        problems.append(Problem(str(station.points), "devices.csv", f"the dispatcher needs it: {error}"))
    except UserInputError as error:
        problems += error.problems
    return problems


def read_settings(section: DispatchSection, file: str) -> tuple[Settings, list[Problem]]:
    """Return prices and limits: the defaults, with what a station says in their place."""
    known = {f.name: f.type for f in dc.fields(Settings)}
    problems = [
        Problem(file, f"dispatch.settings.{name}", f"unknown key{did_you_mean(name, known)}")
        for name in section.settings
        if name not in known
    ]
    problems += [
        Problem(file, f"dispatch.settings.{n}", f"{x!r}: must be a whole number")
        for n, x in section.settings.items()
        if known.get(n) == "int" and x != int(x)
    ]
    given: dict[str, Any] = {
        n: int(x) if known[n] == "int" else x for n, x in section.settings.items() if n in known
    }
    try:
        return Settings(**given), problems
    except ValueError as error:
        return Settings(), [*problems, Problem(file, "dispatch.settings", str(error))]
