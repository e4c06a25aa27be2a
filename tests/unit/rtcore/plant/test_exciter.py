"""Exciter SEXS: rest, gain, limits on the state, lead-lag, any step, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.jit import kernel
from rtcore.plant.exciter import Exciter, field_voltage, start, steady_voltage

SPEC = REGISTRY["exciter"]


@kernel
def advance(p, s, efd_pu, v_error_pu, dt_s, n):  # type: ignore[no-untyped-def]
    for _ in range(n):
        efd_pu = field_voltage(p, s, 0, efd_pu, v_error_pu, dt_s)
    return efd_pu


class Rig:
    """One exciter at an error that the test gives, at rest at first."""

    def __init__(self, dt_s: float = 1e-3, efd_pu: float = 1.5, error_pu: float = 0.0, **params: float):
        self.p = rows_of([Exciter(model="sexs", **params)], SPEC)  # type: ignore[arg-type]
        self.s = np.zeros(1, SPEC.state_dtype)
        start(self.p, self.s, 0, efd_pu, error_pu)
        self.efd, self.dt_s = efd_pu, dt_s

    def seconds(self, t_s: float, error_pu: float) -> float:
        n = max(1, round(t_s / self.dt_s))
        self.efd = float(advance(self.p, self.s, self.efd, error_pu, self.dt_s, n))
        return self.efd


@pytest.mark.parametrize("dt_s", [250e-6, 0.01, 1.0, 60.0])
@pytest.mark.parametrize("error_pu", [0.0, 0.02, -0.03])
def test_at_rest_it_stays_at_rest_whatever_the_error_was_then(dt_s: float, error_pu: float) -> None:
    rig = Rig(dt_s, 1.5, error_pu)
    assert rig.seconds(100.0, error_pu) == pytest.approx(1.5, abs=1e-12)


@pytest.mark.parametrize(("error_pu", "efd"), [(0.01, 2.5), (-0.005, 1.0), (0.02, 3.5)])
def test_steady_state_is_the_gain_times_the_error(error_pu: float, efd: float) -> None:
    rig = Rig(0.01)  # K = 100, from 1.5 at no error
    assert rig.seconds(200.0, error_pu) == pytest.approx(efd, abs=1e-6)  # exp(-20) of TB
    assert steady_voltage(rig.p, rig.s, 0, error_pu) == pytest.approx(efd, abs=1e-12)


@pytest.mark.parametrize("dt_s", [250e-6, 1e-3, 10e-3, 0.1])
def test_the_lead_lag_answers_first_by_ta_over_tb_and_then_by_tb(dt_s: float) -> None:
    rig = Rig(dt_s, 0.0, k=100.0, ta_tb=0.1, tb_s=10.0, te_s=0.05, e_max_pu=10.0)
    # Behind TE: 0.1 K e at once; the rest along TB. Exact but for TE seeing the lead-lag at the step's end.
    for t_s in (1.0, 5.0, 20.0):
        fresh = Rig(dt_s, 0.0, k=100.0, ta_tb=0.1, tb_s=10.0, te_s=0.05, e_max_pu=10.0)
        lag = math.exp(-t_s / 10.0) * 10.0 / (10.0 - 0.05)  # te's own part is gone after 20 of its times
        expected = 100.0 * 0.05 * (1.0 - 0.9 * lag)
        slope = 100.0 * 0.05 * 0.9 * math.exp(-t_s / 10.0) / 10.0
        assert fresh.seconds(t_s, 0.05) == pytest.approx(expected, abs=slope * dt_s + 1e-6)
    assert rig.efd == 0.0


@pytest.mark.parametrize(("error_pu", "limit"), [(1.0, 5.0), (-1.0, 0.0)])
@pytest.mark.parametrize("dt_s", [1e-3, 0.01, 1.0])
def test_the_field_voltage_stays_within_its_limits_and_leaves_them_with_te(
    error_pu: float, limit: float, dt_s: float
) -> None:
    rig = Rig(dt_s, 1.5, ta_tb=1.0)  # without lead-lag: one lag TE with limits on its state
    assert rig.seconds(600.0, error_pu) == limit
    back = rig.seconds(dt_s, 0.0)
    # Ten minutes at the limit are forgotten: one lag TE from the limit to the 1.5 of no error.
    assert back == pytest.approx(1.5 + (limit - 1.5) * math.exp(-dt_s / 0.05), abs=1e-9)


def test_the_steady_value_keeps_to_the_limits_too() -> None:
    rig = Rig()
    assert steady_voltage(rig.p, rig.s, 0, 1.0) == 5.0
    assert steady_voltage(rig.p, rig.s, 0, -1.0) == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_voltage_that_is_no_number_does_not_stick(bad: float) -> None:
    rig = Rig(0.01)
    rig.seconds(0.01, bad)
    assert rig.seconds(200.0, 0.01) == pytest.approx(2.5, abs=1e-6)
    assert math.isfinite(steady_voltage(rig.p, rig.s, 0, bad))


@pytest.mark.parametrize(
    ("name", "value", "need"), [("k", 0.0, "> 0"), ("tb_s", 0.0, "> 0 s"), ("e_min_pu", 0.1, "<= 0 pu")]
)
def test_impossible_parameters_are_refused_with_range_and_unit(name: str, value: float, need: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Exciter(**{name: value})
    assert f"exciter.{name} = {value}" in str(caught.value)
    assert f"must be {need}" in str(caught.value)
