"""Alarms of a station and how they stand: came, went, acknowledged (ISA 18.2). Pure: no I/O, no clock.

======================  ================  ==============================
state                   condition         seen by an operator
======================  ================  ==============================
``unack_active``        there             no
``ack_active``          there             yes
``unack_cleared``       gone again        no
(no row)                gone              yes, or there never was any
======================  ================  ==============================

The book is fed with every change of a status in order, so that one that came and went between two looks is
there, and stays until somebody has acknowledged it.
"""

from __future__ import annotations

import dataclasses as dc
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UNACK_ACTIVE, ACK_ACTIVE, UNACK_CLEARED = "unack_active", "ack_active", "unack_cleared"
STATES = (UNACK_ACTIVE, ACK_ACTIVE, UNACK_CLEARED)
SEVERITIES = ("high", "medium", "low")


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A point that is an alarm.

    Attributes
    ----------
    on : int
        The value, 0 or 1, that is the alarm.
    states : tuple of str
        Names of 0 and 1.
    """

    tag: str
    text: str
    severity: str
    on: int
    states: tuple[str, str]


@dc.dataclass(slots=True)
class Entry:
    """One alarm that is not at rest; times in ns since 1970 UTC, 0 for never."""

    state: str
    since_utc_ns: int
    changed_utc_ns: int
    count: int = 1
    """How often it came since it was last acknowledged, or at rest."""
    acked_by: str = ""
    acked_utc_ns: int = 0
    comment: str = ""


Seen = Mapping[str, int]
"""Tag -> time of the last change that whoever acknowledges has seen [ns since 1970 UTC]."""


class AlarmBook:
    """How the alarms of one station stand.

    Parameters
    ----------
    alarms : iterable of Alarm
        Those there are; a tag each.

    Attributes
    ----------
    number : int
        Grows with every change.
    """

    def __init__(self, alarms: Iterable[Alarm] = ()) -> None:
        self.alarms = {a.tag: a for a in alarms}
        self.number = 0
        self._entries: dict[str, Entry] = {}
        self._json, self._json_of = "[]", 0

    def take(self, tag: str, value: float, utc_ns: int) -> None:
        """Take the state of a point as of an instant [ns since 1970 UTC]; of one that is no alarm nothing."""
        alarm = self.alarms.get(tag)
        if alarm is None:
            return
        is_on = (value != 0.0) == bool(alarm.on)
        entry = self._entries.get(tag)
        if entry is None:
            if is_on:
                self._entries[tag] = Entry(UNACK_ACTIVE, utc_ns, utc_ns)
                self.number += 1
            return
        if is_on == (entry.state != UNACK_CLEARED):
            return
        if is_on:
            entry.state, entry.count = UNACK_ACTIVE, entry.count + 1
        elif entry.state == ACK_ACTIVE:
            del self._entries[tag]
        else:
            entry.state = UNACK_CLEARED
        entry.changed_utc_ns = utc_ns
        self.number += 1

    def unacknowledged(self, tags: Sequence[str] = ()) -> dict[str, int]:
        """Return those of some alarms, without tags of all, that wait for an operator, as seen now."""
        return {
            tag: e.changed_utc_ns
            for tag, e in self._entries.items()
            if e.state != ACK_ACTIVE and (not tags or tag in tags)
        }

    def acknowledge(self, seen: Seen, who: str, comment: str, utc_ns: int) -> int:
        """Acknowledge alarms that have not changed since they were seen; return how many."""
        done = 0
        for tag, changed_utc_ns in seen.items():
            entry = self._entries.get(tag)
            if entry is None or entry.state == ACK_ACTIVE or entry.changed_utc_ns != changed_utc_ns:
                continue
            if entry.state == UNACK_CLEARED:
                del self._entries[tag]
            else:
                entry.state = ACK_ACTIVE
                entry.acked_by, entry.acked_utc_ns, entry.comment = who, utc_ns, comment
                entry.count = 1
            done += 1
        self.number += done > 0
        return done

    def rows(self) -> list[dict[str, Any]]:
        """Return the alarms that are not at rest, the severest and newest first."""
        found = [self._row(self.alarms[tag], entry) for tag, entry in self._entries.items()]
        found.sort(key=lambda r: (SEVERITIES.index(r["severity"]), -r["since_utc_ns"], r["tag"]))
        return found

    def json(self) -> str:
        """Return ``rows`` as JSON; made anew only where something changed."""
        if self._json_of != self.number:
            self._json, self._json_of = json.dumps(self.rows(), separators=(",", ":")), self.number
        return self._json

    def state(self) -> dict[str, Any]:
        """Return what ``restore`` takes, as JSON can hold it."""
        return {"entries": {tag: dc.asdict(entry) for tag, entry in self._entries.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what an earlier book had; what is no alarm any more is left out.

        Raises
        ------
        ValueError, TypeError, KeyError, AttributeError
            It is not what ``state`` returned; nothing was taken.
        """
        found = {tag: Entry(**row) for tag, row in state["entries"].items() if tag in self.alarms}
        for entry in found.values():
            numbers = (entry.since_utc_ns, entry.changed_utc_ns, entry.count, entry.acked_utc_ns)
            words = (entry.acked_by, entry.comment)
            if entry.state not in STATES or any(type(n) is not int for n in numbers):
                raise ValueError("not the state of an alarm")
            if any(type(w) is not str for w in words):
                raise TypeError("not the state of an alarm")
        self._entries = found
        self.number += 1

    @staticmethod
    def _row(alarm: Alarm, entry: Entry) -> dict[str, Any]:
        is_on = entry.state != UNACK_CLEARED
        return {
            "tag": alarm.tag,
            "text": alarm.text,
            "severity": alarm.severity,
            **dc.asdict(entry),
            "shown": alarm.states[alarm.on if is_on else 1 - alarm.on],
        }
