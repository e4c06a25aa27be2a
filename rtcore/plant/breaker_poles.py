"""Main contacts of a breaker: a parted pole conducts until its current passes through zero.

The phasor frame turns at nominal frequency, so a pole's current is ``sqrt(2) |I| cos(w0 t + arg I)``
with the phasor of the last solution; its zeros are half a period apart. Below the chopping level
the arc goes out at once. At closing the gap may strike ahead of the touch of the contacts. When a
pole has interrupted, the currents of the others change with the next solution, not before: with
steps beyond a quarter of a period two poles that should wait for each other do not.
"""

from __future__ import annotations

import math

from rtcore.jit import kernel
from rtcore.plant.breaker_mechanism import CLOSED, CLOSING, EPS_S, lead_s, travel_left_s
from rtcore.plant.breaker_wear import add_energy, add_wear

CURRENT_MAX_A = 1.0e9
STILL = -1.0
"""Instead of a time: nothing has happened."""


@kernel
def is_made(units, unit, i, k):  # type: ignore[no-untyped-def]
    """Whether there is such a pole and it conducts."""
    return units[i, k] >= 0 and unit[units[i, k], 0] != 0.0


@kernel
def is_left_behind(s, units, unit, i):  # type: ignore[no-untyped-def]
    """Whether the pole that does not follow the mechanism is where the others are not."""
    k = stuck_pole(s, i)
    is_to_be_made = s["state"][i] in (CLOSED, CLOSING)
    return k >= 0 and units[i, k] >= 0 and is_made(units, unit, i, k) != is_to_be_made


@kernel
def stuck_pole(s, i):  # type: ignore[no-untyped-def]
    """Index of the pole that does not move, -1 for none."""
    which = s["stuck_pole_sp"][i]
    return int(which) - 1 if 1.0 <= which <= 3.0 else -1


@kernel
def has_made_pole(s, units, unit, i, with_stuck):  # type: ignore[no-untyped-def]
    """Whether a pole conducts, the stuck one ``with_stuck`` or left out."""
    for k in range(units.shape[1]):
        if is_made(units, unit, i, k) and (with_stuck or k != stuck_pole(s, i)):
            return True
    return False


@kernel
def part(p, s, i, units, unit, i_pole, change, key, t_s, w0_rad_s, dt_s):  # type: ignore[no-untyped-def]
    """Let parted poles interrupt; returns how many did."""
    n = 0
    for k in range(units.shape[1]):
        left_s = travel_left_s(p, s, i)
        if not is_made(units, unit, i, k) or k == stuck_pole(s, i):
            continue
        since_s = lead_s(p, s, i, k, units, key) - left_s
        if since_s < -EPS_S:
            continue
        since_s = min(max(since_s, 0.0), dt_s)
        amp_a = abs(i_pole[i, k])
        if not amp_a < CURRENT_MAX_A:  # none of this world
            amp_a = 0.0
        ago_s = since_s
        if p["has_arc"][i] != 0.0 and amp_a > p["chop_a"][i]:
            ago_s = zero_ago_s(i_pole[i, k], since_s, t_s, w0_rad_s)
            add_energy(s, i, k, amp_a, since_s - max(ago_s, 0.0))
        if ago_s == STILL:
            continue
        unit[units[i, k], 0] = 0.0
        add_wear(p, s, i, k, amp_a)
        change[0] = max(change[0], ago_s)
        n += 1
    return n


@kernel
def zero_ago_s(i, since_s, t_s, w0_rad_s):  # type: ignore[no-untyped-def]
    """How long before t a current first passed through zero after ``t - since_s``; ``STILL`` if not yet."""
    to_go = 0.5 * math.pi - w0_rad_s * (t_s - since_s) - math.atan2(i.imag, i.real)
    to_go_s = (to_go - math.pi * math.floor(to_go / math.pi)) / w0_rad_s
    if not math.isfinite(to_go_s):  # a frame that stands still has no zeros
        return since_s
    return max(since_s - to_go_s, 0.0) if to_go_s <= since_s + EPS_S else STILL


@kernel
def make(p, s, i, units, unit, change, key, dt_s):  # type: ignore[no-untyped-def]
    """Let poles touch, or strike ahead of that; returns how many did."""
    n = 0
    for k in range(units.shape[1]):
        if units[i, k] < 0 or is_made(units, unit, i, k) or k == stuck_pole(s, i):
            continue
        past_s = lead_s(p, s, i, k, units, key) + p["prearc_s"][i] - travel_left_s(p, s, i)
        if past_s < -EPS_S:
            continue
        unit[units[i, k], 0] = 1.0
        change[0] = max(change[0], min(max(past_s, 0.0), dt_s))
        n += 1
    return n
