"""Ages of values from the time stamps that their source gave them. Pure: times are passed in.

Stamps are of the wall clock of the device, in UTC, and simulated time is another base: what counts is how
long before the reading a value was stamped, times how fast simulated time runs. A clock that is far off (or
set to simulated time) is told by the newest stamp of the first answer of a connection; its offset is taken
off, and stays: were it found anew in every answer, values of a device that stands still would stay young for
ever. It only moves on with stamps that come from the future.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Stamps = npt.NDArray[np.int64]

CLOCK_OFF_S = 5.0
"""Clocks that differ by more are not the same time [s]; within it a newest value may be as old as that."""
AGE_MAX_S = 86_400.0
"""Ages end here [s]: whatever is older is just as useless, and stamps may be anything."""
NS_PER_S = 1e9


class SourceClock:
    """The clock of one device.

    Parameters
    ----------
    rate : float or None
        Simulated over running time; None where simulated time has no fixed rate: ages are then those of the
        fetch.

    Attributes
    ----------
    offset_s : float
        How far its clock is ahead of ours, as far as that counts [s].
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self.offset_s = 0.0
        self._is_known = False

    def forget(self) -> None:
        """Another connection: the device may be another one."""
        self.offset_s, self._is_known = 0.0, False

    def ages(self, now_ns: int, stamps_ns: Stamps) -> Floats:
        """Return how old values are at the moment of their reading.

        Parameters
        ----------
        now_ns : int
            Our clock when they were asked for [ns UTC since 1970].
        stamps_ns : int64[n]
            Source times [ns UTC since 1970]; 0: none, the value counts as of now.

        Returns
        -------
        float64[n]
            [s of simulated time], within 0 and ``AGE_MAX_S``.
        """
        is_stamped = stamps_ns != 0
        if self._rate is None or not is_stamped.any():
            return np.zeros(len(stamps_ns))
        age_s = np.where(is_stamped, (now_ns - stamps_ns) / NS_PER_S, 0.0)
        newest_s = float(np.min(age_s[is_stamped]))
        if not self._is_known and abs(newest_s) > CLOCK_OFF_S:
            self.offset_s = -newest_s
        self._is_known = True
        if newest_s + self.offset_s < -CLOCK_OFF_S:  # its clock was set on, or simulated time runs faster
            self.offset_s = -newest_s
        ages = np.where(is_stamped, age_s + self.offset_s, 0.0)
        return np.asarray(np.clip(self._rate * ages, 0.0, AGE_MAX_S))
