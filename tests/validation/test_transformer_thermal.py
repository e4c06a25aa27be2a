"""Transformer heating against numbers of IEEE C57.91-2011 clause 7, computed apart from this program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from rtcore.component import REGISTRY, rows_of
from rtcore.plant.transformer_thermal import Thermal, faa, init, oil_time_constant_s, step

SPEC = REGISTRY["thermal"]
AMBIENT_DEGC = 30.0
# Rises 55/25 K, loss ratio 6, 180 min, 7 min, n = m = 0.8: the defaults.

FAA = {
    80: 0.0358494524503,
    90: 0.115576435582,
    95: 0.202628970542,
    98: 0.281738488302,
    100: 0.349942525732,
    105: 0.595681696461,
    110: 1.0,
    115: 1.65648360807,
    116: 1.82956740933,
    117: 2.01970689637,
    120: 2.70892514383,
    125: 4.37562186624,
    130: 6.98417719069,
    140: 17.1994648647,
    150: 40.5890349017,
    160: 92.0616562356,
    180: 424.923044244,
    200: 1723.33610764,
}
ULTIMATE = {  # load [pu]: top-oil rise, hot-spot rise [K], hot spot [degC]
    0.0: (11.5953605554, 0.0, 41.5953605554),
    0.5: (24.1343865534, 8.24692444233, 62.3813109957),
    0.7: (34.7281169168, 14.1285265703, 78.8566434872),
    0.8: (40.9411980176, 17.4937931831, 88.4349912007),
    1.0: (55.0, 25.0, 110.0),
    1.2: (71.0470229496, 33.4680186519, 134.515041602),
    1.3: (79.7613342312, 38.0407764172, 147.802110648),
    1.5: (98.4869434445, 47.8284187735, 176.315362218),
}
STEP = {  # minutes after 0.7 -> 1.3 pu: top oil, hot spot [degC]
    0: (64.7281169168, 78.8566434872),
    5: (65.9618254523, 92.2965593957),
    15: (68.3287741683, 103.564185374),
    30: (71.6415387616, 109.353192072),
    60: (77.4936240096, 115.529870447),
    120: (86.6405095369, 124.681285096),
    180: (93.1945394114, 131.235315828),
    240: (97.890707027, 135.931483444),
    480: (106.632270873, 144.67304729),
}
DAY = [(8, 0.6), (6, 0.9), (4, 1.2), (4, 0.8), (2, 0.6)]  # hours, load [pu]
DIGITS = 2e-9  # twelve significant digits of the numbers above, at 100 degC


class Unit:
    """One transformer."""

    def __init__(self, k_pu: float = 0.7, **params: Any) -> None:
        self.p = rows_of([Thermal(rated_va=1e6, **params)], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        init(self.p, self.s, np.array([k_pu]), AMBIENT_DEGC)

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def run(self, k_pu: float, n: int, dt_s: float, ambient_degc: float = AMBIENT_DEGC) -> float:
        """Hold a load for n steps; returns the highest hot spot after a step."""
        return float(_run(self.p, self.s, np.array([k_pu]), ambient_degc, n, dt_s))


@njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _run(p: Any, s: Any, k_pu: Any, ambient_degc: float, n: int, dt_s: float) -> float:
    highest = -1e9
    for _ in range(n):
        step(p, s, k_pu, ambient_degc, dt_s)
        highest = max(highest, s["hot_spot_degc"][0])
    return highest


@pytest.mark.parametrize(("hot_spot_degc", "expected"), FAA.items())
def test_ageing_acceleration_is_that_of_the_guide(hot_spot_degc: float, expected: float) -> None:
    assert faa(float(hot_spot_degc)) == pytest.approx(expected, rel=1e-11)  # digits of the table


@pytest.mark.parametrize(("k_pu", "expected"), ULTIMATE.items())
def test_steady_state_is_set_at_once_and_kept(k_pu: float, expected: tuple[float, float, float]) -> None:
    unit = Unit(k_pu)
    unit.run(k_pu, 100, 60.0)
    assert unit.top_oil_rise_k == pytest.approx(expected[0], abs=DIGITS)
    assert unit.winding_rise_k == pytest.approx(expected[1], abs=DIGITS)
    assert unit.hot_spot_degc == pytest.approx(expected[2], abs=DIGITS)


@pytest.mark.parametrize("dt_s", [1.0, 60.0, 300.0])
def test_step_of_load_follows_the_guide_at_every_instant(dt_s: float) -> None:
    unit = Unit(0.7)
    t_min = 0
    for until_min, (top_oil, hot_spot) in STEP.items():
        unit.run(1.3, round((until_min - t_min) * 60.0 / dt_s), dt_s)
        t_min = until_min
        assert unit.top_oil_degc == pytest.approx(top_oil, abs=DIGITS)
        assert unit.hot_spot_degc == pytest.approx(hot_spot, abs=DIGITS)
    unit.run(1.3, 4000, 900.0)
    assert unit.hot_spot_degc == pytest.approx(147.802110648, abs=DIGITS)


def test_corrected_time_constant_of_a_step_is_143_minutes() -> None:
    unit = Unit(0.7, is_tau_corrected=1)
    start, end, tau_min = STEP[0][0], 109.761334231, 143.287509637
    t_min = 0
    for minutes in (30, 120, 480):
        unit.run(1.3, minutes - t_min, 60.0)
        t_min = minutes
        expected = end + (start - end) * np.exp(-minutes / tau_min)
        assert unit.top_oil_degc == pytest.approx(expected, abs=1e-8)  # digits of tau


def test_daily_cycle_has_the_hot_spot_and_the_ageing_of_the_reference() -> None:
    unit = Unit(0.6)
    for _ in range(5):  # exp(-120 h / 3 h): periodic to the last digit
        for hours, k_pu in DAY:
            unit.run(k_pu, hours * 60, 60.0)
    before_h, before_pct = unit.aged_h, unit.loss_of_life_pct
    hot_spot = max(unit.run(k_pu, hours * 60, 60.0) for hours, k_pu in DAY)
    aged_h = unit.aged_h - before_h
    # 1e-8: twelve digits of the reference, one lost in the difference of two sums
    assert hot_spot == pytest.approx(127.722614394, abs=DIGITS)
    assert aged_h == pytest.approx(15.7043981874, rel=1e-8)
    assert aged_h / 24.0 == pytest.approx(0.654349924477, rel=1e-8)
    assert unit.loss_of_life_pct - before_pct == pytest.approx(0.00872466565969, rel=1e-8)
    assert unit.elapsed_h == pytest.approx(144.0, rel=1e-12)
    assert unit.feqa == pytest.approx(unit.aged_h / 144.0, rel=1e-12)


def test_highest_top_oil_of_the_daily_cycle() -> None:
    unit = Unit(0.6)
    for _ in range(5):
        for hours, k_pu in DAY:
            unit.run(k_pu, hours * 60, 60.0)
    for hours, k_pu in DAY[:3]:  # the top oil is highest at the end of the peak load
        unit.run(k_pu, hours * 60, 60.0)
    assert unit.top_oil_degc == pytest.approx(94.254595742, abs=DIGITS)


class AnnexG:
    """Data of the example unit of Annex G at its ONAF rating."""

    load_mva, loss_mva = 52.267, 28.0
    winding_w, stray_w, core_w = 51690.0, 21078.0, 36986.0  # at 28 MVA and 75 degC
    load_w = (winding_w * 329.5 / 309.5 + stray_w * 309.5 / 329.5) * (load_mva / loss_mva) ** 2  # at 95 degC
    tau_s = oil_time_constant_s(75600.0, 31400.0, 4910.0, 55.0, load_w + core_w)

    @classmethod
    def unit(cls, k_pu: float) -> Unit:
        ratio = cls.load_w / cls.core_w
        return Unit(k_pu, loss_ratio=ratio, tau_to_s=cls.tau_s, tau_w_s=300.0, cooling="ONAF")


def test_time_constant_and_loss_ratio_of_the_annex_g_unit() -> None:
    assert AnnexG.load_w + AnnexG.core_w == pytest.approx(297726.24, abs=0.01)  # digits given
    assert AnnexG.tau_s / 3600.0 == pytest.approx(2.27634117839, rel=1e-7)  # of the loss above
    assert AnnexG.load_w / AnnexG.core_w == pytest.approx(7.04970096793, rel=1e-7)


def test_annex_g_unit_by_clause_7_is_at_its_nominal_temperatures() -> None:
    unit = AnnexG.unit(1.0)
    assert unit.hot_spot_degc == pytest.approx(110.0, abs=1e-9)
    assert unit.top_oil_degc == pytest.approx(85.0, abs=1e-9)
    # Annex G itself, with oil viscosity and bottom oil, ends 0.2 K lower
    assert unit.hot_spot_degc == pytest.approx(109.827, abs=0.25)
    assert unit.top_oil_degc == pytest.approx(84.879, abs=0.25)


@pytest.mark.parametrize("make", [Unit, AnnexG.unit], ids=["default", "annex-g"])
def test_after_1000_minutes_at_rating_the_rises_round_to_the_rated_values(make: Any) -> None:
    """Acceptance test of the committee's own program, from a cold start."""
    unit = make(0.0)
    unit.s["top_oil_rise_k"] = 0.0
    unit.run(1.0, 1000, 60.0)
    assert round(unit.top_oil_rise_k) == 55
    assert round(unit.winding_rise_k) == 25


@pytest.mark.parametrize("dt_s", [250e-6, 1e-3, 0.7e-3, 7e-3, 0.8, 7.0, 20.0])
def test_temperature_and_ageing_do_not_depend_on_the_step(dt_s: float) -> None:
    loads = [(1.3, 21), (0.4, 7), (2.0, 14)]  # [pu], minutes: whole steps of 0.7 ms and of 7 s too
    coarse, fine = Unit(0.7), Unit(0.7)
    for k_pu, minutes in loads:
        coarse.run(k_pu, minutes, 60.0)
        fine.run(k_pu, round(minutes * 60.0 / dt_s), dt_s)
        # 1e-6 degC is asked; 1e-9 leaves room for the rounding of time, 1e-10 s * 0.1 K/s
        assert fine.top_oil_degc == pytest.approx(coarse.top_oil_degc, abs=1e-9)
        assert fine.hot_spot_degc == pytest.approx(coarse.hot_spot_degc, abs=1e-9)
        assert fine.aged_h == pytest.approx(coarse.aged_h, rel=1e-9)
        assert fine.elapsed_h == coarse.elapsed_h
    assert coarse.elapsed_h == pytest.approx(42.0 / 60.0)


def test_rounding_of_small_steps_does_not_hold_the_oil_off_its_steady_state() -> None:
    """At the shortest step and the longest time constant a plain sum stops 5e-6 K away.

    One step closes 1.4e-9 of the distance: less than half a last digit of 70 K from there on.
    """
    tau_s, dt_s, n = 172800.0, 250e-6, 4_000_000
    unit = Unit(1.0, tau_to_s=tau_s, rise_to_k=70.0)
    unit.s["top_oil_rise_k"] = 70.0 + 2e-6
    unit.run(1.0, n, dt_s)
    closed = 2e-6 * -np.expm1(-n * dt_s / tau_s)
    assert 70.0 + 2e-6 - unit.top_oil_rise_k == pytest.approx(closed, abs=5e-14)  # a few last digits
    assert closed > 1e-8


@pytest.mark.parametrize("dt_s", [900.0, 3600.0])
def test_steps_of_many_winding_time_constants_are_stable_and_age_the_same(dt_s: float) -> None:
    coarse, fine = Unit(0.6), Unit(0.6)
    for hours, k_pu in DAY:
        highest = coarse.run(k_pu, round(hours * 3600 / dt_s), dt_s)
        fine.run(k_pu, hours * 60, 60.0)
        assert highest < 150.0
        assert coarse.hot_spot_degc == pytest.approx(fine.hot_spot_degc, abs=1e-9)
    assert coarse.aged_h == pytest.approx(fine.aged_h, rel=1e-12)
    assert coarse.elapsed_h == pytest.approx(24.0)
