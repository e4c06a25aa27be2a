"""Faults in scenario files: the commands they become, and every way they can be wrong."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from hil import scenario_files, station
from hil.fault_library import DEFAULT_S, FaultSection, place_table
from hil.scenario import run
from hil.scenario_files import read_scenario
from hil.scenario_model import Event, Scenario
from hil.scenario_verdicts import judge
from rtcore.errors import UserInputError
from rtcore.plant.fault import SETUP

DOCS = Path(__file__).parents[3] / "docs" / "scenarios.md"
HEAD = """
[scenario]
name = "lab"
station = "iowa240"
duration = "2 s"
step_ms = 10
"""
INLINE = """
[[event]]
name = "strike"
at = 1
fault = { line = "l_3107_3118", at = 0.3, type = "ll", phases = "ca", life = "temporary", deionise_s = 0.4 }
slot = 2
"""


@pytest.fixture(autouse=True)
def _station_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario_files, "read_plan", _plan)


@functools.cache
def _plan(name: str) -> station.Plan:
    return station.read_plan(name)


def read(tmp_path: Path, body: str, head: str = HEAD) -> Scenario:
    (tmp_path / "lab.toml").write_text(head + body)
    return read_scenario(tmp_path / "lab.toml")


def events(tmp_path: Path, body: str) -> tuple[Event, ...]:
    return read(tmp_path, body).events


def problems(tmp_path: Path, body: str, head: str = HEAD) -> list[str]:
    with pytest.raises(UserInputError) as caught:
        read(tmp_path, body, head)
    return sorted(f"{p.place}: {p.what}" for p in caught.value.problems)


def at(times_s: tuple[float, ...], *, slots: tuple[int, ...] = (), life: str = "") -> str:
    """Return events with a fault each."""
    fault = f'{{ bus = "bus2058", type = "3ph"{life} }}'
    tables = [f"[[event]]\nat = {t}\nfault = {fault}\n" for t in times_s]
    return "".join(t + f"slot = {k}\n" for t, k in zip(tables, slots or (1,) * len(tables), strict=True))


TEMPORARY = ', life = "temporary"'


# ---------------------------------------------------------------- what it becomes


def test_a_fault_is_armed_and_set_up_a_step_before_it_is_applied(tmp_path: Path) -> None:
    before, event = events(tmp_path, INLINE)
    assert (before.step, event.step) == (99, 100)
    assert (before.name, event.name) == ("", "strike")
    assert before.writes[0] == ("LAB.ARM.ARM", 1.0)
    assert event.writes == (("LAB.FAULT_2.APPLY", 1.0),)


def test_the_set_up_is_the_whole_fault_so_that_nothing_stays_from_the_one_before(tmp_path: Path) -> None:
    before, _ = events(tmp_path, INLINE)
    values = {tag.removeprefix("LAB.FAULT_2."): v for tag, v in before.writes[1:]}
    names = [attr.removesuffix("_sp").upper() for attr in SETUP]
    assert sorted(values) == sorted(names)
    place = place_table(_plan(str(station_path())).network).index("line.l_3107_3118")
    expected = {"PLACE": place, "FRACTION": 0.3, "TYPE": 4, "PHASES": 5, "R_OHM": 1e-4, "LIFE": 1}
    assert values == expected | {k.upper(): v for k, v in (DEFAULT_S | {"deionise_s": 0.4}).items()}


def station_path() -> Path:
    from hil import paths

    return paths.find("stations", "iowa240")


def test_a_fault_of_the_library_goes_by_its_name(tmp_path: Path) -> None:
    before, event = events(tmp_path, '[[event]]\nat = 1\nfault = "trunk_b_permanent"\n')
    values = dict(before.writes)
    library = _plan(str(station_path())).faults
    row = library.rows[library.names.index("trunk_b_permanent")].tolist()
    tags = [f"LAB.FAULT_1.{attr.removesuffix('_sp').upper()}" for attr in SETUP]
    assert [values[tag] for tag in tags] == row
    assert event.writes == (("LAB.FAULT_1.APPLY", 1.0),)
    assert before.said == (
        "armed, slot 1: trunk_b_permanent: llg bc on line l_2027_2032 at 0.5, 0.2 ohm, permanent"
    )


def test_clearing_and_other_commands_of_the_event_are_one_request_with_the_fault(tmp_path: Path) -> None:
    body = INLINE + 'clear_fault = 3\npulse = "FDR_B.CB_201.TRIP"\nset = { SUB.LOAD.SCALE_SP = 1.1 }\n'
    _, event = events(tmp_path, body)
    assert event.writes == (
        ("SUB.LOAD.SCALE_SP", 1.1),
        ("FDR_B.CB_201.TRIP", 1.0),
        ("LAB.FAULT_3.CLEAR", 1.0),
        ("LAB.FAULT_2.APPLY", 1.0),
    )


def test_faults_of_one_time_need_slots_of_their_own_and_no_more(tmp_path: Path) -> None:
    found = events(tmp_path, at((1, 1), slots=(1, 2)))
    assert [e.step for e in found] == [99, 99, 100, 100]


@pytest.mark.parametrize(
    "body",
    [
        at((0.5, 0.52), life=TEMPORARY),  # it may have gone, nobody can know before the run
        at((0.5,)) + "[[event]]\nat = 0.6\nclear_fault = 1\n" + at((0.7,)),
        at((0.5,)) + '[[event]]\nat = 0.6\npulse = "LAB.FAULT_1.CLEAR"\n' + at((0.7,)),
        at((0.5,)) + at((0.7,)) + "clear_fault = 1\n",
    ],
)
def test_a_slot_may_be_used_again_when_its_fault_ends(tmp_path: Path, body: str) -> None:
    assert sum(tag == "LAB.FAULT_1.APPLY" for e in events(tmp_path, body) for tag, _ in e.writes) == 2


# ---------------------------------------------------------------- what is refused

PLACE_AT_START = "the step before it arms and sets up the slot; 0.01 s at the earliest"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ('fault = "trunk_b_permanet"', "event[0].fault: no fault 'trunk_b_permanet'"),
        ("fault = 3", "event[0].fault: 3 is not a fault; a name of the station's library, or a table"),
        ('fault = { bus = "bus2058" }', "event[0].fault.type: this key is missing"),
        (
            'fault = { bus = "bus2058", type = "3ph", line = "l_1001_1002" }',
            "event[0].fault.bus: either bus or line",
        ),
        ('fault = { bus = "bus2O58", type = "3ph" }', "event[0].fault.bus: no bus 'bus2O58' in this network"),
        (
            'fault = { bus = "bus2058", type = "slg", phases = "ab" }',
            "event[0].fault.phases: 'ab': slg takes 1",
        ),
        (
            'fault = { bus = "bus1015", type = "3ph" }',
            "event[0].fault.type: 3ph takes 3 phases; the place has",
        ),
        ('fault = { bus = "bus2058", type = "3ph", at = 0.5 }', "event[0].fault.at: a bus has no share"),
        (
            'fault = { bus = "bus2058", type = "3ph", on_s = 1 }',
            "event[0].fault.on_s: has no meaning for a permanent",
        ),
        (
            'fault = { bus = "bus2058", type = "3ph", name = "x" }',
            "event[0].fault.name: unknown key; allowed",
        ),
        ('fault = { bus = "bus2058", type = "3ph", r_ohm = 0 }', "event[0].fault.r_ohm: 0 is out of range"),
        (
            'fault = "trunk_b_permanent"\nslot = 9',
            "event[0].slot: the station has no fault slot 9; slots: 1, 2",
        ),
        ('fault = "trunk_b_permanent"\nslot = 0', "event[0].slot: 0 is out of range; must be >= 1"),
        ('note = "x"\nslot = 2', "event[0].slot: belongs to fault, which is missing"),
        ("clear_fault = 9", "event[0].clear_fault: the station has no fault slot 9"),
        ('fault = "trunk_b_permanent"\nexpect = "refused"', "event[0].expect: faults are always done"),
    ],
)
def test_what_cannot_be_is_a_problem_of_the_file(tmp_path: Path, event: str, said: str) -> None:
    (problem,) = problems(tmp_path, f"[[event]]\nat = 1\n{event}\n")
    assert problem.startswith(said), problem


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (at((0,)), f"event[0].fault: a fault cannot come at step 0: {PLACE_AT_START}"),
        (at((1, 1)), "event[1].fault: event[0] uses slot 1 at the same time; give one another slot"),
        (
            at((1, 1.01), slots=(1, 2)),
            "event[1].fault: one step after that of event[0], which uses up the arming; "
            "give both the same time, or let 0.02 s lie between",
        ),
        (
            at((1.01, 1), slots=(1, 2)),  # by time, not by place in the file
            "event[0].fault: one step after that of event[1], which uses up the arming; "
            "give both the same time, or let 0.02 s lie between",
        ),
        (
            at((0.5, 1)),
            "event[1].fault: slot 1 still holds the fault of event[0]; "
            "clear it before (clear_fault = 1), or take another slot",
        ),
        (
            at((0.5,)) + "[[event]]\nat = 0.6\nclear_fault = 2\n" + at((1,)),
            "event[2].fault: slot 1 still holds the fault of event[0]; "
            "clear it before (clear_fault = 1), or take another slot",
        ),
    ],
)
def test_faults_that_are_in_each_others_way_are_a_problem(tmp_path: Path, body: str, said: str) -> None:
    assert problems(tmp_path, body) == [said]


@pytest.mark.parametrize(
    ("station_keys", "said"),
    [
        ("faults", "event[0].fault: 'trunk_b_permanent': the station names no library of faults"),
        ("", "event[0].fault: no fault 'trunk_c_permanent'"),
    ],
)
def test_a_station_without_the_fault_says_so(tmp_path: Path, station_keys: str, said: str) -> None:
    text = station_path().read_text()
    if station_keys:
        text = re.sub(r"(?m)^faults = .*$", "", text)
    (tmp_path / "own.toml").write_text(text)
    name = "trunk_b_permanent" if station_keys else "trunk_c_permanent"
    head = HEAD.replace('"iowa240"', '"own.toml"')
    (problem,) = problems(tmp_path, f'[[event]]\nat = 1\nfault = "{name}"\n', head)
    assert problem.startswith(said), problem


def test_a_station_without_slots_says_so(tmp_path: Path) -> None:
    head = HEAD.replace('"iowa240"', '"iowa240-ref"')
    found = problems(tmp_path, at((1,)) + "[[event]]\nat = 1\nclear_fault = 1\n", head)
    what = "the station has no points to arm, set up and apply faults"
    assert found == [f"event[0].slot: {what}", f"event[1].clear_fault: {what}"]


def test_every_key_of_a_fault_is_documented() -> None:
    text = DOCS.read_text().partition("### Faults")[2].partition("### Requests")[0]
    for key in FaultSection.model_fields:
        assert f"`{key}`" in text, key


# ---------------------------------------------------------------- on the plant


@pytest.mark.timeout(600)
def test_the_fault_is_there_at_its_step_and_goes_at_that_of_its_clearing(tmp_path: Path) -> None:
    body = """
[[event]]
name = "strike"
at = "500 ms"
fault = { bus = "bus2058", type = "slg", r_ohm = 1.0 }
note = "branch"
[[event]]
name = "gone"
at = "540 ms"
clear_fault = 1
[[assert]]
title = "there and gone"
sequence = [
  { status = "LAB.FAULT_1.ON: ON", at = "strike", tolerance = 0 },
  { status = "LAB.FAULT_1.ON: OFF", at = "gone", tolerance = 0 },
]
[[assert]]
title = "it carries current"
tag = "LAB.FAULT_1.IA_A"
at = "strike"
min = 100
"""
    done = run(read(tmp_path, body, HEAD.replace("2 s", "600 ms")))
    results = judge(done)
    assert all(r.is_passed for r in results), [r.message for r in results]
    assert [(r.title, r.message) for r in results[:3]] == [
        ("arm and set up: branch", "armed, slot 1: slg at bus bus2058, 1 ohm, permanent: done"),
        ("branch", "LAB.FAULT_1.APPLY: done"),
        ("gone", "LAB.FAULT_1.CLEAR: done"),
    ]
