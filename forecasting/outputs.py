"""What the forecaster publishes: kinds, attributes, and where each stands on the forecaster's board.

Points bind to these attributes as they bind to those of the plant, but another process than the core writes
them: they stand behind all core points in a station's list and on a board of their own.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from rtcore.component import Attr, component

KINDS = ("forecaster", "forecast", "forecast_score")
"""Component kinds whose points the forecaster's process publishes."""

AHEAD = 24
"""Steps ahead that have points."""

MODELS = (
    "hybrid",
    "prophet",
    "lstm",
    "prophet_ar",
    "ridge",
    "ridge_weeks",
    "ridge_recent",
    "ridge_log",
    "persistence",
    "naive_day",
    "naive_week",
    "clear_sky",
)
"""Models by their number: what is issued, and the best one of a scoreboard."""

BASELINES = ("persistence", "naive_day", "naive_week", "ridge")


class State(enum.IntEnum):
    """How far the forecaster, or one target, has come; the number is the point ``state``."""

    STARTING = 0
    LEARNING = 1
    RUNNING = 2
    FALLBACK = 3
    NO_DATA = 4
    FAILED = 5


STATE_TEXT = {
    State.STARTING: "starting",
    State.LEARNING: "learning: too little history for the hybrid",
    State.RUNNING: "running",
    State.FALLBACK: "another model than the hybrid is issued",
    State.NO_DATA: "no measurements of the last step",
    State.FAILED: "failed, see its log",
}


def _table(words: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"{int(number)} {text}" for number, text in words)


STATE_TABLE = _table(STATE_TEXT.items())
MODEL_TABLE = _table(enumerate(MODELS))


def _ahead(name: str, what: str) -> Iterable[Attr]:
    return (Attr(f"{name}{k}_w", "W", f"{what}, {k} steps ahead") for k in range(1, AHEAD + 1))


@component(
    "forecaster",
    attrs=(
        Attr("state", "", f"state: {STATE_TABLE}"),
        Attr("issued", "", "forecasts issued since the forecaster's start"),
        Attr("age_s", "s", "age of the newest forecast, of simulated time"),
        Attr("model_age_h", "h", "time since the models were last fitted"),
        Attr("lstm_age_h", "h", "time since the newest LSTM was trained"),
        Attr("history_h", "h", "history that is known"),
        Attr("issue_ms", "ms", "processor time of the newest forecasts"),
        Attr("fit_ms", "ms", "processor time of the newest fit"),
        Attr("n_targets", "", "targets that are forecast"),
        Attr("n_fallback", "", "targets of which another model than the hybrid is issued"),
        Attr("is_fallback", "", "another model than the hybrid is issued for a target"),
        Attr("is_drift", "", "drift alarm of a target"),
        Attr("speed_up", "", "simulated seconds a second that it keeps up with"),
    ),
)
class Forecaster:
    """Forecaster."""


@component(
    "forecast",
    attrs=(
        Attr("actual_w", "W", "mean of the last full step"),
        *_ahead("h", "forecast"),
        *_ahead("low", "lower end of the 80 % interval"),
        *_ahead("high", "upper end of the 80 % interval"),
        Attr("peak_w", "W", "highest forecast of the next 24 h"),
        Attr("peak_in", "", "steps until it"),
        Attr("mean_w", "W", "mean of the forecast of the next 24 h"),
        Attr("min_w", "W", "lowest forecast of the next 24 h"),
        Attr("model", "", f"model that is issued: {MODEL_TABLE}"),
        Attr("state", "", f"state: {STATE_TABLE}"),
        Attr("is_fallback", "", "another model than the hybrid is issued"),
        Attr("is_drift", "", "drift alarm: errors have left what they were"),
        Attr("drift_level", "", "statistic of the drift alarm, 1 at its threshold"),
        Attr("end_h", "h", "end of the last full step, hours since 1970"),
    ),
)
class ForecastTarget:
    """Forecast of one quantity: a load, or a photovoltaic site."""


@component(
    "forecast_score",
    attrs=(
        Attr("rmse_w", "W", "root mean square error of what was issued"),
        Attr("mae_w", "W", "mean absolute error"),
        Attr("mape_pct", "%", "mean absolute error relative to what came"),
        Attr("mase", "", "mean absolute error in units of the seasonal naive's"),
        Attr("bias_w", "W", "mean error, forecast less actual"),
        Attr("cover_50_pct", "%", "share of what came inside the 50 % interval"),
        Attr("cover_80_pct", "%", "share of what came inside the 80 % interval"),
        Attr("cover_95_pct", "%", "share of what came inside the 95 % interval"),
        Attr("count", "", "forecasts scored, of the last 28 days at most"),
        *(Attr(f"rmse_{name}_w", "W", f"root mean square error of {name}") for name in BASELINES),
        Attr("rmse_hybrid_w", "W", "root mean square error of the hybrid"),
        Attr("best", "", f"model with the least: {MODEL_TABLE}"),
        Attr("rmse_best_w", "W", "its root mean square error"),
        Attr("skill_pct", "%", "how much less the error is than persistence's"),
    ),
)
class ForecastScore:
    """Live score of one target at one horizon; an instance is ``TARGET.STEPS``, for instance ``total.24``."""
