"""Loads at the level of a forecast: its mean over the step, its sigma and their own; else history."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from estimation import pseudo as ps
from estimation.pseudo import History, Pseudo
from estimation.pseudo_levels import LIMIT, LOSSES_FRAC, Level, row_weights
from rtcore.network.model import Bus, Load, Network, Source

HOUR_NS = 3_600 * ps.NS_PER_S
GROUP = (0, 1, 2)
ROWS = 60 * 24


def network(n: int = 4) -> Network:
    source = Source(
        name="s", bus="b", nodes=(1, 2, 3), base_kv=12.47, r1_ohm=0.1, x1_ohm=1.0, r0_ohm=0.1, x0_ohm=1.0
    )
    names = [f"c{k}" for k in range(n)]
    loads = tuple(
        Load(name=c, bus=c, nodes=(1, 0), phases=1, conn="wye", kv=7.2, kw=40.0, kvar=10.0) for c in names
    )
    buses = tuple(Bus(name=c, base_kv_ln=7.2) for c in ("b", *names))
    return Network(name="small", buses=buses, sources=(source,), loads=loads)


def history(step_ns: int = HOUR_NS, *, own: float = 0.1, common: float = 0.15) -> History:
    """Loads with a day's course, a level of each row that all share, and an error of their own."""
    rng = np.random.default_rng(1)
    n_t = ROWS * HOUR_NS // step_ns
    hour = np.arange(n_t)[:, None] * step_ns / HOUR_NS
    course = 40e3 * (1.0 + 0.4 * np.sin(2.0 * np.pi * (hour % 24.0) / 24.0))
    shared = 1.0 + common * rng.standard_normal((n_t, 1))
    p_w = course * shared * (1.0 + own * rng.standard_normal((n_t, 4)))
    return History(start_ns=0, step_ns=step_ns, p_w=p_w, q_var=0.25 * p_w)


def level(p_w: float, sigma_w: float = 0.0, *, row: int = 1000, minutes: int = 60, at: int = 0) -> Level:
    """Of a step of some minutes that begins as many minutes behind an hour."""
    begin_ns = row * HOUR_NS + at * 60 * ps.NS_PER_S
    return Level(GROUP, begin_ns, begin_ns + minutes * 60 * ps.NS_PER_S, p_w, sigma_w)


def mean_of_sum(pseudo: Pseudo, over: Level, scale: float = 1.0) -> float:
    """Mean of the loads of a level over its step, by the midpoints of 120 parts: exact for straight lines."""
    n = 120
    width = (over.end_ns - over.begin_ns) / n
    moments = [over.begin_ns + round((k + 0.5) * width) for k in range(n)]
    found = [scale * pseudo.loads_at(t, scale, (over,))[0][0, list(GROUP)].sum() for t in moments]
    return float(np.mean(found))


def test_rows_of_a_mean_are_weighted_as_straight_lines_between_them_have_it() -> None:
    rows = np.array([3.0, -1.0, 7.0, 2.0, 5.0])
    for begin, end in ((0.0, 1.0), (1.0, 1.5), (1.5, 2.0), (0.25, 3.5), (0.0, 4.0)):
        first, weights = row_weights(begin, end)
        t = begin + (end - begin) * (np.arange(20_000) + 0.5) / 20_000
        # the midpoint rule is off by 1e-9 of the curvature that kinks have
        expected = np.interp(t, np.arange(5), rows).mean()
        assert weights @ rows[first : first + len(weights)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("row_min", "minutes", "at"), [(60, 60, 0), (60, 30, 30), (15, 60, 0), (15, 30, 30), (60, 60, 30)]
)
def test_the_sum_has_the_mean_of_its_forecast_over_the_step(row_min: int, minutes: int, at: int) -> None:
    """Whatever the steps of forecast and history are to each other."""
    pseudo = Pseudo(network(), history(row_min * 60 * ps.NS_PER_S))
    wanted = level(150e3, minutes=minutes, at=at)
    assert mean_of_sum(pseudo, wanted) == pytest.approx(150e3, rel=1e-9)


def test_loads_of_no_forecast_stay_and_reactive_power_follows() -> None:
    pseudo, at_ns = Pseudo(network(), history()), 1000 * HOUR_NS + HOUR_NS // 3
    plain, levelled = pseudo.loads_at(at_ns)[0], pseudo.loads_at(at_ns, 1.0, (level(150e3),))[0]
    assert levelled[:, 3].tolist() == plain[:, 3].tolist()
    factor = levelled[0, 0] / plain[0, 0]
    assert levelled[:, :3] == pytest.approx(factor * plain[:, :3], rel=1e-12)
    assert abs(factor - 1.0) > 0.01


def test_a_sum_is_meant_at_the_factor_on_all_loads_that_is_in_force() -> None:
    pseudo, wanted = Pseudo(network(), history()), level(150e3)
    assert mean_of_sum(pseudo, wanted, scale=1.5) == pytest.approx(150e3, rel=1e-9)


def test_sigma_is_that_of_the_forecast_and_what_loads_err_when_the_sum_is_known() -> None:
    """At the usual level of the hour, 26 kW a load; of 28 errors a standard deviation is known to 13 %.

    A load errs by 10 % of its own, of which a third is in the sum of three and so known; the mean of four
    weeks by a quarter of that variance, the level of its own last rows by a twelfth. A row differs from the
    mean of its step by half of the difference to the next one, of 15 % each. A part of ``PRIOR`` is added.
    """
    pseudo, at_ns = Pseudo(network(), history()), 1000 * HOUR_NS
    mean, own = pseudo.loads_at(at_ns, 1.0, (level(78e3),))
    with_level = pseudo.loads_at(at_ns, 1.0, (level(78e3, 7.8e3),))[1]
    common = (with_level - own)[:, :3] / mean[:, :3] ** 2
    assert common == pytest.approx(np.full((2, 3), 0.1**2), rel=1e-9)
    relative = own[0, :3] / mean[0, :3] ** 2 - LOSSES_FRAC**2
    of_shares = 0.1**2 * (2.0 / 3.0) * (1.0 + 1.0 / 4.0 + 1.0 / 12.0)
    expected = of_shares + 0.15**2 / 2.0 + ps.PRIOR**2 / 29.0
    assert np.sqrt(np.mean(relative)) == pytest.approx(np.sqrt(expected), rel=0.2)


def test_what_all_loads_share_from_day_to_day_is_not_in_their_own_sigma() -> None:
    """Days that are all hot or cold by 15 %: history is wrong by it, and who knows the sum is not."""
    hot = np.repeat(1.0 + 0.15 * np.random.default_rng(2).standard_normal(ROWS // 24), 24)[:, None]
    p_w = 40e3 * hot * np.ones((1, 4))
    past = History(start_ns=0, step_ns=HOUR_NS, p_w=p_w, q_var=0.25 * p_w)
    row = 1000 // 24 * 24  # the first hour of a day: the last one says nothing of its level
    mean, variance = Pseudo(network(), past).loads_at(row * HOUR_NS, 1.0, (level(160e3, row=row),))
    own = np.sqrt(variance[0] / mean[0] ** 2)
    assert own[:3] == pytest.approx(np.hypot(ps.PRIOR / np.sqrt(29.0), LOSSES_FRAC), rel=0.01)
    assert own[3] > 0.15


def test_a_forecast_that_claims_to_be_exact_is_not_believed() -> None:
    """Its sigma has that of losses as its floor, also where loads have no error of their own."""
    p_w = np.full((ROWS, 4), 40e3)
    pseudo = Pseudo(network(), History(start_ns=0, step_ns=HOUR_NS, p_w=p_w, q_var=p_w))
    mean, variance = pseudo.loads_at(1000 * HOUR_NS, 1.0, (level(120e3, 0.0),))
    assert np.all(variance[0, :3] >= (LOSSES_FRAC * mean[0, :3]) ** 2)


@pytest.mark.parametrize(
    "wrong",
    [
        level(150e3, row=999),
        level(150e3, row=1001),
        level(120e3 * 2 * LIMIT),
        level(0.0),
        level(-50e3),
        level(np.nan),
        level(150e3, np.nan),
        level(150e3, -1.0),
    ],
    ids=["over", "ahead", "of other loads", "nothing", "backwards", "no number", "no sigma", "sigma below 0"],
)
def test_a_level_that_cannot_be_one_of_now_leaves_what_history_says(wrong: Level) -> None:
    pseudo, at_ns = Pseudo(network(), history()), 1000 * HOUR_NS + 5
    for given, plain in zip(pseudo.at(at_ns, 1.0, (wrong,)), pseudo.at(at_ns), strict=True):
        assert given.tolist() == plain.tolist()


def test_it_is_back_at_history_when_the_step_is_over() -> None:
    pseudo, wanted = Pseudo(network(), history()), level(150e3, minutes=30)
    for at_ns in (wanted.begin_ns, wanted.end_ns - 1, wanted.end_ns, wanted.begin_ns):
        is_levelled = at_ns < wanted.end_ns
        same = pseudo.at(at_ns, 1.0, (wanted,))[0].tolist() == pseudo.at(at_ns)[0].tolist()
        assert same is not is_levelled


@pytest.mark.parametrize("row_min", [60, 15])
def test_nothing_ahead_is_looked_at(row_min: int) -> None:
    past = history(row_min * 60 * ps.NS_PER_S)
    row = 1000 * 60 // row_min + (2 if row_min < 60 else 0)
    later = dc.replace(past, p_w=past.p_w.copy(), q_var=past.q_var.copy())
    later.p_w[row:] *= 10.0
    later.q_var[row:] *= 10.0
    at_ns, given = row * past.step_ns + 1, (level(150e3, 5e3),)
    before, after = (Pseudo(network(), x).at(at_ns, 1.0, given) for x in (past, later))
    assert [x.tolist() for x in before] == [x.tolist() for x in after]


def test_without_history_nominal_powers_are_brought_to_the_forecast() -> None:
    pseudo = Pseudo(network(), None, ripple_pu=0.0)
    mean, variance = pseudo.loads_at(1000 * HOUR_NS, 1.0, (level(150e3, 15e3),))
    assert mean[0].tolist() == pytest.approx([50e3, 50e3, 50e3, 40e3], rel=1e-12)
    expected = np.sqrt(ps.PRIOR**2 + 0.1**2 + LOSSES_FRAC**2)
    assert np.sqrt(variance[0]) / mean[0] == pytest.approx([expected] * 3 + [ps.PRIOR], rel=1e-12)


def test_what_meters_drift_follows_the_level() -> None:
    """A load that is twice as large moves twice as far, where every day is the same."""
    pseudo, at_ns = Pseudo(network(), history(own=0.0, common=0.0)), 1000 * HOUR_NS
    low, high = (pseudo.drift(at_ns, 900.0, 1.0, (level(p),)) for p in (80e3, 160e3))
    assert high[:3] == pytest.approx(2.0 * low[:3], rel=1e-9)
    assert high[3] == pytest.approx(low[3], rel=1e-12)
