"""What every protection element has: pickup, timer, operation, and when they changed within a step.

A step covers (t - dt, t]; what is measured is the state at its end. An ``ago`` is how long before
that end something happened. The network is constant between its changes, so an element whose
quantity changed with the network at ``change_ago_s`` picks up at that instant, not at the step.
"""

from __future__ import annotations

from rtcore.component import Attr
from rtcore.jit import kernel

ELEMENT = (
    Attr("is_pickup", "", "1 while the quantity is beyond its pickup", stamp="pickup_ago_s"),
    Attr("fraction", "", "share of the operating time that has passed, 0..1"),
    Attr("is_operated", "", "1 while the element asks to trip", stamp="operate_ago_s"),
    Attr("pickup_ago_s", "s", "time from the last change of the pickup to the end of its step"),
    Attr("operate_ago_s", "s", "time from the last change of the output to the end of its step"),
)
"""First attributes of every element."""


TINY_S = 1e-300
"""Keeps a divisor from 0 where the quotient is not used: compilers divide before they ask."""


@kernel
def within(ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Limit an instant to the step; what is not a number happened at its end."""
    if not ago_s > 0.0:
        return 0.0
    return ago_s if ago_s < dt_s else dt_s


@kernel
def set_pickup(s, i, is_beyond, ago_s):  # type: ignore[no-untyped-def]
    """Set the pickup flag; a change happened ``ago_s`` before the end of the step."""
    now = 1.0 if is_beyond else 0.0
    if s["is_pickup"][i] != now:
        s["is_pickup"][i] = now
        s["pickup_ago_s"][i] = ago_s


@kernel
def set_operated(s, i, is_due, ago_s):  # type: ignore[no-untyped-def]
    """Set the output; a change happened ``ago_s`` before the end of the step."""
    now = 1.0 if is_due else 0.0
    if s["is_operated"][i] != now:
        s["is_operated"][i] = now
        s["operate_ago_s"][i] = ago_s


@kernel
def definite_time(s, i, is_beyond, delay_s, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Definite time with instant reset; the row has a ``timer_s`` beside ``ELEMENT``.

    The timer starts when the quantity passes its pickup, ``change_ago_s`` before the end of that
    step, and the output comes on at pickup + ``delay_s``, interpolated within the step.
    """
    if not is_beyond:
        set_pickup(s, i, False, change_ago_s)
        set_operated(s, i, False, change_ago_s)
        s["timer_s"][i] = s["fraction"][i] = 0.0
        return
    s["timer_s"][i] = s["timer_s"][i] + dt_s if s["is_pickup"][i] != 0.0 else change_ago_s
    set_pickup(s, i, True, change_ago_s)
    past_s = s["timer_s"][i] - delay_s
    is_due = past_s >= -1e-12  # a sum of steps may fall short of a whole number of them by rounding
    s["fraction"][i] = 1.0 if is_due or delay_s <= 0.0 else s["timer_s"][i] / max(delay_s, TINY_S)
    set_operated(s, i, is_due, min(max(past_s, 0.0), dt_s))
