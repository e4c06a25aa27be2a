"""Which voltage an element looks at."""

from __future__ import annotations

import math

from rtcore.jit import kernel

PHASE_NEUTRAL, PHASE_PHASE, POSITIVE, RESIDUAL = 0.0, 1.0, 2.0, 3.0
SYMMETRIC = {"phase_neutral": PHASE_NEUTRAL, "phase_phase": PHASE_PHASE, "positive": POSITIVE}
VOLTAGES = {**SYMMETRIC, "residual": RESIDUAL}
"""Phase to neutral, phase to phase, positive sequence, three times the zero sequence."""

ANY, ALL = 0.0, 1.0
MODES = {"any": ANY, "all": ALL}
"""One phase (or pair) beyond the pickup is enough, or all of them must be."""

PHASES = {"a": 1.0, "b": 2.0, "ab": 3.0, "c": 4.0, "ca": 5.0, "bc": 6.0, "abc": 7.0}
"""Phases that have a voltage transformer: bits 1, 2, 4 are a, b, c."""

SQRT3 = math.sqrt(3.0)


@kernel
def _square(z):  # type: ignore[no-untyped-def]
    """Square of the magnitude; -1 where that is not a number."""
    square = z.real * z.real + z.imag * z.imag
    return square if square < math.inf else -1.0


@kernel
def span_pu(quantity, phases, v, v_seq, v_base_v, r):  # type: ignore[no-untyped-def]
    """Lowest and highest of the chosen voltages of relay ``r`` [pu].

    Phase-to-phase voltages are per unit of sqrt(3) base, all others of the line-to-neutral base; the
    residual voltage is 3 V0, so it is 3 pu at an earth fault of an isolated system. What is not a
    number is left out; both are NaN, beyond no pickup, when nothing is left.

    Parameters
    ----------
    quantity, phases : float
        Numbers of ``VOLTAGES`` and ``PHASES``.
    v, v_seq : complex128[n_relays, 3]
        Phase voltages to ground and their zero, positive, negative sequence [V].
    v_base_v : float64[n_relays]
        Line-to-neutral base [V].
    """
    low, high, base_v = math.inf, -1.0, v_base_v[r]
    if quantity >= POSITIVE:
        low = high = _square(v_seq[r, 1] if quantity == POSITIVE else 3.0 * v_seq[r, 0])
    else:
        mask = int(phases)
        is_pair = quantity == PHASE_PHASE
        if is_pair:
            base_v *= SQRT3
        for k in range(3):
            m = k + 1 if k < 2 else 0
            needed = (1 << k) | (1 << m) if is_pair else 1 << k
            if mask & needed != needed:
                continue
            square = _square(v[r, k] - v[r, m] if is_pair else v[r, k])
            if square >= 0.0:
                low, high = min(low, square), max(high, square)
    if not (high >= 0.0 and 0.0 < base_v < math.inf):
        return math.nan, math.nan
    return math.sqrt(low) / base_v, math.sqrt(high) / base_v
