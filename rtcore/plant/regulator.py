"""Tap mechanism of a step-voltage regulator: walks to the tap setpoint one tap at a time.

Whoever may set the target is told by ``is_manual``: 1 (an operator) unless a voltage relay takes
it over (``rtcore/control/tap_changer.py``).
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel


@component(
    "regulator",
    attrs=(
        Attr("tap", "tap", "tap position in force"),
        Attr("tap_sp", "tap", "tap setpoint", writable="setpoint", guard="is_manual"),
        Attr("wait_s", "s", "time until the next tap movement"),
        Attr("is_manual", "", "1 when the tap setpoint takes commands, 0 when a relay owns it"),
    ),
)
class Regulator:
    """Motor-driven tap changer."""

    step_pu: float = param(unit="pu", doc="ratio change of one tap", gt=0)
    mid_pu: float = param(default=1.0, unit="pu", doc="ratio at tap 0", gt=0)
    tap_max: float = param(default=16.0, unit="tap", doc="end stops, either side", gt=0)
    tap_time_s: float = param(default=2.0, unit="s", doc="time of one tap movement", gt=0)


@kernel
def step(p, s, units, unit, dt_s):  # type: ignore[no-untyped-def]
    """Move towards the setpoint; returns how many regulators changed the network.

    ``units``: int32[n], the unit of each regulator; ``unit``: the network's factors.
    """
    changed = 0
    for i in range(s.shape[0]):
        target = min(max(round(s["tap_sp"][i]), -p["tap_max"][i]), p["tap_max"][i])
        if target == s["tap"][i] or math.isnan(s["tap_sp"][i]):
            s["wait_s"][i] = p["tap_time_s"][i]
            continue
        s["wait_s"][i] -= dt_s
        if s["wait_s"][i] > 1e-9:
            continue
        s["wait_s"][i] = p["tap_time_s"][i]
        s["tap"][i] += 1.0 if target > s["tap"][i] else -1.0
        ratio = p["mid_pu"][i] + s["tap"][i] * p["step_pu"][i]
        unit[units[i], 1] = 1.0 / ratio
        unit[units[i], 2] = 1.0 / (ratio * ratio)
        changed += 1
    return changed
