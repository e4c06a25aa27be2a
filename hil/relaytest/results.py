"""What comes out of a plan: readings with verdicts, shots, tests, the run. Plain data."""

from __future__ import annotations

import dataclasses as dc
import math
from collections import Counter
from collections.abc import Iterable

from hil.relaytest.shot_model import ShotRecord
from hil.relaytest.uncertainty import Calibration

PASS, FAIL, INCONCLUSIVE, INVALID = "PASS", "FAIL", "INCONCLUSIVE", "INVALID"
INVALID_SHARE_MAX = 0.05
"""A test or run with a larger share of invalid shots is invalid."""


@dc.dataclass(frozen=True, slots=True)
class Reading:
    """One judged quantity of a shot or search.

    Attributes
    ----------
    measured, low, high : float or None
        Best value and the interval that holds the true one; None when there is none.
    raw : float or None
        Before the correction.
    expected, allowed_low, allowed_high : float or None
    shadow : float or None
        What the internal relay did.
    why : str
        The verdict in words.
    """

    name: str
    unit: str
    verdict: str
    why: str
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    raw: float | None = None
    expected: float | None = None
    allowed_low: float | None = None
    allowed_high: float | None = None
    shadow: float | None = None

    @property
    def deviation(self) -> float | None:
        """Measured less expected."""
        return None if self.measured is None or self.expected is None else self.measured - self.expected

    @property
    def used(self) -> float | None:
        """Share of the tolerance that is used: 0 in the middle of what is allowed, 1 at its limits."""
        if self.measured is None or self.allowed_low is None or self.allowed_high is None:
            return None
        half = (self.allowed_high - self.allowed_low) / 2.0
        return abs(self.measured - self.allowed_low - half) / half if 0.0 < half < math.inf else None


@dc.dataclass(slots=True)
class Shot:
    """One attempt at a shot; ``invalid`` says why it does not count."""

    number: int
    attempt: int
    records: list[ShotRecord]
    readings: list[Reading] = dc.field(default_factory=list)
    invalid: str = ""
    is_superseded: bool = False
    """Invalid and repeated."""
    is_search: bool = False
    """Its readings are levels; they do not follow from the calibration."""

    @property
    def record(self) -> ShotRecord:
        """First record; searches have several."""
        return self.records[0]

    @property
    def verdict(self) -> str:
        """Worst of the readings; INVALID when the shot does not count."""
        return INVALID if self.invalid else worst(r.verdict for r in self.readings)


@dc.dataclass(slots=True)
class TestResult:
    """One test of a plan.

    Attributes
    ----------
    findings : list of str
        What is wrong with the device, named.
    """

    __test__ = False
    name: str
    kind: str
    title: str
    tolerance: str
    shots: list[Shot] = dc.field(default_factory=list)
    findings: list[str] = dc.field(default_factory=list)
    notes: list[str] = dc.field(default_factory=list)
    calibration: Calibration | None = None

    @property
    def counted(self) -> list[Shot]:
        """Shots without those that were repeated."""
        return [s for s in self.shots if not s.is_superseded]

    @property
    def verdict(self) -> str:
        """Verdict of the test."""
        return combined(self.counted)


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst verdict: FAIL, INVALID, INCONCLUSIVE, PASS; of none INCONCLUSIVE."""
    given = set(verdicts)
    return next((v for v in (FAIL, INVALID, INCONCLUSIVE, PASS) if v in given), INCONCLUSIVE)


def combined(shots: list[Shot]) -> str:
    """Return the verdict of many shots.

    More than 5 % invalid ones make them all INVALID; fewer, that the rest cannot be PASS: what was
    not measured is not known to be right.
    """
    counts = Counter(s.verdict for s in shots)
    if not shots or counts[INVALID] > INVALID_SHARE_MAX * len(shots):
        return INVALID
    if counts[FAIL]:
        return FAIL
    return INCONCLUSIVE if counts[INCONCLUSIVE] or counts[INVALID] else PASS


def said(t: TestResult) -> str:
    """Return what a test showed, in words: its findings; without any the worst of its readings."""
    if t.findings:
        return "; ".join(t.findings)
    if t.verdict != PASS:
        bad = [s for s in t.counted if s.verdict == t.verdict] or [s for s in t.counted if s.verdict != PASS]
        whys = [s.invalid or r.why for s in bad for r in s.readings if s.invalid or r.verdict == s.verdict]
        whys += [s.invalid for s in bad if s.invalid]
        reason = f": {whys[0]}" if whys else ""
        if len(t.counted) <= 1:
            return whys[0] if whys else "nothing was judged" if t.counted else "no shot was made"
        return f"{len(bad)} of {len(t.counted)} shots {t.verdict}{reason}"
    judged = [(r, s) for s in t.counted for r in s.readings if r.used is not None]
    n = len(t.counted)
    all_of_them = f"all {n} shots " if n > 1 else ""
    if not judged:
        return f"{all_of_them}as expected: no operation where there must be none"
    r, s = max(judged, key=lambda pair: pair[0].used or 0.0)
    closest = "; closest to a limit" if len(judged) > 1 else ""
    place = f" of shot {s.number}," if n > 1 else ""
    unit = f" {r.unit}".rstrip()
    allowed = f"allowed {_figure(r.allowed_low)} to {_figure(r.allowed_high)}{unit}"
    return (
        f"{all_of_them}within the tolerance{closest}: {r.name}{place} {_figure(r.measured)}{unit}, {allowed}"
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}" if abs(value) < 10.0 else f"{value:.6g}"
