"""The services as they are declared: nodes, and the manual that speaks of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols import opcua_services
from protocols import opcua_space as space
from protocols.opcua_services import COMMENT_MAX, EVENTS_MAX, SERVICES, TREND_MAX, Service
from protocols.roles import OBSERVER
from tests.support.opcua_rig import STATION, station_points

MANUAL = (Path(__file__).parents[3] / "docs" / "opcua.md").read_text(encoding="utf-8")
TYPE = {
    space.BYTE: "Byte",
    space.UINT32: "UInt32",
    space.UINT64: "UInt64",
    space.DOUBLE: "Double",
    space.STRING: "String",
    space.DATE_TIME: "DateTime",
    space.BYTE_STRING: "ByteString",
}


@pytest.mark.parametrize("service", SERVICES, ids=lambda s: s.name)
def test_the_manual_has_every_argument_with_its_type(service: Service) -> None:
    (row,) = [line for line in MANUAL.splitlines() if line.startswith(f"| {service.name} |")]
    for argument in (*service.inputs, *service.outputs):
        assert f"{argument.name} {TYPE[argument.data_type]}{'[]' if argument.is_array else ''}" in row


def test_the_manual_has_the_limits_that_are_in_force() -> None:
    assert f"N UInt32 (1 to {EVENTS_MAX})" in MANUAL
    assert f"N UInt32 (2 to {TREND_MAX})" in MANUAL
    assert COMMENT_MAX == 256


def test_only_acknowledging_takes_more_than_an_observer() -> None:
    assert [s.name for s in SERVICES if s.role != OBSERVER] == ["Acknowledge"]


def test_services_meet_no_node_of_the_points() -> None:
    points = space.describe(station_points(), STATION)
    nodes = list(opcua_services.nodes(STATION))
    keys = [n.key for n in (*points, *nodes)]
    assert len(set(keys)) == len(keys)
    assert nodes[0].parent == space.root_of(STATION)
    assert {n.node_class for n in nodes} == {"Object", "Method", "Variable"}
