"""Changes of statuses as the core recorded them, each with its own instant (sequence of events).

The board shows states at whole steps, and a gateway looks at it now and then. The event ring holds
every change in between, in order, and when it happened within its step.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from rtcore.ring import E_KIND, E_NEW, E_STEP, E_TARGET, E_UTC_NS, EVENT_STATUS, EventReader


class StatusChange(NamedTuple):
    """One status that took a value."""

    point: int
    """Its index."""
    value: float
    utc_ns: int


class StatusEvents:
    """One gateway's cursor into the event ring."""

    def __init__(self, reader: EventReader) -> None:
        self._reader = reader
        self._waiting: deque[tuple[int, ...]] = deque()

    @property
    def n_lost(self) -> int:
        """Number of records that were overwritten before they were looked at."""
        return self._reader.n_lost

    def until(self, step: int) -> list[StatusChange]:
        """Return the changes up to a step that were not returned before, oldest first.

        What is newer waits for the snapshot of its step.
        """
        self._waiting.extend(r for r in self._reader.take() if r[E_KIND] == EVENT_STATUS)
        found = []
        while self._waiting and self._waiting[0][E_STEP] <= step:
            record = self._waiting.popleft()
            found.append(StatusChange(record[E_TARGET], float(record[E_NEW]), record[E_UTC_NS]))
        return found
