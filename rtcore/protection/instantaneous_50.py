"""Instantaneous and definite-time overcurrent (ANSI 50).

A comparator with hysteresis and a timer. A real relay needs 20 to 40 ms for its filter and
comparator (ABB REF615 manual: PHIPTOC starts in 11 to 23 ms), which ``minimum_s`` stands for. Phasors
hold no DC offset, so there is no transient overreach.
"""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.protection.element import ELEMENT, definite_time
from rtcore.protection.quantities import CURRENTS, PHASE, current_a


@component(
    "instantaneous_50",
    attrs=(
        *ELEMENT,
        Attr("quantity_a", "A", "current it looks at; 0 while it is blocked"),
        Attr("timer_s", "s", "time since the pickup"),
    ),
    settings=True,
)
class Instantaneous50:
    """Instantaneous overcurrent element."""

    is_enabled: float = param(default=1.0, unit="", doc="1: in service", ge=0, le=1)
    quantity: float = param(default=PHASE, unit="", doc="current it looks at", choices=CURRENTS)
    pickup_a: float = param(default=3000.0, unit="A", doc="pickup, primary", ge=0.1, le=1e6)
    delay_s: float = param(default=0.0, unit="s", doc="pickup to operation", ge=0, le=3600)
    minimum_s: float = param(
        default=0.02,
        unit="s",
        doc="the operating time is at least",
        source="ABB: 20 to 40 ms",
        ge=0,
        le=1,
    )
    reset_ratio: float = param(default=0.95, unit="", doc="dropout over pickup", ge=0.1, le=1)
    shots: float = param(
        default=31.0,
        unit="",
        is_whole=True,
        doc="recloser shots 0..4 it serves in: bits 0..4, 31 all",
        ge=0,
        le=31,
    )


@kernel
def _is_beyond(p, s, e, now_a, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Is the current beyond the pickup, or was it until the timer ran out inside this step?"""
    if now_a > p["pickup_a"][e]:
        return True
    if s["is_pickup"][e] == 0.0:
        return False
    if now_a > p["reset_ratio"][e] * p["pickup_a"][e]:
        return True
    until_change_s = s["timer_s"][e] + dt_s - change_ago_s
    return s["is_operated"][e] == 0.0 and until_change_s >= max(p["delay_s"][e], p["minimum_s"][e])


@kernel
def step(p, s, of, i, i_seq, is_permitted, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance every element.

    Parameters
    ----------
    of : int32[n]
        Relay of each element.
    i, i_seq : complex128[n_relays, 3]
        Phase currents and their zero, positive, negative sequence [A].
    is_permitted : float64[n]
        0 blocks an element: it drops out.
    change_ago_s : float
        How long before the end of the step the network last changed; ``dt_s`` when it did not.
    """
    for e in range(s.shape[0]):
        is_served = p["is_enabled"][e] != 0.0 and is_permitted[e] != 0.0
        now_a = current_a(p["quantity"][e], i, i_seq, of[e]) if is_served else 0.0
        s["quantity_a"][e] = now_a
        if s["is_pickup"][e] == 0.0 and not now_a > p["pickup_a"][e]:
            continue
        is_beyond = is_served and _is_beyond(p, s, e, now_a, change_ago_s, dt_s)
        definite_time(s, e, is_beyond, max(p["delay_s"][e], p["minimum_s"][e]), change_ago_s, dt_s)
