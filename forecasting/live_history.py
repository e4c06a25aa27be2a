"""The history of a load as it grows: rows are cleaned as those of a file are, judged from rows before alone.

What a row was taken as is never revised, so that a forecast that was once made can be made again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from forecasting import cleaning
from forecasting.calendar import local_ns
from forecasting.packing import pack, unpack
from forecasting.series import Floats, Series

KEPT_DAYS = 400
"""Older rows are forgotten [d]: a year, and what the first of its forecasts look back on."""
TRIM_DAYS = 28
"""Rows are forgotten so many days at a time, for every model then learns anew [d]."""
JUDGED_DAYS = 42
"""Rows before a new one that it is judged from [d]: four weeks of what is usual, and two before those."""


class LiveHistory:
    """Rows up to now.

    Parameters
    ----------
    history : Series
        Cleaned [W]; ends at ``start_ns`` or earlier.
    start_ns : int
        Where the run begins [ns since 1970].
    say : callable
        Hears of treatment, once for each kind.

    Raises
    ------
    ValueError
        A history in other steps, off their grid, or with rows of the run's future.
    """

    def __init__(self, history: Series, start_ns: int, step_ns: int, say: Callable[[str], None]) -> None:
        _check(history, start_ns, step_ns)
        self._say, self._said = say, set[str]()
        missing = (start_ns - history.start_ns) // step_ns - len(history)
        kept = KEPT_DAYS * history.per_day
        values = history.values.astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        values = np.concatenate([values[-kept:], np.full(min(missing, kept), np.nan)])[-kept:]
        if not np.isfinite(values).any():
            values = values[:0]
        first_ns = start_ns - len(values) * step_ns
        self._frame = Series(
            history.name, first_ns, step_ns, np.empty(0), zone=history.zone, holidays=history.holidays
        )
        self._count = 0
        self._clean, self._raw = np.empty(1024), np.empty(1024)
        self._extend(values, values)
        self._offset = self._offset_at(0)

    def append(self, value: float) -> float:
        """Add the row that is over; return what it was taken as, NaN for missing."""
        taken = self._judged(value)
        self._extend(np.array([taken]), np.array([value]))
        return taken

    def trim(self) -> None:
        """Forget rows that are too old, many at a time.

        A day of refits begins at the midnights of the first row's standard time: rows are forgotten only up
        to one with the same offset from UTC, or every seasonal fit would have to be made again.
        """
        day = self._frame.per_day
        extra = self._count - KEPT_DAYS * day
        if extra < TRIM_DAYS * day:
            return
        first = extra // day * day
        while first > 0 and self._offset_at(first) != self._offset:
            first -= day
        if first < TRIM_DAYS * day:
            return
        clean, raw = self._clean[first : self._count].copy(), self._raw[first : self._count].copy()
        self._frame = self._frame_from(first)
        self._count = 0
        self._extend(clean, raw)

    @property
    def series(self) -> Series:
        """All rows; those of a series given before never change."""
        f = self._frame
        return Series(
            f.name, f.start_ns, f.step_ns, self._clean[: self._count], zone=f.zone, holidays=f.holidays
        )

    @property
    def end(self) -> int:
        """End of the last row [steps since 1970]."""
        return self._frame.base + self._count

    @property
    def known_end(self) -> int | None:
        """End of the last row with a value [steps since 1970]; None if there is none."""
        known = np.flatnonzero(np.isfinite(self._clean[: self._count]))
        return None if len(known) == 0 else self._frame.base + int(known[-1]) + 1

    @property
    def known_days(self) -> float:
        """How many days' worth of rows have a value [d]."""
        return float(np.isfinite(self._clean[: self._count]).sum()) / self._frame.per_day

    def last(self, rows: int) -> Floats:
        """Return the last rows, cleaned, NaN before the first one; shape (rows,)."""
        out = np.full(rows, np.nan)
        n = min(rows, self._count)
        if n:
            out[rows - n :] = self._clean[self._count - n : self._count]
        return out

    def state(self) -> dict[str, Any]:
        """Return all rows as JSON can hold them."""
        return {
            "start_ns": self._frame.start_ns,
            "offset": self._offset,
            "clean": pack(self._clean[: self._count]),
            "raw": pack(self._raw[: self._count]),
            "said": sorted(self._said),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take rows over."""
        f = self._frame
        self._frame = Series(
            f.name, int(state["start_ns"]), f.step_ns, np.empty(0), zone=f.zone, holidays=f.holidays
        )
        self._count, self._offset = 0, int(state["offset"])
        self._extend(unpack(state["clean"]), unpack(state["raw"]))
        self._said = set(state["said"])

    def _judged(self, value: float) -> float:
        """Return a value, or NaN for one that cannot be meant."""
        if not math.isfinite(value):
            return math.nan
        day = self._frame.per_day
        # Whole days before the row's own block, counted from the first row like those of a file.
        first = max(0, self._count // day * day - JUDGED_DAYS * day)
        raw = np.append(self._raw[first : self._count], value)
        clean = self._clean[first : self._count]
        past = np.abs(clean[np.isfinite(clean)])
        if len(past) >= cleaning.UNIT_DAYS * day and cleaning.is_other_unit(np.array([value]), past)[0]:
            return self._missing("a value in another unit (MW for kW?)", value)
        if cleaning.strays_below_zero(raw)[-1]:
            return self._missing("a stray value below zero", value)
        # Of rows that were no numbers and of units nothing is learned.
        if len(past):
            raw[cleaning.is_other_unit(raw, past)] = np.nan
        spike, drop = cleaning.spikes(raw, day)
        if spike[-1]:
            return self._missing("a spike", value)
        if drop[-1]:
            return self._missing("a dropout to zero", value)
        if value < 0.0:
            self._tell(f"{self._frame.name}: values below zero are kept, power flows back")
        return value

    def _missing(self, what: str, value: float) -> float:
        self._tell(f"{self._frame.name}: {what} is taken as missing", f" (the first is {value:.6g} W)")
        return math.nan

    def _tell(self, text: str, more: str = "") -> None:
        if text not in self._said:
            self._said.add(text)
            self._say(text + more)

    def _offset_at(self, row: int) -> int:
        """Return how far the local clock is ahead of UTC at a row [ns]."""
        f = self._frame
        return int(local_ns(f, np.array([row]))[0]) - (f.start_ns + row * f.step_ns)

    def _frame_from(self, first: int) -> Series:
        f = self._frame
        start_ns = f.start_ns + first * f.step_ns
        return Series(f.name, start_ns, f.step_ns, np.empty(0), zone=f.zone, holidays=f.holidays)

    def _extend(self, clean: Floats, raw: Floats) -> None:
        """Add rows; arrays that series hold are not written to but after their ends."""
        count = self._count + len(clean)
        if count > len(self._clean):
            grown = np.empty((2, 2 * count))
            grown[:, : self._count] = self._clean[: self._count], self._raw[: self._count]
            self._clean, self._raw = grown
        self._clean[self._count : count], self._raw[self._count : count] = clean, raw
        self._count = count


def _check(history: Series, start_ns: int, step_ns: int) -> None:
    if history.step_ns != step_ns:
        raise ValueError(
            f"{history.name}: its history has steps of {history.step_ns} ns, not of {step_ns} ns"
        )
    if (start_ns - history.start_ns) % step_ns:
        raise ValueError(f"{history.name}: the run begins between two rows of its history")
    beyond = len(history) - (start_ns - history.start_ns) // step_ns
    if beyond > 0:
        raise ValueError(f"{history.name}: {beyond} rows of its history lie after the run's begin")
    if history.exogenous:
        raise ValueError(f"{history.name}: exogenous columns are not known live")
