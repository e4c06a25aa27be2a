"""Linear members: ridge regressions, one for each horizon, refitted by adding the rows that are new."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from forecasting.designs import Design, Prior, calendar_columns, exogenous_columns
from forecasting.frames import Frame, Level
from forecasting.normal_equations import NormalEquations
from forecasting.series import Floats, Ints, Series

ROWS_PER_COLUMN = 2
"""Fewer rows than this times the columns of the regression, and there is no forecast yet."""

FAR_MEMORY = 3.0
"""Half-life a day ahead over that for now: rows that overlap say less, so more of them are needed."""


class Ridge:
    """A ridge regression for each horizon.

    Parameters
    ----------
    name : str
    design : Design
        Its regressors, beside calendar and exogenous columns.
    horizons : sequence of int
        In steps; only these can be forecast.
    frame : Frame
        What is regressed.
    half_life_days : float, optional
        Age at which a row counts half, of a forecast for now; it grows to `FAR_MEMORY` times that for a day
        ahead. Without one all rows count alike [d].
    penalty : float
        See `forecasting.normal_equations`.
    prior : Prior, optional
        What is believed of its coefficients before there are data; by default that they are small.
    """

    def __init__(
        self,
        name: str,
        design: Design,
        horizons: Sequence[int],
        *,
        frame: Frame | None = None,
        half_life_days: float | None = None,
        penalty: float = 1.0,
        prior: Prior | None = None,
    ) -> None:
        self.name = name
        self._design, self._frame = design, frame or Level()
        self._horizons = [int(h) for h in horizons]
        self._half_life_days, self._penalty, self._prior = half_life_days, penalty, prior
        self._sums: dict[int, NormalEquations] = {}
        self._seen: tuple[int, int, int] | None = None
        self._coefficients: dict[int, Floats] = {}

    def fit(self, series: Series, end: int) -> None:
        """Learn from targets before ``end``; from new ones only where the rest is as it was."""
        known = series.before(end)
        first = self._first_new(known)
        x, usable = self._frame.inputs(known)
        for horizon in self._horizons:
            if first > 0 and self._half_life_days is not None and horizon in self._sums:
                days = (end - first) / series.per_day
                self._sums[horizon].fade(0.5 ** (days / self._half_life(horizon, series.per_day)))
            self._add(known, x, usable, first - horizon, horizon)
            sums = self._sums.get(horizon)
            if sums is not None and sums.weight >= ROWS_PER_COLUMN * len(sums.moment) and usable < end:
                self._coefficients[horizon] = self._solved(sums, known, x, horizon)
            else:
                self._coefficients.pop(horizon, None)
        self._seen = (known.base, end, _digest(known.values))

    def forecast(self, series: Series, origins: Ints, horizons: Ints) -> Floats:
        """Return forecasts; NaN before there was enough to learn from."""
        out = np.full((len(origins), len(horizons)), np.nan)
        x, usable = self._frame.inputs(series)
        for k, horizon in enumerate(horizons.tolist()):
            coefficients = self._coefficients.get(horizon)
            if coefficients is not None and usable < len(series):
                a, _, _ = self._columns(series, x, origins, horizon)
                out[:, k] = self._frame.back(series, a @ coefficients, origins, horizon)
        return out

    def state(self) -> dict[str, Any]:
        """Return the coefficients by horizon."""
        return {
            "name": self.name,
            "coefficients": {str(h): w.tolist() for h, w in self._coefficients.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take coefficients over; the next fit starts from all rows."""
        self._seen, self._sums = None, {}
        self._coefficients = {int(h): np.array(w) for h, w in state["coefficients"].items()}

    def _half_life(self, horizon: int, per_day: int) -> float:
        assert self._half_life_days is not None
        return self._half_life_days * (1.0 + (FAR_MEMORY - 1.0) * min(1.0, horizon / per_day))

    def _solved(self, sums: NormalEquations, known: Series, x: Floats, horizon: int) -> Floats:
        scaled = self._columns(known, x, np.empty(0, np.int64), horizon)[1]
        levels = 2 * known.per_day if self._frame.has_calendar else 1
        if self._prior is None:
            return sums.solve(self._penalty, scaled, levels)
        believed = np.zeros(len(sums.moment))
        for column, coefficient in self._prior(known.per_day, horizon).items():
            believed[column] = coefficient
        return sums.solve_around(believed, horizon, self._penalty, scaled, levels)

    def _first_new(self, known: Series) -> int:
        """Return the first target row that is not in the sums yet; forget them if what they hold changed."""
        if self._seen is not None:
            base, end, digest = self._seen
            if known.base == base and end <= len(known) and _digest(known.values[:end]) == digest:
                return end
        self._sums = {}
        return 0

    def _add(self, known: Series, x: Floats, usable: int, first: int, horizon: int) -> None:
        end = len(known)
        _, _, reach = self._columns(known, x, np.empty(0, np.int64), horizon)
        origins = np.arange(max(first, usable + reach), end - horizon)
        if len(origins) == 0:
            return
        y = self._frame.targets(known, origins, horizon)
        origins, y = origins[np.isfinite(y)], y[np.isfinite(y)]
        a, _, _ = self._columns(known, x, origins, horizon)
        weights = None
        if self._half_life_days is not None:
            days = (end - origins - horizon) / known.per_day
            weights = 0.5 ** (days / self._half_life(horizon, known.per_day))
        self._sums.setdefault(horizon, NormalEquations.empty(a.shape[1])).add(a, y, weights)

    def _columns(self, series: Series, x: Floats, origins: Ints, horizon: int) -> tuple[Floats, int, int]:
        """Return the regressors, how many carry the unit of x, and the first origin that has all."""
        columns, reach = self._design(series, x, origins, horizon)
        scaled = len(columns)
        columns = columns + exogenous_columns(series, origins)
        rest = (
            calendar_columns(series, origins + horizon)
            if self._frame.has_calendar
            else np.ones((len(origins), 1))
        )
        return np.hstack([np.column_stack(columns), rest]), scaled, reach


def _digest(values: Floats) -> int:
    return zlib.crc32(np.ascontiguousarray(values).tobytes())
