"""Season and trend: Prophet on a rolling window, refitted every day, its forecasts kept by day.

Prophet (Taylor and Letham 2018) refitted daily on four weeks is the measured optimum for load: once fitted
on a year it is worse than persistence, and its yearly season, unless there are two years to learn it from,
extrapolates to garbage. So there is none here.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from forecasting.calendar import day_anchor, day_starts, local_ns
from forecasting.series import NS_PER_DAY, Floats, Ints, Series

WINDOW_DAYS = 28
LEAST_DAYS = 14
"""Days with values that a weekly season is learned from; with fewer there is no forecast."""


class Seasonal:
    """Prophet's forecasts: those of a day are made from what was known when it began.

    Parameters
    ----------
    reach : int
        Longest horizon [steps].
    workers : int
        Fits at a time; Prophet fits in processes of its own, so threads are enough.
    """

    name = "prophet"

    def __init__(self, reach: int, workers: int = 1) -> None:
        self._reach, self._workers = reach, workers
        self._blocks: dict[tuple[int, int], Floats] = {}

    def fit(self, series: Series, end: int) -> None:
        """Make the forecasts of the days that began before ``end`` or begin with it, if not made yet."""
        known = series.before(end)
        starts = [s for s in day_starts(known, LEAST_DAYS * known.per_day, end + 1) if s <= end]
        missing = [s for s in starts if self._key(known, s) not in self._blocks]
        self._make(known, missing)

    def forecast(self, series: Series, origins: Ints, horizons: Ints) -> Floats:
        """Return forecasts made when the day of the origin's next row began; NaN without a fit."""
        starts = self._starts(series, origins + 1)
        out = np.full((len(origins), len(horizons)), np.nan)
        for start in np.unique(starts).tolist():
            block = self._block(series, start)
            if block is not None:
                rows = np.flatnonzero(starts == start)
                out[rows] = block[origins[rows, None] + horizons[None, :] - start]
        return out

    def residuals(self, series: Series) -> Floats:
        """Return what the forecasts of each day left of it, shape (n,): out of sample throughout."""
        left = np.full(len(series), np.nan)
        day = series.per_day
        for start in day_starts(series, LEAST_DAYS * day, len(series)):
            block = self._block(series, start)
            if block is not None:
                end = min(start + day, len(series))
                left[start:end] = series.values[start:end] - block[: end - start]
        return left

    def state(self) -> dict[str, Any]:
        """Return all forecasts by the day they are of."""
        keys = list(self._blocks)
        return {"name": self.name, "keys": keys, "blocks": [self._blocks[k].tolist() for k in keys]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take forecasts over; those of a window that holds other values now are not used."""
        keys = [(int(a), int(b)) for a, b in state["keys"]]
        self._blocks = {k: np.array(v) for k, v in zip(keys, state["blocks"], strict=True)}

    def forget_before(self, step: int) -> None:
        """Drop forecasts of days that began before a moment [steps since 1970]."""
        self._blocks = {k: v for k, v in self._blocks.items() if k[0] >= step}

    def _starts(self, series: Series, rows: Ints) -> Ints:
        anchor, day = day_anchor(series), series.per_day
        result: Ints = anchor + (rows - anchor) // day * day
        return result

    def _block(self, series: Series, start: int) -> Floats | None:
        if start < LEAST_DAYS * series.per_day or start > len(series):
            return None
        key = self._key(series, start)
        if key not in self._blocks:
            self._make(series, [start])
        block = self._blocks[key]
        return None if np.isnan(block[0]) else block

    def _key(self, series: Series, start: int) -> tuple[int, int]:
        """Name a day by its moment and by what is known when it begins, so that no stale fit is used."""
        window = series.values[max(0, start - WINDOW_DAYS * series.per_day) : start]
        return series.base + start, zlib.crc32(np.ascontiguousarray(window).tobytes())

    def _make(self, series: Series, starts: Sequence[int]) -> None:
        jobs = [(s, *self._job(series, s)) for s in starts]
        if self._workers > 1 and len(jobs) > 1:
            with ThreadPoolExecutor(self._workers) as pool:
                blocks = list(pool.map(lambda job: prophet(*job[1:]), jobs))
        else:
            blocks = [prophet(*job[1:]) for job in jobs]
        for (start, *_), block in zip(jobs, blocks, strict=True):
            self._blocks[self._key(series, start)] = block

    def _job(self, series: Series, start: int) -> tuple[Ints, Floats, int, frozenset[int]]:
        """Return clock and values of the window, clock of the day and its reach, where the latter begins."""
        begin = max(0, start - WINDOW_DAYS * series.per_day)
        clock = local_ns(series, np.arange(begin, start + series.per_day + self._reach))
        return clock, series.values[begin:start], start - begin, series.holidays


def prophet(clock: Ints, values: Floats, known: int, holidays: frozenset[int] = frozenset()) -> Floats:
    """Fit Prophet and return its forecast.

    Parameters
    ----------
    clock : ndarray, shape (n,)
        Local time of all rows [ns since 1970].
    values : ndarray, shape (known,)
        Those of the first rows; NaN where there is none.
    known : int
        Where the forecast begins.
    holidays : frozenset of int
        Local days since 1970; in the fit they have a level of their own.

    Returns
    -------
    ndarray, shape (n - known,)
        NaN where the window has values on fewer than `LEAST_DAYS` days' worth of rows.
    """
    known_values = np.isfinite(values)
    days_known = len(np.unique(clock[:known][known_values] // NS_PER_DAY))
    if days_known < LEAST_DAYS or np.ptp(values[known_values]) == 0.0:
        return np.full(len(clock) - known, np.nan)
    import pandas as pd

    model = _silent_prophet()(
        yearly_seasonality=False,
        weekly_seasonality=True,
        daily_seasonality=True,
        uncertainty_samples=0,
        holidays=_holidays(clock, holidays),
    )
    stamps = pd.to_datetime(clock)
    try:
        model.fit(pd.DataFrame({"ds": stamps[:known][known_values], "y": values[known_values]}))
    except RuntimeError:  # Stan found no optimum, with either of its methods: others forecast this day
        return np.full(len(clock) - known, np.nan)
    result: Floats = model.predict(pd.DataFrame({"ds": stamps[known:]}))["yhat"].to_numpy()
    return result


def _holidays(clock: Ints, holidays: frozenset[int]) -> Any:
    import pandas as pd

    inside = sorted(d for d in holidays if clock[0] // NS_PER_DAY <= d <= clock[-1] // NS_PER_DAY)
    if not inside:
        return None
    return pd.DataFrame({"holiday": "holiday", "ds": pd.to_datetime(np.array(inside) * NS_PER_DAY)})


def _silent_prophet() -> Any:
    """Import Prophet without its talk: its loggers set themselves up at import, against plain levels."""
    import logging
    import warnings

    stan = logging.getLogger("cmdstanpy")
    if not any(isinstance(h, logging.NullHandler) for h in stan.handlers):
        stan.addHandler(logging.NullHandler())
    stan.propagate = False
    logging.getLogger("prophet.plot").setLevel(logging.CRITICAL)
    from prophet import Prophet

    logging.getLogger("prophet").setLevel(logging.ERROR)
    # Of pandas, about how Prophet calls it; nobody who reads them here can do anything about it.
    warnings.filterwarnings("ignore", module="prophet")
    return Prophet
