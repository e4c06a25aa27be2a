"""Inputs and targets of the LSTM: a day of rows before the origin, the residuals of a day after it."""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting.calendar import days_off, slots
from forecasting.seasonal import Seasonal
from forecasting.series import Floats, Ints, Series

Singles = npt.NDArray[np.float32]

BASIC_INPUTS = (
    "residual",
    "residual at this time tomorrow a week ago",
    "load",
    "load at this time tomorrow a week ago",
    "sine of the time of day",
    "cosine of the time of day",
    "day off",
    "day off tomorrow",
)


@dc.dataclass(frozen=True, slots=True)
class Scaling:
    """How a series looks to the network.

    A residual is ``carry**h`` times that of the origin, h steps before, plus what the network says: without
    that the network spends its training on learning to repeat its input.
    """

    means: dict[str, float]
    """Of ``residual``, ``load`` and exogenous columns, by name."""
    spreads: dict[str, float]
    """Standard deviations."""
    carry: float

    @classmethod
    def of(cls, series: Series, residuals: Floats) -> Scaling:
        """Return that of a series and its seasonal residuals, of which gaps do not count."""
        columns = {"residual": residuals, "load": series.values, **series.exogenous}
        means = {name: float(np.nanmean(x)) for name, x in columns.items()}
        spreads = {name: float(np.nanstd(x)) or 1.0 for name, x in columns.items()}
        means["residual"] = 0.0
        known = np.isfinite(residuals[1:] * residuals[:-1])
        before, after = residuals[:-1][known], residuals[1:][known]
        square = float(before @ before)
        carry = float(np.clip(before @ after / square, 0.0, 1.0)) if square > 0.0 else 0.0
        return cls(means, spreads, carry)

    def of_column(self, name: str, x: Floats) -> Floats:
        """Return a column in spreads from its mean."""
        return (x - self.means[name]) / self.spreads[name]

    def carried(self, residuals: Floats, origins: Ints, reach: int) -> Floats:
        """Return what of the origins' residuals is left 1 to ``reach`` steps later, (n, reach), in spreads.

        A residual that is not known counts as 0, which is what it is expected to be.
        """
        now = np.nan_to_num(self.of_column("residual", residuals[origins]))
        return np.asarray(now[:, None] * self.carry ** np.arange(1, reach + 1))

    def in_unit(self, factor: float) -> Scaling:
        """Return it for the same series in a unit of which there are ``factor`` to one of its own."""
        means, spreads = (
            {name: x * factor if name in ("residual", "load") else x for name, x in of.items()}
            for of in (self.means, self.spreads)
        )
        return Scaling(means, spreads, self.carry)

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return dc.asdict(self)


def input_names(series: Series) -> tuple[str, ...]:
    """Return what the columns of the inputs are."""
    return (*BASIC_INPUTS, *series.exogenous)


def inputs(series: Series, residuals: Floats, scaling: Scaling) -> Singles:
    """Return the network's inputs of every row, shape (n, F)."""
    day, rows = series.per_day, np.arange(len(series))
    left = np.nan_to_num(scaling.of_column("residual", residuals))
    load = scaling.of_column("load", series.filled)
    ago = np.maximum(rows - 6 * day, 0)
    angle = 2.0 * np.pi * slots(series, rows) / day
    columns = [left, left[ago], load, load[ago], np.sin(angle), np.cos(angle)]
    columns += [days_off(series, rows).astype(float), days_off(series, rows + day).astype(float)]
    columns += [scaling.of_column(x, series.filled_exogenous(x)) for x in series.exogenous]
    result: Singles = np.column_stack(columns).astype(np.float32)
    return result


def windows(rows_of_inputs: Singles, origins: Ints, lookback: int) -> Singles:
    """Return the last ``lookback`` rows up to each origin, shape (n, lookback, F)."""
    result: Singles = rows_of_inputs[origins[:, None] + np.arange(1 - lookback, 1)[None, :]]
    return result


def targets(series: Series, seasonal: Seasonal, origins: Ints, reach: int, scaling: Scaling) -> Floats:
    """Return what the network is to say of the next ``reach`` rows, in spreads, shape (n, reach).

    NaN where the value is not known, be it a gap or after the end of the series.
    """
    steps = np.arange(1, reach + 1)
    rows = origins[:, None] + steps[None, :]
    padded = np.concatenate([series.values, np.full(reach, np.nan)])
    left = padded[np.minimum(rows, len(padded) - 1)] - seasonal.forecast(series, origins, steps)
    carried = scaling.carried(seasonal.residuals(series), origins, reach)
    result: Floats = left / scaling.spreads["residual"] - carried
    return result
