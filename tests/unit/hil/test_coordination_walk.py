"""Who is behind whom in a radial network, and what each device protects."""

from __future__ import annotations

import dataclasses as dc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.coordination_walk import walk
from rtcore.errors import UserInputError
from rtcore.network.model import Bus, Switch
from tests.support.small_feeder import feeder, line, switch, transformer


def test_every_device_knows_the_next_one_towards_the_source() -> None:
    found = walk(feeder(), {"cb_a", "rcl", "fuse_f"})
    assert {name: p.upstream for name, p in found.items()} == {"cb_a": "", "rcl": "cb_a", "fuse_f": "rcl"}
    assert {name: p.zone for name, p in found.items()} == {
        "cb_a": ("a", "b"),
        "rcl": ("c", "d"),
        "fuse_f": ("e", "f"),
    }
    assert all(p.is_forward for p in found.values())


def test_a_switch_without_protection_is_a_piece_of_wire() -> None:
    assert walk(feeder(), {"fuse_f"})["fuse_f"].upstream == ""


def test_what_is_behind_an_open_switch_has_no_position() -> None:
    net = feeder()
    opened = dc.replace(net, switches=(net.switches[0], switch("rcl", "b", "c", is_closed=False)))
    assert list(walk(opened, {"cb_a", "rcl", "fuse_f"})) == ["cb_a"]


def test_a_switch_fed_from_its_second_terminal_looks_backward() -> None:
    net = feeder()
    turned = dc.replace(net, switches=(net.switches[0], switch("rcl", "c", "b")))
    assert not walk(turned, {"cb_a", "rcl"})["rcl"].is_forward


def test_a_loop_between_devices_is_no_matter() -> None:
    looped = feeder(lines=(*feeder().lines, line("l1b", "a", "b", 3.0)))
    assert walk(looped, {"cb_a", "rcl"})["cb_a"].zone == ("a", "b")


@pytest.mark.parametrize(
    "more",
    [switch("cb_p", "b", "d"), switch("cb_p", "s", "c"), switch("cb_p", "a", "b")],
    ids=["beside the recloser", "from the source", "beside a line"],
)
def test_a_device_in_a_loop_is_refused(more: Switch) -> None:
    looped = feeder(switches=(*feeder().switches, more))
    with pytest.raises(UserInputError, match="fed from both sides"):
        walk(looped, {"cb_a", "rcl", "cb_p"})


def test_faults_are_not_looked_for_behind_service_transformers() -> None:
    """Behind a transformer that leads to a device they are."""
    buses = (*feeder().buses, Bus(name="lv", base_kv_ln=0.277), Bus(name="lv2", base_kv_ln=0.277))
    net = feeder(buses=buses, transformers=(transformer("t", "b", "lv", (13.8, 0.48)),))
    assert walk(net, {"cb_a", "rcl"})["cb_a"].zone == ("a", "b")
    below = dc.replace(net, switches=(*net.switches, switch("cb_lv", "lv", "lv2")))
    found = walk(below, {"cb_a", "rcl", "cb_lv"})
    assert found["cb_a"].zone == ("a", "b", "lv")
    assert found["cb_lv"].upstream == "cb_a"


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int], list[bool]]:
    """Parent of every bus but the first, and whether a device stands between the two."""
    n = draw(st.integers(1, 12))
    parents = [draw(st.integers(0, k)) for k in range(n)]
    return parents, [draw(st.booleans()) for _ in range(n)]


@given(trees())
def test_upstream_is_the_last_device_on_the_way_from_the_source(tree: tuple[list[int], list[bool]]) -> None:
    parents, has_device = tree
    lines = [line(f"l{k}", f"b{p}", f"b{k + 1}", 1.0) for k, p in enumerate(parents) if not has_device[k]]
    switches = [switch(f"d{k}", f"b{k + 1}", f"b{p}") for k, p in enumerate(parents) if has_device[k]]
    net = feeder(
        buses=tuple(Bus(name=f"b{k}", base_kv_ln=8.0) for k in range(len(parents) + 1)),
        sources=(dc.replace(feeder().sources[0], bus="b0"),),
        lines=tuple(lines),
        switches=tuple(switches),
    )

    def last_device(bus: int) -> str:
        while bus > 0:
            if has_device[bus - 1]:
                return f"d{bus - 1}"
            bus = parents[bus - 1]
        return ""

    found = walk(net, {s.name for s in switches})
    assert {n: p.upstream for n, p in found.items()} == {
        f"d{k}": last_device(p) for k, p in enumerate(parents) if has_device[k]
    }
    zones = [bus for p in found.values() for bus in p.zone]
    behind = [f"b{k}" for k in range(len(parents) + 1) if last_device(k)]
    assert sorted(zones) == sorted(behind)
