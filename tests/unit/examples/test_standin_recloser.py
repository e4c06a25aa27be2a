"""The stand-in's 79: the sequence to lockout, reset, and everything that ends a sequence early."""

from __future__ import annotations

import pytest

from examples.standin.recloser import CLOSE_FAILURE_S, Reclosing, State
from examples.standin.relay import Settings
from tests.unit.examples.standin_rig import Sequence, element

STEP_S = 0.001


def bench(*intervals_s: float, reset_s: float = 3.0) -> Sequence:
    return Sequence(Settings(element(), reclosing=Reclosing(intervals_s, reset_s, 1.0)))


def always(t_s: float) -> float:
    return 5.0


def never(t_s: float) -> float:
    return 0.1


def test_a_lasting_fault_gives_two_fast_and_two_slow_trips_and_lockout_at_the_published_times() -> None:
    # M = 5: IEEE EI TD 0.5 = 0.648350 s, IEEE VI TD 2 = 2.616167 s; breaker opens in 50, closes in 60 ms.
    rig = Sequence(
        Settings(
            phase=element(curve="IEEE_VI", tms=2.0, shots=(2, 99)),
            fast=element(curve="IEEE_EI", tms=0.5, shots=(0, 1)),
            reclosing=Reclosing((0.5, 2.0, 5.0)),
        )
    )
    rig.run(20.0, always)
    published = {
        "trip": [0.648350, 1.906700, 6.632867, 14.359033],
        "open": [0.698350, 1.956700, 6.682867, 14.409033],
        "close": [1.198350, 3.956700, 11.682867],
        "closed": [1.258350, 4.016700, 11.742867],
    }
    for event, times_s in published.items():
        for k, (found_s, wanted_s) in enumerate(zip(rig.of(event), times_s, strict=True)):
            # Opening, end of the interval, closing, pickup: each is seen up to a sample late, in each cycle.
            assert -1e-9 <= found_s - wanted_s <= 4 * STEP_S * (k + 1), (event, k)
    assert rig.relay.recloser.state is State.LOCKOUT
    assert not rig.is_closed


def test_a_fault_that_goes_in_the_dead_time_gives_one_trip_and_a_reset_after_the_reset_time() -> None:
    rig = bench(0.5, 2.0)
    rig.run(1.0, always)
    (opened_s,) = rig.of("open")
    rig.run(opened_s + 0.6, never)
    (closed_s,) = rig.of("closed")
    rig.run(closed_s + 2.99, never)
    assert (rig.relay.recloser.state, rig.relay.recloser.shot) == (State.CYCLE, 1)
    rig.run(closed_s + 3.01, never)
    assert (rig.relay.recloser.state, rig.relay.recloser.shot) == (State.RESET, 0)
    assert len(rig.of("trip")) == 1


def test_a_pickup_holds_the_reset_time_off() -> None:
    rig = bench(0.5)
    rig.run(1.0, always)
    rig.run(2.0, never)
    (closed_s,) = rig.of("closed")
    # Picked up (M = 1.02 would take 35 s to trip) from 1 s to 2 s after closing: the time starts again.
    rig.run(closed_s + 1.0, never)
    rig.run(closed_s + 2.0, lambda t_s: 1.02)
    rig.run(closed_s + 4.9, never)
    assert rig.relay.recloser.state is State.CYCLE
    rig.run(closed_s + 5.1, never)
    assert rig.relay.recloser.state is State.RESET


def test_without_open_intervals_the_first_trip_locks_out() -> None:
    rig = bench()
    rig.run(1.0, always)
    assert rig.relay.recloser.state is State.LOCKOUT
    rig.run(10.0, always)
    assert rig.of("close") == []


@pytest.mark.parametrize("shot", [0, 1])
def test_a_breaker_opened_by_hand_is_not_closed_again(shot: int) -> None:
    rig = bench(0.5, 0.5)
    if shot:
        rig.run(1.0, always)
    rig.run(2.0, never)
    rig.move(is_closed=False)
    rig.run(5.0, never)
    assert rig.relay.recloser.state is State.LOCKOUT
    assert len(rig.of("close")) == shot


def test_after_a_lockout_it_takes_a_closed_breaker_for_the_lockout_s_reset_time() -> None:
    rig = bench(0.5)
    rig.move(is_closed=False)
    rig.run(2.0, never)
    rig.move(is_closed=True)
    rig.run(2.99, never)
    assert rig.relay.recloser.state is State.LOCKOUT
    rig.run(3.02, never)
    assert rig.relay.recloser.state is State.RESET


def test_a_close_onto_a_fault_out_of_lockout_trips_for_good() -> None:
    rig = bench(0.5)
    rig.move(is_closed=False)
    rig.run(1.0, never)
    rig.move(is_closed=True)
    rig.run(5.0, always)
    assert len(rig.of("trip")) == 1
    assert rig.of("close") == []


def test_a_close_that_fails_locks_out() -> None:
    rig = bench(0.5, 0.5)
    rig.refuses_close = True
    rig.run(1.5, always)
    (asked_s,) = rig.of("close")
    assert rig.relay.recloser.is_closing
    rig.run(asked_s + CLOSE_FAILURE_S + 0.01, always)
    assert (rig.relay.recloser.state, rig.relay.recloser.is_closing) == (State.LOCKOUT, False)
    rig.run(10.0, always)
    assert len(rig.of("close")) == 1
