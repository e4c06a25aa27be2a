"""Relay: trip matrix, sealing, targets, lockout 86, and the instants that it gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import REGISTRY, rows_of
from rtcore.plant import breaker
from rtcore.protection import relay
from rtcore.protection.element import ELEMENT
from rtcore.protection.relay import LOCKS_OUT, STARTS_79, STARTS_BF, Relay

DT_S = 1e-3
SEAL_S = 0.02
COLUMNS = [a.name for a in ELEMENT]
CB_A, CB_B, CB_C = 1, 2, 4
"""Breakers of the trip matrix, a bit each."""

EXACT_S = 1e-12
"""Instants are differences of numbers below 1 s: rounding only."""


class Rig:
    """Relays over elements that a test switches by hand; ``plan`` is (trips, flags) of every element."""

    def __init__(
        self,
        *plans: list[tuple[int, int]],
        own: tuple[int, ...] = (),
        dt_s: float = DT_S,
        seal_s: float = SEAL_S,
    ) -> None:
        spec = REGISTRY["relay"]
        n, every = len(plans), [e for plan in plans for e in plan]
        self.p = rows_of([Relay(trip_min_s=seal_s)] * n, spec)
        self.s = np.zeros(n, spec.state_dtype)
        self.s["is_in_service_sp"] = self.s["is_quiet"] = 1.0
        width = len(COLUMNS)
        self.x = np.zeros(len(every) * width)
        self.elements = self.x.reshape(-1, width)
        self.rows = np.arange(len(every), dtype=np.int64) * width
        self.trips = np.array([t for t, _ in every], np.int64)
        self.flags = np.array([f for _, f in every], np.int64)
        self.first = np.concatenate([[0], np.cumsum([len(plan) for plan in plans])]).astype(np.int32)
        self.since_s, self.is_active = np.full(len(every), -1.0), np.zeros(n)
        self.own = np.array(own or [-1] * n, np.int32)
        self.breaker = np.zeros(3, REGISTRY["breaker"].state_dtype)
        breaker.init(self.breaker, np.ones(3, bool))
        self.i, self.alarm, self.dt_s = np.zeros((n, 3), complex), np.zeros(n), dt_s

    def __getitem__(self, name: str) -> float:
        return float(self.s[name][0])

    def pick_up(self, e: int, ago_s: float = 0.0, is_on: bool = True) -> None:
        self.elements[e, COLUMNS.index("is_pickup")] = float(is_on)
        self.elements[e, COLUMNS.index("pickup_ago_s")] = ago_s

    def operate(self, e: int, ago_s: float = 0.0) -> None:
        if self.elements[e, COLUMNS.index("is_pickup")] == 0.0:
            self.pick_up(e, ago_s)
        self.elements[e, COLUMNS.index("is_operated")] = 1.0
        self.elements[e, COLUMNS.index("operate_ago_s")] = ago_s

    def drop(self, e: int, ago_s: float = 0.0) -> None:
        self.pick_up(e, ago_s, is_on=False)
        self.elements[e, COLUMNS.index("is_operated")] = 0.0
        self.elements[e, COLUMNS.index("operate_ago_s")] = ago_s

    def step(self, n: int = 1) -> list[int]:
        """Take steps; returns the breakers that got a demand in the last one."""
        for _ in range(n):
            self.breaker["trip_coil"] = self.breaker["trip_ago_s"] = 0.0  # as the breakers do
            relay.find_active(self.x, self.rows, self.first, self.is_active)
            relay.step(
                self.p, self.s, self.x, self.rows, self.flags, self.trips, self.first, self.since_s,
                self.is_active, self.breaker, self.own, self.i, self.alarm, self.dt_s,
            )  # fmt: skip
        return [int(b) for b in np.flatnonzero(self.breaker["trip_coil"])]

    def held(self) -> list[int]:
        return [int(b) for b in np.flatnonzero(self.breaker["is_locked_out"])]

    def command(self, name: str, r: int = 0) -> None:
        self.s[name][r] = 1.0
        self.step()
        assert self.s[name][r] == 0.0  # a pulse


# ---- trip matrix ----------------------------------------------------------------------------------


def test_an_element_trips_every_breaker_of_its_row_and_no_other() -> None:
    rig = Rig([(CB_A | CB_C, 0), (CB_B, 0), (0, 0)])
    assert rig.step() == []
    rig.operate(0)
    assert rig.step() == [0, 2]
    rig.operate(1)
    assert rig.step() == [0, 1, 2]


def test_an_element_with_an_empty_row_is_an_alarm_that_makes_no_trip_and_no_target() -> None:
    rig = Rig([(CB_A, 0), (0, 0)])
    rig.operate(1)
    assert rig.step() == []
    assert (rig["is_trip"], rig["targets"], rig["first_element"], rig["trips"]) == (0.0, 0.0, 0.0, 0.0)
    assert rig["is_pickup"] == 1.0
    rig.operate(0, 3e-4)
    rig.step()  # a trip after it is a trip of its own
    assert (rig["targets"], rig["first_element"], rig["trip_time_s"]) == (1.0, 1.0, 0.0)


def test_a_pickup_without_operation_trips_nothing() -> None:
    rig = Rig([(CB_A, LOCKS_OUT)])
    rig.pick_up(0)
    assert rig.step(100) == []
    assert (rig["is_pickup"], rig["is_trip"], rig["targets"], rig["is_locked_out"]) == (1.0, 0.0, 0.0, 0.0)


def test_a_demand_carries_the_instant_of_the_first_element_that_asks_for_the_breaker() -> None:
    rig = Rig([(CB_A, 0), (CB_A | CB_B, 0)], [(CB_B, 0)])
    rig.operate(0, 2e-4)
    rig.operate(1, 7e-4)
    rig.operate(2, 3e-4)
    rig.step()
    assert rig.breaker["trip_ago_s"].tolist() == [7e-4, 7e-4, 0.0]


def test_relays_do_not_mix() -> None:
    rig = Rig([(CB_A, 0)], [(CB_B, LOCKS_OUT)], own=(0, 1))
    rig.operate(1)
    assert rig.step() == [1]
    assert rig.s["targets"].tolist() == [0.0, 1.0]
    assert rig.s["is_trip"].tolist() == [0.0, 1.0]
    assert rig.s["is_locked_out"].tolist() == [0.0, 1.0]
    assert rig.held() == [1]


@pytest.mark.parametrize("flag", [STARTS_79, STARTS_BF])
def test_starting_another_function_needs_the_flag_and_gives_the_earliest_instant(flag: int) -> None:
    rig = Rig([(CB_A, flag), (CB_A, flag | LOCKS_OUT), (CB_A, 7 - flag)])
    ask = rig.x, rig.rows, rig.flags, rig.first, flag, 0
    rig.operate(2, 9e-4)
    assert relay.starts(*ask) == -1.0
    rig.operate(0, 2e-4)
    rig.operate(1, 6e-4)
    assert relay.starts(*ask) == 6e-4


# ---- sealing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 4e-3])
def test_an_output_stays_for_its_time_after_an_element_that_was_only_there_for_a_step(dt_s: float) -> None:
    rig = Rig([(CB_A, 0)], dt_s=dt_s)
    rig.operate(0)
    rig.step()
    rig.drop(0)
    n = 0
    while rig.step() == [0]:
        n += 1
        assert rig["is_trip"] == 1.0
        assert rig["is_quiet"] == 0.0
    assert n * dt_s == pytest.approx(SEAL_S, abs=1.01 * dt_s)  # steps
    assert n * dt_s >= SEAL_S - 1.01 * dt_s
    assert (rig["is_trip"], rig["is_quiet"]) == (0.0, 1.0)


def test_an_output_stays_as_long_as_its_element_and_goes_with_it_after_its_time() -> None:
    rig = Rig([(CB_A, 0)])
    rig.operate(0)
    assert rig.step(500) == [0]
    rig.drop(0)
    assert rig.step() == []
    assert rig["is_trip"] == 0.0
    assert rig["trips"] == 1.0


def test_an_output_that_follows_another_keeps_both_for_its_time_and_is_no_other_trip() -> None:
    rig = Rig([(CB_A, 0), (CB_B, 0)])
    rig.operate(0)
    rig.step(15)
    rig.drop(0)
    rig.operate(1)
    rig.step()
    rig.drop(1)
    assert rig.step(10) == [0, 1]  # 26 ms after the first
    assert rig.step(15) == []
    assert (rig["trips"], rig["targets"], rig["first_element"]) == (1.0, 3.0, 1.0)


# ---- targets --------------------------------------------------------------------------------------


def test_targets_stay_until_they_are_reset_and_gather() -> None:
    rig = Rig([(CB_A, 0), (CB_A, 0), (CB_A, 0)])
    for e, targets in [(1, 2.0), (0, 3.0)]:
        rig.operate(e)
        rig.step(2)
        rig.drop(e)
        rig.step(100)
        assert rig["targets"] == targets
        assert rig["first_element"] == e + 1  # of the last trip
    rig.command("reset_targets")
    assert (rig["targets"], rig["first_element"], rig["trips"]) == (0.0, 0.0, 2.0)


def test_the_first_element_is_that_of_the_earliest_instant_within_the_step() -> None:
    rig = Rig([(CB_A, 0), (CB_A, 0), (CB_A, 0)])
    rig.operate(0, 1e-4)
    rig.operate(1, 8e-4)
    rig.operate(2, 5e-4)
    rig.step()
    assert (rig["first_element"], rig["targets"]) == (2.0, 7.0)
    assert rig["trip_ago_s"] == 8e-4


def test_the_number_of_an_element_is_its_place_in_its_own_relay() -> None:
    rig = Rig([(CB_A, 0), (CB_A, 0)], [(CB_B, 0), (CB_B, 0), (CB_B, 0)])
    rig.operate(4)
    rig.step()
    assert (rig.s["first_element"][1], rig.s["targets"][1]) == (3.0, 4.0)


# ---- instants, trip time, current -----------------------------------------------------------------


def test_trip_time_runs_from_the_element_s_own_pickup_and_the_current_is_the_largest_phase_at_the_trip() -> (
    None
):
    rig = Rig([(CB_A, 0), (CB_A, 0)])
    rig.pick_up(1, 6e-4)  # a thermal element may have been picked up for hours
    rig.step()
    rig.pick_up(0, 3e-4)
    rig.step(9)
    rig.i[0] = 300.0, -1200.0j, 900.0
    rig.operate(0, 4e-4)
    rig.step()
    # picked up 0.3 ms before the end of step 2, tripped 0.4 ms before the end of step 11
    assert rig["trip_time_s"] == pytest.approx(9e-3 + 3e-4 - 4e-4, abs=EXACT_S)
    assert rig["trip_current_a"] == 1200.0
    rig.i[0] = 5000.0
    rig.step(5)
    assert rig["trip_current_a"] == 1200.0  # of the trip, not of now


def test_an_instantaneous_trip_takes_no_time() -> None:
    rig = Rig([(CB_A, 0)])
    rig.operate(0, 5e-4)
    rig.step()
    assert rig["trip_time_s"] == 0.0
    assert (rig["pickup_ago_s"], rig["trip_ago_s"]) == (5e-4, 5e-4)


def test_the_pickup_is_stamped_with_the_first_to_pick_up_and_the_last_to_drop() -> None:
    rig = Rig([(CB_A, 0), (CB_A, 0), (CB_A, 0)])
    rig.pick_up(0, 2e-4)
    rig.pick_up(1, 9e-4)
    rig.step()
    assert (rig["is_pickup"], rig["pickup_ago_s"]) == (1.0, 9e-4)
    rig.pick_up(2, 8e-4)
    rig.step()
    assert rig["pickup_ago_s"] == 9e-4  # it was picked up already
    rig.drop(2, 1e-4)
    rig.step()
    rig.drop(0, 7e-4)
    rig.drop(1, 3e-4)
    rig.step()
    assert (rig["is_pickup"], rig["pickup_ago_s"]) == (0.0, 3e-4)


def test_a_trip_that_goes_with_its_element_is_stamped_with_it() -> None:
    rig = Rig([(CB_A, 0)])
    rig.operate(0)
    rig.step(100)
    rig.drop(0, 4e-4)
    rig.step()
    assert (rig["is_trip"], rig["trip_ago_s"]) == (0.0, 4e-4)


# ---- lockout 86 -----------------------------------------------------------------------------------


def locked() -> Rig:
    """A relay of breaker 0 whose element 1 locks out, and trips breaker 2 only."""
    rig = Rig([(CB_A, 0), (CB_C, LOCKS_OUT)], own=(0,))
    rig.operate(1, 6e-4)
    assert rig.step() == [2]
    return rig


def test_a_lockout_holds_the_breakers_it_tripped_and_the_relays_own() -> None:
    rig = locked()
    assert (rig["is_locked_out"], rig["lockout_ago_s"]) == (1.0, 6e-4)
    assert rig.held() == [0, 2]
    rig.drop(1)
    rig.step(1000)
    assert rig.held() == [0, 2]


def test_an_element_without_the_flag_does_not_lock_out() -> None:
    rig = Rig([(CB_A, STARTS_79 | STARTS_BF), (CB_A, LOCKS_OUT)], own=(0,))
    rig.operate(0)
    rig.step(100)
    assert (rig["is_locked_out"], rig.held()) == (0.0, [])


def test_a_lockout_is_not_reset_while_a_trip_output_is_on() -> None:
    rig = locked()
    rig.command("reset_lockout")
    assert rig["is_locked_out"] == 1.0
    rig.drop(1)
    rig.command("reset_lockout")  # sealed
    assert rig["is_locked_out"] == 1.0
    rig.step(30)
    rig.command("reset_lockout")
    assert (rig["is_locked_out"], rig.held()) == (0.0, [])
    assert rig["targets"] == 2.0  # another button


def test_two_relays_hold_one_breaker_until_both_are_reset() -> None:
    rig = Rig([(CB_A, LOCKS_OUT)], [(CB_A, LOCKS_OUT)], own=(-1, -1))
    rig.operate(0)
    rig.operate(1)
    rig.step()
    rig.drop(0)
    rig.drop(1)
    rig.step(30)
    rig.command("reset_lockout", 0)
    assert rig.held() == [0]
    rig.command("reset_lockout", 1)
    assert rig.held() == []


def test_a_further_lockout_adds_its_breakers() -> None:
    rig = Rig([(CB_A, LOCKS_OUT), (CB_B, LOCKS_OUT)])
    rig.operate(0, 2e-4)
    rig.step()
    rig.operate(1, 9e-4)
    rig.step()
    assert rig.held() == [0, 1]
    assert rig["lockout_ago_s"] == 2e-4  # it was locked out already


# ---- self-supervision -----------------------------------------------------------------------------


def test_a_relay_gives_alarm_out_of_service_and_with_inputs_in_doubt() -> None:
    rig = Rig([(CB_A, 0)], own=(0,))
    rig.step()
    assert rig["is_alarm"] == 0.0
    rig.s["is_in_service_sp"] = 0.0
    rig.step()
    assert rig["is_alarm"] == 1.0
    rig.s["is_in_service_sp"], rig.alarm[0] = 1.0, 1.0
    rig.step()
    assert rig["is_alarm"] == 1.0
    rig.alarm[0] = 0.0
    rig.step()
    assert rig["is_alarm"] == 0.0


def test_a_relay_gives_alarm_when_the_trip_circuit_of_its_breaker_is_open() -> None:
    rig = Rig([(CB_A, 0)], own=(0,))
    rig.breaker["is_trip_circuit_ok"] = 1.0, 0.0, 0.0  # others' trip circuits are not its business
    rig.step()
    assert rig["is_alarm"] == 0.0
    rig.breaker["is_trip_circuit_ok"][0] = 0.0
    rig.step()
    assert rig["is_alarm"] == 1.0


# ---- whatever happens -----------------------------------------------------------------------------

masks = st.integers(0, 7)
plans = st.lists(st.tuples(masks, masks), min_size=1, max_size=4)
WORDS = ["rest", "pick up", "operate", "drop", "reset_targets", "reset_lockout"]


def _act(rig: Rig, word: str, which: int, ago_s: float) -> str:
    e = which % len(rig.rows)
    if word == "pick up" and rig.elements[e, 0] == 0.0:
        rig.pick_up(e, ago_s)
    elif word == "operate" and rig.elements[e, 2] == 0.0:
        rig.operate(e, ago_s)
    elif word == "drop" and rig.elements[e, 0] != 0.0:
        rig.drop(e, ago_s)
    elif word.startswith("reset"):
        rig.s[word][which % len(rig.s)] = 1.0
        return word
    return ""


def _bits(value: Any) -> int:
    return int(value)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(plans, min_size=1, max_size=2),
    st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 7), st.floats(0, DT_S)), max_size=60),
    st.sampled_from([0.0, 0.003, SEAL_S]),
)
def test_whatever_elements_do_a_relay_does_what_its_matrix_says(
    plan: list[list[tuple[int, int]]], acts: list[tuple[str, int, float]], seal_s: float
) -> None:
    n = len(plan)
    rig = Rig(*plan, own=tuple(range(n)), seal_s=seal_s)
    targets, held, outs = [0] * n, [0] * n, [0] * n
    for word, which, ago_s in acts:
        asked = _act(rig, word, which, ago_s)
        demanded = set(rig.step())
        may, must, locked_out = 0, 0, 0
        for r in range(n):
            mine = range(rig.first[r], rig.first[r + 1])
            on = [e for e in mine if rig.elements[e, 2] != 0.0 and rig.trips[e] != 0]
            bits = sum(1 << (e - rig.first[r]) for e in on)
            is_reset = asked != "" and which % n == r
            targets[r] |= bits & ~outs[r]  # an output that comes on
            if is_reset and asked == "reset_targets":
                targets[r] = 0
            sealed = _bits(rig.s["sealed"][r])
            assert sealed & ~(bits | outs[r]) == 0, "an output without an element that operates"
            assert bits & ~sealed == 0, "an element that operates without an output"
            assert (rig.s["is_trip"][r], rig.s["is_quiet"][r]) == (float(sealed != 0), float(sealed == 0))
            assert _bits(rig.s["targets"][r]) == targets[r], "a target lost, or one of nothing"
            for e in on:
                must |= int(rig.trips[e])
                if rig.flags[e] & LOCKS_OUT:
                    held[r] |= int(rig.trips[e]) | 1 << r
            is_latched = held[r] != 0 or any(rig.flags[e] & LOCKS_OUT for e in on)
            if is_reset and asked == "reset_lockout" and sealed == 0:
                held[r], is_latched = 0, False
            assert rig.s["is_locked_out"][r] == float(is_latched)
            locked_out |= held[r]
            outs[r] = sealed
            may |= _union([int(rig.trips[e]) for e in mine if sealed >> (e - rig.first[r]) & 1])
        got = sum(1 << b for b in demanded)
        assert must & ~got == 0, "a breaker of the matrix without its demand"
        assert got & ~may == 0, "a demand to a breaker that is not in the matrix"
        assert sum(1 << b for b in rig.held()) == locked_out
        assert (rig.s["trip_time_s"] >= 0.0).all()
        assert np.isfinite(rig.s["trip_ago_s"]).all()


def _union(masks: list[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found
