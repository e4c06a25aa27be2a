"""From what was issued to the values and qualities of the forecaster's points: good, then aged, then Bad."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from forecasting.issue import Issue, TargetIssue
from forecasting.outputs import MODELS, State
from forecasting.scoreboard import Score, number_of
from forecasting.series import NS_PER_DAY, Floats
from rtcore.clock import NS_PER_HOUR, NS_PER_S
from rtcore.published import Layout, Values
from rtcore.quality import Quality

FRESH_STEPS = 1.5
"""A forecast is good while what it stands on is younger [steps]."""
USABLE_NS = NS_PER_DAY
"""And usable as long as this, for the steps that still lie ahead [ns]."""
LEVEL = 1
"""Of the intervals, the one that has points: 80 %."""
CLEAR_SKY = MODELS.index("clear_sky")
SHARE = "cover_50_pct", "cover_80_pct", "cover_95_pct"


def publish(
    layout: Layout,
    issue: Issue | None,
    now_ns: int,
    *,
    state: State | None = None,
    speed_up: float = math.nan,
) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Return values [SI] and qualities of all points of the forecaster's board.

    Parameters
    ----------
    issue : Issue or None
        The newest; None before the first.
    now_ns : int
        Simulated time [ns since 1970].
    state : State, optional
        Of the process where it is not that of its forecasts: starting, or failed.
    speed_up : float
        Simulated seconds a second that the process keeps up with.
    """
    image = Values(layout)
    for name in layout.instances("forecaster"):
        _service(image, name, issue, now_ns, state, speed_up)
    if issue is None:
        return image.values, image.quality
    for name in layout.instances("forecast"):
        if name in issue.targets:
            _target(image, name, issue, issue.targets[name], now_ns)
    for name in layout.instances("forecast_score"):
        target, _, horizon = name.rpartition(".")
        score = issue.targets[target].scores.get(int(horizon)) if target in issue.targets else None
        if score is not None:
            _score(image, name, score, _aged(issue.end_ns, issue.step_ns, now_ns))
    return image.values, image.quality


def _service(
    image: Values, name: str, issue: Issue | None, now_ns: int, state: State | None, speed_up: float
) -> None:
    def put(attr: str, value: float, quality: int = Quality.GOOD) -> None:
        image.put("forecaster", name, attr, float(value), quality)

    put("speed_up", speed_up)
    if issue is None:
        put("state", State.STARTING if state is None else state)
        put("issued", 0)
        return
    targets = issue.targets.values()
    n_fallback = sum(t.is_fallback for t in targets)
    put("state", _summary(issue) if state is None else state)
    put("issued", issue.count)
    put("age_s", (now_ns - issue.end_ns) / NS_PER_S)
    put("model_age_h", _hours(issue.fitted_ns, now_ns))
    put("lstm_age_h", _hours(issue.trained_ns, now_ns))
    put("history_h", issue.history_h)
    put("issue_ms", 1e3 * issue.issue_s)
    put("fit_ms", 1e3 * issue.fit_s)
    put("n_targets", len(issue.targets))
    put("n_fallback", n_fallback)
    put("is_fallback", n_fallback > 0)
    put("is_drift", any(t.is_drift for t in targets))


def _summary(issue: Issue) -> State:
    """Return the state of all targets together: what most needs a look."""
    states = [t.state for t in issue.targets.values()]
    if states and all(s is State.NO_DATA for s in states):
        return State.NO_DATA
    # The sun's intervals take days of daylight: that says nothing of the loads.
    loads = [t.state for t in issue.targets.values() if t.model != CLEAR_SKY]
    if State.LEARNING in (loads or states):
        return State.LEARNING
    return State.FALLBACK if State.FALLBACK in states else State.RUNNING


def _target(image: Values, name: str, issue: Issue, target: TargetIssue, now_ns: int) -> None:
    issued = _aged(issue.end_ns, issue.step_ns, now_ns)
    stands_on = _aged(target.known_ns, issue.step_ns, now_ns)

    def put(attr: str, value: float, quality: int = issued) -> None:
        image.put("forecast", name, attr, float(value), quality)

    put("actual_w", target.actual_w)
    for k, forecast in enumerate(target.forecast_w):
        is_over = issue.end_ns + (k + 1) * issue.step_ns <= now_ns
        quality = int(Quality.BAD) if is_over else stands_on
        put(f"h{k + 1}_w", forecast, quality)
        put(f"low{k + 1}_w", target.low_w[k, LEVEL], quality)
        put(f"high{k + 1}_w", target.high_w[k, LEVEL], quality)
    if np.isfinite(target.forecast_w).all():
        peak = int(np.argmax(target.forecast_w))
        put("peak_w", target.forecast_w[peak], stands_on)
        put("peak_in", peak + 1, stands_on)
        put("mean_w", target.forecast_w.mean(), stands_on)
        put("min_w", target.forecast_w.min(), stands_on)
    put("model", target.model if target.model >= 0 else math.nan)
    put("state", target.state)
    put("is_fallback", target.is_fallback)
    put("is_drift", target.is_drift)
    put("drift_level", target.drift)
    put("end_h", issue.end_ns / NS_PER_HOUR)


def _score(image: Values, name: str, score: Score, quality: int) -> None:
    def put(attr: str, value: float) -> None:
        image.put("forecast_score", name, attr, float(value), quality)

    for attr in (
        "rmse_w",
        "mae_w",
        "mape_pct",
        "mase",
        "bias_w",
        *SHARE,
        "count",
        "rmse_best_w",
        "skill_pct",
    ):
        put(attr, getattr(score, attr))
    for model, rmse in score.rmse_of.items():
        put(f"rmse_{model}_w", rmse)
    put("best", number_of(score.best) if score.best else math.nan)


def _aged(made_ns: int | None, step_ns: int, now_ns: int) -> int:
    """Return the quality of what was made from rows up to a moment."""
    if made_ns is None:
        return int(Quality.BAD)
    age_ns = now_ns - made_ns
    if age_ns < FRESH_STEPS * step_ns:
        return int(Quality.GOOD)
    return int(Quality.UNCERTAIN_LAST_USABLE if age_ns < USABLE_NS else Quality.BAD)


def _hours(then_ns: int | None, now_ns: int) -> float:
    return math.nan if then_ns is None else (now_ns - then_ns) / NS_PER_HOUR
