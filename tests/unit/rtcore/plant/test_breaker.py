"""Breaker: every state and command, times, contacts, anti-pump, spring, failures, current zeros."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rtcore.plant.breaker import CLOSED, CLOSING, OPEN, OPENING
from tests.support.breaker_rig import CLOSE_TIME_S, OFFSET_S, OPEN_TIME_S, SPEC, STEPS_S, Rig

MS = 1e-3
TABLE = {
    (OPEN, 0, 0): (OPEN, 0.0),
    (OPEN, 1, 0): (OPEN, 0.0),
    (OPEN, 0, 1): (CLOSING, CLOSE_TIME_S - MS),
    (OPEN, 1, 1): (OPEN, 0.0),  # trip wins
    (CLOSED, 0, 0): (CLOSED, 0.0),
    (CLOSED, 1, 0): (OPENING, OPEN_TIME_S - MS),
    (CLOSED, 0, 1): (CLOSED, 0.0),
    (CLOSED, 1, 1): (OPENING, OPEN_TIME_S - MS),
    (OPENING, 0, 0): (OPENING, OPEN_TIME_S - MS),
    (OPENING, 1, 0): (OPENING, OPEN_TIME_S - MS),
    (OPENING, 0, 1): (OPENING, OPEN_TIME_S - MS),  # dropped: no pumping
    (OPENING, 1, 1): (OPENING, OPEN_TIME_S - MS),
    (CLOSING, 0, 0): (CLOSING, CLOSE_TIME_S - MS),
    (CLOSING, 1, 0): (OPENING, OPEN_TIME_S - MS),  # trip-free
    (CLOSING, 0, 1): (CLOSING, CLOSE_TIME_S - MS),
    (CLOSING, 1, 1): (OPENING, OPEN_TIME_S - MS),
}


def test_the_table_covers_every_state_and_command() -> None:
    assert set(TABLE) == set(itertools.product((OPEN, CLOSED, OPENING, CLOSING), (0, 1), (0, 1)))


@pytest.mark.parametrize("suffix", ["", "_coil"])
@pytest.mark.parametrize(("before", "after"), TABLE.items())
def test_every_state_answers_every_command_of_operators_and_relays(
    before: tuple[float, int, int], after: tuple[float, float], suffix: str
) -> None:
    state, trip, close = before
    rig = Rig(state)
    was_made = rig.is_made
    assert rig.step(**{f"trip{suffix}": trip, f"close{suffix}": close}) == 0
    assert rig.state == after[0]
    assert rig.travel_s == pytest.approx(after[1], abs=1e-12)  # one subtraction
    assert rig.is_made == was_made
    assert (rig.trip, rig.close, rig.trip_coil, rig.close_coil) == (0.0,) * 4, "demands are consumed"


@pytest.mark.parametrize("dt_s", STEPS_S)
@pytest.mark.parametrize(
    ("start", "command", "time_s", "end"),
    [(CLOSED, "trip", OPEN_TIME_S, OPEN), (OPEN, "close", CLOSE_TIME_S, CLOSED)],
)
def test_contacts_move_at_the_exact_time_after_a_pulse_whatever_the_step(
    dt_s: float, start: float, command: str, time_s: float, end: float
) -> None:
    rig = Rig(start, dt_s)
    rig.set(**{command: 1.0})
    assert rig.until_change() == pytest.approx(time_s, abs=1e-9)  # EPS_S of the mechanism
    assert rig.state == end
    assert rig.is_made == (end == CLOSED)
    assert rig.ops == (end == OPEN)
    rig.run(20)
    assert (rig.is_52a, rig.is_52b) == (end == CLOSED, end == OPEN)
    assert rig.run(1000) == 0


@pytest.mark.parametrize("dt_s", STEPS_S)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("start", "coil", "time_s"), [(CLOSED, "trip", 0.05), (OPEN, "close", 0.06)])
def test_a_coil_energised_within_the_last_step_starts_the_travel_there(
    dt_s: float, share: float, start: float, coil: str, time_s: float
) -> None:
    rig = Rig(start, dt_s)
    rig.set(**{f"{coil}_coil": 1.0, f"{coil}_ago_s": share * dt_s})
    # what has happened before this step cannot be changed: at 100 ms the contacts move at its beginning
    assert rig.until_change() == pytest.approx(max(time_s - share * dt_s, 0.0), abs=1e-9)


@pytest.mark.parametrize("dt_s", [250e-6, 1e-3])
def test_auxiliary_contacts_move_before_and_after_the_main_contacts_and_know_when(dt_s: float) -> None:
    """52a 5 ms before the parting, 52b 5 ms after it; the other way round at closing."""
    seen = []
    rig = Rig(CLOSED, dt_s)
    for command, time_s in (("trip", OPEN_TIME_S), ("close", CLOSE_TIME_S)):
        rig.set(**{command: 1.0, "may_close": 1.0})
        start_s = rig.t_s
        a, b = rig.is_52a, rig.is_52b
        while rig.t_s - start_s < 0.1:
            rig.step()
            if (rig.is_52a, rig.is_52b) != (a, b):
                a, b = rig.is_52a, rig.is_52b
                seen.append((command, a, b, rig.t_s - rig.moved_ago_s - start_s - time_s))
    assert [x[:3] for x in seen] == [
        ("trip", 0.0, 0.0),
        ("trip", 0.0, 1.0),
        ("close", 0.0, 0.0),
        ("close", 1.0, 0.0),
    ]
    assert [x[3] for x in seen] == pytest.approx([-OFFSET_S, OFFSET_S] * 2, abs=1e-9)


def test_a_trip_in_the_last_step_of_closing_wins_and_the_contacts_never_make() -> None:
    rig = Rig(OPEN)
    rig.step(close=1.0)
    rig.run(58)
    assert rig.state == CLOSING
    rig.step(trip=1.0)
    assert rig.state == OPENING
    made = []
    for _ in range(200):
        rig.step()
        made.append(rig.is_made)
    assert not any(made)
    assert (rig.state, rig.is_52b) == (OPEN, 1.0)


# --- anti-pump -------------------------------------------------------------------------------------


def test_a_close_held_on_during_a_trip_does_not_pump_until_it_is_released() -> None:
    rig = Rig(CLOSED)
    rig.step(trip=1.0, close=1.0)
    for _ in range(500):
        rig.step(close=1.0)
    assert (rig.state, rig.ops, rig.moves, rig.has_refused_close) == (OPEN, 1.0, 1.0, 1.0)
    rig.step()  # released
    rig.step(close=1.0)
    assert rig.state == CLOSING


def test_a_close_held_onto_a_fault_closes_once() -> None:
    rig = Rig(OPEN)
    made, before = 0, False
    for _ in range(3000):
        rig.step(close=1.0, trip_coil=float(rig.is_made))
        made += rig.is_made and not before
        before = rig.is_made
    assert (made, rig.state) == (1, OPEN)


def test_a_close_waits_for_synchronism_lockout_and_spring_but_not_for_a_tag() -> None:
    """A restoring automat may hold its demand; to take a tag away must not move anything."""
    for hold, free in (
        ({"is_locked_out": 1.0}, {"is_locked_out": 0.0}),
        ({"spring_left_s": 5.0, "fail_motor_sp": 1.0}, {"spring_left_s": 0.0}),
    ):
        rig = Rig(OPEN)
        for _ in range(10):
            rig.step(close=1.0, **hold)
        assert (rig.state, rig.has_refused_close) == (OPEN, 1.0)
        rig.step(close=1.0, **free)
        assert rig.state == CLOSING
    rig = Rig(OPEN)
    for _ in range(10):
        rig.step(close=1.0, is_tagged_sp=1.0)
    for _ in range(10):
        rig.step(close=1.0, is_tagged_sp=0.0)
    assert (rig.state, rig.has_refused_close) == (OPEN, 1.0)


@pytest.mark.parametrize("state", [OPEN, CLOSED, OPENING, CLOSING])
def test_close_without_permission_of_the_synchronism_check_does_nothing(state: float) -> None:
    refused, idle = Rig(state), Rig(state)
    refused.permitted[:] = 0.0
    assert refused.step(close=1.0) == idle.step()
    assert (refused.state, refused.travel_s) == (idle.state, idle.travel_s)
    assert (refused.may_close, refused.close) == (0.0, 0.0)


@pytest.mark.parametrize("who", ["close", "close_coil"])
def test_a_tag_refuses_and_counts_every_close_and_no_trip(who: str) -> None:
    rig = Rig(OPEN)
    for _ in range(7):
        rig.step(is_tagged_sp=1.0, **{who: 1.0})
        rig.step()
    assert (rig.state, rig.has_refused_close, rig.is_untagged) == (OPEN, 7.0, 0.0)
    rig = Rig(CLOSED)
    rig.permitted[:] = 0.0
    rig.step(is_tagged_sp=1.0, is_locked_out=1.0, trip=1.0)
    assert (rig.state, rig.is_not_locked_out) == (OPENING, 0.0)


def test_a_tag_during_the_travel_of_a_closing_turns_it_back() -> None:
    rig = Rig(OPEN)
    rig.step(close=1.0)
    assert rig.state == CLOSING
    rig.step(is_tagged_sp=1.0)
    assert rig.state == OPENING
    for _ in range(200):
        rig.step()
    assert (rig.state, rig.is_52a, rig.is_52b) == (OPEN, 0.0, 1.0)


def test_interlocks_of_operators_follow_the_position() -> None:
    rig = Rig(CLOSED)
    rig.step()
    assert (rig.is_not_open, rig.is_not_closed) == (1.0, 0.0)
    rig.step(trip=1.0)
    rig.run(60)
    assert (rig.is_not_open, rig.is_not_closed) == (0.0, 1.0)
    closes = SPEC.attr("close").interlocks
    assert [name for name, _ in closes] == [
        "is_untagged",
        "is_not_locked_out",
        "is_not_closed",
        "is_spring_charged",
        "may_close",
    ]
    assert [name for name, _ in SPEC.attr("trip").interlocks] == ["is_not_open"]


# --- spring ----------------------------------------------------------------------------------------


def test_o_co_from_a_wound_spring_then_it_must_be_wound_again() -> None:
    """O - 0.3 s - CO; the spring is wound in 10 s from its release at the close."""
    rig = Rig(CLOSED)
    rig.step(trip=1.0)
    rig.run(300)
    close_s = rig.t_s
    rig.step(close=1.0)
    assert rig.is_spring_charged == 0.0
    rig.run(70)
    assert rig.state == CLOSED
    rig.step(trip=1.0)
    rig.run(100)
    assert rig.state == OPEN
    rig.step(close=1.0)
    assert (rig.state, rig.has_refused_close) == (OPEN, 1.0)
    while rig.is_spring_charged == 0.0:
        rig.step()
    assert rig.t_s - close_s == pytest.approx(10.0, abs=1e-3)  # a step
    rig.step(close=1.0)
    assert rig.state == CLOSING


def test_a_motor_that_does_not_run_leaves_one_close() -> None:
    rig = Rig(OPEN, 0.1, spring_charge_s=5.0)
    rig.step(fail_motor_sp=1.0, close=1.0)
    rig.step(trip=1.0)
    rig.run(1000)
    rig.step(close=1.0)
    assert (rig.state, rig.is_spring_charged) == (OPEN, 0.0)
    rig.step(fail_motor_sp=0.0)
    rig.run(50)
    rig.step(close=1.0)
    assert rig.state == CLOSED


# --- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "is_ok"), [(1.0, 0.0), (2.0, 1.0)])
def test_a_failed_trip_does_nothing_and_only_an_interrupted_circuit_is_supervised(
    mode: float, is_ok: float
) -> None:
    rig = Rig(CLOSED)
    for _ in range(300):
        assert rig.step(fail_trip_sp=mode, trip=1.0, trip_coil=1.0) == 0
    assert (rig.state, rig.is_trip_circuit_ok) == (CLOSED, is_ok)
    rig.step(fail_trip_sp=0.0, trip=1.0)
    assert (rig.state, rig.is_trip_circuit_ok) == (OPENING, 1.0)


def test_a_failed_close_does_nothing_and_keeps_the_spring() -> None:
    rig = Rig(OPEN)
    rig.step(fail_close_sp=1.0, close=1.0)
    rig.run(100)
    assert (rig.state, rig.is_spring_charged, rig.moves) == (OPEN, 1.0, 0.0)


@pytest.mark.parametrize("slow_s", [0.08, 0.4])
def test_a_slow_opening_takes_longer_and_a_very_slow_one_is_alarmed(slow_s: float) -> None:
    rig = Rig(CLOSED)
    rig.set(slow_s_sp=slow_s, trip=1.0)
    alarms = 0.0
    for _ in range(round((OPEN_TIME_S + slow_s) / rig.dt_s) - 1):
        assert rig.step() == 0
        alarms = max(alarms, rig.is_discrepancy)
    assert rig.step() == 1
    assert alarms == (slow_s > 0.2)  # discrepancy_s
    rig.run(6)
    assert (rig.is_52b, rig.is_discrepancy) == (1.0, 0.0)


@pytest.mark.parametrize("pole", [1, 2, 3])
@pytest.mark.parametrize("is_per_pole", [0.0, 1.0])
def test_a_stuck_pole_stays_closed_and_opens_with_the_next_trip_when_it_is_free(
    pole: int, is_per_pole: float
) -> None:
    rig = Rig(CLOSED, is_per_pole=is_per_pole)
    rig.set(stuck_pole_sp=pole, trip=1.0)
    assert rig.until_change() == pytest.approx(OPEN_TIME_S, abs=1e-9)
    expected = tuple(k == pole - 1 for k in range(3))
    assert rig.poles == expected
    assert (rig.is_closed_a, rig.is_closed_b, rig.is_closed_c) == expected
    rig.run(250)
    assert (rig.state, rig.ops, rig.is_pole_discrepancy, rig.is_not_open) == (OPEN, 1.0, 1.0, 1.0)
    # one shaft shows open; contacts in series of three mechanisms show neither
    assert (rig.is_52a, rig.is_52b) == (0.0, 1.0 - is_per_pole)
    assert rig.is_discrepancy == is_per_pole
    rig.step(trip=1.0)
    assert (rig.state, rig.ops) == (OPEN, 1.0), "a trip that can move nothing starts nothing"
    rig.step(stuck_pole_sp=0.0, trip=1.0)
    rig.run(60)
    assert rig.is_made is False
    assert (rig.is_52b, rig.is_pole_discrepancy, rig.is_discrepancy, rig.is_not_open) == (1.0, 0.0, 0.0, 0.0)


def test_a_stuck_pole_does_not_close_either() -> None:
    rig = Rig(OPEN)
    rig.set(stuck_pole_sp=2.0, close=1.0)
    rig.until_change()
    assert rig.poles == (True, False, True)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 1e300])
def test_absurd_settings_and_currents_do_not_stick(bad: float) -> None:
    rig = Rig(CLOSED, has_arc="on")
    rig.i[:] = complex(bad, 0.0)
    rig.set(slow_s_sp=bad if bad != 1e300 else 0.0, stuck_pole_sp=bad, trip_ago_s=bad, trip_coil=1.0)
    rig.dt_s = 0.1
    rig.run(700)  # more than the 60 s that a slow opening may take
    assert (rig.state, rig.is_made) == (OPEN, False)
    rig.set(slow_s_sp=0.0, stuck_pole_sp=0.0)
    rig.i[:] = 100.0
    rig.step(close=1.0)
    rig.step(trip=1.0)
    rig.step()
    assert rig.state == OPEN
    kept = set(SPEC.state_dtype.names or ()) - {"slow_s_sp", "stuck_pole_sp"}
    assert all(np.isfinite(rig.s[name][0]) for name in kept)


class AnySequence(RuleBasedStateMachine):
    """Any commands and settings in any order against what the contacts may do."""

    @initialize(
        dt_s=st.sampled_from(STEPS_S),
        is_closed=st.booleans(),
        scatter_s=st.sampled_from([0.0, 0.002]),
        has_arc=st.sampled_from(["on", "off"]),
        is_per_pole=st.sampled_from([0.0, 1.0]),
    )
    def start(self, dt_s: float, is_closed: bool, scatter_s: float, has_arc: str, is_per_pole: float) -> None:
        self.rig = Rig(
            CLOSED if is_closed else OPEN,
            dt_s,
            scatter_s=scatter_s,
            has_arc=has_arc,
            is_per_pole=is_per_pole,
            spring_charge_s=1.0,
        )
        self.rig.i[0] = [100.0, 60.0j, 3.0]
        self.was_close = self.is_spent = False

    def _step(self, trip: bool = False, close: bool = False) -> None:
        rig = self.rig
        before, moves, refused = rig.state, rig.moves, rig.has_refused_close
        is_ready = rig.is_spring_charged != 0.0 and not rig.is_tagged_sp and not rig.is_locked_out
        is_edge = close and not self.was_close
        self.was_close = close
        self.is_spent = self.is_spent and close
        poles = rig.poles
        rig.step(trip=float(trip), close=float(close))
        trip = trip or (before == CLOSING and rig.is_tagged_sp != 0.0)  # a tag turns it back
        begun = rig.moves - moves
        assert begun in (0.0, 1.0)
        is_closing_begun = begun == 1.0 and not trip
        if is_closing_begun:
            assert close, "closed without being asked"
            assert not self.is_spent, "closed twice on one command, or on one held over a trip"
            assert before in (OPEN, OPENING)
            assert is_ready, "closed with a tag, a lockout or an unwound spring"
            assert rig.permitted[0] == 1.0
        elif before in (OPEN, OPENING) and not any(poles):
            assert not any(rig.poles), "made without a close"
        if trip and not rig.fail_trip_sp:
            assert rig.state in (OPEN, OPENING), "a trip always wins"
        if any(a and not b for a, b in zip(poles, rig.poles, strict=True)):
            assert before == OPENING or trip, "parted without a trip"
        if is_edge and not is_closing_begun and before == OPEN and not rig.fail_close_sp:
            assert rig.has_refused_close == refused + 1.0, "neither carried out nor refused"
        self.is_spent = self.is_spent or (close and (trip or rig.state != OPEN))
        assert 0.0 <= rig.change[0] <= rig.dt_s

    @rule(trip=st.booleans(), close=st.booleans())
    def command(self, trip: bool, close: bool) -> None:
        self._step(trip, close)

    @rule(n=st.integers(1, 60))
    def hold_close(self, n: int) -> None:
        for _ in range(n):
            self._step(close=True)

    @rule(n=st.integers(1, 60))
    def hold_close_over_a_trip(self, n: int) -> None:
        for k in range(2 * n + 60):
            self._step(trip=k == n, close=True)

    @rule()
    def close_trip_close(self) -> None:
        for trip, close in ((False, True), (True, False), (False, True)):
            self._step(trip, close)
            for _ in range(math.ceil(0.08 / self.rig.dt_s)):
                self._step()

    @rule(n=st.sampled_from([1, 2, 5, 49, 50, 51, 59, 60, 240]))
    def wait(self, n: int) -> None:
        for _ in range(n):
            self._step()

    @rule(
        name=st.sampled_from(
            ["is_tagged_sp", "is_locked_out", "fail_trip_sp", "fail_close_sp", "fail_motor_sp"]
        ),
        value=st.sampled_from([0.0, 0.0, 1.0]),
    )
    def turn(self, name: str, value: float) -> None:
        self.rig.set(**{name: value})

    @rule(value=st.sampled_from([0.0, 1.0]))
    def permit(self, value: float) -> None:
        self.rig.permitted[:] = value

    @rule(pole=st.sampled_from([0.0, 0.0, 1.0, 2.0, 3.0]))
    def stick(self, pole: float) -> None:
        self.rig.set(stuck_pole_sp=pole)

    @rule()
    def settle(self) -> None:
        for _ in range(math.ceil(0.12 / self.rig.dt_s) + 2):
            self._step()
        assert self.rig.state in (OPEN, CLOSED)

    @invariant()
    def contacts_agree(self) -> None:
        if not hasattr(self, "rig"):
            return
        rig = self.rig
        assert not (rig.is_52a and rig.is_52b)
        assert not (rig.is_52a and rig.state in (OPEN, CLOSING))
        assert not (rig.is_52b and rig.state == CLOSED)
        # a pole that conducts while 52b says open has been stuck
        assert 0.0 <= rig.travel_s <= CLOSE_TIME_S + 2.0 * math.sqrt(3.0) * 0.002
        assert rig.ops <= rig.moves


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
