"""What one target's models said, what of it was issued, with which intervals, and how good that was."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from typing import Any

import numpy as np

from forecasting.drift import Drift
from forecasting.fallback import WINDOW_DAYS as JUDGED_DAYS
from forecasting.fallback import Fallback
from forecasting.live_intervals import LiveIntervals
from forecasting.outputs import MODELS
from forecasting.scoreboard import WINDOW_DAYS, Score, Scoreboard
from forecasting.series import Bools, Floats, Ints


@dc.dataclass(frozen=True, slots=True)
class Made:
    """Forecasts 1 to n steps ahead."""

    forecast_w: Floats
    low_w: Floats
    """(n, n_level)"""
    high_w: Floats
    """(n, n_level)"""
    picked: Ints
    """Which of the target's models, -1 for none."""
    numbers: Ints
    """The same as numbers of `forecasting.outputs.MODELS`."""
    is_fallback: bool


class Track:
    """Choice, intervals, scores and drift alarm of one target.

    Rows are steps since 1970.

    Parameters
    ----------
    models : sequence of str
        The preferred one first.
    scored : sequence of int
        Horizons, ascending [steps].
    start : int
        Row where the run begins: actual values before it are not scored.
    least_rows : int, optional
        Errors that intervals need.
    """

    def __init__(
        self,
        name: str,
        models: Sequence[str],
        choice: Fallback,
        scored: Sequence[int],
        per_day: int,
        start: int,
        *,
        least_rows: int | None = None,
    ) -> None:
        self.models = tuple(models)
        self._choice, self._scored, self._day, self._start = choice, tuple(scored), per_day, start
        self._numbers = np.array([MODELS.index(m) for m in models] + [-1])
        self._board = Scoreboard(models, scored, per_day)
        self._intervals = LiveIntervals(per_day, per_day, least_rows)
        self.drift = Drift(name, per_day)
        self._next: tuple[int, float] | None = None
        self._end = start

    def know(self, row: int, actual: float, *, is_live: bool) -> list[str]:
        """Take the value of a row that is over; return what changed."""
        self._end = row + 1
        self._intervals.know(row, actual)
        if self._next is None or self._next[0] != row:
            return []
        error = self._next[1] - actual
        if is_live:
            return self.drift.update(row, error)
        self.drift.learn(row, error)
        return []

    def judge(self, end: int, values: Floats) -> list[str]:
        """Compare models over the last days; ``values`` are those of the rows before ``end``."""
        rows = min(JUDGED_DAYS * self._day, len(values))
        said = {h: self._board.said(h, end - rows, end) for h in self._scored}
        return self._choice.judge(said, values[len(values) - rows :])

    def make(
        self, end: int, said: Floats, *, is_live: bool, night: Bools | None = None
    ) -> tuple[Made, list[str]]:
        """Choose among what models say of the rows from ``end`` on, shape (n, n_model), and keep it.

        Parameters
        ----------
        night : ndarray of bool, shape (n,), optional
            Rows at which there is nothing to be wrong about: their interval has no width, and no error there
            says anything of others.
        """
        picked = np.array([self._choice.pick(h, row) for h, row in enumerate(said, start=1)])
        point = np.where(picked >= 0, said[np.arange(len(said)), picked], np.nan)
        judged = point if night is None else np.where(night, np.nan, point)
        half = self._intervals.issue(end, judged)
        if night is not None:
            half[night] = 0.0
        low, high = point[:, None] - half, point[:, None] + half
        is_judged = night is None or not night[0]
        self._next = (end, float(point[0])) if is_judged else None
        for h in self._scored:
            k = h - 1
            if is_live:
                # The interval of a row by night always holds: its coverage is not counted.
                counted = np.nan if night is not None and night[k] else 0.0
                bounds = low[k] + counted, high[k] + counted
                self._board.put(h, end + k, float(point[k]), *bounds, said[k])
            else:
                self._board.learn(h, np.array([end + k]), said[None, k])
        events = self._choice.lost(picked.tolist()) if is_live else []
        is_fallback = self._choice.is_fallback(picked.tolist())
        return Made(point, low, high, picked, self._numbers[picked], is_fallback), events

    def withdraw(self, end: int, over: int) -> None:
        """Score nothing of what was made at ``end`` for rows before ``over``: nobody could have used it."""
        self._board.withdraw(end, over)

    def scores(self, end: int, values: Floats) -> dict[int, Score]:
        """Return the live scores by horizon; ``values`` are those of the rows before ``end``."""
        live = min(end - self._start, WINDOW_DAYS * self._day, len(values))
        actual = values[len(values) - live :]
        return {h: self._board.score(h, actual, end) for h in self._scored}

    def forget(self) -> None:
        """Drop what is no longer looked at."""
        self._board.forget_before(self._end - (max(WINDOW_DAYS, JUDGED_DAYS) + 1) * self._day)

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "choice": self._choice.state(),
            "board": self._board.state(),
            "intervals": self._intervals.state(),
            "drift": self.drift.state(),
            "next": None if self._next is None or np.isnan(self._next[1]) else list(self._next),
            "start": self._start,
            "end": self._end,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state over."""
        self._choice.restore(state["choice"])
        self._board.restore(state["board"])
        self._intervals.restore(state["intervals"])
        self.drift.restore(state["drift"])
        self._next = None if state["next"] is None else (int(state["next"][0]), float(state["next"][1]))
        self._start, self._end = int(state["start"]), int(state["end"])
