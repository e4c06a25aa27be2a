"""In which steps a setpoint can be set: the same over every protocol.

A setpoint that Modbus shows in an integer register has whole multiples of its scale only. Another
protocol could carry a value between two of them, and the two would then read back different
things; so nobody may write one.
"""

from __future__ import annotations

import math

from protocols.modbus_codec import scaled
from protocols.modbus_reference import parse
from rtcore.points import Kind, Point


def step_of(point: Point) -> float:
    """Return the step of a point in its own unit; 0 is any value."""
    if point.kind is not Kind.SETPOINT or "modbus" not in point.wire:
        return 0.0
    reference, _ = parse(point.wire["modbus"])
    return abs(reference.scale) if reference is not None and reference.format.is_integer else 0.0


def nearest(value: float, step: float) -> float:
    """Return the multiple of a step that is nearest to a value, as Modbus reads it back."""
    return scaled(float(round(value / step)), step) if step else value


def is_on_step(value: float, step: float) -> bool:
    """Tell whether a value is a multiple of a step, but for the rounding of either."""
    return step == 0.0 or abs(value - nearest(value, step)) <= 4.0 * math.ulp(value)
