"""From the statistics of all runs to thresholds, false alarms, detection, localisation, ROC."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from estimation.detectors.alarm import Rule, begins
from estimation.detectors.bank import FLOORS, NAMES, rule_of
from estimation.detectors.calibration import (
    FalseAlarms,
    counted,
    peaks,
    threshold_for,
    verify,
)
from hil.cyberrange.job import (
    CALIBRATE,
    VERIFY,
    AttackResult,
    CleanResult,
    Job,
    Result,
    SeedResult,
)
from hil.cyberrange.plan import RangePlan

Floats = npt.NDArray[np.float64]
DAY_S = 86_400.0
HITS = (1, 3)
"""Localisation: an attacked channel is among the first so many that are named."""
UNSEEN_RATE = 0.1
"""Detected in no more than this share of the runs: the detector does not see the attack."""
ROC_MAX = 400
"""Most points of an ROC curve."""


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
        Runs, and those in which an alarm began during the attack.
    n_blind : int
        Runs in which an alarm was up already when the attack began: not detected for that reason.
    is_calibrated : bool
        The detector said something in the clean runs; without a threshold it cannot detect.
    delay_scans : float
        Mean from the first false scan to the alarm, of the detected ones; 0 is the first scan itself. NaN:
        none.
    hits : mapping
        k -> share of the detected runs in which one of the first k channels named is an attacked one. Empty
        where the detector names no channels or the attack changes none.
    roc : tuple
        (false alarms per day, rate of detection), by falling threshold.
    """

    attack: str
    detector: str
    n: int
    n_detected: int
    n_blind: int
    is_calibrated: bool
    delay_scans: float
    delay_worst_scans: float
    hits: Mapping[int, float]
    roc: tuple[tuple[float, float], ...]

    @property
    def rate(self) -> float:
        """Share of the runs in which it was detected."""
        return self.n_detected / self.n if self.is_calibrated else math.nan

    @property
    def bounds(self) -> tuple[float, float]:
        """Exact two-sided 95 % interval of the rate (C. Clopper and E. Pearson, Biometrika 26, 1934)."""
        if not self.is_calibrated:
            return math.nan, math.nan
        k, n = self.n_detected, self.n
        low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
        high = float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
        return low, high

    @property
    def is_unseen(self) -> bool:
        """Tell whether the detector does not see the attack."""
        return self.rate <= UNSEEN_RATE


@dc.dataclass(frozen=True, slots=True)
class Impact:
    """What an attack does to estimate and plant, over all seeds."""

    attack: str
    rmse_pu: float
    clean_rmse_pu: float
    j_shift: float
    energy_kwh: float
    shed_mw: float
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
    tags = [c.measurement.name for c in plan.telemetry.channels]
    cells, impacts = [], []
    for k, section in enumerate(plan.attacks):
        runs = [(r.n_warm, r.attacks[k]) for r in attacked]
        false = {tags.index(t) for t in plan.channels[section.name] if t in tags}
        cells += [_cell(section.name, i, d, runs, false) for i, d in enumerate(detectors)]
        impacts.append(_impact(section.name, [a for _, a in runs]))
    return Scores(
        detectors,
        tuple(cells),
        tuple(impacts),
        sum(len(r.values) for r in clean.values()),
        sum(r.n_bad for r in clean.values()),
        sum(r.n_not_converged for r in clean.values()),
        float(np.nanmean(np.concatenate([r.rmse_pu for r in clean.values()]))),
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


def _cell(
    attack: str, i: int, detector: Calibrated, runs: Sequence[tuple[int, AttackResult]], false: set[int]
) -> Cell:
    delays, hits, n_blind, tops = [], list[tuple[int, ...]](), 0, []
    for n_warm, run in runs:
        x = run.values[:, i]
        began = begins(x, detector.threshold, detector.rule)
        in_time = [b - n_warm for b in began if b >= n_warm]
        level = counted(x, detector.rule)[n_warm:]
        tops.append(float(level.max()))
        if in_time:
            delays.append(in_time[0])
            hits.append(run.where[in_time[0]][i])
        else:
            n_blind += bool(level.max() > detector.threshold)
    named = [w for w in hits if w]
    return Cell(
        attack=attack,
        detector=detector.name,
        n=len(runs),
        n_detected=len(delays),
        n_blind=n_blind,
        is_calibrated=math.isfinite(detector.threshold),
        delay_scans=float(np.mean(delays)) if delays else np.nan,
        delay_worst_scans=float(max(delays)) if delays else np.nan,
        hits={k: float(np.mean([bool(false & set(w[:k])) for w in named])) for k in HITS}
        if named and false
        else {},
        roc=_roc(detector, np.array(tops)),
    )


def _roc(detector: Calibrated, tops: Floats) -> tuple[tuple[float, float], ...]:
    """Return the curve: at the threshold of the k-th highest clean peak there are k - 1 false alarms."""
    days = detector.verified.days
    if not days:
        return ()
    points: dict[float, float] = {}
    for height in dict.fromkeys(detector.tail):  # equal ones are passed together
        points[sum(x > height for x in detector.tail) / days] = float(np.mean(tops > height))
    return tuple(points.items())


def _impact(attack: str, runs: Sequence[AttackResult]) -> Impact:
    def mean(values: Sequence[float]) -> float:
        known = [v for v in values if np.isfinite(v)]
        return float(np.mean(known)) if known else np.nan

    return Impact(
        attack,
        mean([rms(r.rmse_pu) for r in runs]),
        mean([rms(r.clean_rmse_pu) for r in runs]),
        mean([r.j_shift for r in runs]),
        mean([r.energy_kwh for r in runs]),
        max(r.shed_mw for r in runs),
        mean([r.violation_min for r in runs]),
        mean([r.clean_violation_min for r in runs]),
        sum(r.n_not_converged for r in runs),
        tuple(dict.fromkeys(x for r in runs for x in r.refused)),
    )


def rms(x: Floats) -> float:
    """Return the root of the mean square, without what is no number; NaN of nothing."""
    known = x[np.isfinite(x)]
    return float(np.sqrt(np.mean(known * known))) if known.size else np.nan
