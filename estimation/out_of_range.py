"""Readings at the end of an instrument's range, or beyond it, that the true value cannot have caused.

A reading at the end says only that the true value lies there or beyond, so the estimate does without it. What
the estimate then says of that place is a prediction by all others. Is the instrument right, the prediction h
lies at the end or beyond as well; its distance from the end e in the direction of the range, in the standard
deviation of both,

    rn = (e - h) / sqrt(sigma^2 + H P H'),

is then a normal variable with a mean of 0 or below (sigma: of a reading at the end; P: covariance of the
states). It is the normalised residual that a reading of e would have, and is tested against the same
quantile: what is beyond it is a gross error. No estimate of the place is no evidence of one.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from estimation.bad_data import Removed, lnr_threshold, n_tested
from estimation.channels import Floats
from estimation.telemetry_scan import Ints, Taken, TelemetryScan
from estimation.wls import Estimate, Estimator

TESTED_MAX = 64
"""More are not tested in one scan: those farthest from what is predicted are."""
RN_MAX = 1e6
"""An infinite reading of an instrument without a range has this normalised residual."""


def impossible(scan: TelemetryScan, taken: Taken, estimate: Estimate) -> tuple[Removed, ...]:
    """Return the channels that stand at an end of their range although the estimate lies within; worst first.

    Parameters
    ----------
    estimate : Estimate
        The newest of the scan's estimator, whose factor is taken; converged.
    """
    at = np.flatnonzero(~np.isnan(taken.end))
    at = at[[scan.is_told(int(k), estimate) for k in at]] if len(at) else at
    if not len(at) or not scan.estimator.system.is_factored:
        return ()
    upward = np.where(taken.z[at] >= scan.high[at], 1.0, -1.0)
    distance = upward * (taken.end[at] - estimate.fitted[at])
    bounded = np.isfinite(distance)
    own = np.where(bounded, distance, RN_MAX) / np.where(bounded, taken.end_sigma[at], 1.0)
    order = np.argsort(-own, kind="stable")[:TESTED_MAX]
    at, upward, distance, bounded = at[order], upward[order], distance[order], bounded[order]
    spread = np.hypot(np.where(bounded, taken.end_sigma[at], 1.0), _predicted(scan.estimator, at))
    rn = np.minimum(np.where(bounded, distance / spread, RN_MAX), RN_MAX)
    limit = lnr_threshold(n_tested(estimate) + len(at))
    worst = [k for k in np.argsort(-rn, kind="stable").tolist() if rn[k] > limit]
    return tuple(
        Removed(int(at[k]), float(upward[k] * rn[k]), float(upward[k] * distance[k]), ()) for k in worst
    )


def _predicted(estimator: Estimator, at: Ints) -> Floats:
    """Return the standard deviation of what the estimate says of these measurements [SI]."""
    pattern, functionals = estimator.system.pattern, estimator.functionals
    data = functionals.jacobian(estimator.x)
    h = sp.csr_array((data, pattern.indices, pattern.indptr), shape=pattern.shape)[at].toarray().T
    variance = np.sum(h * estimator.system.covariance_columns(h), axis=0)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)) * functionals.scale[at])
