"""Points of the forecaster: values as issued, good while fresh, then aged, then Bad."""

import dataclasses as dc
import math

import numpy as np
import pytest

from forecasting.issue import Issue, TargetIssue
from forecasting.outputs import State
from forecasting.publication import publish
from forecasting.scoreboard import Score
from rtcore.clock import NS_PER_HOUR
from rtcore.points import Kind, Point
from rtcore.published import Layout
from rtcore.quality import Quality

END_NS = 420_000 * NS_PER_HOUR
SOURCES = (
    *(("forecaster.forecaster", a) for a in ("state", "issued", "age_s", "model_age_h", "lstm_age_h")),
    *(("forecaster.forecaster", a) for a in ("n_targets", "n_fallback", "is_drift", "issue_ms", "speed_up")),
    *(("forecast.total", f"{w}{k}_w") for w in ("h", "low", "high") for k in (1, 2, 24)),
    *(("forecast.total", a) for a in ("actual_w", "peak_w", "peak_in", "mean_w", "min_w", "model", "end_h")),
    *(("forecast_score.total.24", a) for a in ("rmse_w", "mape_pct", "count", "best", "rmse_ridge_w")),
    ("forecast.other", "h1_w"),
)


def point(source: str, attr: str) -> Point:
    return Point(
        tag=f"{source}.{attr}",
        device=source,
        template="",
        source=source,
        attr=attr,
        kind=Kind.ANALOG,
        unit="",
        minimum=-1e9,
        maximum=1e9,
        deadband=0.0,
        instrument="",
        description="",
        wire={},
    )


LAYOUT = Layout([point(source, attr) for source, attr in SOURCES])


def target() -> TargetIssue:
    forecast = 1e6 + 1e3 * np.arange(24.0)
    half = np.array([1e4, 2e4, 3e4])
    score = Score(rmse_w=5e4, count=600, rmse_of={"ridge": 6e4}, best="hybrid", rmse_best_w=5e4)
    return TargetIssue(
        actual_w=9.9e5,
        known_ns=END_NS,
        forecast_w=forecast,
        low_w=forecast[:, None] - half,
        high_w=forecast[:, None] + half,
        models=np.zeros(24, np.int64),
        model=0,
        state=State.RUNNING,
        is_fallback=False,
        is_drift=False,
        drift=0.2,
        scores={24: score},
    )


def issue(total: TargetIssue) -> Issue:
    return Issue(
        end_ns=END_NS,
        step_ns=NS_PER_HOUR,
        targets={"total": total},
        events=(),
        count=7,
        fitted_ns=END_NS - 5 * NS_PER_HOUR,
        trained_ns=None,
        history_h=4000.0,
        issue_s=0.02,
        fit_s=0.3,
    )


def published(now_h: float, total: TargetIssue | None = None) -> dict[str, tuple[float, int]]:
    made = issue(target() if total is None else total)
    values, quality = publish(LAYOUT, made, END_NS + round(now_h * NS_PER_HOUR), speed_up=60.0)
    names = [f"{s}.{a}" for s, a in SOURCES]
    return dict(zip(names, zip(values.tolist(), quality.tolist(), strict=True), strict=True))


def test_a_fresh_issue_is_published_as_it_is() -> None:
    found = published(0.25)
    good = int(Quality.GOOD)
    assert found["forecast.total.h1_w"] == (1e6, good)
    assert found["forecast.total.h24_w"] == (1.023e6, good)
    # Of the three levels the points have the one of 80 %.
    assert found["forecast.total.low2_w"] == (1.001e6 - 2e4, good)
    assert found["forecast.total.high2_w"] == (1.001e6 + 2e4, good)
    assert found["forecast.total.peak_w"] == (1.023e6, good)
    assert found["forecast.total.peak_in"] == (24.0, good)
    assert found["forecast.total.min_w"] == (1e6, good)
    assert found["forecast.total.end_h"] == (420_000.0, good)
    assert found["forecast_score.total.24.rmse_w"] == (5e4, good)
    assert found["forecast_score.total.24.rmse_ridge_w"] == (6e4, good)
    assert found["forecast_score.total.24.best"] == (0.0, good)
    assert found["forecaster.forecaster.age_s"] == (900.0, good)
    assert found["forecaster.forecaster.model_age_h"] == (5.25, good)
    assert found["forecaster.forecaster.state"] == (float(State.RUNNING), good)
    assert found["forecaster.forecaster.speed_up"] == (60.0, good)


@pytest.mark.parametrize(
    ("now_h", "first", "last"),
    [
        (0.9, Quality.GOOD, Quality.GOOD),
        (1.2, Quality.BAD, Quality.GOOD),
        (1.6, Quality.BAD, Quality.UNCERTAIN_LAST_USABLE),
        (23.9, Quality.BAD, Quality.UNCERTAIN_LAST_USABLE),
        (24.1, Quality.BAD, Quality.BAD),
    ],
)
def test_a_forecast_ages_and_a_step_that_is_over_is_none(now_h: float, first: int, last: int) -> None:
    found = published(now_h)
    assert (found["forecast.total.h1_w"][1], found["forecast.total.h24_w"][1]) == (first, last)
    assert found["forecast.total.h1_w"][0] == 1e6  # the value stays


def test_a_forecast_is_as_old_as_the_last_value_it_stands_on() -> None:
    total = dc.replace(target(), actual_w=math.nan, known_ns=END_NS - 5 * NS_PER_HOUR, state=State.NO_DATA)
    found = published(0.1, total)
    assert found["forecast.total.h1_w"][1] == Quality.UNCERTAIN_LAST_USABLE
    assert found["forecast.total.actual_w"][1] == Quality.BAD_WAITING
    assert found["forecaster.forecaster.state"][0] == State.NO_DATA
    never = published(0.1, dc.replace(total, known_ns=None))
    assert never["forecast.total.h1_w"][1] == Quality.BAD


def test_what_is_not_known_waits() -> None:
    found = published(0.1, dc.replace(target(), forecast_w=np.full(24, np.nan), model=-1))
    waiting = int(Quality.BAD_WAITING)
    for name in ("forecast.total.h1_w", "forecast.total.peak_w", "forecast.total.model"):
        assert found[name][1] == waiting
    assert found["forecast_score.total.24.mape_pct"][1] == waiting
    assert found["forecaster.forecaster.lstm_age_h"][1] == waiting
    assert found["forecast.other.h1_w"][1] == waiting


def test_before_the_first_issue_only_the_state_is_there() -> None:
    values, quality = publish(LAYOUT, None, END_NS)
    place = LAYOUT.place("forecaster", "forecaster", "state")
    assert values[place] == State.STARTING and quality[place] == Quality.GOOD
    assert quality[LAYOUT.place("forecast", "total", "h1_w")] == Quality.BAD_WAITING
    failed, _ = publish(LAYOUT, None, END_NS, state=State.FAILED)
    assert failed[place] == State.FAILED


def test_the_service_says_how_many_targets_need_a_look() -> None:
    total = dc.replace(target(), is_fallback=True, is_drift=True, state=State.FALLBACK)
    found = published(0.1, total)
    assert found["forecaster.forecaster.n_fallback"][0] == 1.0
    assert found["forecaster.forecaster.is_drift"][0] == 1.0
    assert found["forecaster.forecaster.state"][0] == State.FALLBACK
