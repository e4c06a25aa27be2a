"""Trends on disk: Parquet files that are whole at any time, joined to larger ones as they age.

Every flush is a file ``part-N.parquet``, so that a kill loses no more than what was not flushed. After an
hour, or at a size, parts become one ``trend-FIRST-LAST.parquet`` with one row group for each. Files
are made under another name and renamed; a part whose number a joined file covers is a left-over.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.recorder.trends import Rows

FOLDER = "trends"
_PART = re.compile(r"part-(\d+)\.parquet")
_JOINED = re.compile(r"trend-(\d+)-(\d+)\.parquet")


def first_part(path: Path) -> int:
    """Return the number of a file's first part; -1 for what is none of our files."""
    found = _PART.fullmatch(path.name) or _JOINED.fullmatch(path.name)
    return int(found[1]) if found else -1


def files(folder: Path) -> list[Path]:
    """Return the trend files of one run, oldest first."""
    with contextlib.suppress(FileNotFoundError):
        return sorted((p for p in folder.iterdir() if first_part(p) >= 0), key=first_part)
    return []


class TrendFiles:
    """Writes the trends of one run.

    Parameters
    ----------
    tags : sequence of str
        Of the points, in their order.
    hour_ns : int
        Rows of so much time become one file [ns].
    size_max : int
        So do parts of this size together [bytes].
    """

    def __init__(self, folder: Path, tags: Sequence[str], hour_ns: int, size_max: int) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._tags, self._hour_ns, self._size_max = tags, hour_ns, size_max
        self._tidy()

    def _tidy(self) -> None:
        """Remove what a kill left: files that were not finished, parts that were joined already."""
        for path in self.folder.glob("*.new"):
            path.unlink()
        joined = [_JOINED.fullmatch(p.name) for p in files(self.folder)]
        last = max((int(m[2]) for m in joined if m), default=-1)
        parts = [p for p in files(self.folder) if _PART.fullmatch(p.name)]
        for path in parts:
            if first_part(path) <= last:
                path.unlink()
        numbers = [first_part(p) for p in parts]
        self._next = max([last, *numbers]) + 1
        self._parts = [p for p in parts if first_part(p) > last]
        self._began_ns: int | None = None

    def write(self, rows: Rows) -> None:
        """Write rows as one part; join the parts before where their hour or size is full.

        Raises
        ------
        OSError
            There is no room: the rows are not written.
        """
        utc_ns = int(rows.utc_ns[0])
        if self._began_ns is None:
            self._began_ns = utc_ns
        if utc_ns - self._began_ns >= self._hour_ns or self._size() >= self._size_max:
            self.join()
            self._began_ns = utc_ns
        path = self.folder / f"part-{self._next:08d}.parquet"
        self._save(path, [self._table(rows)])
        self._parts.append(path)
        self._next += 1

    def _size(self) -> int:
        total = 0
        for path in self._parts:
            with contextlib.suppress(FileNotFoundError):  # retention is free to take it
                total += path.stat().st_size
        return total

    def join(self) -> None:
        """Make one file of the parts so far."""
        import pyarrow.parquet as pq

        parts = [p for p in self._parts if p.exists()]
        if parts:
            path = self.folder / f"trend-{first_part(parts[0]):08d}-{first_part(parts[-1]):08d}.parquet"
            self._save(path, (pq.ParquetFile(p).read() for p in parts))
        for part in parts:
            part.unlink(missing_ok=True)
        self._parts = []

    def _table(self, rows: Rows) -> Any:
        import pyarrow as pa

        used, codes = np.unique(rows.point, return_inverse=True)
        words = [self._tags[k].encode() for k in used]
        ends = np.cumsum([0, *map(len, words)]).astype(np.int32)
        tags = pa.StringArray.from_buffers(len(words), pa.py_buffer(ends), pa.py_buffer(b"".join(words)))
        columns = {
            "time": _column(pa.timestamp("ns", tz="UTC"), rows.utc_ns),
            "step": _column(pa.int64(), rows.step),
            "tag": pa.DictionaryArray.from_arrays(_column(pa.int32(), codes.astype(np.int32)), tags),
            "value": _column(pa.float64(), rows.value),
            "quality": _column(pa.uint8(), rows.quality),
        }
        return pa.table(columns)

    @staticmethod
    def _save(path: Path, tables: Any) -> None:
        """Write tables as row groups of one file that appears whole."""
        import pyarrow.parquet as pq

        new, writer = path.with_suffix(".new"), None
        try:
            for table in tables:
                if writer is None:
                    writer = pq.ParquetWriter(new, table.schema, compression="zstd")
                writer.write_table(table, row_group_size=max(1, len(table)))
            assert writer is not None, path
            writer.close()
            new.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise


def _column(kind: Any, values: npt.NDArray[Any]) -> Any:
    """Return a column over an array's memory; pyarrow's own way would load pandas to look at it."""
    import pyarrow as pa

    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])
