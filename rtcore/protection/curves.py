"""Inverse-time curves by name (ANSI 51): IEC 60255-151, IEEE C37.112, ABB and SEL sets, definite time.

    operate  t(M)  = T (k / (M^alpha - 1) + c)      M = I / pickup > 1
    reset    tr(M) = T tr / (1 - M^alpha_r)          M < 1, from the trip position to the start

``T`` is the time multiplier (IEC) or time dial (IEEE, SEL). The US curves of SEL are about a fifth of
the IEEE curves of the same name but not equal to it, and U4 differs between product families (22 % at
M = 20), hence two of them. Of definite time the curve's part is nought: the element adds its delay.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from rtcore.jit import kernel


class Curve(NamedTuple):
    """One formula; what ``verify`` names is from memory: verify against the standard."""

    name: str
    k: float
    alpha: float
    c: float
    tr: float
    alpha_r: float
    source: str
    verify: str = ""


_REX, _SEL = "ABB REX610 manual; SEL-351 manual", "SEL-351 manual, p. 9-3"
_C37 = "IEEE C37.112-2018, as printed by ABB and DEIF"
_ABB = "ABB REX610 manual"

TABLE = (
    Curve("dt", 0.0, 1.0, 0.0, 0.0, 2.0, "definite time"),
    Curve("iec_si_a", 0.14, 0.02, 0.0, 13.5, 2.0, f"IEC 60255-151 curve A; {_REX} C1"),
    Curve("iec_vi_b", 13.5, 1.0, 0.0, 47.3, 2.0, f"IEC 60255-151 curve B; {_REX} C2"),
    Curve("iec_ei_c", 80.0, 2.0, 0.0, 80.0, 2.0, f"IEC 60255-151 curve C; {_REX} C3"),
    Curve("iec_lti", 120.0, 1.0, 0.0, 120.0, 1.0, "BS 142; SEL-351 manual C4", "no curve of 60255-151"),
    Curve("iec_sti", 0.05, 0.04, 0.0, 4.85, 2.0, "SEL-351 manual C5"),
    Curve("ieee_mi_d", 0.0515, 0.02, 0.114, 4.85, 2.0, _C37, "tr"),
    Curve("ieee_vi_e", 19.61, 2.0, 0.491, 21.6, 2.0, _C37, "tr"),
    Curve("ieee_ei_f", 28.2, 2.0, 0.1217, 29.1, 2.0, _C37, "tr"),
    Curve("abb_ansi_ni", 0.0086, 0.02, 0.0185, 0.46, 2.0, f"{_ABB}, ANSI normal inverse (3)", "tr"),
    Curve("abb_lt_ei", 64.07, 2.0, 0.25, 30.0, 2.0, f"{_ABB}, long time extremely inverse (6)", "tr"),
    Curve("abb_lt_vi", 28.55, 2.0, 0.712, 13.46, 2.0, f"{_ABB}, long time very inverse (7)", "tr"),
    Curve("abb_lt_i", 0.086, 0.02, 0.185, 4.6, 2.0, f"{_ABB}, long time inverse (8)", "tr"),
    Curve("sel_u1", 0.0104, 0.02, 0.0226, 1.08, 2.0, _SEL),
    Curve("sel_u2", 5.95, 2.0, 0.18, 5.95, 2.0, _SEL),
    Curve("sel_u3", 3.88, 2.0, 0.0963, 3.88, 2.0, _SEL),
    Curve("sel_u4_351", 5.67, 2.0, 0.0352, 5.67, 2.0, f"{_SEL} (families 351, 751)"),
    Curve("sel_u4_421", 5.64, 2.0, 0.02434, 5.64, 2.0, "SEL-411L and SEL-421 manuals"),
    Curve("sel_u5", 0.00342, 0.02, 0.00262, 0.323, 2.0, _SEL),
)
"""Every formula. Its place is the number that settings and points carry: append only."""

ALIASES = {
    "sel_c1": "iec_si_a",
    "sel_c2": "iec_vi_b",
    "sel_c3": "iec_ei_c",
    "sel_c4": "iec_lti",
    "sel_c5": "iec_sti",
}
"""Names under which a maker sells a formula of another set (SEL-351 manual)."""

_NUMBER = {curve.name: float(i) for i, curve in enumerate(TABLE)}
CURVES = _NUMBER | {alias: _NUMBER[name] for alias, name in ALIASES.items()}
"""Number of a curve by its name."""

DT = CURVES["dt"]
_N = len(TABLE)
_ROWS = np.array([curve[1:6] for curve in TABLE])


@kernel
def operate_s(curve, m, time_dial, m_cap):  # type: ignore[no-untyped-def]
    """Operating time at a constant multiple of pickup [s]; infinite for M <= 1 and an unknown curve.

    Parameters
    ----------
    m_cap : float
        The curve is flat beyond this multiple (20 or 30 in most relays).
    """
    if not (m > 1.0 and 0.0 <= curve < _N):
        return math.inf
    row = int(curve)
    # M^alpha - 1 by expm1: without it the small exponents lose their digits close to pickup.
    rise = math.expm1(_ROWS[row, 1] * math.log(min(m, m_cap)))
    return time_dial * (_ROWS[row, 0] / rise + _ROWS[row, 2])


@kernel
def reset_s(curve, m, time_dial):  # type: ignore[no-untyped-def]
    """Time of the dependent reset from the trip position to the start at constant M [s].

    Infinite for M >= 1 and an unknown curve; definite time resets at once.
    """
    if not (m < 1.0 and 0.0 <= curve < _N):
        return math.inf
    row = int(curve)
    return time_dial * _ROWS[row, 3] / (1.0 - m ** _ROWS[row, 4])
