"""One point's rows from the trend files of a run: only the pieces of time that are asked for.

A row says that a point left its deadband; its value holds until its next row. So what held at the begin is
looked for backwards, and stands there as the first value.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from hil.recorder import trend_files
from hil.services.thinning import thinned
from protocols.trend import NOTHING, Trend, joined

Number = TypeVar("Number", np.int32, np.int64, np.float64, np.uint8)

READ_S, LOOK_BACK_S = 12.0, 3.0
"""How long is read, and how long the value that held at the begin is looked for [s]."""
ROWS_MAX, ROWS_KEPT = 2_000_000, 200_000
"""Beyond so many rows they are thinned to so many: memory is bounded, whatever is asked for."""
READINGS = 3
"""Tries at files that the recorder joins meanwhile."""


class Found(NamedTuple):
    """What the files have of a point.

    Attributes
    ----------
    trend : Trend
    until_ns : int
        Everything up to here is in the files, of every point [ns since 1970 UTC]; 0 without files.
    """

    trend: Trend
    until_ns: int


class _Piece(NamedTuple):
    """One row group."""

    file: Any
    number: int
    begin_ns: int
    end_ns: int


def read_trend(folder: Path, tag: str, from_ns: int, to_ns: int, n: int) -> Found:
    """Return up to ``n`` values of a point between two instants, both included [ns since 1970 UTC].

    Where there is more than can be read in time, the older part is left out.

    Raises
    ------
    OSError
        The files cannot be read.
    """
    for attempt in range(READINGS):
        try:
            return _read(folder, tag, from_ns, to_ns, n)
        except FileNotFoundError:  # joined or removed between the look at the folder and now
            if attempt == READINGS - 1:
                raise
    raise AssertionError("not reached")


def _read(folder: Path, tag: str, from_ns: int, to_ns: int, n: int) -> Found:
    pieces = list(_pieces(folder))
    until_ns = max((p.end_ns for p in pieces), default=0)
    deadline_s = time.monotonic() + READ_S
    parts: list[Trend] = []
    n_rows = 0
    for piece in reversed(pieces):  # the newest first: it is what there must be time for
        if piece.end_ns < from_ns or piece.begin_ns > to_ns:
            continue
        if time.monotonic() > deadline_s:
            return Found(thinned(_ordered(parts), n), until_ns)
        rows = _rows(piece, tag)
        parts.append(rows.at((rows.utc_ns >= from_ns) & (rows.utc_ns <= to_ns)))
        n_rows += len(parts[-1].utc_ns)
        if n_rows > ROWS_MAX:
            parts = [thinned(_ordered(parts), ROWS_KEPT)]
            n_rows = len(parts[0].utc_ns)
    return Found(thinned(_ordered([*parts, _held(pieces, tag, from_ns)]), n), until_ns)


def _pieces(folder: Path) -> Iterator[_Piece]:
    """Yield the row groups of all files with the time they cover, oldest first; a damaged file has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in trend_files.files(folder):
        try:
            file = pq.ParquetFile(path, read_dictionary=["tag"])
            column = file.schema_arrow.get_field_index("time")
            for k in range(file.num_row_groups):
                told = file.metadata.row_group(k).column(column).statistics
                yield _Piece(file, k, int(told.min_raw), int(told.max_raw))  # raw: else pandas is loaded
        except (pa.ArrowInvalid, AttributeError, TypeError):
            continue


def _rows(piece: _Piece, tag: str) -> Trend:
    """Return the rows of a point in one row group."""
    column = piece.file.read_row_group(piece.number, columns=["tag"]).column(0).combine_chunks()
    words = column.dictionary.to_pylist()
    if tag not in words:
        return NOTHING
    (at,) = (_numbers(column.indices, np.int32) == words.index(tag)).nonzero()
    table = piece.file.read_row_group(piece.number, columns=["time", "value", "quality"]).combine_chunks()
    times, values, quality = (table.column(k).chunk(0) for k in range(3))
    return Trend(
        _numbers(times, np.int64)[at], _numbers(values, np.float64)[at], _numbers(quality, np.uint8)[at]
    )


def _numbers(array: Any, kind: type[Number]) -> npt.NDArray[Number]:
    """Return a view of an array without gaps; pyarrow's own way would load pandas."""
    return np.frombuffer(array.buffers()[1], kind)[array.offset : array.offset + len(array)]


def _held(pieces: list[_Piece], tag: str, from_ns: int) -> Trend:
    """Return what held at an instant, as a row of that instant; nothing where it is not found in time."""
    deadline_s = time.monotonic() + LOOK_BACK_S
    for piece in reversed(pieces):
        if piece.begin_ns >= from_ns:
            continue
        if time.monotonic() > deadline_s:
            break
        rows = _rows(piece, tag)
        (before,) = (rows.utc_ns < from_ns).nonzero()
        if len(before):
            k = before[-1]
            return Trend(np.array([from_ns]), rows.value[[k]], rows.quality[[k]])
    return NOTHING


def _ordered(parts: list[Trend]) -> Trend:
    """Return parts as one, in order of time: the host's clock may have been set."""
    whole = joined(reversed(parts))
    return whole.at(np.argsort(whole.utc_ns, kind="stable"))
