"""The sequence of events as a console holds it: the newest first, paged back, filtered, searched."""

from __future__ import annotations

import dataclasses as dc
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

PAGE = 300
"""Events asked for at once."""
KEPT = 20_000
"""Events held; the oldest are forgotten, and can be asked for again."""
HEAD = ("seq", "utc", "kind", "tag", "old", "new", "text", "who", "step")


@dc.dataclass(frozen=True, slots=True)
class EventRow:
    """One event."""

    seq: int
    utc_ns: int
    step: int
    kind: str
    tag: str
    text: str
    who: str
    old: float | None = None
    new: float | None = None

    @property
    def at(self) -> datetime:
        """When it happened (UTC)."""
        return datetime.fromtimestamp(self.utc_ns / 1e9, UTC)

    @property
    def sought(self) -> str:
        """What a filter looks into."""
        return f"{self.kind} {self.tag} {self.text} {self.who}".lower()

    def cells(self) -> tuple[Any, ...]:
        """Return it as a row of a file."""
        at = self.at.isoformat(timespec="milliseconds")
        return (self.seq, at, self.kind, self.tag, self.old, self.new, self.text, self.who, self.step)


def event_rows(rows: Iterable[Mapping[str, Any]]) -> list[EventRow]:
    """Read what ``ReadEvents`` says."""
    return [
        EventRow(
            seq=int(row["seq"]),
            utc_ns=int(row["utc_ns"]),
            step=int(row.get("step") or 0),
            kind=str(row.get("kind") or ""),
            tag=str(row.get("tag") or ""),
            text=str(row.get("text") or ""),
            who=str(row.get("who") or ""),
            old=row.get("old"),
            new=row.get("new"),
        )
        for row in rows
    ]


class EventLog:
    """Events of one run.

    Attributes
    ----------
    last : int
        Number of the newest event known, -1 before the first answer.
    changes : int
        Grows with every row that comes.
    """

    def __init__(self) -> None:
        self._rows: deque[EventRow] = deque()
        self.last, self.changes = -1, 0

    def __len__(self) -> int:
        return len(self._rows)

    def take_new(self, last: int, rows: Sequence[EventRow]) -> int:
        """Take events after the newest one known, oldest first; return how many were news."""
        news = [r for r in rows if r.seq > self.last]
        self._rows.extendleft(news)
        self.last = max(self.last, last, news[-1].seq if news else -1)
        while len(self._rows) > KEPT:
            self._rows.pop()
        self.changes += len(news)
        return len(news)

    def take_old(self, rows: Sequence[EventRow]) -> int:
        """Take events before the oldest one known, oldest first; return how many were new to us."""
        oldest = self._rows[-1].seq if self._rows else self.last + 1
        found = [r for r in reversed(rows) if r.seq < oldest][: KEPT - len(self._rows)]
        self._rows.extend(found)
        self.changes += len(found)
        return len(found)

    @property
    def before(self) -> int | None:
        """Return the ``since`` of the page before the oldest event known, None where there is none."""
        if not self._rows or self._rows[-1].seq <= 1 or len(self._rows) >= KEPT:
            return None
        return max(0, self._rows[-1].seq - 1 - PAGE)

    def shown(self, wanted: str) -> list[EventRow]:
        """Return the events that contain every word wanted, the newest first; ``-word``: none that has it."""
        words = wanted.lower().split()
        with_ = [w for w in words if not w.startswith("-")]
        without = [w[1:] for w in words if w.startswith("-") and len(w) > 1]
        if not words:
            return list(self._rows)
        return [
            r
            for r in self._rows
            if all(w in r.sought for w in with_) and not any(w in r.sought for w in without)
        ]


def next_match(rows: Sequence[EventRow], text: str, start: int) -> int | None:
    """Return the row after ``start``, all around, that contains a text; None where none does."""
    wanted = text.lower()
    for k in range(1, len(rows) + 1):
        at = (start + k) % len(rows)
        if wanted in rows[at].sought:
            return at
    return None
