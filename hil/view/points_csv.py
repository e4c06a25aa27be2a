"""Points with their values as rows of a CSV file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hil.view.model import PointInfo
from hil.view.reading import Reading

HEADS = ("tag", "kind", "value", "unit", "status", "source_time_utc", "state", "role", "description")
Row = tuple[str, ...]


def rows_of(points: Iterable[PointInfo], readings: Mapping[str, Reading]) -> list[Row]:
    """Return a row for each point; without a reading its value is empty."""
    return [_row(p, readings.get(p.tag, Reading())) for p in points]


def _row(p: PointInfo, reading: Reading) -> Row:
    number = reading.number
    state = "" if number is None or p.states is None else p.states[int(number != 0.0)]
    at = reading.source.isoformat() if reading.source else ""
    value = "" if number is None else f"{number:.10g}"
    role = p.role if p.is_writable else ""
    return p.tag, p.kind, value, p.unit, reading.status, at, state, role, p.description
