"""One photovoltaic site, live: its power under a clear sky times a learned ratio.

The ratio of a step is r = power / clear power, weighted by w = clear power / rated power, so that dusk says
little. Two recursive estimates of it are kept: a level ``s`` of the recent days, whose steps are limited to a
few usual deviations (Huber 1964), and the deviation ``d`` from it in the last hours,

    d = sum 2^(-age / 2 h) w (r - s) / (sum 2^(-age / 2 h) w + c)

which is forgotten overnight. The ratio h steps ahead is s + b_h d, each b_h learned from what became of
deviations h steps later: near horizons follow the last hours, far ones the recent days.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from forecasting.fallback import Fallback
from forecasting.outputs import State
from forecasting.packing import pack, unpack
from forecasting.scoreboard import WINDOW_DAYS, Score
from forecasting.series import NS_PER_DAY, Floats
from forecasting.target import SolarTarget
from forecasting.track import Made, Track
from rtcore.clock import NS_PER_HOUR

MODELS = ("clear_sky", "naive_day", "persistence")
LIGHT = 0.03
"""Share of the rated power below which a clear sky says nothing of the ratio."""
LEVEL_DAYS = 2.0
"""Half-life of the level [d]."""
HOURS = 2.0
"""Half-life of the last hours [h]."""
DAMPING = 0.1
"""c: weights of the last hours in whose place nothing is known count as no deviation."""
PRIOR_LEVEL, PRIOR_WEIGHT = 0.8, 1.0
"""What the level is before anything is known, and what that weighs in hours of full sun."""
PRIOR_CARRY = 0.85
"""What of a deviation is left after an hour, before anything is known."""
PRIOR_SQUARE = 0.05
"""What that weighs, as the sum of (w d)^2."""
CARRY_DAYS = 28.0
"""Half-life of what is known of b_h [d]."""
LIMIT = 3.0
"""Steps of the level are limited to so many usual deviations."""
SMALLEST_DEVIATION, FIRST_DEVIATION = 0.02, 0.2
RATIO_MAX = 1.5
POWER_MAX, POWER_MIN = 1.25, -0.05
"""Of the rated power: readings outside are none of this site [1]."""
LEAST_ROWS = 40
"""Errors by daylight below which there is no interval: four days of ten hours."""


class Ratio:
    """The learned ratio of one site.

    Parameters
    ----------
    ahead, per_day : int
        [steps]
    """

    def __init__(self, ahead: int, per_day: int) -> None:
        hours = 24.0 / per_day
        self._level_fade = 0.5 ** (1.0 / (LEVEL_DAYS * per_day))
        self._hours_fade = 0.5 ** (hours / HOURS)
        self._carry_fade = 0.5 ** (1.0 / (CARRY_DAYS * per_day))
        self._hours = hours
        self.level, self._weight = PRIOR_LEVEL, PRIOR_WEIGHT
        self._usual = FIRST_DEVIATION
        self._top, self._bottom = 0.0, 0.0
        self._prior: Floats = np.power(PRIOR_CARRY, hours * np.arange(1, ahead + 1)).astype(np.float64)
        self._product: Floats = PRIOR_SQUARE * self._prior
        self._square: Floats = np.full(ahead, PRIOR_SQUARE)
        # Level and deviation 1 to ``ahead`` steps ago; NaN where there was no origin.
        self._past = np.full((2, ahead), np.nan)

    @property
    def deviation(self) -> float:
        """What the last hours were above the level."""
        return self._top / (self._bottom + DAMPING)

    @property
    def carry(self) -> Floats:
        """Which share of a deviation is left, by horizon, shape (ahead,)."""
        result: Floats = np.clip(self._product / self._square, 0.0, 1.0)
        return result

    def update(self, power: float, clear: float) -> None:
        """Take a step that is over; both relative to the rated power, ``power`` NaN if it is not known."""
        self._past = np.roll(self._past, 1, axis=1)
        self._past[:, 0] = self.level, self.deviation
        self._top *= self._hours_fade
        self._bottom *= self._hours_fade
        if not (clear > LIGHT and math.isfinite(power)):
            return
        ratio = min(max(power / clear, 0.0), RATIO_MAX)
        self._learn_carry(ratio, clear)
        away = ratio - self.level
        weight = clear * self._hours
        self._weight = self._weight * self._level_fade + weight
        limit = LIMIT * self._usual
        self.level += weight / self._weight * min(max(away, -limit), limit)
        self._usual += weight / self._weight * (min(abs(away), limit) - self._usual)
        self._usual = max(self._usual, SMALLEST_DEVIATION)
        self._top += weight * away
        self._bottom += weight

    def forecast(self) -> Floats:
        """Return the ratio 1 to ``ahead`` steps ahead, shape (ahead,)."""
        result: Floats = np.clip(self.level + self.carry * self.deviation, 0.0, RATIO_MAX)
        return result

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        scalars = [self.level, self._weight, self._usual, self._top, self._bottom]
        return {
            "scalars": scalars,
            "product": pack(self._product),
            "square": pack(self._square),
            "past": pack(self._past),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state over."""
        self.level, self._weight, self._usual, self._top, self._bottom = state["scalars"]
        self._product, self._square = unpack(state["product"]), unpack(state["square"])
        self._past = unpack(state["past"])

    def _learn_carry(self, ratio: float, clear: float) -> None:
        level, deviation = self._past
        known = np.isfinite(level) & (deviation != 0.0)
        square, product = np.zeros((2, len(level)))
        square[known] = (clear * deviation[known]) ** 2
        product[known] = clear**2 * deviation[known] * (ratio - level[known])
        # What is forgotten is replaced by what was assumed at first: there is never nothing to go by.
        back = 1.0 - self._carry_fade
        self._square = self._carry_fade * self._square + square + back * PRIOR_SQUARE
        self._product = self._carry_fade * self._product + product + back * PRIOR_SQUARE * self._prior


class SolarForecaster:
    """Forecasts of one site.

    Parameters
    ----------
    bands : tuple of int
        Horizons that are scored [steps].
    leave, back : float
        See `forecasting.fallback`.
    """

    def __init__(
        self,
        target: SolarTarget,
        *,
        step_ns: int,
        start_ns: int,
        bands: tuple[int, ...],
        say: Callable[[str], None],
        leave: float,
        back: float,
    ) -> None:
        if not target.rated_w > 0.0:
            raise ValueError(f"{target.name}: its rated power is {target.rated_w:g} W")
        self.name, self._target, self._say = target.name, target, say
        self._step_ns, self._day = step_ns, NS_PER_DAY // step_ns
        self._end = start_ns // step_ns
        self._offset_ns = start_ns % step_ns
        self._values = np.empty(0)
        self._clear: dict[int, Floats] = {}
        self._has_said = False
        self._ratio = Ratio(self._day, self._day)
        choice = Fallback(target.name, MODELS, bands, self._day, is_trusted=True, leave=leave, back=back)
        self._track = Track(
            target.name,
            MODELS,
            choice,
            bands,
            self._day,
            self._end,
            least_rows=LEAST_ROWS * NS_PER_HOUR // step_ns,
        )
        self._known_end: int | None = None

    def close(self, value: float) -> list[str]:
        """Take the mean of the step that is over [W], NaN if it is not known; return what happened."""
        row, rated = self._end, self._target.rated_w
        taken = self._judged(value)
        self._ratio.update(taken / rated, float(self._clear_rows(row, 1)[0]) / rated)
        self._values = np.append(self._values, taken)[-(WINDOW_DAYS + 2) * self._day :]
        self._end += 1
        if math.isfinite(taken):
            self._known_end = self._end
        events = self._track.know(row, taken, is_live=True)
        if self._end % self._day == 0:
            events += self._track.judge(self._end, self._values)
            self._track.forget()
            self._clear = {day: x for day, x in self._clear.items() if day >= self._end // self._day - 1}
        return events

    def issue(self) -> tuple[Made, list[str]]:
        """Return forecasts made from what is known, and what happened."""
        clear = self._clear_rows(self._end, self._day)
        night = clear <= 0.0
        said = np.full((self._day, len(MODELS)), np.nan)
        said[:, 0] = self._ratio.forecast() * clear
        if len(self._values):
            said[:, 2] = self._values[-1]
        n = min(self._day, len(self._values))
        if n:
            said[self._day - n :, 1] = self._values[-n:]
        said[night] = 0.0
        made, events = self._track.make(self._end, said, is_live=True, night=night)
        rated = self._target.rated_w
        low, high = np.clip(made.low_w, 0.0, rated), np.clip(made.high_w, 0.0, rated)
        return dc.replace(made, low_w=low, high_w=high), events

    def state_of(self, made: Made) -> State:
        """Return how far this target has come."""
        if len(self._values) == 0 or not math.isfinite(float(self._values[-1])):
            return State.NO_DATA
        if made.is_fallback:
            return State.FALLBACK
        return State.RUNNING if np.isfinite(made.low_w).all() else State.LEARNING

    @property
    def known_end(self) -> int | None:
        """End of the last row with a value [steps since 1970]."""
        return self._known_end

    def last_actual_w(self) -> float:
        """Return the mean of the step that was over last, as it was taken [W]."""
        return float(self._values[-1]) if len(self._values) else math.nan

    def withdraw(self, end: int, over: int) -> None:
        """Score nothing of what was issued from rows before ``end`` for rows before ``over``."""
        self._track.withdraw(end, over)

    def scores(self) -> dict[int, Score]:
        """Return the live scores by horizon."""
        return self._track.scores(self._end, self._values)

    @property
    def drift(self) -> tuple[bool, float]:
        """Whether the drift alarm is up, and its statistic."""
        return self._track.drift.is_up, self._track.drift.statistic

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "ratio": self._ratio.state(),
            "track": self._track.state(),
            "values": pack(self._values),
            "end": self._end,
            "known_end": self._known_end,
            "has_said": self._has_said,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state over."""
        self._ratio.restore(state["ratio"])
        self._track.restore(state["track"])
        self._values, self._clear = unpack(state["values"]), {}
        self._end, self._known_end = int(state["end"]), state["known_end"]
        self._has_said = bool(state["has_said"])

    def _judged(self, value: float) -> float:
        rated = self._target.rated_w
        if not math.isfinite(value):
            return math.nan
        if POWER_MIN * rated <= value <= POWER_MAX * rated:
            return value
        if not self._has_said:
            self._has_said = True
            what = (
                f"power outside {POWER_MIN:g} to {POWER_MAX:g} of its rated {rated:.6g} W is taken as missing"
            )
            self._say(f"{self.name}: {what} (the first is {value:.6g} W)")
        return math.nan

    def _clear_rows(self, row: int, count: int) -> Floats:
        """Return the power of rows under a clear sky [W], made a day at a time."""
        days = range(row // self._day, (row + count - 1) // self._day + 1)
        for day in days:
            if day not in self._clear:
                begin_ns = day * self._day * self._step_ns + self._offset_ns
                self._clear[day] = np.maximum(np.asarray(self._target.clear(begin_ns, self._day), float), 0.0)
        block = np.concatenate([self._clear[day] for day in days])
        first = row - days[0] * self._day
        result: Floats = block[first : first + count]
        return result
