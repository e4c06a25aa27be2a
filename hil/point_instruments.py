"""Instrument classes: the numbers that ``rtcore.instruments`` works with, and their limits.

The classes themselves are data in ``config/points/instruments.toml``.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcore.points import Point


def _quantity(unit: str, meaning: str, *, most: float) -> Any:
    """Declare one number of an instrument class, 0 (absent) to ``most``."""
    return dc.field(default=0.0, metadata={"unit": unit, "meaning": meaning, "most": most})


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One class of instruments; every number is in per cent or in the unit of the point it serves.

    Notes
    -----
    ``y = Q{cut[(1 + g) x + n]}`` with g ~ N(0, class/3) cut at +-class and drawn once per
    instrument; sigma of n = reading part + range part. "Range" is max(abs(minimum),
    abs(maximum)) of the point. Phase error is not modelled.
    """

    name: str
    description: str
    standard: str
    class_pct: float = _quantity("%", "limit of the fixed ratio error, of the reading", most=20.0)
    noise_pct_reading: float = _quantity("%", "standard deviation of the noise, of the reading", most=20.0)
    noise_pct_range: float = _quantity("%", "standard deviation of the noise, of the range", most=20.0)
    quantum: float = _quantity("in the point's unit", "resolution of the output", most=1e9)
    bits: int = _quantity("bits", "resolution: bits over maximum - minimum, in place of quantum", most=32)
    cutoff_pct_range: float = _quantity("%", "readings below this part of the range are 0", most=20.0)

    def quantum_of(self, minimum: float, maximum: float) -> float:
        """Return the output resolution for a point with this range [point's unit]; 0 is none."""
        return math.ldexp(maximum - minimum, -int(self.bits)) if self.bits else self.quantum

    def problems(self) -> list[tuple[str, str]]:
        """Return (key, what is wrong and what is allowed) for every number that cannot be."""
        found = []
        for field in dc.fields(self):
            if "most" not in field.metadata:
                continue
            value, most, unit = getattr(self, field.name), field.metadata["most"], field.metadata["unit"]
            if not 0 <= value <= most:
                what = f"{value!r} is not allowed; 0 to {most:g} {unit} ({field.metadata['meaning']})"
                found.append((field.name, what))
        if self.bits and self.quantum:
            found.append(("bits", "give either 'quantum' or 'bits', not both"))
        return found


def instrument_arrays(
    points: Sequence[Point], instruments: Mapping[str, Instrument]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return what the instrument kernel needs, each shape (n_points,), in the points' own units.

    Returns
    -------
    dict
        class_frac (limit of the fixed ratio error), noise_frac (std dev / reading), noise_abs
        (std dev), quantum_abs (0: none), cutoff_abs (smaller readings are 0). Points without an
        instrument have zeros.
    """
    names = ("class_frac", "noise_frac", "noise_abs", "quantum_abs", "cutoff_abs")
    arrays = {name: np.zeros(len(points)) for name in names}
    for i, point in enumerate(points):
        if not point.instrument:
            continue
        instrument = instruments[point.instrument]
        full = max(abs(point.minimum), abs(point.maximum))
        arrays["class_frac"][i] = instrument.class_pct / 100.0
        arrays["noise_frac"][i] = instrument.noise_pct_reading / 100.0
        arrays["noise_abs"][i] = instrument.noise_pct_range / 100.0 * full
        arrays["quantum_abs"][i] = instrument.quantum_of(point.minimum, point.maximum)
        arrays["cutoff_abs"][i] = instrument.cutoff_pct_range / 100.0 * full
    return arrays
