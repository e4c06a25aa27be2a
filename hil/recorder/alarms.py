"""Alarms of the recorder: its disk, and events lost, as points that every master reads."""

from __future__ import annotations

from hil.process_alarms import ProcessAlarms, process_alarms
from hil.recorder.room import FULL, LOW
from hil.runspec import RunSpec
from rtcore.board import Snapshot

PRODUCER = "recorder"
SOURCE = "recorder.recorder"
DISK_LOW, DISK_FULL, LOSSY = "is_disk_low_sp", "is_disk_full_sp", "is_lossy_sp"
"""Attributes of the component that the points are bound to."""


class Alarms:
    """Keeps the alarm points of a station as they should be."""

    def __init__(self, points: ProcessAlarms) -> None:
        self._points = points

    def show(self, seen: Snapshot, disk: int, *, is_lossy: bool) -> None:
        """Show what holds.

        Parameters
        ----------
        disk : int
            State of the disk, see ``hil.recorder.room``; a full one has little room, too.
        is_lossy : bool
            Events were lost to the record. The alarm stays for the run, as the gap does, also when a
            recorder that started again knows of no loss.
        """
        wanted = {DISK_LOW: disk >= LOW, DISK_FULL: disk == FULL}
        self._points.show(seen, wanted | ({LOSSY: True} if is_lossy else {}))


def alarms_of(spec: RunSpec) -> Alarms | None:
    """Return the alarms of a run whose core has made its memory; None where its points have none."""
    points = process_alarms(spec, PRODUCER, SOURCE)
    return None if points is None else Alarms(points)
