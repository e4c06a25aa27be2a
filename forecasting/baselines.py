"""Baselines that learn nothing: the last value, that of a day and that of a week before."""

from __future__ import annotations

from typing import Any

from forecasting.series import Floats, Ints, Series


class Naive:
    """The value of some rows before the target; ``season`` 1 is persistence.

    For horizons beyond the season it is the latest known value at the same place of the season.
    """

    def __init__(self, name: str, season: int) -> None:
        self.name, self.season = name, season

    def fit(self, series: Series, end: int) -> None:
        """Learn nothing."""

    def forecast(self, series: Series, origins: Ints, horizons: Ints) -> Floats:
        """Return what was measured one season before the target."""
        back = -(-horizons // self.season) * self.season
        rows = origins[:, None] + horizons[None, :] - back[None, :]
        result: Floats = series.filled[rows]
        return result

    def state(self) -> dict[str, Any]:
        """Return the season."""
        return {"name": self.name, "season": self.season}


def baselines(per_day: int) -> list[Naive]:
    """Return persistence and the seasonal naives of a day and a week."""
    return [Naive("persistence", 1), Naive("naive_day", per_day), Naive("naive_week", 7 * per_day)]
