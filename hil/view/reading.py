"""A value as it is shown: what it is, how good it is, how old."""

from __future__ import annotations

import dataclasses as dc
import math
from datetime import datetime
from typing import Any

from hil.view.model import PointInfo

GOOD, UNCERTAIN, BAD, WAITING, MISSING = "good", "uncertain", "bad", "waiting", "missing"
DASH = "-"


@dc.dataclass(frozen=True, slots=True)
class Reading:
    """The newest value of one point or array.

    Attributes
    ----------
    value : float, str, list or None
        None: there is none.
    status : str
        Name of the OPC UA status code; ``""`` before the first value.
    is_stale : bool
        The link is not live: nothing says that it is still so.
    """

    value: Any = None
    status: str = ""
    source: datetime | None = None
    is_stale: bool = False
    is_missing: bool = False

    @property
    def grade(self) -> str:
        """Return GOOD, UNCERTAIN, BAD, WAITING (nothing came yet) or MISSING (no such point)."""
        if self.is_missing:
            return MISSING
        if not self.status:
            return WAITING
        return (
            GOOD
            if self.status.startswith("Good")
            else UNCERTAIN
            if self.status.startswith("Uncertain")
            else BAD
        )

    @property
    def is_usable(self) -> bool:
        """Tell whether it is a number that holds now."""
        return self.number is not None and self.grade in (GOOD, UNCERTAIN) and not self.is_stale

    @property
    def number(self) -> float | None:
        """Return the value as a finite number, None when it is none."""
        value = self.value
        if isinstance(value, bool | int | float) and math.isfinite(value):
            return float(value)
        return None

    @property
    def is_on(self) -> bool:
        """Tell whether a two-state point is known to be in its second state."""
        return self.is_usable and bool(self.number)


NOTHING = Reading()


def text_of(point: PointInfo | None, reading: Reading, *, has_unit: bool = False) -> str:
    """Return a value as text: state or number, a dash for none, ``?`` behind what is not sure."""
    number = reading.number
    if number is None:
        return DASH
    if point is not None and point.states is not None:
        shown = point.states[int(number != 0.0)]
    else:
        shown = number_text(number)
        if has_unit and point is not None and point.unit:
            shown += f" {point.unit}"
    return shown + ("?" if reading.is_stale or reading.grade != GOOD else "")


def number_text(number: float) -> str:
    """Return a number with five significant digits at most and no exponent where it can be helped."""
    size = abs(number)
    if number == int(number) and size < 1e9:
        return str(int(number))
    if size >= 1e9 or size < 1e-4:
        return f"{number:.3e}"
    decimals = 1 if size >= 1000.0 else 2 if size >= 100.0 else 3 if size >= 1.0 else 4
    return f"{number:.{decimals}f}"


def fixed(number: float, decimals: int) -> str:
    """Return a number with fixed decimals; what rounds to zero has no sign."""
    text = f"{number:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0.0 else text
