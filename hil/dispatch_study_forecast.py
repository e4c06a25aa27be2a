"""Forecasts of a study, made from the past alone: loads of the feeders by ridges, sun by a learned ratio."""

from __future__ import annotations

import numpy as np

from forecasting import designs
from forecasting.dispatch.messages import Forecast
from forecasting.frames import Log
from forecasting.hybrid import Hybrid, plain_ridge
from forecasting.ridge import Ridge
from forecasting.series import Floats, Series
from rtcore.clock import NS_PER_HOUR

AHEAD = 24
SPREAD_QUANTILE = 0.8
"""Quantile of past errors that the spread of a forecast is [of the same number of steps ahead]."""

SPREAD_MIN = 48
"""Past errors needed before their quantile is taken."""

RATIO_START = 0.7
"""Sun through the clouds before any is measured, of a clear sky."""

RATIO_FADE = 0.9
"""What the day before yesterday counts for against yesterday in the mean ratio."""


class LoadForecast:
    """A hybrid of ridges for each feeder, refitted every day."""

    def __init__(self, histories: dict[str, Series]) -> None:
        self.series = dict(histories)
        horizons = range(1, AHEAD + 1)
        self._models = {
            name: Hybrid(
                [
                    plain_ridge(horizons),
                    Ridge("ridge_weeks", designs.weeks, horizons),
                    Ridge("ridge_recent", designs.weeks, horizons, half_life_days=30.0),
                    Ridge("ridge_log", designs.weeks, horizons, frame=Log()),
                ],
                horizons,
            )
            for name in histories
        }
        self._rows_fitted = -1

    def append(self, means_w: dict[str, float]) -> None:
        """Take the means of the hour that is over."""
        for name, x in means_w.items():
            s = self.series[name]
            self.series[name] = Series(s.name, s.start_ns, s.step_ns, np.append(s.values, x), s.zone)

    def ahead(self) -> dict[str, Floats]:
        """Return the forecast of each feeder, shape (24,) [W]."""
        rows = len(next(iter(self.series.values())))
        if self._rows_fitted < 0 or rows - self._rows_fitted >= 24:
            for name, model in self._models.items():
                model.fit(self.series[name], rows)
            self._rows_fitted = rows
        out = {}
        for name, model in self._models.items():
            values = model.issue(self.series[name], np.array([rows - 1]))[0]
            out[name] = np.maximum(values, 0.0)
        return out


class SunForecast:
    """Clear-sky power times a ratio: that of now fades into the mean of past days, as they have taught."""

    def __init__(self) -> None:
        self._mean, self._weight = RATIO_START, 1.0
        self._ratios: list[float] = []
        self._pairs = np.zeros((AHEAD, 2))

    def append(self, measured_w: float, clear_w: float, floor_w: float) -> None:
        """Take the hour that is over; hours with less than a little sun say nothing."""
        ratio = measured_w / clear_w if clear_w > floor_w else np.nan
        if np.isfinite(ratio):
            for k in range(min(AHEAD, len(self._ratios))):
                before = self._ratios[-1 - k] - self._mean
                if np.isfinite(before):
                    self._pairs[k] += (before * (ratio - self._mean), before * before)
            self._weight = self._weight * RATIO_FADE ** (1.0 / 10.0) + 1.0
            self._mean += (ratio - self._mean) / self._weight
        self._ratios.append(float(ratio))

    def ahead(self, clear_w: Floats) -> Floats:
        """Return what the sun gives of clear-sky power, shape (24,)."""
        known = [r for r in self._ratios[-12:] if np.isfinite(r)]
        last = known[-1] if known else self._mean
        slope = np.clip(self._pairs[:, 0] / np.maximum(self._pairs[:, 1], 1e-3), 0.0, 1.0)
        slope = np.where(self._pairs[:, 1] > 0.1, slope, 0.7 ** np.arange(1, AHEAD + 1))
        return np.asarray(clear_w * (self._mean + slope * (last - self._mean)))


class Spread:
    """How much the load was above its forecast, by steps ahead."""

    def __init__(self) -> None:
        self._waiting: list[Floats] = []
        self._errors: list[list[float]] = [[] for _ in range(AHEAD)]

    def append(self, load_w: float) -> None:
        """Take the load of the hour that is over."""
        for k, forecast in enumerate(reversed(self._waiting[-AHEAD:])):
            self._errors[k].append(load_w - float(forecast[k]))

    def ahead(self, load_w: Floats) -> Floats:
        """Note a forecast of the load and return its spread, shape (24,) [W]."""
        self._waiting.append(load_w)
        return np.array(
            [
                max(float(np.quantile(e, SPREAD_QUANTILE)), 0.0) if len(e) >= SPREAD_MIN else 0.0
                for e in self._errors
            ]
        )


def forecast_of(
    end_ns: int,
    load_w: dict[str, Floats],
    sun_w: tuple[Floats, Floats, Floats],
    rated_w: dict[str, float],
    spread_w: Floats,
) -> Forecast:
    """Return the forecast; the sun (expected, most, least) is shared by the ratings of the sites."""
    total = max(sum(rated_w.values()), 1.0)
    suns = [{name: w * rated / total for name, rated in rated_w.items()} for w in sun_w]
    return Forecast(end_ns, NS_PER_HOUR, load_w, suns[0], suns[1], suns[2], spread_w)
