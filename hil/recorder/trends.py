"""Trends: of every point what moved by more than its deadband since it was last written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.board import Snapshot
from rtcore.points import Point


class Rows(NamedTuple):
    """Columns of trend rows, all of one length.

    Attributes
    ----------
    utc_ns, step : int64[n]
    point : int32[n]
        Index of the point.
    value, quality : float64[n], uint8[n]
    """

    utc_ns: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    point: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]


class TrendSampler:
    """Looks at snapshots; keeps the rows that are to be written.

    The first look takes every point. A change of quality, and a value that becomes or ceases to be a
    number, is always taken; with a deadband of 0 every other value is.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self._deadband = np.array([p.deadband for p in points])
        self._value = np.full(len(points), np.nan)
        self._quality = np.zeros(len(points), np.uint8)
        self._step = -1
        self._parts: list[Rows] = []
        self.n_rows = 0

    def look(self, snapshot: Snapshot) -> int:
        """Take what moved; return how many rows that are. A step is looked at once."""
        if snapshot.step == self._step:
            return 0
        value, quality = snapshot.values, snapshot.quality
        moved = np.abs(value - self._value) > self._deadband
        moved |= np.isnan(value) != np.isnan(self._value)
        moved |= quality != self._quality
        if self._step < 0:
            moved[:] = True
        self._step = snapshot.step
        (at,) = moved.nonzero()
        self._value[at], self._quality[at] = value[at], quality[at]
        if len(at):
            utc_ns, step = np.full(len(at), snapshot.utc_ns), np.full(len(at), snapshot.step)
            self._parts.append(Rows(utc_ns, step, at.astype(np.int32), value[at], quality[at]))
        self.n_rows += len(at)
        return len(at)

    def take(self) -> Rows | None:
        """Return the rows since the last call, in order of time; None when there are none."""
        parts, self._parts, self.n_rows = self._parts, [], 0
        return Rows(*map(np.concatenate, zip(*parts, strict=True))) if parts else None
