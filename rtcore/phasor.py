"""Small arithmetic of phasors that several components share."""

from __future__ import annotations

import math

from rtcore.jit import kernel

TWO_PI = 2.0 * math.pi


@kernel
def wrap(angle_rad):  # type: ignore[no-untyped-def]
    """Angle in -pi..pi [rad]."""
    return angle_rad - TWO_PI * math.floor((angle_rad + math.pi) / TWO_PI)


@kernel
def abs2(z):  # type: ignore[no-untyped-def]
    """Square of the magnitude."""
    return z.real * z.real + z.imag * z.imag


@kernel
def size(z):  # type: ignore[no-untyped-def]
    """Magnitude; ``abs`` guards against overflow and costs five times as much."""
    return math.sqrt(z.real * z.real + z.imag * z.imag)


@kernel
def positive_sequence(v, at):  # type: ignore[no-untyped-def]
    """Positive-sequence voltage of three nodes, the first voltage where one is missing [V]."""
    a, b, c = at[0], at[1], at[2]
    if a >= 0 and b >= 0 and c >= 0:
        turn = complex(-0.5, 0.8660254037844386)
        return (v[a] + turn * v[b] + turn * turn * v[c]) / 3.0
    for node in (a, b, c):
        if node >= 0:
            return v[node]
    return 0.0j
