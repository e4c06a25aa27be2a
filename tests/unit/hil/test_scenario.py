"""Running a scenario on the shipped station: commands in time, every form of assertion, determinism."""

from __future__ import annotations

import dataclasses as dc
import functools
import math
from pathlib import Path

import numpy as np
import pytest

from hil import scenario, scenario_files, station
from hil.scenario import Run, run
from hil.scenario_files import read_scenario
from hil.scenario_model import Form
from hil.scenario_verdicts import Result, judge
from hil.station import make_setup
from rtcore.commands import Reason
from rtcore.engine import Engine
from rtcore.ring import EVENT_STATUS

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""

HEAD = """
[scenario]
name = "lab"
station = "iowa240"
duration = "2 s"
step_ms = 10
"""
TRIP = """
[[event]]
name = "trip"
at = 0.5
pulse = "FDR_B.CB_201.TRIP"
[[event]]
name = "close"
at = 1
pulse = "FDR_B.CB_201.CLOSE"
"""


@pytest.fixture(autouse=True)
def _station_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario_files, "read_plan", _plan)


@functools.cache
def _plan(name: str) -> station.Plan:
    return station.read_plan(name)


def run_text(tmp_path: Path, body: str, head: str = HEAD) -> Run:
    (tmp_path / "lab.toml").write_text(head + body)
    return run(read_scenario(tmp_path / "lab.toml"))


def results_of(tmp_path: Path, body: str, head: str = HEAD) -> list[Result]:
    return judge(run_text(tmp_path, body, head))


def asserted(tmp_path: Path, *bodies: str, events: str = TRIP) -> list[Result]:
    """Run once with these assertions; returns their results."""
    text = "".join(f'[[assert]]\ntitle = "{k}"\n{b}' for k, b in enumerate(bodies))
    return [r for r in results_of(tmp_path, events + text) if r.form is not Form.COMMAND]


# ---------------------------------------------------------------- commands


def test_commands_are_those_an_operator_would_give_at_the_same_steps(tmp_path: Path) -> None:
    body = "[set]\nSUB.LOAD.SCALE_SP = 0.5\n" + TRIP
    done = run_text(tmp_path, body)
    e = Engine(make_setup(done.scenario.plan, done.scenario.dt_ns, {"seed": done.scenario.seed}, 2.0))
    e.command([("SUB.LOAD.SCALE_SP", 0.5)])
    e.step(50)
    e.command([("FDR_B.CB_201.TRIP", 1.0)])
    e.step(50)
    e.command([("FDR_B.CB_201.CLOSE", 1.0)])
    e.step(101)
    assert done.digest == e.digest
    assert [o.verdicts[0].step for o in done.outcomes] == [0, 50, 100]


def test_the_same_file_and_seed_make_the_same_run_and_another_seed_does_not(tmp_path: Path) -> None:
    body = TRIP + '[[assert]]\ntitle = "x"\ntag = "SUB.T1.P"\nmin = 0\n[record]\ntags = "SUB.T1.P"\n'
    first, again = (run_text(tmp_path, body) for _ in range(2))
    assert (first.digest, first.config_hash) == (again.digest, again.config_hash)
    assert judge(first) == judge(again)
    assert first.happenings == again.happenings
    np.testing.assert_array_equal(first.trace, again.trace)
    other = run(dc.replace(first.scenario, seed=first.scenario.seed + 1))
    assert other.digest != first.digest
    assert other.config_hash == first.config_hash  # the seed stands beside it


def test_watching_more_points_changes_nothing(tmp_path: Path) -> None:
    watched = TRIP + '[[assert]]\ntitle = "x"\ntag = "FDR_*"\nfrom = 0.3\nto = 1.7\nmin = 0\n'
    assert run_text(tmp_path, TRIP).digest == run_text(tmp_path, watched).digest


def test_a_refusal_that_nobody_expects_fails_and_names_its_reason(tmp_path: Path) -> None:
    body = """
[[event]]
at = 0.1
set = { FDR_B.CB_201.REMOTE = "LOCAL" }
[[event]]
at = 0.2
pulse = "FDR_B.CB_201.TRIP"
[[event]]
at = 0.3
set = { SUB.LOAD.SCALE_SP = 1.1 }
expect = "refused"
note = "this will be done"
[[event]]
at = 0.4
pulse = "FDR_B.CB_201.TRIP"
expect = "refused"
reason = "out_of_range"
[[event]]
at = 0.5
set = { SUB.LOAD.SCALE_SP = 1.2 }
pulse = "FDR_B.CB_201.TRIP"
expect = "refused"
reason = "in_local"
"""
    local, trip, done, wrong_reason, group = results_of(tmp_path, body)
    assert local.is_passed and group.is_passed
    assert not trip.is_passed
    assert "refused (in_local: the device is switched to local); it must be done" in trip.message
    assert not done.is_passed and done.title == "this will be done"
    assert "SUB.LOAD.SCALE_SP = 1.1 pu: done; it must be refused" in done.message
    assert not wrong_reason.is_passed and "it must be refused (out_of_range)" in wrong_reason.message


def test_what_no_engine_takes_is_refused_and_leaves_the_plant_alone(tmp_path: Path) -> None:
    writes = {
        "{ SUB.LOAD.SCALE_SP = nan }": Reason.NOT_A_NUMBER,
        "{ SUB.LOAD.SCALE_SP = inf }": Reason.NOT_A_NUMBER,
        "{ SUB.LOAD.SCALE_SP = -1 }": Reason.OUT_OF_RANGE,
        "{ SUB.T1.P = 1 }": Reason.NOT_WRITABLE,
        "{ FDR_B.CB_201.REMOTE = 0.5 }": Reason.WRONG_TYPE,
    }
    body = "".join(f'[[event]]\nat = 1\nset = {w}\nexpect = "refused"\n' for w in writes)
    done = run_text(tmp_path, body)
    assert [o.reason for o in done.outcomes] == list(writes.values())
    assert all(r.is_passed for r in judge(done))
    assert done.digest == run_text(tmp_path, "").digest


# ---------------------------------------------------------------- assertions that hold and that fail


def test_always_finds_the_one_step_that_lies_outside(tmp_path: Path) -> None:
    tag = 'tag = "FDR_B.CB_201.ST_52B"\n'
    # travel of 50 ms: 52b makes at 0.55 s
    held, broken = asserted(tmp_path, tag + "to = 0.54\nequals = 0\n", tag + "to = 0.55\nequals = 0\n")
    assert held.is_passed
    assert not broken.is_passed
    assert (broken.measured, broken.at_s) == (1.0, 0.55)
    assert "CLOSED at 0.55 s; needed OPEN; outside for 0.01 s" in broken.message


def test_a_look_at_one_time_sees_the_commands_of_that_time(tmp_path: Path) -> None:
    tag = 'tag = "FDR_B.CB_201.ST_52A"\n'
    before, at, wrong = asserted(
        tmp_path,
        tag + 'at = "trip + 30 ms"\nequals = "CLOSED"\n',
        tag + 'at = "trip + 40 ms"\nequals = "OPEN"\n',  # 45 ms after the step before the command
        tag + 'at = "trip + 40 ms"\nequals = "CLOSED"\n',
    )
    assert before.is_passed and at.is_passed
    assert not wrong.is_passed
    assert wrong.message == "FDR_B.CB_201.ST_52A: OPEN at 0.54 s; needed CLOSED"


def test_eventually_reports_the_time_it_took(tmp_path: Path) -> None:
    tag = 'tag = "FDR_B.CB_201.ST_52A"\nequals = "CLOSED"\nafter = "close"\n'
    soon, late = asserted(tmp_path, tag + "within = 0.06\n", tag + "within = 0.05\n")
    assert soon.is_passed and not late.is_passed
    assert (soon.measured, soon.unit, soon.high) == (pytest.approx(0.06), "s", pytest.approx(0.06))
    assert late.measured is None
    assert "not within 0.05 s; needed CLOSED; always OPEN" in late.message


def test_quality_alone_and_with_a_value(tmp_path: Path) -> None:
    tag = 'tag = "FDR_B.M2002.VA"\n'
    dead = 'at = "close"\n'
    results = asserted(
        tmp_path,
        tag + dead + 'quality = "bad"\n',
        tag + dead + 'quality = "bad_deenergised"\nequals = 0\n',
        tag + dead + "equals = 0\n",  # reads 0, but nobody may rely on it
        tag + dead + 'quality = "any"\nequals = 0\n',
        tag + dead + 'quality = "good"\n',
        tag + 'quality = "good"\n',
    )
    assert [r.is_passed for r in results] == [True, True, False, True, False, False]
    assert "quality bad_deenergised" in results[2].message
    assert (
        "0 V (quality bad_deenergised) at 0.55 s; needed quality good; outside for 0.51 s"
        in results[5].message
    )


def test_statistics_are_those_of_the_record(tmp_path: Path) -> None:
    bodies = [
        f'tag = "SUB.T1.P"\nstatistic = "{s}"\nfrom = 0.2\nto = 1.8\nmin = -1e9\n'
        for s in ("min", "max", "mean", "first", "final", "range", "change", "integral")
    ]
    text = "".join(f'[[assert]]\ntitle = "{k}"\n{b}' for k, b in enumerate(bodies))
    text += '[record]\ntags = "SUB.T1.P"\nevery_s = 0.01\n'
    done = run_text(tmp_path, TRIP + text)
    p = done.trace[20:181, 0]
    least, most, mean, first, final, extent, change, integral = (
        r.measured for r in judge(done) if r.form is Form.STATISTIC
    )
    assert (least, most, first, final) == (p.min(), p.max(), p[0], p[-1])
    assert (extent, change) == (p.max() - p.min(), p[-1] - p[0])
    assert mean == pytest.approx(p.mean(), rel=1e-12)  # sums in another order
    assert integral == pytest.approx(np.trapezoid(p, dx=0.01) / 3600.0, rel=1e-12)


def test_changes_count_from_the_step_before_the_window(tmp_path: Path) -> None:
    tag = 'tag = "FDR_B.CB_201.ST_52A"\nstatistic = "changes"\n'
    both, first, none = asserted(
        tmp_path,
        tag + "equals = 2\n",
        tag + 'from = "trip"\nto = 0.9\nequals = 1\n',
        tag + "from = 1.1\nequals = 0\n",
    )
    assert both.is_passed and first.is_passed and none.is_passed
    (wrong,) = asserted(tmp_path, tag + "equals = 1\n")
    assert wrong.message == "FDR_B.CB_201.ST_52A: changes 2; needed 1"


def test_a_statistic_over_bad_values_fails_unless_any_quality_will_do(tmp_path: Path) -> None:
    tag = 'tag = "FDR_B.M2002.VA"\nstatistic = "min"\nmin = 0\n'
    strict, lax = asserted(tmp_path, tag, tag + 'quality = "any"\n')
    assert not strict.is_passed and lax.is_passed
    assert (
        "0 V (quality bad_deenergised) at 0.55 s, in all for 0.51 s; needed quality usable" in strict.message
    )


def test_points_are_compared_by_their_difference(tmp_path: Path) -> None:
    balance = 'tag = "SUB.T1.P"\nminus = ["FDR_A.HEAD.P", "FDR_B.HEAD.P", "FDR_C.HEAD.P"]\nequals = 0\n'
    share, at, number, broken = asserted(
        tmp_path,
        balance + 'statistic = "mean"\ntolerance = "2 %"\n',  # four transducers of class 0.5
        balance + 'at = 1.5\ntolerance = "2 %"\n',
        balance + "tolerance = 70\n",  # 2 % of 3.5 MW
        'tag = "SUB.T1.P"\nminus = "FDR_A.HEAD.P"\nequals = 0\nstatistic = "mean"\ntolerance = "2 %"\n',
    )
    assert share.is_passed and at.is_passed and number.is_passed
    assert not broken.is_passed
    assert broken.tag == "SUB.T1.P - FDR_A.HEAD.P"
    # 2 % of the tag alone, whatever the difference is
    assert share.high == pytest.approx(broken.high) and share.high > 20.0


def test_of_many_points_the_worst_is_reported(tmp_path: Path) -> None:
    (result,) = asserted(tmp_path, 'tag = ["FDR_*.HEAD.P", "SUB.T1.P"]\nto = 0.4\nmax = 1000\n')
    assert not result.is_passed
    assert result.n_tags == 4
    assert result.tag == "SUB.T1.P"  # the sum exceeds every part
    assert f"{result.n_failed} of 4 points fail, worst of all SUB.T1.P" in result.message


def test_a_point_that_is_no_number_fails_what_is_asserted_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spoiled(Engine):
        def __init__(self, *given: object) -> None:
            super().__init__(*given)  # type: ignore[arg-type]
            self.world.points.instrument["factor"][self.index["SUB.LOAD.P"]] = math.nan
            self.world.points.instrument["low"][self.index["SUB.LOAD.P"]] = math.nan

    monkeypatch.setattr(scenario, "Engine", Spoiled)
    tag = 'tag = "SUB.LOAD.SCALE_SP"\nplus = "SUB.LOAD.P"\n'
    results = asserted(
        tmp_path,
        tag + "min = -1e9\n",
        tag + "at = 1\nmax = 1e9\n",
        tag + "within = 1\nmin = -1e9\n",
        tag + 'statistic = "mean"\nmin = -1e9\n',
        tag + 'quality = "any"\n',
    )
    assert [r.is_passed for r in results] == [False] * 5
    assert "nan" in results[0].message and "never a number" in results[2].message


# ---------------------------------------------------------------- sequences

OPEN_CLOSE = ["ST_52A: OPEN", "ST_52B: CLOSED", "ST_52B: OPEN", "ST_52A: CLOSED"]


def sequence(*items: str) -> str:
    return f"sequence = [{', '.join(items)}]\n"


def item(status: str, **more: str) -> str:
    extra = "".join(f", {k} = {v}" for k, v in more.items())
    return f'{{ status = "FDR_B.CB_201.{status}"{extra} }}'


def test_status_changes_come_in_order_and_in_time(tmp_path: Path) -> None:
    a, b, _, d = OPEN_CLOSE
    results = asserted(
        tmp_path,
        sequence(*map(item, OPEN_CLOSE)),
        sequence(item(b), item(d)),  # others may lie between
        sequence(
            item(a, at='"trip + 40 ms"'),
            item(b, at='"+ 10 ms"'),
            item(d, at='"close + 60 ms"', tolerance="0"),
        ),
    )
    assert all(r.is_passed for r in results), [r.message for r in results]
    assert results[2].at_s == pytest.approx(1.06)
    assert "ST_52B: CLOSED at 0.55 s" in results[2].message


def test_a_sequence_fails_for_order_time_and_what_did_not_happen(tmp_path: Path) -> None:
    a, b, _, d = OPEN_CLOSE
    order, late, never, outside = asserted(
        tmp_path,
        sequence(item(d), item(b)),
        sequence(item(a), item(b, at='"+ 40 ms"', tolerance="0.02")),
        sequence(item(a), item(a)),
        'to = "trip + 40 ms"\n' + sequence(item(a), item(b)),
    )
    assert not any(r.is_passed for r in (order, late, never, outside))
    assert "ST_52B: CLOSED did not happen at or after 1.06 s; before that" in order.message
    assert "ST_52B: CLOSED at 0.55 s, due at 0.58 s +- 0.02 s (-30 ms)" in late.message
    assert "ST_52A: OPEN did not happen at or after 0.54 s" in never.message
    assert "ST_52B: CLOSED did not happen at or after 0.54 s" in outside.message


def test_lost_events_leave_no_order_to_be_sure_of(tmp_path: Path) -> None:
    done = run_text(tmp_path, TRIP + '[[assert]]\ntitle = "x"\n' + sequence(item(OPEN_CLOSE[0])))
    lossy = dc.replace(done, happenings_lost=3)
    assert [r.is_passed for r in judge(done)][-1] and not judge(lossy)[-1].is_passed
    assert "3 events were lost" in judge(lossy)[-1].message


# ---------------------------------------------------------------- the rest


def test_happenings_are_the_stations_status_changes_and_commands(tmp_path: Path) -> None:
    done = run_text(tmp_path, TRIP)
    own = [h for h in done.happenings if h.tag.startswith("FDR_B.CB_201.ST")]
    changes = [(h.step, h.tag.rpartition(".")[2], h.new) for h in own if h.kind == EVENT_STATUS]
    assert changes == [(54, "ST_52A", 0), (55, "ST_52B", 1), (105, "ST_52B", 0), (106, "ST_52A", 1)]


def test_progress_ends_at_the_last_step_and_speed_is_told(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(HEAD + TRIP)
    seen: list[tuple[int, int]] = []
    done = run(read_scenario(tmp_path / "lab.toml"), lambda n, total: seen.append((n, total)))
    assert seen == sorted(seen) and seen[-1] == (201, 201)
    assert done.simulated_s == pytest.approx(2.01)
    assert done.realtime_factor == pytest.approx(done.simulated_s / done.wall_s)


def test_the_hash_follows_the_files_and_what_they_name(tmp_path: Path) -> None:
    same = run_text(tmp_path, TRIP).config_hash
    (tmp_path / "other").mkdir()
    assert run_text(tmp_path / "other", TRIP).config_hash == same  # wherever it lies
    assert run_text(tmp_path, TRIP, HEAD + "# remark\n").config_hash != same
    done = run_text(tmp_path, TRIP)
    points = done.scenario.plan.points
    fewer = dc.replace(points, points=points.core[:-1])
    changed = dc.replace(done.scenario, plan=dc.replace(done.scenario.plan, points=fewer))
    assert run(changed).config_hash != same
    assert len(same) == 64
