"""What came of a few points, kept for plots: short rings in memory, nothing on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

MAX_ROWS = 4000


class History:
    """Values of the points that are kept, with the time they came at [s, monotonic]."""

    def __init__(self) -> None:
        self._rows: dict[str, deque[tuple[float, float]]] = {}

    def keep(self, tags: Iterable[str]) -> None:
        """Keep these too from now on."""
        for tag in tags:
            self._rows.setdefault(tag, deque(maxlen=MAX_ROWS))

    def drop(self, tags: Iterable[str]) -> None:
        """Keep these no longer."""
        for tag in tags:
            self._rows.pop(tag, None)

    def add(self, tag: str, at_s: float, value: float) -> None:
        """Take a value of a point that is kept."""
        rows = self._rows.get(tag)
        if rows is not None:
            rows.append((at_s, value))

    def of(self, tag: str, begin_s: float = -1e18) -> tuple[list[float], list[float]]:
        """Return times and values since a time, oldest first."""
        rows = [r for r in self._rows.get(tag, ()) if r[0] >= begin_s]
        return [r[0] for r in rows], [r[1] for r in rows]
