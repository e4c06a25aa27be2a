"""Files of a range report: results.json, results.csv, report.html."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hil.cyberrange.report_html import html
from hil.scenario_report import make_folder
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
    """Return a row for each attack and detector, without the ROC curves."""
    text = io.StringIO()
    columns = [key for key in doc["results"][0] if key != "roc"]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(doc["results"])
    return text.getvalue()
