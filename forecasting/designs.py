"""Regressors of the linear members: lags, means, and one level for each time of working day and day off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forecasting.calendar import days_off, slots
from forecasting.series import Floats, Ints, Series

Design = Callable[[Series, Floats, Ints, int], tuple[list[Floats], int]]
"""(series, x, origins, horizon) to columns of x and the first origin that has all of them."""
Prior = Callable[[int, int], dict[int, float]]
"""(rows a day, horizon) to coefficients of a design's columns that are believed without data."""


def plain(series: Series, x: Floats, origins: Ints, horizon: int) -> tuple[list[Floats], int]:
    """Return the regressors of the plain ridge: a day of lags, days before the target, two means."""
    day = series.per_day
    targets = origins + horizon
    # A day and a row stand between the week and its neighbours to keep the order of the published baseline.
    back = [k for k in (day, 2 * day, 7 * day, 7 * day + 1, 7 * day - 1) if k >= horizon]
    columns = [_at(x, origins - k) for k in range(day)] + [_at(x, targets - k) for k in back]
    columns += _means(x, origins, (day, 7 * day))
    # The published baseline learns from hour 200 on.
    return columns, 200 * day // 24


def weeks(series: Series, x: Floats, origins: Ints, horizon: int) -> tuple[list[Floats], int]:
    """Return more of the same: each day of the last week, three weeks at the target's time, five means."""
    day = series.per_day
    week = 7 * day
    targets = origins + horizon
    columns = [_at(x, origins - k) for k in range(day + 1)]
    columns += [_at(x, targets - k) for k in _back_of_weeks(day, horizon)]
    columns += _means(x, origins, (max(1, day // 4), day, 3 * day, week, 2 * week))
    for rows in (origins, targets):
        usual = [_at(x, rows - k) for k in (week, 2 * week, 3 * week)]
        columns.append(sum(usual, np.zeros(len(rows))) / len(usual))
    return columns, 3 * week + 1


def seasonal_walk(day: int, horizon: int) -> dict[int, float]:
    """Return coefficients of `weeks` by column that make it a seasonal random walk: the rest being zero.

    It says the value of a day before, plus a part of how far today is from yesterday that falls from one to
    zero within a day. Believed before anything is learned, it is for a load what the random walk is for
    prices (Litterman 1986): a few weeks of data bend it where they say so clearly, and nowhere else.
    """
    if horizon > day:
        return {day + 1 + _back_of_weeks(day, horizon).index(-(-horizon // day) * day): 1.0}
    kept = 1.0 - horizon / day
    coefficients = {0: kept, day: -kept}
    coefficients[day - horizon] = coefficients.get(day - horizon, 0.0) + 1.0
    return coefficients


def _back_of_weeks(day: int, horizon: int) -> list[int]:
    """Return the rows before the target that `weeks` looks at and that are known at the origin."""
    near = [k * day + j for k in (1, 2, 7, 14) for j in (-1, 0, 1)]
    far = [k * day for k in (3, 4, 5, 6, 21)]
    return [k for k in (*near, *far) if k >= horizon]


def residual(series: Series, x: Floats, origins: Ints, horizon: int) -> tuple[list[Floats], int]:
    """Return a day of lags and the target's time on days and the week before, for a seasonal residual."""
    day = series.per_day
    back = [k for k in (*(k * day for k in range(2, 8)), 7 * day - 1, 7 * day + 1) if k >= horizon]
    columns = [_at(x, origins - k) for k in range(day + 1)]
    columns += [_at(x, origins + horizon - k) for k in back]
    return columns, 7 * day + 1


def calendar_columns(series: Series, targets: Ints) -> Floats:
    """Return one dummy for each time of a working day and of a day off, shape (n, 2 per_day)."""
    which = slots(series, targets) + series.per_day * days_off(series, targets)
    return np.asarray(np.eye(2 * series.per_day)[which])


def exogenous_columns(series: Series, origins: Ints) -> list[Floats]:
    """Return what else is known at the origins."""
    return [series.filled_exogenous(name)[origins] for name in series.exogenous]


def _at(x: Floats, rows: Ints) -> Floats:
    """Return x at rows; before the first row its value."""
    result: Floats = x[np.maximum(rows, 0)]
    return result


def _means(x: Floats, origins: Ints, lengths: tuple[int, ...]) -> list[Floats]:
    total = np.concatenate([[0.0], np.cumsum(x)])
    return [(total[origins + 1] - total[np.maximum(origins + 1 - n, 0)]) / n for n in lengths]
