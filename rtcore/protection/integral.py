"""Timing that elements of different functions share: inverse time, and a delay that ends before a change.

Inverse time is an integral (the form of IEEE C37.112-2018, 4.1, for any quantity)::

    d fraction / dt = 1 / t(quantity)     operation at 1     instant reset

The quantity is constant between changes of the network. The step is split where the network changed,
so the travel is a straight line on either side, and the crossing of 1 is interpolated without error.
"""

from __future__ import annotations

from rtcore.jit import kernel
from rtcore.protection.element import set_operated, set_pickup

ROUNDING_S = 1e-12
"""A sum of steps may fall short of the operating time by rounding."""


@kernel
def ran_out(s, i, delay_s, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Whether a definite timer that runs ends in this step, but before the network changed.

    Such an element operates although its quantity is back at the end of the step; the output lasts to
    the end of the step for the relay to see it.
    """
    if s["is_pickup"][i] == 0.0 or s["is_operated"][i] != 0.0 or change_ago_s >= dt_s:
        return False
    return s["timer_s"][i] + dt_s - change_ago_s >= delay_s - ROUNDING_S


@kernel
def _travel(s, i, time_s, part_s, end_ago_s):  # type: ignore[no-untyped-def]
    """Advance by a part of the step that ends ``end_ago_s`` before its end."""
    if s["is_operated"][i] != 0.0:
        return
    need_s = (1.0 - s["fraction"][i]) * time_s
    if need_s <= part_s + ROUNDING_S:
        s["fraction"][i] = 1.0
        set_operated(s, i, True, end_ago_s + max(part_s - need_s, 0.0))
        return
    further = s["fraction"][i] + part_s / time_s
    if further <= 1.0:  # not for a time that is no number
        s["fraction"][i] = further


@kernel
def inverse_time(s, i, is_beyond, time_before_s, time_s, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance an inverse-time element; operating times at the quantity before and after the change [s]."""
    if s["is_pickup"][i] != 0.0 and change_ago_s < dt_s:
        was_operated = s["is_operated"][i]
        _travel(s, i, time_before_s, dt_s - change_ago_s, change_ago_s)
        if s["is_operated"][i] != was_operated:
            return  # lasts to the end of the step, whatever the change did
    if not is_beyond:
        set_pickup(s, i, False, change_ago_s)
        set_operated(s, i, False, change_ago_s)
        s["fraction"][i] = 0.0
        return
    set_pickup(s, i, True, change_ago_s)
    _travel(s, i, time_s, change_ago_s, 0.0)
