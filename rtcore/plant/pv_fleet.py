"""All photovoltaic sites together: penetration, limits for everybody, totals.

Penetration is the share of the sites that take part, in the order of the network's list: 0 % none,
100 % all. Which sites come first is the list's choice, so that a change of penetration is
the same on every run.
"""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.plant.ieee1547 import within


@component(
    "pv_fleet",
    attrs=(
        Attr("penetration_pct_sp", "%", "share of the sites that take part", writable="setpoint"),
        Attr("p_w", "W", "active power of all sites"),
        Attr("q_var", "var", "reactive power of all sites"),
        Attr("p_avail_w", "W", "power that the sun would give at the sites that take part"),
        Attr("rating_va", "VA", "rating of the sites that take part"),
        Attr("n_enabled", "", "sites that take part"),
        Attr("n_tripped", "", "sites that are tripped"),
    ),
)
class PvFleet:
    """The sites of a station."""

    penetration_pct: float = param(default=100.0, unit="%", doc="initial penetration", ge=0, le=100)


@kernel
def enable(s, pv):  # type: ignore[no-untyped-def]
    """Switch sites on and off by the penetration setpoint."""
    n = pv.shape[0]
    chosen = round(within(s["penetration_pct_sp"][0], 0.0, 100.0, 0.0) * n / 100.0)
    for i in range(n):
        pv["is_enabled"][i] = 1.0 if i < chosen else 0.0


@kernel
def total(s, pv):  # type: ignore[no-untyped-def]
    """Sum up the sites."""
    p_w, q_var, avail_w, rating_va, enabled, tripped = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(pv.shape[0]):
        p_w += pv["p_w"][i]
        q_var += pv["q_var"][i]
        if pv["is_enabled"][i] != 0.0:
            avail_w += pv["p_avail_w"][i]
            rating_va += pv["rating_va"][i]
            enabled += 1.0
            tripped += pv["is_tripped"][i]
    s["p_w"][0], s["q_var"][0], s["p_avail_w"][0], s["rating_va"][0] = p_w, q_var, avail_w, rating_va
    s["n_enabled"][0], s["n_tripped"][0] = enabled, tripped
