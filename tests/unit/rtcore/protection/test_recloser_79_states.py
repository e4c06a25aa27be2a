"""Reclosing: every state and input, and any sequence of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rtcore.component import rows_of
from rtcore.protection import recloser_79 as k79
from rtcore.protection.recloser_79 import CYCLE, LOCKOUT, RESET, Recloser79
from tests.support import recloser_rig as model
from tests.support.recloser_rig import BREAKER, SPEC, Line

EXACT_S = 1e-8
"""Instants are exact within the step; timers may round by 1e-9 each, and there are less than ten."""

SHORT = {"open_interval_1_s": 0.3, "open_interval_2_s": 0.5, "open_interval_3_s": 0.7, "reset_s": 3.0}
SHORT |= {"reset_lockout_s": 1.0}


# ------------------------------------------------------------------ every state and input

OPENED, MADE, TRAVELS = (0.0, 1.0), (1.0, 0.0), (0.0, 0.0)

NEXT = {
    # (state, phase, 52a and 52b): state after {trip rises, opens, closes, reset time passes}
    (RESET, k79.QUIET, MADE): (CYCLE, LOCKOUT, RESET, RESET),
    (RESET, k79.QUIET, TRAVELS): (LOCKOUT, LOCKOUT, RESET, RESET),
    (RESET, k79.TRIPPED, MADE): (RESET, LOCKOUT, RESET, RESET),  # trip on the last shot
    (CYCLE, k79.QUIET, MADE): (CYCLE, LOCKOUT, CYCLE, RESET),
    (CYCLE, k79.QUIET, TRAVELS): (CYCLE, LOCKOUT, CYCLE, CYCLE),
    (CYCLE, k79.TRIPPED, MADE): (CYCLE, CYCLE, CYCLE, RESET),
    (CYCLE, k79.TRIPPED, TRAVELS): (CYCLE, CYCLE, CYCLE, CYCLE),
    (CYCLE, k79.TIMING, OPENED): (LOCKOUT, CYCLE, LOCKOUT, CYCLE),
    (CYCLE, k79.TIMING, TRAVELS): (LOCKOUT, LOCKOUT, LOCKOUT, CYCLE),
    (CYCLE, k79.WAITING, OPENED): (LOCKOUT, CYCLE, LOCKOUT, CYCLE),
    (CYCLE, k79.WAITING, TRAVELS): (LOCKOUT, LOCKOUT, LOCKOUT, CYCLE),
    (CYCLE, k79.CLOSING, OPENED): (LOCKOUT, CYCLE, CYCLE, CYCLE),
    (CYCLE, k79.CLOSING, TRAVELS): (CYCLE, LOCKOUT, CYCLE, CYCLE),
    (LOCKOUT, k79.QUIET, MADE): (LOCKOUT, LOCKOUT, LOCKOUT, RESET),
    (LOCKOUT, k79.QUIET, TRAVELS): (LOCKOUT, LOCKOUT, LOCKOUT, LOCKOUT),
    (LOCKOUT, k79.QUIET, OPENED): (LOCKOUT, LOCKOUT, LOCKOUT, LOCKOUT),
}
INPUTS = ("trip", "open", "close", "time")


class Bare:
    """One row with inputs set by hand."""

    def __init__(self, **more: float) -> None:
        self.p = rows_of([Recloser79(**{**SHORT, **more})], SPEC)
        self.s, self.breaker = np.zeros(1, SPEC.state_dtype), np.zeros(1, BREAKER)
        self.of = np.zeros(1, np.int32)
        self.trip, self.ago, self.pickup, self.driven, self.permitted = (np.zeros(1) for _ in range(5))
        self.sequence, self.told = np.zeros(1), np.zeros(1)
        self.breaker["is_52a"] = 1.0
        k79.init(self.p, self.s, self.of, self.breaker, is_settled=True)

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def contacts(self, position: tuple[float, float], ago_s: float = 0.0) -> None:
        self.breaker["is_52a"], self.breaker["is_52b"] = position
        self.breaker["moved_ago_s"] = ago_s

    def step(self, dt_s: float = 1e-3, change_ago_s: float = 1e-3) -> bool:
        """Step; returns whether it demanded a close."""
        self.breaker["close_coil"] = 0.0
        k79.step(
            self.p, self.s, self.of, self.breaker, self.trip, self.ago, self.pickup, self.sequence,
            self.driven, self.told, self.permitted, change_ago_s, dt_s,
        )  # fmt: skip
        return bool(self.breaker["close_coil"][0])


def test_a_demand_that_a_trip_overtakes_within_its_step_is_withdrawn() -> None:
    for trips in (False, True):
        row = Bare()
        row.permitted[:] = 1.0
        row.contacts(OPENED)
        row.s["state"], row.s["phase"], row.s["position"] = CYCLE, k79.TIMING, k79.OPEN
        row.s["open_timer_s"] = 0.26  # 40 ms are left of the interval
        row.trip[:], row.ago[:] = trips, 0.02
        assert row.step(dt_s=0.1) is not trips
        assert row.state == (LOCKOUT if trips else CYCLE)


def test_a_counted_pickup_reloads_the_reset_timer_also_where_it_does_not_block() -> None:
    row = Bare(is_sequence_coordinated=1.0)
    row.s["shot"] = 1.0
    for n in range(290):
        row.sequence[:] = 100 <= n < 200
        row.step(0.01, 0.004)
    # Dropped 4 ms before the end of step 201; the timer of 3 s would have run out without it.
    assert row.shot == 2.0
    assert row.reset_timer_s == pytest.approx(0.004 + 89 * 0.01, abs=EXACT_S)


@pytest.mark.parametrize(("before", "expected"), NEXT.items())
def test_every_state_answers_every_input(
    before: tuple[float, float, tuple[float, float]], expected: tuple[float, ...]
) -> None:
    state, phase, contacts = before
    for what, after in zip(INPUTS, expected):
        row = Bare(close_wait_s=100.0, close_fail_s=50.0, open_interval_1_s=100.0)
        row.contacts(contacts)
        row.s["state"], row.s["phase"], row.s["position"] = state, phase, k79.position_of(*contacts)
        row.s["shot"] = 3.0 if (state, phase) == (RESET, k79.TRIPPED) or state == LOCKOUT else 0.0
        if what == "trip":
            row.trip[:] = 1.0
        elif what != "time":
            row.contacts(OPENED if what == "open" else MADE)
        for _ in range(31 if what == "time" else 1):  # 3.1 s are more than the reset time
            row.step(0.1 if what == "time" else 1e-3)
        assert row.state == after, what
        flags = row.is_reset, row.is_cycle, row.is_lockout
        if row.state != state:
            assert flags == tuple(float(k == after) for k in (RESET, CYCLE, LOCKOUT))
        assert row.recloses == 0.0


EDGES = {(RESET, CYCLE), (RESET, LOCKOUT), (CYCLE, RESET), (CYCLE, LOCKOUT), (LOCKOUT, RESET)}
PHASES = {
    RESET: {k79.QUIET, k79.TRIPPED},
    CYCLE: {k79.QUIET, k79.TRIPPED, k79.TIMING, k79.WAITING, k79.CLOSING},
    LOCKOUT: {k79.QUIET},
}


class AnySequence(RuleBasedStateMachine):
    """Any inputs in any order, absurd ones among them."""

    @initialize(
        shots=st.integers(1, 4), wait_s=st.sampled_from([0.0, 0.2]), dt_s=st.sampled_from([1e-3, 0.02, 0.1])
    )
    def start(self, shots: int, wait_s: float, dt_s: float) -> None:
        given_s = {f"open_interval_{k}_s": 0.2 * (k <= shots) for k in range(1, 5)}
        given_s |= {"close_wait_s": wait_s, "close_fail_s": 0.2, "reset_s": 0.3, "reset_lockout_s": 0.2}
        self.row = Bare(**given_s, is_sequence_coordinated=1.0)
        self.row.permitted[:] = 1.0
        self.dt_s, self.shots = dt_s, shots

    def _step(self, change_ago_s: float = 0.0) -> None:
        row = self.row
        before, timer_s = row.state, row.reset_timer_s
        is_demanded = row.step(self.dt_s, change_ago_s)
        edge = before, row.state
        if edge == (LOCKOUT, CYCLE):  # RESET between, within the step
            assert timer_s + self.dt_s >= 0.2 - 1e-9
        elif before != row.state:
            assert edge in EDGES
            assert 0.0 <= row.state_ago_s <= self.dt_s
        assert row.phase in PHASES[row.state]
        if is_demanded:
            assert row.state == CYCLE
            assert (row.is_hot_line_sp, row.is_enabled_sp, row.driven[0]) == (0.0, 1.0, 0.0)
            assert row.permitted[0] == 1.0
            assert row.breaker["is_tagged_sp"][0] == 0.0
            assert 0.0 <= row.breaker["close_ago_s"][0] <= self.dt_s

    @rule(on=st.booleans(), ago=st.sampled_from([0.0, 0.3, 1.0, 7.0, -1.0, math.nan]), is_first=st.booleans())
    def trip(self, on: bool, ago: float, is_first: bool) -> None:
        if is_first:
            self._rest()
        self.row.trip[:], self.row.ago[:] = on, ago * self.dt_s
        self._step()

    @rule(
        contacts=st.sampled_from([OPENED, MADE, TRAVELS, (1.0, 1.0), (math.nan, 0.0)]),
        ago=st.sampled_from([0.0, 0.5, 1.0, 9.0, math.nan]),
        is_first=st.booleans(),
    )
    def move(self, contacts: tuple[float, float], ago: float, is_first: bool) -> None:
        if is_first:
            self._rest()
        self.row.contacts(contacts, ago * self.dt_s)
        self._step()

    def _rest(self) -> None:
        """Clear all that is in the way and close, until it resets."""
        row = self.row
        row.trip[:] = row.pickup[:] = row.sequence[:] = row.driven[:] = 0.0
        row.s["is_hot_line_sp"] = row.breaker["is_tagged_sp"] = 0.0
        row.s["is_enabled_sp"] = row.permitted[:] = 1.0
        row.contacts(MADE)
        for _ in range(math.ceil(0.3 / self.dt_s) + 2):
            self._step()
        assert row.state == (RESET if k79.last_shot(row.p, 0) else LOCKOUT)

    @rule(
        ago=st.sampled_from([0.0, 0.6]),
        wait_s=st.sampled_from([0.0, 0.1, 0.3]),
        is_first=st.booleans(),
        permitted=st.sampled_from([0.0, 1.0]),
    )
    def trip_and_open(self, ago: float, wait_s: float, is_first: bool, permitted: float) -> None:
        """What a fault does, from rest or in the middle of a cycle."""
        row = self.row
        if is_first:
            self._rest()
        for contacts, trip in [(MADE, 0.0), (MADE, 1.0), (TRAVELS, 1.0), (OPENED, 0.0)]:
            if row.position != k79.position_of(*contacts):
                row.contacts(contacts, ago * self.dt_s)
            if row.trip[0] != trip:
                row.trip[:], row.ago[:] = trip, ago * self.dt_s
            self._step()
        if is_first and k79.last_shot(row.p, 0):
            assert row.state == CYCLE
        row.permitted[:] = permitted
        for _ in range(round(wait_s / self.dt_s)):
            self._step()

    @rule(name=st.sampled_from(["drive_lockout", "drive_last_shot", "skip_shot"]))
    def command(self, name: str) -> None:
        self.row.s[name] = 1.0
        self._step()
        assert self.row.s[name][0] == 0.0

    @rule(name=st.sampled_from(["is_hot_line_sp", "is_enabled_sp"]), on=st.booleans())
    def set(self, name: str, on: bool) -> None:
        self.row.s[name] = on
        self._step()

    @rule(tag=st.booleans(), driven=st.booleans(), permitted=st.sampled_from([0.0, 1.0, math.nan]))
    def surround(self, tag: bool, driven: bool, permitted: float) -> None:
        self.row.breaker["is_tagged_sp"] = tag
        self.row.driven[:], self.row.permitted[:] = driven, permitted
        self._step()

    @rule(on=st.booleans(), seq=st.booleans(), ago=st.sampled_from([0.0, 0.5, 1.0, math.nan]))
    def pick_up(self, on: bool, seq: bool, ago: float) -> None:
        self.row.pickup[:], self.row.sequence[:] = on, seq
        self._step(ago * self.dt_s)

    @rule(shots=st.integers(0, 4))
    def change_settings(self, shots: int) -> None:
        for k in range(1, 5):
            self.row.p[f"open_interval_{k}_s"] = 0.2 * (k <= shots)
        self._step()

    @rule(span_s=st.sampled_from([0.05, 0.2, 0.5]))
    def wait(self, span_s: float) -> None:
        for _ in range(max(1, round(span_s / self.dt_s))):
            self._step()

    @invariant()
    def stays_sane(self) -> None:
        if not hasattr(self, "row"):
            return
        row = self.row
        assert row.shot in (0.0, 1.0, 2.0, 3.0, 4.0)
        assert all(math.isfinite(value) for value in row.s[0])
        assert (row.is_reset, row.is_cycle, row.is_lockout) == tuple(
            float(row.state == k) for k in (RESET, CYCLE, LOCKOUT)
        )
        assert row.is_closing == (row.phase == k79.CLOSING)
        if row.is_enabled_sp == 0.0:
            assert row.state == LOCKOUT
        assert min(row.open_timer_s, row.close_timer_s, row.reset_timer_s, row.sequence_timer_s) >= 0.0


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)


@settings(max_examples=25, deadline=None)
@given(
    intervals=st.lists(st.floats(0.0, 0.4), min_size=4, max_size=4),
    trip_s=st.floats(0.0, 0.3),
    dt_s=st.sampled_from([1e-3, 5e-3, 20e-3]),
    at_s=st.floats(0.0, 0.1),
)
def test_a_permanent_fault_reaches_lockout_within_shots_and_one_trips(
    intervals: list[float], trip_s: float, dt_s: float, at_s: float
) -> None:
    rig = Line(dt_s=dt_s, **{f"open_interval_{k + 1}_s": value for k, value in enumerate(intervals)})
    rig.trip_time = lambda shot: trip_s
    rig.faults = [(at_s, 1e9)]
    shots = int(k79.last_shot(rig.p, 0))
    rig.run_to(0.2 + (shots + 1) * (trip_s + 0.2) + sum(intervals))
    assert (rig.state, rig.mechanism) == (LOCKOUT, model.OPEN)
    assert len(rig.times("trip")) == shots + 1
    assert len(rig.times("close")) == shots
    if shots:
        assert rig.times("lockout") == [rig.times("open")[-1]]


def test_rows_do_not_disturb_each_other() -> None:
    p = rows_of([Recloser79(**SHORT), Recloser79(**SHORT)], SPEC)
    s, breaker, of = np.zeros(2, SPEC.state_dtype), np.zeros(3, BREAKER), np.array([2, 0], np.int32)
    breaker["is_52a"] = 1.0
    k79.init(p, s, of, breaker, is_settled=True)
    trip, none, yes = np.array([0.0, 1.0]), np.zeros(2), np.ones(2)
    k79.step(p, s, of, breaker, trip, none, none, none, none, none, yes, 1e-3, 1e-3)
    breaker["is_52a"][0], breaker["is_52b"][0] = 0.0, 1.0
    trip[:] = 0.0
    for _ in range(400):
        breaker["close_coil"] = 0.0
        k79.step(p, s, of, breaker, trip, none, none, none, none, none, yes, 1e-3, 1e-3)
        if breaker["close_coil"].any():
            break
    assert list(breaker["close_coil"]) == [1.0, 0.0, 0.0]
    assert list(s["state"]) == [RESET, CYCLE]
