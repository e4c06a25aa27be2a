"""Transformer heating: inputs that change or fail, alarms, forced cooling, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.plant.transformer_thermal import OIL_EXPONENT, WINDING_EXPONENT, Thermal, init, step

SPEC = REGISTRY["thermal"]


class Unit:
    """One transformer at 30 degC."""

    def __init__(self, k_pu: float = 0.5, **params: Any) -> None:
        self.p = rows_of([Thermal(rated_va=1e6, **params)], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        init(self.p, self.s, np.array([k_pu]), 30.0)

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def step(self, k_pu: float, dt_s: float = 60.0, ambient_degc: float = 30.0, n: int = 1) -> None:
        for _ in range(n):
            step(self.p, self.s, np.array([k_pu]), ambient_degc, dt_s)


def test_ambient_moves_all_temperatures_at_once() -> None:
    unit = Unit(1.0)
    unit.step(1.0, 1e-3, ambient_degc=40.0)
    assert unit.ambient_degc == 40.0
    assert unit.top_oil_degc == pytest.approx(95.0, abs=1e-9)
    assert unit.hot_spot_degc == pytest.approx(120.0, abs=1e-9)


def test_load_that_changes_every_millisecond_is_followed_exactly() -> None:
    rng = np.random.default_rng(1)
    loads = rng.uniform(0.2, 1.8, 3000)
    unit = Unit(0.5)
    expected = unit.winding_rise_k
    for k_pu in loads:
        unit.step(k_pu, 1e-3)
        u = 25.0 * k_pu**1.6
        expected = u + (expected - u) * math.exp(-1e-3 / 420.0)
    assert unit.winding_rise_k == pytest.approx(expected, abs=1e-11)  # rounding of 3000 plain steps


@pytest.mark.parametrize(("cooling", "name"), list(enumerate(["ONAN", "ONAF", "OFAF", "ODAF"])))
def test_exponents_are_those_of_the_cooling_mode(cooling: int, name: str) -> None:
    n = {"ONAN": 0.8, "ONAF": 0.9, "OFAF": 0.9, "ODAF": 1.0}[name]
    m = {"ONAN": 0.8, "ONAF": 0.8, "OFAF": 0.8, "ODAF": 1.0}[name]
    unit = Unit(1.4, cooling=name)
    assert unit.top_oil_rise_k == pytest.approx(55.0 * ((1.96 * 6 + 1) / 7) ** n, rel=1e-12)
    assert unit.winding_rise_k == pytest.approx(25.0 * 1.4 ** (2 * m), rel=1e-12)
    assert (OIL_EXPONENT[cooling], WINDING_EXPONENT[cooling]) == (n, m)


def test_exponents_may_be_given_instead() -> None:
    unit = Unit(1.4, cooling="ODAF", n_exp=0.7, m_exp=0.6)
    assert unit.top_oil_rise_k == pytest.approx(55.0 * ((1.96 * 6 + 1) / 7) ** 0.7, rel=1e-12)
    assert unit.winding_rise_k == pytest.approx(25.0 * 1.4**1.2, rel=1e-12)


def test_a_smaller_rating_in_force_is_a_higher_load() -> None:
    unit = Unit(0.38)
    unit.s["rating_pu_sp"] = 0.38
    unit.step(0.38, n=2000)
    assert unit.k_pu == pytest.approx(1.0)
    assert unit.hot_spot_degc == pytest.approx(110.0, abs=1e-2)  # exp(-2000/180) of 50 K is left


@pytest.mark.parametrize("rating", [0.0, -1.0, math.nan])
def test_a_rating_that_cannot_be_is_the_nameplate(rating: float) -> None:
    unit = Unit(0.5)
    unit.s["rating_pu_sp"] = rating
    unit.step(0.5)
    assert unit.k_pu == 0.5


def test_alarms_come_at_their_levels_and_go_below_them() -> None:
    unit = Unit(1.0)  # 85 and 110 degC at 30 degC
    flags = ("is_top_oil_alarm", "is_top_oil_trip", "is_hot_spot_alarm", "is_hot_spot_trip", "is_trip")
    seen = {}
    for ambient in (30.0, 41.0, 39.0, 37.9, 51.0, 55.0, 53.5, 52.0, 60.0, 30.0):
        unit.step(1.0, 1e-3, ambient)
        seen[ambient] = tuple(getattr(unit, f) for f in flags)
        if ambient == 30.0:
            assert not any(seen[ambient])
    assert seen[41.0] == (0, 0, 1, 0, 0)  # hot spot 121
    assert seen[39.0] == (0, 0, 1, 0, 0)  # 119: within the reset band
    assert seen[37.9] == (0, 0, 0, 0, 0)  # 117.9
    assert seen[51.0] == (1, 0, 1, 0, 0)  # top oil 106
    assert seen[55.0] == (1, 1, 1, 0, 1)  # top oil 110
    assert seen[53.5] == (1, 1, 1, 0, 1)  # 108.5: within the reset band
    assert seen[52.0] == (1, 0, 1, 0, 0)
    assert seen[60.0] == (1, 1, 1, 1, 1)  # hot spot 140


def test_without_a_forced_stage_nothing_ever_runs() -> None:
    unit = Unit(1.5)
    unit.step(1.5, n=100)
    assert unit.cooling_stage == 0.0


def test_fans_start_hot_cool_the_oil_and_stop_with_hysteresis() -> None:
    unit = Unit(0.5, stage1_pu=1.33, stage1_on_degc=75, stage2_pu=1.67, stage2_on_degc=85)
    stages, oil = [], []
    for k_pu in (1.6, 0.5):
        for _ in range(1500):
            unit.step(k_pu)
            stages.append(unit.cooling_stage)
            oil.append(unit.top_oil_degc)
    assert oil[stages.index(1.0)] == pytest.approx(75.0, abs=1.0)  # within the rise of one minute
    assert oil[stages.index(2.0)] == pytest.approx(85.0, abs=1.0)
    assert set(stages[1400:1500]) == {2.0}
    # 1.6 of 1.67: nearly the rated rise of 55 K, against 109 K without fans
    assert oil[1499] == pytest.approx(30.0 + 55.0 * ((0.958**2 * 16.7 + 1) / 17.7) ** 0.9, abs=0.1)
    back_to_1, back_to_0 = 1500 + stages[1500:].index(1.0), 1500 + stages[1500:].index(0.0)
    assert oil[back_to_1] == pytest.approx(75.0, abs=1.0)  # 85 less the hysteresis of 10 K
    assert oil[back_to_0] == pytest.approx(65.0, abs=1.0)


def test_fans_may_follow_the_hot_spot_and_begin_running_in_a_steady_state() -> None:
    by_spot = Unit(1.0, stage1_pu=1.2, stage1_on_degc=95, stage_sensor="hot_spot")
    by_oil = Unit(1.0, stage1_pu=1.2, stage1_on_degc=95)
    assert (by_spot.cooling_stage, by_oil.cooling_stage) == (1.0, 0.0)
    assert by_spot.hot_spot_degc < by_oil.hot_spot_degc == pytest.approx(110.0)


def test_fans_shorten_the_oil_time_constant_by_the_ratio_of_losses() -> None:
    unit = Unit(0.9, stage1_pu=1.5, stage1_on_degc=70)
    assert unit.cooling_stage == 1.0
    before, ratio = unit.top_oil_rise_k, 6.0 * 1.5**2
    unit.step(1.2, 600.0)
    u = 55.0 * (((1.2 / 1.5) ** 2 * ratio + 1) / (ratio + 1)) ** 0.9
    tau_s = 10800.0 * 7.0 / (ratio + 1)
    assert unit.top_oil_rise_k == pytest.approx(u + (before - u) * math.exp(-600.0 / tau_s), abs=1e-9)


def test_correction_of_the_time_constant_holds_while_the_load_rests() -> None:
    once, often = Unit(0.7, is_tau_corrected=1), Unit(0.7, is_tau_corrected=1)
    once.step(1.3, 3600.0)
    often.step(1.3, 1.0, n=3600)
    assert often.top_oil_degc == pytest.approx(once.top_oil_degc, abs=1e-9)
    plain = Unit(0.7)
    plain.step(1.3, 3600.0)
    assert once.top_oil_degc > plain.top_oil_degc + 1.0


def test_correction_is_finite_where_the_step_of_load_vanishes() -> None:
    unit = Unit(0.7, is_tau_corrected=1)
    at_rest = unit.top_oil_degc
    for k_pu in (0.7, 0.7 + 1e-9, 0.7):
        unit.step(k_pu, n=10)
    assert unit.top_oil_degc == pytest.approx(at_rest, abs=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_input_that_is_no_number_holds_the_last_one(bad: float) -> None:
    good, other = Unit(0.9), Unit(0.9)
    good.step(0.9, n=10)
    other.step(0.9, n=5)
    other.step(bad, ambient_degc=bad, n=5)
    assert other.hot_spot_degc == good.hot_spot_degc
    assert (other.k_pu, other.ambient_degc) == (0.9, 30.0)


def test_a_spoilt_state_recovers() -> None:
    unit = Unit(1.0)
    for name in ("top_oil_rise_k", "winding_rise_k", "top_oil_carry_k", "winding_carry_k"):
        unit.s[name] = math.nan
        unit.step(1.0, 1e-3)
        assert unit.hot_spot_degc == pytest.approx(110.0, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(allow_nan=True, allow_infinity=True),
            st.sampled_from([250e-6, 1e-3, 1.0, 17.0, 60.0]),
        ),
        max_size=20,
    )
)
def test_no_input_breaks_the_order_of_temperatures(inputs: list[tuple[float, float, float]]) -> None:
    unit = Unit(0.8, stage1_pu=1.3, is_tau_corrected=1)
    aged = 0.0
    for k_pu, ambient, dt_s in inputs:
        unit.step(k_pu, dt_s, ambient)
        assert -60.0 <= unit.ambient_degc <= unit.top_oil_degc <= unit.hot_spot_degc < math.inf
        assert aged <= unit.aged_h < math.inf
        assert 0.0 <= unit.minute_s < 60.0
        aged = unit.aged_h
    unit.step(0.8, n=20000)
    assert unit.hot_spot_degc < 100.0, "an absurd input stuck"


def test_units_do_not_disturb_each_other() -> None:
    p = rows_of([Thermal(rated_va=1e6), Thermal(rated_va=5e5, rise_to_k=45.0)], SPEC)
    s = np.zeros(2, SPEC.state_dtype)
    init(p, s, np.array([1.0, 1.0]), 20.0)
    step(p, s, np.array([1.0, math.nan]), 20.0, 1.0)
    assert list(s["hot_spot_degc"]) == pytest.approx([100.0, 90.0])


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"rated_va": 0.0}, "thermal.rated_va = 0.0 VA: must be > 0 VA"),
        ({"tau_to_s": -5.0}, "thermal.tau_to_s = -5.0 s: must be >= 60 s (oil time constant at rating)"),
        ({"rise_to_k": 300.0}, "thermal.rise_to_k = 300.0 K: must be <= 120 K"),
        ({"loss_ratio": math.nan}, "thermal.loss_ratio = nan: must be > 0"),
        ({"cooling": "ONFA"}, "thermal.cooling = 'ONFA': must be one of ONAN, ONAF, OFAF, ODAF"),
        ({"hot_spot_trip_degc": math.inf}, "thermal.hot_spot_trip_degc = inf degC: must be <= 250 degC"),
    ],
)
def test_impossible_parameters_are_refused_with_range_and_unit(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Thermal(**{"rated_va": 1e6, **params})
    assert text in str(caught.value)
