"""What is forecast: loads with a history, photovoltaic sites with a clear sky."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

from forecasting.residual_lstm import ResidualLstm
from forecasting.series import Floats, Series


@dc.dataclass(frozen=True)
class LoadTarget:
    """A load.

    Parameters
    ----------
    name : str
    history : Series
        Means of steps [W] up to where the run begins; it may be short, empty, or end earlier.
    model : callable, optional
        Puts a shipped LSTM into service: (member, history).
    """

    name: str
    history: Series
    model: Callable[[ResidualLstm, Series], object] | None = None


@dc.dataclass(frozen=True)
class SolarTarget:
    """A photovoltaic site.

    Parameters
    ----------
    name : str
    rated_w : float
        Most that the site can give [W].
    clear : callable
        (start [ns since 1970], n) -> power under a clear sky, mean of each of n steps [W], shape (n,).
    """

    name: str
    rated_w: float
    clear: Callable[[int, int], Floats]
