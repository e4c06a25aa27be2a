"""What a station forecasts, as its points tell it, and what was measured beside it."""

from __future__ import annotations

import bisect
import dataclasses as dc
import itertools
import math
from collections.abc import Sequence

from hil.view.model import Forecast, StationModel

SERVICE, FORECAST, SITE = "forecaster", "forecast", "forecast_site"
INTERVALS, SCORES = "forecast_intervals", ("forecast_score", "forecast_site_score")
BANDS = ("MEAN", "LOW", "HIGH")
DAY_H = 24.0
BUCKETS = 240
"""A day of measured values is drawn by so many means."""

Trend = tuple[Sequence[float], Sequence[float]]


@dc.dataclass(frozen=True, slots=True)
class Target:
    """One quantity that is forecast.

    Attributes
    ----------
    device : str
        Its points.
    scores : tuple of (int, str)
        Steps ahead and the device with their scores.
    forecast : Forecast or None
        How it is measured, where the station tells it.
    """

    device: str
    scores: tuple[tuple[int, str], ...]
    forecast: Forecast | None

    @property
    def name(self) -> str:
        """Short name."""
        return self.device.rpartition(".")[2]

    @property
    def arrays(self) -> tuple[str, ...]:
        """Mean, lower and upper end of the intervals, as arrays."""
        return tuple(f"arrays.FORECAST.{self.name}.{band}" for band in BANDS)

    @property
    def step_h(self) -> float:
        """Length of a step [h]."""
        return self.forecast.step_s / 3600.0 if self.forecast else 1.0


def targets_of(model: StationModel) -> list[Target]:
    """Return the targets of a station, sums before sites; none for a station without forecasts."""
    scores: dict[str, list[tuple[int, str]]] = {}
    for device in model.of_template(*SCORES):
        name, _, steps = model.instance(device).rpartition(".")
        if steps.isdigit():
            scores.setdefault(name, []).append((int(steps), device))
    how = {f.device: f for f in model.forecasts}
    devices = (*model.of_template(FORECAST), *model.of_template(SITE))
    return [Target(d, tuple(sorted(scores.get(model.instance(d), ()))), how.get(d)) for d in devices]


def midpoints(values: Sequence[float], step_h: float, age_h: float) -> tuple[list[float], list[float]]:
    """Return hours from now to the middle of each step, and its value, without those that are none.

    Parameters
    ----------
    age_h : float
        Time since the end of the last full step, from which on the values are.

    >>> midpoints([5.0, float("nan"), 7.0], 1.0, 0.25)
    ([0.25, 2.25], [5.0, 7.0])
    """
    rows = [((k + 0.5) * step_h - age_h, v) for k, v in enumerate(values) if math.isfinite(v)]
    return [r[0] for r in rows], [r[1] for r in rows]


def summed(trends: Sequence[Trend], factors: Sequence[float], begin: float, end: float) -> Trend:
    """Return the sum of several trends: means over equal parts of the time in which all are known.

    A value holds until the next one. Times and ``begin``, ``end`` are of one clock.
    """
    if not trends or not all(len(t[0]) for t in trends):
        return [], []
    first = max(begin, *(t[0][0] for t in trends))
    if not first < end:
        return [], []
    width = (end - begin) / BUCKETS
    n = max(1, math.ceil((end - first) / width))
    edges = [first + (end - first) * k / n for k in range(n + 1)]
    columns = [_means(t, edges) for t in trends]
    values = [sum(f * c[k] for f, c in zip(factors, columns, strict=True)) for k in range(n)]
    return [(a + b) / 2.0 for a, b in itertools.pairwise(edges)], values


def _means(trend: Trend, edges: Sequence[float]) -> list[float]:
    """Return the means between edges of a value that holds until the next one."""
    times, values = trend
    means = []
    for begin, end in itertools.pairwise(edges):
        k = max(bisect.bisect_right(times, begin) - 1, 0)
        total, at = 0.0, begin
        while k + 1 < len(times) and times[k + 1] < end:
            total += values[k] * (times[k + 1] - at)
            k, at = k + 1, times[k + 1]
        means.append((total + values[k] * (end - at)) / (end - begin))
    return means
