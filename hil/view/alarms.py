"""Alarms as the station keeps them: rows for the list, the most urgent first."""

from __future__ import annotations

import dataclasses as dc
import json
from datetime import UTC, datetime
from typing import Any, ClassVar

UNACK_ACTIVE, ACK_ACTIVE, UNACK_CLEARED = "unack_active", "ack_active", "unack_cleared"
_STATES = {UNACK_ACTIVE: 0, UNACK_CLEARED: 1, ACK_ACTIVE: 2}
_SEVERITIES = {"high": 0, "medium": 1, "low": 2}


@dc.dataclass(frozen=True, slots=True)
class AlarmRow:
    """One alarm that is not normal (active, or over and not acknowledged)."""

    tag: str
    text: str
    severity: str
    state: str
    since_utc_ns: int
    changed_utc_ns: int
    count: int
    acked_by: str
    comment: str
    shown: str

    HEAD: ClassVar[tuple[str, ...]] = (
        "tag", "severity", "state", "shown", "since_utc", "count", "acked_by", "comment", "text",
    )  # fmt: skip
    """Heads of what ``cells`` returns."""

    def cells(self) -> tuple[Any, ...]:
        """Return it as a row of a file."""
        since = datetime.fromtimestamp(self.since_utc_ns / 1e9, UTC).isoformat(timespec="milliseconds")
        return (
            self.tag, self.severity, self.state, self.shown, since, self.count, self.acked_by, self.comment,
            self.text,
        )  # fmt: skip

    @property
    def is_acknowledged(self) -> bool:
        """Tell whether somebody has seen it."""
        return self.state == ACK_ACTIVE

    @property
    def is_active(self) -> bool:
        """Tell whether it still holds."""
        return self.state != UNACK_CLEARED


def alarm_rows(text: str) -> tuple[AlarmRow, ...]:
    """Read what ``ReadAlarms`` says; rows that cannot be read are left out."""
    names = [f.name for f in dc.fields(AlarmRow)]
    rows = []
    for row in _listed(text):
        if all(name in row for name in names):
            rows.append(AlarmRow(**{name: row[name] for name in names}))
    return tuple(sorted(rows, key=_urgency))


def _urgency(row: AlarmRow) -> tuple[int, int, int]:
    return _STATES.get(row.state, 3), _SEVERITIES.get(row.severity, 3), -row.changed_utc_ns


def _listed(text: str) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
