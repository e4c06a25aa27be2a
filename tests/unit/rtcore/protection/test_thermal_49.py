"""Thermal overload: closed form, exact steps, crossings, cooling, alarm, preload, blocking, bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.jit import kernel
from rtcore.protection.thermal_49 import Thermal49, init, operate_s, step
from tests.support.element_rig import ABC, ElementRig, sequences

ROWS: list[dict[str, float]] = json.loads(
    (Path(__file__).parents[3] / "data/reference/protection_vectors.json").read_text()
)["thermal_49"]
RATED_A = 400.0


@kernel
def advance(p, s, of, i, i_seq, permitted, dt_s, n_max):  # type: ignore[no-untyped-def]
    """Step one element until it operates; returns the number of steps."""
    for n in range(1, n_max + 1):
        step(p, s, of, i, i_seq, permitted, dt_s, dt_s)
        if s["is_operated"][0] != 0.0:
            return n
    return 0


class Rig(ElementRig):
    kind = "thermal_49"

    def __init__(self, dt_s: float = 1e-3, **params: Any) -> None:
        super().__init__(Thermal49(rated_a=RATED_A, **params), dt_s)
        init(self.p, self.s)

    def call(self, change_ago_s: float) -> None:
        step(self.p, self.s, self.of, self.i, self.i_seq, self.permitted, change_ago_s, self.dt_s)

    def put(self, i_pu: float) -> None:
        self.set_i(RATED_A * i_pu * ABC)

    def operates_s(self, i_pu: float, limit_s: float = 1e4) -> float:
        """Return the interpolated time to the trip, stepping in compiled code."""
        self.put(i_pu)
        args = (self.p, self.s, self.of, self.i, self.i_seq, self.permitted, self.dt_s)
        n = advance(*args, math.ceil(limit_s / self.dt_s))
        assert n and self["is_pickup"] == 1.0
        return n * self.dt_s - self["operate_ago_s"]


def of_row(row: dict[str, float], dt_s: float = 1e-3) -> Rig:
    return Rig(dt_s, tau_s=row["tau_s"], k=row["k"], preload_pu=row["Ip"])


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_closed_form_gives_every_reference_time(row: dict[str, float]) -> None:
    found = operate_s(row["I"], row["Ip"], row["k"], row["tau_s"])
    assert found == pytest.approx(row["t_s"], rel=1e-6)  # asked for; the table has 12 digits


def test_the_reference_has_all_its_rows() -> None:
    assert len(ROWS) == 23


@pytest.mark.parametrize("row", [row for row in ROWS if row["t_s"] < 1000.0], ids=str)
def test_in_the_loop_at_1_ms_every_short_reference_time_is_met(row: dict[str, float]) -> None:
    """Within 1 ms is asked for; up to a million roundings of theta leave microseconds of it."""
    assert of_row(row).operates_s(row["I"]) == pytest.approx(row["t_s"], abs=2e-5 + 1e-9 * row["t_s"])


@pytest.mark.parametrize("dt_s", [0.1, 7.3, 100.0])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_step_does_not_matter_because_the_exponential_is_exact(
    row: dict[str, float], dt_s: float
) -> None:
    """So the hours that a loop of 1 ms would take are not looped: coarse steps meet the same times."""
    assert of_row(row, dt_s).operates_s(row["I"]) == pytest.approx(row["t_s"], rel=1e-9, abs=1e-8)


def test_steps_of_any_length_leave_the_same_heat() -> None:
    left = []
    for dt_s in (0.25e-3, 1e-3, 0.1, 10.0):
        rig = Rig(dt_s, tau_s=600.0, tau_cool_s=1200.0, preload_pu=0.5)
        for i_pu in (2.0, 0.2):
            rig.put(i_pu)
            rig.step(round(10.0 / dt_s))
        left.append(rig["theta"])
    exact = 4 / 1.05**2 + (0.25 - 4) / 1.05**2 * math.exp(-10 / 600)
    exact = 0.04 / 1.05**2 + (exact - 0.04 / 1.05**2) * math.exp(-10 / 1200)
    assert left == pytest.approx([exact] * 4, abs=1e-11)  # 80000 roundings of 1e-16


def test_a_current_that_changes_inside_a_step_splits_it() -> None:
    rig = Rig(dt_s=10.0, tau_s=600.0)
    rig.put(2.0)
    rig.step(3)
    rig.put(4.0)
    rig.step(change_ago_s=3.5)
    theta = 4 / 1.05**2 * (1 - math.exp(-36.5 / 600))
    theta = 16 / 1.05**2 + (theta - 16 / 1.05**2) * math.exp(-3.5 / 600)
    assert rig["theta"] == pytest.approx(theta, abs=1e-12)


def test_a_trip_before_the_current_goes_away_inside_the_step_is_a_trip() -> None:
    rig = Rig(dt_s=1.0, tau_s=60.0, preload_pu=0.9)
    t_s = operate_s(3.0, 0.9, 1.05, 60.0)
    rig.put(3.0)
    rig.step(math.floor(t_s))
    assert rig["is_operated"] == 0.0
    rig.put(0.0)
    since_s = 0.5 * (math.ceil(t_s) - t_s)
    rig.step(change_ago_s=since_s)
    assert rig["is_operated"] == rig["is_pickup"] == 1.0
    assert rig.t_s - rig["operate_ago_s"] == pytest.approx(t_s, abs=1e-9)


def test_it_picks_up_above_k_times_rated_and_never_trips_below() -> None:
    rig = Rig(dt_s=100.0, tau_s=60.0)
    rig.put(1.05 - 1e-9)
    rig.step(1000)
    assert rig["is_pickup"] == rig["is_operated"] == 0.0 and rig["is_alarm"] == 1.0
    assert operate_s(1.05, 0.0, 1.05, 60.0) == math.inf
    rig.put(1.05 + 1e-6)
    rig.step(change_ago_s=40.0)
    assert (rig["is_pickup"], rig["pickup_ago_s"]) == (1.0, 40.0)


def test_alarm_and_trip_drop_out_at_their_share_of_the_level_while_it_cools() -> None:
    rig = Rig(dt_s=0.5, tau_s=60.0, tau_cool_s=120.0, alarm_level=0.9, reset_level=0.97)
    rig.put(2.0)
    u = 4 / 1.05**2
    assert rig.run("is_alarm") - rig["alarm_ago_s"] == pytest.approx(60 * math.log(u / (u - 0.9)), abs=1e-9)
    assert rig.run() == pytest.approx(operate_s(2.0, 0.0, 1.05, 60.0), abs=1e-9)
    rig.put(0.0)
    theta, since_s = rig["theta"], rig.t_s
    dropped_s = rig.run(value=0.0) - since_s
    assert dropped_s == pytest.approx(120 * math.log(theta / 0.97), abs=1e-9)
    assert rig["is_pickup"] == 0.0 and rig["is_alarm"] == 1.0
    cleared_s = rig.run("is_alarm", 0.0) - rig["alarm_ago_s"] - since_s
    assert cleared_s == pytest.approx(120 * math.log(theta / (0.9 * 0.97)), abs=1e-9)


def test_the_output_holds_with_its_pickup_until_the_heat_is_gone() -> None:
    rig = Rig(dt_s=0.1, tau_s=60.0, preload_pu=1.0)
    rig.operates_s(3.0)
    rig.put(0.9)
    rig.step()
    assert rig["is_operated"] == rig["is_pickup"] == 1.0


def test_it_starts_in_the_steady_state_of_its_preload() -> None:
    rig = Rig(preload_pu=0.84, k=1.05)
    assert rig["theta"] == pytest.approx(0.64, abs=1e-15)
    rig.put(0.84)
    rig.step(1000)
    assert rig["theta"] == pytest.approx(0.64, abs=1e-12)
    assert Rig()["theta"] == 0.0


def test_the_largest_phase_counts_or_the_sequences_with_their_weight() -> None:
    largest, sequence = Rig(), Rig(basis="sequence", unbalance=6.0)
    phases = RATED_A * ABC * np.array([1.0, 2.0, 0.5])
    for rig in (largest, sequence):
        rig.set_i(phases)
        rig.step()
    assert largest["load"] == pytest.approx(2.0 / 1.05, abs=1e-12)
    _, i1, i2 = np.abs(sequences(phases)) / RATED_A
    assert sequence["load"] == pytest.approx(math.sqrt(i1**2 + 6 * i2**2) / 1.05, abs=1e-12)


def test_the_current_is_capped() -> None:
    times = [Rig(tau_s=600.0, cap=8.0).operates_s(i_pu) for i_pu in (8.0 * 1.05, 1e3)]
    assert times[0] == pytest.approx(times[1], abs=1e-9)


@pytest.mark.parametrize("name", ["permitted", "is_enabled"])
def test_a_blocked_element_drops_out_and_cools(name: str) -> None:
    rig = Rig(tau_s=60.0, tau_cool_s=20.0)
    rig.operates_s(3.0)
    target = rig.permitted if name == "permitted" else rig.p["is_enabled"]
    target[0], theta = 0.0, rig["theta"]
    rig.step(1000)
    assert rig["is_operated"] == rig["is_pickup"] == rig["is_alarm"] == 0.0
    assert rig["theta"] == pytest.approx(theta * math.exp(-1 / 20), abs=1e-12)
    target[0] = 1.0
    rig.step()
    assert rig["is_pickup"] == 1.0 and rig["is_operated"] == 0.0


@pytest.mark.parametrize("basis", ["largest_phase", "sequence"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_current_that_is_no_number_holds_the_last_one(basis: str, bad: float) -> None:
    rig, other = Rig(basis=basis, unbalance=0.0), Rig(basis=basis, unbalance=0.0)
    for made in (rig, other):
        made.put(2.0)
        made.step(10)
    rig.i[0], rig.i_seq[0] = bad, bad
    rig.step(10)
    other.step(10)
    assert rig.is_finite() and rig["theta"] == other["theta"]


@settings(deadline=None)  # the first example compiles
@given(st.floats(1.06, 8), st.floats(1e-3, 2), st.floats(0, 1.05), st.floats(1, 1e5))
def test_more_current_never_takes_longer_and_preload_never_helps(
    i_pu: float, more: float, preload_pu: float, tau_s: float
) -> None:
    t_s = operate_s(i_pu, preload_pu, 1.05, tau_s)
    assert 0.0 <= operate_s(i_pu + more, preload_pu, 1.05, tau_s) <= t_s * (1 + 1e-12) + 1e-12
    assert t_s <= operate_s(i_pu, 0.0, 1.05, tau_s) * (1 + 1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 1), st.booleans(), st.integers(1, 20)), max_size=30))
def test_nothing_operates_without_pickup_and_heat_stays_between_its_bounds(
    walk: list[tuple[float, float, bool, int]],
) -> None:
    rig = Rig(dt_s=0.1, tau_s=5.0, tau_cool_s=9.0)
    for i_pu, ago, is_permitted, n in walk:
        rig.put(i_pu)
        rig.permitted[0] = is_permitted
        rig.step(n, change_ago_s=ago * rig.dt_s)  # the rig asserts it in each step
        assert is_permitted or not rig["is_operated"]
        assert 0.0 <= rig["theta"] <= 64.0 and rig.is_finite()
        assert 0.0 <= rig["operate_ago_s"] <= rig.dt_s and 0.0 <= rig["alarm_ago_s"] <= rig.dt_s
