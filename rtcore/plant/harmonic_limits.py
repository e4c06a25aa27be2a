"""Distortion limits of IEEE 519-2022 for orders up to 25: tables 1 to 4.

Here they judge one scan; the standard itself judges 95 and 99 percentiles of 3 s and 10 min
values over a day or a week. Generation above a tenth of the site's demand answers to
IEEE 1547 instead (scope of the 2022 edition).
"""

from __future__ import annotations

import bisect
import dataclasses as dc

LOW_KV, MEDIUM_KV, HIGH_KV = 1.0, 69.0, 161.0
"""Upper ends of the voltage classes, line to line [kV]."""

BAND_ENDS = (11, 17, 23, 35)
"""First orders of the bands after the first."""


@dc.dataclass(frozen=True, slots=True)
class Limits:
    """One class of table 2, 3 or 4 [% of the maximum demand current]."""

    bands: tuple[float, float, float, float]
    """Odd orders 3 to 9, 11 to 15, 17 to 21, 23 to 33."""
    tdd: float

    def individual(self, h: int) -> float:
        """Return the limit of an order: even ones up to 6 have half (footnote of the tables, 2022)."""
        limit = self.bands[bisect.bisect_right(BAND_ENDS[:-1], h)]
        return 0.5 * limit if h % 2 == 0 and h <= 6 else limit


RATIO_ENDS = (20.0, 50.0, 100.0, 1000.0)
TABLE_2 = (
    Limits((4.0, 2.0, 1.5, 0.6), 5.0),
    Limits((7.0, 3.5, 2.5, 1.0), 8.0),
    Limits((10.0, 4.5, 4.0, 1.5), 12.0),
    Limits((12.0, 5.5, 5.0, 2.0), 15.0),
    Limits((15.0, 7.0, 6.0, 2.5), 20.0),
)
TABLE_3 = tuple(Limits(tuple(0.5 * x for x in row.bands), 0.5 * row.tdd) for row in TABLE_2)  # type: ignore[arg-type]
RATIO_ENDS_4 = (25.0, 50.0)
TABLE_4 = (
    Limits((1.0, 0.5, 0.38, 0.15), 1.5),
    Limits((2.0, 1.0, 0.75, 0.3), 2.5),
    Limits((3.0, 1.5, 1.15, 0.45), 3.75),
)


def voltage_limits(kv: float) -> tuple[float, float]:
    """Return the limits of table 1, (individual, total) [% of the rated voltage], any order.

    Parameters
    ----------
    kv : float
        Rated line-to-line voltage [kV].
    """
    if kv <= LOW_KV:
        return 5.0, 8.0
    if kv <= MEDIUM_KV:
        return 3.0, 5.0
    return (1.5, 2.5) if kv <= HIGH_KV else (1.0, 1.5)


def current_limits(kv: float, ratio: float) -> Limits:
    """Return the class of a point of common coupling.

    Parameters
    ----------
    kv : float
        Rated line-to-line voltage [kV].
    ratio : float
        Short-circuit current over maximum demand current.
    """
    if kv > HIGH_KV:
        return TABLE_4[bisect.bisect_right(RATIO_ENDS_4, ratio)]
    table = TABLE_2 if kv <= MEDIUM_KV else TABLE_3
    return table[bisect.bisect_right(RATIO_ENDS, ratio)]
