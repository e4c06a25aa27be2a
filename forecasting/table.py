"""A table of a history as it stands in a file: columns of text or numbers, with the lines they come from."""

from __future__ import annotations

import csv
import dataclasses as dc
import fnmatch
import gzip
import io
import math
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from forecasting.history_report import Report
from forecasting.series import Floats, Ints
from forecasting.stamps import looks_like_stamp
from rtcore.errors import did_you_mean

NOTHING = {"", "nan", "na", "n/a", "null", "none", "-", "?"}
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


@dc.dataclass(frozen=True, slots=True)
class Table:
    """Cells by column as text; ``lines`` are those of the file."""

    header: tuple[str, ...]
    cells: dict[str, list[str]]
    lines: Ints

    def place(self, row: int, column: str = "") -> str:
        """Name a cell the way an editor finds it."""
        return f"line {self.lines[row]}" + (f", column {column!r}" if column else "")


def read_table(path: Path, report: Report) -> Table:
    """Read a CSV file, plain or gzipped; separators ``,``, ``;`` and tabulator.

    Raises
    ------
    UserInputError
        No such file, no text, no header, ragged rows.
    """
    rows = _rows(path, report)
    report.refuse()
    header = [name.strip() for name in rows[0][1]]
    for name in {n for n in header if header.count(n) > 1}:
        report.problem("header", f"two columns are called {name!r}")
    if all(_number(name) is not None for name in header):
        report.problem("line 1", "holds numbers; the first line must name the columns")
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            report.problem(f"line {line}", f"{len(cells)} cells; the header has {len(header)}")
    if len(rows) < 2:
        report.problem("", "no rows")
    report.refuse()
    columns = {name: [cells[k].strip() for _, cells in rows[1:]] for k, name in enumerate(header)}
    return Table(tuple(header), columns, np.array([line for line, _ in rows[1:]], np.int64))


def time_column(table: Table) -> str | None:
    """Return the first column whose first cell with anything in it is a time stamp."""
    for name, cells in table.cells.items():
        first = next((c for c in cells if c.lower() not in NOTHING), "")
        if _number(first) is None and looks_like_stamp(first):
            return name
    return None


def choose_columns(table: Table, wanted: str | None, time: str | None, report: Report) -> list[str]:
    """Return the column that is wanted, or all that match a pattern; without either the only one there is."""
    numeric = [n for n in table.header if n != time and not _is_counter(table.cells[n])]
    if wanted is None:
        if len(numeric) == 1:
            return numeric
        which = f"which of {_listed(numeric)}? name it with --column" if numeric else "no column of values"
        report.problem("header", which)
        report.refuse()
    assert wanted is not None
    if wanted in table.header:
        return [wanted]
    found = [n for n in numeric if fnmatch.fnmatchcase(n, wanted)]
    if not found:
        hint = did_you_mean(wanted, table.header)
        report.problem("header", f"no column {wanted!r}{hint}; there are {_listed(numeric) or 'none'}")
        report.refuse()
    return found


def _listed(names: list[str]) -> str:
    """Return the names of columns, of many the first dozen."""
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def numbers(table: Table, column: str, report: Report) -> Floats:
    """Return a column as numbers, NaN for empty cells; what is neither is a problem of the file."""
    cells = table.cells[column]
    has_comma = any(DECIMAL_COMMA.fullmatch(c) for c in cells)
    out = np.full(len(cells), np.nan)
    for k, text in enumerate(cells):
        if text.lower() in NOTHING:
            continue
        value = _number(text.replace(",", ".") if has_comma else text)
        if value is None:
            report.problem(table.place(k, column), f"{text!r} is not a number")
        else:
            out[k] = value
    return out


def _rows(path: Path, report: Report) -> list[tuple[int, list[str]]]:
    try:
        data = path.read_bytes()
        if path.suffix == ".gz" or data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        report.problem("", "no such file")
    except UnicodeDecodeError as error:
        report.problem("", f"is no text in UTF-8: byte {error.start} cannot be read")
    except (OSError, EOFError, zlib.error) as error:
        report.problem("", f"cannot be read: {getattr(error, 'strerror', None) or error}")
    else:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text))
            rows = [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]
            rows = [(line, cells) for line, cells in rows if not cells[0].startswith("#")]
        except csv.Error as error:
            report.problem("", f"is no CSV: {error}")
        else:
            if rows:
                return rows
            report.problem("", "is empty")
    return []


def _separator(text: str) -> str:
    head = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    return max(",;\t", key=head.count)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_counter(cells: Sequence[str]) -> bool:
    """Tell whether a column only counts its rows, which is neither a time nor a load."""
    return cells[:1] in (["0"], ["1"]) and all(c == str(k + int(cells[0])) for k, c in enumerate(cells))
