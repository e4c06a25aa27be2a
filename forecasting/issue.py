"""What the service says at the end of each step."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping

from forecasting.outputs import State
from forecasting.scoreboard import Score
from forecasting.series import Floats, Ints


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class TargetIssue:
    """Forecast of one target.

    Attributes
    ----------
    actual_w : float
        Mean of the step that is over, after cleaning; NaN where it is not known [W].
    known_ns : int or None
        End of the last step whose value is known: what the forecast stands on.
    forecast_w : ndarray, shape (n,)
        1 to n steps ahead [W]; NaN where nothing is known to make it from.
    low_w, high_w : ndarray, shape (n, 3)
        Ends of the intervals, by level (`forecasting.intervals.LEVELS`) [W]; NaN before there are errors.
    models : ndarray of int, shape (n,)
        Model of each step, see `forecasting.outputs.MODELS`; -1 where there is no forecast.
    model : int
        That of the first step for which another than the usual one is issued, else the usual one; -1 for
        none.
    drift : float
        Statistic of the drift alarm, 1 at its threshold.
    scores : mapping of int to Score
        By horizon.
    """

    actual_w: float
    known_ns: int | None
    forecast_w: Floats
    low_w: Floats
    high_w: Floats
    models: Ints
    model: int
    state: State
    is_fallback: bool
    is_drift: bool
    drift: float
    scores: Mapping[int, Score]


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """Forecasts of all targets.

    Attributes
    ----------
    end_ns : int
        End of the last full step [ns since 1970].
    events : tuple of str
        What happened with this step: fall-backs, drift, treatment of values.
    count : int
        Issues since the service's start, restarts included.
    fitted_ns : int or None
        When the models were last fitted.
    trained_ns : int or None
        End of what the newest LSTM has learned from.
    history_h : float
        Longest history of a load [h].
    issue_s, fit_s : float
        Processor time of this issue without fits, and of the newest fits [s].
    """

    end_ns: int
    step_ns: int
    targets: Mapping[str, TargetIssue]
    events: tuple[str, ...]
    count: int
    fitted_ns: int | None
    trained_ns: int | None
    history_h: float
    issue_s: float
    fit_s: float
