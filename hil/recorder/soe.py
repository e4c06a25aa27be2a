"""One record of the sequence of events: a change of a status, a command, or what befell the loop.

A record is kept as one JSON object. ``pos`` is its position in the core's event ring, by which a
recorder that starts again knows where it was. Values are exact: JSON of a float64 reads back as the same.
"""

from __future__ import annotations

import dataclasses as dc
import json
import math
from collections.abc import Sequence
from itertools import accumulate

from hil.recorder.event_tail import Records
from rtcore import ring as rg
from rtcore.commands import Reason
from rtcore.overruns import CAUSE_TEXT
from rtcore.points import Point

STATUS, COMMAND, LOST, COUNTED = "status", "command", "lost", "counted"
KIND = {
    rg.EVENT_STATUS: STATUS,
    rg.EVENT_COMMAND: COMMAND,
    rg.EVENT_OVERRUN: "overrun",
    rg.EVENT_SLIP: "slip",
    rg.EVENT_NOT_CONVERGED: "not_converged",
    rg.EVENT_FP: "floating_point",
}
DONE = Reason.DONE.name


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Soe:
    """One record.

    Attributes
    ----------
    pos : int
        Position in the event ring; of ``lost`` and ``counted``: of the first one.
    utc_ns, step : int
        When [ns since 1970]; which step it belongs to.
    kind : str
        A value of ``KIND``; or ``lost``: ``new`` events were overwritten before they were read; or
        ``counted``: ``new`` commands to points of health, which the plant does not follow from.
    tag : str
        Point, empty where there is none.
    old, new : float or None
        Of a status its states; of a command what was asked for (None: not a finite number); of an
        overrun lateness and execution time [ns]; of a slip the time left out [ns].
    cause : str
        Producer of a command, reason of an overrun.
    verdict : str
        Of a command: name of its ``Reason``.
    quality : str
        Of the time: code of C37.111-2013 clause 7.4.9.2, "0" locked, "F" not reliable.
    steps : str
        Of ``counted``: how many steps each command but the first came after the one before it.
    """

    pos: int
    utc_ns: int
    step: int
    kind: str
    tag: str = ""
    old: float | None = None
    new: float | None = None
    cause: str = ""
    verdict: str = ""
    quality: str = "F"
    steps: str = ""

    @property
    def next_pos(self) -> int:
        """Position of the event after this record."""
        return self.pos + (int(self.new or 0) if self.kind in (LOST, COUNTED) else 1)

    @property
    def all_steps(self) -> list[int]:
        """Step of each command of ``counted``."""
        return list(accumulate(map(int, self.steps.split()), initial=self.step))

    def encode(self) -> bytes:
        """Return the record as JSON."""
        row = {name: getattr(self, name) for name in FIELDS}
        if not self.steps:
            del row["steps"]
        return json.dumps(row, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def decode(cls, body: bytes) -> Soe:
        """Return what ``encode`` made; ValueError or TypeError where it did not."""
        return cls(**json.loads(body))


FIELDS = tuple(f.name for f in dc.fields(Soe))


class Namer:
    """Turns records of the ring into records for people.

    Parameters
    ----------
    producers : sequence of str
        Names of the command rings, in their order on the core.
    """

    def __init__(self, points: Sequence[Point], producers: Sequence[str]) -> None:
        self._tags = [p.tag for p in points]
        self._health = frozenset(p.tag for p in points if p.is_health)
        self._producers = producers

    def is_counted(self, record: Soe) -> bool:
        """Tell whether it is a command that is counted instead of kept: done, to a point of health."""
        return record.kind == COMMAND and record.verdict == DONE and record.tag in self._health

    def records(self, first: int, events: Records, quality: str) -> list[Soe]:
        """Return one record for every event, the first of which has the position ``first``."""
        return [self._record(first + k, row, quality) for k, row in enumerate(events.tolist())]

    def _record(self, pos: int, row: list[int], quality: str) -> Soe:
        kind, target, cause = row[rg.E_KIND], row[rg.E_TARGET], row[rg.E_CAUSE]
        old: float | None = float(row[rg.E_OLD])
        new: float | None = float(row[rg.E_NEW])
        who, verdict = "", ""
        if kind == rg.EVENT_COMMAND:
            value = rg.bits_float(row[rg.E_NEW])
            old, new = None, value if math.isfinite(value) else None
            verdict = Reason(row[rg.E_OLD]).name
            known = 0 < cause <= len(self._producers)
            who = self._producers[cause - 1] if known else f"producer {cause}"
        elif kind == rg.EVENT_OVERRUN:
            who = CAUSE_TEXT.get(cause, "")
        return Soe(
            pos=pos,
            utc_ns=row[rg.E_UTC_NS],
            step=row[rg.E_STEP],
            kind=KIND.get(kind, f"kind {kind}"),
            tag=self._tags[target] if 0 <= target < len(self._tags) else "",
            old=old,
            new=new,
            cause=who,
            verdict=verdict,
            quality=quality,
        )
