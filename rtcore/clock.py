"""Simulated time: integer steps and integer nanoseconds since the station's epoch."""

from __future__ import annotations

import dataclasses as dc

NS_PER_S = 1_000_000_000
NS_PER_HOUR = 3600 * NS_PER_S


@dc.dataclass(frozen=True, slots=True)
class SimClock:
    """Fixed-step clock.

    Parameters
    ----------
    epoch_ns : int
        Simulated UTC at step 0 [ns since 1970].
    dt_ns : int
        Step length [ns].
    """

    epoch_ns: int
    dt_ns: int

    def at(self, step: int) -> int:
        """Return simulated UTC at the start of ``step`` [ns since 1970]."""
        return self.epoch_ns + step * self.dt_ns
