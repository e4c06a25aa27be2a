"""What a history was when it was read, and what was done to it: counts and places, nothing silent."""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
from collections.abc import Iterable
from typing import Any

from rtcore.errors import Problem, UserInputError

PLACES_SHOWN = 5
PROBLEMS_SHOWN = 20


@dc.dataclass(frozen=True, slots=True)
class Note:
    """One kind of oddity and how it was treated."""

    kind: str
    count: int
    places: tuple[str, ...]
    """The first few."""
    treatment: str

    def __str__(self) -> str:
        if self.count == 1 and not self.places:
            return f"{self.kind}: {self.treatment}"
        where = f" ({', '.join(self.places)}{', ...' if self.count > len(self.places) else ''})"
        return f"{self.kind}: {self.count}{where if self.places else ''}; {self.treatment}"


@dc.dataclass(slots=True)
class Report:
    """Everything about one reading."""

    file: str
    column: str = ""
    rows: int = 0
    missing: int = 0
    step_s: float = 0.0
    first: str = ""
    """Begin of the first row, local."""
    end: str = ""
    """End of the last row, local."""
    zone: str = ""
    notes: list[Note] = dc.field(default_factory=list)
    problems: list[Problem] = dc.field(default_factory=list)

    def note(self, kind: str, places: Iterable[str], treatment: str, count: int | None = None) -> None:
        """Add a note of what happened at places; nothing if nowhere."""
        listed = list(places)
        total = len(listed) if count is None else count
        if total:
            self.notes.append(Note(kind, total, tuple(listed[:PLACES_SHOWN]), treatment))

    def problem(self, place: str, what: str) -> None:
        """Add what makes the file unusable."""
        self.problems.append(Problem(self.file, place, what))

    def refuse(self) -> None:
        """Raise what was found so far; the first of many alike.

        Raises
        ------
        UserInputError
        """
        if len(self.problems) > PROBLEMS_SHOWN:
            more = f"{len(self.problems)} problems; the first {PROBLEMS_SHOWN} are listed"
            raise UserInputError([Problem(self.file, "", more), *self.problems[:PROBLEMS_SHOWN]])
        if self.problems:
            raise UserInputError(self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        plain = {f.name: getattr(self, f.name) for f in dc.fields(self) if f.name != "problems"}
        return {**plain, "notes": [dc.asdict(n) for n in self.notes]}


def iso(ns: int, zone: dt.tzinfo) -> str:
    """Return UTC [ns since 1970] as local time, ISO 8601."""
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=ns // 1000)
    return moment.astimezone(zone).isoformat()
