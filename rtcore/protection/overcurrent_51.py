"""Time overcurrent (ANSI 51): inverse time by curve, or definite time, with its reset.

IEEE C37.112-2018, integral form; ``fraction`` is the travel of the disc:

    M > 1                 d fraction / dt = 1 / t(M),  trip at 1      t = max(curve + delay, minimum)
    M <= reset ratio      instant    fraction = 0
                          definite   fraction is held for the reset delay, then 0
                          dependent  d fraction / dt = -1 / tr(M)
    between               pickup, travel and output hold

M is constant between changes of the network, so travel is a straight line between them: the step is
split where the network changed, and the crossing of 1 is interpolated; both are exact. Who does not
tell of a change inside a step pays up to dt (t(M_new) / t(M_old) - 1) of operating time. Reset starts
from wherever the disc is, after a trip, too (IEC 60255-151 knows a variant in which a trip puts
it back to the start; from memory: verify).
"""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.protection.curves import CURVES, operate_s, reset_s
from rtcore.protection.element import ELEMENT, TINY_S, set_operated, set_pickup
from rtcore.protection.quantities import CURRENTS, PHASE, current_a

INSTANT, DEFINITE, DEPENDENT = 0.0, 1.0, 2.0
RESETS = {"instant": INSTANT, "definite": DEFINITE, "dependent": DEPENDENT}

ROUNDING_S = 1e-12
"""A sum of steps may fall short of the operating time by rounding."""


@component(
    "overcurrent_51",
    attrs=(
        *ELEMENT,
        Attr("quantity_a", "A", "current it looks at; 0 while it is blocked"),
        Attr("reset_timer_s", "s", "definite reset: time since the dropout"),
    ),
    settings=True,
)
class Overcurrent51:
    """Time overcurrent element."""

    is_enabled: float = param(default=1.0, unit="", doc="1: in service", ge=0, le=1)
    quantity: float = param(default=PHASE, unit="", doc="current it looks at", choices=CURRENTS)
    pickup_a: float = param(default=600.0, unit="A", doc="pickup, primary", ge=0.1, le=1e6)
    curve: float = param(
        default=CURVES["iec_si_a"], unit="", doc="curve, dt is definite time", choices=CURVES
    )
    time_dial: float = param(default=0.1, unit="", doc="time multiplier or time dial", ge=0.01, le=100)
    delay_s: float = param(
        default=0.0, unit="s", doc="definite time; on the other curves added to them", ge=0, le=3600
    )
    minimum_s: float = param(default=0.0, unit="s", doc="the operating time is at least", ge=0, le=60)
    m_cap: float = param(default=30.0, unit="", doc="curve is flat beyond this M", ge=2, le=1000)
    reset: float = param(default=INSTANT, unit="", doc="reset characteristic", choices=RESETS)
    reset_delay_s: float = param(default=0.0, unit="s", doc="definite reset: held for", ge=0, le=3600)
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
def time_s(p, i, m):  # type: ignore[no-untyped-def]
    """Operating time of element ``i`` at a constant multiple of its pickup [s]."""
    of_curve = operate_s(p["curve"][i], m, p["time_dial"][i], p["m_cap"][i])
    return max(of_curve + p["delay_s"][i], p["minimum_s"][i])


@kernel
def _travel(p, s, i, m, part_s, end_ago_s):  # type: ignore[no-untyped-def]
    """Advance one element towards its trip by a part of the step that ends ``end_ago_s`` before its end."""
    set_pickup(s, i, True, end_ago_s + part_s)
    s["reset_timer_s"][i] = 0.0
    if s["is_operated"][i] != 0.0:
        return
    whole_s = time_s(p, i, m)
    need_s = (1.0 - s["fraction"][i]) * whole_s
    if need_s <= part_s + ROUNDING_S:
        s["fraction"][i] = 1.0
        set_operated(s, i, True, end_ago_s + max(part_s - need_s, 0.0))
        return
    further = s["fraction"][i] + part_s / whole_s
    if further <= 1.0:  # not for settings that are not numbers
        s["fraction"][i] = further


@kernel
def _fall_back(p, s, i, m, part_s, end_ago_s):  # type: ignore[no-untyped-def]
    """Drop out, and reset one element by a part of the step."""
    set_pickup(s, i, False, end_ago_s + part_s)
    set_operated(s, i, False, end_ago_s + part_s)
    if s["fraction"][i] == 0.0:
        return
    left = 0.0
    if p["reset"][i] == DEPENDENT:
        left = s["fraction"][i] - part_s / max(reset_s(p["curve"][i], m, p["time_dial"][i]), TINY_S)
    elif p["reset"][i] == DEFINITE:
        s["reset_timer_s"][i] += part_s
        if s["reset_timer_s"][i] < p["reset_delay_s"][i] - ROUNDING_S:
            left = s["fraction"][i]
    s["fraction"][i] = left if left > 0.0 else 0.0


@kernel
def _advance(p, s, i, current_a, part_s, end_ago_s):  # type: ignore[no-untyped-def]
    """Advance one element by a part of the step with a constant current."""
    m = current_a / p["pickup_a"][i]
    if m > 1.0:
        _travel(p, s, i, m, part_s, end_ago_s)
    elif m <= p["reset_ratio"][i]:
        _fall_back(p, s, i, m, part_s, end_ago_s)


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
        0 blocks an element: it resets as if there were no current.
    change_ago_s : float
        How long before the end of the step the network last changed; ``dt_s`` when it did not.
    """
    for e in range(s.shape[0]):
        if p["is_enabled"][e] == 0.0 or is_permitted[e] == 0.0:
            before_a = now_a = 0.0
        else:
            before_a, now_a = s["quantity_a"][e], current_a(p["quantity"][e], i, i_seq, of[e])
        s["quantity_a"][e] = now_a
        if s["is_pickup"][e] == 0.0 and s["fraction"][e] == 0.0 and now_a <= p["pickup_a"][e]:
            continue
        was_operated = s["is_operated"][e]
        if change_ago_s < dt_s:
            _advance(p, s, e, before_a, dt_s - change_ago_s, change_ago_s)
        # A trip just before the current went away lasts to the end of the step, for the relay to see it.
        if was_operated != 0.0 or s["is_operated"][e] == 0.0:
            _advance(p, s, e, now_a, change_ago_s, 0.0)
