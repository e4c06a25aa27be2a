"""What counts as detected: one rule for the rate, the delay and every point of an ROC curve.

An attack is detected in a run when an alarm begins at one of its scans. An alarm that was up before, and
stays up, is none: it says nothing of the attack, and no other can begin until it is over. Such runs are
counted by themselves.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from estimation.detectors.alarm import Alarm, Rule, begins
from estimation.detectors.calibration import counted

Floats = npt.NDArray[np.float64]


@dc.dataclass(frozen=True, slots=True)
class Watched:
    """One statistic over one attacked run.

    Attributes
    ----------
    values : float64[n_warm + n]
        The attack begins at scan ``n_warm``.
    """

    values: Floats
    n_warm: int
    rule: Rule

    def first(self, threshold: float) -> int | None:
        """Return the scan of the attack at which the first alarm begins, from 0; None: none does."""
        began = begins(self.values, threshold, self.rule)
        return next((b - self.n_warm for b in began if b >= self.n_warm), None)

    def is_up_before(self, threshold: float) -> bool:
        """Tell whether an alarm is up when the attack begins."""
        alarm = Alarm(self.rule)
        with np.errstate(invalid="ignore"):
            for is_above in (self.values[: self.n_warm] > threshold).tolist():
                alarm.update(is_above)
        return alarm.is_up

    def detected_at(self, thresholds: Sequence[float]) -> list[bool]:
        """Tell at which thresholds the attack is detected.

        Where nothing was above a threshold for as long as an alarm lasts before the attack, none is up, and
        what the rule counts during the attack decides; only below that the alarms must be followed.
        """
        n = self.n_warm
        top = counted(self.values, self.rule)[n:].max(initial=-np.inf)
        span = max(self.rule.rearm, self.rule.window)
        near = np.nan_to_num(self.values[max(0, n - span) : n], nan=-np.inf).max(initial=-np.inf)
        return [bool(top > h) and (h >= near or self.first(h) is not None) for h in thresholds]


def exact_interval(k: int, n: int) -> tuple[float, float]:
    """Return the two-sided 95 % interval of a share of which k of n were seen; NaN of nothing.

    Exact: C. Clopper and E. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26, 1934.

    >>> tuple(round(x, 3) for x in exact_interval(0, 20))
    (0.0, 0.168)
    """
    if not n:
        return np.nan, np.nan
    low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return low, high


def percents(low: float, high: float) -> str:
    """Return an interval of a share in words."""
    return "unknown" if np.isnan(low) else f"{100 * low:.0f} to {100 * high:.0f} %"
