"""Rate of change of frequency (ANSI 81R), IEC 60255-181.

The rate is the least-squares slope of the relay's frequency over a sliding window, with N means f_k a
time h apart::

    slope = 12 sum (k - (N - 1) / 2) f_k / (h N (N^2 - 1))

exact for a ramp. The element picks up when the slope has been beyond its level for ``windows`` windows
without a break, two at least: a disturbance shorter than that, a vector shift say, is none. Without
frequency or voltage, and when the window is set anew, the samples are dropped and the window fills
again. Samples are kept by row in an array beside the states, see ``samples_for``; a sample is the mean
of as many steps as make the window fit into it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.protection.element import ELEMENT, definite_time
from rtcore.protection.frequency_81 import can_measure

ABSOLUTE, RISING, FALLING = 0.0, 1.0, 2.0
DIRECTIONS = {"absolute": ABSOLUTE, "rising": RISING, "falling": FALLING}
WINDOW_MAX_S = 0.5
SAMPLES_MAX = 64
ROUNDING_S = 1e-9
"""A sum of steps may fall short of whole windows by rounding."""


@component(
    "rocof_81r",
    attrs=(
        *ELEMENT,
        Attr("slope_hz_s", "Hz/s", "rate of change of frequency; 0 until the window is full"),
        Attr("is_blocked", "", "1 while voltage or frequency cannot be used"),
        Attr("is_beyond", "", "1 while the slope is beyond its level"),
        Attr("beyond_s", "s", "time since then"),
        Attr("timer_s", "s", "time since the pickup"),
        Attr("window_steps", "", "steps of the window that the samples are for"),
        Attr("every", "", "steps of a sample"),
        Attr("count", "", "samples of the window"),
        Attr("filled", "", "samples that there are"),
        Attr("head", "", "place of the next one"),
        Attr("summed", "", "steps in the next one"),
        Attr("sum_hz", "Hz", "their sum"),
    ),
    settings=True,
)
class Rocof81r:
    """Rate-of-change-of-frequency element."""

    is_enabled: float = param(default=1.0, unit="", doc="1: in service", ge=0, le=1)
    direction: float = param(default="absolute", unit="", doc="slopes that count", choices=DIRECTIONS)
    rocof_hz_s: float = param(default=1.0, unit="Hz/s", doc="pickup", ge=0.05, le=50)
    hysteresis_pct: float = param(default=5.0, unit="%", doc="dropout below the pickup by", ge=0, le=50)
    window_s: float = param(default=0.1, unit="s", doc="window of the slope", ge=0.1, le=WINDOW_MAX_S)
    windows: float = param(default=2.0, unit="", doc="windows beyond the level to pick up", ge=2, le=20)
    delay_s: float = param(default=0.0, unit="s", doc="pickup to operation", ge=0, le=3600)
    v_block_pu: float = param(
        default=0.5, unit="pu", doc="blocked below this positive-sequence voltage", ge=0, le=1
    )


def samples_for(n: int, dt_s: float) -> npt.NDArray[np.float64]:
    """Return room for the samples of ``n`` elements, shape (n, m): any window, at this step."""
    return np.zeros((n, min(SAMPLES_MAX, math.ceil(WINDOW_MAX_S / dt_s - 1e-9) + 1)))


@kernel
def plan(window_steps, m):  # type: ignore[no-untyped-def]
    """Steps of a sample, and samples of a window, that fit into ``m`` places."""
    every = max(math.ceil(window_steps / (m - 1) - 1e-9), 1.0)
    count = min(max(math.floor(window_steps / every + 0.5) + 1.0, 2.0), float(m))
    return every, count


@kernel
def slope_hz_s(samples, row, head, count, h_s):  # type: ignore[no-untyped-def]
    """Least-squares slope of ``count`` samples, the oldest at ``head`` [Hz/s]."""
    total, middle = 0.0, 0.5 * (count - 1)
    for k in range(head, count):
        total += (k - head - middle) * samples[row, k]
    for k in range(head):
        total += (k - head + count - middle) * samples[row, k]
    return 12.0 * total / (h_s * count * (count * count - 1.0))


@kernel
def _empty(s, e):  # type: ignore[no-untyped-def]
    s["filled"][e] = s["head"][e] = s["summed"][e] = s["sum_hz"][e] = 0.0
    s["slope_hz_s"][e] = s["is_beyond"][e] = s["beyond_s"][e] = 0.0


@kernel
def _take(s, e, samples, f_hz, dt_s):  # type: ignore[no-untyped-def]
    """Take the frequency of one step; returns whether there is a new slope."""
    t = s[e]
    t["sum_hz"] += f_hz
    t["summed"] += 1.0
    if t["summed"] < t["every"]:
        return False
    count, head = int(t["count"]), int(t["head"])
    samples[e, head] = t["sum_hz"] / t["every"]
    head = (head + 1) % count
    t["head"], t["sum_hz"], t["summed"] = head, 0.0, 0.0
    t["filled"] = min(t["filled"] + 1.0, t["count"])
    if t["filled"] < t["count"]:
        return False
    t["slope_hz_s"] = slope_hz_s(samples, e, head, count, dt_s * t["every"])
    return True


@kernel
def _judge(p, s, e):  # type: ignore[no-untyped-def]
    """Compare a new slope with its level."""
    slope, direction = s["slope_hz_s"][e], p["direction"][e]
    steepness = abs(slope) if direction == ABSOLUTE else (slope if direction == RISING else -slope)
    level = p["rocof_hz_s"][e]
    if s["is_beyond"][e] != 0.0:
        level *= 1.0 - 0.01 * p["hysteresis_pct"][e]
    s["is_beyond"][e] = 1.0 if steepness > level else 0.0


@kernel
def step(p, s, of, v_seq, v_base_v, f_hz, is_f_valid, samples, is_permitted, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance every element.

    Parameters
    ----------
    of, v_seq, v_base_v, f_hz, is_f_valid, is_permitted, change_ago_s
        As ``frequency_81.step`` has them.
    samples : float64[n, m]
        Work array of ``samples_for``; no other rows may use it.
    """
    for e in range(s.shape[0]):
        q, t = p[e], s[e]
        is_served = q["is_enabled"] != 0.0 and is_permitted[e] != 0.0
        is_usable = can_measure(v_seq, v_base_v, f_hz, is_f_valid, q["v_block_pu"], of[e])
        t["is_blocked"] = 0.0 if is_usable else 1.0
        if not (is_usable and is_served):
            _empty(s, e)
            definite_time(s, e, False, 0.0, change_ago_s, dt_s)
            continue
        window_steps = q["window_s"] / dt_s
        if t["window_steps"] != window_steps:
            _empty(s, e)
            t["window_steps"] = window_steps
            t["every"], t["count"] = plan(window_steps, samples.shape[1])
        t["beyond_s"] = t["beyond_s"] + dt_s if t["is_beyond"] != 0.0 else 0.0
        if _take(s, e, samples, f_hz[of[e]], dt_s):
            _judge(p, s, e)
        past_s = t["beyond_s"] - q["windows"] * q["window_s"]
        is_confirmed = t["is_beyond"] != 0.0 and past_s >= -ROUNDING_S
        ago_s = min(max(past_s, 0.0), dt_s) if is_confirmed else 0.0
        definite_time(s, e, is_confirmed, q["delay_s"], ago_s, dt_s)
