"""Between plans: the import stays below the planned peak, and a relay is led to its tap and no further."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

import numpy as np
import pytest

from forecasting.dispatch.follow import battery_powers, relay_reference
from forecasting.dispatch.messages import Plan, Readings
from forecasting.dispatch.settings import Settings
from forecasting.dispatch.site import Regulator, Site
from rtcore.component import REGISTRY, rows_of
from rtcore.control import tap_changer
from rtcore.plant import regulator as mechanism

R = Regulator(name="sub_regulator_a", tap_max=16, tap_v=0.76875, vreg_v=123.0, band_v=2.0)
Now = Callable[..., Readings]

EXACT = Settings(reserve_w=0.0, cloud_w=0.0)
"""Batteries follow up to the peak itself."""


def plan_of(site: Site, battery_w: list[float], import_w: float, peak_w: float) -> Plan:
    none = np.zeros((0, 1))
    return Plan(
        number=1,
        start_ns=0,
        step_ns=3600 * 10**9,
        battery_w=np.array(battery_w)[:, None],
        soc_pct=np.full((len(site.batteries), 1), 50.0),
        taps=none,
        curtailed_w=none,
        limit_w=none,
        import_w=np.array([import_w]),
        peak_w=peak_w,
        v_pu=none,
        cost={"total": 0.0},
        violation_h=0.0,
        solve_ms=1.0,
    )


@pytest.mark.parametrize(
    ("planned_w", "demand_w", "bess_1_w"),
    [
        (1.0e6, 3.0e6, 1.0e6),  # as planned
        (1.0e6, 3.4e6, 1.2e6),  # 0.2 MW more than the peak allows
        (1.0e6, 2.6e6, 0.6e6),  # less than planned: only what brings the import to 2.0 MW
        (1.0e6, 1.5e6, 0.0),  # nothing to shave at all
        (-1.0e6, 1.5e6, -0.7e6),  # charging stops where it would make the peak
        (-1.0e6, 0.5e6, -1.0e6),
        (0.0, 20e6, 5.0e6),  # no more than it can
    ],
)
def test_the_first_battery_follows_the_demand(
    site: Site, now: Now, planned_w: float, demand_w: float, bess_1_w: float
) -> None:
    plan = plan_of(site, [planned_w, 0.0], import_w=2.0e6, peak_w=2.2e6)
    powers = battery_powers(site, EXACT, plan, 0, now(import_w=demand_w), 1.0)
    assert powers["bess_1"] == pytest.approx(bess_1_w, abs=1.0)


def test_what_stays_free_below_the_peak_is_more_while_batteries_charge(site: Site, now: Now) -> None:
    careful = Settings(reserve_w=100e3, cloud_w=300e3)
    giving = plan_of(site, [1.0e6, 0.0], import_w=2.0e6, peak_w=2.2e6)
    taking = plan_of(site, [-1.0e6, 0.0], import_w=2.0e6, peak_w=2.2e6)
    assert battery_powers(site, careful, giving, 0, now(import_w=3.4e6), 1.0)["bess_1"] == pytest.approx(
        1.3e6
    )
    assert battery_powers(site, careful, taking, 0, now(import_w=1.5e6), 1.0)["bess_1"] == pytest.approx(
        -0.3e6
    )
    # with 2.0 MW there is no room to charge, and nothing to shave yet
    assert battery_powers(site, careful, taking, 0, now(import_w=2.0e6), 1.0)["bess_1"] == 0.0
    assert battery_powers(site, careful, taking, 0, now(import_w=2.3e6), 1.0)["bess_1"] == pytest.approx(
        0.2e6
    )


def test_an_empty_battery_is_not_asked(site: Site, now: Now) -> None:
    plan = plan_of(site, [0.0, 0.0], import_w=2.0e6, peak_w=2.2e6)
    assert battery_powers(site, EXACT, plan, 0, now(import_w=9e6, soc_pct=20.0), 1.0) == {
        "bess_1": 0.0,
        "bess_2": 0.0,
    }


@pytest.mark.parametrize(("soc_pct", "power_w"), [(48.0, -0.2e6 / 0.95 / 0.5), (51.0, 0.1e6 * 0.95 / 0.5)])
def test_a_wanted_charge_at_the_end_of_the_step_goes_first(
    site: Site, now: Now, soc_pct: float, power_w: float
) -> None:
    plan = plan_of(site, [0.0, 0.0], import_w=0.0, peak_w=9e6)
    powers = battery_powers(
        site, EXACT, plan, 0, now(soc_pct=soc_pct), 0.5, {b.name: 50.0 for b in site.batteries}
    )
    assert powers["bess_1"] == pytest.approx(power_w, rel=1e-9)


def test_within_half_of_its_band_a_relay_is_left_alone(now: Now) -> None:
    assert relay_reference(R, 6.0, now(tap=6, relay_v=123.4, vreg_v=123.0), Settings()) is None
    assert relay_reference(R, 6.0, now(tap=6, relay_v=123.6, vreg_v=123.0), Settings()) == 123.6


@pytest.mark.parametrize("missing", [-4, -2, -1, 1, 2, 4])
@pytest.mark.parametrize("start_v", [122.2, 123.0, 123.8])
def test_the_plants_own_relay_makes_just_the_missing_taps(missing: int, start_v: float, now: Now) -> None:
    readings = now(tap=0, relay_v=start_v, vreg_v=123.0)
    reference = relay_reference(R, float(missing), readings, dc.replace(Settings(), vreg_min_v=110.0))
    assert reference is not None
    spec = REGISTRY["tap_changer"]
    p = rows_of(
        [tap_changer.TapChanger(vreg_v=R.vreg_v, band_v=R.band_v, pt_ratio=1.0, tap_delay_s=2.0)], spec
    )
    s = np.zeros(1, spec.state_dtype)
    reg_spec = REGISTRY["regulator"]
    reg_p = rows_of([mechanism.Regulator(step_pu=R.tap_v / R.vreg_v)], reg_spec)
    reg = np.zeros(1, reg_spec.state_dtype)
    tap_changer.init(p, s, reg)
    s["vreg_v_sp"] = reference
    for _ in range(300):
        v = np.array([complex(start_v + R.tap_v * float(reg["tap"][0]))])
        tap_changer.step(p, s, reg_p, reg, v, v, np.zeros(1, complex), np.ones(1), 1.0)
        reg["tap"] = reg["tap_sp"]
    assert reg["tap"][0] == missing


def test_set_values_stay_within_their_limits(now: Now) -> None:
    high = relay_reference(R, 16.0, now(tap=0, relay_v=123.0), Settings())
    low = relay_reference(R, -16.0, now(tap=0, relay_v=123.0), Settings())
    assert (high, low) == (Settings().vreg_max_v, Settings().vreg_min_v)
