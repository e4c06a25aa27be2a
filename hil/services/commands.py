"""The newest commands of a station, from the audit journals of everybody who gives some."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

from hil.runspec import PRODUCERS, RunSpec

SHOWN = 20
TAIL_BYTES = 65_536
"""How much of the end of a journal is looked at first, and at most at once."""
ASKED = "command"
"""The record of a wish; its verdict follows."""


class NewestCommands:
    """Follows the journals."""

    def __init__(self, spec: RunSpec) -> None:
        self._tails = [JournalTail(p, spec.audit_path(p), spec.started_utc_ns) for p in PRODUCERS]
        self._rows: deque[dict[str, Any]] = deque(maxlen=SHOWN)

    def rows(self) -> list[dict[str, Any]]:
        """Return the newest commands, newest first."""
        news = [row for tail in self._tails for row in tail.take()]
        self._rows.extend(sorted(news, key=lambda row: row["utc_ns"])[-SHOWN:])
        return list(self._rows)[::-1]


class JournalTail:
    """Commands of one journal that are new since the last look.

    Parameters
    ----------
    since_utc_ns : int
        Older ones belong to another run [ns since 1970 UTC].
    """

    def __init__(self, producer: str, path: Path, since_utc_ns: int) -> None:
        self._producer, self._path, self._since_utc_ns = producer, path, since_utc_ns
        self._at = -1

    def take(self) -> list[dict[str, Any]]:
        """Return them, oldest first; what is no record is passed over."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                if self._at < 0 or self._at > size or size - self._at > TAIL_BYTES:
                    self._at = max(0, size - TAIL_BYTES)
                file.seek(self._at)
                data = file.read(TAIL_BYTES)
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        rows = (self._row(line) for line in whole.splitlines())
        return [row for row in rows if row is not None]

    def _row(self, line: bytes) -> dict[str, Any] | None:
        try:
            record = json.loads(line)
            if record["utc_ns"] < self._since_utc_ns or record["event"] == ASKED or "writes" not in record:
                return None
            return {
                "utc_ns": record["utc_ns"],
                "protocol": record.get("protocol") or self._producer,
                "peer": record.get("peer", ""),
                "user": record.get("user", ""),
                "role": record.get("role", ""),
                "writes": record["writes"],
                "result": record.get("result", record["event"]),
            }
        except (ValueError, KeyError, TypeError):  # the first line of a tail is rarely whole
            return None
