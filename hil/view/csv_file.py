"""CSV files that a console writes into the folder it was started in."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def write(folder: Path, name: str, now: datetime, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    """Write ``NAME-UTC.csv`` and return its path; an existing file is not overwritten.

    Raises
    ------
    OSError
    """
    stem = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    path = folder / f"{stem}.csv"
    k = 1
    while path.exists():
        k += 1
        path = folder / f"{stem}-{k}.csv"
    with path.open("x", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)
    return path.absolute()
