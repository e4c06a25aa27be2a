"""Levels for pseudo-measurements: the sum of some loads from a forecast, and what is left to err then.

Loads 1..n hang behind one meter, whose power is forecast: F, with standard deviation s, for the mean over
a step. History says m_i(t) for each load, S(t) for their sum as it was seen before the step began, and so
Sb for the mean of that sum over the step. Loads are taken as

    l_i(t) = m_i(t) / M(t) * S(t) / Sb * F,    M(t) = sum of m_i(t):

the sum follows S over time and has the mean F, each load its share of M, which may be newer than S where
rows of the history are shorter than a step. With the mean Xb that comes in truth, a load x_i(t) errs by

    x_i - l_i(F) = [x_i - l_i(Xb)] + l_i(F)/F * (Xb - F).

The second part is the error of the forecast, common to all and shared in proportion: standard deviation
l_i s/F. The first is the load's own error, what is left to err where the sum is known; it is worked out
for the same time of day of the past weeks with the sums that came, so that the level of those days, hot or
cold, is not in it. Both have little to do with each other: the one is that of a model of the sum, the
other one of shares. The variance of a load is the sum of both, l_i^2 (s/F)^2 + v_i. Reactive power follows
the active one's level, and errs with it.

What this leaves out: own errors add up to 0 over a step and the common one is the same for all, while the
estimator takes errors of loads as independent. For the sum it then believes in sum of v_i + (s/F)^2 sum of
l_i^2, the true variance being s^2. The first is too much, the second too little.

A meter at the head of a feeder measures losses as well, and loads draw a little more or less with voltage.
What a forecast says is that of the meter, and may be of a history without losses: ``LOSSES_FRAC`` of F is
added to s in squares, so that s/F is never below it.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOSSES_FRAC = 0.02
"""Least standard deviation of a level, of it: losses (on the shipped network 0.6 % of the load in the median
hour, 1.5 % at the peak of the year) and what loads do with voltage, a percent or two. It is a bound on an
offset that is not corrected, rather than the size of a random error."""
LIMIT = 3.0
"""Levels that are further from history than this factor, up or down, are none: the forecast is of something
else than these loads, or they are out of service."""


@dc.dataclass(frozen=True, slots=True)
class Level:
    """Forecast of the sum of some loads.

    Attributes
    ----------
    loads : tuple of int
        Their positions among those of the network.
    begin_ns, end_ns : int
        The step that it is the mean of [ns UTC since 1970].
    p_w, sigma_w : float
        Active power and its standard deviation [W], without that of losses.
    """

    loads: tuple[int, ...]
    begin_ns: int
    end_ns: int
    p_w: float
    sigma_w: float

    def holds(self, at_ns: int) -> bool:
        """Tell whether a moment is in its step."""
        return self.begin_ns <= at_ns < self.end_ns

    @property
    def relative(self) -> float:
        """Standard deviation of it, with losses, over it."""
        return float(np.hypot(self.sigma_w / self.p_w, LOSSES_FRAC))


Levels = tuple[Level, ...]
"""No load is in two of them; of those in none history says it all."""


def row_weights(begin: float, end: float) -> tuple[int, Floats]:
    """Return the first row and the weights of rows, of the mean from ``begin`` to ``end`` [rows].

    Between two rows the power is linear.
    """
    first, last = int(np.floor(begin)), int(np.ceil(end))
    weights = np.zeros(last - first + 1)
    for k in range(last - first):
        low, high = max(begin, first + k), min(end, first + k + 1)
        part, middle = (high - low) / (end - begin), (low + high) / 2.0 - (first + k)
        weights[k] += part * (1.0 - middle)
        weights[k + 1] += part * middle
    return first, weights


@dc.dataclass(frozen=True, slots=True)
class Shape:
    """How some loads follow from the mean of their sum, by day, today first.

    Attributes
    ----------
    per_w : ndarray, shape (2, n_day)
        S(t) / (M(t) Sb) of the row of the moment and the next one [1/W].
    said_w, came_w : ndarray, shape (n_day,)
        Mean of the sum over the step, Sb and Xb; NaN where it is not known [W].
    """

    per_w: Floats
    said_w: Floats
    came_w: Floats


@dc.dataclass(frozen=True, slots=True)
class Step:
    """Active power of every load about the step of a level, by day, today first [W].

    Attributes
    ----------
    now_w : ndarray, shape (2, n_day, n_load)
        What is said now of the row of the moment and the next one.
    said_w, came_w : ndarray, shape (n_row, n_day, n_load)
        What was said of the step's rows before it began, and what came; NaN where that is not known.
    weights : ndarray, shape (n_row,)
        Those of the mean over the step.
    row : int
        Where the row of the moment is among the step's.
    """

    now_w: Floats
    said_w: Floats
    came_w: Floats
    weights: Floats
    row: int

    def shape(self, loads: Ints) -> Shape:
        """Return it for some of the loads."""
        now, said, came = (x[..., loads].sum(axis=-1) for x in (self.now_w, self.said_w, self.came_w))
        mean = self.weights @ said
        with np.errstate(divide="ignore", invalid="ignore"):
            per_w = said[self.row : self.row + 2] / (now * mean)
        return Shape(per_w, mean, self.weights @ came)


def is_usable(level: Level, said_w: float) -> bool:
    """Tell whether a level is one of loads that are said to be ``said_w`` together [W]."""
    if not (np.isfinite(level.sigma_w) and level.sigma_w >= 0.0 and level.p_w > 0.0 and said_w > 0.0):
        return False
    return 1.0 / LIMIT <= level.p_w / said_w <= LIMIT
