"""Mechanism of a breaker: travel with scatter, its auxiliary contacts, the closing spring.

``move_s`` is the time left until the last auxiliary contact has changed. On an axis of it, for an
opening (closing: 52b leaves first, 52a comes last):

    start       52a opens    pole parts ...   last pole parts     52b makes
    travel+offset  first_s     offset+lead       offset               0

``lead`` is what a pole of a per-pole mechanism is ahead of the slowest one; a three-pole mechanism
moves them together. A slow opening spends its extra time between 52a and the parting, where
``00`` of the two contacts shows it.
"""

from __future__ import annotations

import math

import numpy as np

from rtcore.jit import kernel
from rtcore.noise import mix64, step_key

OPEN, CLOSED, OPENING, CLOSING = 0.0, 1.0, 2.0, 3.0
EPS_S = 1e-9
"""Far below any step, above the rounding of a sum of them."""
EXTRA_MAX_S = 60.0
STEPS_OF_16_BITS = 65535.0


@kernel
def scatter(key, row, draw):  # type: ignore[no-untyped-def]
    """Deviate of mean 0, variance 1 that never exceeds 2 sqrt(3): the sum of four uniform ones.

    A pure function of the key, the breaker and the number of its draw.
    """
    z = mix64(step_key(key, row) + np.uint64(draw + 1) * np.uint64(0xD1342543DE82EF95))
    total = 0.0
    for _ in range(4):
        total += np.float64(z & np.uint64(0xFFFF))
        z >>= np.uint64(16)
    return math.sqrt(3.0) * (total / STEPS_OF_16_BITS - 2.0)


@kernel
def _scatter_s(p, s, i, pole, key):  # type: ignore[no-untyped-def]
    """What the present movement of a pole takes longer than the nominal time."""
    if p["scatter_s"][i] == 0.0:
        return 0.0
    nth_pole = pole if p["is_per_pole"][i] != 0.0 else 0
    draw = np.int64(s["moves"][i]) * 4 + nth_pole
    return p["scatter_s"][i] * scatter(key, i, draw)


@kernel
def lead_s(p, s, i, pole, units, key):  # type: ignore[no-untyped-def]
    """How much earlier than the slowest pole this one moves in the present movement."""
    if p["is_per_pole"][i] == 0.0 or p["scatter_s"][i] == 0.0:
        return 0.0
    return slowest_s(p, s, i, units, key) - _scatter_s(p, s, i, pole, key)


@kernel
def slowest_s(p, s, i, units, key):  # type: ignore[no-untyped-def]
    """Scatter of the slowest pole in the present movement."""
    most = -1.0e9
    for k in range(units.shape[1]):
        if units[i, k] >= 0:
            most = max(most, _scatter_s(p, s, i, k, key))
    return most if most > -1.0e9 else 0.0


@kernel
def begin(p, s, i, state, units, key):  # type: ignore[no-untyped-def]
    """Start to open or to close (``state`` OPENING or CLOSING)."""
    s["state"][i] = state
    s["moves"][i] += 1.0
    nominal_s = p["open_time_s"][i] if state == OPENING else p["close_time_s"][i]
    late_s = slowest_s(p, s, i, units, key)
    spread_s = 0.0
    for k in range(units.shape[1]):
        if units[i, k] >= 0:
            spread_s = max(spread_s, lead_s(p, s, i, k, units, key))
    extra_s = _extra_s(s["slow_s_sp"][i]) if state == OPENING else 0.0
    offset_s = p["aux_offset_s"][i]
    s["move_s"][i] = max(nominal_s + late_s, 0.5 * nominal_s) + extra_s + offset_s
    s["first_s"][i] = min(2.0 * offset_s + spread_s + extra_s, s["move_s"][i])


@kernel
def _extra_s(wanted_s):  # type: ignore[no-untyped-def]
    return min(wanted_s, EXTRA_MAX_S) if wanted_s > 0.0 else 0.0


@kernel
def travel_left_s(p, s, i):  # type: ignore[no-untyped-def]
    """Time until the main contacts of the slowest pole part or touch; negative: since then."""
    return s["move_s"][i] - p["aux_offset_s"][i]


@kernel
def turn_first_contact(s, i, elapsed_s, dt_s):  # type: ignore[no-untyped-def]
    """52a leaves on the way to open, 52b on the way to closed."""
    past_s = s["first_s"][i] - s["move_s"][i]
    if past_s < -EPS_S:
        return
    if s["state"][i] == OPENING and s["is_52a"][i] != 0.0:
        s["is_52a"][i] = 0.0
    elif s["state"][i] == CLOSING and s["is_52b"][i] != 0.0:
        s["is_52b"][i] = 0.0
    else:
        return
    s["moved_ago_s"][i] = min(max(past_s, 0.0), elapsed_s, dt_s)


@kernel
def turn_last_contact(s, i, is_opening, is_complete, dt_s):  # type: ignore[no-untyped-def]
    """52b comes at the end of an opening, 52a of a closing; poles of their own must all have moved."""
    if s["move_s"][i] > EPS_S or not is_complete:
        return
    if is_opening and s["is_52b"][i] == 0.0:
        s["is_52b"][i] = 1.0
    elif not is_opening and s["is_52a"][i] == 0.0:
        s["is_52a"][i] = 1.0
    else:
        return
    s["moved_ago_s"][i] = min(max(-s["move_s"][i], 0.0), dt_s)


@kernel
def release_spring(p, s, i, elapsed_s):  # type: ignore[no-untyped-def]
    """Spend the closing spring; the motor winds it from now on, if it runs."""
    has_run_s = elapsed_s if s["fail_motor_sp"][i] == 0.0 else 0.0
    s["spring_left_s"][i] = max(p["spring_charge_s"][i] - has_run_s, 0.0)


@kernel
def wind_spring(s, i, dt_s):  # type: ignore[no-untyped-def]
    """Wind the closing spring for a step."""
    if s["spring_left_s"][i] > 0.0 and s["fail_motor_sp"][i] == 0.0:
        left_s = s["spring_left_s"][i] - dt_s
        s["spring_left_s"][i] = left_s if left_s > EPS_S else 0.0
