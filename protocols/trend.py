"""Values of a point over time; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Trend(NamedTuple):
    """Values, oldest first; columns of one length.

    Attributes
    ----------
    utc_ns : int64[n]
        [ns since 1970 UTC]
    value : float64[n]
        In the point's unit.
    quality : uint8[n]
    """

    utc_ns: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]

    def at(self, places: npt.NDArray[Any]) -> Trend:
        """Return the values at some places, by number or by a mask."""
        return Trend(self.utc_ns[places], self.value[places], self.quality[places])


NOTHING = Trend(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint8))


def joined(parts: Iterable[Trend]) -> Trend:
    """Return parts one behind the other."""
    times, values, qualities = zip(NOTHING, *parts, strict=True)
    return Trend(np.concatenate(times), np.concatenate(values), np.concatenate(qualities))
