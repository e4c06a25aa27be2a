"""The numbers that a master writes into a fault slot, and what ``gridhil faults`` prints of them."""

from __future__ import annotations

import csv
import json

import pytest
from typer.testing import CliRunner

from hil import cli
from hil.fault_library import BREAKS, TYPES
from hil.fault_list import fault_rows, place_rows
from hil.station import Plan, read_plan
from rtcore.network.fault_table import place_table


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(cli.app, ["faults", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_places_have_the_numbers_that_a_slot_takes(plan: Plan) -> None:
    rows = place_rows(plan.network)
    table = place_table(plan.network)
    assert [f"{kind}.{name}" for _, kind, name, _ in rows] == table[1:]
    assert [number for number, *_ in rows] == list(range(1, len(table)))


def test_a_place_has_the_phases_of_its_bus_or_line(plan: Plan) -> None:
    phases = {(kind, name): said for _, kind, name, said in place_rows(plan.network)}
    for line in plan.network.lines:
        there = "".join("abc"[n - 1] for n in sorted(line.nodes1) if n <= 3)
        assert phases["line", line.name] == there
        assert set(there) <= set(str(phases["bus", line.bus1]))
    assert phases["bus", "bus3140"] == "c"
    assert phases["line", "l_3160_3161"] == "c"


def test_faults_have_the_numbers_of_their_tables(plan: Plan) -> None:
    rows = fault_rows(plan.faults, plan.network)
    assert [(row[0], row[1]) for row in rows] == list(enumerate(plan.faults.names, 1))
    table = place_table(plan.network)
    assert [table.index(str(row[2])) for row in rows] == plan.faults.rows[:, 0].tolist()
    assert {row[1]: row[3] for row in rows}["end_b_three_phase"] == ""  # at a bus


def test_a_fault_that_names_no_phases_has_as_many_as_its_type_takes(plan: Plan) -> None:
    for _, _, _, _, kind, phases, _, _ in fault_rows(plan.faults, plan.network):
        assert kind in BREAKS or len(str(phases)) == TYPES[str(kind)][1]


def test_table_csv_and_json_say_the_same(plan: Plan) -> None:
    rows = list(csv.DictReader(invoke("iowa240", "--places", "--format", "csv").splitlines()))
    document = json.loads(invoke("iowa240", "--places", "--json"))
    assert [{k: str(v) for k, v in row.items()} for row in document] == rows
    assert document[434] == {"number": 435, "kind": "bus", "name": "bus3140", "phases": "c"}
    text = invoke()
    assert all(name in text for name in plan.faults.names)  # whole, also in a pipe
    library = json.loads(invoke("--json"))
    assert (library[1]["name"], library[1]["place"]) == ("trunk_a_temporary", "line.l_1005_1006")
    assert (library[1]["at"], library[1]["phases"], library[1]["life"]) == (0.5, "ab", "temporary")


def test_a_station_without_a_library_has_an_empty_list() -> None:
    assert json.loads(invoke("iowa240-ref", "--json")) == []
