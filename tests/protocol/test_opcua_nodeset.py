"""The printed NodeSet2, imported into a stock asyncua server, is the space that ours serves."""

from __future__ import annotations

from pathlib import Path

from asyncua import Server, ua

from protocols import opcua_space as space
from tests.support.opcua_rig import STATION, Rig, station_points

ATTRIBUTES = (
    ua.AttributeIds.NodeClass,
    ua.AttributeIds.BrowseName,
    ua.AttributeIds.DisplayName,
    ua.AttributeIds.Description,
    ua.AttributeIds.DataType,
    ua.AttributeIds.ValueRank,
    ua.AttributeIds.AccessLevel,
)


async def test_the_nodeset_imports_and_browses_like_the_live_server(tmp_path: Path) -> None:
    points = station_points()
    path = tmp_path / "points.xml"
    path.write_text(space.nodeset(points, STATION))
    stock = Server()
    await stock.init()
    await stock.import_xml(path)
    assert (await stock.get_namespace_array())[2] == space.NAMESPACE
    nodes = space.describe(points, STATION)
    with Rig(points) as rig:
        ours = rig.server._server.iserver.aspace
        theirs = stock.iserver.aspace
        for node in nodes:
            key = ua.NodeId(node.key, 2)
            assert key in theirs, node.key
            for attribute in ATTRIBUTES:
                a, b = (s.read_attribute_value(key, attribute) for s in (ours, theirs))
                if not a.StatusCode.is_good():
                    continue
                x, y = a.Value.Value, b.Value.Value if b.Value is not None else None
                if attribute == ua.AttributeIds.Description:
                    x, y = x.Text or "", (y.Text or "") if y is not None else ""
                assert x == y, (node.key, attribute)
            if node.value is not None:
                x, y = (
                    s.read_attribute_value(key, ua.AttributeIds.Value).Value.Value for s in (ours, theirs)
                )
                assert _plain(x) == _plain(y), node.key
            assert _references(ours, key) == _references(theirs, key), node.key
    await stock.iserver.stop()


def _plain(value: object) -> object:
    """Texts without locale: the importer writes an empty one, we write none."""
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, ua.EUInformation):
        return (value.NamespaceUri, value.UnitId, value.DisplayName.Text or "", value.Description.Text)
    if isinstance(value, ua.Range):
        return (value.Low, value.High)
    if isinstance(value, ua.Argument):
        return (value.Name, value.DataType, value.ValueRank, value.Description.Text)
    return value


def _references(aspace: object, key: ua.NodeId) -> set[tuple[object, object, bool]]:
    """References without the way back from a type to its instances, which only importers keep."""
    one_way = {space.HAS_TYPE, space.HAS_MODELLING_RULE}
    found = aspace[key].references  # type: ignore[index]
    return {
        (r.ReferenceTypeId, r.NodeId, r.IsForward)
        for r in found
        if r.IsForward or r.ReferenceTypeId.Identifier not in one_way
    }
