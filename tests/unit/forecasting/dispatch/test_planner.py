"""Plans: batteries within their limits, peaks shaved, voltages kept, and always a plan."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

import numpy as np
import pytest

from forecasting.dispatch.messages import Forecast, Plan, Readings
from forecasting.dispatch.planner import Deadline, Planner
from forecasting.dispatch.settings import Settings
from rtcore.clock import NS_PER_HOUR

Make = Callable[..., Forecast]
Now = Callable[..., Readings]


def made(planner: Planner, forecast: Forecast, readings: Readings, peak_w: float = 0.0) -> Plan:
    bias = np.zeros((len(forecast.spread_w), len(planner.model.services)))
    found = planner.plan(1, forecast, readings, peak_w, bias)
    assert found is not None
    return found[0]


def with_settings(planner: Planner, **changes: float) -> Planner:
    """The same planner at other prices, without its derivatives being made anew."""
    other = Planner.__new__(Planner)
    other.__dict__.update(planner.__dict__)
    other.settings = dc.replace(planner.settings, **changes)
    return other


def test_books_of_the_batteries_close_within_their_limits(planner: Planner, day: Make, now: Now) -> None:
    plan = made(planner, day(), now())
    for k, b in enumerate(planner.site.batteries):
        assert np.all(plan.battery_w[k] <= b.p_discharge_max_w + 1.0)
        assert np.all(plan.battery_w[k] >= -b.p_charge_max_w - 1.0)
        assert np.all(plan.soc_pct[k] <= b.soc_max_pct + 1e-6)
        assert np.all(plan.soc_pct[k] >= b.soc_min_pct - 1e-6)
        taken, given = np.maximum(-plan.battery_w[k], 0.0), np.maximum(plan.battery_w[k], 0.0)
        energy = 0.5 * b.e_rated_wh + np.cumsum(taken * b.eta_charge - given / b.eta_discharge)
        # never both at once, which would only waste: so the net power says all
        assert plan.soc_pct[k] == pytest.approx(100.0 * energy / b.e_rated_wh, abs=1e-3)


def test_the_peak_is_lower_than_without_batteries_and_the_charge_comes_back(
    planner: Planner, day: Make, now: Now
) -> None:
    forecast, readings = day(sun=0.1), now()
    bare = planner.outlook(forecast, readings, 0.0, np.zeros((24, len(planner.model.services))))
    plan = made(planner, forecast, readings)
    assert plan.import_w.max() < bare.import_w.max() - 100e3
    assert plan.soc_pct[:, -1] == pytest.approx(planner.settings.final_soc_pct, abs=0.5)


def test_a_peak_that_the_month_already_had_is_not_shaved_again(planner: Planner, day: Make, now: Now) -> None:
    plan = made(planner, day(sun=0.1), now(), peak_w=20e6)
    assert plan.cost["peak"] == 0.0
    # nothing to gain at a flat price: each kWh through a battery costs ageing and losses
    assert np.max(np.abs(plan.battery_w)) < 1.0


def test_spread_and_reserve_stay_free_below_the_planned_peak(planner: Planner, day: Make, now: Now) -> None:
    plan = made(planner, day(sun=0.1, spread_w=200e3), now())
    room = 200e3 + planner.settings.reserve_w
    assert plan.peak_w - plan.import_w.max() >= room - 1.0


def test_taps_go_down_for_the_sun_where_voltages_cost_and_stay_where_taps_cost_more(
    planner: Planner, day: Make, now: Now
) -> None:
    sunny, readings = day(sun=1.0, load=0.6), now(tap=8)
    cheap = made(with_settings(planner, tap_price=0.1), sunny, readings)
    dear = made(
        with_settings(planner, tap_price=1e4, violation_price=0.0, curtail_price=0.0), sunny, readings
    )
    assert cheap.taps.min() < 8
    assert np.all(dear.taps == 8)
    assert cheap.violation_h < 0.1 * max(dear.v_pu[dear.v_pu > 1.05].size, 1)


def test_sites_are_limited_where_neither_taps_nor_anything_else_helps(
    planner: Planner, day: Make, now: Now
) -> None:
    held = with_settings(planner, tap_price=1e4, violation_price=1e3, curtail_price=0.0, time_limit_s=1.0)
    plan = made(held, day(sun=1.0, load=0.4), now(tap=8))
    assert plan.curtailed_w.sum() > 0.0
    assert np.all(plan.limit_w >= 0.0)


def test_there_is_a_plan_whatever_the_state_is(planner: Planner, day: Make, now: Now) -> None:
    for soc, tap, load in [(0.0, -16, 2.0), (100.0, 16, 0.1), (5.0, 16, 1.0), (99.0, -16, 0.5)]:
        plan = made(planner, day(load=load), now(soc_pct=soc, tap=tap))
        assert np.all(np.isfinite(plan.battery_w)), (soc, tap, load)
        assert np.all(np.abs(plan.taps) <= 16)


def test_a_deadline_goes_before_the_end_of_the_plan(planner: Planner, day: Make, now: Now) -> None:
    forecast = day()
    wanted = {b.name: 80.0 for b in planner.site.batteries}
    timed = with_settings(planner)
    timed.deadline = Deadline(forecast.end_ns + 6 * NS_PER_HOUR, wanted)
    plan = made(timed, forecast, now())
    assert plan.soc_pct[:, 5] == pytest.approx(80.0, abs=0.5)


def test_measured_voltages_shift_the_plans(planner: Planner, day: Make, now: Now) -> None:
    bias = np.full((24, len(planner.model.services)), 0.01)
    plain = planner.outlook(day(), now(), 0.0, 0.0 * bias)
    shifted = planner.outlook(day(), now(), 0.0, bias)
    for name in ("v_pu", "v_high_pu", "v_low_pu"):
        assert getattr(shifted, name) == pytest.approx(getattr(plain, name) + 0.01, abs=1e-5)  # solver's 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"v_min_pu": 1.1}, "v_min_pu"),
        ({"margin_pu": 0.06}, "margin_pu"),
        ({"export_price": 0.5}, "export_price"),
        ({"tap_price": -1.0}, "tap_price"),
        ({"peak_price": float("nan")}, "peak_price"),
        ({"final_soc_pct": 120.0}, "final_soc_pct"),
        ({"vreg_min_v": 130.0}, "vreg_min_v"),
        ({"horizon": 0}, "horizon"),
    ],
)
def test_settings_that_make_no_sense_are_named(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**change)  # type: ignore[arg-type]
