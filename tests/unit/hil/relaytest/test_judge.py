"""Verdicts of intervals, of shots, of runs; validity."""

import pytest

from hil.relaytest.bench import Health
from hil.relaytest.judge import invalid_reason, readings, silence_reason, verdict_of
from hil.relaytest.results import (
    FAIL,
    INCONCLUSIVE,
    INVALID,
    PASS,
    Reading,
    Shot,
    TestResult,
    combined,
    said,
    worst,
)
from hil.relaytest.shot_model import Mark, Measure, ShotPlan, ShotRecord, split
from hil.relaytest.uncertainty import Calibration, calibration


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.95, 1.05, PASS),
        (0.9, 1.1, PASS),
        (1.05, 1.15, INCONCLUSIVE),
        (0.85, 0.95, INCONCLUSIVE),
        (0.5, 1.5, INCONCLUSIVE),
        (1.11, 1.2, FAIL),
        (0.7, 0.89, FAIL),
        (2.0, 9.0, FAIL),
    ],
)
def test_interval_against_limits_of_0_9_to_1_1(low: float, high: float, verdict: str) -> None:
    assert verdict_of(low, high, 0.9, 1.1)[0] == verdict


def test_interval_wider_than_the_tolerance_is_said_to_be_so() -> None:
    assert "larger than the tolerance" in verdict_of(0.5, 1.5, 0.9, 1.1)[1]
    assert "reaches over a limit" in verdict_of(1.05, 1.15, 0.9, 1.1)[1]


@pytest.mark.parametrize(
    ("health", "tolerance_s", "word"),
    [
        (Health(), 0.02, ""),
        (Health(late_max_s=0.0049), 0.02, ""),
        (Health(late_max_s=0.0051), 1.0, "late"),
        (Health(late_max_s=0.003), 0.01, "limit 2.5 ms"),
        (Health(slipped_s=0.001), 1.0, "slipped"),
        (Health(device_silent_s=0.6), 1.0, "silent"),
    ],
)
def test_shot_is_spoilt_by_slip_lateness_and_silence(health: Health, tolerance_s: float, word: str) -> None:
    found = invalid_reason(health, tolerance_s, silent_limit_s=0.5)
    assert (word in found) if word else not found


def shots(n_pass: int, **others: int) -> list[Shot]:
    found = []
    for verdict, n in {"PASS": n_pass, **others}.items():
        for _ in range(n):
            shot = Shot(1, 1, [ShotRecord(ShotPlan("", ()))], [Reading("", "", verdict, "")])
            shot.invalid = "late" if verdict == INVALID else ""
            found.append(shot)
    return found


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (shots(24), PASS),
        (shots(23, FAIL=1), FAIL),
        (shots(23, INCONCLUSIVE=1), INCONCLUSIVE),
        (shots(22, INCONCLUSIVE=1, FAIL=1), FAIL),
        (shots(95, INVALID=5), INCONCLUSIVE),
        (shots(94, INVALID=6), INVALID),
        (shots(90, INVALID=6, FAIL=4), INVALID),
        ([], INVALID),
    ],
)
def test_verdict_of_many_shots(given: list[Shot], verdict: str) -> None:
    assert combined(given) == verdict


def test_shot_in_which_nothing_was_judged_is_not_passed() -> None:
    assert worst(()) == INCONCLUSIVE
    shot = Shot(1, 1, [ShotRecord(ShotPlan("", ()))])
    result = TestResult("t", "sequence", "", "", [shot])
    assert (result.verdict, said(result)) == (INCONCLUSIVE, "nothing was judged")


def test_reference_names_an_event_by_its_number() -> None:
    assert split("trip#2") == ("trip", 2)
    with pytest.raises(ValueError, match="no reference"):
        split("trip#0")


def timed(trip_step: int, signs: list[int]) -> ShotRecord:
    """A fault in step 1000 that is to be seen as a trip within 95 to 105 ms."""
    plan = ShotPlan("", (), (Measure("operate time", "fault", "trip", 0.1, 0.095, 0.105),))
    marks = [
        Mark(what, step, step * 1_000_000, step * 1_000_000)
        for what, step in (("state:fault", 1000), ("trip", trip_step))
    ]
    return ShotRecord(plan, marks, signs=signs)


CAL = calibration([0.001 * (1 + k % 5) for k in range(5000, 0, -1)], None, 0.001)
"""Polls every 5 ms, the shortest delay 1 ms."""


def test_a_late_trip_is_a_failure_while_the_device_was_heard_of_all_the_time() -> None:
    record = timed(1170, list(range(900, 1200, 5)))
    assert [r.verdict for r in readings(record, CAL)] == [FAIL]
    assert silence_reason(record, CAL) == ""


@pytest.mark.parametrize("before_step", [1100, 1002])  # a pause at the end; at the beginning
def test_a_late_trip_after_a_pause_of_the_device_spoils_the_shot(before_step: int) -> None:
    signs = [s for s in range(900, 1200, 5) if not before_step - 2 < s < before_step + 68]
    record = timed(1170, signs)
    assert [r.verdict for r in readings(record, CAL)] == [INCONCLUSIVE]
    assert "paused for 7" in silence_reason(record, CAL)


def test_a_pause_before_or_after_the_measured_time_spoils_nothing() -> None:
    record = timed(1102, [*range(700, 800, 5), *range(992, 1103, 5), 1300])
    assert [r.verdict for r in readings(record, CAL)] == [PASS]
    assert silence_reason(record, CAL) == ""


def test_a_pause_that_does_not_change_the_verdict_spoils_nothing() -> None:
    record = timed(2000, [s for s in range(900, 2100, 5) if not 1500 < s < 1600])
    assert [r.verdict for r in readings(record, CAL)] == [FAIL]
    assert silence_reason(record, CAL) == ""


def seen(measure: Measure, cal: Calibration = CAL, **steps: int) -> Reading:
    """Judge one measure of a shot from 0 on, with each event in its step; the device is always heard."""
    marks = [
        Mark(what.replace("state_", "state:"), step, step * 1_000_000, step * 1_000_000)
        for what, step in sorted({"state_fault": 0, **steps}.items(), key=lambda pair: pair[1])
    ]
    record = ShotRecord(ShotPlan("", (), (measure,)), marks, signs=list(range(0, 2000, 5)))
    return readings(record, cal)[-1]


def test_what_came_before_the_state_it_is_counted_from_is_no_answer_to_it() -> None:
    measure = Measure("m", "f", "trip", 0.02, 0.0, 0.05)
    early = seen(measure, trip=700, state_f=1000)
    assert (early.verdict, early.why, early.measured) == (FAIL, "trip 0.3 s before f", None)
    assert seen(measure, state_f=1000, trip=999).verdict == FAIL
    assert seen(measure, calibration([], None, 0.001), state_f=1000, trip=999).verdict == FAIL
    # at once: less than the mean delay, but not impossible
    assert seen(measure, state_f=1000, trip=1001).verdict == PASS
    own = Measure("m", "f", "trip", None, -0.05, 0.05)
    assert seen(own, trip=700, shadow_trip=701, state_f=1000).verdict == FAIL


def test_of_two_outputs_given_at_once_the_later_may_arrive_first() -> None:
    measure = Measure("m", "trip", "retrip", 0.0, 0.0, 0.02)
    assert seen(measure, retrip=1000, trip=1003).verdict == PASS
    assert seen(measure, retrip=1000, trip=1010).why == "retrip 0.01 s before trip"


def test_what_must_not_come_after_an_event_that_never_came_is_not_passed() -> None:
    measure = Measure("locked out", "trip#2", "close#2", 0.0, 0.0, 0.0, is_absent=True)
    reading = seen(measure, trip=100, close=600)
    assert reading.verdict == FAIL
    assert "trip#2 never came" in reading.why


def test_where_neither_the_device_nor_the_internal_relay_trips_nothing_is_known() -> None:
    own = Measure("m", "fault", "trip", None, -0.05, 0.05)
    assert seen(own, pickup=5).verdict == INCONCLUSIVE
    assert seen(own, pickup=5, shadow_trip=400).verdict == FAIL
    assert seen(Measure("m", "fault", "trip", 0.4, 0.35, 0.45), pickup=5).verdict == FAIL
