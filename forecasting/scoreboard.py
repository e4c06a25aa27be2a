"""Live scores: of what was issued, and of every model beside it, at the same targets.

A score is made by `recompute` from forecasts and actual values by target alone, so that whoever recorded
both finds the same one. MASE's denominator is the mean absolute error of the seasonal naive of a day on the
actual values of the same window.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecasting.intervals import LEVELS
from forecasting.issued import Issued
from forecasting.outputs import MODELS
from forecasting.scores import coverage, naive_mae_of, scores
from forecasting.series import Floats, Ints

WINDOW_DAYS = 28
"""Targets that are scored: those of so many last days [d]."""
BOUNDS = tuple(f"{end}_{100 * level:.0f}" for end in ("low", "high") for level in LEVELS)
LEAST_SHARE = 0.5
"""Of the scored targets that a model must have a forecast of to be called the best."""


@dc.dataclass(frozen=True, slots=True)
class Score:
    """Scores at one horizon; NaN where there is none. Errors are forecast less actual."""

    rmse_w: float = math.nan
    mae_w: float = math.nan
    mape_pct: float = math.nan
    mase: float = math.nan
    bias_w: float = math.nan
    cover_50_pct: float = math.nan
    cover_80_pct: float = math.nan
    cover_95_pct: float = math.nan
    count: int = 0
    rmse_of: Mapping[str, float] = dc.field(default_factory=dict)
    """By model."""
    best: str = ""
    rmse_best_w: float = math.nan
    skill_pct: float = math.nan
    """How much less the RMSE is than persistence's, at the targets that both forecast."""


def recompute(
    forecast: Floats,
    actual: Floats,
    per_day: int,
    *,
    lower: Floats | None = None,
    upper: Floats | None = None,
    models: Mapping[str, Floats] | None = None,
) -> Score:
    """Return the score of a window.

    Parameters
    ----------
    forecast, actual : ndarray, shape (n,)
        By target row, the last `WINDOW_DAYS`; NaN where there is none [W].
    lower, upper : ndarray, shape (n, 3), optional
        Ends of intervals, by level.
    models : mapping of str to ndarray, shape (n,), optional
        What others said of the same targets.
    """
    points = scores(forecast, actual, naive_mae_of(actual, per_day))
    if points is None:
        return Score()
    covered = [math.nan] * len(LEVELS)
    if lower is not None and upper is not None:
        # An interval belongs to a forecast: without one it is not scored.
        truth = np.where(np.isfinite(forecast), actual, np.nan)
        pairs = [coverage(lower[:, k], upper[:, k], truth) for k in range(len(LEVELS))]
        covered = [math.nan if share is None else 100.0 * share for share in pairs]
    others = {name: scores(_beside(x, forecast), actual, 0.0) for name, x in (models or {}).items()}
    found = {name: s for name, s in others.items() if s is not None}
    entitled = [name for name, s in found.items() if s.count >= LEAST_SHARE * points.count]
    best = min(entitled, key=lambda name: found[name].rmse, default="")
    return Score(
        rmse_w=points.rmse,
        mae_w=points.mae,
        mape_pct=_or_nan(points.mape_pct),
        mase=_or_nan(points.mase),
        bias_w=points.bias,
        cover_50_pct=covered[0],
        cover_80_pct=covered[1],
        cover_95_pct=covered[2],
        count=points.count,
        rmse_of={name: s.rmse for name, s in found.items()},
        best=best,
        rmse_best_w=found[best].rmse if best else math.nan,
        skill_pct=_skill(forecast, actual, (models or {}).get("persistence")),
    )


def by_target(end_ns: Ints, values: Floats, horizon: int, step_ns: int, first_ns: int, count: int) -> Floats:
    """Return forecasts in the order of their targets, shape (count,); NaN where none was issued.

    Parameters
    ----------
    end_ns : ndarray, shape (m,)
        When each was issued: the end of the step that was over [ns since 1970].
    values : ndarray, shape (m,)
    horizon : int
        [steps]; 0 for actual values of the step that was over.
    first_ns : int
        End of the first target's step.
    """
    out = np.full(count, np.nan)
    rows = (end_ns - first_ns) // step_ns + horizon
    inside = (rows >= 0) & (rows < count)
    out[rows[inside]] = values[inside]
    return out


class Scoreboard:
    """What was issued and what models said, at some horizons, and the scores of it.

    Rows are steps since 1970.

    Parameters
    ----------
    models : sequence of str
    horizons : sequence of int
        [steps]
    """

    def __init__(self, models: Sequence[str], horizons: Sequence[int], per_day: int) -> None:
        self.models, self.horizons, self.per_day = tuple(models), tuple(horizons), per_day
        self._issued = Issued(("issued", *BOUNDS), self.horizons)
        self._said = Issued(self.models, self.horizons)

    def learn(self, horizon: int, targets: Ints, said: Floats) -> None:
        """Keep what models said (n, n_model) without its being issued: nothing of it is scored."""
        self._said.put(horizon, targets, said)

    def put(
        self, horizon: int, target: int, forecast: float, low: Floats, high: Floats, said: Floats
    ) -> None:
        """Keep what was issued for a target, with its intervals by level, and what all models said of it."""
        at = np.array([target])
        self._issued.put(horizon, at, np.concatenate([[forecast], low, high])[None, :])
        self._said.put(horizon, at, said[None, :])

    def withdraw(self, end: int, over: int) -> None:
        """Score nothing of what was issued from the rows before ``end`` for targets before row ``over``.

        What models said of them is still compared.
        """
        for h in self.horizons:
            if end + h - 1 < over:
                self._issued.withdraw(h, end + h - 1)

    def said(self, horizon: int, begin: int, end: int) -> Floats:
        """Return what models said of targets, shape (end - begin, n_model), issued or not."""
        return self._said.rows(horizon, begin, end)

    def one_step(self, begin: int, end: int) -> Floats:
        """Return what was issued at the first horizon for targets, shape (end - begin,)."""
        return self._issued.rows(self.horizons[0], begin, end)[:, 0]

    def score(self, horizon: int, actual: Floats, end: int) -> Score:
        """Return the score at a moment.

        Parameters
        ----------
        actual : ndarray, shape (n,)
            Values of the rows before ``end``, of the last `WINDOW_DAYS` or as many as there are; NaN before
            the run began.
        """
        begin = end - min(WINDOW_DAYS * self.per_day, len(actual))
        rows = self._issued.rows(horizon, begin, end)
        truth = actual[len(actual) - (end - begin) :]
        said = self._said.rows(horizon, begin, end)
        n = len(LEVELS)
        return recompute(
            rows[:, 0],
            truth,
            self.per_day,
            lower=rows[:, 1 : 1 + n],
            upper=rows[:, 1 + n :],
            models=dict(zip(self.models, said.T, strict=True)),
        )

    def forget_before(self, row: int) -> None:
        """Drop what was said of targets before a row."""
        self._issued.forget_before(row)
        self._said.forget_before(row)

    def state(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {"issued": self._issued.state(), "said": self._said.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state over."""
        self._issued, self._said = Issued.of_state(state["issued"]), Issued.of_state(state["said"])


def number_of(model: str) -> int:
    """Return the number of a model; -1 for none."""
    return MODELS.index(model) if model in MODELS else -1


def _beside(said: Floats, forecast: Floats) -> Floats:
    """Return what a model said where something was issued: all are scored at the same targets."""
    result: Floats = np.where(np.isfinite(forecast), said, np.nan)
    return result


def _skill(forecast: Floats, actual: Floats, persistence: Floats | None) -> float:
    if persistence is None:
        return math.nan
    both = np.isfinite(forecast) & np.isfinite(actual) & np.isfinite(persistence)
    theirs = float(np.sum((persistence - actual)[both] ** 2))
    if theirs == 0.0:
        return math.nan
    return 100.0 * (1.0 - math.sqrt(float(np.sum((forecast - actual)[both] ** 2)) / theirs))


def _or_nan(x: float | None) -> float:
    return math.nan if x is None else x
