"""Symmetrical components, powers and unbalance."""

from __future__ import annotations

import cmath
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.view.sequence import (
    angle_deg,
    deviation_pct,
    phasor,
    power_factor,
    power_kva,
    sequences,
)

PHASORS = st.builds(phasor, st.floats(0.0, 1e4), st.floats(-180.0, 180.0))


def test_a_balanced_system_is_positive_sequence_alone() -> None:
    found = sequences(phasor(7200.0, 10.0), phasor(7200.0, -110.0), phasor(7200.0, 130.0))
    assert abs(found.positive) == pytest.approx(7200.0)
    assert angle_deg(found.positive) == pytest.approx(10.0)
    assert found.negative_pct == pytest.approx(0.0, abs=1e-9)
    assert found.zero_pct == pytest.approx(0.0, abs=1e-9)


def test_phases_in_the_other_order_are_negative_sequence_alone() -> None:
    found = sequences(phasor(100.0, 0.0), phasor(100.0, 120.0), phasor(100.0, -120.0))
    assert abs(found.negative) == pytest.approx(100.0)
    assert abs(found.positive) == pytest.approx(0.0, abs=1e-9)
    assert found.negative_pct is None, "there is nothing to compare it with"


def test_a_current_of_one_phase_has_a_third_in_each_sequence() -> None:
    found = sequences(phasor(300.0, -30.0), 0j, 0j)
    assert [abs(x) for x in (found.zero, found.positive, found.negative)] == pytest.approx([100.0] * 3)


@given(PHASORS, PHASORS, PHASORS)
def test_the_sequences_add_up_to_the_phases(a: complex, b: complex, c: complex) -> None:
    found = sequences(a, b, c)
    turn = cmath.rect(1.0, math.radians(120.0))
    again = (
        found.zero + found.positive + found.negative,
        found.zero + turn**2 * found.positive + turn * found.negative,
        found.zero + turn * found.positive + turn**2 * found.negative,
    )
    for x, y in zip(again, (a, b, c), strict=True):
        assert abs(x - y) < 1e-7


def test_a_lagging_current_takes_reactive_power() -> None:
    power = power_kva(phasor(8000.0, 30.0), phasor(50.0, 0.0))
    assert power.real == pytest.approx(400.0 * math.cos(math.radians(30.0)))
    assert power.imag == pytest.approx(200.0)


def test_the_power_factor_has_the_sign_of_the_power_and_is_none_without_it() -> None:
    assert power_factor(80.0, 60.0) == pytest.approx(0.8)
    assert power_factor(-80.0, 60.0) == pytest.approx(-0.8)
    assert power_factor(0.0, 0.0) is None


def test_the_deviation_is_that_of_the_phase_farthest_from_the_mean() -> None:
    assert deviation_pct([100.0, 110.0, 90.0]) == pytest.approx(10.0)
    assert deviation_pct([0.0, 0.0, 0.0]) is None
    assert deviation_pct([]) is None
