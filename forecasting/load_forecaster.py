"""One load, live: the hybrid beside its baselines, refitted daily, issued every step with intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from forecasting.baselines import Naive, baselines
from forecasting.calendar import day_anchor, day_starts
from forecasting.fallback import Fallback
from forecasting.hybrid import WINDOW_DAYS as WEIGHTS_DAYS
from forecasting.hybrid import Hybrid, standard_members
from forecasting.live_history import LiveHistory
from forecasting.outputs import State
from forecasting.packing import pack, unpack
from forecasting.residual_lstm import ResidualLstm
from forecasting.ridge import Ridge
from forecasting.scoreboard import Score
from forecasting.seasonal import LEAST_DAYS, Seasonal
from forecasting.series import Floats, Ints, Series
from forecasting.target import LoadTarget
from forecasting.track import Made, Track
from forecasting.windows import Scaling

WARM_UP_DAYS = 56
"""Days of the history that are forecast as if they were live: for intervals and weights [d]."""
SEASONS_A_TICK = 7
"""Days of seasonal fits between two calls that say how far the warm-up is."""

Tick = Callable[[float], None]


class LoadForecaster:
    """Forecasts of one load.

    Parameters
    ----------
    target : LoadTarget
    bands : sequence of int
        Horizons that are scored [steps].
    leave, back : float
        See `forecasting.fallback`.
    """

    def __init__(
        self,
        target: LoadTarget,
        *,
        step_ns: int,
        start_ns: int,
        bands: tuple[int, ...],
        rng: np.random.Generator,
        say: Callable[[str], None],
        leave: float,
        back: float,
    ) -> None:
        self.name, self._rng = target.name, rng
        self._history = LiveHistory(target.history, start_ns, step_ns, say)
        series = self._history.series
        self._day = series.per_day
        self._horizons = np.arange(1, self._day + 1)
        self._anchor = (series.base + day_anchor(series)) % self._day
        members = standard_members(self._horizons.tolist(), self._day, rng)
        self._hybrid = Hybrid(members, self._horizons.tolist())
        self._seasonal = next(m for m in members if isinstance(m, Seasonal))
        self._lstm = next(m for m in members if isinstance(m, ResidualLstm))
        self._ridges = [m for m in members if isinstance(m, Ridge)]
        self._model = target.model
        if self._model is not None:
            self._model(self._lstm, series)
        self._shipped = self._lstm.state().get("trained")
        # Their order matters without any score, see `Fallback`.
        self._naives = [*reversed(baselines(self._day))]
        models = ["hybrid", *(m.name for m in members), *(n.name for n in self._naives)]
        choice = Fallback(target.name, models, bands, self._day, is_trusted=False, leave=leave, back=back)
        self._track = Track(target.name, models, choice, bands, self._day, series.base + len(series))
        self._fitted: int | None = None
        self._is_singular = False

    @property
    def history_h(self) -> float:
        """Rows that are known of [h]."""
        return len(self._history.series) * 24.0 / self._day

    @property
    def fitted(self) -> int | None:
        """When the models were last fitted [steps since 1970]."""
        return self._fitted

    @property
    def trained(self) -> int | None:
        """End of what the LSTM has learned from [steps since 1970]; None without one."""
        trained = self._lstm.state().get("trained")
        return None if trained is None else int(trained)

    def warm_up(self, tick: Tick) -> None:
        """Forecast the last weeks of the history as if they were live; nothing of it is scored.

        Parameters
        ----------
        tick : callable
            Told the share that is done.
        """
        series = self._history.series
        # A shipped network may have learned from these weeks: what it said of them would be no forecast.
        self._lstm.use(None, Scaling({}, {}, 0.0))
        starts = day_starts(series, LEAST_DAYS * self._day, len(series) + 1)
        days = [s for s in starts if s >= len(series) - WARM_UP_DAYS * self._day and s < len(series)]
        for k in range(0, len(starts), SEASONS_A_TICK):
            self._seasonal.fit(series, starts[min(k + SEASONS_A_TICK, len(starts)) - 1])
            tick(0.5 * k / len(starts))
        for k, start in enumerate(days):
            seen = series.before(min(start + self._day, len(series)))
            self._fit_hybrid(series.before(start))
            self._track.judge(series.base + start, series.values[:start])
            origins = np.arange(start - 1, len(seen) - 1)
            for origin, said in zip(origins.tolist(), self._said(seen, origins), strict=True):
                self._track.know(series.base + origin, float(series.values[origin]), is_live=False)
                self._track.make(series.base + origin + 1, said, is_live=False)
            tick(0.5 + 0.5 * (k + 1) / len(days))
        if days:
            self._track.know(series.base + len(series) - 1, float(series.values[-1]), is_live=False)
        if self._model is not None:
            self._model(self._lstm, series)

    def close(self, value: float) -> list[str]:
        """Take the mean of the step that is over [W], NaN if it is not known; return what happened."""
        taken = self._history.append(value)
        return self._track.know(self._history.end - 1, taken, is_live=True)

    def is_due(self) -> bool:
        """Tell whether a day began since the last fit."""
        if self._fitted is None:
            return True
        return (self._history.end - self._anchor) // self._day > (self._fitted - self._anchor) // self._day

    def fit(self) -> list[str]:
        """Refit all models on what is known, and choose among them; return what changed."""
        self._history.trim()
        series = self._history.series
        # From all rows, and not from those that are new: what is learned then depends on rows alone, and a
        # service that was restarted learns the same to the last bit.
        for ridge in self._ridges:
            ridge.restore(ridge.state())
        events = self._fit_hybrid(series)
        self._fitted = self._history.end
        self._seasonal.forget_before(series.base)
        self._hybrid.issued.forget_before(self._history.end - (WEIGHTS_DAYS + 2) * self._day)
        self._track.forget()
        return events + self._track.judge(self._history.end, series.values)

    def issue(self) -> tuple[Made, list[str]]:
        """Return forecasts made from what is known, and what happened."""
        series = self._history.series
        said = self._said(series, np.array([len(series) - 1]))[0]
        return self._track.make(series.base + len(series), said, is_live=True)

    def state_of(self, made: Made) -> State:
        """Return how far this target has come."""
        if not np.isfinite(self._history.last(1)).all():
            return State.NO_DATA
        if made.is_fallback:
            return State.FALLBACK
        return State.RUNNING if (made.picked == 0).all() else State.LEARNING

    @property
    def known_end(self) -> int | None:
        """End of the last row with a value [steps since 1970]."""
        return self._history.known_end

    def last_actual_w(self) -> float:
        """Return the mean of the step that was over last, as it was taken [W]."""
        return float(self._history.last(1)[0])

    @property
    def drift(self) -> tuple[bool, float]:
        """Whether the drift alarm is up, and its statistic."""
        return self._track.drift.is_up, self._track.drift.statistic

    def withdraw(self, end: int, over: int) -> None:
        """Score nothing of what was issued from rows before ``end`` for rows before ``over``."""
        self._track.withdraw(end, over)

    def scores(self) -> dict[int, Score]:
        """Return the live scores by horizon."""
        return self._track.scores(self._history.end, self._history.series.values)

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "history": self._history.state(),
            "hybrid": _packed(self._hybrid.state(), self._seasonal.name),
            "track": self._track.state(),
            "rng": self._rng.bit_generator.state,
            "fitted": self._fitted,
            "is_singular": self._is_singular,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state over; a shipped network that is still the one in service stays as it was loaded."""
        self._history.restore(state["history"])
        hybrid = _unpacked(state["hybrid"], self._seasonal.name)
        lstm = hybrid["members"].get(self._lstm.name, {})
        if lstm.get("trained") == self._shipped:
            others = {k: v for k, v in hybrid["members"].items() if k != self._lstm.name}
            hybrid = {**hybrid, "members": others}
        self._hybrid.restore(hybrid)
        self._track.restore(state["track"])
        self._rng.bit_generator.state = state["rng"]
        self._fitted, self._is_singular = state["fitted"], bool(state["is_singular"])

    def _fit_hybrid(self, series: Series) -> list[str]:
        """Refit on a series; return that it cannot be, once. What was learned before is then gone on with."""
        known = series.values[np.isfinite(series.values)]
        if len(known) == 0 or np.ptp(known) == 0.0:
            return []  # nothing to learn: the baselines say all there is
        try:
            self._hybrid.fit(series, len(series))
        except np.linalg.LinAlgError as error:
            is_new, self._is_singular = not self._is_singular, True
            return [f"{self.name}: models cannot be fitted ({error}), older ones are used"] if is_new else []
        self._is_singular = False
        return []

    def _said(self, series: Series, origins: Ints) -> Floats:
        """Return what all models say from origins, (n_origin, n_ahead, n_model); weights learn from it."""
        said = np.full((len(origins), self._day, len(self._track.models)), np.nan)
        known = np.flatnonzero(np.isfinite(series.values))
        if len(known) == 0:
            return said
        combined, of_members = self._hybrid.detailed(series, origins)
        for k, horizon in enumerate(self._hybrid.horizons):
            self._hybrid.issued.put(horizon, series.base + origins + horizon, of_members[:, k])
        said[..., 0] = combined
        said[..., 1 : 1 + of_members.shape[2]] = of_members
        for k, naive in enumerate(self._naives):
            said[..., k - len(self._naives)] = _of_naive(
                naive, series, origins, self._horizons, int(known[0])
            )
        return said


def _of_naive(naive: Naive, series: Series, origins: Ints, horizons: Ints, first: int) -> Floats:
    """Return a baseline's forecasts, NaN where it would look back beyond the first known row."""
    out = np.full((len(origins), len(horizons)), np.nan)
    back = -(-horizons // naive.season) * naive.season
    known = origins[:, None] + horizons - back >= first
    for k in np.flatnonzero(known.any(axis=1)).tolist():
        out[k, known[k]] = naive.forecast(series, origins[k : k + 1], horizons[known[k]])[0]
    return out


def _packed(hybrid: dict[str, Any], seasonal: str) -> dict[str, Any]:
    """Return a hybrid's state with its seasonal forecasts packed: a year of them, NaN among them."""
    season = hybrid["members"][seasonal]
    packed = {**season, "blocks": pack(np.array(season["blocks"], np.float64))}
    return {**hybrid, "members": {**hybrid["members"], seasonal: packed}}


def _unpacked(hybrid: dict[str, Any], seasonal: str) -> dict[str, Any]:
    """Return what `_packed` was given."""
    season = hybrid["members"][seasonal]
    whole = {**season, "blocks": unpack(season["blocks"]).tolist()}
    return {**hybrid, "members": {**hybrid["members"], seasonal: whole}}
