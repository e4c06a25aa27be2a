"""Breaker failure: criteria, times, retrip, dropout of the detector, latch, any step length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.protection.breaker_failure_50bf import BreakerFailure50BF, step
from tests.support.recloser_rig import BREAKER

SPEC = REGISTRY["breaker_failure_50bf"]
FAULT_A, NOTHING_A = 2000.0, 0.0
EXACT_S = 1e-8
"""Instants are exact within the step; timers round by 1e-9 each, and there are two."""


class Rig:
    """One element; the inputs follow a plan of instants, exact between the steps."""

    def __init__(self, dt_s: float = 1e-3, **params: object) -> None:
        self.p = rows_of([BreakerFailure50BF(**params)], SPEC)  # type: ignore[arg-type]
        self.s, self.breaker = np.zeros(1, SPEC.state_dtype), np.zeros(1, BREAKER)
        self.of = np.zeros(1, np.int32)
        self.i, self.permitted = np.zeros((1, 3), complex), np.ones(1)
        self.trip, self.ago = np.zeros(1), np.zeros(1)
        self.dt_s, self.n = dt_s, 0
        self.plan: dict[str, list[tuple[float, float]]] = {"trip": [], "i": [], "is_52a": []}
        self.seen: dict[str, list[float]] = {"is_operated": [], "is_retrip": [], "is_pickup": []}
        self.breaker["is_52a"] = 1.0

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    @property
    def t(self) -> float:
        return self.n * self.dt_s

    def _due(self, what: str) -> tuple[float, float] | None:
        """Return (value, ago) of what changes in this step."""
        t = self.t
        for value, when in self.plan[what]:
            if t - self.dt_s < when - 1e-12 <= t:
                return value, min(max(t - when, 0.0), self.dt_s)
        return None

    def step(self) -> None:
        self.n += 1
        change_s = self.dt_s
        if due := self._due("i"):
            self.i[:], change_s = due
        if due := self._due("is_52a"):
            self.breaker["is_52a"], self.breaker["moved_ago_s"] = due
        if due := self._due("trip"):
            self.trip[:], self.ago[:] = due
        agos = {"is_operated": "operate_ago_s", "is_retrip": "retrip_ago_s", "is_pickup": "pickup_ago_s"}
        before = {name: self.s[name][0] for name in agos}
        step(
            self.p, self.s, self.of, self.of, self.breaker, self.i, self.trip, self.ago,
            self.permitted, change_s, self.dt_s,
        )  # fmt: skip
        for name, ago in agos.items():
            if self.s[name][0] != before[name]:
                self.seen[name].append(self.t - self.s[ago][0])

    def run_to(self, t_s: float) -> Rig:
        while self.n < round(t_s / self.dt_s):
            self.step()
        return self


def stuck(dt_s: float = 1e-3, trip_s: float = 0.1037, **params: object) -> Rig:
    """Return a breaker that stays closed while a fault flows and is tripped."""
    rig = Rig(dt_s, **params)
    rig.plan["trip"] = [(1.0, trip_s)]
    rig.i[:] = FAULT_A
    return rig


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 5e-3, 20e-3, 100e-3])
def test_a_stuck_breaker_is_tripped_again_and_then_backed_up_at_its_times(dt_s: float) -> None:
    rig = stuck(dt_s, delay_s=0.15, retrip_s=0.03).run_to(0.5)
    assert rig.seen["is_pickup"] == pytest.approx([0.1037], abs=EXACT_S)
    assert rig.seen["is_retrip"] == pytest.approx([0.1037 + 0.03], abs=EXACT_S)
    assert rig.seen["is_operated"] == pytest.approx([0.1037 + 0.15], abs=EXACT_S)
    assert (rig.is_operated, rig.fraction) == (1.0, 1.0)


def test_the_fraction_is_the_share_of_the_delay() -> None:
    rig = stuck(trip_s=0.1, delay_s=0.2).run_to(0.2)
    assert rig.fraction == pytest.approx(0.5, abs=EXACT_S / 0.2)


@pytest.mark.parametrize(("opens_s", "operates"), [(0.05, False), (0.1299, False), (0.1301, True)])
def test_a_breaker_that_opens_in_time_with_the_reset_of_the_detector_is_left_alone(
    opens_s: float, operates: bool
) -> None:
    """The detector stands 20 ms longer than the current: 130 ms are the edge of a delay of 150 ms."""
    rig = stuck(trip_s=0.1, delay_s=0.15, reset_s=0.02)
    rig.plan["i"].append((NOTHING_A, 0.1 + opens_s))
    rig.plan["trip"].append((0.0, 0.1 + opens_s))
    rig.run_to(0.6)
    assert bool(rig.seen["is_operated"]) is operates
    assert (rig.is_initiated, rig.is_pickup, rig.is_operated, rig.timer_s) == (0.0, 0.0, 0.0, 0.0)
    if not operates:
        assert rig.seen["is_pickup"] == pytest.approx([0.1, 0.1 + opens_s + 0.02], abs=EXACT_S)


def test_a_timer_that_runs_out_within_a_long_step_before_the_current_goes_has_tripped() -> None:
    rig = stuck(0.1, trip_s=0.1, delay_s=0.15)
    rig.plan["i"].append((NOTHING_A, 0.27))  # detector until 0.29, timer out at 0.25, step ends at 0.3
    rig.plan["trip"].append((0.0, 0.27))
    rig.run_to(1.0)
    assert rig.seen["is_operated"][0] == pytest.approx(0.25, abs=EXACT_S)
    assert rig.is_operated == 0.0


def test_the_trip_is_latched_while_the_breaker_is_seen_closed() -> None:
    rig = stuck(trip_s=0.1, delay_s=0.15)
    rig.plan["trip"].append((0.0, 0.12))
    rig.run_to(0.4)
    assert rig.seen["is_operated"] == pytest.approx([0.25], abs=EXACT_S)


def test_without_a_trip_no_current_picks_it_up_nor_does_a_trip_without_current() -> None:
    rig = stuck()
    rig.plan["trip"] = []
    assert (rig.run_to(1.0).seen["is_pickup"], rig.is_current) == ([], 1.0)
    rig = stuck()
    rig.i[:] = NOTHING_A
    assert rig.run_to(1.0).seen["is_pickup"] == []
    assert rig.is_initiated == 1.0


def test_one_phase_is_enough_and_the_pickup_is_an_edge() -> None:
    for amperes, counts in [(39.9, 0), (40.1, 1)]:
        rig = stuck(pickup_a=40.0)
        rig.i[:] = [[0.0, amperes * 1j, math.nan]]
        assert len(rig.run_to(0.5).seen["is_operated"]) == counts


@pytest.mark.parametrize(
    ("criterion", "has_current", "is_52a", "operates"),
    [
        ("current", True, 0.0, True),
        ("current", False, 1.0, False),
        ("contact", True, 0.0, False),
        ("contact", False, 1.0, True),
        ("both", True, 0.0, True),
        ("both", False, 1.0, True),
        ("both", False, 0.0, False),
    ],
)
def test_the_criterion_says_what_shows_the_breaker_closed(
    criterion: str, has_current: bool, is_52a: float, operates: bool
) -> None:
    rig = stuck(criterion=criterion)
    rig.i[:] = FAULT_A if has_current else NOTHING_A
    rig.breaker["is_52a"] = is_52a
    assert bool(rig.run_to(0.5).seen["is_operated"]) is operates


def test_by_contact_the_timer_ends_where_52a_opens() -> None:
    rig = stuck(criterion="contact", trip_s=0.1)
    rig.plan["is_52a"] = [(0.0, 0.1504)]
    rig.run_to(0.5)
    assert rig.seen["is_pickup"] == pytest.approx([0.1, 0.1504], abs=EXACT_S)
    assert rig.seen["is_operated"] == []


def test_by_both_it_ends_with_the_last_of_them() -> None:
    rig = stuck(criterion="both", trip_s=0.1, reset_s=0.02, has_retrip=0.0)
    rig.plan["is_52a"], rig.plan["i"] = [(0.0, 0.1204)], [(NOTHING_A, 0.1506)]
    rig.run_to(0.5)
    assert rig.seen["is_pickup"] == pytest.approx([0.1, 0.1706], abs=EXACT_S)
    assert rig.seen["is_retrip"] == []


def test_52a_alone_does_not_hold_the_output_of_a_breaker_that_carries_nothing_any_more() -> None:
    rig = stuck(criterion="both", trip_s=0.1, delay_s=0.15)
    rig.plan["i"], rig.plan["trip"] = [(NOTHING_A, 0.31)], [(1.0, 0.1), (0.0, 0.31)]  # cleared upstream
    rig.run_to(0.6)
    assert rig.breaker["is_52a"][0] == 1.0
    assert (rig.is_operated, rig.is_initiated) == (0.0, 0.0)
    assert len(rig.seen["is_operated"]) == 2


def test_a_current_that_returns_under_a_standing_trip_starts_anew() -> None:
    rig = stuck(trip_s=0.1, delay_s=0.15)
    rig.plan["i"] += [(NOTHING_A, 0.15), (FAULT_A, 0.3003)]  # restrike
    rig.run_to(0.6)
    assert rig.seen["is_operated"] == pytest.approx([0.3003 + 0.15], abs=EXACT_S)


def test_out_of_service_or_blocked_it_does_nothing_and_starts_with_permission() -> None:
    assert stuck(is_enabled=0.0).run_to(0.5).seen["is_pickup"] == []
    rig = stuck(trip_s=0.1)
    rig.permitted[:] = 0.0
    assert rig.run_to(0.5).seen["is_pickup"] == []
    rig.permitted[:] = 1.0
    rig.run_to(0.51)
    rig.permitted[:] = 0.0
    rig.run_to(0.52)
    assert (rig.is_pickup, rig.is_initiated, rig.timer_s) == (0.0, 0.0, 0.0)


def test_a_trip_that_changed_with_the_network_takes_its_instant() -> None:
    rig = Rig(5e-3)
    rig.i[:], rig.trip[:], rig.ago[:] = FAULT_A, 1.0, -1.0
    step(rig.p, rig.s, rig.of, rig.of, rig.breaker, rig.i, rig.trip, rig.ago, rig.permitted, 2e-3, rig.dt_s)
    assert rig.timer_s == pytest.approx(2e-3, abs=EXACT_S)


def test_the_detector_resets_within_20_ms() -> None:
    with pytest.raises(ParameterError, match="reset_s"):
        BreakerFailure50BF(reset_s=0.021)


@settings(max_examples=60, deadline=None)
@given(
    trip_s=st.floats(0.01, 0.3),
    clears_s=st.floats(0.0, 0.4),
    delay_s=st.floats(0.02, 0.3),
    dt_s=st.sampled_from([1e-3, 7e-3, 20e-3, 100e-3]),
)
def test_it_operates_exactly_when_the_current_outlives_the_delay(
    trip_s: float, clears_s: float, delay_s: float, dt_s: float
) -> None:
    """Also: never without pickup, and the instant does not depend on the step."""
    margin_s = clears_s + 0.02 - delay_s
    rig = stuck(dt_s, trip_s=trip_s, delay_s=delay_s, reset_s=0.02)
    rig.plan["i"].append((NOTHING_A, trip_s + clears_s))
    rig.plan["trip"].append((0.0, trip_s + clears_s))
    while rig.t < 1.0:
        rig.step()
        assert rig.is_pickup >= rig.is_operated
        assert 0.0 <= rig.operate_ago_s <= dt_s
        assert 0.0 <= rig.fraction <= 1.0
    if clears_s > dt_s and abs(margin_s) > 1e-6:  # a trip that comes and goes within a step leaves no trace
        assert bool(rig.seen["is_operated"]) is (margin_s > 0.0)
    if rig.seen["is_operated"]:
        assert rig.seen["is_operated"][0] == pytest.approx(trip_s + delay_s, abs=EXACT_S)
