"""How late the loop was lately: percentiles of the last second from two readings of its histogram."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

KEPT = 600


class LatenessWatch:
    """Takes what ``ReadStatus`` says of the loop; the histogram there is since the start.

    Attributes
    ----------
    p99_us : deque of float
        99th percentile between two readings each, the newest last [us].
    """

    def __init__(self) -> None:
        self.p99_us: deque[float] = deque(maxlen=KEPT)
        self._counts: list[int] = []
        self._seen: Any = None

    def take(self, status: Mapping[str, Any]) -> None:
        """Take a status; the same one again changes nothing."""
        if status.get("utc_ns") == self._seen:
            return
        self._seen = status.get("utc_ns")
        found = status.get("loop", {}).get("lateness_us", {})
        edges, counts = found.get("edges", []), found.get("counts", [])
        before = self._counts + [0] * (len(counts) - len(self._counts))
        news = [now - old for now, old in zip(counts, before)]
        is_first = not self._counts
        self._counts = list(counts)
        if is_first or min(news, default=0) < 0 or not sum(news):
            return  # the first reading, another run, or no step since
        self.p99_us.append(percentile(edges, news, 0.99))


def percentile(edges: Sequence[float], counts: Sequence[int], share: float) -> float:
    """Return the upper edge of the bin in which a share of all counts is reached."""
    wanted, seen = share * sum(counts), 0
    for edge, count in zip(edges, counts, strict=True):
        seen += count
        if seen >= wanted:
            return edge
    return edges[-1] if edges else 0.0


def sparkline(values: Sequence[float], signs: str, width: int) -> str:
    """Return the newest values as a line of bars, the largest as the highest one."""
    shown = list(values)[-width:]
    top = max(shown, default=0.0)
    if top <= 0.0:
        return signs[0] * len(shown)
    return "".join(signs[min(len(signs) - 1, int(v / top * (len(signs) - 1) + 0.5))] for v in shown)
