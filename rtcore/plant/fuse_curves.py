"""Time-current curves of expulsion fuse links, types K (fast) and T (slow) of ANSI C37.42.

The standard fixes the least and the greatest melting current of every rating at three times: 300 s
(600 s above 100 A), 10 s and 0.1 s. In between the curves are straight on log-log paper; below
0.1 s the melting is adiabatic, I^2 t is constant; below the current of the longest time nothing
melts. Total clearing follows the greatest melting current, plus the arc. The table, and 0.8 cycle
of arc (the shortest total clearing that makers' charts show), are from memory: verify.
"""

from __future__ import annotations

import math

import numpy as np

from rtcore.jit import kernel

ARC_S = 0.0133
"""Arcing of an expulsion fuse after melting: 0.8 cycle at 60 Hz."""
MID_S, SHORT_S = 10.0, 0.1
NEVER_S = math.inf
CURRENT_MAX_A = 1.0e6
"""Currents beyond are none of this world; the curves hold there what they give at it."""

CURRENTS_A = {
    # least and greatest melting current at 300 s (600 s), at 10 s, at 0.1 s
    "6K": (12.0, 14.4, 13.5, 20.5, 72.0, 86.0),
    "8K": (15.0, 18.0, 18.0, 27.0, 97.0, 116.0),
    "10K": (19.5, 23.4, 22.5, 34.0, 128.0, 154.0),
    "12K": (25.0, 30.0, 29.5, 44.0, 166.0, 199.0),
    "15K": (31.0, 37.2, 37.0, 55.0, 215.0, 258.0),
    "20K": (39.0, 47.0, 48.0, 71.0, 273.0, 328.0),
    "25K": (50.0, 60.0, 60.0, 90.0, 350.0, 420.0),
    "30K": (63.0, 76.0, 77.5, 115.0, 447.0, 546.0),
    "40K": (80.0, 96.0, 98.0, 146.0, 565.0, 680.0),
    "50K": (101.0, 121.0, 126.0, 188.0, 719.0, 862.0),
    "65K": (128.0, 153.0, 159.0, 237.0, 918.0, 1100.0),
    "80K": (160.0, 192.0, 205.0, 307.0, 1180.0, 1420.0),
    "100K": (200.0, 240.0, 258.0, 388.0, 1520.0, 1820.0),
    "140K": (310.0, 372.0, 430.0, 650.0, 2470.0, 2970.0),
    "200K": (480.0, 576.0, 760.0, 1150.0, 3880.0, 4650.0),
    "6T": (12.0, 14.4, 15.3, 23.0, 120.0, 144.0),
    "8T": (15.0, 18.0, 20.5, 31.0, 166.0, 199.0),
    "10T": (19.5, 23.4, 26.5, 40.0, 224.0, 269.0),
    "12T": (25.0, 30.0, 34.5, 52.0, 296.0, 355.0),
    "15T": (31.0, 37.2, 44.5, 67.0, 388.0, 466.0),
    "20T": (39.0, 47.0, 57.0, 85.0, 496.0, 595.0),
    "25T": (50.0, 60.0, 73.5, 109.0, 635.0, 762.0),
    "30T": (63.0, 76.0, 93.0, 138.0, 812.0, 975.0),
    "40T": (80.0, 96.0, 120.0, 178.0, 1040.0, 1240.0),
    "50T": (101.0, 121.0, 152.0, 226.0, 1310.0, 1570.0),
    "65T": (128.0, 153.0, 195.0, 291.0, 1650.0, 1975.0),
    "80T": (160.0, 192.0, 248.0, 370.0, 2080.0, 2500.0),
    "100T": (200.0, 240.0, 319.0, 475.0, 2620.0, 3150.0),
    "140T": (310.0, 372.0, 520.0, 775.0, 4000.0, 4800.0),
    "200T": (480.0, 576.0, 850.0, 1275.0, 6250.0, 7470.0),
}
"""Rating and type -> melting currents [A]."""

LINKS = {name: float(k) for k, name in enumerate(CURRENTS_A)}
"""Words of a setting and the number of the link, the first argument of the kernels."""

LONG_TIME_ABOVE = 100
"""Ratings above this are fixed at 600 s, the others at 300 s."""


def _rating_a(name: str) -> int:
    """Return the rating in a link's name [A]."""
    return int(name[:-1])


_LONG_S = np.array([600.0 if _rating_a(name) > LONG_TIME_ABOVE else 300.0 for name in CURRENTS_A])
_POINTS = np.array(list(CURRENTS_A.values())).reshape(-1, 3, 2)
"""(link, time, least or greatest) [A]."""
LEAST, GREATEST = 0, 1


@kernel
def melts_above_a(link, which):  # type: ignore[no-untyped-def]
    """Current that a link carries for ever; ``which``: LEAST of its type, or GREATEST [A]."""
    return _POINTS[int(link), 0, which]


@kernel
def melt_s(link, i_a):  # type: ignore[no-untyped-def]
    """Least melting time of a link at a constant current [s]; infinite where it does not melt."""
    return _time_s(int(link), i_a, LEAST)


@kernel
def clear_s(link, i_a):  # type: ignore[no-untyped-def]
    """Greatest time until a link has interrupted a constant current [s]; infinite where it need not."""
    return _time_s(int(link), i_a, GREATEST) + ARC_S


@kernel
def _time_s(link, i_a, which):  # type: ignore[no-untyped-def]
    if not i_a >= _POINTS[link, 0, which]:  # NaN melts nothing
        return NEVER_S
    i_a = min(i_a, CURRENT_MAX_A)
    mid_a, short_a = _POINTS[link, 1, which], _POINTS[link, 2, which]
    if i_a >= short_a:
        return SHORT_S * (short_a / i_a) ** 2
    if i_a >= mid_a:
        return _line(i_a, mid_a, MID_S, short_a, SHORT_S)
    return _line(i_a, _POINTS[link, 0, which], _LONG_S[link], mid_a, MID_S)


@kernel
def _line(i_a, low_a, low_s, high_a, high_s):  # type: ignore[no-untyped-def]
    """Straight line on log-log paper through two points."""
    slope = math.log(high_s / low_s) / math.log(high_a / low_a)
    return low_s * math.exp(slope * math.log(i_a / low_a))
