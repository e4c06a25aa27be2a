"""How long the connection takes, and what that leaves unknown of a measured time.

The emulator counts a token every step; the device echoes it in the same cycle in which its logic runs.
The delay from a step to the first echo of that step or a later one is made of the publication, the
wait for the device's poll, the exchange, one pass of the device's logic, the return and the wait for
the next step. A trip takes the same way. So of the raw time from injection to trip

    time = raw - mean delay            the interval is raw - q_high .. raw - q_low

with the quantiles 0.005 and 0.995 of the delay, and half a step more at both ends: delays count whole
steps, and what the device sees and does lies anywhere between. What the device's own pass has of the
delay cannot be told from outside: the corrected time is that of the device's algorithm, from its image
of inputs to its image of outputs. A device may also keep a decision until its next cycle; a token never
waits for that, so lateness of up to one poll more is no proof against the device.

The interval has the coverage stated, from order statistics: of n delays at most (n - 1)/(n + 1) can be
covered.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
import math
from collections.abc import Iterable, Sequence

COVERAGE = 0.99
SILENT_S, SILENT_POLLS = 0.5, 10.0
"""Silence is more than half a second, and more than ten times the median time between two answers."""


@dc.dataclass(frozen=True, slots=True)
class Calibration:
    """Distribution of the delay, pooled from before and after the shots.

    Attributes
    ----------
    n, mean_s, low_s, high_s, min_s, max_s
        Number of delays, their mean, the two quantiles (half a step outwards) and extremes [s]; NaN
        without delays.
    coverage : float
        Of the interval between the quantiles.
    drift_s : float
        Mean after less mean before [s].
    drift_limit_s : float
        Beyond this the shots between are invalid.
    poll_s : float
        Mean time between two answers [s]; NaN when there are not two.
    silent_s, silent_limit_s : float
        Longest silence of the device in a calibration (0: none), and what is called silence [s]. Delays
        beyond are not in the distribution.
    """

    n: int
    mean_s: float
    low_s: float
    high_s: float
    min_s: float
    max_s: float
    coverage: float
    drift_s: float
    drift_limit_s: float
    poll_s: float
    dt_s: float
    silent_s: float = 0.0
    silent_limit_s: float = SILENT_S

    @property
    def half_width_s(self) -> float:
        """Half the width of the interval [s]."""
        return (self.high_s - self.low_s) / 2.0

    @property
    def grace_s(self) -> float:
        """How long an output may have waited in the device for its next cycle [s]."""
        return _or_0(self.poll_s)

    @property
    def is_known(self) -> bool:
        """Tell whether any token came back."""
        return self.n > 0

    @property
    def has_drifted(self) -> bool:
        """Tell whether the delay changed between the calibrations."""
        return self.is_known and abs(self.drift_s) > self.drift_limit_s

    @property
    def drift_words(self) -> str:
        """The drift in words."""
        if math.isinf(self.drift_s):
            return "the device's token was echoed in one calibration only"
        return f"the calibration drifted by {self.drift_s * 1e3:.3g} ms"

    def budget(self) -> list[tuple[str, float, str]]:
        """Return the terms of the uncertainty: name, size [s], how it is known."""
        if not self.is_known:
            return [("round trip", math.nan, "no token came back: nothing is known")]
        return [
            (
                "step",
                self.dt_s,
                "both ends are stamped with the instant of their step: half of it at both ends",
            ),
            (
                "publish, exchange, device's pass, return",
                self.min_s,
                "shortest delay seen; its parts cannot be told apart from outside",
            ),
            (
                "poll phase",
                self.poll_s,
                "time between two answers: 0 to so much is waited; in the delay, as faults come at any phase",
            ),
            (
                "rest of the spread",
                max(self.high_s - self.min_s - _or_0(self.poll_s), 0.0),
                "jitter; in the delay",
            ),
            (
                "output phase",
                self.poll_s,
                "a decision may wait for the device's next cycle; in its favour, never against it",
            ),
            ("correction", self.mean_s, f"mean of {self.n} delays, subtracted"),
            (
                "drift",
                self.drift_s,
                f"mean after less before; more than {self.drift_limit_s * 1e3:.3g} ms is invalid",
            ),
            ("half-width", self.half_width_s, f"quantiles of the delay, coverage {self.coverage:.2%}"),
        ]


def _or_0(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def calibration(
    before: Sequence[float], after: Sequence[float] | None, dt_s: float, silent_limit_s: float | None = None
) -> Calibration:
    """Return the distribution of two calibrations, each in the order of the steps.

    Parameters
    ----------
    after : sequence of float or None
        None while there is none yet; empty when the device has stopped answering: that is a drift.
    silent_limit_s : float, optional
        What is called silence; by default it follows from the time between two answers, of which a dead
        time is one of many, while it is a large part of the delays.
    """
    every = [*before, *(after or ())]
    nan = math.nan
    if not every:
        limit_s = silent_limit_s or SILENT_S
        return Calibration(0, nan, nan, nan, nan, nan, 0.0, nan, nan, nan, dt_s, 0.0, limit_s)
    limit_s = silent_limit_s or max(SILENT_S, SILENT_POLLS * _median(answer_gaps_s(every, dt_s)))
    good_before = [d for d in before if d <= limit_s]
    good_after = [d for d in after or () if d <= limit_s]
    both = [*good_before, *good_after] or every
    n, delays = len(both), sorted(both)
    rank = max(math.floor((1.0 - COVERAGE) / 2.0 * (n + 1)), 1)
    low_s, high_s = max(delays[rank - 1] - dt_s / 2.0, 0.0), delays[n - rank] + dt_s / 2.0
    if after is None:
        drift_s = 0.0
    else:
        drift_s = _mean(good_after) - _mean(good_before) if good_before and good_after else math.inf
    return Calibration(
        n=n,
        mean_s=_mean(delays),
        low_s=low_s,
        high_s=high_s,
        min_s=delays[0],
        max_s=delays[-1],
        coverage=max(n + 1 - 2 * rank, 0) / (n + 1),
        drift_s=drift_s,
        drift_limit_s=max(dt_s, 0.25 * (high_s - low_s)),
        poll_s=poll_period_s(both, dt_s),
        dt_s=dt_s,
        silent_s=max((d for d in every if d > limit_s), default=0.0),
        silent_limit_s=limit_s,
    )


def delays_s(echoes: Iterable[tuple[int, int]], dt_s: float, n_steps: int) -> list[float]:
    """Return the delay of each of ``n_steps`` steps from the echoes that came.

    Parameters
    ----------
    echoes : iterable of (int, int)
        Step that showed the token first, step in which its echo arrived; from the first step 0 on.

    Notes
    -----
    Steps after the last echoed one have no delay yet and are left out.
    """
    waiting, found = 0, list[float]()
    for token, arrival in sorted(echoes, key=lambda e: e[1]):
        for step in range(waiting, min(token + 1, n_steps)):
            found.append((arrival - step) * dt_s)
        waiting = max(waiting, token + 1)
    return found


def poll_period_s(delays: Sequence[float], dt_s: float) -> float:
    """Return the mean time between two answers, from delays in the order of the steps [s]."""
    gaps = answer_gaps_s(delays, dt_s)
    return _mean(gaps) if gaps else math.nan


def answer_gaps_s(delays: Sequence[float], dt_s: float) -> list[float]:
    """Return the times between answers, from delays in the order of the steps [s].

    Within one answer the delay falls by a step from step to step; it rises where the next one begins.
    """
    rises = [k for k in range(1, len(delays)) if delays[k] > delays[k - 1] - 0.5 * dt_s]
    return [(b - a) * dt_s for a, b in itertools.pairwise(rises)]


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
