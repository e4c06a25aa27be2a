"""A trend as it is drawn: what was recorded, then what came live, on one clock; gaps where it was bad."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Sequence
from datetime import UTC, datetime

BAD_FROM = 128
"""Qualities from here on are bad."""


@dc.dataclass(frozen=True, slots=True)
class TrendRow:
    """One value: when [s since 1970 UTC], what, how good."""

    utc_s: float
    value: float
    quality: int
    is_live: bool = False

    @property
    def is_good(self) -> bool:
        """Tell whether it can be drawn."""
        return self.quality < BAD_FROM and math.isfinite(self.value)


def recorded(times: Sequence[datetime], values: Sequence[float], qualities: Sequence[int]) -> list[TrendRow]:
    """Take what ``ReadTrend`` says; its times are UTC."""
    stamped = [t if t.tzinfo else t.replace(tzinfo=UTC) for t in times]
    return [TrendRow(t.timestamp(), v, q) for t, v, q in zip(stamped, values, qualities, strict=True)]


def live(times_s: Sequence[float], values: Sequence[float], offset_s: float) -> list[TrendRow]:
    """Take what was kept since the dialog opened; ``offset_s`` turns its clock into UTC."""
    return [TrendRow(t + offset_s, v, 0, True) for t, v in zip(times_s, values, strict=True)]


def joined(past: Sequence[TrendRow], now: Sequence[TrendRow], begin_s: float) -> list[TrendRow]:
    """Return the recorded rows since a time, then those live ones that are newer than all of them."""
    kept = [r for r in past if r.utc_s >= begin_s]
    last_s = kept[-1].utc_s if kept else begin_s
    return kept + [r for r in now if r.utc_s > last_s]


def held(rows: Sequence[TrendRow], now_s: float | None) -> tuple[list[float], list[float]]:
    """Return times and values to draw: a value holds until the next one, the last one until ``now_s``.

    Values are sent, and recorded, when they leave their deadband: a line between two would invent a ramp.
    """
    times_s: list[float] = []
    values: list[float] = []
    for row in rows:
        if values:
            times_s.append(row.utc_s)
            values.append(values[-1])
        times_s.append(row.utc_s)
        values.append(row.value)
    if now_s is not None and values and times_s[-1] < now_s:
        times_s.append(now_s)
        values.append(values[-1])
    return times_s, values


def ticks(begin_s: float, end_s: float, n: int) -> list[tuple[float, str]]:
    """Return where to write which time of day (UTC)."""
    form = "%H:%M:%S" if end_s - begin_s <= 1200.0 else "%H:%M"
    steps = [begin_s + (end_s - begin_s) * k / (n - 1) for k in range(n)] if n > 1 else [begin_s]
    return [(s, datetime.fromtimestamp(s, UTC).strftime(form)) for s in steps]
