"""CSV files that a console writes into the folder it was started in, or hands to the browser."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets calculate a text that begins so, and texts come from whoever may write them."""


def name_of(name: str, now: datetime) -> str:
    """Return ``NAME-UTC.csv``."""
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.csv"


def text_of(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return the contents of a file; a text that a spreadsheet would calculate begins with ``'``."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(head)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return file.getvalue()


def _harmless(cell: Any) -> Any:
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def write(folder: Path, name: str, now: datetime, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write ``NAME-UTC.csv`` and return its path; an existing file is not overwritten.

    Raises
    ------
    OSError
    """
    path = first = folder / name_of(name, now)
    k = 1
    while path.exists():
        k += 1
        path = first.with_name(f"{first.stem}-{k}.csv")
    with path.open("x", newline="", encoding="utf-8") as file:
        file.write(text_of(head, rows))
    return path.absolute()
