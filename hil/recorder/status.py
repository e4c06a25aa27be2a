"""What the recorder says of itself in shared memory: single words, each written by one thread.

The first two are those of every process that is not the core (``hil.gateway_status``): the
supervisor judges the heartbeat by them.
"""

from __future__ import annotations

import mmap
import time
from pathlib import Path

import numpy as np

from hil import segment

FIELDS = (
    "beat_ns", "state", "ring_position", "seq", "lost", "disk", "images", "trend_rows", "mirror_seq",
    "errors", "pid", "counted", "disturbances", "disturbances_missed",
)  # fmt: skip
"""``ring_position``: every event before it is on disk. ``seq``: of the last record. ``lost``: events
overwritten unread. ``disk``: see ``DISK``. ``images``, ``trend_rows``: written by this process.
``mirror_seq``: last record in the database. ``errors``: writes that failed for another reason than a
full disk. ``counted``: commands to points of health, which are counted instead of kept one by one.
``disturbances``, ``disturbances_missed``: records written by this process, and not written."""

DISK = ("ok", "low", "full")


class RecorderStatus:
    """The recorder's own board."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._words = np.frombuffer(memory, np.int64)

    @classmethod
    def create(cls, path: Path, **words: int) -> RecorderStatus:
        """Make a fresh board that holds these words before anyone can see it."""

        def prepare(memory: mmap.mmap) -> None:
            cls(memory).write(**words)

        return cls(segment.create(path, 8 * len(FIELDS), prepare))

    def write(self, **words: int) -> None:
        """Store words, each at once."""
        for name, value in words.items():
            self._words[FIELDS.index(name)] = value

    def beat(self, **words: int) -> None:
        """Store words and stamp the heartbeat."""
        self.write(**words, beat_ns=time.monotonic_ns())


def read(path: Path) -> dict[str, int] | None:
    """Return what the recorder says of itself; None when it has not made its board yet."""
    try:
        words = np.frombuffer(path.read_bytes(), np.int64)
    except FileNotFoundError:
        return None
    return dict(zip(FIELDS, words.tolist(), strict=True)) if len(words) == len(FIELDS) else None
