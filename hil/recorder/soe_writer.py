"""From the event ring to the journal: nothing lost, nothing doubled, on disk before it is acknowledged.

Every record carries its position in the ring, so that the journal itself says where to go on. Commands to
points of health, which a device may give in every cycle of its own, are not kept one by one: of each stretch
of them the journal has their number and their steps. A replay needs no more, and a device's echo of the
token, 200 a second, would fill the disk.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
import errno
from collections.abc import Callable
from itertools import pairwise

from hil.recorder.event_tail import EventTail
from hil.recorder.journal import Journal
from hil.recorder.soe import COUNTED, LOST, Namer, Soe

BATCH_MAX = 2048
"""Most events of one commit: a bound on what waits for the disk at once."""
COUNTED_MAX = 1024
"""Most commands that are counted before it is written: far less than the ring holds until a restart."""
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
        self._counted: list[Soe] = []
        self.n_lost = self.n_counted = 0
        acknowledge(tail.position, journal.seq)

    def turn(self, *, is_last: bool = False) -> int:
        """Write what is there, at most ``BATCH_MAX`` events; return how many records are on disk now.

        Parameters
        ----------
        is_last : bool
            Nothing may wait for more that could be counted with it.

        Raises
        ------
        OSError
            The disk refuses for another reason than being full.
        """
        if not self._waiting:
            self._waiting = [r.encode() for r in self._taken(is_last)]
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
        self._acknowledge(self._counted[0].pos if self._counted else self._tail.position, seq)
        return n

    def _taken(self, is_last: bool) -> list[Soe]:
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
        found: list[Soe] = []
        for record in records:
            if self._namer.is_counted(record):
                self._counted.append(record)
                self.n_counted += 1
                if len(self._counted) == COUNTED_MAX:
                    found += self._count()
            else:
                found += [*self._count(), record]
        return found + self._count() if is_last else found

    def _count(self) -> list[Soe]:
        """Return one record for all commands that wait to be counted, if any do."""
        waiting, self._counted = self._counted, []
        if not waiting:
            return []
        steps = " ".join(str(b.step - a.step) for a, b in pairwise(waiting))
        first = waiting[0]
        tag = first.tag if all(r.tag == first.tag for r in waiting) else ""
        same = dc.replace(first, kind=COUNTED, tag=tag, old=None, new=len(waiting), steps=steps)
        return [same]
