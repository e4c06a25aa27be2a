"""Checks across tables that ``test_network_files`` does not show: distributed resources, unread tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.network_files import read_network
from rtcore.errors import UserInputError
from rtcore.network.model import Der

HEAD = 'format = 1\nname = "mine"\ntitle = "Mine"\nextends = "ieee13"\n'
COLUMNS = "name,kind,bus,nodes,conn,kv,kva,r1_pu,x1_pu,r0_pu,x0_pu\n"


def with_ders(folder: Path, *rows: str, columns: str = COLUMNS) -> Path:
    (folder / "network.toml").write_text(HEAD)
    (folder / "ders.csv").write_text(columns + "".join(f"{row}\n" for row in rows))
    return folder


def test_resources_of_every_kind_are_read_and_a_pv_needs_no_impedance(tmp_path: Path) -> None:
    rows = (
        "roof,pv,671,1 0,wye,2.4,5,,,,",
        "legs,pv,671,1 2,delta,4.16,8,,,,",
        "two,pv,671,1 2 0,wye,4.16,8,,,,",
        "park,pv,671,1 2 3 0,wye,4.16,500,,,,",
        "store,battery,671,1 2 3 0,wye,4.16,250,0.01,0.1,0.02,0.05",
        "diesel,machine,671,1 2 3 0,wye,4.16,400,0,0.2,0,0.08",
    )
    network = read_network(with_ders(tmp_path, *rows))
    assert [(d.name, d.kind, d.phases) for d in network.ders] == [
        ("roof", "pv", 1),
        ("legs", "pv", 1),
        ("two", "pv", 2),
        ("park", "pv", 3),
        ("store", "battery", 3),
        ("diesel", "machine", 3),
    ]
    assert network.ders[4] == Der(
        name="store",
        kind="battery",
        bus="671",
        nodes=(1, 2, 3, 0),
        kv=4.16,
        kva=250.0,
        r1_pu=0.01,
        x1_pu=0.1,
        r0_pu=0.02,
        x0_pu=0.05,
    )


def test_impedance_columns_may_be_left_out_where_all_are_pv(tmp_path: Path) -> None:
    columns = "name,kind,bus,nodes,kv,kva\n"
    (der,) = read_network(with_ders(tmp_path, "roof,pv,671,1 0,2.4,5", columns=columns)).ders
    assert (der.conn, der.x1_pu) == ("wye", 0.0)


MISTAKES = {
    "bus": ("a,pv,6711,1 0,wye,2.4,5,,,,", "bus", "unknown bus '6711'; did you mean '671'"),
    "kind": (
        "a,batery,671,1 0,wye,2.4,5,,,,",
        "kind",
        "not one of pv, battery, machine; did you mean 'battery'",
    ),
    "rating": ("a,pv,671,1 0,wye,2.4,0,,,,", "kva", "0.0 must be above 0"),
    "voltage": ("a,pv,671,1 0,wye,-2.4,5,,,,", "kv", "-2.4 must be above 0"),
    "no nodes": ("a,pv,671,,wye,2.4,5,,,,", "nodes", "the cell is empty"),
    "node twice": ("a,pv,671,1 1 0,wye,2.4,5,,,,", "nodes", "a node stands there twice"),
    "four phases": (
        "a,pv,671,1 2 3 4 0,wye,2.4,5,,,,",
        "nodes",
        "5 nodes; a wye pv has 2 to 4 (the neutral last)",
    ),
    "no phase": ("a,pv,671,1,wye,2.4,5,,,,", "nodes", "1 nodes; a wye pv has 2 to 4"),
    "delta of four": ("a,pv,671,1 2 3 4,delta,2.4,5,,,,", "nodes", "4 nodes; a delta pv has 2 to 3"),
    "pv impedance": ("a,pv,671,1 0,wye,2.4,5,,0.1,,", "x1_pu", "a pv is a current source"),
    "one-phase battery": ("a,battery,671,1 0,wye,2.4,5,0,1,0,1", "nodes", "a battery is three-phase"),
    "floating neutral": ("a,machine,671,1 2 3 4,wye,4,5,0,1,0,1", "nodes", "with grounded neutral"),
    "delta machine": ("a,machine,671,1 2 3,delta,4,5,0,1,0,1", "conn", "a machine is connected wye"),
    "no reactance": (
        "a,machine,671,1 2 3 0,wye,4,5,0,,0,1",
        "x1_pu",
        "0.0 must be above 0: a machine is an EMF",
    ),
    "negative x0": ("a,machine,671,1 2 3 0,wye,4,5,0,1,0,-1", "x0_pu", "-1.0 must be above 0"),
    "negative r": ("a,machine,671,1 2 3 0,wye,4,5,-1,1,0,1", "r1_pu", "-1.0 must not be below 0"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_resource_is_reported_with_its_cell(mistake: str, tmp_path: Path) -> None:
    row, column, words = MISTAKES[mistake]
    with pytest.raises(UserInputError) as caught:
        read_network(with_ders(tmp_path, row))
    (problem,) = caught.value.problems
    assert problem.file == str(tmp_path / "ders.csv")
    assert problem.place == f"row 2 column {column!r}"
    assert words in problem.what


def test_names_of_resources_are_unique(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="'a' stands there 2 times"):
        read_network(with_ders(tmp_path, *["a,pv,671,1 0,wye,2.4,5,,,,"] * 2))


def test_a_table_that_cannot_be_read_is_one_problem_not_one_for_each_row_that_names_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "network.toml").write_text(HEAD)
    (tmp_path / "buses.csv").write_text("name,base_kv_ln\n671,2.4\n")
    with pytest.raises(UserInputError) as caught:
        read_network(tmp_path)
    assert {p.file for p in caught.value.problems} == {str(tmp_path / "buses.csv")}
