"""Events of a run from the recorder's database, by number, with words for people."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hil.recorder import run_folder
from hil.recorder.soe import COMMAND, COUNTED, FIELDS, LOST, STATUS
from hil.runspec import RunSpec
from protocols.opcua_services import NEWEST, Refusal
from rtcore.commands import REASON_TEXT, Reason
from rtcore.points import Point

TIMEOUT_S = 1.0
_COLUMNS = ", ".join(("seq", *FIELDS))
_SEQ_MAX = 2**63 - 1
_LEFT_OUT = ("pos", "steps")


class EventReader:
    """Reads the record of one run; it may be made anew meanwhile, so it is opened for every question."""

    def __init__(self, spec: RunSpec) -> None:
        self._path = run_folder.folder_of(spec) / run_folder.SOE_DB if spec.recorder else None
        self._points = {p.tag: p for p in spec.points}

    def read(self, since: int, n: int) -> tuple[int, str]:
        """Return what ``protocols.opcua_services.Services.events`` does; blocks.

        Raises
        ------
        Refusal
            The station keeps no records, or there are none yet.
        """
        if self._path is None:
            raise Refusal("BadNotSupported", "the station keeps no records (recorder.enabled)")
        try:
            rows, newest = _ask(self._path, since, n)
        except sqlite3.Error as error:
            raise Refusal("BadNoData", f"{self._path}: {error}") from None
        found = [self._row(dict(zip(("seq", *FIELDS), row, strict=True))) for row in rows]
        return (found[-1]["seq"] if found else newest), json.dumps(found, separators=(",", ":"))

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        row["who"] = row.pop("cause")
        row["text"] = words(row, self._points.get(row["tag"]))
        return {k: v for k, v in row.items() if k not in _LEFT_OUT}


def _ask(path: Path, since: int, n: int) -> tuple[Sequence[Sequence[Any]], int]:
    """Return rows, oldest first, and the number of the newest there is."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT_S)
    try:
        newest = db.execute("SELECT MAX(seq) FROM soe").fetchone()[0] or 0
        if since == NEWEST:
            asked = f"SELECT {_COLUMNS} FROM soe ORDER BY seq DESC LIMIT ?"
            return db.execute(asked, (n,)).fetchall()[::-1], newest
        asked = f"SELECT {_COLUMNS} FROM soe WHERE seq > ? ORDER BY seq LIMIT ?"
        return db.execute(asked, (min(since, _SEQ_MAX), n)).fetchall(), newest
    finally:
        db.close()


def words(row: dict[str, Any], point: Point | None) -> str:
    """Return what happened, in a few words."""
    kind, old, new = row["kind"], row["old"], row["new"]
    if kind == STATUS:
        return f"{_state(point, old)} to {_state(point, new)}"
    if kind == COMMAND:
        verdict = row["verdict"]
        said = REASON_TEXT[Reason[verdict]] if verdict in Reason.__members__ else verdict
        return f"{_state(point, new)}: {said}"
    if kind == LOST:
        return f"{_number(new)} events were lost"
    if kind == COUNTED:
        return f"{_number(new)} commands to a point of health"
    if kind == "overrun":
        return f"{_milliseconds(old)} late, took {_milliseconds(new)}"
    return f"{_milliseconds(new)} left out" if kind == "slip" else ""


def _state(point: Point | None, value: float | None) -> str:
    if value is None:
        return "no number"
    if point is not None and point.states is not None and value in (0.0, 1.0):
        return point.states[int(value)]
    unit = point.unit if point is not None else ""
    return f"{_number(value)} {unit}".rstrip()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _milliseconds(value_ns: float | None) -> str:
    return "" if value_ns is None else f"{value_ns / 1e6:.2f} ms"
