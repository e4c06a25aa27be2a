"""Every defect of a device is caught and named by the test that is meant for it."""

from pathlib import Path
from typing import Any

import pytest

from hil.relaytest.bench import Health
from hil.relaytest.results import FAIL, INCONCLUSIVE, INVALID, PASS
from hil.relaytest.runner import Run, run
from tests.unit.hil.relaytest.plans import PICKUP, RESET, SHOTS_24, plan_of
from tests.unit.hil.relaytest.sim_bench import SimBench
from tests.unit.hil.relaytest.toy_relay import ToyRelay


def outcome(folder: Path, tests: str, poll_s: float = 0.005, **defects: Any) -> Run:
    return run(plan_of(folder, tests), SimBench(ToyRelay(**defects), poll_s=poll_s))


def test_healthy_device_passes_24_shots_pickup_search_and_reset(tmp_path: Path) -> None:
    done = outcome(tmp_path, SHOTS_24 + PICKUP + RESET)
    assert [t.verdict for t in done.tests] == [PASS, PASS, PASS]
    assert len(done.tests[0].shots) == 24
    assert [t.findings for t in done.tests] == [[], [], []]
    assert done.verdict == PASS


@pytest.mark.parametrize(
    ("test", "defects", "name"),
    [
        (SHOTS_24, {"slow": 1.1}, "operates 10 % slow at every multiple"),
        (SHOTS_24, {"formula": "vi"}, "wrong curve: follows iec_vi_b, set is iec_si_a"),
        (SHOTS_24, {"chatters": True}, "chatter: 4 trip commands for one operation"),
        (SHOTS_24, {"n_commands": 2}, "double command: 2 trip commands for one operation"),
        (SHOTS_24, {"resets": False, "forgets_trip": False}, "does not reset after a trip"),
        (PICKUP, {"pickup_error": 1.05}, "picks up 5.2 % high"),
        (PICKUP, {"pickup_error": 0.95}, "picks up 4.7 % low"),
        (PICKUP, {"resets": False}, "it does not reset"),
        (RESET, {"resets": False}, "does not reset in the pause"),
        # what was left of an interrupted shot lets it trip in both faults: two operations, no double command
        (RESET, {"resets": False, "x": 0.6}, "it does not reset between the shots"),
        (SHOTS_24, {"trips_at_s": 5.1}, "trips without a fault"),
        (SHOTS_24, {"tms": 1.0}, "no answer: trip never came"),
    ],
)
def test_defect_is_caught_and_named(tmp_path: Path, test: str, defects: dict[str, Any], name: str) -> None:
    result = outcome(tmp_path, test, **defects).tests[0]
    assert result.verdict == FAIL
    assert any(name in finding for finding in result.findings), result.findings


def test_device_that_is_dead_for_2_s_makes_the_run_invalid_and_is_named(tmp_path: Path) -> None:
    done = outcome(tmp_path, SHOTS_24 + PICKUP, dead_s=2.0)
    assert done.verdict == INVALID
    assert all("device silent" in t.findings[0] for t in done.tests)
    assert "device silent for 2.0 s" in done.tests[1].findings[0]  # a long shot sees the whole of it


def test_device_that_never_speaks_is_a_result_and_no_crash(tmp_path: Path) -> None:
    done = outcome(tmp_path, SHOTS_24 + PICKUP, is_mute=True)
    assert [t.verdict for t in done.tests] == [FAIL, FAIL]
    assert [t.findings for t in done.tests] == [["the device never answered"]] * 2


QUIET = """
[[test]]
kind = "trip_time"
name = "below"
multiples = [0.9]
hold_s = 0.2
[[test]]
kind = "step"
name = "stays"
v = "0.9 pu"
expect = "no_trip"
hold_s = 0.2
[[test]]
kind = "sequence"
name = "never"
state = [{name = "a", i = "0.5 x", duration_s = 0.2}]
never = ["trip"]
"""


def test_device_that_is_not_there_has_done_nothing_right_by_doing_nothing(tmp_path: Path) -> None:
    done = outcome(tmp_path, QUIET, is_mute=True)
    assert [t.verdict for t in done.tests] == [INCONCLUSIVE] * 3
    assert [t.findings for t in done.tests] == [["the device never answered"]] * 3
    assert "no sign of life" in done.tests[0].shots[0].readings[0].why
    assert outcome(tmp_path, QUIET).verdict == PASS


def test_device_without_tokens_whose_outputs_are_seen_may_do_nothing_right(tmp_path: Path) -> None:
    text = '[[test]]\nkind = "sequence"\nname = "s"\nstate = [{name = "a", i = "2 x", duration_s = 0.2}]\n'
    plan = plan_of(tmp_path, text + 'never = ["trip"]\n')  # picks up, and has no time to trip
    result = run(plan, SimBench(ToyRelay(), tokens=False)).tests[0]
    assert (result.verdict, result.findings) == (PASS, [])


def test_pickup_error_alone_is_read_from_the_times_as_well(tmp_path: Path) -> None:
    text = SHOTS_24.replace("[2, 3, 5", "[1.5, 2, 5")
    result = outcome(tmp_path, text, pickup_error=1.1).tests[0]
    assert result.findings == ["times of a pickup 10 % high"]


def test_poll_of_100_ms_against_20_ms_is_inconclusive_not_passed(tmp_path: Path) -> None:
    text = SHOTS_24.replace("[2, 3, 5, 8, 12, 20]", "[12, 20]")
    result = outcome(tmp_path, text, poll_s=0.1).tests[0]
    assert result.verdict == INCONCLUSIVE
    assert {s.verdict for s in result.shots} == {INCONCLUSIVE}
    assert "larger than the tolerance" in result.shots[0].readings[0].why


def test_stalled_loop_is_repeated_and_then_counts(tmp_path: Path) -> None:
    bench = SimBench(ToyRelay())
    bench.healths = [Health(slipped_s=0.02), Health(late_max_s=0.006)]
    result = run(plan_of(tmp_path, SHOTS_24), bench).tests[0]
    assert result.verdict == PASS
    assert [(s.attempt, s.verdict) for s in result.shots[:3]] == [(1, INVALID), (2, INVALID), (3, PASS)]
    assert len(result.counted) == 24


def test_loop_that_keeps_stalling_makes_the_run_invalid(tmp_path: Path) -> None:
    bench = SimBench(ToyRelay())
    bench.healths = [Health(slipped_s=0.02)] * 6  # two of 24 shots, three times each: 8 %
    done = run(plan_of(tmp_path, SHOTS_24), bench)
    assert done.verdict == INVALID


def test_connection_that_becomes_slower_in_a_test_has_it_done_again(tmp_path: Path) -> None:
    bench = SimBench(ToyRelay())
    plan = plan_of(tmp_path, SHOTS_24)

    def slow_down(*_: object) -> None:
        bench.extra_s = 0.01

    result = run(plan, bench, slow_down).tests[0]
    assert result.verdict == PASS
    assert len(result.shots) == 48
    assert "calibration drifted by 5" in result.shots[0].invalid


def test_sources_are_off_at_the_end_even_after_a_fault_of_the_host(tmp_path: Path) -> None:
    bench = SimBench(ToyRelay())

    def broken(*_: object) -> None:
        raise RuntimeError("the host")

    with pytest.raises(RuntimeError):
        run(plan_of(tmp_path, SHOTS_24), bench, broken)
    assert bench.source is None
