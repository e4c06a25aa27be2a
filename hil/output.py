"""What commands print: tables for people, CSV and JSON for programs."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console()
err = Console(stderr=True)


def as_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    json.dump(document, sys.stdout, indent=1, allow_nan=False)
    sys.stdout.write("\n")


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as CSV on stdout, as they come."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(row)


def as_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows as a table on stdout; numbers right-aligned."""
    out.print(make_table(title, columns, rows))


def make_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return rows as a table; numbers right-aligned, brackets taken literally."""
    table = Table(title=escape(title), title_justify="left")
    body = [[_cell(v) for v in row] for row in rows]
    for k, name in enumerate(columns):
        numeric = bool(body) and all(_is_number(row[k]) for row in body)
        table.add_column(escape(name), justify="right" if numeric else "left")
    for row in body:
        table.add_row(*map(escape, row))
    return table


def as_pairs(pairs: Mapping[str, Any]) -> None:
    """Print name and value, one a line."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        out.print(f"{name:<{width}}  {_cell(value)}", highlight=False, soft_wrap=True)


def print_line(console: Console, text: str) -> None:
    """Print a line as it is: no markup, no highlights, no line breaks."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def finite(value: float | None) -> float | None:
    """Return what JSON can say: null for what is not a number or has no limit."""
    return value if value is not None and math.isfinite(value) else None


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
