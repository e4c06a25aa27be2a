"""Intervals of forecasts as they are issued: those of `forecasting.intervals`, one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecasting import intervals as batch
from forecasting.packing import pack, unpack
from forecasting.series import Floats

RECENT_DAYS = 8
"""Points and widths are kept so long, for the value of a target and the next at its time of day [d]."""


class LiveIntervals:
    """Half-widths of intervals of horizons 1 to ``ahead``.

    Rows are steps since 1970; they come in the order of time.

    Parameters
    ----------
    least_rows : int, optional
        Errors below which there is no interval; by default as many as `forecasting.intervals` wants.
    """

    def __init__(self, ahead: int, per_day: int, least_rows: int | None = None) -> None:
        self._ahead, self._per_day = ahead, per_day
        self._least = batch.LEAST_DAYS * per_day if least_rows is None else least_rows
        self._window = batch.WINDOW_DAYS * per_day
        self._rows = self._window + RECENT_DAYS * per_day + ahead
        self._first: int | None = None
        shape = (ahead, self._rows)
        self._point, self._size, self._scale = (np.full(shape, np.nan) for _ in range(3))
        self._width = np.full((*shape, len(batch.LEVELS)), np.nan)
        self._shift = np.zeros((ahead, per_day, len(batch.LEVELS)))
        self._heard = np.full((ahead, per_day), -1.0)
        self._allowed = 1.0 - np.array(batch.LEVELS)

    def know(self, row: int, actual: float) -> None:
        """Take the value of a row that is over; NaN for an unknown one."""
        if self._first is not None and 0 <= row - self._first < self._rows:
            at = row - self._first
            self._size[:, at] = np.abs(actual - self._point[:, at])

    def issue(self, end: int, point: Floats) -> Floats:
        """Return half-widths of forecasts made at ``end``, shape (ahead, n_level); NaN where there are none.

        Parameters
        ----------
        point : ndarray, shape (ahead,)
            Forecasts of the rows ``end`` to ``end + ahead - 1``; NaN where there is none to be judged.
        """
        self._make_room(end)
        out = np.full((self._ahead, len(batch.LEVELS)), np.nan)
        for k in np.flatnonzero(np.isfinite(point)).tolist():
            out[k] = self._widths(k, end, float(point[k]))
        return out

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        recent = RECENT_DAYS * self._per_day + self._ahead
        return {
            "first": self._first,
            "point": pack(self._point[:, -recent:]),
            "width": pack(self._width[:, -recent:]),
            "size": pack(self._size),
            "scale": pack(self._scale),
            "shift": pack(self._shift),
            "heard": pack(self._heard),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state over."""
        self._first = state["first"]
        self._size, self._scale = unpack(state["size"]), unpack(state["scale"])
        self._shift, self._heard = unpack(state["shift"]), unpack(state["heard"])
        recent = RECENT_DAYS * self._per_day + self._ahead
        self._point[:], self._width[:] = np.nan, np.nan
        self._point[:, -recent:], self._width[:, -recent:] = unpack(state["point"]), unpack(state["width"])

    def _widths(self, k: int, end: int, point: float) -> Floats:
        """Return the half-widths at horizon ``k + 1`` and keep what they were made from."""
        assert self._first is not None
        nothing = np.full(len(batch.LEVELS), np.nan)
        known, t = end - self._first, end - self._first + k
        begin = max(0, known - self._window)
        self._point[k, t] = point
        size = self._size[k, begin : t + 1]
        errors = batch.Errors(size, self._per_day)
        if errors.count(0, known - begin) < self._least:
            return nothing
        scale = errors.expected(t - begin, 0, known - begin)
        self._scale[k, t] = scale
        past = size[: known - begin]
        ratio = past / self._scale[k, begin:known]
        ratio = ratio[np.isfinite(ratio)]
        if len(ratio) < self._least:
            ratio = past[np.isfinite(past)] / scale
        slot = (end + k) % self._per_day
        self._adapt(k, slot, t)
        widths = scale * batch.conformal(ratio, batch.LEVELS) * np.exp(self._shift[k, slot])
        self._width[k, t] = np.maximum.accumulate(widths)
        result: Floats = self._width[k, t].copy()
        return result

    def _adapt(self, k: int, slot: int, t: int) -> None:
        """Widen or narrow a time of day by what its targets did that became known since it was last heard."""
        assert self._first is not None
        heard = int(self._heard[k, slot]) - self._first
        for u in batch.same_slot(t, k + 1, self._per_day, heard):
            if np.isfinite(self._size[k, u]) and np.isfinite(self._width[k, u, 0]):
                miss = self._size[k, u] > self._width[k, u]
                self._shift[k, slot] += batch.RATE * (miss - self._allowed)
            self._heard[k, slot] = self._first + u

    def _make_room(self, end: int) -> None:
        """Move the rows kept so that the targets of forecasts made at ``end`` are the last ones."""
        first = end + self._ahead - self._rows
        if self._first is None:
            self._first = first
        by = first - self._first
        if by <= 0:
            return
        kept = max(0, self._rows - by)
        for x in (self._point, self._size, self._scale, self._width):
            x[:, :kept] = x[:, self._rows - kept :].copy()
            x[:, kept:] = np.nan
        recent = self._rows - RECENT_DAYS * self._per_day - self._ahead
        self._point[:, :recent], self._width[:, :recent] = np.nan, np.nan
        self._first = first
