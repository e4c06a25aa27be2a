"""Governors: rest, limits without wind-up, droop and isochronous steady state, any step, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.jit import kernel
from rtcore.plant.governor import Governor, power, start

SPEC = REGISTRY["governor"]
MODELS = ("tgov1", "diesel", "isochronous")


@kernel
def advance(p, s, omega_pu, omega_ref_pu, dt_s, n):  # type: ignore[no-untyped-def]
    """Advance by ``n`` steps at a constant speed; returns the mechanical power."""
    pm = 0.0
    for _ in range(n):
        pm = power(p, s, 0, omega_pu, omega_ref_pu, dt_s)
    return pm


class Rig:
    """One governor at a speed that the test gives."""

    def __init__(self, dt_s: float = 0.01, at_pu: float = 0.5, **params: object) -> None:
        self.p = rows_of([Governor(**params)], SPEC)  # type: ignore[arg-type]
        self.s = np.zeros(1, SPEC.state_dtype)
        start(self.p, self.s, 0, at_pu)
        self.dt_s = dt_s

    def seconds(self, t_s: float, omega_pu: float = 0.0, ref_pu: float = 0.0) -> float:
        return float(advance(self.p, self.s, omega_pu, ref_pu, self.dt_s, max(1, round(t_s / self.dt_s))))

    @property
    def valve(self) -> float:
        return float(self.s["valve_pu"][0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("at_pu", [0.0, 0.37, 1.0])
@pytest.mark.parametrize("dt_s", [250e-6, 0.01, 1.0, 60.0])
def test_at_rest_it_stays_at_rest(model: str, at_pu: float, dt_s: float) -> None:
    rig = Rig(dt_s, at_pu, model=model, ki_per_s=1.0)
    assert rig.seconds(100.0) == pytest.approx(at_pu, abs=1e-12)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("omega", "pm"), [(-0.005, 0.6), (0.0, 0.5), (0.01, 0.3), (-0.02, 0.9)])
def test_steady_state_is_on_the_droop_line(model: str, omega: float, pm: float) -> None:
    """Without an integral part every model gives ref - dw / R, here with R = 5 %."""
    rig = Rig(0.01, 0.5, model=model, r_pu=0.05, dt_pu=0.0)
    assert rig.seconds(200.0, omega) == pytest.approx(pm, abs=1e-7)  # exp(-20) of the slowest lag


@pytest.mark.parametrize("model", MODELS)
def test_the_speed_reference_moves_the_droop_line(model: str) -> None:
    rig = Rig(0.01, 0.5, model=model, r_pu=0.05)
    assert rig.seconds(200.0, 0.0, 0.01) == pytest.approx(0.7, abs=1e-7)


def test_turbine_damping_takes_power_with_speed_in_tgov1_only() -> None:
    assert Rig(model="tgov1", dt_pu=2.0).seconds(200.0, 0.01) == pytest.approx(0.5 - 0.2 - 0.02, abs=1e-7)
    assert Rig(model="diesel", dt_pu=2.0).seconds(200.0, 0.01) == pytest.approx(0.3, abs=1e-7)


def test_tgov1_lead_lag_answers_at_once_by_t2_over_t3() -> None:
    rig = Rig(1e-3, 0.0, model="tgov1", r_pu=0.05, t1_s=0.0, t2_s=3.0, t3_s=10.0)
    # valve at 0.1 at once; Pm = 0.1 (1 - (1 - T2/T3) exp(-t/T3))
    for t_s in (0.001, 1.0, 10.0):
        fresh = Rig(1e-3, 0.0, model="tgov1", r_pu=0.05, t1_s=0.0, t2_s=3.0, t3_s=10.0)
        expected = 0.1 * (1.0 - 0.7 * math.exp(-t_s / 10.0))
        assert fresh.seconds(t_s, -0.005) == pytest.approx(expected, abs=1e-9)
    assert rig.valve == 0.0


@pytest.mark.parametrize("model", MODELS)
def test_two_lags_are_exact_for_a_constant_speed_but_for_their_hand_over(model: str) -> None:
    """The second lag sees the valve as held at its end of the step: late by half a step at most."""
    t1, t3, t = 0.5, 2.0, 3.0
    exact = 0.1 * (1.0 - (t1 * math.exp(-t / t1) - t3 * math.exp(-t / t3)) / (t1 - t3))
    slope = 0.1 * (math.exp(-t / t3) - math.exp(-t / t1)) / (t3 - t1)
    for dt_s in (0.25e-3, 1e-3, 0.01, 0.1):
        rig = Rig(dt_s, 0.0, model=model, r_pu=0.05, t1_s=t1, t2_s=0.0, t3_s=t3)
        assert rig.seconds(t, -0.005) == pytest.approx(exact, abs=0.51 * slope * dt_s + 1e-9)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("omega", "limit"), [(-0.5, 1.1), (0.5, 0.1)])
@pytest.mark.parametrize("ki_per_s", [0.0, 5.0])
def test_the_valve_stays_within_its_limits_and_leaves_them_at_once(
    model: str, omega: float, limit: float, ki_per_s: float
) -> None:
    given = {"model": model, "v_max_pu": 1.1, "v_min_pu": 0.1, "ki_per_s": ki_per_s, "t1_s": 0.1, "t3_s": 0.1}
    held, fresh = Rig(0.01, 0.5, **given), Rig(0.01, limit, **given)
    assert held.seconds(3600.0, omega) == pytest.approx(limit, abs=1e-9)
    assert held.valve == limit
    # An hour at the limit leaves no more behind than being there does: with the same integral, the
    # same way back as a governor that was put there now.
    fresh.s["ref_pu"], fresh.s["integral_pu"] = 0.5, held.s["integral_pu"]
    assert abs(held.s["integral_pu"][0]) < 5.0 * 0.1 * 1.1 / 0.05, "wound up"
    for _ in range(50):
        assert held.seconds(0.01, -omega) == pytest.approx(fresh.seconds(0.01, -omega), abs=1e-9)
    assert (held.valve - limit) * omega > 0.0, "it left the limit"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_integral_does_not_grow_against_a_limit(sign: float) -> None:
    rig = Rig(0.01, 0.5, model="isochronous", ki_per_s=2.0, r_pu=0.05)
    rig.seconds(3600.0, -sign * 0.05)  # the proportional part alone is beyond either limit
    assert rig.s["integral_pu"][0] == pytest.approx(0.0, abs=1e-12)
    rig.seconds(3600.0, -sign * 0.01)  # now the integral reaches the limit and stops there
    inside = 1.2 if sign > 0 else 0.0
    total = 0.5 + rig.s["integral_pu"][0] + sign * 0.01 / 0.05
    assert total == pytest.approx(inside, abs=2.0 * 0.01 * 0.01 * 1.01)  # one step of the integral


def swing(rig: Rig, load_pu: float, t_s: float, h_s: float = 3.0) -> float:
    """One machine alone with a load; returns its speed deviation at the end."""
    omega, pm = 0.0, float(rig.s["engine_pu"][0])
    for _ in range(round(t_s / rig.dt_s)):
        pm = float(advance(rig.p, rig.s, omega, 0.0, rig.dt_s, 1))
        omega += rig.dt_s * (pm - load_pu) / (2.0 * h_s)
    return omega


@pytest.mark.parametrize(
    ("params", "omega"),
    [
        ({"model": "tgov1"}, -0.1 * 0.05),
        ({"model": "diesel", "t1_s": 0.2, "t3_s": 0.3}, -0.1 * 0.05),
        ({"model": "isochronous", "t1_s": 0.1, "t3_s": 0.2, "ki_per_s": 10.0}, 0.0),
        ({"model": "diesel", "t1_s": 0.2, "t3_s": 0.3, "ki_per_s": 1.0}, 0.0),  # secondary control
    ],
)
def test_alone_with_a_load_it_settles_on_its_droop_or_on_its_reference(
    params: dict[str, float | str], omega: float
) -> None:
    rig = Rig(0.005, 0.5, r_pu=0.05, **params)
    assert swing(rig, 0.6, 300.0) == pytest.approx(omega, abs=1e-6)  # secondary control has 20 s


@settings(max_examples=100, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    moves=st.lists(st.tuples(st.floats(-1.0, 1.0), st.floats(0.0, 1.5)), min_size=1, max_size=20),
    dt_s=st.sampled_from([250e-6, 0.01, 1.0, 60.0]),
    ki=st.floats(0.0, 100.0),
)
def test_whatever_the_speed_does_the_valve_stays_within_its_limits(
    model: str, moves: list[tuple[float, float]], dt_s: float, ki: float
) -> None:
    rig = Rig(dt_s, 0.5, model=model, ki_per_s=ki, v_max_pu=1.05, v_min_pu=0.0)
    for omega, ref in moves:
        rig.s["ref_pu"] = ref
        pm = rig.seconds(5 * dt_s, omega)
        assert 0.0 <= rig.valve <= 1.05
        assert 0.0 <= rig.s["engine_pu"][0] <= 1.05
        assert math.isfinite(pm)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_speed_that_is_no_number_does_not_stick(model: str, bad: float) -> None:
    rig = Rig(0.01, 0.5, model=model, ki_per_s=1.0)
    rig.seconds(0.01, bad)
    assert rig.seconds(200.0, 0.0) == pytest.approx(0.5, abs=0.5)
    assert all(np.isfinite(rig.s[name][0]) for name in SPEC.state_dtype.names or ())


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"r_pu": 0.0}, "r_pu = 0.0 pu: must be > 0 pu"),
        ({"t3_s": -1.0}, "t3_s = -1.0 s: must be > 0 s"),
        ({"model": "hydro"}, "must be one of none, tgov1, diesel, isochronous"),
    ],
)
def test_impossible_parameters_are_refused_with_range_and_unit(params: dict[str, object], text: str) -> None:
    with pytest.raises(ParameterError, match=r"governor\.") as caught:
        Governor(**params)  # type: ignore[arg-type]
    assert text in str(caught.value)
