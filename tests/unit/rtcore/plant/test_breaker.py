"""Breaker mechanism: every state and command, travel times, auxiliary contacts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rtcore.component import REGISTRY, rows_of
from rtcore.plant.breaker import CLOSED, CLOSING, OPEN, OPENING, Breaker, step

SPEC = REGISTRY["breaker"]
OPEN_TIME_S, CLOSE_TIME_S = 0.050, 0.060
STEPS_S = [250e-6, 1e-3, 10e-3, 100e-3]


class Rig:
    """One breaker of three poles."""

    def __init__(self, state: float = CLOSED, dt_s: float = 1e-3) -> None:
        self.p = rows_of([Breaker()], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        self.units = np.array([[2, 0, 1]], np.int32)
        is_made = state in (CLOSED, OPENING)
        self.unit = np.zeros((4, 3))
        self.unit[:3, 0] = is_made
        self.unit[3] = 0.25  # somebody else's
        self.s["state"] = state
        self.s["is_52a"], self.s["is_52b"] = state == CLOSED, state == OPEN
        if state in (OPENING, CLOSING):
            self.s["travel_s"] = OPEN_TIME_S if state == OPENING else CLOSE_TIME_S
        self.dt_s = dt_s
        self.permitted = np.ones(1)

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    @property
    def is_made(self) -> bool:
        assert len(set(self.unit[:3, 0])) == 1, "poles differ"
        assert np.all(self.unit[3] == 0.25), "wrote to another unit"
        return bool(self.unit[0, 0] == 1.0)

    def step(self, *, trip: float = 0.0, close: float = 0.0) -> int:
        self.s["trip"], self.s["close"] = trip, close
        return int(step(self.p, self.s, self.units, self.unit, self.permitted, self.dt_s))

    def run(self, n: int) -> int:
        return sum(self.step() for _ in range(n))


# (state, trip, close) -> state after the step that brings the command, travel left [s]
TABLE = {
    (OPEN, 0, 0): (OPEN, 0.0),
    (OPEN, 1, 0): (OPEN, 0.0),
    (OPEN, 0, 1): (CLOSING, CLOSE_TIME_S),
    (OPEN, 1, 1): (OPEN, 0.0),  # trip wins
    (CLOSED, 0, 0): (CLOSED, 0.0),
    (CLOSED, 1, 0): (OPENING, OPEN_TIME_S),
    (CLOSED, 0, 1): (CLOSED, 0.0),
    (CLOSED, 1, 1): (OPENING, OPEN_TIME_S),
    (OPENING, 0, 0): (OPENING, OPEN_TIME_S - 1e-3),
    (OPENING, 1, 0): (OPENING, OPEN_TIME_S - 1e-3),
    (OPENING, 0, 1): (OPENING, OPEN_TIME_S - 1e-3),  # dropped: no pumping
    (OPENING, 1, 1): (OPENING, OPEN_TIME_S - 1e-3),
    (CLOSING, 0, 0): (CLOSING, CLOSE_TIME_S - 1e-3),
    (CLOSING, 1, 0): (OPENING, OPEN_TIME_S),  # trip-free
    (CLOSING, 0, 1): (CLOSING, CLOSE_TIME_S - 1e-3),
    (CLOSING, 1, 1): (OPENING, OPEN_TIME_S),
}


def test_the_table_covers_every_state_and_command() -> None:
    assert set(TABLE) == set(itertools.product((OPEN, CLOSED, OPENING, CLOSING), (0, 1), (0, 1)))


@pytest.mark.parametrize(("before", "after"), TABLE.items())
def test_every_state_answers_every_command(
    before: tuple[float, int, int], after: tuple[float, float]
) -> None:
    state, trip, close = before
    rig = Rig(state)
    was_made = rig.is_made
    assert rig.step(trip=trip, close=close) == 0  # nothing moves the contacts within one step
    assert rig.state == after[0]
    assert rig.travel_s == pytest.approx(after[1], abs=1e-12)
    assert rig.is_made == was_made
    assert (rig.trip, rig.close) == (0.0, 0.0), "a pulse is consumed whatever becomes of it"
    assert (rig.is_52a, rig.is_52b) == (rig.state == CLOSED, rig.state == OPEN)


@pytest.mark.parametrize("dt_s", STEPS_S)
@pytest.mark.parametrize(
    ("start", "command", "time_s", "end"),
    [(CLOSED, "trip", OPEN_TIME_S, OPEN), (OPEN, "close", CLOSE_TIME_S, CLOSED)],
)
def test_travel_takes_its_time_to_the_step(
    dt_s: float, start: float, command: str, time_s: float, end: float
) -> None:
    rig = Rig(start, dt_s)
    rig.step(**{command: 1.0})
    n = max(1, math.ceil(time_s / dt_s - 1e-6))  # 200, 50, 5 and 1 steps for 50 ms
    assert rig.run(n - 1) == 0
    assert rig.is_made == (start == CLOSED)
    assert (rig.is_52a, rig.is_52b) == (0.0, 0.0)
    assert rig.step() == 1
    assert rig.state == end
    assert rig.is_made == (end == CLOSED)
    assert (rig.is_52a, rig.is_52b) == (end == CLOSED, end == OPEN)
    assert rig.ops == (end == OPEN)
    assert rig.run(1000) == 0


def test_a_trip_during_closing_opens_without_ever_making_the_contacts() -> None:
    rig = Rig(OPEN)
    rig.step(close=1.0)
    rig.run(59)
    rig.step(trip=1.0)
    made = []
    for _ in range(200):
        rig.step()
        made.append(rig.is_made)
    assert not any(made)
    assert rig.state == OPEN
    assert rig.is_52b == 1.0


def test_a_trip_in_the_last_step_of_closing_still_wins() -> None:
    rig = Rig(OPEN)
    rig.step(close=1.0)
    rig.run(59)
    assert rig.state == CLOSING
    rig.step(trip=1.0)
    assert rig.state == OPENING
    assert not rig.is_made


def test_a_close_held_on_during_a_trip_does_not_pump() -> None:
    """Close is a pulse: after the opening the breaker stays open until it is asked again."""
    rig = Rig(CLOSED)
    rig.step(trip=1.0, close=1.0)
    for _ in range(49):
        rig.step(close=1.0)
    rig.step(close=1.0)
    assert rig.state == OPEN
    assert rig.run(500) == 0
    assert rig.state == OPEN
    assert rig.ops == 1.0


def test_breakers_do_not_disturb_each_other_and_may_have_fewer_poles() -> None:
    p = rows_of([Breaker(), Breaker(open_time_s=0.002)], SPEC)
    s = np.zeros(2, SPEC.state_dtype)
    s["state"] = CLOSED
    units = np.array([[0, 1, 2], [3, -1, -1]], np.int32)
    unit = np.ones((5, 3))
    s["trip"][1] = 1.0
    changed = [step(p, s, units, unit, np.ones(2), 1e-3) for _ in range(3)]
    assert changed == [0, 0, 1]
    assert list(s["state"]) == [CLOSED, OPEN]
    assert list(unit[:, 0]) == [1.0, 1.0, 1.0, 0.0, 1.0]


class AnySequence(RuleBasedStateMachine):
    """Any commands in any order against what the contacts may do."""

    @initialize(dt_s=st.sampled_from(STEPS_S), is_closed=st.booleans())
    def start(self, dt_s: float, is_closed: bool) -> None:
        self.rig = Rig(CLOSED if is_closed else OPEN, dt_s)
        self.made_before = self.rig.is_made
        self.t_s = 0.0
        self.commanded_s = {"trip": -1.0, "close": -1.0}
        self.n_parted = 0

    def _step(self, trip: float, close: float) -> None:
        rig = self.rig
        self.t_s += rig.dt_s
        ops = rig.ops
        rig.step(trip=trip, close=close)
        if trip:
            self.commanded_s["trip"] = self.t_s
        if close and not trip:
            self.commanded_s["close"] = self.t_s
        assert rig.ops - ops in (0.0, 1.0)
        if rig.is_made and not self.made_before:
            assert self.t_s - self.commanded_s["close"] >= -1e-9
            assert self.commanded_s["close"] >= 0.0, "made without a command"
            assert self.commanded_s["trip"] <= self.t_s - rig.dt_s / 2, "made against a trip"
        if self.made_before and not rig.is_made:
            assert self.commanded_s["trip"] >= 0.0, "parted without a trip"
            self.n_parted += 1
        self.made_before = rig.is_made

    @rule(trip=st.booleans(), close=st.booleans())
    def command(self, trip: bool, close: bool) -> None:
        self._step(float(trip), float(close))

    @rule(n=st.sampled_from([1, 2, 5, 49, 50, 51, 59, 60, 240]))
    def wait(self, n: int) -> None:
        for _ in range(n):
            self._step(0.0, 0.0)

    @rule()
    def settle(self) -> None:
        for _ in range(math.ceil(0.11 / self.rig.dt_s) + 2):
            self._step(0.0, 0.0)
        assert self.rig.state in (OPEN, CLOSED)

    @invariant()
    def contacts_agree(self) -> None:
        if not hasattr(self, "rig"):
            return
        rig = self.rig
        assert not (rig.is_52a and rig.is_52b)
        assert rig.is_52a == (rig.state == CLOSED)
        assert rig.is_52b == (rig.state == OPEN)
        assert rig.is_made == (rig.state in (CLOSED, OPENING)) or rig.state == OPENING
        if rig.is_52a:
            assert rig.is_made
        if rig.is_52b:
            assert not rig.is_made
        assert rig.ops >= self.n_parted
        assert 0.0 <= rig.travel_s <= CLOSE_TIME_S


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("state", [OPEN, CLOSED, OPENING, CLOSING])
def test_close_without_permission_of_the_synchronism_check_does_nothing(state: float) -> None:
    refused, idle = Rig(state), Rig(state)
    refused.permitted[:] = 0.0
    assert refused.step(close=1.0) == idle.step()
    assert refused.state == idle.state
    assert refused.may_close == 0.0
    assert refused.close == 0.0


def test_trip_needs_no_permission() -> None:
    rig = Rig(CLOSED)
    rig.permitted[:] = 0.0
    rig.step(trip=1.0)
    assert rig.state == OPENING
