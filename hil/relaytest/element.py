"""The time-overcurrent element under test, by its settings: expected times and tolerance tubes."""

from __future__ import annotations

import dataclasses as dc
import math

from hil.relaytest.tolerance import Tolerance
from rtcore.protection.curves import CURVES, operate_s, reset_s


@dc.dataclass(frozen=True, slots=True)
class Element:
    """Settings of an element; ``pickup_a`` in primary amperes."""

    pickup_a: float
    curve: str
    time_dial: float
    delay_s: float = 0.0
    m_cap: float = 30.0
    min_operate_s: float = 0.0
    reset: str = "instant"
    reset_delay_s: float = 0.0
    dropout_ratio: float = 0.95

    def operate_s(self, multiple: float) -> float:
        """Return the operate time at a constant multiple of pickup [s]; infinite up to 1."""
        curve_s = float(operate_s(CURVES[self.curve], float(multiple), self.time_dial, self.m_cap))
        return max(curve_s + self.delay_s, self.min_operate_s)

    def tube_s(self, multiple: float, tolerance: Tolerance) -> tuple[float, float]:
        """Return the shortest and longest allowed operate time [s]."""
        return tolerance.tube_s(self.operate_s, multiple)

    def remembered(self, share: float, off_s: float) -> float:
        """Return what is left of a share of the way to the trip after ``off_s`` without current."""
        if self.reset == "instant":
            return 0.0
        if self.reset == "definite":
            return share if off_s < self.reset_delay_s else 0.0
        full_s = self.reset_s
        return max(share - off_s / full_s, 0.0) if full_s > 0 else 0.0

    @property
    def reset_s(self) -> float:
        """Longest time from the trip position to the start without current [s]."""
        if self.reset == "dependent":
            full_s = float(reset_s(CURVES[self.curve], 0.0, self.time_dial))
            return full_s if math.isfinite(full_s) else 0.0
        return self.reset_delay_s if self.reset == "definite" else 0.0
