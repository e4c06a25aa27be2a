"""Harmonic currents of non-linear equipment, in per cent of its own fundamental current.

A spectrum maps an order to (magnitude [%], angle [deg]); the angle is that of the harmonic
current less h times that of the fundamental current, both of cosines and in the equipment's
own direction. Orders that are not named are not emitted. Where a standard's limits stand for a
type, they are upper bounds order by order; the type's own total is smaller.
"""

from __future__ import annotations

import cmath
import dataclasses as dc
import math
from collections.abc import Mapping

ODD = range(3, 26, 2)


@dc.dataclass(frozen=True, slots=True)
class Spectrum:
    """One type of equipment."""

    source: str
    parts: Mapping[int, tuple[float, float]]
    """Order -> (magnitude [%], angle [deg])."""

    def phasor(self, h: int) -> complex:
        """Return the current of an order per ampere of fundamental current."""
        percent, angle_deg = self.parts.get(h, (0.0, 0.0))
        return cmath.rect(percent / 100.0, math.radians(angle_deg))


def six_pulse(overlap_deg: float) -> dict[int, tuple[float, float]]:
    """Return the spectrum of a six-pulse bridge on a smooth direct current, firing angle zero.

    Phase current: 120 degree blocks whose edges have the shape (1 - cos x) / (1 - cos u) over the
    commutation angle u (N. Mohan et al., "Power Electronics", chapter on line-frequency
    converters). Without overlap: 1/h at orders 6k - 1 and 6k + 1.
    """
    u = math.radians(overlap_deg)
    edges = ((-60.0, 1.0), (60.0, -1.0), (120.0, -1.0), (240.0, 1.0))

    def ramp(k: int) -> complex:  # integral of exp(jkx) over the commutation
        return complex(u) if k == 0 else (cmath.exp(1j * k * u) - 1.0) / (1j * k)

    def coefficient(h: int) -> complex:  # Fourier series of the current, from that of its derivative
        edge = (ramp(1 - h) - ramp(-1 - h)) / (2j * (1.0 - math.cos(u))) if u > 0.0 else 1.0
        at = sum(sign * cmath.exp(-1j * h * math.radians(angle)) for angle, sign in edges)
        return edge * at / (1j * h * math.pi)

    first = coefficient(1)
    found = {}
    for h in ODD:
        if h % 3:
            c = coefficient(h) / abs(first) * cmath.exp(-1j * h * cmath.phase(first))
            found[h] = (100.0 * abs(c), math.degrees(cmath.phase(c)))
    return found


def inverter_limit(h: int) -> float:
    """Return the limit of IEEE 1547-2018 table 26 for an odd order below 35 [% of rated current]."""
    return next(limit for below, limit in ((11, 4.0), (17, 2.0), (23, 1.5), (35, 0.6)) if h < below)


def class_d_limit(h: int) -> float:
    """Return the limit of IEC 61000-3-2 class D for an odd order [% of the active current at 230 V]."""
    ma_per_w = {3: 3.4, 5: 1.9, 7: 1.0, 9: 0.5, 11: 0.35}.get(h, 3.85 / h)
    return ma_per_w * 1e-3 * 230.0 * 100.0


INVERTER_TOTAL_PCT = 2.0
"""Total distortion of a pulse-width modulated inverter near its rating (house value; the limit is 5)."""

_LIMIT_TOTAL_PCT = math.sqrt(sum(inverter_limit(h) ** 2 for h in ODD))
_LIMIT_3W_TOTAL_PCT = math.sqrt(sum(inverter_limit(h) ** 2 for h in ODD if h % 3))

SPECTRA: Mapping[str, Spectrum] = {
    "six_pulse": Spectrum(
        "ideal six-pulse bridge, no overlap: 1/h (Fourier series of 120 degree blocks)", six_pulse(0.0)
    ),
    "six_pulse_drive": Spectrum(
        "six-pulse bridge behind a line reactor, commutation angle 20 degrees", six_pulse(20.0)
    ),
    "pv_inverter": Spectrum(
        f"single-phase inverter: limits of IEEE 1547-2018 table 26 scaled to {INVERTER_TOTAL_PCT} % in total",
        {h: (inverter_limit(h) * INVERTER_TOTAL_PCT / _LIMIT_TOTAL_PCT, 0.0) for h in ODD},
    ),
    "pv_inverter_3ph": Spectrum(
        f"three-wire inverter: as pv_inverter without multiples of three, {INVERTER_TOTAL_PCT} % in total",
        {h: (inverter_limit(h) * INVERTER_TOTAL_PCT / _LIMIT_3W_TOTAL_PCT, 0.0) for h in ODD if h % 3},
    ),
    "pv_inverter_limit": Spectrum(
        "IEEE 1547-2018 table 26, every order at its limit: an upper bound, the total is limited to 5 %",
        {h: (inverter_limit(h), 0.0) for h in ODD},
    ),
    "electronics": Spectrum(
        "single-phase rectifiers with smoothing capacitor (computers, television): limits of IEC 61000-3-2 "
        "class D, current pulses at the crest of the voltage",
        {h: (class_d_limit(h), 0.0) for h in ODD},
    ),
    "led": Spectrum(
        "lighting above 25 W: limits of IEC 61000-3-2 class C at power factor 0.95, pulses at the crest",
        {h: ({3: 28.5, 5: 10.0, 7: 7.0, 9: 5.0}.get(h, 3.0), 0.0) for h in ODD},
    ),
}
"""Type -> spectrum."""
