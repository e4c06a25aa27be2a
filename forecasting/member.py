"""What a model must do to be a member of the hybrid, or a baseline beside it."""

from __future__ import annotations

from typing import Any, Protocol

from forecasting.series import Floats, Ints, Series


class Member(Protocol):
    """A model of one series; learns from rows before an end, forecasts from origins after it."""

    name: str

    def fit(self, series: Series, end: int) -> None:
        """Learn from rows before ``end`` only."""

    def forecast(self, series: Series, origins: Ints, horizons: Ints) -> Floats:
        """Return forecasts (n_origin, n_horizon) of rows ``origin + horizon``.

        Origin ``o`` is the last known row: rows up to ``o`` may be used, and what was fitted
        (``end <= o + 1``). NaN where the member has no forecast.
        """

    def state(self) -> dict[str, Any]:
        """Return all that was learned, as JSON can hold it."""
