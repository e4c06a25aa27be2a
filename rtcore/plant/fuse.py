"""Fuse cutout with one expulsion link per phase: melting integral, total clearing, replacement.

``dM = dt / t_melt(I)`` on the least melting curve, ``dC = dt / t_clear(I)`` on the total-clearing
curve (:mod:`rtcore.plant.fuse_curves`). At M = 1 the link may be gone, at C = 1 its pole opens:
the two bounds that coordination has to respect. A link that has melted does not recover: it opens
when its current falls below melting (somebody else cleared the fault), and at the slowest rate of
its clearing curve between the two bounds. A link that has not melted cools with ``cool_s``.

The current of the last solution held from ``change_before_s`` before the last step's end until the
first change in this one, so a fault is integrated from its instant; a link that would open before
the end of the very step in which its fault began opens one step later.
"""

from __future__ import annotations

import math

from rtcore.commands import Reason
from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.plant.fuse_curves import GREATEST, LEAST, LINKS, clear_s, melt_s, melts_above_a


@component(
    "fuse",
    attrs=(
        Attr("is_blown", "", "1 when a link is blown", stamp="blown_ago_s"),
        Attr("is_blown_a", "", "link of the first phase: 1 blown", stamp="blown_ago_s"),
        Attr("is_blown_b", "", "link of the second phase: 1 blown", stamp="blown_ago_s"),
        Attr("is_blown_c", "", "link of the third phase: 1 blown", stamp="blown_ago_s"),
        Attr("blown_ago_s", "s", "time from the last change of a link to the end of its step"),
        Attr("melt_1", "", "share of melting of the first phase, 0..1; 1 has melted"),
        Attr("melt_2", "", "share of melting of the second phase"),
        Attr("melt_3", "", "share of melting of the third phase"),
        Attr("clear_1", "", "share of total clearing of the first phase, 0..1"),
        Attr("clear_2", "", "share of total clearing of the second phase"),
        Attr("clear_3", "", "share of total clearing of the third phase"),
        Attr("replaced", "", "number of links replaced"),
        Attr(
            "replace",
            "",
            "put new links in for the blown ones",
            writable="pulse",
            interlocks=(("is_blown", Reason.POSITION_REACHED),),
        ),
    ),
)
class Fuse:
    """Links of one type and rating, of up to three phases."""

    link: float = param(default="65K", unit="", doc="rating [A] and type", choices=LINKS)
    cool_s: float = param(default=30.0, unit="s", doc="time constant of cooling", gt=0, le=3600)


@kernel
def step(p, s, units, unit, i_pole, change, change_before_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance every link by one step, after the breakers; returns how many fuses changed the network.

    Parameters
    ----------
    units : int32[n, 3]
        Unit of each phase, -1 where there is none.
    unit : float64[n_units, 3]
        Admittance factors of the network; column 0 is written when a link blows or is replaced.
    i_pole : complex128[n, 3]
        Phase currents of the last solution [A rms].
    change : float64[1]
        Time before the end of this step of the earliest change of the network so far, 0 for none
        [s]; raised to that of the changes made here.
    change_before_s : float
        What ``change`` came to in the step before, 0 when nothing changed.
    """
    changed = 0
    before_s = change_before_s if 0.0 < change_before_s <= dt_s else 0.0
    now_s = min(max(change[0], 0.0), dt_s)
    for i in range(s.shape[0]):
        if s["replace"][i] == 0.0 and _is_idle(s, i, i_pole, melts_above_a(p["link"][i], LEAST)):
            continue
        n = _replace(s, i, units, unit, change, dt_s) if s["replace"][i] != 0.0 else 0
        s["replace"][i] = 0.0
        if n == 0:
            for k in range(units.shape[1]):
                if units[i, k] >= 0 and _blown(s, i, k) == 0.0:
                    n += _burn(p, s, i, k, units, unit, abs(i_pole[i, k]), before_s, now_s, change, dt_s)
        any_blown = s["is_blown_a"][i] + s["is_blown_b"][i] + s["is_blown_c"][i]
        s["is_blown"][i] = 1.0 if any_blown > 0.0 else 0.0
        changed += 1 if n else 0
    return changed


@kernel
def _is_idle(s, i, i_pole, least_a):  # type: ignore[no-untyped-def]
    """Whether all links are whole and cold, with too little current to warm them."""
    if s["is_blown"][i] + s["melt_1"][i] + s["melt_2"][i] + s["melt_3"][i] > 0.0:
        return False
    for k in range(i_pole.shape[1]):
        z = i_pole[i, k]
        if not z.real * z.real + z.imag * z.imag < least_a * least_a:
            return False
    return True


@kernel
def _burn(p, s, i, k, units, unit, i_a, before_s, now_s, change, dt_s):  # type: ignore[no-untyped-def]
    """Advance one link; returns 1 when it opened its phase."""
    link, held_s = p["link"][i], before_s + dt_s - now_s
    melt, clear = _shares(s, i, k)
    least_a = melts_above_a(link, LEAST)
    if not i_a >= least_a:
        if melt >= 1.0:
            return _open(s, i, k, units, unit, change, min(held_s + now_s, dt_s))
        if melt > 0.0 or clear > 0.0:
            still = math.exp(-held_s / p["cool_s"][i])
            melt, clear = melt * still, clear * still
            melt = melt if melt > 1e-9 else 0.0
            _set_shares(s, i, k, melt, clear if melt > 0.0 else 0.0)
        return 0
    melt = min(melt + held_s / melt_s(link, i_a), 1.0)
    slowest_a = melts_above_a(link, GREATEST) if melt >= 1.0 else 0.0
    whole_s = clear_s(link, max(i_a, slowest_a))
    clear += held_s / whole_s
    _set_shares(s, i, k, melt, min(clear, 1.0))
    past_s = (clear - 1.0) * whole_s
    if not past_s >= -1e-9:  # a sum of steps may fall short of the whole by rounding
        return 0
    return _open(s, i, k, units, unit, change, min(max(past_s, 0.0) + now_s, dt_s))


@kernel
def _open(s, i, k, units, unit, change, ago_s):  # type: ignore[no-untyped-def]
    _set_blown(s, i, k, 1.0)
    _set_shares(s, i, k, 1.0, 1.0)
    s["blown_ago_s"][i] = ago_s
    unit[units[i, k], 0] = 0.0
    change[0] = max(change[0], ago_s)
    return 1


@kernel
def _replace(s, i, units, unit, change, dt_s):  # type: ignore[no-untyped-def]
    """Put new links in at the beginning of the step; returns how many."""
    n = 0
    for k in range(units.shape[1]):
        if units[i, k] >= 0 and _blown(s, i, k) != 0.0:
            _set_blown(s, i, k, 0.0)
            _set_shares(s, i, k, 0.0, 0.0)
            unit[units[i, k], 0] = 1.0
            n += 1
    if n:
        s["replaced"][i] += float(n)
        s["blown_ago_s"][i] = dt_s
        change[0] = max(change[0], dt_s)
    return n


@kernel
def _blown(s, i, k):  # type: ignore[no-untyped-def]
    if k == 0:
        return s["is_blown_a"][i]
    return s["is_blown_b"][i] if k == 1 else s["is_blown_c"][i]


@kernel
def _set_blown(s, i, k, value):  # type: ignore[no-untyped-def]
    if k == 0:
        s["is_blown_a"][i] = value
    elif k == 1:
        s["is_blown_b"][i] = value
    else:
        s["is_blown_c"][i] = value


@kernel
def _shares(s, i, k):  # type: ignore[no-untyped-def]
    if k == 0:
        return s["melt_1"][i], s["clear_1"][i]
    if k == 1:
        return s["melt_2"][i], s["clear_2"][i]
    return s["melt_3"][i], s["clear_3"][i]


@kernel
def _set_shares(s, i, k, melt, clear):  # type: ignore[no-untyped-def]
    if k == 0:
        s["melt_1"][i], s["clear_1"][i] = melt, clear
    elif k == 1:
        s["melt_2"][i], s["clear_2"][i] = melt, clear
    else:
        s["melt_3"][i], s["clear_3"][i] = melt, clear
