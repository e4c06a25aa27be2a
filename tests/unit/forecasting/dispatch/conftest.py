"""The shipped station with resources, as the dispatcher sees it, its sites at unity power factor."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

import numpy as np
import pytest

from forecasting.dispatch.messages import OPTIMISING, Forecast, Readings
from forecasting.dispatch.planner import Planner
from forecasting.dispatch.settings import Settings
from forecasting.dispatch.site import Site, VoltVar
from hil.dispatch_site import site_of
from hil.station import read_plan
from rtcore.clock import NS_PER_HOUR

T0 = 1_491_112_800 * 10**9
"""2017-04-02, midnight of the station's clock."""


@pytest.fixture(scope="session")
def site() -> Site:
    made = site_of(read_plan("iowa240-der"), T0)
    off = dc.replace(made.volt_var, q_pu=(0.0, 0.0, 0.0, 0.0))
    return dc.replace(made, typical_va=2.0 * made.typical_va, volt_var=off)


@pytest.fixture(scope="session")
def volt_var_site(site: Site) -> Site:
    return dc.replace(site, volt_var=VoltVar(vw_v1_pu=1.06, vw_v2_pu=1.10))


@pytest.fixture(scope="session")
def planner(site: Site) -> Planner:
    return Planner(site, Settings())


@pytest.fixture(scope="session")
def day(site: Site) -> Callable[..., Forecast]:
    """Forecasts of a typical day; sun as a part of the ratings, at its most at 18 h UTC."""

    def make(start_ns: int = T0, *, sun: float = 0.7, load: float = 1.0, spread_w: float = 0.0) -> Forecast:
        hours = np.arange(24)
        slots = [site.slot(start_ns + h * NS_PER_HOUR) for h in hours]
        totals = site.typical_va[slots].real
        load_w = {f: load * totals[:, site.feeder_of == k].sum(1) for k, f in enumerate(site.feeders)}
        height = np.maximum(np.cos((np.array(slots) - 12.5) * np.pi / 13.0), 0.0)
        suns = {p.name: sun * p.rated_w * height for p in site.pv}
        return Forecast(start_ns, NS_PER_HOUR, load_w, suns, suns, suns, np.full(24, spread_w))

    return make


@pytest.fixture(scope="session")
def now(site: Site) -> Callable[..., Readings]:
    """Readings: batteries at rest and half full, taps at 6, unless said otherwise."""

    def make(
        mode: int = OPTIMISING, import_w: float = 2e6, soc_pct: float = 50.0, tap: int = 6, **more: float
    ) -> Readings:
        return Readings(
            mode=mode,
            import_w=import_w,
            battery_w={b.name: more.get("battery_w", 0.0) for b in site.batteries},
            soc_pct={b.name: soc_pct for b in site.batteries},
            tap={r.name: float(tap) for r in site.regulators},
            relay_v={r.name: more.get("relay_v", 123.5) for r in site.regulators},
            vreg_v={r.name: more.get("vreg_v", 123.0) for r in site.regulators},
        )

    return make
