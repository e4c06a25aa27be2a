"""Which current an element looks at."""

from __future__ import annotations

import math

from rtcore.jit import kernel

PHASE, A, B, C, GROUND, NEGATIVE = 0.0, 1.0, 2.0, 3.0, 4.0, 5.0

CURRENTS = {"phase": PHASE, "a": A, "b": B, "c": C, "ground": GROUND, "negative": NEGATIVE}
"""Largest phase current, one phase, three times the zero and three times the negative sequence."""


@kernel
def finite_square(z):  # type: ignore[no-untyped-def]
    """Square of the magnitude; 0 where that is not a number."""
    square = z.real * z.real + z.imag * z.imag
    return square if square < math.inf else 0.0


@kernel
def current_a(quantity, i, i_seq, r):  # type: ignore[no-untyped-def]
    """Magnitude of the chosen current of relay ``r`` [A]; 0 where it is not a number.

    Parameters
    ----------
    quantity : float
        A number of ``CURRENTS``.
    i : complex128[n_relays, 3]
        Phase currents [A].
    i_seq : complex128[n_relays, 3]
        Zero, positive and negative sequence [A].
    """
    if quantity == PHASE:
        return math.sqrt(max(finite_square(i[r, 0]), finite_square(i[r, 1]), finite_square(i[r, 2])))
    if quantity == GROUND:
        return 3.0 * math.sqrt(finite_square(i_seq[r, 0]))
    if quantity == NEGATIVE:
        return 3.0 * math.sqrt(finite_square(i_seq[r, 2]))
    if A <= quantity <= C:
        return math.sqrt(finite_square(i[r, int(quantity) - 1]))
    return 0.0
