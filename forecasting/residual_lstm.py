"""Short-term dynamics: an LSTM on what the seasonal part leaves, out of sample, 1 to a day ahead at once."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from forecasting.lstm.network import Weights, forward
from forecasting.lstm.training import Learner, NumpyLearner, Recipe, train
from forecasting.seasonal import Seasonal
from forecasting.series import Floats, Ints, Series
from forecasting.windows import Scaling, inputs, targets, windows

RECIPE = Recipe(units=24, epochs=40, batch=128, validation=0.15, patience=2)
"""Training ends when the latest windows are forecast worse: after a few epochs. Longer, or on from weights
that were trained before, it is no better an hour ahead and much worse a day ahead."""
LEAST_WINDOWS_DAYS = 7
TRAINED_DAYS = 365
"""Days of windows that are learned from, the latest; more take longer and are no better."""

Network = Callable[[Any], Any]
"""From windows (n, lookback, F) to residuals (n, reach) in spreads."""


class ResidualLstm:
    """The seasonal forecast plus the LSTM's of its residual.

    Parameters
    ----------
    seasonal : Seasonal
        Shared with other members.
    per_day : int
        Rows a day: both what the network looks back on and how far it looks ahead.
    rng : numpy.random.Generator
        Of initial weights and the order of windows.
    retrain_days : int
        Days between two trainings [d].
    recipe : Recipe
    learner : callable
        Makes what takes the steps of a training.
    """

    name = "lstm"

    def __init__(
        self,
        seasonal: Seasonal,
        per_day: int,
        rng: np.random.Generator,
        *,
        retrain_days: int = 14,
        recipe: Recipe = RECIPE,
        learner: Callable[[Weights, Recipe], Learner] = NumpyLearner,
    ) -> None:
        self._seasonal, self._per_day, self._rng = seasonal, per_day, rng
        self._retrain_days, self._recipe = retrain_days, recipe
        self._learner = learner
        self._weights: Weights | None = None
        self._scaling: Scaling | None = None
        self._network: Network | None = None
        self._trained: int | None = None

    def fit(self, series: Series, end: int) -> None:
        """Train on windows whose targets lie before ``end``, unless the last training is young."""
        now = series.base + end
        if self._trained is not None and 0 <= now - self._trained < self._retrain_days * self._per_day:
            return
        self.train(series.before(end))

    def train(self, known: Series, progress: Callable[[int, int, float], None] | None = None) -> None:
        """Train on all of a series, anew."""
        residuals = self._seasonal.residuals(known)
        origins = self._origins(known, residuals)
        if len(origins) < LEAST_WINDOWS_DAYS * self._per_day:
            return
        scaling = Scaling.of(known, residuals)
        x = windows(inputs(known, residuals, scaling), origins, self._per_day)
        y = targets(known, self._seasonal, origins, self._per_day, scaling)
        # Near horizons have small targets; in spreads of their own they count as much as far ones.
        spreads = np.maximum(np.nanstd(y, axis=0), 1e-6).astype(np.float32)
        scaled = (y / spreads).astype(np.float32)
        learned = train(x, scaled, self._rng, self._recipe, progress=progress, learner=self._learner)
        weights = dc.replace(learned, D=learned.D * spreads, d=learned.d * spreads)
        self.use(weights, scaling, trained=known.base + len(known))

    def use(
        self,
        weights: Weights | None,
        scaling: Scaling,
        network: Network | None = None,
        trained: int | None = None,
    ) -> None:
        """Take weights, what runs them if it is not NumPy, and the end of what they learned from.

        That is in steps since 1970; without it `fit` trains at once. Without weights, as those of a converted
        model cannot be read, there is nothing that `state` could keep.
        """
        self._weights, self._scaling, self._trained = weights, scaling, trained
        self._network = partial(forward, weights) if network is None and weights is not None else network

    def forecast(self, series: Series, origins: Ints, horizons: Ints) -> Floats:
        """Return forecasts; NaN before the first training and beyond a day."""
        out = np.full((len(origins), len(horizons)), np.nan)
        if self._network is None or self._scaling is None:
            return out
        inside = np.flatnonzero(horizons <= self._per_day)
        residuals = self._seasonal.residuals(series)
        x = windows(inputs(series, residuals, self._scaling), origins, self._per_day)
        left = np.asarray(self._network(x), np.float64)
        left += self._scaling.carried(residuals, origins, self._per_day)
        left *= self._scaling.spreads["residual"]
        season = self._seasonal.forecast(series, origins, horizons[inside])
        out[:, inside] = season + left[:, horizons[inside] - 1]
        return out

    @property
    def trained(self) -> tuple[Weights, Scaling] | None:
        """Weights and scaling of the last training."""
        return None if self._weights is None or self._scaling is None else (self._weights, self._scaling)

    def state(self) -> dict[str, Any]:
        """Return weights, scaling and the moment of the last training [steps since 1970]."""
        if self._weights is None or self._scaling is None:
            return {"name": self.name}
        weights = dict(zip("WbDd", (a.tolist() for a in self._weights.arrays), strict=True))
        return {
            "name": self.name,
            "weights": weights,
            "scaling": self._scaling.state(),
            "trained": self._trained,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take them over."""
        if "weights" in state:
            arrays = (np.array(state["weights"][k], np.float32) for k in "WbDd")
            self.use(Weights(*arrays), Scaling(**state["scaling"]), trained=state["trained"])

    def _origins(self, known: Series, residuals: Floats) -> Ints:
        """Return origins with a whole window of residuals and at least one target."""
        first = np.flatnonzero(~np.isnan(residuals))
        if len(first) == 0:
            return np.empty(0, np.int64)
        begin = max(int(first[0]) + self._per_day, len(known) - TRAINED_DAYS * self._per_day)
        origins = np.arange(begin, len(known) - 1)
        season = self._seasonal.forecast(known, origins, np.array([1]))[:, 0]
        return origins[np.isfinite(season)]
