"""Loads at the level of a forecast, held against the shipped year: are they better, is sigma what they err?

Eleven days from April to December, an hour after the other with a moment drawn in each. The forecast is
causal and simple: ridge with a day of lags, fitted anew every midnight on what was measured before, one step
ahead; its 80 % interval comes from its own past errors. What it is compared with is the level of the loads'
last hour. Loads are those of the profile, without losses.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import numpy.typing as npt
import pytest

from estimation.pseudo import NS_PER_S, History, Pseudo
from estimation.pseudo_levels import Level
from forecasting.hybrid import plain_ridge
from forecasting.intervals import LEVELS, intervals
from forecasting.series import Series
from hil.forecast_feeders import SIGMAS_OF_80, Feeder, feeders_of
from hil.forecast_targets import targets_of
from hil.load_history import history_of
from hil.station import Plan, read_plan
from tests.support.station import say

Floats = npt.NDArray[np.float64]

HOUR_NS = 3600 * NS_PER_S
FIRST_DAY = 56
"""Of the first forecast; its intervals take six weeks of errors."""
DAYS = range(110, 360, 24)
"""Days of the year; 24 of them are no whole number of weeks, so that all weekdays come."""
SIGMAS = 1.2816
"""80 % of a normal variable lie within so many sigma."""


@dc.dataclass(frozen=True)
class Errors:
    """True power less what was said, by hour, and sigmas [W].

    ``loads`` and ``sigma`` have shape (hours, n_load), ``sums`` (hours, feeders), ``common`` too: what the
    level's sigma is.
    """

    loads: Floats
    sigma: Floats
    sums: Floats
    common: Floats
    believed: Floats
    """Sigma of the sums of who takes errors of loads as independent."""


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


@pytest.fixture(scope="module")
def feeders(plan: Plan) -> list[Feeder]:
    assert plan.station.forecast is not None
    targets, _ = targets_of(plan.station.forecast, plan.points.core, "iowa240")
    return feeders_of(targets, plan.points.core, plan.network, say)


@pytest.fixture(scope="module")
def history(plan: Plan) -> History:
    found = history_of(plan)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def found(plan: Plan, feeders: list[Feeder], history: History) -> dict[str, Errors]:
    """Errors with history alone, and with the levels of the forecasts."""
    pseudo = Pseudo(plan.network, history, ripple_pu=0.0)
    forecasts = [forecast(history, feeder) for feeder in feeders]
    rng = np.random.default_rng(3)
    rows = [24 * day + hour for day in DAYS for hour in range(24)]
    moments = [history.start_ns + round((row + rng.random()) * HOUR_NS) for row in rows]
    levels = [tuple(one[row] for one in forecasts) for row in rows]
    return {
        "history": errors(pseudo, feeders, history, moments, [()] * len(rows)),
        "forecast": errors(pseudo, feeders, history, moments, levels),
    }


def forecast(history: History, feeder: Feeder) -> dict[int, Level]:
    """Return the level of every row of the year: one step ahead, of a model that knows what was before."""
    drawn = history.p_w[:, list(feeder.loads)].sum(axis=1)
    means = (drawn[:-1] + drawn[1:]) / 2.0
    series = Series(feeder.name, history.start_ns, history.step_ns, means, zone="-06:00")
    model, point = plain_ridge([1]), np.full(len(means), np.nan)
    for midnight in range(24 * FIRST_DAY, len(means) - 24, 24):
        model.fit(series, midnight)
        origins = np.arange(midnight - 1, midnight + 23)
        point[origins + 1] = model.forecast(series, origins, np.array([1]))[:, 0]
    within = intervals(point, means, horizon=1, per_day=24)
    k = LEVELS.index(0.8)
    sigma = (within.upper[:, k] - within.lower[:, k]) / SIGMAS_OF_80
    found = {}
    for row in np.flatnonzero(np.isfinite(sigma)).tolist():
        begin_ns = history.start_ns + row * HOUR_NS
        found[row] = Level(feeder.loads, begin_ns, begin_ns + HOUR_NS, float(point[row]), float(sigma[row]))
    return found


def errors(
    pseudo: Pseudo,
    feeders: list[Feeder],
    history: History,
    moments: list[int],
    levels: list[tuple[Level, ...]],
) -> Errors:
    err, sigma, common = [], [], []
    for at_ns, given in zip(moments, levels, strict=True):
        row, rest_ns = divmod(at_ns - history.start_ns, HOUR_NS)
        f = rest_ns / HOUR_NS
        true = (1.0 - f) * history.p_w[row] + f * history.p_w[row + 1]
        mean, variance = pseudo.loads_at(at_ns, 1.0, given)
        err.append(true - mean[0])
        sigma.append(np.sqrt(variance[0]))
        common.append([x.relative * x.p_w for x in given])
    e, s = np.array(err), np.array(sigma)
    groups = [list(x.loads) for x in feeders]
    sums = np.stack([e[:, g].sum(axis=1) for g in groups], axis=1)
    believed = np.stack([np.sqrt((s[:, g] ** 2).sum(axis=1)) for g in groups], axis=1)
    return Errors(e, s, sums, np.array(common), believed)


def rms(x: Floats, axis: int | None = None) -> Floats:
    return np.asarray(np.sqrt(np.mean(np.square(x), axis=axis)))


def covered(error: Floats, sigma: Floats) -> float:
    return float(np.mean(np.abs(error) < SIGMAS * sigma))


def test_a_feeders_sum_errs_by_half_of_what_it_did(found: dict[str, Errors], feeders: list[Feeder]) -> None:
    """At 0.7 the gain would be half of that of a perfect forecast; 264 hours tell a ratio of rms to 10 %."""
    before, after = rms(found["history"].sums, 0), rms(found["forecast"].sums, 0)
    for feeder, x, y in zip(feeders, before.tolist(), after.tolist(), strict=True):
        say(f"{feeder.name}: sum of loads wrong by {x / 1e3:.1f} kW rms, with the forecast {y / 1e3:.1f} kW")
    assert np.all(after < 0.7 * before)


def test_single_loads_err_no_more_than_they_did(found: dict[str, Errors]) -> None:
    """Most of their error is their own, which no forecast of a sum takes away: a few percent are gained."""
    before, after = (float(rms(found[k].loads)) for k in ("history", "forecast"))
    say(f"single loads: {before / 1e3:.2f} kW rms, with the forecast {after / 1e3:.2f} kW")
    assert after < before


def test_sigmas_of_single_loads_hold_four_of_five_errors(found: dict[str, Errors]) -> None:
    """80 % of a normal variable. Services have tails, of an hour when something large runs: sigma, which is
    a root mean square, then covers more of the other hours, and not much less anywhere."""
    for name, one in found.items():
        share = covered(one.loads, one.sigma)
        say(f"{name}: {100 * share:.1f} % of single loads within {SIGMAS} sigma")
        assert 0.75 < share < 0.88
    z = found["forecast"].loads[:, found["forecast"].sigma.min(axis=0) > 0.0]
    z = z / found["forecast"].sigma[:, found["forecast"].sigma.min(axis=0) > 0.0]
    assert 0.8 < np.std(z) < 1.2  # J of the estimator goes with the square


def test_the_common_part_holds_four_of_five_errors_of_the_sums(
    found: dict[str, Errors], feeders: list[Feeder]
) -> None:
    """80 %, less what the moment differs from the mean of its hour, which is not in it, and more for losses,
    which there are none of here. 264 hours, of which neighbours are alike, tell a share to 5 %."""
    one = found["forecast"]
    for k, feeder in enumerate(feeders):
        share = covered(one.sums[:, k], one.common[:, k])
        say(f"{feeder.name}: {100 * share:.1f} % of sums within {SIGMAS} sigma of the level")
        assert 0.65 < share < 0.92


def test_who_takes_loads_as_independent_is_not_too_sure_of_the_sum(
    found: dict[str, Errors], feeders: list[Feeder]
) -> None:
    """As the estimator does. With history the sums err by more than it believes, by far in large feeders."""
    for name in ("history", "forecast"):
        one = found[name]
        ratio = rms(one.sums, 0) / rms(one.believed, 0)
        told = ", ".join(f"{f.name} {r:.2f}" for f, r in zip(feeders, ratio.tolist(), strict=True))
        say(f"{name}: error of the sums over what independent loads would have: {told}")
        if name == "forecast":
            assert np.all(ratio < 1.0)
        else:
            assert np.all(ratio > 1.0)  # else levels would not be worth their effort
