"""Phasors of three phases: powers, sequence components, unbalance."""

from __future__ import annotations

import cmath
import dataclasses as dc
import math
from collections.abc import Sequence

TURN = cmath.rect(1.0, math.radians(120.0))
LEAST = 1e-9


@dc.dataclass(frozen=True, slots=True)
class Sequences:
    """Zero, positive and negative sequence of three phasors."""

    zero: complex
    positive: complex
    negative: complex

    @property
    def negative_pct(self) -> float | None:
        """Negative over positive sequence [%]; None without a positive one."""
        return _share(self.negative, self.positive)

    @property
    def zero_pct(self) -> float | None:
        """Zero over positive sequence [%]; None without a positive one."""
        return _share(self.zero, self.positive)


def phasor(size: float, angle_deg: float) -> complex:
    """Return a phasor of a magnitude and an angle [deg]."""
    return cmath.rect(size, math.radians(angle_deg))


def angle_deg(value: complex) -> float:
    """Return the angle of a phasor [deg], -180 to 180."""
    return math.degrees(cmath.phase(value))


def sequences(a: complex, b: complex, c: complex) -> Sequences:
    """Return the symmetrical components of three phases (Fortescue)."""
    return Sequences(
        (a + b + c) / 3.0,
        (a + TURN * b + TURN * TURN * c) / 3.0,
        (a + TURN * TURN * b + TURN * c) / 3.0,
    )


def power_kva(volt: complex, ampere: complex) -> complex:
    """Return P + jQ of a phase [kW, kvar]."""
    return volt * ampere.conjugate() / 1e3


def power_factor(p: float, q: float) -> float | None:
    """Return P over S, negative where P flows back; None without power."""
    size = math.hypot(p, q)
    return p / size if size > LEAST else None


def deviation_pct(sizes: Sequence[float]) -> float | None:
    """Return the largest deviation from the mean of magnitudes [%] (NEMA MG 1); None for nothing."""
    mean = sum(sizes) / len(sizes) if sizes else 0.0
    if mean <= LEAST:
        return None
    return 100.0 * max(abs(s - mean) for s in sizes) / mean


def _share(part: complex, whole: complex) -> float | None:
    return 100.0 * abs(part) / abs(whole) if abs(whole) > LEAST else None
