"""What the dispatcher reads and writes of a station, and what it makes of the forecaster's points."""

from __future__ import annotations

import dataclasses as dc
from functools import partial

import numpy as np
import pytest

from forecasting.dispatch.messages import Command
from forecasting.dispatch.site import Site
from hil.dispatch_checks import dispatch_problems
from hil.dispatch_forecast import DispatchForecast
from hil.dispatch_points import DispatchPoints, MissingPointError
from hil.dispatch_site import site_of
from hil.station import Plan, read_plan
from rtcore.points import Point, index_of
from rtcore.quality import Quality

HOUR = 3600 * 1_000_000_000


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240-der")


@pytest.fixture(scope="module")
def site(plan: Plan) -> Site:
    return site_of(plan, plan.station.start_utc_ns)


@pytest.fixture(scope="module")
def points(plan: Plan, site: Site) -> DispatchPoints:
    return DispatchPoints(plan.points.core, site)


def shown(plan: Plan, **values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    at = index_of(plan.points.core)
    found = np.zeros(len(plan.points.core))
    for tag, value in values.items():
        found[at[tag.replace("__", ".")]] = value
    return found


def test_readings_are_in_si_and_named(plan: Plan, points: DispatchPoints) -> None:
    values = shown(
        plan,
        DER__BESS_1__W=250.0,
        DER__BESS_2__SOC=61.0,
        SUB__REG_B__TAP=-3.0,
        DER__DISPATCH_1__IMPORT=1500.0,
        DER__DISPATCH_1__MODE_SP=2.0,
    )
    readings = points.readings(values, np.zeros(len(values), np.uint8))
    assert readings is not None
    assert readings.mode == 2
    assert readings.import_w == 1.5e6
    assert readings.battery_w == {"bess_1": 250e3, "bess_2": 0.0}
    assert readings.soc_pct["bess_2"] == 61.0
    assert readings.tap["sub_regulator_b"] == -3.0


def test_without_a_state_of_charge_there_are_no_readings_and_a_dead_meter_is_left_out(
    plan: Plan, points: DispatchPoints
) -> None:
    at = index_of(plan.points.core)
    values, quality = shown(plan), np.zeros(len(plan.points.core), np.uint8)
    all_of_them = points.readings(values, quality)
    meter = next(p for p in plan.points.core if p.source.startswith("load.") and p.attr == "v1_v")
    quality[at[meter.tag]] = Quality.BAD_SENSOR
    fewer = points.readings(values, quality)
    assert all_of_them is not None
    assert fewer is not None
    assert len(fewer.service_pu) == len(all_of_them.service_pu) - 1
    quality[at["DER.BESS_1.SOC"]] = Quality.BAD_SENSOR
    assert points.readings(values, quality) is None


@pytest.mark.parametrize(
    ("command", "tag", "value"),
    [
        (Command("battery_p_w", "bess_1", -1.2e6), "DER.BESS_1.P_SP", -1200.0),
        (Command("plan", "", 7.0), "DER.DISPATCH_1.PLAN_SP", 7.0),
        (Command("avr_v", "sub_regulator_c", 121.5), "SUB.AVR_C.V_SP", 121.5),
        (Command("battery_p_w", "bess_1", 1e12), "DER.BESS_1.P_SP", 20000.0),
    ],
)
def test_commands_are_in_the_units_and_ranges_of_the_points(
    plan: Plan, points: DispatchPoints, command: Command, tag: str, value: float
) -> None:
    at, found = points.write(command)
    assert (plan.points.core[at].tag, found) == (tag, pytest.approx(value))


def test_what_the_point_list_lacks_is_named(plan: Plan, site: Site) -> None:
    fewer = [p for p in plan.points.core if p.tag != "DER.BESS_2.P_SP"]
    with pytest.raises(MissingPointError, match=r"battery\.bess_2\.p_w_sp"):
        DispatchPoints(fewer, site)


def clear(rated_w: float, start_ns: int, n: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.full(n, rated_w)


class Forecasts:
    """The forecaster's points, all 1 kW and good."""

    def __init__(self, plan: Plan, site: Site) -> None:
        self.points: list[Point] = plan.points.of("forecaster")
        self.at = index_of(self.points)
        self.values = np.ones(len(self.points))
        self.quality = np.zeros(len(self.points), np.uint8)
        self.taker = DispatchForecast(self.points, site, clear)
        self.take = partial(self.taker.take, self.values, self.quality)


def test_forecasts_come_from_the_points_of_feeders_and_sites(plan: Plan, site: Site) -> None:
    fc = Forecasts(plan, site)
    fc.values[fc.at["FC.TOTAL.END_H"]] = 416_634.0
    fc.values[fc.at["FC.FDR_B.H3"]] = 800.0
    fc.values[fc.at["FC.TOTAL_I.HIGH5"]] = 41.0
    found = fc.take()
    assert fc.taker.missing == []
    assert found is not None
    assert found.end_ns == 416_634 * HOUR
    assert found.load_w["B"][2] == 800e3
    assert found.load_w["A"].shape == (24,)
    assert found.spread_w[4] == pytest.approx(40e3)
    assert len(found.sun_w) == len(site.pv)
    assert found.sun_high_w[site.pv[0].name][0] == pytest.approx(1.02 * site.pv[0].rated_w)


def test_a_forecast_that_is_bad_in_part_is_none(plan: Plan, site: Site) -> None:
    fc = Forecasts(plan, site)
    fc.quality[fc.at["FC.FDR_C.H24"]] = Quality.BAD
    assert fc.take() is None


def test_sites_that_take_no_part_give_no_sun_whatever_is_forecast_of_them(
    plan: Plan, points: DispatchPoints, site: Site
) -> None:
    values = np.concatenate([shown(plan), np.zeros(0)])
    at = index_of(plan.points.core)
    first, *others = site.pv
    for p in site.pv:
        values[at[f"DER.{p.name.upper()}.ST"]] = 1.0 if p is first else 4.0
    off = points.sites_off(values)
    assert off == {first.name}
    fc = Forecasts(plan, site)
    found = fc.taker.take(fc.values, fc.quality, off)
    assert found is not None
    for of in (found.sun_w, found.sun_high_w, found.sun_low_w):
        assert not of[first.name].any()
        assert of[others[0].name].all()


def test_mistakes_of_a_dispatcher_are_named_before_a_run(plan: Plan) -> None:
    assert dispatch_problems(plan) == []
    station = plan.station
    assert station.dispatch is not None

    def told(**changes: object) -> str:
        return "; ".join(
            map(str, dispatch_problems(dc.replace(plan, station=dc.replace(station, **changes))))
        )

    assert "did you mean 'peak_price'" in told(
        dispatch=station.dispatch.model_copy(update={"settings": {"peak_prise": 1.0}})
    )
    assert "must be >= 0" in told(
        dispatch=station.dispatch.model_copy(update={"settings": {"tap_price": -1.0}})
    )
    for settings in ({"horizon": 2.7}, {"horizon": 1000.0}, {"gap": 5.0}, {"demand_s": 1e12}):
        assert "must be" in told(dispatch=station.dispatch.model_copy(update={"settings": settings}))
    assert "[forecast] and [weather] are needed" in told(forecast=None)
