"""Synchronism check (ANSI 25) of every breaker: may it close?

Two live sides of different islands may be joined only inside the window of voltage, slip and
angle; the angle is that at which the contacts will make, ``close_time_s`` ahead at the present
slip. Sides of one island (a loop), a dead line or a dead bus may be closed. A side that a source
feeds is not dead, however low its voltage (a black start that still rises, a fault): between
dead and live nothing is permitted.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.phasor import TWO_PI, positive_sequence, wrap


@component(
    "sync_check",
    attrs=(
        Attr("is_permitted", "", "1 when the breaker may be closed"),
        Attr("dv_pu", "pu", "voltage of side 2 less that of side 1"),
        Attr("df_hz", "Hz", "frequency of side 2 less that of side 1"),
        Attr("dangle_deg", "deg", "angle of side 2 ahead of side 1"),
        Attr("v1_pu", "pu", "voltage of side 1"),
        Attr("v2_pu", "pu", "voltage of side 2"),
        Attr("f1_hz", "Hz", "frequency of side 1"),
        Attr("f2_hz", "Hz", "frequency of side 2"),
    ),
)
class SyncCheck:
    """Window of one breaker."""

    dv_max_pu: float = param(default=0.05, unit="pu", doc="largest voltage difference", gt=0, le=0.5)
    df_max_hz: float = param(default=0.1, unit="Hz", doc="largest slip", gt=0, le=2)
    angle_max_deg: float = param(
        default=10.0, unit="deg", doc="largest angle when contacts make", gt=0, le=60
    )
    close_time_s: float = param(default=0.06, unit="s", doc="closing time to allow for", ge=0, le=1)
    v_live_pu: float = param(default=0.5, unit="pu", doc="a side counts as live above this", gt=0, le=1)


@kernel
def advance_deg(slip_hz, close_time_s):  # type: ignore[no-untyped-def]
    """Angle that slips by while the contacts travel [deg]."""
    return 360.0 * slip_hz * close_time_s


@kernel
def _first_live(side, i, owner):  # type: ignore[no-untyped-def]
    """First node of a side that an EMF reaches, any node of it when none does: one live phase is live."""
    there = -1
    for k in range(3):
        node = side[i, k]
        if node >= 0:
            there = node
            if owner[node] >= 0:
                return node
    return there


@kernel
def check(p, s, side1, side2, v, base_v, owner, emf_f_hz):  # type: ignore[no-untyped-def]
    """Judge every breaker.

    Parameters
    ----------
    side1, side2 : int32[n, 3]
        Nodes of the phases on either side, -1 where there is none.
    base_v : float64[n_nodes]
        Line-to-neutral base of every node [V].
    owner : int32[n_nodes]
        First EMF of each node's island, -1 dead.
    """
    for i in range(s.shape[0]):
        a, b = _first_live(side1, i, owner), _first_live(side2, i, owner)
        u1, u2 = positive_sequence(v, side1[i]) / base_v[a], positive_sequence(v, side2[i]) / base_v[b]
        k1, k2 = owner[a], owner[b]
        s["v1_pu"][i], s["v2_pu"][i] = abs(u1), abs(u2)
        s["f1_hz"][i] = emf_f_hz[k1] if k1 >= 0 else 0.0
        s["f2_hz"][i] = emf_f_hz[k2] if k2 >= 0 else 0.0
        if k1 < 0 or k2 < 0:
            s["dv_pu"][i] = s["df_hz"][i] = s["dangle_deg"][i] = 0.0
            s["is_permitted"][i] = 1.0
            continue
        s["dv_pu"][i] = abs(u2) - abs(u1)
        s["df_hz"][i] = s["f2_hz"][i] - s["f1_hz"][i]
        s["dangle_deg"][i] = math.degrees(wrap(math.atan2(u2.imag, u2.real) - math.atan2(u1.imag, u1.real)))
        ahead = s["dangle_deg"][i] + advance_deg(s["df_hz"][i], p["close_time_s"][i])
        ahead = math.degrees(wrap(ahead * TWO_PI / 360.0))
        fits = min(abs(u1), abs(u2)) > p["v_live_pu"][i] and abs(s["dv_pu"][i]) <= p["dv_max_pu"][i]
        fits = fits and abs(s["df_hz"][i]) <= p["df_max_hz"][i]
        fits = fits and abs(ahead) <= p["angle_max_deg"][i]
        s["is_permitted"][i] = 1.0 if k1 == k2 or fits else 0.0
