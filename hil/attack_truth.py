"""Ground truth of attacks on disk: ``truth.csv``, a row per falsified value; ``truth.json``: when, what.

A cell is empty where there was no value, none went out, or nobody knows (``estimation.tamper.Falsehood``).
"""

from __future__ import annotations

import csv
import dataclasses as dc
import json
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from estimation.tamper import Span
from estimation.tamper_rows import Falsehood
from hil.output_places import make_folder
from rtcore.errors import HostError

ROWS_MAX = 2_000_000
"""Rows after which no more are written; ``truth.json`` says how many are missing."""
SAVE_S = 1.0
"""How often ``truth.json`` is written while only times and counts change in it [s]."""
SPAN = [f.name for f in dc.fields(Span)]
COLUMNS = [f.name for f in dc.fields(Falsehood)]


class TruthLog:
    """Writes the ground truth as it comes.

    Parameters
    ----------
    folder : Path or None
        Made when it is not there; None writes nothing.
    head : mapping
        What ``truth.json`` says beside the attacks.
    """

    def __init__(self, folder: Path | None, head: Mapping[str, Any]) -> None:
        self._folder, self._head = folder, dict(head)
        self._n_rows = self._n_left_out = 0
        self.notes: list[dict[str, Any]] = []
        """What happened, in order: times, commands and their answers."""
        self._kept: object = None
        self._kept_at_s, self._n_kept_notes = -math.inf, -1
        if folder is None:
            return
        make_folder(folder)
        try:
            self._file = (folder / "truth.csv").open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._unwritable("truth.csv", error) from None
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(COLUMNS)

    def rows(self, rows: Sequence[Falsehood]) -> None:
        """Add falsified values; HostError when they cannot be written."""
        if self._folder is None or not rows:
            return
        written = rows[: max(0, ROWS_MAX - self._n_rows)]
        self._n_left_out += len(rows) - len(written)
        try:
            self._rows.writerows([["" if _is_none(x) else x for x in _cells(row)] for row in written])
            self._file.flush()
        except OSError as error:
            raise self._unwritable("truth.csv", error) from None
        self._n_rows += len(written)

    def note(self, t_s: float, what: str, **more: Any) -> None:
        """Add something that happened."""
        self.notes.append({"t_s": round(t_s, 6), "what": what, **more})

    def document(self, spans: Sequence[Span]) -> dict[str, Any]:
        """Return what ``truth.json`` says."""
        return self._head | {
            "attacks": [{name: getattr(s, name) for name in SPAN} for s in spans],
            "notes": list(self.notes),
            "rows": self._n_rows,
            "rows_left_out": self._n_left_out,
        }

    def keep(self, spans: Sequence[Span], now_s: float) -> None:
        """Write ``truth.json`` where it would say something else: new notes at once, the rest by and by.

        A command that is killed leaves what was known a moment before.

        Parameters
        ----------
        now_s : float
            Any clock that does not go back [s].
        """
        state = [len(self.notes), self._n_rows, *((s.last_s, s.scans) for s in spans)]
        is_due = len(self.notes) != self._n_kept_notes or now_s >= self._kept_at_s + SAVE_S
        if is_due and state != self._kept:
            self._kept, self._kept_at_s, self._n_kept_notes = state, now_s, len(self.notes)
            self.save(spans)

    def save(self, spans: Sequence[Span]) -> None:
        """Write ``truth.json``, all of it or nothing; again later, when there is more."""
        if self._folder is None:
            return
        text = "{" + ",".join(_lines(self.document(spans))) + "\n}\n"
        new = self._folder / "truth.json.new"
        try:
            new.write_text(text, encoding="utf-8")
            new.replace(self._folder / "truth.json")
        except OSError as error:
            raise self._unwritable("truth.json", error) from None

    def _unwritable(self, name: str, error: OSError) -> HostError:
        assert self._folder is not None
        return HostError(f"{self._folder / name}: cannot be written: {error.strerror}")

    def close(self, spans: Sequence[Span]) -> None:
        """Write ``truth.json`` for the last time; no rows come any more."""
        try:
            self.save(spans)
        finally:
            if self._folder is not None:
                self._file.close()


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield each value as JSON, a list item by item on lines of their own.

    ``json`` is slow where it lays a text out, and a board's attack may have thousands of channels.
    """
    for key, value in document.items():
        items = value if isinstance(value, list) else None
        text = "[" + ",".join(f"\n  {json.dumps(x)}" for x in items) + "]" if items else json.dumps(value)
        yield f"\n {json.dumps(key)}: {text}"


_cells = operator.attrgetter(*COLUMNS)


def _is_none(cell: float | str | None) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))
