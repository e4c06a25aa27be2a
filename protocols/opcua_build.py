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
    """Makes records; what never changes and is equal is one object for all of them."""

    def __init__(self, aspace: AddressSpace, publish_ms: float) -> None:
        self._aspace = aspace
        self._publish_ms = publish_ms
        self._constants: dict[tuple[Any, ...], AttributeValue] = {}
        self._same: dict[tuple[Any, ...], dict[Any, AttributeValue]] = {}
        self._numbers: dict[int, ua.NodeId] = {}
        self._types: dict[tuple[int, NodeKey], ua.ReferenceDescription] = {}
        self._no_type = ua.NodeId()

    def add(self, node: Node) -> NodeData:
        key = self._node_id(node.key)
        record = NodeData(key)
        self._fill(record, node)
        self._aspace[key] = record
        parent = self._aspace[self._node_id(node.parent)]
        parent.references.append(self._reference(node.reference, record, True, node.type_key))
        record.references.append(self._reference(node.reference, parent, False, None))
        if node.type_key:
            record.references.append(self._to_type(space.HAS_TYPE, node.type_key))
        if node.modelling_rule:
            record.references.append(self._to_type(space.HAS_MODELLING_RULE, node.modelling_rule))
        return record

    def _node_id(self, key: NodeKey) -> ua.NodeId:
        if not isinstance(key, int):
            return node_id(key)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = node_id(key)
        return found

    def _fill(self, record: NodeData, node: Node) -> None:
        vt = ua.VariantType
        dims = space.length(node.value) if node.is_array else -1
        kind = (node.node_class, node.data_type, dims, node.is_writable, node.point >= 0)
        same = self._same.get(kind)
        if same is None:
            same = self._same[kind] = self._of_kind(node)
        own = record.attributes = dict(same)
        name_space = 0 if node.is_standard_name else NS_INDEX
        own[_Ids.NodeId] = AttributeValue(ua.DataValue(ua.Variant(record.nodeid, vt.NodeId)))
        own[_Ids.BrowseName] = self._constant(ua.QualifiedName, vt.QualifiedName, node.name, name_space)
        own[_Ids.DisplayName] = self._constant(ua.LocalizedText, vt.LocalizedText, node.name)
        own[_Ids.Description] = self._constant(ua.LocalizedText, vt.LocalizedText, node.description or None)
        if node.node_class == "Variable":
            own[_Ids.Value] = AttributeValue(_value(node))

    def _of_kind(self, node: Node) -> dict[Any, AttributeValue]:
        """Return the attributes that are equal in all nodes of a kind."""
        vt = ua.VariantType
        rows: list[tuple[Any, Any, Any]] = [
            (_Ids.NodeClass, _CLASS[node.node_class], vt.Int32),
            (_Ids.WriteMask, 0, vt.UInt32),
            (_Ids.UserWriteMask, 0, vt.UInt32),
        ]
        if node.node_class == "Object":
            rows.append((_Ids.EventNotifier, 0, vt.Byte))
        elif node.node_class == "ObjectType":
            rows.append((_Ids.IsAbstract, False, vt.Boolean))
        elif node.node_class == "Method":
            rows += [(_Ids.Executable, True, vt.Boolean), (_Ids.UserExecutable, True, vt.Boolean)]
        else:
            access = READ_WRITE if node.is_writable else READ
            rows += [
                (_Ids.DataType, self._node_id(node.data_type), vt.NodeId),
                (_Ids.ValueRank, 1 if node.is_array else -1, vt.Int32),
                (_Ids.AccessLevel, access, vt.Byte),
                (_Ids.UserAccessLevel, access, vt.Byte),
                (_Ids.Historizing, False, vt.Boolean),
                (_Ids.MinimumSamplingInterval, self._publish_ms if node.point >= 0 else 0.0, vt.Double),
            ]
        found = {a: AttributeValue(ua.DataValue(ua.Variant(value, t))) for a, value, t in rows}
        if node.is_array:
            dims = ua.Variant([space.length(node.value)], vt.UInt32, is_array=True)
            found[_Ids.ArrayDimensions] = AttributeValue(ua.DataValue(dims))
        return found

    def _constant(self, make: Any, variant_type: Any, *arguments: Any) -> AttributeValue:
        key = (make, *arguments)
        found = self._constants.get(key)
        if found is None:
            value = ua.Variant(make(*arguments), variant_type)
            found = self._constants[key] = AttributeValue(ua.DataValue(value))
        return found

    def _to_type(self, reference: int, target: NodeKey) -> ua.ReferenceDescription:
        found = self._types.get((reference, target))
        if found is None:
            other = self._aspace[self._node_id(target)]
            found = self._types[reference, target] = self._reference(reference, other, True, None)
        return found

    def _reference(
        self, reference: int, target: NodeData, is_forward: bool, type_key: NodeKey | None
    ) -> ua.ReferenceDescription:
        read = target.attributes
        return ua.ReferenceDescription(
            ReferenceTypeId=self._node_id(reference),
            IsForward=is_forward,
            NodeId=target.nodeid,
            BrowseName=read[_Ids.BrowseName].value.Value.Value,
            DisplayName=read[_Ids.DisplayName].value.Value.Value,
            NodeClass=ua.NodeClass(read[_Ids.NodeClass].value.Value.Value),
            TypeDefinition=self._no_type if type_key is None else self._node_id(type_key),
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
    if isinstance(value, space.Items):
        is_text = bool(value.items) and isinstance(value.items[0], str)
        return ua.DataValue(ua.Variant(list(value.items), vt.String if is_text else vt.Double, is_array=True))
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
            ValueRank=1 if a.is_array else -1,
            Description=ua.LocalizedText(a.description),
        )
        for a in value
    ]
    return ua.DataValue(ua.Variant(arguments, vt.ExtensionObject))
