"""One table of a profile, CSV or Parquet, read whole and checked cell by cell.

Quick readers do the work while all is well; ``profile_cells`` finds the places when it is not.
"""

from __future__ import annotations

import csv
import dataclasses as dc
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.profile_cells import MAX_LISTED, Cells, parse_csv, parse_stamps
from rtcore.errors import Problem, did_you_mean

TIME = "time"
Floats = npt.NDArray[np.float64]


@dc.dataclass(frozen=True, slots=True)
class Table:
    """Columns of numbers as they stand in the file.

    Attributes
    ----------
    values : ndarray, shape (n_row, n_column), float64
    stamps_ns : ndarray, shape (n_row,), int64, or None
        Time stamps [ns UTC since 1970], when the file has a ``time`` column.
    utc_offset_s : int
        UTC offset of the first stamp [s].
    is_whole : bool
        False where there are mistakes in the file: ``columns`` are those of its header, without
        what has no name or comes twice, the numbers are for nothing.
    """

    path: Path
    columns: tuple[str, ...]
    values: Floats
    stamps_ns: npt.NDArray[np.int64] | None = None
    utc_offset_s: int = 0
    is_whole: bool = True


def read_table(
    path: Path, *, utc_offset_s: int | None = None, sha256: str | None = None
) -> tuple[Table | None, list[Problem]]:
    """Read one table; None when it has no columns, one that is not whole when there are other mistakes.

    Parameters
    ----------
    path : Path
        ``.csv`` (comma, header line) or ``.parquet``.
    utc_offset_s : int, optional
        Offset of stamps that carry none [s]; without it such stamps are refused.
    sha256 : str, optional
        What the file's checksum must be.
    """
    readers: dict[str, Callable[[Path, int | None], tuple[Table | None, list[Problem]]]] = {
        ".csv": _read_csv,
        ".parquet": _read_parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        return None, [Problem(str(path), "", f"suffix {path.suffix!r} is not known; .csv or .parquet")]
    try:
        changed = _checksum(path, sha256)
        table, problems = reader(path, utc_offset_s)
    except FileNotFoundError:
        return None, [Problem(str(path), "", f"no such file; searched: {path.absolute()}")]
    except OSError as error:
        return None, [Problem(str(path), "", f"cannot be read: {error.strerror or error}")]
    if changed and table is not None:
        table = dc.replace(table, is_whole=False)
    return table, changed + problems


def _checksum(path: Path, sha256: str | None) -> list[Problem]:
    if not sha256 or (found := hashlib.sha256(path.read_bytes()).hexdigest()) == sha256.lower():
        return []
    what = f"the checksum differs: sha256 {found} found, {sha256} stated; it was changed or damaged"
    return [Problem(str(path), "", what)]


def check_columns(table: Table, wanted: Sequence[str], *, all_of_them: bool = True) -> list[Problem]:
    """Compare a table's columns with the loads of the network."""
    known = set(wanted)
    problems = [
        Problem(
            str(table.path),
            f"column {c!r}",
            f"no load of that name in the network{_hint(c, known)}",
        )
        for c in table.columns
        if c not in known
    ]
    missing = [w for w in wanted if w not in set(table.columns)]
    if missing and all_of_them:
        listed = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        what = f"no column for {len(missing)} load(s): {listed}; every load of the network needs one"
        problems.append(Problem(str(table.path), "header", what))
    return _capped(problems, str(table.path), "columns")


def _hint(column: str, known: set[str]) -> str:
    return f"; did you mean {column.lower()!r}?" if column.lower() in known else did_you_mean(column, known)


def _no_table(path: Path, header: Sequence[str]) -> list[Problem]:
    """Say why a file has no columns to speak of, if so."""
    file = str(path)
    if not header:
        return [Problem(file, "", "the file is empty; a header line with a column per load is needed")]
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        return [Problem(file, "line 1", "separated by ';' or tabs; separate by ',' and use '.' in numbers")]
    return []


def _check_header(path: Path, header: Sequence[str]) -> list[Problem]:
    file = str(path)
    problems = [
        Problem(file, f"column {name!r}", f"appears {n} times; once is allowed")
        for name, n in Counter(header).items()
        if n > 1 and name
    ]
    problems += [Problem(file, f"column {i + 1}", "has no name") for i, h in enumerate(header) if not h]
    if not [h for h in header if h != TIME]:
        problems.append(Problem(file, "header", "no column of values; a column per load is needed"))
    return problems


# ---------------------------------------------------------------- CSV


def _read_csv(path: Path, utc_offset_s: int | None) -> tuple[Table | None, list[Problem]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = [h.strip() for h in next(csv.reader(file), [])]
    except UnicodeDecodeError:
        return None, [Problem(str(path), "", "not UTF-8 text; save the file as UTF-8")]
    if problems := _no_table(path, header):
        return None, problems
    problems = _check_header(path, header)
    cells = None if problems else _quick_csv(path, header)
    if cells is None:
        cells, wrong = parse_csv(path, header, TIME)
        problems += wrong
    return _finish(path, header, cells, utc_offset_s, problems)


def _quick_csv(path: Path, header: Sequence[str]) -> Cells | None:
    """Read a faultless CSV quickly; None means "look closely"."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = [h if h == TIME else f"v{i}" for i, h in enumerate(header)]
    types = {n: pa.string() if n == TIME else pa.float64() for n in names}
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=1),
            convert_options=arrow_csv.ConvertOptions(column_types=types, null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    values = _matrix(table.select([n for n in names if n != TIME]))
    if not len(values) or not np.isfinite(values).all():
        return None
    lines = np.arange(2, len(values) + 2)
    return Cells(values, table[TIME].to_pylist() if TIME in names else None, lines)


# ---------------------------------------------------------------- Parquet


def _read_parquet(path: Path, utc_offset_s: int | None) -> tuple[Table | None, list[Problem]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(path).read()
    except pa.ArrowInvalid as error:
        return None, [Problem(str(path), "", f"not a Parquet file: {str(error).splitlines()[0]}")]
    header = list(table.column_names)
    if problems := _no_table(path, header):
        return None, problems
    problems = _check_header(path, header)
    places = [i for i, h in enumerate(header) if h != TIME]
    wrong = _column_types(path, table, places)
    stamps = _parquet_stamps(table, header.index(TIME)) if TIME in header else None
    values = np.full((table.num_rows, len(places)), np.nan)
    if not wrong and places:
        values = _matrix(table.select(places))
        wrong = _not_finite(path, [header[i] for i in places], values)
    return _finish(path, header, Cells(values, stamps, None), utc_offset_s, problems + wrong)


def _matrix(table: Any) -> Floats:
    """Return an Arrow table's numbers, nulls as NaN.

    By way of tensors: ``to_numpy`` of a column imports pandas, which costs more than the reading.
    """
    batches = table.combine_chunks().to_batches()
    if not batches:
        return np.empty((0, table.num_columns))
    parts = [b.to_tensor(null_to_nan=True, row_major=True).to_numpy() for b in batches]
    return np.concatenate(parts).astype(np.float64)


def _column_types(path: Path, table: Any, places: Sequence[int]) -> list[Problem]:
    from pyarrow import types

    bad = []
    for field in map(table.schema.field, places):
        if not (types.is_integer(field.type) or types.is_floating(field.type)):
            bad.append(
                Problem(str(path), f"column {field.name!r}", f"holds {field.type}; numbers are needed")
            )
    return _capped(bad, str(path), "columns")


def _parquet_stamps(table: Any, place: int) -> list[Any]:
    """Return stamps as text or as aware or naive datetimes (nulls stay None)."""
    import pyarrow as pa

    column = table.column(place)
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return list(column.to_pylist())


def _not_finite(path: Path, columns: Sequence[str], values: Floats) -> list[Problem]:
    bad = np.argwhere(~np.isfinite(values))
    problems = [
        Problem(str(path), f"row {i + 1}, column {columns[j]!r}", f"{values[i, j]} is not a finite number")
        for i, j in bad[:MAX_LISTED]
    ]
    return _capped(problems, str(path), "cells", len(bad))


# ---------------------------------------------------------------- both


def _finish(
    path: Path, header: Sequence[str], cells: Cells, utc_offset_s: int | None, problems: list[Problem]
) -> tuple[Table | None, list[Problem]]:
    if not len(cells.values) and not problems:
        problems = [Problem(str(path), "", "no rows of values below the header")]
    stamps, offset = None, utc_offset_s or 0
    if cells.stamps is not None and len(cells.stamps):
        stamps, offset, wrong = parse_stamps(path, cells, utc_offset_s)
        problems = problems + wrong
    if problems:
        names = tuple(dict.fromkeys(h for h in header if h not in ("", TIME)))
        if stamps is None and TIME in header:
            stamps = np.empty(0, np.int64)  # there is such a column, and what is wrong with it is told
        return Table(path, names, cells.values[:, :0], stamps, offset, is_whole=False), problems
    return Table(path, tuple(h for h in header if h != TIME), cells.values, stamps, offset), []


def _capped(problems: list[Problem], file: str, noun: str, n: int | None = None) -> list[Problem]:
    total = len(problems) if n is None else n
    if total <= MAX_LISTED:
        return problems
    head = Problem(file, "", f"{total} {noun} are wrong; the first {MAX_LISTED} are listed")
    return [head, *problems[:MAX_LISTED]]
