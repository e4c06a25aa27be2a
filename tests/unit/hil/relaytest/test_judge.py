"""Verdicts of intervals, of shots, of runs; validity."""

import pytest

from hil.relaytest.bench import Health
from hil.relaytest.judge import invalid_reason, readings, silence_reason, verdict_of
from hil.relaytest.results import FAIL, INCONCLUSIVE, INVALID, PASS, Reading, Shot, combined
from hil.relaytest.shot_model import Mark, Measure, ShotPlan, ShotRecord, split
from hil.relaytest.uncertainty import calibration


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
