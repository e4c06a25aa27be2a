"""Forecasts as they were issued, by horizon and target: what weights, intervals and scores are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecasting.series import Floats, Ints


class Issued:
    """Forecasts (target, column) for each horizon; targets are counted in steps since 1970.

    Parameters
    ----------
    columns : sequence of str
        Who forecasts.
    horizons : sequence of int
        [steps]
    """

    def __init__(self, columns: Sequence[str], horizons: Sequence[int]) -> None:
        self.columns, self.horizons = tuple(columns), tuple(horizons)
        self._first: int | None = None
        self._values = {h: np.empty((0, len(self.columns))) for h in self.horizons}

    def put(self, horizon: int, targets: Ints, forecasts: Floats) -> None:
        """Keep forecasts (n, n_column) of targets; a target said before is said anew."""
        if len(targets) == 0:
            return
        if self._first is None:
            self._first = int(targets.min())
        self._grow(horizon, int(targets.min()), int(targets.max()) + 1)
        self._values[horizon][targets - self._first] = forecasts

    def withdraw(self, horizon: int, target: int) -> None:
        """Take back what was said of a target, if anything was."""
        if self._first is not None and 0 <= target - self._first < len(self._values[horizon]):
            self._values[horizon][target - self._first] = np.nan

    def rows(self, horizon: int, begin: int, end: int) -> Floats:
        """Return forecasts of targets from ``begin`` to before ``end``; NaN where none was issued."""
        out = np.full((max(0, end - begin), len(self.columns)), np.nan)
        if self._first is not None:
            values = self._values[horizon]
            low, high = max(begin, self._first), min(end, self._first + len(values))
            if low < high:
                out[low - begin : high - begin] = values[low - self._first : high - self._first]
        return out

    def forget_before(self, target: int) -> None:
        """Drop what was said of targets before one."""
        if self._first is not None and target > self._first:
            self._values = {h: v[target - self._first :].copy() for h, v in self._values.items()}
            self._first = target

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it: None for what was not forecast."""
        values = {str(h): _as_lists(v) for h, v in self._values.items()}
        return {"columns": list(self.columns), "first": self._first, "values": values}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Issued:
        """Return what a state holds."""
        issued = cls(state["columns"], [int(h) for h in state["values"]])
        issued._first = state["first"]
        for h, rows in state["values"].items():
            values = np.array(rows, dtype=float)
            issued._values[int(h)] = values.reshape(-1, len(issued.columns))
        return issued

    def _grow(self, horizon: int, begin: int, end: int) -> None:
        assert self._first is not None
        before = self._first - begin
        if before > 0:
            for h, v in self._values.items():
                self._values[h] = np.vstack([np.full((before, v.shape[1]), np.nan), v])
            self._first = begin
        values = self._values[horizon]
        after = end - self._first - len(values)
        if after > 0:
            self._values[horizon] = np.vstack([values, np.full((after, values.shape[1]), np.nan)])


def _as_lists(values: Floats) -> list[list[float | None]]:
    return [[None if np.isnan(x) else x for x in row] for row in values.tolist()]
