"""Tolerances by the name of a standard or maker, and the tube they make about an expected time.

The tube of a curve widens where the device may measure the current a little wrong: from the time at
M (1 + g) less the tolerance to the time at M (1 - g) plus the tolerance, g the accuracy of current.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable


@dc.dataclass(frozen=True, slots=True)
class Tolerance:
    """What a device may deviate.

    Attributes
    ----------
    time_pct, time_s : float
        Of the expected time, and absolute; the larger counts, or their sum with ``is_sum``.
    current_pct : float
        Accuracy of the measured current within the tube of a curve.
    level_pct, level_abs : float
        Of pickup and dropout levels [%], and absolute in the unit of the level; the larger counts.
    steps : tuple
        (M from which it holds, factor on ``time_pct``), rising; empty for the same at all M.
    """

    name: str
    time_pct: float
    time_s: float
    current_pct: float = 0.0
    level_pct: float = 3.0
    level_abs: float = 0.0
    is_sum: bool = False
    steps: tuple[tuple[float, float], ...] = ()
    source: str = ""

    def time_tolerance_s(self, expected_s: float, multiple: float | None = None) -> float:
        """Return the tolerance of a time [s]."""
        factor = 1.0
        for start, f in self.steps:
            if multiple is None or multiple >= start:
                factor = f
        relative_s = self.time_pct / 100.0 * factor * expected_s
        return relative_s + self.time_s if self.is_sum else max(relative_s, self.time_s)

    def level_tolerance(self, level: float) -> float:
        """Return the tolerance of a level, in its unit."""
        return max(self.level_pct / 100.0 * level, self.level_abs)

    def tube_s(self, curve_s: Callable[[float], float], multiple: float) -> tuple[float, float]:
        """Return the shortest and longest allowed time at a multiple of pickup [s]."""
        g = self.current_pct / 100.0
        fast, slow = curve_s(multiple * (1.0 + g)), curve_s(multiple * (1.0 - g))
        low = fast - self.time_tolerance_s(fast, multiple)
        high = slow + self.time_tolerance_s(slow, multiple) if math.isfinite(slow) else math.inf
        return max(low, 0.0), high


IEC = (
    "IEC 60255-151: assigned error at the top of the effective range, times 2.5, 1.5, 1 (from memory: verify)"
)

NAMED = {
    "iec60255-151": Tolerance(
        "iec60255-151", 5.0, 0.02, 1.5, 3.0, steps=((0.0, 2.5), (5.0, 1.5), (10.0, 1.0)), source=IEC
    ),
    "abb_ref615": Tolerance(
        "abb_ref615", 5.0, 0.02, 1.5, 1.5, source="ABB REF615: 5 % or 20 ms, level 1.5 %"
    ),
    "abb_670": Tolerance(
        "abb_670", 5.0, 0.04, 1.0, 1.0, is_sum=True, source="ABB 670 series: 5 % + 40 ms (level: verify)"
    ),
    "sel_351a": Tolerance(
        "sel_351a",
        4.0,
        0.025,
        3.0,
        3.0,
        is_sum=True,
        source="SEL-351A: 4 % + 1.5 cycles of 60 Hz, pickup 3 %",
    ),
}
"""By the name that a plan uses. The rows are what makers print; a purchased standard has the last word."""
