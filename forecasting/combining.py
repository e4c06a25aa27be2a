"""Weights of the members: not negative, adding to one, from forecasts they made before the targets came.

Bates and Granger 1969 with the constraints of Granger and Ramanathan 1984 and a pull (Diebold and Pauly 1990)
towards weights by the inverse square of the mean square error (Stock and Watson 2004), times how far each
member is trusted before anything is known of this load; for members are alike and four weeks do not tell them
apart:

    minimise |E w|^2 + h s^2 / t^2 |w - p|^2 over w >= 0 with sum w = 1, p_i in proportion to trust_i MSE_i^-2

E (n, m) being the members' errors, s^2 the mean square error of their plain mean, t the standard deviation
of weights around p. Errors of forecasts h rows ahead overlap over h rows: n of them say as much as n / h.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from forecasting.series import Floats

LEAST_ROWS = 48
"""With errors of fewer targets than this, members that have a forecast weigh the same."""
SPREAD = 0.2
"""Standard deviation of weights around those that they are pulled to."""
TINY = 1e-6
"""Of the mean square error of all: a member without any error is not infinitely good."""
SUM_WEIGHT = 1e3
"""Of the row that makes the weights add to one, in units of the rest; what is left is divided out."""


def weights(
    forecasts: Floats,
    actual: Floats,
    horizon: int = 1,
    trust: Floats | None = None,
    *,
    spread: float = SPREAD,
) -> Floats:
    """Return weights (m,) from forecasts (n, m) and what came (n,); NaN rows do not count.

    A member that lacks more than half of what the fullest one has is left out (weight 0).

    Parameters
    ----------
    horizon : int
        Of the forecasts [steps].
    trust : ndarray, shape (m,), optional
        In each member before anything is known, relative to the others; alike by default.
    spread : float
    """
    count = forecasts.shape[1]
    believed = np.ones(count) if trust is None else trust
    known = np.isfinite(actual)
    has = np.isfinite(forecasts[known])
    here = has.sum(axis=0)
    used = np.flatnonzero(here * 2 > max(1, int(here.max(initial=0))))
    result = np.zeros(count)
    if len(used) == 0:
        return result
    rows = has[:, used].all(axis=1)
    result[used] = believed[used] / believed[used].sum()
    if rows.sum() < LEAST_ROWS:
        return result
    errors = (forecasts[known] - actual[known, None])[np.ix_(rows, used)]
    result[used] = _least(errors, believed[used], horizon / spread**2)
    return result


def _least(errors: Floats, trust: Floats, pull: float) -> Floats:
    members = errors.shape[1]
    size = np.sqrt(np.mean(errors.mean(axis=1) ** 2))
    square = np.mean(errors**2, axis=0)
    if size == 0.0:
        alike: Floats = trust / trust.sum()
        return alike
    prior = trust * (square.mean() / (square + TINY * square.mean())) ** 2
    prior /= prior.sum()
    firm = np.sqrt(pull)
    sum_weight = SUM_WEIGHT * np.sqrt(len(errors) + pull)
    a = np.vstack([errors / size, firm * np.eye(members), np.full((1, members), sum_weight)])
    b = np.concatenate([np.zeros(len(errors)), firm * prior, [sum_weight]])
    found, _ = nnls(a, b)
    result: Floats = found / found.sum()
    return result


def combine(forecasts: Floats, of_members: Floats) -> Floats:
    """Return the weighted mean of forecasts (..., m); a member without one leaves its weight to the others.

    NaN where no member that weighs anything has a forecast; then the plain mean of those that have.
    """
    has = np.isfinite(forecasts)
    parts = np.where(has, of_members, 0.0)
    nobody = parts.sum(axis=-1, keepdims=True) <= 0.0
    parts = np.where(nobody, has.astype(float), parts)
    total = parts.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = (np.where(has, forecasts, 0.0) * parts).sum(axis=-1) / total
    return result
