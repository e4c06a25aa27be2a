"""Positions, sources and faults from the points of shipped stations."""

from __future__ import annotations

import pytest

from hil.view import switching
from hil.view.energised import SWITCHING, State, Topology
from hil.view.model import StationModel
from hil.view.switching import Position
from tests.support.map_models import STATIONS, normal_values, opened, reader, shipped_model

IOWA = "iowa240"


def position(model: StationModel, device: str, values: dict[str, float], status: str = "Good") -> Position:
    found = switching.switches(model, reader(values, status))
    return next(s.position for k, s in found.items() if model.branches[k].device == device)


@pytest.mark.parametrize("name", STATIONS)
def test_every_switching_device_of_a_shipped_station_shows_its_position(name: str) -> None:
    model = shipped_model(name)
    found = switching.switches(model, reader(normal_values(model)))
    able = {k: b for k, b in enumerate(model.branches) if b.kind in SWITCHING}
    assert found.keys() == able.keys()
    for k, branch in able.items():
        assert branch.device
        assert found[k].position is (Position.CLOSED if branch.is_closed else Position.OPEN), branch.name


@pytest.mark.parametrize("name", STATIONS)
def test_nothing_is_asked_for_that_the_station_has_not(name: str) -> None:
    model = shipped_model(name)
    tags = [
        *switching.switch_tags(model),
        *switching.feeding_tags(model),
        *switching.fault_tags(model),
    ]
    assert tags
    assert [t for t in tags if not model.has(t)] == []


@pytest.mark.parametrize(
    ("closed", "open_", "expected"),
    [
        (1.0, 0.0, Position.CLOSED),
        (0.0, 1.0, Position.OPEN),
        (0.0, 0.0, Position.MOVING),
        (1.0, 1.0, Position.MOVING),
    ],
)
def test_a_breaker_is_where_both_contacts_say(closed: float, open_: float, expected: Position) -> None:
    values = {"FDR_A.CB_101.ST_52A": closed, "FDR_A.CB_101.ST_52B": open_}
    assert position(shipped_model(IOWA), "FDR_A.CB_101", values) is expected


def test_a_breaker_whose_contacts_are_bad_or_missing_is_unknown() -> None:
    model = shipped_model(IOWA)
    assert position(model, "FDR_A.CB_101", normal_values(model), "BadNoCommunication") is Position.UNKNOWN
    assert position(model, "FDR_A.CB_101", {"FDR_A.CB_101.ST_52A": 1.0}) is Position.UNKNOWN


def test_a_fuse_tells_which_phases_are_blown() -> None:
    model = shipped_model(IOWA)
    device = "FDR_A.FUSE_1011"
    values = normal_values(model) | {f"{device}.BLOWN_B": 1.0}
    found = switching.switches(model, reader(values))
    (fuse,) = (s for k, s in found.items() if model.branches[k].device == device)
    assert (fuse.position, fuse.opened, fuse.conduction.sure) == (Position.PARTLY, "b", 5)
    all_blown = values | {f"{device}.BLOWN_{p}": 1.0 for p in "ABC"}
    assert position(model, device, all_blown) is Position.OPEN


def test_a_one_phase_fuse_minds_its_own_phase_alone() -> None:
    model = shipped_model(IOWA)
    fuse = next(b for b in model.branches if b.kind == "fuse" and b.phases == "c")
    assert position(model, fuse.device, normal_values(model)) is Position.CLOSED
    blown = normal_values(model) | {f"{fuse.device}.BLOWN_C": 1.0}
    assert position(model, fuse.device, blown) is Position.OPEN


def feeds(values: dict[str, float], *, breaker: str = "SUB.CB_HV") -> set[State]:
    """Return the states of the buses of the station with storage, cut off from its grid."""
    model = shipped_model("iowa240-der")
    topology = Topology(model)
    read = reader(normal_values(model) | opened(breaker) | values)
    conduction = {k: s.conduction for k, s in switching.switches(model, read).items()}
    picture = topology.picture(conduction, switching.feeding(model, read))
    return {picture.state(k) for k, b in enumerate(model.buses) if b.feeder}


def test_an_island_is_live_by_a_battery_that_forms_it_or_a_machine_and_by_nothing_else() -> None:
    idle = {"DER.BESS_1.MODE": 1.0, "DER.BESS_2.MODE": 0.0, "DER.DG_1.RUNNING": 0.0}
    assert feeds(idle) == {State.DEAD}
    assert feeds(idle | {"DER.BESS_1.MODE": 2.0}) == {State.LIVE}
    assert feeds(idle | {"DER.DG_1.RUNNING": 1.0}) == {State.LIVE}


def test_a_source_without_voltage_feeds_nothing_and_one_that_is_not_known_may() -> None:
    model = shipped_model(IOWA)
    topology = Topology(model)
    values = normal_values(model)
    for number, expected in ((0.0, State.DEAD), (1.0, State.LIVE), (None, State.UNKNOWN)):
        known = {t: v for t, v in values.items() if t != "SUB.SRC.V"}
        read = reader(known | ({} if number is None else {"SUB.SRC.V": number}))
        conduction = {k: s.conduction for k, s in switching.switches(model, read).items()}
        picture = topology.picture(conduction, switching.feeding(model, read))
        assert {picture.state(k) for k in range(len(model.buses))} == {expected}


def test_a_fault_is_read_with_its_place_and_what_it_is() -> None:
    model = shipped_model(IOWA)
    line = next(p for p in model.places if p.startswith("line."))
    values = {
        "LAB.FAULT_2.APPLIED": 1.0, "LAB.FAULT_2.ON": 1.0, "LAB.FAULT_2.LIVE": 0.0,
        "LAB.FAULT_2.PLACE": float(model.places.index(line)), "LAB.FAULT_2.FRACTION": 0.25,
        "LAB.FAULT_2.TYPE": 6.0, "LAB.FAULT_2.PHASES": 2.0, "LAB.FAULT_3.APPLIED": 0.0,
    }  # fmt: skip
    (fault,) = switching.faults(model, reader(values))
    assert (fault.slot, fault.line, fault.bus) == ("LAB.FAULT_2", line.removeprefix("line."), "")
    assert (fault.fraction, fault.mask, fault.is_break) == (0.25, 2, True)
    assert fault.is_on
    assert not fault.has_voltage
    assert Topology(model).buses_of(fault)


def applied(place: int, **changes: float) -> dict[str, float]:
    values = {"APPLIED": 1.0, "ON": 1.0, "LIVE": 1.0, "FRACTION": 0.5, "TYPE": 3.0, "PHASES": 1.0}
    return {f"LAB.FAULT_2.{k}": v for k, v in (values | {"PLACE": float(place)} | changes).items()}


def test_a_fault_stays_where_it_was_applied_when_its_slot_is_set_up_anew() -> None:
    now_s = 0.0
    model = shipped_model(IOWA)
    first, other = [k for k, place in enumerate(model.places) if place.startswith("line.")][:2]
    kept = switching.AppliedFaults(lambda: now_s)
    kept.now(model, reader(applied(other)))
    now_s = 0.5  # what belongs to it came a little later
    kept.now(model, reader(applied(first)))
    now_s = 5.0
    (fault,) = kept.now(model, reader(applied(other, LIVE=0.0)))
    assert fault.line == model.places[first].removeprefix("line.")
    assert fault.is_set_anew
    assert not fault.has_voltage, "what it does is as it is now"
    (fault,) = kept.now(model, reader(applied(first)))
    assert not fault.is_set_anew
    assert kept.now(model, reader(applied(other, APPLIED=0.0))) == []
    (fault,) = kept.now(model, reader(applied(other)))
    assert fault.line == model.places[other].removeprefix("line.")


def test_a_fault_without_a_place_is_none() -> None:
    model = shipped_model(IOWA)
    for number in (0.0, 1e6):
        values = {"LAB.FAULT_1.APPLIED": 1.0, "LAB.FAULT_1.PLACE": number}
        assert switching.faults(model, reader(values)) == []
