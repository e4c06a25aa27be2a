"""A gateway's own board: counters and a heartbeat, written by the gateway, read by anyone.

Eight-byte words so that the supervisor, which uses the standard library alone, can read it.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

from hil import segment

FIELDS = ("beat_ns", "state", "clients", "requests", "refused", "commands", "errors", "pid")
STARTING, SERVING = 1, 2
_WORDS = struct.Struct(f"<{len(FIELDS)}q")


class GatewayStatus:
    """Counters of one gateway in shared memory."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory

    @classmethod
    def create(cls, path: Path) -> GatewayStatus:
        """Make a fresh status segment (the gateway at its start)."""
        return cls(segment.create(path, _WORDS.size))

    def write(self, **counters: int) -> None:
        """Store the counters and stamp the heartbeat."""
        row = dict(zip(FIELDS, _WORDS.unpack_from(self._memory), strict=True))
        row |= counters | {"beat_ns": time.monotonic_ns()}
        _WORDS.pack_into(self._memory, 0, *(row[f] for f in FIELDS))


def read(path: Path) -> dict[str, int] | None:
    """Return the counters, None when the gateway has not made its board yet."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    return dict(zip(FIELDS, _WORDS.unpack_from(raw), strict=True)) if len(raw) >= _WORDS.size else None
