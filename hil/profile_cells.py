"""The slow, exact look at a table: which row, line and column of it is wrong, and why."""

from __future__ import annotations

import csv
import dataclasses as dc
import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.settings_types import iso, offset_s, utc_ns
from rtcore.clock import NS_PER_S
from rtcore.errors import Problem

MAX_LISTED = 50
"""Most wrong cells of one file that a report lists one by one."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dc.dataclass(frozen=True, slots=True)
class Cells:
    """Cells of one file: values (n_row, n_column), stamps as they stand, line numbers of a CSV."""

    values: npt.NDArray[np.float64]
    stamps: list[Any] | None
    lines: npt.NDArray[np.int64] | None

    def place(self, row: int, column: str = "") -> str:
        """Name a cell the way an editor or a spreadsheet finds it (data rows count from 1)."""
        line = f" (line {self.lines[row]})" if self.lines is not None else ""
        return f"row {row + 1}{line}" + (f", column {column!r}" if column else "")


def parse_csv(path: Path, header: Sequence[str], time: str) -> tuple[Cells, list[Problem]]:
    """Read a CSV cell by cell and say of each wrong one where it is and what it holds."""
    rows: list[list[float]] = []
    stamps: list[str] = []
    lines: list[int] = []
    faults = _Faults(str(path))
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            next(reader)
            for cells in reader:
                if cells:
                    lines.append(reader.line_num)
                    row = _parse_row(cells, header, time, f"row {len(lines)} (line {lines[-1]})", faults)
                    rows.append([row[i] for i, h in enumerate(header) if h != time])
                    stamps += [cells[i] for i, h in enumerate(header) if h == time and i < len(cells)]
        except (csv.Error, UnicodeDecodeError) as error:
            faults.add(f"line {reader.line_num + 1}", f"cannot be read: {error}")
    n_columns = sum(h != time for h in header)
    values = np.array(rows).reshape(len(rows), n_columns)
    has_stamps = time in header and len(stamps) == len(rows)
    return Cells(values, stamps if has_stamps else None, np.array(lines)), faults.report("cells")


class _Faults:
    """Counts every fault and keeps the first few."""

    def __init__(self, file: str) -> None:
        self.file, self.n, self.listed = file, 0, list[Problem]()

    def add(self, place: str, what: str) -> None:
        self.n += 1
        if self.n <= MAX_LISTED:
            self.listed.append(Problem(self.file, place, what))

    def report(self, noun: str) -> list[Problem]:
        if self.n <= MAX_LISTED:
            return self.listed
        head = Problem(self.file, "", f"{self.n} {noun} are wrong; the first {MAX_LISTED} are listed")
        return [head, *self.listed]


def _parse_row(
    cells: Sequence[str], header: Sequence[str], time: str, place: str, faults: _Faults
) -> list[float]:
    if len(cells) != len(header):
        faults.add(place, f"{len(cells)} cells; the header has {len(header)}")
        return [np.nan] * len(header)
    row = []
    for name, text in zip(header, cells, strict=True):
        value, wrong = (0.0, "") if name == time else _parse_number(text.strip())
        if wrong:
            faults.add(f"{place}, column {name!r}", wrong)
        row.append(value)
    return row


def _parse_number(text: str) -> tuple[float, str]:
    if not text:
        return np.nan, "the cell is empty; a number is needed"
    if not NUMBER.fullmatch(text):
        kind = "is not a finite number" if text.lower().lstrip("+-") in ("nan", "inf", "infinity") else ""
        return np.nan, f"{text!r} {kind or 'is not a number'}"
    value = float(text)
    return value, "" if np.isfinite(value) else f"{text!r} is not a finite number"


def parse_stamps(
    path: Path, cells: Cells, utc_offset_s: int | None
) -> tuple[npt.NDArray[np.int64], int, list[Problem]]:
    """Return time stamps [ns UTC], the first one's UTC offset [s], and what is wrong with them."""
    assert cells.stamps is not None
    faults = _Faults(str(path))
    zone = None if utc_offset_s is None else dt.timezone(dt.timedelta(seconds=utc_offset_s))
    moments: list[dt.datetime] = []
    for i, stamp in enumerate(cells.stamps):
        moment, wrong = _parse_stamp(stamp, zone)
        if moment is None:
            faults.add(cells.place(i, "time"), wrong)
        else:
            moments.append(moment)
    if faults.n:
        return np.empty(0, np.int64), 0, faults.report("time stamps")
    stamps = np.array([utc_ns(m) for m in moments], np.int64)
    _check_steps(cells, stamps, offset_s(moments[0]), faults)
    return stamps, offset_s(moments[0]), faults.report("time stamps")


def _parse_stamp(stamp: Any, zone: dt.timezone | None) -> tuple[dt.datetime | None, str]:
    moment = stamp
    if isinstance(stamp, str):
        try:
            moment = dt.datetime.fromisoformat(stamp.strip())
        except ValueError:
            moment = None
    if not isinstance(moment, dt.datetime):
        return None, f"{stamp!r} is not a time stamp; write it like 2017-01-01T00:00:00-06:00"
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
        if zone is None:
            return None, f"{str(stamp)!r} has no UTC offset; add it, or state utc_offset"
    return moment, ""


def _check_steps(cells: Cells, stamps: npt.NDArray[np.int64], offset: int, faults: _Faults) -> None:
    """Refuse stamps that stand still, run backwards or do not keep one step."""
    if len(stamps) < 2:
        faults.add(cells.place(0, "time"), "one row only: its length is unknown; state start and step_s")
        return
    steps = np.diff(stamps)
    forward = steps[steps > 0]
    lengths, counts = np.unique(forward, return_counts=True)
    step = int(lengths[np.argmax(counts)]) if len(forward) else 0
    for i in np.flatnonzero(steps != step) if step else range(len(steps)):
        now, before = iso(int(stamps[i + 1]), offset), iso(int(stamps[i]), offset)
        if steps[i] == 0:
            what = f"{now} stands in the row before, too"
        elif steps[i] < 0:
            what = f"{now} is earlier than {before} in the row before"
        else:
            what = (
                f"{now} is {steps[i] / NS_PER_S:g} s after {before}; every step must be {step / NS_PER_S:g} s"
            )
        faults.add(cells.place(int(i) + 1, "time"), what)
