"""Linear voltages beside full power flows: exact at the point, near it within what the module states."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from forecasting.dispatch.site import Site
from forecasting.dispatch.voltage_model import Changes, Point, VoltageModel, voltages

STATED_PU = 0.005
"""Largest error that the module states."""


def noon(site: Site) -> Point:
    return Point(
        site.typical_va[12], 0.6 * site.pv_rated_w, np.zeros(len(site.batteries)), (4,) * len(site.regulators)
    )


def nothing(site: Site) -> Changes:
    return Changes(
        *(np.zeros(n) for n in (len(site.batteries), len(site.pv), len(site.feeders))), np.zeros(3)
    )


@pytest.mark.parametrize("which", ["site", "volt_var_site"])
@pytest.mark.parametrize(
    ("change", "moves_pu"),
    [
        ({"battery_w": [-5e6, -1e6]}, 0.01),
        ({"battery_w": [5e6, 1e6]}, 0.01),
        ({"taps": [2.0, 2.0, 2.0]}, 0.012),
        ({"taps": [-2.0, 0.0, -2.0]}, 0.012),
        ({"pv": 0.3}, 0.01),
        ({"pv": -0.3}, 0.01),
        ({"load": 0.2}, 0.003),
    ],
)
def test_the_linear_model_is_as_near_as_it_says(
    which: str, change: dict[str, object], moves_pu: float, request: pytest.FixtureRequest
) -> None:
    site: Site = request.getfixturevalue(which)
    model, point = VoltageModel(site), noon(site)
    s = model.sensitivity(point)
    v0, _ = model.at(point)
    by, moved = nothing(site), point
    if "battery_w" in change:
        by = dc.replace(by, battery_w=np.array(change["battery_w"]))
        moved = dc.replace(point, battery_w=by.battery_w)
    if "taps" in change:
        by = dc.replace(by, taps=np.array(change["taps"]))
        moved = dc.replace(point, taps=tuple(int(t) for t in point.taps + by.taps))
    if "pv" in change:
        by = dc.replace(by, pv_w=change["pv"] * site.pv_rated_w)
        moved = dc.replace(point, sun_w=point.sun_w + by.pv_w)
    if "load" in change:
        totals = np.bincount(site.feeder_of, point.demand_va.real)
        by = dc.replace(by, load_w=change["load"] * totals)
        moved = dc.replace(point, demand_va=point.demand_va * (1.0 + change["load"]))
    full, _ = model.at(moved)
    assert np.max(np.abs(full - v0)) > moves_pu, "a change that moves nothing shows nothing"
    assert np.max(np.abs(voltages(v0, s, by) - full)) < STATED_PU


def test_import_falls_by_what_a_battery_gives_and_a_site_gives(site: Site) -> None:
    s = VoltageModel(site).sensitivity(noon(site))
    # losses change by some percent of it
    assert s.di_battery == pytest.approx(-1.0, abs=0.05)
    assert s.di_pv == pytest.approx(-1.0, abs=0.08)


def test_a_site_at_its_limit_has_derivatives_too(site: Site) -> None:
    point = dc.replace(noon(site), sun_w=site.pv_rated_w)
    s = VoltageModel(site).sensitivity(point)
    assert np.all(np.max(s.dv_pv, axis=0) > 0.0)
    assert np.all(np.isfinite(s.dv_pv))


def test_volt_var_holds_voltages_down(site: Site, volt_var_site: Site) -> None:
    point = dc.replace(noon(site), sun_w=site.pv_rated_w, taps=(8, 8, 8))
    plain, _ = VoltageModel(site).at(point)
    held, flow = VoltageModel(volt_var_site).at(point)
    assert held.max() < plain.max() - 0.002
    assert flow.pv_var.min() < -1e3
