"""A load with a day's shape, a weekend and a memory, and a season of it that takes no time to fit."""

from __future__ import annotations

import numpy as np

from forecasting.series import Floats, Ints, Series
from rtcore.clock import NS_PER_HOUR

START_NS = 17_167 * 24 * NS_PER_HOUR
"""2017-01-01, a Sunday."""


def plain_load(days: int) -> Series:
    """Return hours of load and temperature; what disturbs the load keeps 95 % of itself from hour to hour."""
    rng = np.random.default_rng(11)
    t = np.arange(24 * days)
    noise = np.zeros(len(t))
    for k in range(1, len(t)):
        noise[k] = 0.95 * noise[k - 1] + rng.normal(0.0, 30.0)
    values = 1000.0 + 300.0 * np.sin(2.0 * np.pi * t / 24.0) - 150.0 * (t // 24 % 7 >= 5) + noise
    temperature = 15.0 + 8.0 * np.sin(2.0 * np.pi * (t - 3) / 24.0)
    return Series("total", START_NS, NS_PER_HOUR, values, exogenous={"temperature_degc": temperature})


def mean_day(clock: Ints, values: Floats, known: int, holidays: frozenset[int] = frozenset()) -> Floats:
    """In the place of `forecasting.seasonal.prophet`: the mean of the window at each time of day."""
    slots = clock // NS_PER_HOUR % 24
    profile = np.array([np.nanmean(values[slots[:known] == k]) for k in range(24)])
    return profile[slots[known:]]
