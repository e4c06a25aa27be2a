"""Inverse-time curves: how they fall, scale and end; names of the sets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcore.protection.curves import ALIASES, CURVES, TABLE, operate_s, reset_s

INVERSE = [float(i) for i, curve in enumerate(TABLE) if curve.k > 0.0]
a_curve, a_dial = st.sampled_from(INVERSE), st.floats(0.05, 15.0)


@given(a_curve, st.floats(1.001, 999.0), st.floats(1.0001, 2.0))
def test_more_current_is_less_time(curve: float, m: float, more: float) -> None:
    assert 0.0 < operate_s(curve, m * more, 1.0, 2000.0) < operate_s(curve, m, 1.0, 2000.0)


@given(a_curve, st.floats(0.0, 0.99), st.floats(0.001, 0.009))
def test_more_current_is_a_slower_reset(curve: float, m: float, more: float) -> None:
    # Not strictly: M squared is below the last digit of 1 for the least of currents.
    assert 0.0 < reset_s(curve, m, 1.0) <= reset_s(curve, m + more, 1.0) < math.inf


@given(a_curve, a_dial, st.floats(1.01, 50.0), st.floats(0.0, 0.99))
def test_both_times_are_proportional_to_the_time_dial(
    curve: float, dial: float, m: float, low: float
) -> None:
    # One multiplication each way: a few units in the last place.
    assert operate_s(curve, m, dial, 30.0) == pytest.approx(dial * operate_s(curve, m, 1.0, 30.0), rel=1e-14)
    assert reset_s(curve, low, dial) == pytest.approx(dial * reset_s(curve, low, 1.0), rel=1e-14)


@given(a_curve, st.floats(20.0, 1e9))
def test_beyond_the_cap_a_curve_is_flat(curve: float, m: float) -> None:
    assert operate_s(curve, m, 1.0, 20.0) == operate_s(curve, 20.0, 1.0, 1000.0)


@pytest.mark.parametrize("curve", range(len(TABLE)))
@pytest.mark.parametrize("m", [-1.0, 0.0, 0.5, 1.0, math.nan])
def test_at_and_below_pickup_nothing_operates(curve: int, m: float) -> None:
    assert operate_s(float(curve), m, 1.0, 30.0) == math.inf


@pytest.mark.parametrize("curve", INVERSE)
def test_a_hair_above_pickup_takes_long_but_not_for_ever(curve: float) -> None:
    k, alpha = TABLE[int(curve)].k, TABLE[int(curve)].alpha
    m = 1.0 + 2.0**-40  # exact in binary; there k / (M^alpha - 1) is k / (alpha (M - 1)) to 1e-12
    assert operate_s(curve, m, 1.0, 30.0) == pytest.approx(k / alpha * 2.0**40, rel=1e-9)


@pytest.mark.parametrize("m", [1.0, 1.5, math.inf, math.nan])
def test_at_and_above_pickup_nothing_resets(m: float) -> None:
    assert reset_s(CURVES["iec_si_a"], m, 1.0) == math.inf


@pytest.mark.parametrize("curve", [-1.0, len(TABLE), 1e300, math.nan])
def test_a_curve_that_does_not_exist_neither_operates_nor_resets(curve: float) -> None:
    assert operate_s(curve, 5.0, 1.0, 30.0) == reset_s(curve, 0.0, 1.0) == math.inf


def test_definite_time_leaves_the_time_to_the_delay() -> None:
    assert operate_s(CURVES["dt"], 5.0, 10.0, 30.0) == reset_s(CURVES["dt"], 0.0, 10.0) == 0.0


def test_numbers_and_names_are_those_that_points_have_carried_so_far() -> None:
    assert [c.name for c in TABLE] == [
        *("dt", "iec_si_a", "iec_vi_b", "iec_ei_c", "iec_lti", "iec_sti", "ieee_mi_d", "ieee_vi_e"),
        *("ieee_ei_f", "abb_ansi_ni", "abb_lt_ei", "abb_lt_vi", "abb_lt_i", "sel_u1", "sel_u2", "sel_u3"),
        *("sel_u4_351", "sel_u4_421", "sel_u5"),
    ]
    assert [CURVES[c.name] for c in TABLE] == list(range(len(TABLE)))
    assert [CURVES[f"sel_c{n}"] for n in range(1, 6)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert len(ALIASES) == 5
    assert all(c.source for c in TABLE)


def test_u4_depends_on_the_product_family() -> None:
    at_20 = [operate_s(CURVES[f"sel_u4_{family}"], 20.0, 1.0, 30.0) for family in ("351", "421")]
    assert at_20 == pytest.approx([0.0494, 0.0385], abs=5e-5)  # printed with 4 decimals
