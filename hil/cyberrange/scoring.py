"""From the statistics of all runs to thresholds, false alarms, detection, localisation, ROC."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from estimation.detectors.alarm import Rule
from estimation.detectors.bank import FLOORS, NAMES, rule_of
from estimation.detectors.calibration import (
    FalseAlarms,
    peaks,
    threshold_for,
    verify,
)
from hil.cyberrange.detection import Watched, exact_interval
from hil.cyberrange.draw import CALIBRATE, VERIFY, Job
from hil.cyberrange.harm import Harm
from hil.cyberrange.job import AttackResult, CleanResult, Result, SeedResult
from hil.cyberrange.localisation import Localisation, Named, localisation
from hil.cyberrange.plan import RangePlan

Floats = npt.NDArray[np.float64]
DAY_S = 86_400.0
UNSEEN_RATE = 0.1
"""Detected in no more than this share of the runs: the detector does not see the attack."""
ROC_MAX, ROC_POINTS = 400, 80
"""Peaks that ROC curves go down to, and most points of one: all of the highest, fewer of the others."""


@dc.dataclass(frozen=True, slots=True)
class Calibrated:
    """A detector with its threshold and what it does on clean runs."""

    name: str
    rule: Rule
    threshold: float
    seen_per_day: FalseAlarms
    """In the runs that gave the threshold."""
    verified: FalseAlarms
    """In the others."""
    tail: tuple[float, ...]
    """Peaks of the verification runs, highest first: the threshold at the k-th makes k - 1 false alarms."""


@dc.dataclass(frozen=True, slots=True)
class Cell:
    """One attack against one detector, over all seeds.

    Attributes
    ----------
    n, n_detected : int
        Runs, and those in which an alarm began during the attack (``detection``).
    n_up : int
        Runs in which an alarm was up already when the attack began: of before, not of the attack. They
        count among the runs, and as detected only where another alarm began.
    is_calibrated : bool
        The detector said something in the clean runs; without a threshold it cannot detect.
    delay_scans : float
        Mean from the first false scan to the alarm, of the detected ones; 0 is the first scan itself. NaN:
        none.
    named : Localisation
        Whether what the alarms name is false.
    roc : tuple
        (false alarms per day, rate of detection), by falling threshold; detected as in ``n_detected``.
    """

    attack: str
    detector: str
    n: int
    n_detected: int
    n_up: int
    is_calibrated: bool
    delay_scans: float
    delay_worst_scans: float
    named: Localisation
    roc: tuple[tuple[float, float], ...]

    @property
    def rate(self) -> float:
        """Share of the runs in which it was detected."""
        return self.n_detected / self.n if self.is_calibrated else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """Exact two-sided 95 % interval of the rate."""
        return exact_interval(self.n_detected, self.n) if self.is_calibrated else (math.nan, math.nan)

    @property
    def is_unseen(self) -> bool:
        """Tell whether the detector does not see the attack."""
        return self.rate <= UNSEEN_RATE


@dc.dataclass(frozen=True, slots=True)
class Impact:
    """What an attack does to estimate and plant: means over all seeds, but the largest power lost in any."""

    attack: str
    rmse_pu: float
    clean_rmse_pu: float
    j_shift: float
    harm: Harm
    violation_min: float
    clean_violation_min: float
    n_not_converged: int
    refused: tuple[str, ...]


@dc.dataclass(frozen=True, slots=True)
class Scores:
    """Everything that a study found."""

    detectors: tuple[Calibrated, ...]
    cells: tuple[Cell, ...]
    impacts: tuple[Impact, ...]
    n_clean_scans: int
    n_bad: int
    n_not_converged: int
    clean_rmse_pu: float
    clean_j_score: float
    """Mean normal score of J in the clean runs: 0 where sigmas are as wide as the errors, below: wider."""

    def cell(self, attack: str, detector: str) -> Cell:
        """Return one cell."""
        return next(c for c in self.cells if (c.attack, c.detector) == (attack, detector))

    def detector(self, name: str) -> Calibrated:
        """Return one detector."""
        return next(d for d in self.detectors if d.name == name)


def score(plan: RangePlan, done: Mapping[Job, Result]) -> Scores:
    """Return the scores of a finished study."""
    scans_per_day = DAY_S / plan.head.scan_s
    clean = {job: r for job, r in done.items() if isinstance(r, CleanResult)}
    attacked = [r for r in done.values() if isinstance(r, SeedResult)]
    given = [r for job, r in clean.items() if job.kind == CALIBRATE]
    others = [r for job, r in clean.items() if job.kind == VERIFY]
    detectors = tuple(
        _calibrated(i, name, given, others, scans_per_day, plan.clean.per_day) for i, name in enumerate(NAMES)
    )
    cells, impacts = [], []
    for k, section in enumerate(plan.attacks):
        runs = [(r.n_warm, r.attacks[k]) for r in attacked]
        cells += [_cell(section.name, i, d, runs) for i, d in enumerate(detectors)]
        impacts.append(_impact(section.name, [a for _, a in runs]))
    return Scores(
        detectors,
        tuple(cells),
        tuple(impacts),
        sum(len(r.values) for r in clean.values()),
        sum(r.n_bad for r in clean.values()),
        sum(r.n_not_converged for r in clean.values()),
        _mean(np.concatenate([r.rmse_pu for r in clean.values()])),
        _mean(np.concatenate([r.values[:, NAMES.index("J")] for r in clean.values()])),
    )


def _calibrated(
    i: int,
    name: str,
    given: Sequence[CleanResult],
    others: Sequence[CleanResult],
    scans_per_day: float,
    per_day: float,
) -> Calibrated:
    rule = rule_of(name)
    first, second = [r.values[:, i] for r in given], [r.values[:, i] for r in others]
    if any(np.isfinite(x).any() for x in first):
        threshold = threshold_for(first, scans_per_day, per_day, rule, FLOORS.get(name, -np.inf))
    else:
        threshold = np.inf  # it never said anything: it never will
    tail = np.sort(np.concatenate([peaks(x, rule) for x in second]))[::-1]
    return Calibrated(
        name,
        rule,
        threshold,
        verify(first, scans_per_day, threshold, rule),
        verify(second, scans_per_day, threshold, rule),
        tuple(tail[:ROC_MAX].tolist()),
    )


def _cell(attack: str, i: int, detector: Calibrated, runs: Sequence[tuple[int, AttackResult]]) -> Cell:
    watched = [Watched(run.values[:, i], n_warm, detector.rule) for n_warm, run in runs]
    first = [w.first(detector.threshold) for w in watched]
    delays = [at for at in first if at is not None]
    alarms = [
        Named(run.where[at][i], run.is_false[at])
        for at, (_, run) in zip(first, runs, strict=True)
        if at is not None
    ]
    return Cell(
        attack=attack,
        detector=detector.name,
        n=len(runs),
        n_detected=len(delays),
        n_up=sum(w.is_up_before(detector.threshold) for w in watched),
        is_calibrated=math.isfinite(detector.threshold),
        delay_scans=float(np.mean(delays)) if delays else np.nan,
        delay_worst_scans=float(max(delays)) if delays else np.nan,
        named=localisation(alarms),
        roc=_roc(detector, watched),
    )


def _roc(detector: Calibrated, runs: Sequence[Watched]) -> tuple[tuple[float, float], ...]:
    """Return the curve: at the threshold of the k-th highest clean peak there are k - 1 false alarms."""
    days, tail = detector.verified.days, detector.tail
    if not days or not tail:
        return ()
    ranks = np.unique(np.geomspace(1, len(tail), ROC_POINTS).round().astype(int)) - 1
    heights = list(dict.fromkeys(tail[k] for k in ranks))  # equal ones are passed together
    detected = np.mean([w.detected_at(heights) for w in runs], axis=0)
    false = [sum(x > height for x in tail) / days for height in heights]
    return tuple(zip(false, map(float, detected), strict=True))


def _impact(attack: str, runs: Sequence[AttackResult]) -> Impact:
    def mean(values: Sequence[float]) -> float:
        return _mean(np.array(values, float))

    return Impact(
        attack,
        mean([rms(r.rmse_pu) for r in runs]),
        mean([rms(r.clean_rmse_pu) for r in runs]),
        mean([r.j_shift for r in runs]),
        Harm(
            max(r.harm.deenergised_mw for r in runs),
            mean([r.harm.not_supplied_kwh for r in runs]),
            mean([r.harm.demand_change_kwh for r in runs]),
        ),
        mean([r.violation_min for r in runs]),
        mean([r.clean_violation_min for r in runs]),
        sum(r.n_not_converged for r in runs),
        tuple(dict.fromkeys(x for r in runs for x in r.refused)),
    )


def _mean(x: Floats) -> float:
    """Return the mean without what is no number; NaN of nothing."""
    known = x[np.isfinite(x)]
    return float(np.mean(known)) if known.size else np.nan


def rms(x: Floats) -> float:
    """Return the root of the mean square, without what is no number; NaN of nothing."""
    known = x[np.isfinite(x)]
    return float(np.sqrt(np.mean(known * known))) if known.size else np.nan
