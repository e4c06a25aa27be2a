"""Tolerances and the tube about a curve, against the figures printed for a current error of 2.5 %."""

import dataclasses as dc
import math

import pytest

from hil.relaytest.element import Element
from hil.relaytest.tolerance import NAMED, Tolerance

BAND_ONLY = Tolerance("band", 0.0, 0.0, current_pct=2.5)


@pytest.mark.parametrize(
    ("curve", "multiple", "late_pct", "early_pct"),
    [
        ("iec_si_a", 1.5, 6.7, 5.8),
        ("iec_si_a", 10.0, 1.1, 1.1),
        ("iec_vi_b", 2.0, 5.3, 4.8),
        ("iec_ei_c", 5.0, 5.4, 5.0),
        ("ieee_vi_e", 20.0, 0.5, 0.4),
    ],
)
def test_current_band_is_the_tabulated_one(
    curve: str, multiple: float, late_pct: float, early_pct: float
) -> None:
    element = Element(300.0, curve, 1.0)
    t = element.operate_s(multiple)
    low, high = element.tube_s(multiple, BAND_ONLY)
    # 0.06: the table has one decimal
    assert (high / t - 1) * 100 == pytest.approx(late_pct, abs=0.06)
    assert (1 - low / t) * 100 == pytest.approx(early_pct, abs=0.06)


def test_larger_of_relative_and_absolute_counts_unless_the_maker_adds_them() -> None:
    assert NAMED["abb_ref615"].time_tolerance_s(0.2) == 0.02
    assert NAMED["abb_ref615"].time_tolerance_s(2.0) == pytest.approx(0.1)
    assert NAMED["abb_670"].time_tolerance_s(2.0) == pytest.approx(0.14)


def test_standard_widens_towards_small_multiples() -> None:
    iec = NAMED["iec60255-151"]
    assert [iec.time_tolerance_s(10.0, m) for m in (2, 7, 15)] == pytest.approx([1.25, 0.75, 0.5])


def test_tube_is_open_where_the_device_may_take_the_current_for_less_than_pickup() -> None:
    element = Element(300.0, "iec_si_a", 0.1)
    assert element.tube_s(1.02, BAND_ONLY)[1] == math.inf


def test_memory_of_the_element_follows_its_reset() -> None:
    instant = Element(300.0, "iec_si_a", 0.1)
    assert instant.remembered(0.6, 0.01) == 0.0
    definite = dc.replace(instant, reset="definite", reset_delay_s=1.0)
    assert (definite.remembered(0.6, 0.9), definite.remembered(0.6, 1.0)) == (0.6, 0.0)
    # dependent: 1.35 s from the trip position at TMS 0.1 (13.5 s at 1)
    dependent = dc.replace(instant, reset="dependent")
    assert dependent.remembered(0.6, 0.27) == pytest.approx(0.4)
