"""Alarms of a process as points of the core, so that every master reads them and each change is an event.

The process is a producer of commands like any other. It compares what the board shows with what should be
shown and commands what differs, so that one that starts again clears what no longer holds, and what was
refused or came too late is simply asked for again. Nothing here waits for the core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

from hil import segment
from hil.runspec import RunSpec
from rtcore.board import Snapshot
from rtcore.points import Kind, Point
from rtcore.ring import Producer, RingPair


def alarm_points(points: Sequence[Point], source: str) -> dict[str, int]:
    """Return attribute -> number of the setpoint that sets it; a point list may have some or none."""
    return {p.attr: k for k, p in enumerate(points) if p.source == source and p.kind is Kind.SETPOINT}


class ProcessAlarms:
    """Keeps the alarm points of a process as they should be.

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

    def show(self, seen: Snapshot, wanted: Mapping[str, bool]) -> None:
        """Command what differs, unless answers to the commands before have yet to come.

        Parameters
        ----------
        seen : Snapshot
            Newest image. A command that was just answered may not be in it yet: the next call looks again.
        wanted : mapping
            Attribute -> on or off; of others nothing is commanded.
        """
        if self._unanswered:
            self._unanswered.difference_update(self._producer.poll())
            return
        writes = [
            (k, float(wanted[attr]))
            for attr, k in self._numbers.items()
            if attr in wanted and (seen.values[k] != 0.0) != wanted[attr]
        ]
        if writes:
            self._unanswered = set(self._producer.push(writes, time.monotonic_ns()) or ())


def process_alarms(spec: RunSpec, producer: str, source: str) -> ProcessAlarms | None:
    """Return the alarms of a process of a run whose core has made its memory; None where it has none."""
    numbers = alarm_points(spec.points, source)
    if not numbers:
        return None
    pair = RingPair(segment.attach(spec.ring_path(producer), writable=True))
    pair.check()
    return ProcessAlarms(numbers, Producer(pair, os.getpid() & 0x7FFFFFFF))
