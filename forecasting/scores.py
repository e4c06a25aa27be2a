"""How good forecasts were: of points, of intervals, and how sure one can be of a difference.

MASE: Hyndman and Koehler 2006, the denominator being the mean absolute error of the seasonal naive of a day
on the rows before the first target. Pinball loss: Koenker and Bassett 1978.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from forecasting.series import Floats, Ints


@dc.dataclass(frozen=True, slots=True)
class Scores:
    """Scores of points; errors are forecast minus actual, in the unit of the series."""

    rmse: float
    mae: float
    mape_pct: float | None
    """None where an actual value is zero or of the other sign than most: a share of nothing says nothing."""
    mase: float | None
    """None where the seasonal naive made no error."""
    bias: float
    count: int


def scores(forecast: Floats, actual: Floats, naive_mae: float) -> Scores | None:
    """Return scores over the rows where both are known; None if there is none.

    Parameters
    ----------
    naive_mae : float
        Denominator of MASE, see `naive_mae_of`.
    """
    known = np.isfinite(forecast) & np.isfinite(actual)
    if not known.any():
        return None
    error, truth = (forecast - actual)[known], actual[known]
    mae = float(np.abs(error).mean())
    has_share = bool((truth > 0).all() or (truth < 0).all())
    return Scores(
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=mae,
        mape_pct=100.0 * float(np.abs(error / truth).mean()) if has_share else None,
        mase=mae / naive_mae if naive_mae > 0.0 else None,
        bias=float(error.mean()),
        count=int(known.sum()),
    )


def naive_mae_of(values: Floats, per_day: int) -> float:
    """Return the mean absolute difference between rows a day apart; gaps do not count."""
    if len(values) <= per_day:
        return 0.0
    steps = np.abs(values[per_day:] - values[:-per_day])
    return float(np.nanmean(steps)) if np.isfinite(steps).any() else 0.0


def coverage(lower: Floats, upper: Floats, actual: Floats) -> float | None:
    """Return the share of known rows that lie inside; None if there is none."""
    known = np.isfinite(lower) & np.isfinite(actual)
    if not known.any():
        return None
    return float(((actual >= lower) & (actual <= upper))[known].mean())


def coverage_by_slot(lower: Floats, upper: Floats, actual: Floats, slots: Ints, per_day: int) -> list[float]:
    """Return the share inside for each time of day; NaN for one without rows."""
    shares = [coverage(lower[slots == k], upper[slots == k], actual[slots == k]) for k in range(per_day)]
    return [float("nan") if share is None else share for share in shares]


def pinball(lower: Floats, upper: Floats, actual: Floats, levels: tuple[float, ...]) -> float | None:
    """Return the mean pinball loss of the bounds, each taken as the quantile it is at its level.

    Parameters
    ----------
    lower, upper : ndarray, shape (n, n_level)
    actual : ndarray, shape (n,)
    """
    known = np.isfinite(lower).all(axis=1) & np.isfinite(actual)
    if not known.any():
        return None
    tail = (1.0 - np.array(levels)) / 2.0
    below, above = actual[known, None] - lower[known], actual[known, None] - upper[known]
    loss = np.maximum(tail * below, (tail - 1.0) * below)
    loss += np.maximum((1.0 - tail) * above, -tail * above)
    return float(loss.mean() / 2.0)


def ratio_bound(
    errors: Floats,
    others: Floats,
    block: int,
    rng: np.random.Generator,
    *,
    share: float = 0.95,
    draws: int = 2000,
) -> tuple[float, float] | None:
    """Return the ratio of two RMSEs and its upper bound by a block bootstrap (Kunsch 1989).

    Parameters
    ----------
    errors, others : ndarray, shape (n,)
        Of two models at the same targets, in the order of time; NaN rows do not count.
    block : int
        Rows that are drawn together: a week, for errors of neighbouring days are alike.
    share : float
        Of the drawn ratios that lie below the bound; 0.95 is the upper end of a two-sided 90 % interval.
    """
    known = np.isfinite(errors) & np.isfinite(others)
    ours, theirs = errors**2, others**2
    edges = range(0, len(errors), block)
    sums = np.array([[x[k : k + block][known[k : k + block]].sum() for k in edges] for x in (ours, theirs)])
    if sums[1].sum() == 0.0:
        return None
    drawn = sums[:, rng.integers(0, sums.shape[1], (draws, sums.shape[1]))].sum(axis=2)
    ratios = np.sqrt(drawn[0] / np.maximum(drawn[1], np.finfo(float).tiny))
    return float(np.sqrt(sums[0].sum() / sums[1].sum())), float(np.quantile(ratios, share))
