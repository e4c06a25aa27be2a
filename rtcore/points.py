"""Point list: the one declaration that every server, screen and archive reads.

A point binds one attribute of one component to a tag. Wire references are opaque here
and are parsed only in ``protocols``.
"""

from __future__ import annotations

import dataclasses as dc
import enum
import re
from collections.abc import Mapping, Sequence
from typing import Any

TAG_LEVEL = re.compile(r"[A-Z0-9_]{1,32}")


class Kind(enum.StrEnum):
    """What a point is to a master."""

    ANALOG = "analog"  # measured, read-only
    STATUS = "status"  # two-state, read-only
    CONTROL = "control"  # momentary command, reads 0
    SETPOINT = "setpoint"  # written by masters, reads back what is in force


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of the station.

    ``minimum`` and ``maximum`` bound what a write may carry and give EURange on reads.
    ``device`` is the tag without its last level; ``states`` names 0 and 1 of two-state points;
    ``role`` is the least that may command a writable one.
    """

    tag: str
    device: str
    template: str
    source: str
    attr: str
    kind: Kind
    unit: str
    minimum: float
    maximum: float
    deadband: float
    instrument: str
    description: str
    wire: Mapping[str, str]
    states: tuple[str, str] | None = None
    is_health: bool = False
    role: str = "operator"

    @property
    def is_writable(self) -> bool:
        """Tell whether masters may write it at all (``role`` says who, the servers check it)."""
        return self.kind in (Kind.CONTROL, Kind.SETPOINT)

    @property
    def is_two_state(self) -> bool:
        """Tell whether the value is a bit."""
        return self.states is not None

    @property
    def name(self) -> str:
        """Last level of the tag."""
        return self.tag.rpartition(".")[2]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping; ``from_dict`` is its inverse."""
        return {f.name: getattr(self, f.name) for f in dc.fields(self)} | {"wire": dict(self.wire)}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Point:
        """Build a point from ``to_dict`` output."""
        states = tuple(row["states"]) if row["states"] else None
        return cls(**{**row, "kind": Kind(row["kind"]), "states": states})


def index_of(points: Sequence[Point]) -> dict[str, int]:
    """Return tag -> position on the board."""
    return {p.tag: i for i, p in enumerate(points)}
