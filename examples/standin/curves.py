"""Inverse-time curves, from the formulas of the two standards.

``t(M) = T (k / (M^a - 1) + c)`` with ``M`` = current over pickup and ``T`` = time multiplier setting (TMS) or
time dial: IEC 60255-151:2009 Annex A (curves A, B, C; c = 0) and IEEE C37.112-2018 clause 5 (moderately, very
and extremely inverse).
"""

from __future__ import annotations

CURVES: dict[str, tuple[float, float, float]] = {
    "IEC_SI": (0.14, 0.02, 0.0),
    "IEC_VI": (13.5, 1.0, 0.0),
    "IEC_EI": (80.0, 2.0, 0.0),
    "IEEE_MI": (0.0515, 0.02, 0.114),
    "IEEE_VI": (19.61, 2.0, 0.491),
    "IEEE_EI": (28.2, 2.0, 0.1217),
}
"""k [s], a, c [s] of each curve."""

M_FLAT = 30.0
"""The curves are flat from this multiple on; both standards leave it to the maker (IEC: 20 or more)."""


def operate_s(curve: str, tms: float, m: float) -> float:
    """Return the operating time [s] at a constant multiple of the pickup, which must be above 1.

    Raises
    ------
    KeyError
        Unknown curve.
    """
    k_s, a, c_s = CURVES[curve]
    rise: float = min(m, M_FLAT) ** a - 1.0
    return tms * (k_s / rise + c_s)
