"""Drift alarm: one-step errors are no longer what they were, in level or in size.

Each error is replaced by the normal score of its rank among older ones of about its time of day (van der
Waerden 1952), so that it is standard normal while nothing changes, whatever the distribution of errors. What
neighbouring scores have in common, as measured on the older ones, is taken out (u_t - r u_(t-1)). Three CUSUM
charts (Page 1954) add up: errors upwards, downwards, and their sizes upwards. The threshold is computed from
the mean time to a false alarm by Siegmund's approximation (1985),

    ARL = (exp(2 k b) - 2 k b - 1) / (2 k^2),  b = h + 1.166

k being the allowance and h the threshold, in standard deviations. It holds for errors that are alike from
week to week; where seasons turn there are more alarms, and not all of them are false.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.optimize
import scipy.special

from forecasting.packing import pack, unpack
from forecasting.series import Floats

OLDER_DAYS = 28
"""Errors that are the measure [d]."""
GAP_DAYS = 7
"""Newest errors that are not among them: a drift must not be its own measure at once [d]."""
LEAST_DAYS = 7
"""Older errors below which there is no alarm [d]."""
ALLOWANCE = 0.75
"""Half the shift that is to be found soonest, in standard deviations."""
FALSE_ALARM_DAYS = 365.0
"""Mean time between false alarms of the three charts together [d]."""
CEILING = 1.5
"""Charts do not rise beyond so many thresholds, so that an alarm ends soon after its cause."""
CLEAR = 0.3
"""An alarm is cleared when all charts are below this share of the threshold."""
COMMON_MAX = 0.9
"""Of what neighbouring scores have in common."""
CORRECTION = 1.166
"""Of Siegmund's: what a chart overshoots its threshold by, twice."""


def threshold(steps: float, allowance: float = ALLOWANCE) -> float:
    """Return the threshold of a chart with a mean time to a false alarm [standard deviations].

    Parameters
    ----------
    steps : float
        Mean time to a false alarm of one chart [steps].
    """

    def short(h: float) -> float:
        b = 2.0 * allowance * (h + CORRECTION)
        return (math.exp(b) - b - 1.0) / (2.0 * allowance**2) - steps

    return float(scipy.optimize.brentq(short, 0.0, 50.0))


class Drift:
    """The alarm of one target; rows are steps since 1970."""

    def __init__(self, target: str, per_day: int) -> None:
        self._target, self._per_day = target, per_day
        self.threshold = threshold(3.0 * FALSE_ALARM_DAYS * per_day)
        # Row, error, and the scores of level and size, NaN before there are any; the newest last.
        self._kept = np.empty((0, 4))
        self._charts = np.zeros(3)
        self.is_up = False

    def learn(self, row: int, error: float) -> Floats | None:
        """Take an error as it usually is, without judging it; return what it adds to level and size.

        Parameters
        ----------
        error : float
            Forecast one step ahead less what came [W]; NaN for none.

        Returns
        -------
        ndarray, shape (2,)
            Standard normal; None without enough older errors.
        """
        if not math.isfinite(error):
            return None
        older = self._older()
        away = np.abs(older[:, 0] - row) % self._per_day
        hour = max(1, self._per_day // 24)
        alike = older[np.minimum(away, self._per_day - away) <= hour, 1]
        scores, new = np.full(2, np.nan), None
        if len(older) >= LEAST_DAYS * self._per_day and len(alike) >= LEAST_DAYS:
            scores = np.array([_normal_score(error, alike), _normal_score(abs(error), np.abs(alike))])
            new = self._without_common(row, scores, older)
        newest = (OLDER_DAYS + GAP_DAYS) * self._per_day
        self._kept = np.vstack([self._kept, [row, error, *scores]])[-newest:]
        return new

    def update(self, row: int, error: float) -> list[str]:
        """Judge an error; return what changed."""
        older = self._older()
        new = self.learn(row, error)
        if new is None:
            return []
        steps = np.array([new[0], -new[0], new[1]]) - ALLOWANCE
        self._charts = np.clip(self._charts + steps, 0.0, CEILING * self.threshold)
        if not self.is_up and self.statistic >= 1.0:
            self.is_up = True
            return [f"{self._target}: drift alarm, {self._what(older[:, 1])}"]
        if self.is_up and self.statistic <= CLEAR:
            self.is_up = False
            return [f"{self._target}: drift alarm cleared"]
        return []

    @property
    def statistic(self) -> float:
        """The highest chart, 1 at its threshold."""
        return float(self._charts.max() / self.threshold)

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {"kept": pack(self._kept), "charts": self._charts.tolist(), "is_up": self.is_up}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state over."""
        self._kept, self._charts = unpack(state["kept"]), np.array(state["charts"], float)
        self.is_up = bool(state["is_up"])

    def _older(self) -> Floats:
        """Return the errors that are the measure: until there are enough, all but a day's."""
        gap = min(GAP_DAYS * self._per_day, max(self._per_day, len(self._kept) // 5))
        return self._kept[: max(0, len(self._kept) - gap)]

    def _without_common(self, row: int, scores: Floats, older: Floats) -> Floats:
        """Return scores less what those of the row before let expect, standard normal again."""
        if len(self._kept) == 0 or self._kept[-1, 0] != row - 1 or np.isnan(self._kept[-1, 2]):
            return scores
        before, after = older[:-1, 2:], older[1:, 2:]
        follows = (np.diff(older[:, 0]) == 1.0) & np.isfinite(before + after).all(axis=1)
        if follows.sum() < LEAST_DAYS * self._per_day:
            return scores
        product, square = (before * after)[follows].sum(axis=0), (before**2)[follows].sum(axis=0)
        common = np.clip(product / np.maximum(square, np.finfo(float).tiny), 0.0, COMMON_MAX)
        result: Floats = (scores - common * self._kept[-1, 2:]) / np.sqrt(1.0 - common**2)
        return result

    def _what(self, older: Floats) -> str:
        last = self._kept[-self._per_day :, 1]
        usual, now = np.sqrt(np.mean(older**2)), np.sqrt(np.mean(last**2))
        which = ("forecasts are higher", "forecasts are lower", "errors are larger")
        of_day = f"of the last day {now:.6g} W, usually {usual:.6g} W"
        return f"{which[int(np.argmax(self._charts))]} than usual (RMSE one step ahead {of_day})"


def _normal_score(x: float, among: Floats) -> float:
    """Return the standard normal value of the rank of x, the middle one of equal values."""
    below, equal = int((among < x).sum()), int((among == x).sum())
    share = (below + 0.5 * equal + 0.5) / (len(among) + 1.0)
    return float(scipy.special.ndtri(share))
