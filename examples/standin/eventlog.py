"""The stand-in's own record: one JSON object a line, each with the machine's monotonic clock."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

TOLD = (
    *("connected", "not_connected", "connection_lost", "read_refused"),
    *("trip_decision", "close_decision", "trip_refused", "close_refused"),
)
"""Events that whoever started the device is told, too."""


class EventLog:
    """Append-only log, flushed with every event; without a path it keeps nothing.

    ``mono_ns`` is CLOCK_MONOTONIC [ns], which all processes of a machine share.
    """

    def __init__(self, path: Path | None, say: Callable[[str], None] | None = None) -> None:
        self._say = say
        self._file: IO[str] | None = path.open("a", encoding="utf-8") if path else None

    def write(self, event: str, mono_ns: int | None = None, **more: Any) -> None:
        """Note an event that happened at ``mono_ns``, by default now."""
        if self._say and event in TOLD:
            self._say(" ".join([event, *(f"{key}={value}" for key, value in more.items())]))
        if self._file:
            at_ns = time.monotonic_ns() if mono_ns is None else mono_ns
            self._file.write(json.dumps({"mono_ns": at_ns, "event": event} | more) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
