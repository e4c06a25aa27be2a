"""Cold-load pickup and the polynomial load law against closed-form numbers."""

from __future__ import annotations

import numpy as np
import pytest

from rtcore.component import REGISTRY, rows_of
from rtcore.network.load_law import ZIP, load_current
from rtcore.plant.load_dynamics import LoadDynamics, factors, init

SPEC = REGISTRY["load_dynamics"]
PICKUP = {0: 2.5, 10: 2.5, 15: 2.5, 30: 2.11122733102, 60: 1.60985448961, 120: 1.18368464238}
"""Minutes after restoration: load over normal load, for Su 2.5, tD 15 min, alpha 1.2/h."""


@pytest.mark.parametrize("dt_s", [0.1, 60.0, 300.0])
def test_pickup_after_a_long_outage_is_the_delayed_exponential(dt_s: float) -> None:
    p = rows_of([LoadDynamics(su_pu=2.5, hold_time_s=900.0, alpha_per_h=1.2)], SPEC)
    s = np.zeros(1, SPEC.state_dtype)
    init(s)
    f_hz, k_p, k_q = np.array([60.0]), np.ones(1), np.ones(1)
    factors(p, s, f_hz, 60.0, np.array([0.0]), 48 * 3600.0, k_p, k_q)  # exp(-66) short of the full Su
    t_min = 0
    for minutes, expected in PICKUP.items():
        for _ in range(round((minutes - t_min) * 60.0 / dt_s)):
            factors(p, s, f_hz, 60.0, np.array([1.0]), dt_s, k_p, k_q)
        t_min = minutes
        assert k_p[0] == pytest.approx(expected, abs=1e-10)  # digits of the table
        assert k_q[0] == k_p[0]


@pytest.mark.parametrize(("v_pu", "expected"), [(0.95, 0.946), (1.0, 1.0), (1.05, 1.056)])
def test_polynomial_load_of_40_30_30_per_cent(v_pu: float, expected: float) -> None:
    vb, s = 2400.0, 100e3 + 40e3j
    shares = np.array([0.4, 0.3, 0.3, 0.4, 0.3, 0.3, 0.0])
    v = complex(v_pu * vb)
    power = v * np.conj(load_current(v, s, vb, ZIP, 0.5, 0.9, 1.1, shares))
    assert power.real / s.real == pytest.approx(expected, rel=1e-12)
    assert power.imag / s.imag == pytest.approx(expected, rel=1e-12)
