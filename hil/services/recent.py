"""What the board showed lately: one image a second, in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from protocols.trend import Trend

EVERY_NS = 1_000_000_000


class Recent:
    """A ring of images.

    Parameters
    ----------
    n_points, n_images : int
    """

    def __init__(self, n_points: int, n_images: int) -> None:
        self._utc_ns = np.zeros(n_images, np.int64)
        self._values = np.zeros((n_images, n_points))
        self._quality = np.zeros((n_images, n_points), np.uint8)
        self._n = 0

    def take(self, values: npt.NDArray[np.float64], quality: npt.NDArray[np.uint8], utc_ns: int) -> None:
        """Keep an image unless the last one is less than a second older [ns since 1970 UTC]."""
        size = len(self._utc_ns)
        if self._n and 0 <= utc_ns - self._utc_ns[(self._n - 1) % size] < EVERY_NS:
            return
        k = self._n % size
        self._utc_ns[k], self._values[k], self._quality[k] = utc_ns, values, quality
        self._n += 1

    def of(self, point: int, from_ns: int, to_ns: int) -> Trend:
        """Return what is kept of one point between two instants, both included, oldest first."""
        size = len(self._utc_ns)
        places = np.arange(max(0, self._n - size), self._n) % size
        at = places[(self._utc_ns[places] >= from_ns) & (self._utc_ns[places] <= to_ns)]
        return Trend(self._utc_ns[at], self._values[at, point], self._quality[at, point])
