"""What a linear member works on: the level, its logarithm, or what the seasonal part leaves."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from forecasting.seasonal import Seasonal
from forecasting.series import Floats, Ints, Series


class Frame(Protocol):
    """A way from the series to what is regressed, and back."""

    has_calendar: bool

    def inputs(self, series: Series) -> tuple[Floats, int]:
        """Return what lags are taken of, and its first usable row; len(series) if there is none."""

    def targets(self, series: Series, origins: Ints, horizon: int) -> Floats:
        """Return what the regression is to give; NaN where it is not known."""

    def back(self, series: Series, regressed: Floats, origins: Ints, horizon: int) -> Floats:
        """Return the forecast that belongs to a result of the regression."""


class Level:
    """The series as it is."""

    has_calendar = True

    def inputs(self, series: Series) -> tuple[Floats, int]:
        """Return the series with its gaps filled from the past."""
        return series.filled, 0

    def targets(self, series: Series, origins: Ints, horizon: int) -> Floats:
        """Return the values at the targets."""
        result: Floats = series.values[origins + horizon]
        return result

    def back(self, series: Series, regressed: Floats, origins: Ints, horizon: int) -> Floats:
        """Return it as it is."""
        return regressed


class Log:
    """Natural logarithm: changes in proportion. There is none of a series that is not positive throughout."""

    has_calendar = True

    def inputs(self, series: Series) -> tuple[Floats, int]:
        """Return the logarithm of the filled series."""
        if len(series) == 0 or series.filled.min() <= 0.0:
            return np.zeros(len(series)), len(series)
        return np.log(series.filled), 0

    def targets(self, series: Series, origins: Ints, horizon: int) -> Floats:
        """Return logarithms at the targets."""
        result: Floats = np.log(series.values[origins + horizon])
        return result

    def back(self, series: Series, regressed: Floats, origins: Ints, horizon: int) -> Floats:
        """Return the exponential: the median of the forecast, not its mean, which is less than 1 % above."""
        result: Floats = np.exp(np.minimum(regressed, 700.0))
        return result


class Residual:
    """What the seasonal part's own forecasts left, out of sample; its forecast is added again."""

    has_calendar = False

    def __init__(self, seasonal: Seasonal) -> None:
        self._seasonal = seasonal

    def inputs(self, series: Series) -> tuple[Floats, int]:
        """Return residuals; 0 in gaps, where nothing says that the seasonal part was wrong."""
        left = self._seasonal.residuals(series)
        known = np.flatnonzero(~np.isnan(left))
        return np.nan_to_num(left), int(known[0]) if len(known) else len(series)

    def targets(self, series: Series, origins: Ints, horizon: int) -> Floats:
        """Return what the forecast made at the origin's day will leave."""
        return series.values[origins + horizon] - self._of_season(series, origins, horizon)

    def back(self, series: Series, regressed: Floats, origins: Ints, horizon: int) -> Floats:
        """Add the seasonal forecast."""
        return regressed + self._of_season(series, origins, horizon)

    def _of_season(self, series: Series, origins: Ints, horizon: int) -> Floats:
        return self._seasonal.forecast(series, origins, np.array([horizon]))[:, 0]
