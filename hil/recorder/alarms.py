"""Alarms of the recorder: its disk, and events lost, as points that every master reads and the record keeps.

The recorder is a producer of commands like any other. It compares what the board shows with what should be
shown and commands what differs, so that one that starts again clears what no longer holds, and what was
refused or came too late is simply asked for again. Nothing here waits for the core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from hil import segment
from hil.recorder.room import FULL, LOW
from hil.runspec import RunSpec
from rtcore.board import Snapshot
from rtcore.points import Kind, Point
from rtcore.ring import Producer, RingPair

PRODUCER = "recorder"
SOURCE = "recorder.recorder"
DISK_LOW, DISK_FULL, LOSSY = "is_disk_low_sp", "is_disk_full_sp", "is_lossy_sp"
"""Attributes of the component that the points are bound to."""


def alarm_points(points: Sequence[Point]) -> dict[str, int]:
    """Return attribute -> number of the setpoint that sets it; a point list may have some or none."""
    return {p.attr: k for k, p in enumerate(points) if p.source == SOURCE and p.kind is Kind.SETPOINT}


class Alarms:
    """Keeps the alarm points of a station as they should be.

    Parameters
    ----------
    numbers : mapping
        See ``alarm_points``.
    producer : Producer
        Nobody else's.
    """

    def __init__(self, numbers: Mapping[str, int], producer: Producer) -> None:
        self._numbers, self._producer = numbers, producer
        self._unanswered: set[int] = set()

    def show(self, seen: Snapshot, disk: int, *, is_lossy: bool) -> None:
        """Command what differs, unless answers to the commands before have yet to come.

        Parameters
        ----------
        seen : Snapshot
            Newest image. A command that was just answered may not be in it yet: the next call looks again.
        disk : int
            State of the disk, see ``hil.recorder.room``; a full one has little room, too.
        is_lossy : bool
            Events were lost to the record. The alarm stays for the run, as the gap does, also when a
            recorder that started again knows of no loss.
        """
        if self._unanswered:
            self._unanswered.difference_update(self._producer.poll())
            return
        wanted = {DISK_LOW: disk >= LOW, DISK_FULL: disk == FULL}
        if is_lossy:
            wanted[LOSSY] = True
        writes = [
            (k, float(wanted[attr]))
            for attr, k in self._numbers.items()
            if attr in wanted and (seen.values[k] != 0.0) != wanted[attr]
        ]
        if writes:
            self._unanswered = set(self._producer.push(writes, time.monotonic_ns()) or ())


def alarms_of(spec: RunSpec) -> Alarms | None:
    """Return the alarms of a run whose core has made its memory; None where its points have none."""
    numbers = alarm_points(spec.points)
    if not numbers:
        return None
    pair = RingPair(segment.attach(spec.ring_path(PRODUCER), writable=True))
    pair.check()
    return Alarms(numbers, Producer(pair, os.getpid() & 0x7FFFFFFF))
