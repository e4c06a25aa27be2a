"""Forecast-aided prediction of every channel from its own past, and the innovation against it.

A channel is a slow level with a slope (the load curve) plus a fast part (customers, noise). The slow
part is followed by double exponential smoothing (C. C. Holt, 1957; R. G. Brown's notation below);
the deviation x from it by an autoregression of order p whose coefficients solve the Yule-Walker
equations of the autocovariances learned so far (G. Box and G. Jenkins, *Time Series Analysis*,
section 3.2). So a channel whose noise is white is predicted by its level, one whose load wanders by
its last value, and nobody has to say which is which.

    z(t|t-1) = level + slope + sum a_i x(t-i),   nu = z - z(t|t-1),   nu normalised by sqrt(S)

S, the variance of the innovation, is learned with limited influence: an innovation counts as no more
than ``CLIP`` standard deviations, so that an attack hardly teaches the detector to accept it. Nothing
is said before ``warm`` values of a channel.

After a switching (breaker, tap, capacitor) that the centre sees, electrical quantities jump for a
good reason: that scan has no innovation, and levels move along with it, by nu (1 - S / nu^2): fully where
the jump is many standard deviations, not at all where it is none (shrinkage after James and Stein).
"""

from __future__ import annotations

import numpy as np

from estimation.detectors.scan import Bools, Floats

ORDER = 3
CLIP = 4.0
BAND = 1.5
"""Readings of fewer resolutions (or cut-offs) than this tell nothing: they jump between 0 and the first."""
LEVEL_SCANS = 60.0
"""Time constant of the level [scans of the channel]: ten minutes of 10 s."""
SLOPE_SCANS = 240.0
MEMORY_SCANS = 1000.0
"""Time constant of what is learned about variances [scans of the channel]."""
REFIT_SCANS = 20
WARM_SCANS = 180
RIDGE = 1e-3
"""Added to the diagonal of the Yule-Walker matrix, relative: keeps it regular for a quantised constant."""


class Predictor:
    """Predicts all channels at once; channels without a new value keep their state.

    Parameters
    ----------
    quantum : float64[m]
        Resolution of each channel, 0 where there is none; S is never less than what it adds.
    level_scans, slope_scans : float
        Time constants of level and slope [values of the channel].
    warm : int
        Values before anything is said.
    """

    def __init__(
        self,
        quantum: Floats,
        level_scans: float = LEVEL_SCANS,
        slope_scans: float = SLOPE_SCANS,
        warm: int = WARM_SCANS,
    ) -> None:
        m = quantum.size
        self.warm, self.level_scans, self.slope_scans = warm, level_scans, slope_scans
        self.level, self.slope = np.zeros(m), np.zeros(m)
        self.past = np.zeros((ORDER, m))
        self.cov = np.zeros((ORDER + 1, m))
        self.ar = np.zeros((ORDER, m))
        self.s = np.zeros(m)
        self.n_seen = np.zeros(m, np.int64)
        self.band = BAND * quantum
        self.floor = np.maximum(quantum**2 / 12.0, 1e-12)
        self._n_scans = 0

    def update(self, z: Floats, is_new: Bools, *, is_switched: bool = False) -> Floats:
        """Take one scan; return the normalised innovation, NaN where there is none.

        Parameters
        ----------
        z : float64[m]
            NaN: no value.
        is_new : bool[m]
            Channels with a value of this scan.
        is_switched : bool
            Something moved that explains a jump.
        """
        new = is_new & np.isfinite(z)
        first = new & (self.n_seen == 0)
        self.level[first], self.slope[first] = z[first], 0.0
        x_hat = (self.ar * self.past).sum(axis=0)
        nu = z - (self.level + self.slope + x_hat)
        sd = np.sqrt(np.maximum(self.s, self.floor))
        if is_switched:
            known = np.where(new, np.nan_to_num(nu), 0.0)
            share = 1.0 - (sd / np.maximum(np.abs(known), sd)) ** 2
            self.level += share * known
            nu = np.full(z.size, np.nan)
        with np.errstate(invalid="ignore"):
            limited = np.where(self.n_seen > 2 * ORDER, np.clip(nu, -CLIP * sd, CLIP * sd), nu)
        self._learn(np.where(np.isfinite(nu) & new, limited, 0.0), x_hat, new & np.isfinite(nu))
        self.n_seen[new] += 1
        ready = new & (self.n_seen > self.warm) & (np.abs(z) >= self.band)
        return np.where(ready, nu / sd, np.nan)

    def _learn(self, nu: Floats, x_hat: Floats, new: Bools) -> None:
        """Move levels and variances by the limited innovation of the channels with a new value."""
        gain = np.where(new, 1.0 / np.minimum(self.n_seen + 1.0, self.level_scans), 0.0)
        slope_gain = np.where(new & (self.n_seen > self.level_scans), 1.0 / self.slope_scans, 0.0)
        before = self.level + self.slope
        x = nu + x_hat
        self.level = np.where(new, before + gain * x, self.level)
        self.slope = self.slope + gain * slope_gain * x
        x = np.where(new, x - gain * x, 0.0)
        rate = np.where(new, 1.0 / np.minimum(self.n_seen + 1.0, MEMORY_SCANS), 0.0)
        lagged = np.vstack((x[None, :], self.past))
        self.cov += rate * (x * lagged - self.cov)
        self.s += rate * (nu * nu - self.s)
        self.past = np.where(new, np.vstack((x[None, :], self.past[:-1])), self.past)
        self._n_scans += 1
        if self._n_scans % REFIT_SCANS == 0:
            self._refit()

    def _refit(self) -> None:
        """Solve the Yule-Walker equations of every channel."""
        c = self.cov
        lag = np.abs(np.subtract.outer(np.arange(ORDER), np.arange(ORDER)))
        a = np.moveaxis(c[lag], 2, 0) + (RIDGE * c[0] + 1e-30)[:, None, None] * np.eye(ORDER)
        b = c[1:].T[:, :, None]
        with np.errstate(all="ignore"):
            solved = np.linalg.solve(a, b)[:, :, 0].T
        is_stable = np.abs(solved).sum(axis=0) < 3.0
        self.ar = np.where((self.n_seen > self.warm // 2) & is_stable & np.isfinite(solved), solved, 0.0)
