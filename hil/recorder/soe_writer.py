"""From the event ring to the journal: nothing lost, nothing doubled, on disk before it is acknowledged.

Every record carries its position in the ring, so that the journal itself says where to go on.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable

from hil.recorder.event_tail import EventTail
from hil.recorder.journal import Journal
from hil.recorder.soe import LOST, Namer, Soe

BATCH_MAX = 2048
"""Most events of one commit: a bound on what waits for the disk at once."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def next_position(journal: Journal) -> int:
    """Return the ring position behind the last record of a journal."""
    if journal.last is None:
        return 0
    with contextlib.suppress(ValueError, TypeError):
        return Soe.decode(journal.last).next_pos
    return 0


class SoeWriter:
    """Moves events into a journal.

    Parameters
    ----------
    tail : EventTail
        Standing where the journal ends, see ``next_position``.
    quality : callable
        Quality of the clock now.
    acknowledge : callable
        ``acknowledge(position, seq)``: every event before this position is on disk.
    make_room : callable
        Called when the disk is full; what was to be written is tried again at the next turn.
    """

    def __init__(
        self,
        tail: EventTail,
        namer: Namer,
        journal: Journal,
        quality: Callable[[], str],
        acknowledge: Callable[[int, int], None],
        make_room: Callable[[], None],
    ) -> None:
        self._tail, self._namer, self._journal = tail, namer, journal
        self._quality, self._acknowledge, self._make_room = quality, acknowledge, make_room
        self._waiting: list[bytes] = []
        self.n_lost = 0
        acknowledge(tail.position, journal.seq)

    def turn(self) -> int:
        """Write what is there, at most ``BATCH_MAX`` events; return how many records are on disk now.

        Raises
        ------
        OSError
            The disk refuses for another reason than being full.
        """
        if not self._waiting:
            self._waiting = self._taken()
        if not self._waiting:
            return 0
        try:
            seq = self._journal.commit(self._waiting)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self._make_room()
            return 0
        n, self._waiting = len(self._waiting), []
        self._acknowledge(self._tail.position, seq)
        return n

    def _taken(self) -> list[bytes]:
        before = self._tail.position
        n_lost, events = self._tail.take(BATCH_MAX)
        quality = self._quality()
        records = self._namer.records(before + n_lost, events, quality)
        if n_lost and records:
            first = records[0]
            gap = Soe(
                pos=before, utc_ns=first.utc_ns, step=first.step, kind=LOST, new=n_lost, quality=quality
            )
            records.insert(0, gap)
        self.n_lost += n_lost
        return [r.encode() for r in records]
