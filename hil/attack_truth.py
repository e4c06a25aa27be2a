"""Ground truth of attacks on disk: ``truth.csv``, a row per falsified value; ``truth.json``: when, what."""

from __future__ import annotations

import csv
import dataclasses as dc
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from estimation.tamper import Falsehood, Span
from hil.scenario_report import make_folder
from rtcore.errors import HostError

ROWS_MAX = 2_000_000
"""Rows after which no more are written; ``truth.json`` says how many are missing."""
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
        if folder is None:
            return
        make_folder(folder)
        try:
            self._file = (folder / "truth.csv").open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise HostError(f"{folder / 'truth.csv'}: cannot be written: {error.strerror}") from None
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(COLUMNS)

    def rows(self, rows: Iterable[Falsehood]) -> None:
        """Add falsified values."""
        if self._folder is None:
            return
        for row in rows:
            if self._n_rows >= ROWS_MAX:
                self._n_left_out += 1
                continue
            self._rows.writerow([getattr(row, name) for name in COLUMNS])
            self._n_rows += 1
        self._file.flush()

    def note(self, t_s: float, what: str, **more: Any) -> None:
        """Add something that happened."""
        self.notes.append({"t_s": round(t_s, 6), "what": what, **more})

    def document(self, spans: Sequence[Span]) -> dict[str, Any]:
        """Return what ``truth.json`` says."""
        return self._head | {
            "attacks": [dc.asdict(s) for s in spans],
            "notes": self.notes,
            "rows": self._n_rows,
            "rows_left_out": self._n_left_out,
        }

    def save(self, spans: Sequence[Span]) -> None:
        """Write ``truth.json``; again later, when there is more."""
        if self._folder is None:
            return
        text = json.dumps(self.document(spans), indent=1) + "\n"
        new = self._folder / "truth.json.new"
        new.write_text(text, encoding="utf-8")
        new.replace(self._folder / "truth.json")
