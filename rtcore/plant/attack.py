"""Attacks at instruments: slots that each falsify what one point shows; the plant itself goes on.

A slot is set up by its setpoints and applied by a pulse while the station is armed; it ends when it is
cleared or after its duration. It acts on the published value, right after the instrument, so that every
reader of the point sees the same falsehood: masters, recorder, estimator. Controls and relays, which have
instruments of their own, do not. With y the true value, t the time since it was applied:

1 bias y + a; 2 scale a y; 3 ramp y + a t, held at the size b unless b is 0; 4 freeze, value and quality of
the step before; 5 random y + a n, n standard normal, new in every step; 6 dropout, no communication;
7 delay, the value of a seconds ago (until then the first one), exact to a / ``HISTORY`` or a step.

What comes out stays within the point's range; that of a two-state point is rounded to 0 or 1. Points of the
lab itself and of the loop's health cannot be attacked, nor what masters write.
"""

from __future__ import annotations

import math

import numpy as np

from rtcore.commands import Reason
from rtcore.component import Attr, component
from rtcore.jit import kernel
from rtcore.noise import normal
from rtcore.plant.arming import use
from rtcore.quality import Quality

NONE, BIAS, SCALE, RAMP, FREEZE, RANDOM, DROPOUT, DELAY = range(8)
MODES = ("none", "bias", "scale", "ramp", "freeze", "random", "dropout", "delay")
"""Words of the modes; their places are the numbers."""

ACCEPTED, NO_POINT, NOT_OPEN, BAD_MODE, BAD_FIGURES, TAKEN = range(6)

HISTORY = 4096
"""Values that a delay keeps."""
DELAY_MAX_S = 3600.0
TIME_MAX_S = 1e6
BAD_NO_COMMUNICATION = int(Quality.BAD_NO_COMMUNICATION)
BAD_NOT_CONVERGED = int(Quality.BAD_NOT_CONVERGED)


def _setpoint(name: str, unit: str, doc: str) -> Attr:
    return Attr(name, unit, doc, writable="setpoint", role="instructor")


@component(
    "attack",
    attrs=(
        _setpoint("target_sp", "", "number of the point in the station's list, from 1; 0 none"),
        _setpoint("mode_sp", "", ", ".join(f"{k} {word}" for k, word in enumerate(MODES))),
        _setpoint("a_sp", "", "bias, factor, slope per s, sigma or delay [s], in the point's unit"),
        _setpoint("b_sp", "", "ramp: size at which it is held; 0 without end"),
        _setpoint("duration_s_sp", "s", "how long it lasts; 0 until it is cleared"),
        Attr(
            "apply",
            "",
            "begin the attack",
            writable="pulse",
            role="instructor",
            interlocks=(("is_armed", Reason.NOT_ARMED), ("is_possible", Reason.INTERLOCKED)),
        ),
        Attr("clear", "", "end the attack", writable="pulse", role="instructor"),
        Attr("is_armed", "", "1 while the station is armed"),
        Attr("is_active", "", "1 while the point is falsified", stamp="active_ago_s"),
        Attr("active_ago_s", "s", "time from the last change of is_active to the end of its step"),
        Attr("true_value", "", "what the point would have shown in the step before"),
        Attr("left_s", "s", "time until it ends by itself; 0 if it does not"),
        Attr("is_possible", "", "1 when the attack that is set up can be applied"),
        Attr(
            "refusal",
            "",
            "why not: 0 it can, 1 no such point, 2 not a measured point of the plant, 3 mode, 4 figures, "
            "5 another slot is at the point",
        ),
        Attr("target", "", "target, mode and figures in force"),
        Attr("mode", "", "see target"),
        Attr("a", "", "see target"),
        Attr("b", "", "see target"),
        Attr("active_s", "s", "time since it was applied"),
        Attr("held", "", "value that a frozen point keeps"),
        Attr("held_quality", "", "its quality"),
        Attr("steps", "", "steps since it was applied"),
        Attr("stride", "", "steps between two values that a delay keeps"),
        Attr("depth", "", "values that it looks back"),
    ),
)
class Attack:
    """One slot for an attack at an instrument."""


@kernel
def step(s, is_open, is_armed, arming_p, arming, values, quality, dt_s):  # type: ignore[no-untyped-def]
    """Take commands and let attacks end, at the beginning of a step.

    Parameters
    ----------
    s : state rows
    is_open : uint8[n_points]
        Which points may be attacked.
    is_armed : bool
        At the beginning of this step, whatever was applied in it since.
    arming_p, arming : rows of the ``arming`` component
    values, quality : float64[n_points], uint8[n_points]
        As of the step before; a point that is given free gets its true value back.
    """
    for k in range(s.shape[0]):
        if s["is_active"][k] != 0.0:
            if s["left_s"][k] > 0.0:
                s["left_s"][k] -= dt_s
                if s["left_s"][k] <= 1e-12:  # rounding of a sum of steps
                    _end(s, k, values, dt_s)
            if s["clear"][k] != 0.0:
                _end(s, k, values, dt_s)
        if s["apply"][k] != 0.0 and is_armed and _judge(s, k, is_open, dt_s) == ACCEPTED:
            _begin(s, k, arming_p, arming, values, quality, dt_s)
        s["apply"][k] = s["clear"][k] = 0.0
    for k in range(s.shape[0]):
        s["is_armed"][k] = arming["is_armed"][0]
        refusal = _judge(s, k, is_open, dt_s)
        s["refusal"][k], s["is_possible"][k] = refusal, 1.0 if refusal == ACCEPTED else 0.0


@kernel
def _judge(s, k, is_open, dt_s):  # type: ignore[no-untyped-def]
    """Whether the attack that is set up can be applied, and why not."""
    target, mode, a, b = s["target_sp"][k], s["mode_sp"][k], s["a_sp"][k], s["b_sp"][k]
    if not (target >= 1.0 and target <= is_open.shape[0]) or target != np.floor(target):
        return NO_POINT
    if is_open[int(target) - 1] == 0:
        return NOT_OPEN
    if not (mode >= BIAS and mode <= DELAY) or mode != np.floor(mode):
        return BAD_MODE
    if mode == DELAY and not (a >= dt_s and a <= DELAY_MAX_S):
        return BAD_FIGURES
    if (mode == RANDOM and not a > 0.0) or not b >= 0.0:
        return BAD_FIGURES
    if not (s["duration_s_sp"][k] >= 0.0 and s["duration_s_sp"][k] <= TIME_MAX_S):
        return BAD_FIGURES
    for other in range(s.shape[0]):
        if other != k and s["is_active"][other] != 0.0 and s["target"][other] == target:
            return TAKEN
    return ACCEPTED


@kernel
def _begin(s, k, arming_p, arming, values, quality, dt_s):  # type: ignore[no-untyped-def]
    if s["is_active"][k] != 0.0:
        _end(s, k, values, dt_s)
    use(arming_p, arming, dt_s)
    i = int(s["target_sp"][k]) - 1
    s["target"][k], s["mode"][k] = s["target_sp"][k], s["mode_sp"][k]
    s["a"][k], s["b"][k], s["left_s"][k] = s["a_sp"][k], s["b_sp"][k], s["duration_s_sp"][k]
    s["held"][k], s["held_quality"][k], s["true_value"][k] = values[i], quality[i], values[i]
    s["active_s"][k] = s["steps"][k] = 0.0
    depth = max(np.rint(s["a"][k] / dt_s), 1.0)
    s["stride"][k] = math.ceil(depth / HISTORY)
    s["depth"][k] = np.floor(depth / s["stride"][k])
    s["is_active"][k], s["active_ago_s"][k] = 1.0, dt_s


@kernel
def _end(s, k, values, dt_s):  # type: ignore[no-untyped-def]
    if s["is_active"][k] == 0.0:
        return
    values[int(s["target"][k]) - 1] = s["true_value"][k]
    s["is_active"][k], s["active_ago_s"][k], s["left_s"][k] = 0.0, dt_s, 0.0


@kernel
def falsify(s, history, instrument, noise, key, values, quality, dt_s):  # type: ignore[no-untyped-def]
    """Change what the attacked points show; after their instruments.

    Parameters
    ----------
    history : float64[n, HISTORY]
        What each slot keeps for a delay.
    instrument : records of ``rtcore.instruments.INSTRUMENT``
    noise, key : float64[], uint64
        Quantile table and the key of this step's instrument noise.
    """
    for k in range(s.shape[0]):
        if s["is_active"][k] == 0.0:
            continue
        i, row = int(s["target"][k]) - 1, s[k]
        if quality[i] != BAD_NOT_CONVERGED:  # else the point keeps its value, which would be the false one
            row["true_value"] = values[i]
        row["active_s"] += dt_s
        y = _false(row, history[k], normal(noise, key, instrument.shape[0] + k))
        row["steps"] += 1.0
        if row["mode"] == FREEZE:
            quality[i] = np.uint8(row["held_quality"])
        elif row["mode"] == DROPOUT:
            quality[i] = BAD_NO_COMMUNICATION
        if instrument[i].is_analog:
            values[i] = min(max(y, instrument[i].low), instrument[i].high)
        else:
            values[i] = 1.0 if y >= 0.5 else 0.0


@kernel
def _false(row, kept, n):  # type: ignore[no-untyped-def]
    """Return what the point shows instead of its true value."""
    y, a, mode = row["true_value"], row["a"], row["mode"]
    if mode == BIAS:
        return y + a
    if mode == SCALE:
        return y * a
    if mode == RAMP:
        change = a * row["active_s"]
        return y + (change if row["b"] == 0.0 else min(max(change, -row["b"]), row["b"]))
    if mode in (FREEZE, DROPOUT):
        return row["held"]
    if mode == RANDOM:
        return y + a * n
    return _delayed(row, kept)


@kernel
def _delayed(row, kept):  # type: ignore[no-untyped-def]
    """Keep the true value, return the one of ``depth`` values ago, or the first there is."""
    steps, stride, depth = int(row["steps"]), int(row["stride"]), int(row["depth"])
    at = steps // stride
    back = at - depth
    found = kept[back % HISTORY] if back >= 0 else row["held"]
    if steps % stride == 0:
        kept[at % HISTORY] = row["true_value"]
    return found
