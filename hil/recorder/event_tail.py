"""The event ring read from a position that outlives the reader.

The head of the ring counts events since the core began, so that the number of an event is its position.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rtcore.commands import RECORD_WORDS
from rtcore.ring import EVENT_CAPACITY, HEAD, HEADER_WORDS, RECORDS_AT

Records = npt.NDArray[np.int64]


class EventTail:
    """A cursor into the event ring.

    Parameters
    ----------
    buffer : buffer
        Memory of the event ring.
    position : int
        Of the first event to return.
    """

    def __init__(self, buffer: Any, position: int = 0) -> None:
        words = np.frombuffer(buffer, np.int64)[HEADER_WORDS:]
        self._head = words[HEAD : HEAD + 1]
        self._rows = words[RECORDS_AT : RECORDS_AT + EVENT_CAPACITY * RECORD_WORDS].reshape(
            EVENT_CAPACITY, -1
        )
        self.position = position

    @property
    def head(self) -> int:
        """Number of events so far."""
        return int(self._head[0])

    def take(self, limit: int) -> tuple[int, Records]:
        """Return the next events, and how many before them were overwritten unread.

        Returns
        -------
        n_lost : int
            The first event returned has the position before this call plus this.
        records : int64[n, 8]
            Columns are those of ``rtcore.ring``; n is at most ``limit``.
        """
        while True:
            first = max(self.position, self._oldest())
            n = max(0, min(self.head - first, limit))
            records = self._rows[np.arange(first, first + n) % EVENT_CAPACITY]
            late = max(self._oldest() - first, 0)  # so many were overwritten while they were copied
            if n == 0 or late < n:
                break
        n_lost = first + late - self.position
        self.position = first + n
        return n_lost, records[late:]

    def _oldest(self) -> int:
        """Return the position of the oldest event that is not being overwritten."""
        return max(0, self.head - EVENT_CAPACITY + 1)
