"""Negative sequence: levels, definite time, the I2^2 t integral, broken conductor, blocking, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.protection.negative_sequence_46 import NegativeSequence46, i2t_s, step
from tests.support.element_rig import ABC, ElementRig

RATED_A = 400.0
ROUNDING_S = 1e-9
"""Thousands of summed milliseconds."""


class Rig(ElementRig):
    kind = "negative_sequence_46"

    def __init__(self, characteristic: str, dt_s: float = 1e-3, **params: float) -> None:
        super().__init__(NegativeSequence46(characteristic=characteristic, rated_a=RATED_A, **params), dt_s)  # type: ignore[arg-type]

    def call(self, change_ago_s: float) -> None:
        step(self.p, self.s, self.of, self.i_seq, self.permitted, change_ago_s, self.dt_s)

    def put(self, i2_pu: float, i1_pu: float = 1.0) -> None:
        self.i_seq[0] = 0.0, RATED_A * i1_pu, RATED_A * i2_pu * 1j


def test_definite_time_picks_up_above_its_level_and_drops_out_below_the_ratio() -> None:
    rig = Rig("definite", i2_pu=0.15, reset_ratio=0.95)
    seen = []
    for i2_pu in (0.15 - 1e-9, 0.15 + 1e-9, 0.1425 + 1e-9, 0.1425 - 1e-9, 0.149):
        rig.put(i2_pu)
        rig.step()
        seen.append(rig["is_pickup"])
    assert seen == [0.0, 1.0, 1.0, 0.0, 0.0]


def test_definite_time_runs_from_the_change_inside_a_step() -> None:
    rig = Rig("definite", delay_s=0.0503)
    rig.step(3)
    rig.put(0.3)
    rig.step(change_ago_s=0.25e-3)
    assert rig.run() == pytest.approx(0.00375 + 0.0503, abs=ROUNDING_S)
    rig.put(0.0)
    rig.step(change_ago_s=0.1e-3)
    assert (rig["is_operated"], rig["operate_ago_s"]) == (0.0, 0.1e-3)


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 0.02, 0.1])
@pytest.mark.parametrize(("i2_pu", "t_s"), [(1.0, 10.0), (2.0, 2.5), (4.0, 0.625)])
def test_the_heat_of_i2_squared_t_trips_at_k_at_any_step(i2_pu: float, t_s: float, dt_s: float) -> None:
    rig = Rig("i2t", dt_s, k_s=10.0)
    rig.put(i2_pu)
    assert rig.run() == pytest.approx(t_s, abs=1e-8)  # up to 40000 additions


def test_heat_adds_up_over_currents_that_change_inside_a_step() -> None:
    rig = Rig("i2t", k_s=10.0)
    rig.put(1.0)
    rig.step(5000)  # 5 of 10 s
    rig.put(2.0)
    rig.step(change_ago_s=0.2e-3)
    assert rig.run() == pytest.approx(5.0008 + (10.0 - 5.0008) / 4.0, abs=1e-8)


def test_heat_is_lost_at_once_or_cools_in_its_time() -> None:
    fractions = []
    for reset_s in (0.0, 20.0):
        rig = Rig("i2t", k_s=10.0, reset_s=reset_s)
        rig.put(1.0)
        rig.step(5000)
        rig.put(0.0)
        rig.step(4000)
        fractions.append(rig["fraction"])
        assert rig["is_pickup"] == 0.0
    assert fractions == pytest.approx([0.0, 0.5 - 4.0 / 20.0], abs=1e-9)
    rig.put(1.0)
    assert rig.run() == pytest.approx(9.0 + 7.0, abs=1e-8)  # 0.3 of the heat is still there
    rig.put(0.0)
    rig.step(25_000)
    assert rig["fraction"] == rig["is_operated"] == 0.0


def test_below_the_pickup_no_heat_is_counted() -> None:
    rig = Rig("i2t", i2_pu=0.15, k_s=0.1)
    rig.put(0.149)
    rig.step(10_000)
    assert rig["fraction"] == 0.0


def test_a_broken_conductor_is_seen_by_the_ratio_although_i2_is_small() -> None:
    rig = Rig("broken", ratio=0.2, delay_s=0.1, i1_min_pu=0.1)
    load = 0.3 * RATED_A * ABC
    rig.set_i(load)
    rig.step(100)
    assert rig["is_pickup"] == 0.0 and rig["ratio"] == pytest.approx(0.0, abs=1e-12)
    rig.set_i(np.array([0.0, load[1], load[2]]))  # to neutral: I2 / I1 = 1/2
    rig.step(change_ago_s=1e-3)
    assert rig["ratio"] == pytest.approx(0.5, abs=1e-12)
    assert rig.run() == pytest.approx(0.2, abs=ROUNDING_S)


def test_a_broken_conductor_needs_load_and_its_ratio() -> None:
    rig = Rig("broken", ratio=0.2, i1_min_pu=0.1)
    seen = []
    for i2_pu, i1_pu in ((0.09, 0.0999), (0.199, 1.0), (0.201, 1.0), (0.191, 1.0), (0.189, 1.0)):
        rig.put(i2_pu, i1_pu)
        rig.step()
        seen.append(rig["is_pickup"])
    assert seen == [0.0, 0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("characteristic", ["definite", "i2t", "broken"])
def test_a_blocked_element_drops_out(characteristic: str) -> None:
    for name in ("permitted", "is_enabled"):
        rig = Rig(characteristic)
        rig.put(0.5)
        rig.step(10)
        assert rig["is_pickup"] == 1.0 and rig["fraction"] > 0.0
        target = rig.permitted if name == "permitted" else rig.p["is_enabled"]
        target[0] = 0.0
        rig.step()
        assert rig["is_pickup"] == rig["fraction"] == rig["i2_pu"] == 0.0


@pytest.mark.parametrize("characteristic", ["definite", "i2t", "broken"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_current_that_is_no_number_counts_as_none_and_leaves_nothing(
    characteristic: str, bad: float
) -> None:
    rig = Rig(characteristic)
    rig.put(0.5)
    rig.step(5)
    rig.i_seq[0] = bad
    rig.step(2)
    assert rig["is_pickup"] == 0.0 and rig.is_finite()
    rig.put(0.5)
    rig.step()
    assert rig["is_pickup"] == 1.0


@settings(deadline=None)  # the first example compiles
@given(st.floats(0.05, 20), st.floats(1e-3, 5))
def test_more_negative_sequence_never_takes_longer(i2_pu: float, more: float) -> None:
    p = Rig("i2t").p
    assert i2t_s(p, 0, i2_pu + more) < i2t_s(p, 0, i2_pu)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 8.0), st.floats(0.0, 1.0), st.booleans()), max_size=40))
def test_nothing_operates_without_pickup(walk: list[tuple[float, float, bool]]) -> None:
    rigs = [
        Rig("definite", delay_s=0.003),
        Rig("i2t", k_s=0.1),
        Rig("i2t", k_s=0.1, reset_s=0.05),
        Rig("broken", delay_s=0.0),
    ]
    for i2_pu, ago, is_permitted in walk:
        for rig in rigs:
            rig.put(i2_pu)
            rig.permitted[0] = is_permitted
            rig.step(2, change_ago_s=ago * rig.dt_s)  # the rig asserts it in each step
            assert is_permitted or not rig["is_operated"]
            assert 0.0 <= rig["fraction"] <= 1.0 and rig.is_finite()
