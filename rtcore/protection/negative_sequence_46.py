"""Negative-sequence current (ANSI 46): definite time, I2^2 t = K, or broken conductor (46BC).

``definite``   I2 above ``i2_pu`` of the rated current for ``delay_s``
``i2t``        t = K / I2^2 with I2 in pu of the rated current: the heat that a machine's rotor bears
               (IEEE C37.102; K is 5 to 40 s; from memory: verify), integrated, so the current may change.
               Above ``i2_pu`` only; below it the heat leaves in ``reset_s`` from full, 0 at once
``broken``     I2 / I1 above ``ratio`` for ``delay_s`` while I1 is above ``i1_min_pu``: an open conductor
               makes I2 / I1 of 1 (isolated star point) or less, whatever the load, where I2 alone is small
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.protection.element import ELEMENT, definite_time
from rtcore.protection.integral import inverse_time, ran_out
from rtcore.protection.quantities import finite_square

DEFINITE, I2T, BROKEN = 0.0, 1.0, 2.0
CHARACTERISTICS = {"definite": DEFINITE, "i2t": I2T, "broken": BROKEN}

NONE_PU = 1e-9
"""A current that heats nothing, and can be divided by."""


TINY_PU = 1e-12


@component(
    "negative_sequence_46",
    attrs=(
        *ELEMENT,
        Attr("i2_pu", "pu", "negative sequence over the rated current; 0 while it is blocked"),
        Attr("ratio", "", "I2 / I1; 0 below the least I1 and while it is blocked"),
        Attr("timer_s", "s", "definite time: time since the pickup"),
    ),
    settings=True,
)
class NegativeSequence46:
    """Negative-sequence element."""

    is_enabled: float = param(default=1.0, unit="", doc="1: in service", ge=0, le=1)
    characteristic: float = param(default="definite", unit="", doc="what it does", choices=CHARACTERISTICS)
    rated_a: float = param(default=400.0, unit="A", doc="rated current, primary", ge=0.1, le=1e6)
    i2_pu: float = param(default=0.15, unit="pu", doc="definite, i2t: pickup of I2", ge=0.01, le=10)
    k_s: float = param(default=10.0, unit="s", doc="i2t: I2^2 t", ge=0.1, le=1000)
    reset_s: float = param(default=0.0, unit="s", doc="i2t: cools from full in; 0 at once", ge=0, le=3600)
    minimum_s: float = param(default=0.0, unit="s", doc="the operating time is at least", ge=0, le=60)
    ratio: float = param(default=0.2, unit="", doc="broken: pickup of I2 / I1", ge=0.05, le=1)
    i1_min_pu: float = param(default=0.1, unit="pu", doc="broken: least I1", ge=0.01, le=1)
    delay_s: float = param(default=2.0, unit="s", doc="definite, broken: delay", ge=0, le=3600)
    reset_ratio: float = param(default=0.95, unit="", doc="dropout over pickup", ge=0.5, le=1)


@kernel
def i2t_s(p, e, i2_pu):  # type: ignore[no-untyped-def]
    """Operating time of element ``e`` at a constant I2 [s]."""
    return max(p["k_s"][e] / (i2_pu * i2_pu), p["minimum_s"][e])


@kernel
def _heat(p, s, e, is_beyond, before_pu, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance the integral; what it holds survives the dropout and cools."""
    was_pickup, held = s["is_pickup"][e] != 0.0, s["fraction"][e]
    before_s, now_s = i2t_s(p, e, before_pu), i2t_s(p, e, max(s["i2_pu"][e], NONE_PU))
    inverse_time(s, e, is_beyond, before_s, now_s, change_ago_s, dt_s)
    if not is_beyond and s["is_operated"][e] == 0.0 and p["reset_s"][e] > 0.0:
        if was_pickup:
            held = min(held + (dt_s - change_ago_s) / before_s, 1.0)
        held -= (change_ago_s if was_pickup else dt_s) / p["reset_s"][e]
        s["fraction"][e] = max(held, 0.0)


@kernel
def step(p, s, of, i_seq, is_permitted, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance every element.

    Parameters
    ----------
    of : int32[n]
        Relay of each element.
    i_seq : complex128[n_relays, 3]
        Zero, positive and negative sequence of the current [A].
    is_permitted : float64[n]
        0 blocks an element: it resets as if there were no current.
    change_ago_s : float
        How long before the end of the step the network last changed; ``dt_s`` when it did not.
    """
    for e in range(s.shape[0]):
        is_served = p["is_enabled"][e] != 0.0 and is_permitted[e] != 0.0
        i1_pu = math.sqrt(finite_square(i_seq[of[e], 1])) / p["rated_a"][e] if is_served else 0.0
        before_pu = s["i2_pu"][e] if is_served else 0.0
        s["i2_pu"][e] = math.sqrt(finite_square(i_seq[of[e], 2])) / p["rated_a"][e] if is_served else 0.0
        # the compiler may divide before it asks: never by 0
        s["ratio"][e] = s["i2_pu"][e] / max(i1_pu, TINY_PU) if i1_pu > p["i1_min_pu"][e] else 0.0
        is_broken = p["characteristic"][e] == BROKEN
        now, level = (s["ratio"][e], p["ratio"][e]) if is_broken else (s["i2_pu"][e], p["i2_pu"][e])
        is_beyond = now > (level if s["is_pickup"][e] == 0.0 else level * p["reset_ratio"][e])
        if not is_beyond and s["is_pickup"][e] == 0.0 and s["fraction"][e] == 0.0:
            continue
        if p["characteristic"][e] == I2T:
            _heat(p, s, e, is_beyond, max(before_pu, NONE_PU), change_ago_s, dt_s)
        else:
            delay_s = max(p["delay_s"][e], p["minimum_s"][e])
            goes_on = is_beyond or (is_served and ran_out(s, e, delay_s, change_ago_s, dt_s))
            definite_time(s, e, goes_on, delay_s, change_ago_s, dt_s)
