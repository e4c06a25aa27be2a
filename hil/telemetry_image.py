"""The telemetry as a control centre has it: what was fetched last, how good it was, how old it is. Pure."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from estimation.reading import Bytes, Floats, Reading
from rtcore.quality import Quality, is_bad

RETRY_S = 5.0
"""Simulated time until something that is fetched seldom and did not come is asked for again [s]."""
NEVER_NS = -(1 << 62)

Ints = npt.NDArray[np.intp]


@dc.dataclass(frozen=True, slots=True)
class Fetched:
    """What came back for the points that were asked for, in their order.

    ``quality`` is Bad/no communication where there was no answer; the value then counts for nothing.
    """

    values: Floats
    quality: Bytes
    faults: tuple[str, ...] = ()
    """What went wrong, for the log."""
    age_s: Floats | None = None
    """How old the values were when they were fetched [s of simulated time]; None: of that moment."""


class TelemetryImage:
    """Every point's last value.

    Parameters
    ----------
    n_points : int
        Points of the core.
    period_s : mapping
        Point -> how often it is fetched [s of simulated time]; 0 is in every scan.
    """

    def __init__(self, n_points: int, period_s: Mapping[int, float]) -> None:
        self.points: Ints = np.array(sorted(period_s), np.intp)
        self._period_ns = np.array([round(1e9 * period_s[int(k)]) for k in self.points], np.int64)
        self._next_ns = np.full(len(self.points), NEVER_NS, np.int64)
        self._values = np.full(n_points, np.nan)
        self._quality = np.full(n_points, int(Quality.BAD_WAITING), np.uint8)
        self._stamped_ns = np.full(n_points, NEVER_NS, np.int64)

    def due(self, sim_ns: int) -> Ints:
        """Return the points to be fetched now."""
        return self.points[self._next_ns <= sim_ns]

    def take(self, sim_ns: int, asked: Ints, fetched: Fetched) -> None:
        """Enter the answers; what did not come keeps its value, goes Bad, and ages."""
        is_lost = fetched.quality == int(Quality.BAD_NO_COMMUNICATION)
        there = asked[~is_lost]
        self._values[there] = fetched.values[~is_lost]
        age_s = np.zeros(len(asked)) if fetched.age_s is None else fetched.age_s
        self._stamped_ns[there] = sim_ns - np.rint(1e9 * age_s[~is_lost]).astype(np.int64)
        self._quality[asked] = fetched.quality
        rows = np.searchsorted(self.points, asked)
        retry_ns = np.minimum(self._period_ns[rows], round(1e9 * RETRY_S))
        self._next_ns[rows] = sim_ns + np.where(is_lost, retry_ns, self._period_ns[rows])

    def reading(self, sim_ns: int) -> Reading:
        """Return a copy of everything, with the ages of now."""
        is_there = self._stamped_ns != NEVER_NS
        age_s = np.where(is_there, (sim_ns - np.where(is_there, self._stamped_ns, 0)) * 1e-9, np.inf)
        return Reading(sim_ns, self._values.copy(), self._quality.copy(), age_s)

    @property
    def n_bad(self) -> int:
        """How many telemetered points are Bad."""
        return sum(is_bad(int(q)) for q in self._quality[self.points])
