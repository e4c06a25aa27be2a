"""Redundancies of all measurements, worked out in slices between scans.

A thousand columns of the covariance of the residuals take a second, and the next scan is not to wait. The
work goes on with the factor that it began with, whatever the estimator does meanwhile.
"""

from __future__ import annotations

import copy

import numpy as np

from estimation.augmented import CHUNK
from estimation.bad_data import Analysis, analysis_of
from estimation.network_model import Status
from estimation.wls import Estimate, Estimator, Steps

Key = tuple[Status, bytes]


class Redundancy:
    """The newest analysis of one estimator.

    Attributes
    ----------
    analysis : Analysis or None
        None while there is none under the present status.
    """

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self.analysis: Analysis | None = None
        self._of: Key | None = None
        self._next: Key | None = None
        self._work: Steps[Analysis] | None = None

    def look(self, status: Status) -> None:
        """Take note of the status of a scan: redundancies of another one say nothing of it."""
        if self._of is not None and self._of[0] != status:
            self.analysis, self._of = None, None
        if self._next is not None and self._next[0] != status:
            self._work, self._next = None, None

    def begin(self, status: Status, estimate: Estimate) -> None:
        """Begin anew when other measurements take part than in the newest analysis.

        One that is under way comes to its end first: a channel that comes and goes must not hold it up.
        """
        key = (status, estimate.used.tobytes())
        if self._work is None and key != self._of and self._estimator.system.is_factored:
            at = copy.copy(self._estimator)
            at.system = copy.copy(at.system)  # the next factor is another object, this one stays
            self._work, self._next = _analyse(at), key

    def step(self) -> bool:
        """Go on by one slice; tell whether there is more to do."""
        if self._work is None:
            return False
        try:
            next(self._work)
        except StopIteration as done:
            self.analysis, self._of = done.value, self._next
            self._work, self._next = None, None
        return self._work is not None


def _analyse(estimator: Estimator) -> Steps[Analysis]:
    """Do what ``bad_data.analyse`` does."""
    system = estimator.system
    omega = np.full(system.m, np.nan)
    used = np.flatnonzero(np.isfinite(system.sigma))
    for begin in range(0, len(used), CHUNK):
        yield
        part = used[begin : begin + CHUNK]
        omega[part] = np.clip(system.omega_columns(part)[part, np.arange(len(part))], 0.0, 1.0)
    return analysis_of(estimator, omega)
