"""What a relay test writes while it runs is what the console reads: one format, both ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.relaytest.plan import find_plan, read_plan
from hil.relaytest.progress import FINISHED, RUNNING, Progress
from hil.relaytest.results import PASS, Reading, Shot, TestResult
from hil.relaytest.station_facts import facts_of
from hil.view.bench_state import BenchState


def written(path: Path) -> BenchState:
    found = BenchState.of(json.loads(path.read_text(encoding="utf-8")))
    assert found is not None
    return found


@pytest.fixture
def shots() -> TestResult:
    result = TestResult("characteristic", "trip_time", "", "abb_ref615")
    reading = Reading("operate time", "s", PASS, "", 0.512, 0.509, 0.515, expected=0.5, allowed_low=0.47)
    result.shots = [
        Shot(1, 1, [], [reading], invalid="the loop was late", is_superseded=True),
        Shot(1, 2, [], [reading]),
        Shot(2, 1, [], [reading]),
    ]
    return result


def test_a_test_that_begins_has_no_shots_and_a_share_of_nothing(tmp_path: Path) -> None:
    Progress(tmp_path / "t.json", read_plan(find_plan("si_51"), facts_of))
    state = written(tmp_path / "t.json")
    assert (state.state, state.rows, state.share, state.uncertainty) == (RUNNING, (), 0.0, None)


def test_shots_come_with_their_readings_and_repeated_ones_do_not_count(
    tmp_path: Path, shots: TestResult
) -> None:
    progress = Progress(tmp_path / "t.json", read_plan(find_plan("si_51"), facts_of), clock_s=lambda: 0.0)
    for shot in shots.shots:
        progress.tell(shots, shot)
    progress.end("PASS")
    state = written(tmp_path / "t.json")
    assert (state.state, state.verdict) == (FINISHED, "PASS")
    assert [r.is_superseded for r in state.rows] == [True, False, False]
    assert state.counts == {"PASS": 2}
    assert state.shots_done == 2
    assert 0.0 < state.share < 1.0
    first = state.rows[1].readings[0]
    assert (first.measured, first.low, first.high, first.allowed_high) == (0.512, 0.509, 0.515, None)


@pytest.mark.parametrize("found", [{}, {"state": "running"}, {"rows": 5}])
def test_nothing_or_another_versions_words_are_no_test(found: dict[str, object]) -> None:
    assert BenchState.of(found) is None
