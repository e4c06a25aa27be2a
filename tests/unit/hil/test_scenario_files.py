"""Scenario files: what they say, and every way they can be wrong, in one report."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path

import pytest

from hil import paths, scenario_files, station
from hil.scenario_files import names, read_scenario
from hil.scenario_model import Check, Form, Order, Scenario
from hil.scenario_sections import (
    STATISTICS,
    AssertSection,
    EventSection,
    OrderItem,
    RecordSection,
    ScenarioSection,
)
from hil.scenario_times import duration_ns, seconds
from hil.settings_check import check_file
from rtcore.commands import Reason
from rtcore.errors import UserInputError

DOCS = Path(__file__).parents[3] / "docs" / "scenarios.md"
HEAD = """
[scenario]
name = "lab"
station = "iowa240"
duration = "1 h"
step_ms = 100
"""
P = 'tag = "SUB.T1.P"\n'


@pytest.fixture(autouse=True)
def _station_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario_files, "read_plan", _plan)


@functools.cache
def _plan(name: str) -> station.Plan:
    return station.read_plan(name)


def read(tmp_path: Path, body: str = "", head: str = HEAD) -> Scenario:
    (tmp_path / "lab.toml").write_text(head + body)
    return read_scenario(tmp_path / "lab.toml")


def problems(tmp_path: Path, body: str = "", head: str = HEAD) -> list[str]:
    with pytest.raises(UserInputError) as caught:
        read(tmp_path, body, head)
    return [str(p).replace(f"{tmp_path}/lab.toml: ", "") for p in caught.value.problems]


def check_of(tmp_path: Path, body: str, events: str = "") -> Check:
    found = read(tmp_path, f'{events}\n[[assert]]\ntitle = "x"\n{body}').asserts[0]
    assert isinstance(found, Check)
    return found


# ---------------------------------------------------------------- what a file says


def test_name_station_and_duration_are_enough_and_the_rest_is_the_stations(tmp_path: Path) -> None:
    head = '[scenario]\nname = "lab"\nstation = "iowa240"\nduration = 10\n'
    s = read(tmp_path, head=head)
    assert s.title == "lab"
    assert s.seed == s.plan.station.loop.seed
    assert s.dt_ns == 1_000_000  # never what the host can hold
    assert s.n_steps == 10_001  # the last step lies at the end
    assert s.utc_ns(0) == _plan(str(paths.find("stations", "iowa240"))).station.start_utc_ns


def test_start_seed_and_step_of_the_file_go_before_the_stations(tmp_path: Path) -> None:
    head = HEAD + "start = 2017-01-31T06:00:00-06:00\nseed = 9\n"
    s = read(tmp_path, head=head)
    assert (s.seed, s.dt_ns) == (9, 100_000_000)
    assert s.utc_ns(10) == 1_485_864_001_000_000_000
    (tmp_path / "lab.toml").write_text(head)
    assert read_scenario(tmp_path / "lab.toml", seed=0).seed == 0


def test_a_station_file_is_looked_for_beside_the_scenario(tmp_path: Path) -> None:
    text = (paths.config_dir() / "stations" / "iowa240.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('name = "iowa240"  ', 'name = "mine"  '))
    s = read(tmp_path, head=HEAD.replace('"iowa240"', '"./mine.toml"'))
    assert s.plan.station.name == "mine"


@pytest.mark.parametrize(
    ("written", "at_s"),
    [
        ("12.5", 12.5),
        ("0", 0.0),
        ('"5 min"', 300.0),
        ('"30min"', 1800.0),
        ('"0.5 h 1 min 2 s"', 1862.0),
        ('"12:10"', 600.0),  # the station starts at 12:00
        ("12:10:00", 600.0),
        ('"12:00:01.5"', 1.5),
        ("2017-07-12T12:30:00", 1800.0),
        ("2017-07-12T18:30:00Z", 1800.0),
        ('"2017-07-12T12:30:00"', 1800.0),
        ('"end"', 3600.0),
        ('"start"', 0.0),
        ('"first"', 60.0),
        ('"first + 250 ms"', 60.25),
        ('"end - 1 min"', 3540.0),
        ('"+ 30 s"', 90.0),
    ],
)
def test_times_may_be_written_in_many_ways(tmp_path: Path, written: str, at_s: float) -> None:
    body = f'[[event]]\nname = "first"\nat = 60\n[[event]]\nat = {written}\nname = "second"\n'
    event = next(e for e in read(tmp_path, body).events if e.name == "second")
    assert event.at_ns == round(at_s * 1e9)
    assert event.step == math.ceil(at_s * 10 - 1e-9)  # never before its time; 10 steps a second


def test_an_event_may_refer_to_a_later_one_and_events_come_by_time(tmp_path: Path) -> None:
    body = (
        '[[event]]\nname = "c"\nat = "b + 1 s"\n[[event]]\nname = "b"\nat = "a + 1 s"\n'
        '[[event]]\nname = "a"\nat = 5\n'
    )
    assert [(e.name, e.at_ns // 10**9) for e in read(tmp_path, body).events] == [("a", 5), ("b", 6), ("c", 7)]


def test_tags_may_be_quoted_or_dotted_and_states_named(tmp_path: Path) -> None:
    body = """
[set]
SUB.LOAD.SCALE_SP = 1.5
"SUB.SRC.V_SP" = 1.01
[[event]]
at = 1
set = { FDR_B.CB_201.REMOTE = "LOCAL", "FDR_B.CB_202.REMOTE" = false }
pulse = ["FDR_B.CB_203.TRIP"]
"""
    first, second = read(tmp_path, body).events
    assert first.writes == (("SUB.LOAD.SCALE_SP", 1.5), ("SUB.SRC.V_SP", 1.01))
    assert second.writes == (
        ("FDR_B.CB_201.REMOTE", 0.0),
        ("FDR_B.CB_202.REMOTE", 0.0),
        ("FDR_B.CB_203.TRIP", 1.0),
    )


def test_what_the_plant_must_refuse_may_be_out_of_range_read_only_or_no_number(tmp_path: Path) -> None:
    body = """
[[event]]
at = 1
set = { SUB.LOAD.SCALE_SP = 50 }
expect = "refused"
reason = "out_of_range"
[[event]]
at = 2
set = { SUB.T1.P = 1 }
expect = "refused"
[[event]]
at = 3
set = { SUB.LOAD.SCALE_SP = nan }
expect = "refused"
reason = "not_a_number"
"""
    found = read(tmp_path, body).events
    assert [e.reason for e in found] == [Reason.OUT_OF_RANGE, None, Reason.NOT_A_NUMBER]
    assert all(e.is_refusal_expected for e in found)
    assert math.isnan(found[2].writes[0][1])


@pytest.mark.parametrize(
    ("body", "form", "first", "last"),
    [
        ("min = 0\n", Form.ALWAYS, 0, 36_000),
        ('from = "go"\nto = 20\nmin = 0\n', Form.ALWAYS, 101, 200),
        ('from = "go"\nmin = 0\n', Form.ALWAYS, 101, 36_000),
        ('at = "go"\nmin = 0\n', Form.AT, 100, 100),
        ('after = "go"\nwithin = 2\nmin = 0\n', Form.EVENTUALLY, 101, 120),
        ("within = 2\nmin = 0\n", Form.EVENTUALLY, 0, 20),
        ('statistic = "mean"\nto = "go"\nmin = 0\n', Form.STATISTIC, 0, 100),
    ],
)
def test_the_form_follows_from_the_keys_and_windows_include_both_ends(
    tmp_path: Path, body: str, form: Form, first: int, last: int
) -> None:
    # 10.05 s lies between two steps of 100 ms: a window begins after it, a look at it sees the one before
    check = check_of(tmp_path, P + body, '[[event]]\nname = "go"\nat = 10.05\n')
    assert (check.form, check.first, check.last) == (form, first, last)


@pytest.mark.parametrize(
    ("body", "low", "high"),
    [
        ("min = 1\n", 1.0, math.inf),
        ("max = 2\n", -math.inf, 2.0),
        ("equals = 5\n", 5.0, 5.0),
        ("equals = 5\ntolerance = 0.5\n", 4.5, 5.5),
        ('equals = -50\ntolerance = "10 %"\n', -55.0, -45.0),
        ('quality = "bad"\n', -math.inf, math.inf),
    ],
)
def test_limits(tmp_path: Path, body: str, low: float, high: float) -> None:
    (target,) = check_of(tmp_path, P + body).targets
    assert (target.low, target.high) == (low, high)


def test_a_share_of_a_difference_is_kept_for_when_the_figure_is_known(tmp_path: Path) -> None:
    body = 'minus = "FDR_A.HEAD.P"\nstatistic = "mean"\nequals = 0\ntolerance = "0.1 %"\n'
    check = check_of(tmp_path, P + body)
    assert (check.minus, check.share) == (("FDR_A.HEAD.P",), 0.001)
    assert (check.targets[0].low, check.targets[0].high) == (0.0, 0.0)


def test_patterns_and_lists_name_every_point_once(tmp_path: Path) -> None:
    body = 'tag = ["SUB.BUS1.V*", "SUB.BUS1.VA"]\nmin = 0\n'
    assert [t.point.tag for t in check_of(tmp_path, body).targets] == [f"SUB.BUS1.V{p}" for p in "ABC"]


def test_a_sequence_knows_states_times_and_its_tolerance(tmp_path: Path) -> None:
    body = """
[[event]]
name = "trip"
at = 1
[[assert]]
title = "x"
sequence = [
  "FDR_B.CB_201.ST_52A: OPEN",
  { status = "FDR_B.CB_201.ST_52B:CLOSED", at = "+ 50 ms" },
  { status = "FDR_B.CB_201.ST_52B: OPEN", at = "trip + 5 s", tolerance = "1 ms" },
]
"""
    (order,) = read(tmp_path, body).asserts
    assert isinstance(order, Order)
    a, b, c = order.changes
    assert (a.tag, a.value, a.at_ns) == ("FDR_B.CB_201.ST_52A", 0, None)
    assert (b.value, b.at_ns, b.is_relative, b.tolerance_ns) == (1, 50_000_000, True, 100_000_000)
    assert (c.value, c.at_ns, c.is_relative, c.tolerance_ns) == (0, 6 * 10**9, False, 1_000_000)


def test_a_record_without_a_distance_has_about_600_rows(tmp_path: Path) -> None:
    record = read(tmp_path, '[record]\ntags = "SUB.BUS1.V*"\n').record
    assert (len(record.points), record.every) == (3, 60)  # 1 h in steps of 100 ms


# ---------------------------------------------------------------- what is refused


def test_every_problem_of_a_file_is_in_one_report(tmp_path: Path) -> None:
    body = """
[set]
SUB.LOAD.SCALE_S = 1
SUB.T1.P = 100
SUB.SRC.V_SP = 1.3
FDR_B.CB_201.REMOTE = "REMOT"
FDR_B.CB_202.REMOTE = 0.5
FDR_B.CB_203.TRIP = 0
SUB.TEST.SCRATCH1_SP = "x"
[[event]]
at = "2 h"
pulse = "FDR_B.CB_201.TRIPP"
[[event]]
at = 1
pulse = "FDR_B.CB_201.REMOTE"
[[event]]
at = "trp + 5 s"
note = "x"
[[event]]
name = "trip"
at = 2
expect = "refuse"
[[event]]
at = 3
[[event]]
at = 3
set = { SUB.LOAD.SCALE_SP = nan }
reason = "in_locl"
[[assert]]
title = "a"
tag = "SUB.T1.PP"
min = 1
[[assert]]
tag = "SUB.T1.P"
from = 10
to = 5
max = "x"
form = "always"
[[assert]]
title = "c"
tag = "SUB.T1.P"
at = 5
within = 5
statistic = "mean"
min = 1
[record]
tags = ["SUB.NOTHING.*"]
every = 1
[events]
"""
    found = problems(tmp_path, body)
    expected = {
        "events: unknown table": "did you mean 'event'?",
        "event[3].expect: 'refuse'": "did you mean 'refused'?",
        "event[5].reason: 'in_locl'": "did you mean 'in_local'?",
        "assert[1].title: this key is missing": "no default",
        "assert[1].max: 'x'": "a finite number is needed",
        "assert[1].form: unknown key": "allowed: title, tag, plus, minus, at, from, to,",
        "record.every: unknown key": "did you mean 'every_s'?",
        "event[0].at: '2 h' is 7200 s after the start": "beyond the end of the run (3600 s)",
        "event[0].pulse: the station has no point 'FDR_B.CB_201.TRIPP'": "did you mean 'FDR_B.CB_201.TRIP'?",
        "event[1].pulse: FDR_B.CB_201.REMOTE is a setpoint point": "a momentary command is needed",
        "event[2].at: no event is named 'trp'": "did you mean 'trip'?",
        "event[4]: does nothing": "one of set, pulse",
        "set.SUB.LOAD.SCALE_S: the station has no point": "did you mean 'SUB.LOAD.SCALE_SP'?",
        "set.SUB.T1.P: SUB.T1.P is an analog point": 'expect = "refused"',
        "set.SUB.SRC.V_SP: 1.3 is out of range": "0.8 to 1.2 pu",
        "set.FDR_B.CB_201.REMOTE: FDR_B.CB_201.REMOTE has no state 'REMOT'": "did you mean 'REMOTE'",
        "set.FDR_B.CB_202.REMOTE: 0.5 is out of range": "0 or 1 (LOCAL or REMOTE)",
        "set.FDR_B.CB_203.TRIP: 0 is no command": "takes 1",
        "assert[0].tag: the station has no point 'SUB.T1.PP'": "did you mean 'SUB.T1.P'?",
        "assert[2].within: has no meaning": 'with "at"; allowed: at, tag',
        "assert[2].statistic: has no meaning": 'with "at"',
    }
    for start, rest in expected.items():
        line = next((f for f in found if f.startswith(start)), None)
        assert line is not None, (start, found)
        assert rest in line, line
    assert not any("from_" in f for f in found)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (P + "at = 1\n", "assert[0]: asserts nothing; one of equals, min, max, quality is needed"),
        (
            P + 'statistic = "mean"\nquality = "good"\n',
            "assert[0]: a statistic needs one of equals, min, max",
        ),
        (P + "equals = 1\nmin = 0\n", "assert[0].equals: stands alone"),
        (P + "min = 1\ntolerance = 1\n", "assert[0].tolerance: belongs to equals, which is missing"),
        (P + "min = 2\nmax = 1\n", "assert[0].min: 2 is more than max, 1"),
        (P + "min = nan\n", "assert[0].min: nan is not a limit; a finite number is needed"),
        (P + "min = true\n", "assert[0].min: true is not a limit"),
        (P + 'equals = "OPEN"\n', "has no states; a number is needed"),
        (P + 'equals = 1\ntolerance = "-1 %"\n', "is not a tolerance; a number >= 0, or text like"),
        (P + 'minus = "FDR_A.HEAD.P"\nequals = 0\ntolerance = "1 %"\n', "needs one time or a statistic"),
        (P + "from = 10\nto = 5\nmin = 0\n", "assert[0]: no step (0.1 s) lies from 10 s to 5 s"),
        (P + "from = 1.01\nto = 1.02\nmin = 0\n", "assert[0]: no step (0.1 s) lies from 1.01 s to 1.02 s"),
        (P + 'after = "end - 1 s"\nwithin = 2\nmin = 0\n', "ends 3601 s after the start, beyond the end"),
        (P + "after = 5\nmin = 0\n", 'assert[0].within: this key is missing; "after" needs it'),
        (P + "within = 0\nmin = 0\n", "0 is no time at all; must be > 0 s"),
        (P + 'quality = "goood"\n', "did you mean 'good'?"),
        (P + 'statistic = "average"\nmin = 0\n', "one of min, max, mean"),
        (P + "from_ = 5\nmin = 0\n", "assert[0].from_: unknown key"),
        (P + "form = 5\nmin = 0\n", "did you mean 'from'?"),
        ("min = 0\n", "assert[0].tag: this key is missing"),
        ("tag = []\nmin = 0\n", "assert[0].tag: [] is not a tag or a list of tags"),
        ('tag = "FDR_Z.*"\nmin = 0\n', "assert[0].tag: no point matches 'FDR_Z.*'"),
        ("sequence = []\n", "assert[0].sequence: "),
        ('sequence = ["FDR_B.CB_201.ST_52A"]\n', 'is not a status change; write it like "TAG: STATE"'),
        ('sequence = ["FDR_B.*.ST_52A: OPEN"]\n', "is a pattern; a status change is of one point"),
        ('sequence = ["SUB.T1.P: 1"]\n', "is no status point"),
        ('sequence = ["FDR_B.CB_201.ST_52A: OPENED"]\n', "did you mean 'OPEN'?"),
        ('sequence = [{ status = "FDR_B.CB_201.ST_52A: OPEN", at = "+ 1 s" }]\n', "there is none"),
        ('sequence = [{ status = "FDR_B.CB_201.ST_52A: OPEN", tolerance = 1 }]\n', "belongs to at"),
        ('sequence = ["FDR_B.CB_201.ST_52A: OPEN"]\nmin = 0\n', 'has no meaning with "sequence"'),
    ],
)
def test_an_assertion_that_cannot_be_meant_is_refused(tmp_path: Path, body: str, what: str) -> None:
    found = problems(tmp_path, f'[[assert]]\ntitle = "x"\n{body}')
    assert any(what in f for f in found), found


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("at = 5 \n", "event[0]: does nothing"),
        (
            'at = "12.00"\nname = "x"\n',
            "event[0].at: '12.00' is not a time; write seconds (12.5), a duration",
        ),
        ('at = "25:00"\nname = "x"\n', "'25:00' is not a clock time; 00:00 to 23:59:59"),
        ('at = "11:00"\nname = "x"\n', "is 82800 s after the start, beyond the end"),  # the next day
        ('at = 2017-07-12T11:59:59\nname = "x"\n', "is 1 s before the start"),
        ('at = -1\nname = "x"\n', "-1 is before the start"),
        ('at = true\nname = "x"\n', "true is not a time"),
        ('at = nan\nname = "x"\n', "nan is not a time"),
        ('at = "+ 5 s"\nname = "x"\n', "counts from the one before, and there is none"),
        ('at = "x + 5 s"\nname = "x"\n', "leads back to this event"),
        ('at = 1\nname = "end"\n', "'end' is taken: it names the end of the run"),
        ('at = 1\nname = "a b"\n', "'a b' is not a name"),
        ('at = 1\nname = "x"\n[[event]]\nat = 2\nname = "x"\n', "event[1].name: 'x' names 2 events"),
        ('at = 1\nname = "x"\nexpect = "refused"\n', "event[0]: does nothing"),
        ('at = 1\nset = { SUB.LOAD.SCALE_SP = 1 }\nreason = "in_local"\n', 'belongs to expect = "refused"'),
        ("at = 1\nset = { SUB.LOAD.SCALE_SP = inf }\n", "inf is not a finite number"),
        ("at = 1\nset = { SUB.LOAD.SCALE_SP = [1] }\n", "[1] is not a value; a number, true or false"),
    ],
)
def test_an_event_that_cannot_be_meant_is_refused(tmp_path: Path, body: str, what: str) -> None:
    found = problems(tmp_path, f"[[event]]\n{body}")
    assert any(what in f for f in found), found


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('duration = "5 minutes"', "is not a duration; write seconds (12.5) or text like"),
        ("duration = 0", "0 is out of range; more than 0 s and at most 366 d"),
        ('duration = "367 d"', "'367 d' is out of range"),
        ("duration = 0.05", "0.05 s is less than one step (0.1 s)"),
        ('station = "iowa24"', "did you mean 'iowa240'?"),
        ("step_ms = 0.1", "0.1 is out of range; must be >= 0.25"),
        ('name = "Lab 1"', "'Lab 1' is not a name"),
        ('title = "two\\nlines"', "one printable line"),
        ("start = 2017-01-31T06:00:00", "has no UTC offset"),
        ("seed = -1", "-1 is out of range"),
    ],
)
def test_a_wrong_head_is_refused(tmp_path: Path, line: str, what: str) -> None:
    key = line.partition(" ")[0]
    kept = [row for row in HEAD.splitlines() if not row.startswith(f"{key} ")]
    found = problems(tmp_path, head="\n".join([*kept, line, ""]))
    assert any(f.startswith(f"scenario.{key}: ") and what in f for f in found), found


def test_a_file_without_a_head_says_so_and_still_reports_the_rest(tmp_path: Path) -> None:
    found = problems(tmp_path, "[[event]]\nat = 1\nsett = 1\n", head="")
    assert [f.partition(":")[0] for f in found] == ["event[0].sett", "scenario"]


def test_more_commands_than_one_step_takes_are_refused(tmp_path: Path) -> None:
    tags = [p.tag for p in _plan(str(paths.find("stations", "iowa240"))).points.points if p.is_writable]
    controls = [t for t in tags if t.endswith(("TRIP", "CLOSE", "OPEN"))]
    event = f"[[event]]\nat = 5\npulse = {controls[:20]}\n".replace("'", '"')
    assert "140 commands in one step, 5 s after the start; at most 128" in problems(tmp_path, event * 7)[0]
    assert len(read(tmp_path, event * 6).events) == 6  # 120 of 128


def test_a_record_that_would_not_fit_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, '[record]\ntags = "*"\nevery_s = 0.1\n')
    assert any("record.every_s: makes" in f and "at most 5000000" in f for f in found), found
    found = problems(tmp_path, '[record]\ntags = "SUB.T1.P"\nevery_s = 0.15\n')
    assert any("0.15 s is no multiple of the step, 0.1 s" in f for f in found), found


def test_a_name_that_is_no_file_names_the_shipped_ones() -> None:
    with pytest.raises(UserInputError, match=r"no such scenario file; did you mean 'load_step'\?; shipped: "):
        read_scenario("load_stp")


def test_a_station_that_is_wrong_is_reported_with_the_scenarios_own_slips(tmp_path: Path) -> None:
    text = (paths.config_dir() / "stations" / "iowa240.toml").read_text()
    (tmp_path / "bad.toml").write_text(text.replace("seed = 1", 'seed = "one"'))
    found = problems(tmp_path, '[[assert]]\ntitle = ""\n', head=HEAD.replace('"iowa240"', '"./bad.toml"'))
    assert any("bad.toml: loop.seed" in f for f in found) and any("assert[0].title" in f for f in found)


# ---------------------------------------------------------------- shipped files, check, docs


@pytest.mark.parametrize("name", names())
def test_shipped_scenarios_are_right_and_named_like_their_file(name: str) -> None:
    assert read_scenario(name).name == name
    assert check_file(paths.config_dir() / "scenarios" / f"{name}.toml") == []


PLANT = '[plant.load."*"]\nripple_pu = 0.1\n[plant.load.load_2002]\nripple_tau_s = 5.0\n'


def test_plant_tables_go_over_the_stations(tmp_path: Path) -> None:
    scenario = read(tmp_path, PLANT)
    loads = scenario.plan.plant["load"]
    assert len(loads) == len(scenario.plan.network.loads)
    assert loads["load_2002"] == {"ripple_pu": 0.1, "ripple_tau_s": 5.0}
    assert loads["load_2003"] == {"ripple_pu": 0.1}


def test_a_pattern_of_the_scenario_goes_before_a_name_of_the_station(tmp_path: Path) -> None:
    shipped = (paths.config_dir() / "stations" / "iowa240.toml").read_text()
    (tmp_path / "own.toml").write_text(
        f"{shipped}\n[plant.load.load_2002]\nripple_pu = 0.2\nripple_tau_s = 9.0\n"
    )
    head = HEAD.replace('"iowa240"', '"own.toml"')
    loads = read(tmp_path, '[plant.load."load_2*"]\nripple_pu = 0.1\n', head).plan.plant["load"]
    assert loads["load_2002"] == {"ripple_pu": 0.1, "ripple_tau_s": 9.0}
    assert "load_1003" not in loads


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("[plant.lod.x]\na = 1", "plant.lod: unknown kind; allowed: "),
        ("[plant.load.load_9999]\nripple_pu = 0.1", "plant.load.load_9999: no load of this name; allowed: "),
        ("[plant.load.load_2002]\nriple = 0.1", "plant.load.load_2002: "),
        ("[plant.load.load_2002]\nripple_pu = 0.5", "plant.load.load_2002: ripple_pu = 0.5"),
        ("[plant.load]\nripple_pu = 0.1", "plant.load.ripple_pu: "),
        (
            '[plant.thermal."*"]\ntop_oil_alarm_degc = 10.0',
            'plant.thermal."*": top_oil_alarm_degc = 10.0',
        ),
    ],
)
def test_plant_tables_are_checked_like_a_stations(tmp_path: Path, body: str, what: str) -> None:
    (problem,) = problems(tmp_path, body)
    assert problem.startswith(what), problem


def test_the_stations_values_and_the_scenarios_are_checked_together(tmp_path: Path) -> None:
    head = HEAD.replace('"iowa240"', '"iowa240-der"')
    found = problems(tmp_path, "[plant.microgrid.cb_hv]\nf_good_min_hz = 58.0", head)  # f_min_hz is 58.5
    assert [p.partition(": ")[0] for p in found] == ["plant.microgrid.cb_hv"], found
    required = read(tmp_path, "[plant.active_filter.bus3079]\nis_on = 1.0", head)  # rated_a is the station's
    assert required.plan.plant["active_filter"]["bus3079"] == {"rated_a": 5.0, "is_on": 1.0}


def test_check_tells_a_scenario_from_a_station(tmp_path: Path) -> None:
    plant = tmp_path / "plant.toml"  # no scenario: stations have such tables, too
    plant.write_text(PLANT)
    assert "scenario.name" not in str(check_file(plant))
    path = tmp_path / "lab.toml"
    path.write_text(HEAD + '[[assert]]\ntitle = "x"\ntag = "SUB.T1.PP"\nmin = 1\n')
    (problem,) = check_file(path)
    assert problem.place == "assert[0].tag"


def test_every_key_is_documented() -> None:
    text = DOCS.read_text()
    for model in (ScenarioSection, EventSection, AssertSection, OrderItem, RecordSection):
        for key in model.model_fields:
            assert re.search(rf"\b{key.removesuffix('_')}\b", text), f"{model.__name__}.{key}"
    for word in (*STATISTICS, "good", "uncertain", "usable", "bad", "any"):
        assert f"`{word}`" in text, word


def test_durations_are_exact() -> None:
    assert duration_ns(0.1) == 100_000_000
    assert duration_ns("1.000000001 s") == 1_000_000_001
    assert seconds(100_000_000) == "0.1 s" and seconds(3600 * 10**9) == "3600 s"
