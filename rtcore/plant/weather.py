"""Weather at the station: temperature and clear-sky irradiance from prepared rows, wind, cover.

Irradiance and temperature are linear between prepared samples, each valid at the start of its
interval. The wind carries the clouds: its way since the start (the drift) is summed here, so
that a change of the wind turns the clouds' course and does not shift the sky. A cloud front is
a line across the wind that starts ``front_distance_m`` upwind of the site's origin and moves on
in the direction it started with.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.plant.ieee1547 import within


@component(
    "weather",
    attrs=(
        Attr("ambient_degc", "degC", "ambient temperature, with the offset"),
        Attr("poa_clear_w_m2", "W/m2", "clear-sky irradiance in the plane of the array"),
        Attr("cover", "", "cloud cover in force, 0 to 1"),
        Attr("wind_m_s", "m/s", "wind speed"),
        Attr("wind_from_deg", "deg", "direction the wind comes from, clockwise from north (+y)"),
        Attr("cover_sp", "", "cloud cover, 0 to 1", writable="setpoint"),
        Attr("wind_m_s_sp", "m/s", "wind speed", writable="setpoint"),
        Attr("wind_from_deg_sp", "deg", "direction the wind comes from", writable="setpoint"),
        Attr("ambient_offset_k_sp", "K", "added to the ambient temperature", writable="setpoint"),
        Attr(
            "front_start_s_sp", "s", "simulated time at which a front sets out; < 0 none", writable="setpoint"
        ),
        Attr("drift_x_m", "m", "way of the clouds to the east"),
        Attr("drift_y_m", "m", "way of the clouds to the north"),
        Attr("front_m", "m", "way of the front since it set out"),
        Attr("front_x", "", "direction of the front: eastward part"),
        Attr("front_y", "", "direction of the front: northward part"),
        Attr("front_start_s", "s", "start of the front in force; < 0 none"),
    ),
)
class Weather:
    """Weather of the whole station."""

    cover: float = param(default=0.0, unit="", doc="initial cloud cover", ge=0, le=1)
    m_per_unit: float = param(default=200.0, unit="m", doc="size of a unit of bus coordinates", gt=0, le=1e6)
    wind_m_s: float = param(default=8.0, unit="m/s", doc="initial wind speed at cloud height", ge=0, le=60)
    wind_from_deg: float = param(default=270.0, unit="deg", doc="initial wind direction", ge=0, le=360)
    cloud_m: float = param(default=1500.0, unit="m", doc="size of the largest clouds", ge=50, le=50e3)
    cloud_life_s: float = param(
        default=1200.0, unit="s", doc="time in which a cloud changes", ge=30, le=86400
    )
    thick: float = param(default=0.25, unit="", doc="clearness under the thick of a cloud", ge=0, le=1)
    edge: float = param(default=0.05, unit="", doc="gain of irradiance at cloud edges", ge=0, le=0.1)
    front_distance_m: float = param(default=5e3, unit="m", doc="start of a front upwind", ge=0, le=200e3)
    front_width_m: float = param(default=500.0, unit="m", doc="from clear to overcast", ge=1, le=50e3)
    front_depth_m: float = param(default=10e3, unit="m", doc="length along the wind", ge=100, le=1e6)
    front_cover: float = param(default=1.0, unit="", doc="cloud cover behind the front", ge=0, le=1)


@kernel
def init(p, s):  # type: ignore[no-untyped-def]
    """Set the setpoints from the parameters."""
    for i in range(s.shape[0]):
        s["cover_sp"][i] = s["cover"][i] = p["cover"][i]
        s["wind_m_s_sp"][i] = s["wind_m_s"][i] = p["wind_m_s"][i]
        s["wind_from_deg_sp"][i] = s["wind_from_deg"][i] = p["wind_from_deg"][i]
        s["ambient_offset_k_sp"][i] = 0.0
        s["front_start_s_sp"][i] = s["front_start_s"][i] = -1.0


@kernel
def step(p, s, poa, ambient, row, next_row, fraction, t_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance the weather to the simulated time ``t_s``.

    Parameters
    ----------
    p, s : Weather rows, shape (1,)
    poa, ambient : float64[n_t]
        Prepared rows [W/m2], [degC]; ``row`` and ``next_row`` are mixed by ``fraction``.
    t_s, dt_s : float
        Simulated time since the start, at the end of this step, and its length [s].
    """
    offset = within(s["ambient_offset_k_sp"][0], -60.0, 60.0, 0.0)
    s["ambient_degc"][0] = ambient[row] + fraction * (ambient[next_row] - ambient[row]) + offset
    s["poa_clear_w_m2"][0] = max(poa[row] + fraction * (poa[next_row] - poa[row]), 0.0)
    s["cover"][0] = within(s["cover_sp"][0], 0.0, 1.0, s["cover"][0])
    wind = s["wind_m_s"][0] = within(s["wind_m_s_sp"][0], 0.0, 100.0, s["wind_m_s"][0])
    come_from = s["wind_from_deg"][0] = within(s["wind_from_deg_sp"][0], -360.0, 720.0, s["wind_from_deg"][0])
    east, north = -math.sin(math.radians(come_from)), -math.cos(math.radians(come_from))
    s["drift_x_m"][0] += wind * east * dt_s
    s["drift_y_m"][0] += wind * north * dt_s
    start = within(s["front_start_s_sp"][0], -1.0, 1e12, -1.0)
    if start != s["front_start_s"][0]:
        s["front_start_s"][0], s["front_m"][0] = start, 0.0
        s["front_x"][0], s["front_y"][0] = east, north
    if start >= 0.0:
        if s["front_m"][0] == 0.0:  # it takes the direction of the wind as it sets out
            s["front_x"][0], s["front_y"][0] = east, north
        s["front_m"][0] += wind * min(max(t_s - start, 0.0), dt_s)
