"""What has voltage, by what is closed and what feeds, on the maps of shipped networks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.view.energised import SWITCHING, Conduction, Fault, State, Topology, mask_of, phases_of
from hil.view.model import StationModel
from tests.support.map_models import NETWORKS, network_model

PROTECTED = "iowa240-prot"
"""The network with fuses and reclosers."""


def sources(model: StationModel) -> list[tuple[str, Conduction]]:
    return [(i.bus, Conduction.certain(7)) for i in model.items if i.kind == "source"]


def all_closed(topology: Topology) -> dict[int, Conduction]:
    return {k: Conduction.certain(mask) for k, mask in enumerate(topology.masks)}


def branch_of(model: StationModel, name: str) -> int:
    return next(k for k, b in enumerate(model.branches) if b.name == name)


@pytest.mark.parametrize("name", NETWORKS)
def test_closing_everything_energises_everything_that_is_connected(name: str) -> None:
    topology = Topology(network_model(name))
    picture = topology.picture(all_closed(topology), sources(topology.model))
    dead = [b.name for k, b in enumerate(topology.model.buses) if picture.state(k) is not State.LIVE]
    assert not dead
    assert not picture.faulted


@pytest.mark.parametrize("name", NETWORKS)
def test_the_normal_state_feeds_every_bus(name: str) -> None:
    topology = Topology(network_model(name))
    picture = topology.picture({}, sources(topology.model))
    assert {picture.state(k) for k in range(len(topology.has))} == {State.LIVE}


@pytest.mark.parametrize("name", NETWORKS)
def test_without_a_source_all_is_dead(name: str) -> None:
    topology = Topology(network_model(name))
    picture = topology.picture(all_closed(topology), [])
    assert {picture.state(k) for k in range(len(topology.has))} == {State.DEAD}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_opening_never_makes_anything_live_and_closing_never_dead(data: st.DataObject) -> None:
    topology = Topology(network_model(PROTECTED))
    able = [k for k, b in enumerate(topology.model.branches) if b.kind in SWITCHING]
    closed = {k: Conduction.certain(data.draw(st.integers(0, topology.masks[k]), str(k))) for k in able}
    more = dict(closed)
    one = data.draw(st.sampled_from(able))
    more[one] = Conduction.certain(topology.masks[one])
    before = topology.picture(closed, sources(topology.model))
    after = topology.picture(more, sources(topology.model))
    assert all(b & ~a == 0 for b, a in zip(before.sure, after.sure, strict=True))
    assert before.sure == before.maybe


def test_an_open_feeder_breaker_leaves_its_feeder_dead_and_no_other() -> None:
    model = network_model(PROTECTED)
    topology = Topology(model)
    picture = topology.picture({branch_of(model, "cb_201"): Conduction.certain(0)}, sources(model))
    dead = {b.name for k, b in enumerate(model.buses) if picture.state(k) is State.DEAD}
    assert dead == {b.name for b in model.buses if b.name.startswith(("bus2", "t_bus2", "fuse_2"))}


def test_a_tie_feeds_from_the_other_side() -> None:
    model = network_model(PROTECTED)
    topology = Topology(model)
    conduction = {
        branch_of(model, "cb_201"): Conduction.certain(0),
        branch_of(model, "cb_303"): Conduction.certain(7),
    }
    picture = topology.picture(conduction, sources(model))
    assert {picture.state(k) for k in range(len(model.buses))} == {State.LIVE}


def test_one_blown_phase_leaves_a_lateral_partly_live_and_a_one_phase_service_dead() -> None:
    model = network_model(PROTECTED)
    topology = Topology(model)
    fuse = branch_of(model, "fuse_1011")
    picture = topology.picture({fuse: Conduction.certain(mask_of("bc"))}, sources(model))
    beyond = topology.ends[fuse][1]
    assert picture.state(beyond) is State.PARTLY
    assert phases_of(picture.sure[beyond]) == "bc"
    assert picture.state(topology.index["t_bus1011_l"]) is State.DEAD, "its transformer is on phase a"
    assert picture.state(topology.index["t_bus1012_l"]) is State.LIVE, "its transformer is on phase b"


def test_what_moves_is_unknown_behind_and_does_not_matter_before() -> None:
    model = network_model(PROTECTED)
    topology = Topology(model)
    breaker = branch_of(model, "cb_201")
    picture = topology.picture({breaker: Conduction(0, 7)}, sources(model))
    before, behind = topology.ends[breaker]
    assert picture.state(before) is State.LIVE
    assert picture.state(behind) is State.UNKNOWN


def test_an_unknown_tie_between_two_live_buses_does_not_matter() -> None:
    model = network_model(PROTECTED)
    topology = Topology(model)
    picture = topology.picture({branch_of(model, "cb_204"): Conduction(0, 7)}, sources(model))
    assert {picture.state(k) for k in range(len(model.buses))} == {State.LIVE}


def test_a_fault_marks_its_section_up_to_the_switching_devices() -> None:
    model = network_model(PROTECTED)
    topology = Topology(model)
    fault = Fault("LAB.FAULT_1", bus="bus1006")
    picture = topology.picture({}, sources(model), [fault])
    recloser, head = branch_of(model, "rcl_1006"), branch_of(model, "cb_101")
    assert topology.ends[recloser][1] in picture.faulted
    assert topology.ends[recloser][0] not in picture.faulted
    assert topology.ends[head][1] not in picture.faulted
    resting = topology.picture({}, sources(model), [Fault("LAB.FAULT_1", bus="bus1006", is_on=False)])
    assert not resting.faulted


def test_an_open_conductor_takes_its_phase_away_behind_it() -> None:
    model = network_model(PROTECTED)
    topology = Topology(model)
    line = next(
        b for b in model.branches if b.kind == "line" and b.bus1 == "rcl_1006_load_side" and b.phases == "abc"
    )
    fault = Fault("LAB.FAULT_1", line=line.name, mask=mask_of("b"), is_break=True)
    picture = topology.picture({}, sources(model), [fault])
    assert phases_of(picture.sure[topology.index[line.bus2]]) == "ac"
    assert phases_of(picture.sure[topology.index[line.bus1]]) == "abc"


def test_faults_at_places_that_the_map_has_not_are_left_out() -> None:
    topology = Topology(network_model("ieee13"))
    assert topology.buses_of(Fault("LAB.FAULT_1", line="nowhere")) == ()
    assert topology.buses_of(Fault("LAB.FAULT_1", bus="nowhere")) == ()
