"""The hybrid: members that forecast, and weights by horizon learned from what they forecast before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forecasting import designs
from forecasting.combining import combine, weights
from forecasting.frames import Log, Residual
from forecasting.issued import Issued
from forecasting.member import Member
from forecasting.residual_lstm import ResidualLstm
from forecasting.ridge import Ridge
from forecasting.seasonal import Seasonal
from forecasting.series import Floats, Ints, Series

WINDOW_DAYS = 28
"""Days of forecasts that weights are learned from [d]."""
TRUST = {"prophet": 0.3, "lstm": 0.3, "prophet_ar": 0.3, "ridge": 1.25}
"""In members before anything is known of a load; 1 in the others. Where a season turns Prophet is far off,
and members on its residual with it: believing one good week of theirs costs more than it is worth. The
regression with the fewest coefficients has the least to go wrong."""


def trust_in(names: Sequence[str]) -> Floats:
    """Return how far members are trusted before anything is known of a load."""
    return np.array([TRUST.get(name, 1.0) for name in names])


class Hybrid:
    """A weighted mean of members, the weights of each horizon refitted with them.

    Parameters
    ----------
    members : sequence of Member
    horizons : sequence of int
        [steps]
    window_days : int
        Days of forecasts that weights are learned from [d].
    """

    name = "hybrid"

    def __init__(
        self, members: Sequence[Member], horizons: Sequence[int], window_days: int = WINDOW_DAYS
    ) -> None:
        self.members = tuple(members)
        self.horizons = tuple(int(h) for h in horizons)
        self.issued = Issued([m.name for m in members], self.horizons)
        self.weights = {h: np.full(len(members), 1.0 / len(members)) for h in self.horizons}
        self._window_days, self._trust = window_days, trust_in([m.name for m in members])

    def fit(self, series: Series, end: int) -> None:
        """Refit members, then weights from forecasts whose targets lie before ``end``."""
        for member in self.members:
            member.fit(series, end)
        first = max(0, end - self._window_days * series.per_day)
        actual = series.values[first:end]
        for horizon in self.horizons:
            forecasts = self.issued.rows(horizon, series.base + first, series.base + end)
            self.weights[horizon] = weights(forecasts, actual, horizon, self._trust)

    def issue(self, series: Series, origins: Ints) -> Floats:
        """Forecast and keep what each member said: weights are learned from it later.

        Returns
        -------
        ndarray, shape (n_origin, n_horizon)
        """
        combined, of_members = self.detailed(series, origins)
        for k, horizon in enumerate(self.horizons):
            self.issued.put(horizon, series.base + origins + horizon, of_members[:, k])
        return combined

    def detailed(self, series: Series, origins: Ints) -> tuple[Floats, Floats]:
        """Return forecasts (n_origin, n_horizon), and those of the members (..., n_member); keep nothing."""
        of_members = self._of_members(series, origins, np.array(self.horizons))
        return self._combined(of_members, self.horizons), of_members

    def forecast(self, series: Series, origins: Ints, horizons: Ints) -> Floats:
        """Return forecasts and keep nothing."""
        return self._combined(self._of_members(series, origins, horizons), horizons.tolist())

    def state(self) -> dict[str, Any]:
        """Return weights, members and what they forecast."""
        return {
            "name": self.name,
            "weights": {str(h): w.tolist() for h, w in self.weights.items()},
            "members": {m.name: m.state() for m in self.members},
            "issued": self.issued.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state over; of members that it does not name nothing is known."""
        self.weights = {int(h): np.array(w) for h, w in state["weights"].items()}
        self.issued = Issued.of_state(state["issued"])
        for member in self.members:
            restore = getattr(member, "restore", None)
            if restore is not None and member.name in state["members"]:
                restore(state["members"][member.name])

    def _of_members(self, series: Series, origins: Ints, horizons: Ints) -> Floats:
        return np.stack([m.forecast(series, origins, horizons) for m in self.members], axis=2)

    def _combined(self, of_members: Floats, horizons: Sequence[int]) -> Floats:
        columns = [combine(of_members[:, k], self.weights[h]) for k, h in enumerate(horizons)]
        return np.column_stack(columns)


def standard_members(
    horizons: Sequence[int], per_day: int, rng: np.random.Generator, workers: int = 1
) -> list[Member]:
    """Return the members of the product's hybrid.

    Prophet; Prophet with an LSTM, and with a linear autoregression, on its residual; the plain ridge; three
    with lags of three weeks: on all rows alike, with a memory of a month, and of logarithms. The first three
    share Prophet's fits.
    """
    reach = max(per_day, *horizons)
    seasonal, walk = Seasonal(reach, workers), designs.seasonal_walk
    return [
        seasonal,
        ResidualLstm(seasonal, per_day, rng),
        Ridge("prophet_ar", designs.residual, horizons, frame=Residual(seasonal)),
        plain_ridge(horizons),
        Ridge("ridge_weeks", designs.weeks, horizons, prior=walk),
        Ridge("ridge_recent", designs.weeks, horizons, half_life_days=30.0, prior=walk),
        Ridge("ridge_log", designs.weeks, horizons, frame=Log(), prior=walk),
    ]


def plain_ridge(horizons: Sequence[int]) -> Ridge:
    """Return ridge with a day of lags: the baseline, which is a member too."""
    return Ridge("ridge", designs.plain, horizons, penalty=0.01)
