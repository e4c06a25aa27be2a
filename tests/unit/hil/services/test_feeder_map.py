"""The map of the shipped networks, and of small ones made for a question each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hil import paths
from hil.network_files import read_network
from hil.services.feeder_map import FeederMap
from hil.station import Plan, read_plan
from rtcore.network.model import Bus, Line, LineCode, Network, Source, Switch, Transformer, Winding

NETWORKS = ("ieee13", "ieee123", "iowa240", "iowa240-prot", "iowa240-der", "iowa240-ref")
ONE = ((1.0,),)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


@pytest.fixture(scope="module")
def drawn(plan: Plan) -> dict[str, Any]:
    return FeederMap(plan.network, plan.points.points).to_dict()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_bus_of_a_shipped_network_has_a_place_and_branches_name_buses(name: str) -> None:
    network = read_network(paths.find("networks", name, Path()))
    found = FeederMap(network, []).to_dict()
    buses = [b["name"] for b in found["buses"]]
    assert sorted(buses) == sorted(b.name for b in network.buses)
    assert all(math.isfinite(b["x"]) and math.isfinite(b["y"]) for b in found["buses"])
    known = set(buses)
    assert all(b["from"] in known and b["to"] in known for b in found["branches"])
    rank = {b: k for k, b in enumerate(buses)}
    assert all(rank[b["from"]] < rank[b["to"]] for b in found["branches"])


def test_places_of_the_network_are_kept(plan: Plan, drawn: Mapping[str, Any]) -> None:
    given = {b.name: (b.x, b.y) for b in plan.network.buses if b.x is not None}
    assert given
    found = {b["name"]: (b["x"], b["y"]) for b in drawn["buses"]}
    assert all(found[name] == place for name, place in given.items())


def test_a_secondary_stands_beside_its_transformers_primary(drawn: Mapping[str, Any]) -> None:
    place = {b["name"]: (b["x"], b["y"]) for b in drawn["buses"]}
    assert 0.0 < math.dist(place["bus1003"], place["t_bus1003_l"]) < 1.0


def test_a_network_without_places_is_a_tree_whose_buses_lie_apart() -> None:
    network = read_network(paths.find("networks", "ieee123", Path()))
    found = FeederMap(network, []).to_dict()["buses"]
    assert len({(b["x"], b["y"]) for b in found}) == len(found)


def test_buses_belong_to_the_feeder_whose_head_feeds_them(drawn: Mapping[str, Any]) -> None:
    feeder = {b["name"]: b["feeder"] for b in drawn["buses"]}
    assert feeder["bus1"] == feeder["grid_69kv"] == ""
    assert (feeder["bus1001"], feeder["bus2001"], feeder["t_bus3131_l"]) == ("FDR_A", "FDR_B", "FDR_C")


def test_feeders_have_head_and_breaker(plan: Plan) -> None:
    rows = FeederMap(plan.network, plan.points.points).feeders
    assert rows[0] == {"name": "FDR_A", "head": "FDR_A.HEAD", "breaker": "FDR_A.CB_101"}
    assert len(rows) == 3


def test_every_device_of_the_map_has_points(plan: Plan, drawn: Mapping[str, Any]) -> None:
    devices = {p.device for p in plan.points.points}
    shown = {x["device"] for key in ("branches", "items") for x in drawn[key] if x["device"]}
    assert shown <= devices
    kinds = {x["kind"] for x in drawn["branches"]}
    assert kinds == {"line", "breaker", "recloser", "fuse", "transformer", "regulator"}


def test_a_one_phase_service_is_on_the_phase_that_feeds_it(drawn: Mapping[str, Any]) -> None:
    phases = {b["name"]: b["phases"] for b in drawn["buses"]}
    assert phases["t_bus3131_l"] == phases["bus3131"] == "b"
    assert phases["bus1"] == "abc"  # three one-phase regulators bring all


def line(name: str, a: str, b: str, km: float, nodes: tuple[int, ...] = (1, 2, 3)) -> Line:
    return Line(name=name, bus1=a, nodes1=nodes, bus2=b, nodes2=nodes, linecode="c", length=km, unit="km")


def switch(name: str, a: str, b: str, is_closed: bool) -> Switch:
    nodes = (1, 2, 3)
    return Switch(
        name=name, kind="switch", bus1=a, nodes1=nodes, bus2=b, nodes2=nodes, r_ohm=1e-4, is_closed=is_closed
    )


def network(buses: str, **parts: Any) -> Network:
    source = Source(
        name="s", bus=buses[0], nodes=(1, 2, 3), base_kv=1.0, r1_ohm=0.0, x1_ohm=1.0, r0_ohm=0.0, x0_ohm=1.0
    )
    return Network(
        name="n",
        buses=tuple(Bus(name=b, base_kv_ln=7.2) for b in buses),
        sources=(source,),
        linecodes=(LineCode(name="c", unit="km", r=ONE, x=ONE, c_nf=ONE),),
        **parts,
    )


def test_distances_add_up_along_lines_and_an_open_tie_is_walked_last() -> None:
    made = network(
        "abcd",
        lines=(line("ab", "a", "b", 1.5), line("bc", "b", "c", 2.0), line("ad", "a", "d", 0.5)),
        switches=(switch("tie", "d", "c", False),),
    )
    found = FeederMap(made, []).to_dict()
    assert {b["name"]: b["km"] for b in found["buses"]} == {"a": 0.0, "b": 1.5, "c": 3.5, "d": 0.5}
    (tie,) = [b for b in found["branches"] if b["name"] == "tie"]
    assert tie["closed"] is False


def test_what_only_an_open_switch_reaches_is_on_the_map_all_the_same() -> None:
    made = network("abc", lines=(line("ab", "a", "b", 1.0),), switches=(switch("tie", "b", "c", False),))
    found = FeederMap(made, []).to_dict()["buses"]
    assert [b["name"] for b in found] == ["a", "b", "c"]


def test_a_bus_that_nothing_feeds_is_drawn_too() -> None:
    found = FeederMap(network("ab"), []).to_dict()["buses"]
    assert [b["name"] for b in found] == ["a", "b"]


def test_legs_of_a_centre_tapped_service_are_not_phases() -> None:
    def winding(bus: str, nodes: tuple[int, ...]) -> Winding:
        return Winding(bus=bus, nodes=nodes, conn="wye", kv=7.2, kva=25.0, r_pct=1.0)

    unit = Transformer(
        name="t",
        phases=1,
        windings=(winding("b", (3, 0)), winding("c", (1, 0)), winding("c", (0, 2))),
        x_pct=(2.0, 2.0, 1.0),
    )
    made = network("abc", lines=(line("ab", "a", "b", 1.0, (3,)),), transformers=(unit,))
    rows = {b["name"]: b["phases"] for b in FeederMap(made, []).to_dict()["buses"]}
    assert rows == {"a": "abc", "b": "c", "c": "c"}
