"""Fuses: melting, clearing, one phase at a time, cooling, replacement."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import REGISTRY, rows_of
from rtcore.plant.fuse import Fuse, step
from rtcore.plant.fuse_curves import CURRENTS_A, LINKS, clear_s, melt_s

SPEC = REGISTRY["fuse"]
LINK = "40K"
NUMBER = LINKS[LINK]
LEAST_A, GREATEST_A = CURRENTS_A[LINK][:2]
STEPS_S = [250e-6, 1e-3, 10e-3, 100e-3]


class Rig:
    """One three-phase fuse whose currents are a function of the network before the step."""

    def __init__(self, dt_s: float = 1e-3, **params: float | str) -> None:
        self.p = rows_of([Fuse(**{"link": LINK, **params})], SPEC)  # type: ignore[arg-type]
        self.s = np.zeros(1, SPEC.state_dtype)
        self.units, self.unit = np.array([[2, 0, 1]], np.int32), np.ones((4, 3))
        self.i, self.change = np.zeros((1, 3), complex), np.zeros(1)
        self.before_s, self.dt_s, self.t_s = 0.0, dt_s, 0.0

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    @property
    def poles(self) -> list[bool]:
        assert np.all(self.unit[3] == 1.0), "wrote to another unit"
        return [bool(x) for x in self.unit[self.units[0], 0]]

    def step(self, *i_a: float, change_s: float = 0.0) -> int:
        """One step with the currents of the last solution; ``change_s``: by others, in this step."""
        if i_a:
            self.i[0] = i_a
        self.t_s += self.dt_s
        self.change[0] = change_s
        n = step(self.p, self.s, self.units, self.unit, self.i, self.change, self.before_s, self.dt_s)
        self.before_s = float(self.change[0])
        return int(n)

    def until_open(self, n_max: int = 200_000) -> float:
        """Return the instant of the next opening."""
        for _ in range(n_max):
            if self.step():
                return self.t_s - self.blown_ago_s
        pytest.fail("no link opened")


@pytest.mark.parametrize(("dt_s", "i_a"), [(0.1, 100.0), *itertools.product(STEPS_S, [200.0, 700.0, 3000.0])])
def test_a_link_opens_at_its_total_clearing_time_whatever_the_step(dt_s: float, i_a: float) -> None:
    """The fault begins with a step, so that its solution holds from that step's beginning."""
    expected_s = clear_s(NUMBER, i_a)
    rig = Rig(dt_s)
    rig.step(0.0, 0.0, 0.0, change_s=dt_s)
    rig.i[0] = [i_a, 0.0, 0.0]
    opened_s = rig.until_open()
    assert rig.change[0] == rig.blown_ago_s
    # a sum of n steps rounds; what would have been before the end of the fault's own step is one later
    assert opened_s == pytest.approx(max(expected_s, dt_s), abs=1e-9, rel=1e-9)
    assert rig.poles == [False, True, True]
    assert (rig.is_blown, rig.is_blown_a, rig.is_blown_b, rig.is_blown_c) == (1.0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize("ago_s", [0.0, 3e-3, 10e-3])
def test_a_fault_counts_from_its_instant_within_a_step(ago_s: float) -> None:
    rig = Rig(10e-3)
    rig.step(0.0, 0.0, 0.0, change_s=ago_s)
    rig.i[0] = [0.0, 700.0, 0.0]
    assert rig.until_open() == pytest.approx(10e-3 - ago_s + clear_s(NUMBER, 700.0), abs=1e-9)


def test_a_fault_that_a_breaker_clears_within_the_step_heats_until_then() -> None:
    rig = Rig(10e-3)
    rig.step(500.0, 0.0, 0.0, change_s=4e-3)
    rig.step(0.0, 0.0, 0.0)
    expected = 6e-3 / melt_s(NUMBER, 500.0)
    assert rig.melt_1 == pytest.approx(expected * math.exp(-(4e-3 + 10e-3) / 30.0), rel=1e-9)


def test_one_phase_blows_and_leaves_the_others() -> None:
    rig = Rig()
    rig.i[0] = [50.0, 700.0, 50.0]
    rig.until_open()
    assert rig.poles == [True, False, True]
    for _ in range(1000):
        assert rig.step(50.0, 0.0, 50.0) == 0
    assert rig.poles == [True, False, True]
    assert (rig.melt_1, rig.melt_2) == (0.0, 1.0)


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(sorted(LINKS)), share=st.floats(0.0, 0.9999), dt_s=st.sampled_from(STEPS_S))
def test_no_link_heats_below_its_minimum_however_long(name: str, share: float, dt_s: float) -> None:
    rig = Rig(dt_s, link=name)
    rig.i[:] = share * CURRENTS_A[name][0]
    assert sum(rig.step() for _ in range(500)) == 0
    assert (rig.melt_1, rig.clear_3) == (0.0, 0.0)


@settings(max_examples=40, deadline=None)
@given(
    currents=st.lists(st.tuples(st.floats(0.0, 2000.0), st.integers(1, 200)), min_size=1, max_size=12),
    dt_s=st.sampled_from(STEPS_S),
)
def test_a_link_opens_only_after_melting_and_never_later_than_both_bounds(
    currents: list[tuple[float, int]], dt_s: float
) -> None:
    """Against the two integrals without cooling: opening needs the first, the second forces it."""
    rig = Rig(dt_s, cool_s=3600.0)
    melted = 0.0
    for i_a, n in currents:
        for _ in range(n):
            melted += dt_s / melt_s(NUMBER, i_a)
            before = rig.clear_1
            opened = rig.step(i_a, 0.0, 0.0)
            if opened:
                assert melted >= 1.0 - 1e-9
                return
            assert before + dt_s / clear_s(NUMBER, i_a) < 1.0 + 1e-9, "total clearing has passed"
            assert rig.clear_1 <= rig.melt_1 <= 1.0


def test_a_current_between_the_bounds_melts_at_one_and_opens_in_the_end() -> None:
    i_a = 0.5 * (LEAST_A + GREATEST_A)
    rig = Rig(0.1)
    rig.i[0] = [i_a, 0.0, 0.0]
    while rig.melt_1 < 1.0:
        assert rig.step() == 0
    assert rig.t_s == pytest.approx(melt_s(NUMBER, i_a), abs=0.1001)  # a step
    assert math.isfinite(rig.until_open())


def test_a_link_that_has_melted_opens_when_somebody_else_clears_the_fault() -> None:
    """Fuse saving that came too late."""
    rig = Rig()
    rig.i[0] = [700.0, 0.0, 0.0]
    while rig.melt_1 < 1.0:
        assert rig.step() == 0
    assert rig.step(30.0, 0.0, 0.0) == 1
    assert rig.poles[0] is False
    saved = Rig()
    for _ in range(int(0.9 * melt_s(NUMBER, 700.0) / saved.dt_s)):
        saved.step(700.0, 0.0, 0.0)
    assert saved.step(30.0, 0.0, 0.0) == 0
    assert 0.8 < saved.melt_1 < 0.9


def test_a_link_cools_with_its_time_constant() -> None:
    rig = Rig(cool_s=2.0)
    rig.step(300.0, 0.0, 0.0)
    hot = rig.melt_1, rig.clear_1
    for _ in range(1000):
        rig.step(LEAST_A * 0.99, 0.0, 0.0)
    assert rig.melt_1 == pytest.approx(hot[0] * math.exp(-0.5), rel=1e-9)
    assert rig.clear_1 == pytest.approx(hot[1] * math.exp(-0.5), rel=1e-9)


def test_new_links_for_blown_ones_and_only_then() -> None:
    rig = Rig()
    rig.s["replace"] = 1.0
    assert rig.step(0.0, 0.0, 0.0) == 0
    assert (rig.replace, rig.replaced) == (0.0, 0.0)
    rig.i[0] = [700.0, 700.0, 0.0]
    rig.until_open()
    assert rig.replaced == 0.0
    assert rig.poles == [False, False, True]
    rig.s["replace"] = 1.0
    assert rig.step(0.0, 0.0, 0.0) == 1
    assert rig.poles == [True, True, True]
    assert (rig.is_blown, rig.replaced, rig.melt_1, rig.change[0]) == (0.0, 2.0, 0.0, rig.dt_s)
    assert SPEC.attr("replace").interlocks[0][0] == "is_blown"


@pytest.mark.parametrize("bad", [math.nan, -math.nan, math.inf, 1e300])
def test_absurd_currents_and_times_do_not_stick(bad: float) -> None:
    rig = Rig()
    rig.before_s = bad
    rig.step(bad, 0.0, 0.0)
    for _ in range(100):
        rig.step(0.0, 0.0, 0.0)
    assert all(np.isfinite(rig.s[name][0]) for name in SPEC.state_dtype.names or ())
    assert 0.0 <= rig.melt_1 <= 1.0


def test_fuses_may_have_fewer_phases() -> None:
    p = rows_of([Fuse(), Fuse()], SPEC)
    s, unit, change = np.zeros(2, SPEC.state_dtype), np.ones((4, 3)), np.zeros(1)
    units = np.array([[0, 1, 2], [3, -1, -1]], np.int32)
    i = np.array([[0.0, 0.0, 0.0], [9000.0, 0.0, 0.0]], complex)
    for _ in range(100):
        step(p, s, units, unit, i, change, 0.0, 1e-3)
        change[0] = 0.0
    assert list(unit[:, 0]) == [1.0, 1.0, 1.0, 0.0]
    assert list(s["is_blown"]) == [0.0, 1.0]
