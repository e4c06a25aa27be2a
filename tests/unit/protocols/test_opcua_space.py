"""The address space of a point list, and its NodeSet2 print-out."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from protocols import opcua_space as space
from rtcore.points import Kind
from rtcore.quality import Quality
from tests.support.opcua_rig import STATION, point, station_points

UA = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"


def by_key(nodes: list[space.Node]) -> dict[space.NodeKey, space.Node]:
    return {n.key: n for n in nodes}


def test_every_quality_has_a_status_code_of_its_own() -> None:
    assert set(space.STATUS_NAME) == set(Quality)
    assert len(set(space.STATUS_NAME.values())) == len(Quality)
    for quality, name in space.STATUS_NAME.items():
        assert name.startswith("Good" if quality < 64 else "Uncertain" if quality < 128 else "Bad")


def test_a_tag_becomes_folders_device_and_point() -> None:
    nodes = by_key(space.describe([point("SUB.BUS1.VA", template="bus")], STATION))
    assert nodes["SUB.BUS1.VA"].parent == "SUB.BUS1"
    assert nodes["SUB.BUS1"].parent == "SUB"
    assert nodes["SUB.BUS1"].type_key == "BusType"
    assert nodes["SUB"].type_key == space.FOLDER_TYPE
    assert nodes["SUB"].parent == f"station:{STATION}"


def test_a_device_inside_a_device_keeps_its_own_type() -> None:
    points = [point("A.CB.IA", template="breaker"), point("A.CB.RELAY.P", template="relay")]
    nodes = by_key(space.describe(points, STATION))
    assert nodes["A.CB"].type_key == "BreakerType"
    assert nodes["A.CB.RELAY"].parent == "A.CB"


@pytest.mark.parametrize(
    ("template", "name"),
    [("breaker", "BreakerType"), ("feeder_head", "FeederHeadType"), ("bus-bar", "BusBarType")],
)
def test_object_types_are_named_after_the_template(template: str, name: str) -> None:
    assert space.type_name(template) == name


def test_members_are_mandatory_when_every_device_has_them() -> None:
    points = [point("A.X.V"), point("A.Y.V"), point("A.X.P")]
    nodes = by_key(space.describe(points, STATION))
    assert nodes["MeterType/V"].modelling_rule == space.MANDATORY
    assert nodes["MeterType/P"].modelling_rule == space.OPTIONAL


def test_a_command_is_a_method_with_two_outputs() -> None:
    nodes = by_key(space.describe([point("F.CB.TRIP", Kind.CONTROL)], STATION))
    assert (nodes["F.CB.TRIP"].node_class, nodes["F.CB.TRIP"].name) == ("Method", "Trip")
    assert nodes["F.CB.TRIP/OutputArguments"].value == space.OUTPUTS


def test_columns_name_the_node_and_its_type() -> None:
    rows = {p.tag: space.columns(p) for p in station_points()}
    assert rows["FDR_B.CB_201.IA"] == {
        "opcua_node": "ns=2;s=FDR_B.CB_201.IA",
        "opcua_type": "AnalogItemType/Double",
    }
    assert rows["FDR_B.CB_201.P52A"]["opcua_type"] == "TwoStateDiscreteType/Boolean"
    assert rows["FDR_B.CB_201.TRIP"]["opcua_type"] == "Method"


def test_a_clash_of_node_ids_is_found() -> None:
    with pytest.raises(AssertionError, match="used twice"):
        space.describe([point("A.B"), point("A.B.C", template="x")], STATION)


def test_the_nodeset_holds_the_same_nodes() -> None:
    points = station_points()
    root = ET.fromstring(space.nodeset(points, STATION))
    written = {e.attrib["NodeId"].removeprefix("ns=1;s=") for e in root if "NodeId" in e.attrib}
    assert written == {n.key for n in space.describe(points, STATION)}
    assert root.find(f"{UA}NamespaceUris/{UA}Uri").text == space.NAMESPACE  # type: ignore[union-attr]


def test_the_nodeset_escapes_what_xml_would_misread() -> None:
    text = space.nodeset([point("A.B.C", description='less < more & "so"')], STATION)
    found = ET.fromstring(text).findall(f"{UA}UAVariable/{UA}Description")
    assert 'less < more & "so"' in [e.text for e in found]
