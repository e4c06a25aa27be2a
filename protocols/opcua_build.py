"""Installs the nodes of ``opcua_space`` in asyncua's address space, in bulk.

``Server.add_variable`` costs some 750 us a node because every call walks the node management
service. Here node records are written straight into the address space: 5,600 nodes in a few
tenths of a second, which is what lets the gateway restart within its 8 s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

from protocols import opcua_space as space
from protocols.opcua_space import Node, NodeKey
from rtcore.units import Unit

NS_INDEX = 2
READ, READ_WRITE = 1, 3

_Ids = ua.AttributeIds
_CLASS = {name: getattr(ua.NodeClass, name) for name in ("Object", "ObjectType", "Variable", "Method")}


def node_id(key: NodeKey) -> ua.NodeId:
    """Return asyncua's node id of a key."""
    return ua.NodeId(key, 0) if isinstance(key, int) else ua.NodeId(key, NS_INDEX)


def install(aspace: AddressSpace, nodes: Iterable[Node], publish_ms: float) -> dict[int, NodeData]:
    """Add the nodes, parents first, and return the node record of every point by board index."""
    builder = _Builder(aspace, publish_ms)
    return {
        node.point: record
        for node, record in ((node, builder.add(node)) for node in nodes)
        if node.point >= 0
    }


class _Builder:
    def __init__(self, aspace: AddressSpace, publish_ms: float) -> None:
        self._aspace = aspace
        self._constants: dict[tuple[Any, int], ua.DataValue] = {}
        self._publish_ms = publish_ms

    def add(self, node: Node) -> NodeData:
        key = node_id(node.key)
        record = NodeData(key)
        self._fill(record, node)
        self._aspace[key] = record
        reference = ua.NodeId(node.reference, 0)
        parent = self._aspace[node_id(node.parent)]
        parent.references.append(self._reference(reference, record, is_forward=True, type_key=node.type_key))
        record.references.append(self._reference(reference, parent, is_forward=False))
        for type_id, target in (
            (space.HAS_TYPE, node.type_key),
            (space.HAS_MODELLING_RULE, node.modelling_rule),
        ):
            if target:
                other = self._aspace[node_id(target)]
                record.references.append(self._reference(ua.NodeId(type_id, 0), other, is_forward=True))
        return record

    def _fill(self, record: NodeData, node: Node) -> None:
        put, vt = self._put, ua.VariantType
        name_space = 0 if node.is_standard_name else NS_INDEX
        put(record, _Ids.NodeId, record.nodeid, vt.NodeId)
        put(record, _Ids.NodeClass, _CLASS[node.node_class], vt.Int32)
        put(record, _Ids.BrowseName, ua.QualifiedName(node.name, name_space), vt.QualifiedName)
        put(record, _Ids.DisplayName, ua.LocalizedText(node.name), vt.LocalizedText)
        put(record, _Ids.Description, ua.LocalizedText(node.description or None), vt.LocalizedText)
        put(record, _Ids.WriteMask, 0, vt.UInt32)
        put(record, _Ids.UserWriteMask, 0, vt.UInt32)
        if node.node_class == "Object":
            put(record, _Ids.EventNotifier, 0, vt.Byte)
        elif node.node_class == "ObjectType":
            put(record, _Ids.IsAbstract, False, vt.Boolean)
        elif node.node_class == "Method":
            put(record, _Ids.Executable, True, vt.Boolean)
            put(record, _Ids.UserExecutable, True, vt.Boolean)
        else:
            self._fill_variable(record, node)

    def _fill_variable(self, record: NodeData, node: Node) -> None:
        put, vt = self._put, ua.VariantType
        access = READ_WRITE if node.is_writable else READ
        put(record, _Ids.DataType, ua.NodeId(node.data_type, 0), vt.NodeId)
        put(record, _Ids.ValueRank, 1 if node.is_array else -1, vt.Int32)
        if node.is_array:
            dims = ua.DataValue(ua.Variant([len(space.OUTPUTS)], vt.UInt32, is_array=True))
            record.attributes[_Ids.ArrayDimensions] = AttributeValue(dims)
        put(record, _Ids.AccessLevel, access, vt.Byte)
        put(record, _Ids.UserAccessLevel, access, vt.Byte)
        put(record, _Ids.Historizing, False, vt.Boolean)
        put(record, _Ids.MinimumSamplingInterval, self._publish_ms if node.point >= 0 else 0.0, vt.Double)
        record.attributes[_Ids.Value] = AttributeValue(_value(node))

    def _put(self, record: NodeData, attribute: Any, value: Any, variant_type: Any) -> None:
        """Set a constant attribute; equal values of simple types share one DataValue."""
        if isinstance(value, int | float | bool):
            shared = (repr(value), int(variant_type))
            data = self._constants.get(shared)
            if data is None:
                data = self._constants[shared] = ua.DataValue(ua.Variant(value, variant_type))
        else:
            data = ua.DataValue(ua.Variant(value, variant_type))
        record.attributes[attribute] = AttributeValue(data)

    def _reference(
        self, type_id: ua.NodeId, target: NodeData, *, is_forward: bool, type_key: NodeKey | None = None
    ) -> ua.ReferenceDescription:
        read = target.attributes
        return ua.ReferenceDescription(
            ReferenceTypeId=type_id,
            IsForward=is_forward,
            NodeId=target.nodeid,
            BrowseName=read[_Ids.BrowseName].value.Value.Value,
            DisplayName=read[_Ids.DisplayName].value.Value.Value,
            NodeClass=ua.NodeClass(read[_Ids.NodeClass].value.Value.Value),
            TypeDefinition=ua.NodeId() if type_key is None else node_id(type_key),
        )


def _value(node: Node) -> ua.DataValue:
    if node.value is None:
        return ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData))
    vt = ua.VariantType
    value = node.value
    if isinstance(value, str):
        return ua.DataValue(ua.Variant(value, vt.String))
    if isinstance(value, space.Text):
        return ua.DataValue(ua.Variant(ua.LocalizedText(value.text), vt.LocalizedText))
    if isinstance(value, space.Range):
        return ua.DataValue(ua.Variant(ua.Range(Low=value.low, High=value.high), vt.ExtensionObject))
    if isinstance(value, Unit):
        unit = ua.EUInformation(
            NamespaceUri=space.UNIT_NAMESPACE,
            UnitId=value.unece_id,
            DisplayName=ua.LocalizedText(value.name),
            Description=ua.LocalizedText(value.description),
        )
        return ua.DataValue(ua.Variant(unit, vt.ExtensionObject))
    arguments = [
        ua.Argument(
            Name=a.name,
            DataType=ua.NodeId(a.data_type, 0),
            ValueRank=-1,
            Description=ua.LocalizedText(a.description),
        )
        for a in value
    ]
    return ua.DataValue(ua.Variant(arguments, vt.ExtensionObject))
