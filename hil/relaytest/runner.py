"""A plan carried out on a bench: calibrate, shoot, repeat what is invalid, calibrate again, judge."""

from __future__ import annotations

import dataclasses as dc
import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from hil.relaytest import schema as sc
from hil.relaytest import searches
from hil.relaytest.bench import Bench
from hil.relaytest.findings import findings
from hil.relaytest.judge import LATE_MAX_S, invalid_reason, readings, silence_reason
from hil.relaytest.plan import Plan, Test
from hil.relaytest.results import Shot, TestResult, combined
from hil.relaytest.shooting import shoot
from hil.relaytest.shot_model import ShotPlan
from hil.relaytest.uncertainty import Calibration, calibration

ATTEMPTS = 3
"""A shot that does not count is repeated twice."""
Tell = Callable[[TestResult, Shot], None]


@dc.dataclass(slots=True)
class Run:
    """A plan's results."""

    plan: Plan
    started_utc_s: float
    tests: list[TestResult] = dc.field(default_factory=list)

    @property
    def counted(self) -> list[Shot]:
        """All shots that were not repeated."""
        return [s for t in self.tests for s in t.counted]

    @property
    def verdict(self) -> str:
        """Verdict of the run: that of all shots together."""
        return combined(self.counted)


def run(plan: Plan, bench: Bench, tell: Tell | None = None, utc_s: Callable[[], float] = time.time) -> Run:
    """Carry out a plan.

    Parameters
    ----------
    tell : callable, optional
        Gets every shot as soon as it has been carried out (verdicts may change with the last calibration).
    utc_s : callable
        Clock for the report.
    """
    done = Run(plan, utc_s())
    done.tests += execute(plan, bench, tell)
    return done


def execute(plan: Plan, bench: Bench, tell: Tell | None = None) -> Iterator[TestResult]:
    """Yield the result of each test as it ends; the sources are off at the end, whatever happens."""
    bench.connect(plan.head.location, through_ct=plan.head.through_ct)
    try:
        before = bench.calibrate(plan.connection.calibrate_s)
        for test in plan.tests:
            result, before = _run_test(plan, bench, test, before, tell)
            yield result
    finally:
        bench.inject(None)


def _run_test(
    plan: Plan, bench: Bench, test: Test, before: list[float], tell: Tell | None
) -> tuple[TestResult, list[float]]:
    """Run a test between two calibrations; again, at most twice, when the connection changed in it."""
    section = test.section
    earlier = list[Shot]()
    for attempt in range(1, ATTEMPTS + 1):
        result = TestResult(section.name, section.kind, section.title, test.context.tolerance.name)
        cal = calibration(before, None, bench.facts.dt_s, plan.connection.silent_s)
        rng = np.random.default_rng([plan.head.seed, attempt])
        for shot in _shots(plan, bench, test, cal, rng):
            result.shots.append(shot)
            if tell is not None:
                tell(result, shot)
        after = bench.calibrate(plan.connection.calibrate_s)
        cal = calibration(before, after, bench.facts.dt_s, plan.connection.silent_s)
        result.calibration = cal
        before = after
        if cal.silent_s:
            for shot in result.shots:
                shot.invalid = _joined(
                    shot.invalid, f"the device was silent for {cal.silent_s:.3g} s in a calibration"
                )
        if not cal.has_drifted:
            break
        for shot in result.shots:
            shot.invalid = _joined(shot.invalid, cal.drift_words)
            if attempt < ATTEMPTS:
                shot.is_superseded = True
        if attempt < ATTEMPTS:
            earlier += result.shots
    result.shots = earlier + result.shots
    _judge(plan, result)
    result.findings = findings(result, plan.element)
    return result, before


def _judge(plan: Plan, result: TestResult) -> None:
    """Judge the shots again, now that both calibrations are known."""
    cal = result.calibration
    assert cal is not None
    is_held = plan.device.output == "held"
    for shot in result.shots:
        if shot.is_search:
            continue
        shot.readings = readings(shot.record, cal, is_held)
        if not shot.invalid:
            shot.invalid = silence_reason(shot.record, cal)
    if not cal.is_known:
        result.notes.append("no token came back: times cannot be judged")
    elif cal.coverage < 0.985:
        result.notes.append(f"only {cal.n} delays were seen: coverage {cal.coverage:.1%} instead of 99 %")


def _shots(
    plan: Plan, bench: Bench, test: Test, cal: Calibration, rng: np.random.Generator
) -> Iterator[Shot]:
    if isinstance(test.section, sc.Pickup | sc.DirectionSector):
        yield from _valid(1, lambda: _search(bench, test, cal), cal)
        return
    is_held = plan.device.output == "held"
    slack_s = _slowest_s(cal)
    for number, shot in enumerate(test.shots, 1):

        def once(shot: ShotPlan = shot, number: int = number) -> Shot:
            record = shoot(bench, dithered(shot, rng, cal), slack_s)
            return Shot(number, 1, [record], readings(record, cal, is_held))

        yield from _valid(number, once, cal)


def dithered(shot: ShotPlan, rng: np.random.Generator, cal: Calibration) -> ShotPlan:
    """Lengthen the first state by a random part of the device's poll.

    A shot begins some fixed time after the last one ended, and that was in a poll of the device: without
    this every fault would meet the same phase of its poll, and the mean delay would not be that of shots.
    """
    poll_s = cal.poll_s if cal.is_known and math.isfinite(cal.poll_s) else 0.0
    first = dc.replace(shot.states[0], duration_s=shot.states[0].duration_s + float(rng.uniform(0.0, poll_s)))
    return dc.replace(shot, states=(first, *shot.states[1:]))


def _search(bench: Bench, test: Test, cal: Calibration) -> Shot:
    slowest_s = _slowest_s(cal)
    if isinstance(test.section, sc.Pickup):
        records, found = searches.pickup(bench, test.context, test.section, slowest_s)
    else:
        assert isinstance(test.section, sc.DirectionSector)
        records, found = searches.direction(bench, test.context, test.section, slowest_s)
    return Shot(1, 1, records, found, is_search=True)


def _valid(number: int, once: Callable[[], Shot], cal: Calibration) -> Iterator[Shot]:
    """Yield a shot, and its repetitions when it does not count."""
    for attempt in range(1, ATTEMPTS + 1):
        shot = once()
        shot.number, shot.attempt = number, attempt
        reasons = []
        for record in shot.records:
            tolerance_s = min(record.plan.tolerance_s, 4.0 * LATE_MAX_S)
            if why := invalid_reason(record.health, tolerance_s, cal.silent_limit_s):
                reasons.append(why)
            if why := silence_reason(record, cal):
                reasons.append(why)
        shot.invalid = "; ".join(dict.fromkeys(reasons))
        shot.is_superseded = bool(shot.invalid) and attempt < ATTEMPTS
        yield shot
        if not shot.invalid:
            return


def _joined(first: str, second: str) -> str:
    return f"{first}; {second}" if first else second


def _slowest_s(cal: Calibration) -> float:
    return cal.high_s if cal.is_known else 0.0
