"""The service on a real load and a site beside it: live scores, restarts, jumps, and what it refuses."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from forecasting.history import Wish, read_history
from forecasting.issue import Issue
from forecasting.outputs import MODELS
from forecasting.scoreboard import by_target, recompute
from forecasting.series import Series
from forecasting.service import Service
from forecasting.target import LoadTarget, SolarTarget
from rtcore.clock import NS_PER_HOUR

DAY = 24
HISTORY = Path(__file__).parents[3] / "config" / "histories" / "iowa240_2017.csv.gz"
BEGIN_NS = 1_499_839_200 * 1_000_000_000
"""2017-07-12T00:00:00-06:00."""
DAYS, LIVE = 35, 3 * DAY


def clear(start_ns: int, n: int) -> np.ndarray:
    hour = (start_ns // NS_PER_HOUR + np.arange(n) - 5.5) % DAY
    return np.asarray(1e5 * np.maximum(0.0, np.sin((hour - 6.0) / 12.0 * np.pi)))


def real() -> tuple[Series, np.ndarray]:
    """Return the history before the run [W], and what comes."""
    series, _ = read_history(HISTORY, Wish(column="total_kw"))
    begin = (BEGIN_NS - series.start_ns) // series.step_ns
    known = series.since(begin - DAYS * DAY).before(DAYS * DAY)
    history = Series("total", known.start_ns, known.step_ns, 1e3 * known.values, zone=known.zone)
    return history, 1e3 * series.values[begin : begin + LIVE]


def service(history: Series, heard: list[str] | None = None) -> Service:
    return Service(
        [LoadTarget("total", history)],
        [SolarTarget("pv_1", 1e5, clear)],
        step_ns=NS_PER_HOUR,
        start_ns=BEGIN_NS,
        rng=np.random.default_rng(1),
        say=[].append if heard is None else heard.append,
    )


def close(serving: Service, load_w: np.ndarray, first: int, end: int) -> list[Issue]:
    issues = []
    for k in range(first, end):
        sun = 0.7 * float(clear(BEGIN_NS + k * NS_PER_HOUR, 1)[0])
        actuals = {"total": float(load_w[k]), "pv_1": sun}
        issues.append(serving.close(BEGIN_NS + (k + 1) * NS_PER_HOUR, actuals))
    return issues


def test_live_scores_on_a_real_load_are_those_of_what_was_issued_also_after_a_restart() -> None:
    history, load_w = real()
    serving, progress = service(history), list[tuple[int, int]]()
    serving.warm_up(lambda done, total: progress.append((done, total)))
    assert progress[-1] == (100, 100) and progress == sorted(progress)
    cut = 30
    issues = close(serving, load_w, 0, cut)
    state = json.loads(json.dumps(serving.state(), allow_nan=False))
    again = service(history)
    again.restore(state)
    issues += close(serving, load_w, cut, LIVE)
    rest = close(again, load_w, cut, LIVE)
    for mine, theirs in zip(issues[cut:], rest, strict=True):
        for name in ("total", "pv_1"):
            mine_w, theirs_w = mine.targets[name].forecast_w, theirs.targets[name].forecast_w
            assert np.array_equal(mine_w, theirs_w)
            assert _same(mine.targets[name].scores, theirs.targets[name].scores)
        assert (mine.count, mine.events) == (theirs.count, theirs.events)

    ends_ns = np.array([i.end_ns for i in issues])
    actual = by_target(
        ends_ns, np.array([i.targets["total"].actual_w for i in issues]), 0, NS_PER_HOUR, ends_ns[0], LIVE
    )
    assert np.array_equal(actual, load_w)
    for horizon in (1, 6, 24):
        said = np.array([i.targets["total"].forecast_w[horizon - 1] for i in issues])
        offline = recompute(
            by_target(ends_ns, said, horizon, NS_PER_HOUR, int(ends_ns[0]), LIVE), actual, DAY
        )
        live = issues[-1].targets["total"].scores[horizon]
        assert live.count == offline.count == LIVE - horizon
        for what in ("rmse_w", "mae_w", "mape_pct", "mase", "bias_w"):
            assert getattr(live, what) == getattr(offline, what)
    # An hour ahead no model of a day's shape is near one that knows the last hour.
    near = issues[-1].targets["total"].scores[1]
    assert near.rmse_w < 0.6 * near.rmse_of["persistence"]
    assert issues[-1].targets["total"].models[0] == MODELS.index("hybrid")
    assert issues[-1].targets["pv_1"].model == MODELS.index("clear_sky")
    # Processor time; measured 20 and 300 ms.
    assert np.median([i.issue_s for i in issues]) < 0.15 and issues[-1].fit_s < 2.0


def young(step_ns: int = NS_PER_HOUR) -> Service:
    return service(Series("total", BEGIN_NS, step_ns, np.empty(0)))


def test_missed_steps_are_gaps() -> None:
    serving = young()
    serving.close(BEGIN_NS + NS_PER_HOUR, {"total": 1e6, "pv_1": 0.0})
    issue = serving.close(BEGIN_NS + 5 * NS_PER_HOUR, {"total": 2e6})
    total, sun = issue.targets["total"], issue.targets["pv_1"]
    assert (total.actual_w, total.known_ns) == (2e6, issue.end_ns)
    assert math.isnan(sun.actual_w) and sun.known_ns == BEGIN_NS + NS_PER_HOUR
    assert issue.history_h == 5.0 and issue.count == 2
    # The value of two hours ahead of the first hour was never measured: it is not scored.
    assert total.scores[1].count == 0


def test_forecasts_that_were_over_when_they_were_shown_are_not_scored() -> None:
    in_time, late = young(), young()
    for serving in (in_time, late):
        serving.close(BEGIN_NS + NS_PER_HOUR, {"total": 1e6, "pv_1": 0.0})
        serving.close(BEGIN_NS + 2 * NS_PER_HOUR, {"total": 1.1e6, "pv_1": 0.0})
    in_time.withdraw(BEGIN_NS + 2 * NS_PER_HOUR, BEGIN_NS + 3 * NS_PER_HOUR - 1)
    late.withdraw(BEGIN_NS + 2 * NS_PER_HOUR, BEGIN_NS + 3 * NS_PER_HOUR)
    found = [s.close(BEGIN_NS + 3 * NS_PER_HOUR, {"total": 1.3e6, "pv_1": 0.0}) for s in (in_time, late)]
    assert [i.targets["total"].scores[1].count for i in found] == [2, 1]
    assert [i.targets["total"].scores[1].mae_w for i in found] == pytest.approx([1.5e5, 1e5])
    assert np.array_equal(*(i.targets["total"].forecast_w for i in found))


def test_a_step_that_was_closed_or_is_off_the_grid_is_refused() -> None:
    serving = young()
    serving.close(BEGIN_NS + NS_PER_HOUR, {})
    for wrong_ns in (BEGIN_NS, BEGIN_NS + NS_PER_HOUR, BEGIN_NS + 3 * NS_PER_HOUR // 2):
        with pytest.raises(ValueError, match="the step before ended at"):
            serving.close(wrong_ns, {})


def test_histories_of_the_future_and_names_given_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="lie after the run's begin"):
        service(Series("total", BEGIN_NS, NS_PER_HOUR, np.ones(2)))
    with pytest.raises(ValueError, match="called 'pv_1'"):
        Service(
            [],
            [SolarTarget("pv_1", 1.0, clear)] * 2,
            step_ns=NS_PER_HOUR,
            start_ns=BEGIN_NS,
            rng=np.random.default_rng(1),
            say=[].append,
        )
    with pytest.raises(ValueError, match="steps of"):
        young(NS_PER_HOUR // 2)


def test_the_state_of_another_service_is_refused() -> None:
    serving = young()
    state = serving.state()
    with pytest.raises(ValueError, match="other targets"):
        serving.restore({**state, "loads": {}})
    with pytest.raises(ValueError, match="another version"):
        serving.restore({**state, "version": 0})


def _same(mine: object, theirs: object) -> bool:
    return repr(mine) == repr(theirs)  # NaN is equal to NaN, and every digit is there
