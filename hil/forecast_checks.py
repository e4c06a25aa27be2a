"""What must be right of a station's forecasts before a run: history, models, weather."""

from __future__ import annotations

import numpy as np

from forecasting.residual_lstm import ResidualLstm
from forecasting.retraining import use_model
from forecasting.seasonal import Seasonal
from hil.forecast_targets import targets_of
from hil.forecaster_setup import W_PER_KW, history_of, model_path
from hil.settings_sections import ForecastSection
from hil.station import Plan
from rtcore.clock import NS_PER_S
from rtcore.errors import Problem, UserInputError


def require(plan: Plan) -> None:
    """Raise UserInputError with everything that is wrong with a station's forecasts."""
    problems = forecast_problems(plan)
    if problems:
        raise UserInputError(problems)


def forecast_problems(plan: Plan) -> list[Problem]:
    """Return what is wrong with the files that a station's forecasts are made from; takes a second."""
    station, settings = plan.station, plan.station.forecast
    if settings is None or not settings.enabled:
        return []
    targets, problems = targets_of(settings, plan.points.core, str(station.path))
    if settings.sun is not None and station.weather is None:
        what = "a clear sky needs a place on earth: the table [weather]"
        problems.append(Problem(str(station.path), "forecast.sun", what))
    step_ns = settings.step_min * 60 * NS_PER_S
    for name in (t.name for t in targets if not t.is_sun):
        problems += _load_problems(plan, settings, name, step_ns)
    return list(dict.fromkeys(problems))


def _load_problems(plan: Plan, settings: ForecastSection, name: str, step_ns: int) -> list[Problem]:
    """Read what the forecast of a load is made from, as its process will."""
    start_ns = plan.station.start_utc_ns // step_ns * step_ns
    model = settings.loads[name].model
    try:
        series = history_of(plan.station, settings, name, start_ns, step_ns)
        if model is not None:
            member = ResidualLstm(Seasonal(series.per_day), series.per_day, np.random.default_rng(0))
            use_model(member, model_path(model, plan.station.path.parent), series, factor=W_PER_KW)
    except UserInputError as error:
        return error.problems
    return []
