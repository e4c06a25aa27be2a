"""Files of a range report: results.json, results.csv, report.html."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hil.cyberrange.report_html import html
from hil.output_places import make_folder
from rtcore.errors import HostError

Row = Mapping[str, Any]


def write(folder: Path, doc: Row) -> list[Path]:
    """Write all forms of a document and return their paths; HostError where one cannot be written."""
    make_folder(folder)
    forms = {"results.json": results_json(doc), "results.csv": results_csv(doc), "report.html": html(doc)}
    for name, text in forms.items():
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise HostError(f"{folder / name}: cannot be written: {error.strerror}") from None
    return [folder / name for name in forms]


def results_json(doc: Row) -> str:
    """Return the document."""
    return json.dumps(doc, indent=1, allow_nan=False) + "\n"


def results_csv(doc: Row) -> str:
    """Return a row for each attack and detector, without the ROC curves; an interval is two columns."""
    text = io.StringIO()
    rows = [dict(_flat(row)) for row in doc["results"]]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _flat(row: Row) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if "_interval_95" in key:
            yield from zip((f"{key}_low", f"{key}_high"), value, strict=True)
        elif key == "commands_refused":
            yield key, "; ".join(value)
        elif key != "roc":
            yield key, value
