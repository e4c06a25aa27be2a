"""OPC UA address space of a point list: folders, typed devices, variables and methods. Pure.

Knows nothing of sockets or of the server library: the result is a list of plain nodes that
the server turns into its own and that ``nodeset`` prints as NodeSet2 XML. Node ids are
``ns=2;s=<TAG>`` in the namespace ``urn:gridhil:points``; tags are upper case, so ids of
folders, types and properties, which carry other characters, never meet a tag.
"""

from __future__ import annotations

import dataclasses as dc
from collections import Counter
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from rtcore.points import Kind, Point
from rtcore.quality import Quality
from rtcore.units import UNITS, Unit

NAMESPACE = "urn:gridhil:points"
UNIT_NAMESPACE = "http://www.opcfoundation.org/UA/units/un/cefact"

# Numeric ids of namespace 0 (OPC 10000-6, NodeIds.csv).
BOOLEAN, BYTE, UINT32, UINT64, DOUBLE, STRING, DATE_TIME, BYTE_STRING = 1, 3, 7, 9, 11, 12, 13, 15
LOCALIZED_TEXT = 21
RANGE, EU_INFORMATION, ARGUMENT = 884, 887, 296
RANGE_XML, EU_INFORMATION_XML, ARGUMENT_XML = 885, 888, 297
ORGANIZES, HAS_MODELLING_RULE, HAS_TYPE, HAS_SUBTYPE, HAS_PROPERTY, HAS_COMPONENT = 35, 37, 40, 45, 46, 47
BASE_OBJECT_TYPE, FOLDER_TYPE, BASE_DATA_VARIABLE_TYPE, PROPERTY_TYPE, OBJECTS = 58, 61, 63, 68, 85
ANALOG_ITEM_TYPE, TWO_STATE_TYPE = 2368, 2373
MANDATORY, OPTIONAL = 78, 80

STATUS_NAME = {
    Quality.GOOD: "Good",
    Quality.GOOD_LOCAL_OVERRIDE: "GoodLocalOverride",
    Quality.UNCERTAIN_LAST_USABLE: "UncertainLastUsableValue",
    Quality.UNCERTAIN_SUBSTITUTE: "UncertainSubstituteValue",
    Quality.UNCERTAIN_INITIAL: "UncertainInitialValue",
    Quality.UNCERTAIN_SENSOR: "UncertainSensorNotAccurate",
    Quality.UNCERTAIN_RANGE: "UncertainEngineeringUnitsExceeded",
    Quality.BAD: "Bad",
    Quality.BAD_SENSOR: "BadSensorFailure",
    Quality.BAD_NO_COMMUNICATION: "BadNoCommunication",
    Quality.BAD_OUT_OF_SERVICE: "BadOutOfService",
    Quality.BAD_DEENERGISED: "BadNotConnected",
    Quality.BAD_WAITING: "BadWaitingForInitialData",
    Quality.BAD_NOT_CONVERGED: "BadDeviceFailure",
}
"""Point quality -> OPC UA status code, one to one; part of the printed map.

Bad values are null (OPC 10000-4, 7.7.1), except BadNotConnected: a dead section is known to
be at zero, and the zero is sent with the status. BadNoCommunication says that the plant
process itself does not answer.
"""

NodeKey = int | str
"""An int is an id of namespace 0, a str one of ``NAMESPACE``."""


@dc.dataclass(frozen=True, slots=True)
class Range:
    """EURange: what the point can read or be set to."""

    low: float
    high: float


@dc.dataclass(frozen=True, slots=True)
class Argument:
    """Argument of a method."""

    name: str
    data_type: int
    description: str
    is_array: bool = False


@dc.dataclass(frozen=True, slots=True)
class Text:
    """A localised text in the default locale."""

    text: str


@dc.dataclass(frozen=True, slots=True)
class Items:
    """A constant array of strings or of numbers."""

    items: tuple[str, ...] | tuple[float, ...]


NodeValue = None | str | Range | Unit | Text | Items | tuple[Argument, ...]

OUTPUTS = (
    Argument("Result", STRING, "done, or why the command was refused"),
    Argument("Step", UINT64, "simulation step at which the command took effect"),
)


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node; ``point`` is the board index of the point that it shows, -1 for none."""

    key: NodeKey
    node_class: str  # Object, ObjectType, Variable or Method
    name: str
    parent: NodeKey
    reference: int
    type_key: NodeKey | None = None
    description: str = ""
    is_standard_name: bool = False  # browse name in namespace 0
    data_type: int = 0
    value: NodeValue = None
    is_array: bool = False
    is_writable: bool = False
    modelling_rule: int = 0
    point: int = -1


def type_name(template: str) -> str:
    """Return the ObjectType of a device template: ``feeder_head`` -> ``FeederHeadType``."""
    return "".join(part.capitalize() for part in template.replace("-", "_").split("_")) + "Type"


def method_name(tag: str) -> str:
    """Return the browse name of a command: ``FDR_B.CB_201.TRIP`` -> ``Trip``."""
    return "".join(part.capitalize() for part in tag.rpartition(".")[2].split("_"))


def node_id(point: Point) -> str:
    """Return the node id of a point as clients write it."""
    return f"ns=2;s={point.tag}"


def columns(point: Point) -> dict[str, str]:
    """Return the OPC UA columns of the printed map."""
    return {"opcua_node": node_id(point), "opcua_type": _wire_type(point)}


def describe(points: Sequence[Point], station: str) -> list[Node]:
    """Return every node of the station, parents before children.

    Parameters
    ----------
    points : sequence of Point
        In board order.
    station : str
        Name of the folder under Objects.
    """
    root = root_of(station)
    nodes = list(_types(points))
    nodes.append(
        Node(
            key=root,
            node_class="Object",
            name=station,
            parent=OBJECTS,
            reference=ORGANIZES,
            type_key=FOLDER_TYPE,
            description="gridhil station",
        )
    )
    templates = {p.device: p.template for p in reversed(points)}
    seen: set[str] = set()
    for index, point in enumerate(points):
        nodes.extend(_branches(point.device, root, templates, seen))
        nodes.extend(_point_nodes(index, point, point.device or root))
    clash = [key for key, n in Counter(n.key for n in nodes).items() if n > 1]
    assert not clash, f"node ids used twice: {clash[:5]}"
    return nodes


def root_of(station: str) -> str:
    """Return the key of the station's folder."""
    return f"station:{station}"


def _wire_type(point: Point) -> str:
    if point.kind is Kind.CONTROL:
        return "Method"
    return "TwoStateDiscreteType/Boolean" if point.is_two_state else "AnalogItemType/Double"


def _types(points: Sequence[Point]) -> Iterable[Node]:
    """One ObjectType per template; its points are declared, mandatory where every device has them."""
    devices: dict[str, set[str]] = {}
    members: dict[str, dict[str, Point]] = {}
    count: Counter[tuple[str, str]] = Counter()
    for point in points:
        if point.device:
            devices.setdefault(point.template, set()).add(point.device)
            members.setdefault(point.template, {}).setdefault(point.name, point)
            count[point.template, point.name] += 1
    for template, names in members.items():
        key = type_name(template)
        yield Node(
            key=key,
            node_class="ObjectType",
            name=key,
            parent=BASE_OBJECT_TYPE,
            reference=HAS_SUBTYPE,
            description=f"devices of template {template}",
        )
        for name, point in names.items():
            everywhere = count[template, name] == len(devices[template])
            rule = MANDATORY if everywhere else OPTIONAL
            yield _declaration(key, point, rule)


def _declaration(type_key: str, point: Point, rule: int) -> Node:
    if point.kind is Kind.CONTROL:
        name = method_name(point.tag)
        return Node(
            key=f"{type_key}/{name}",
            node_class="Method",
            name=name,
            parent=type_key,
            reference=HAS_COMPONENT,
            modelling_rule=rule,
        )
    return Node(
        key=f"{type_key}/{point.name}",
        node_class="Variable",
        name=point.name,
        parent=type_key,
        reference=HAS_COMPONENT,
        type_key=TWO_STATE_TYPE if point.is_two_state else ANALOG_ITEM_TYPE,
        data_type=BOOLEAN if point.is_two_state else DOUBLE,
        is_writable=point.is_writable,
        modelling_rule=rule,
    )


def _branches(device: str, root: str, templates: dict[str, str], seen: set[str]) -> Iterable[Node]:
    """Folders and device objects from the station down to one device, each once."""
    levels = device.split(".") if device else []
    for depth in range(1, len(levels) + 1):
        key = ".".join(levels[:depth])
        if key in seen:
            continue
        seen.add(key)
        is_device = key in templates
        yield Node(
            key=key,
            node_class="Object",
            name=levels[depth - 1],
            parent=".".join(levels[: depth - 1]) or root,
            reference=ORGANIZES,
            type_key=type_name(templates[key]) if is_device else FOLDER_TYPE,
        )


def _point_nodes(index: int, point: Point, parent: str) -> Iterable[Node]:
    if point.kind is Kind.CONTROL:
        yield Node(
            key=point.tag,
            node_class="Method",
            name=method_name(point.tag),
            parent=parent,
            reference=HAS_COMPONENT,
            description=point.description,
            point=index,
        )
        yield property_of(point.tag, "OutputArguments", ARGUMENT, OUTPUTS, is_array=True)
        return
    yield Node(
        key=point.tag,
        node_class="Variable",
        name=point.name,
        parent=parent,
        reference=HAS_COMPONENT,
        type_key=TWO_STATE_TYPE if point.is_two_state else ANALOG_ITEM_TYPE,
        description=point.description,
        data_type=BOOLEAN if point.is_two_state else DOUBLE,
        is_writable=point.is_writable,
        point=index,
    )
    yield property_of(point.tag, "Definition", STRING, f"{point.source}:{point.attr}")
    if point.states is not None:
        yield property_of(point.tag, "FalseState", LOCALIZED_TEXT, Text(point.states[0]))
        yield property_of(point.tag, "TrueState", LOCALIZED_TEXT, Text(point.states[1]))
    else:
        yield property_of(point.tag, "EURange", RANGE, Range(point.minimum, point.maximum))
        yield property_of(point.tag, "EngineeringUnits", EU_INFORMATION, UNITS[point.unit])


def length(value: NodeValue) -> int:
    """Return the length that an array has for good; 0 where it is not known."""
    if isinstance(value, Items):
        return len(value.items)
    return len(value) if isinstance(value, tuple) else 0


def property_of(tag: str, name: str, data_type: int, value: NodeValue, *, is_array: bool = False) -> Node:
    """Return a property of a node."""
    return Node(
        key=f"{tag}/{name}",
        node_class="Variable",
        name=name,
        parent=tag,
        reference=HAS_PROPERTY,
        type_key=PROPERTY_TYPE,
        is_standard_name=True,
        data_type=data_type,
        value=value,
        is_array=is_array,
    )


# ---- NodeSet2 XML (OPC 10000-6, annex F) --------------------------------------------------------

_XML_HEAD = f"""<?xml version="1.0" encoding="utf-8"?>
<UANodeSet xmlns="http://opcfoundation.org/UA/2011/03/UANodeSet.xsd">
  <NamespaceUris><Uri>{NAMESPACE}</Uri></NamespaceUris>
"""
_TYPES_NS = "http://opcfoundation.org/UA/2008/02/Types.xsd"


def nodeset(points: Sequence[Point], station: str, more: Iterable[Node] = ()) -> str:
    """Return the whole address space as a NodeSet2 document (its own namespace index is 1).

    Parameters
    ----------
    more : iterable of Node
        What stands beside the points, parents before children.
    """
    body = "".join(_xml_node(node) for node in (*describe(points, station), *more))
    return f"{_XML_HEAD}{body}</UANodeSet>\n"


def _xml_id(key: NodeKey) -> str:
    return f"i={key}" if isinstance(key, int) else f"ns=1;s={key}"


def _xml_node(node: Node) -> str:
    tag = f"UA{node.node_class}"
    browse_name = node.name if node.is_standard_name else f"1:{node.name}"
    attributes = {"NodeId": _xml_id(node.key), "BrowseName": browse_name}
    if node.node_class in ("Variable", "Method"):
        attributes["ParentNodeId"] = _xml_id(node.parent)
    if node.node_class == "Variable":
        attributes["DataType"] = _xml_id(node.data_type)
        if node.is_array:
            attributes |= {"ValueRank": "1", "ArrayDimensions": str(length(node.value))}
        if node.is_writable:
            attributes |= {"AccessLevel": "3", "UserAccessLevel": "3"}
    head = " ".join(f"{k}={quoteattr(v)}" for k, v in attributes.items())
    references = [(node.reference, _xml_id(node.parent), False)]
    if node.type_key is not None:
        references.append((HAS_TYPE, _xml_id(node.type_key), True))
    if node.modelling_rule:
        references.append((HAS_MODELLING_RULE, _xml_id(node.modelling_rule), True))
    lines = [f"  <{tag} {head}>", f"    <DisplayName>{escape(node.name)}</DisplayName>"]
    if node.description:
        lines.append(f"    <Description>{escape(node.description)}</Description>")
    lines.append("    <References>")
    for type_id, target, is_forward in references:
        direction = "" if is_forward else ' IsForward="false"'
        lines.append(f'      <Reference ReferenceType="i={type_id}"{direction}>{escape(target)}</Reference>')
    lines.append("    </References>")
    if node.value is not None:
        lines.append(f"    <Value>{_xml_value(node.value)}</Value>")
    lines.append(f"  </{tag}>")
    return "\n".join(lines) + "\n"


def _xml_value(value: NodeValue) -> str:
    """Print a value; line breaks inside, because asyncua's importer takes elements without text for null."""
    if isinstance(value, str):
        return f'<String xmlns="{_TYPES_NS}">{escape(value)}</String>'
    if isinstance(value, Text):
        return f'<LocalizedText xmlns="{_TYPES_NS}">\n<Text>{escape(value.text)}</Text></LocalizedText>'
    if isinstance(value, Range):
        body = f"<Range><Low>{value.low!r}</Low><High>{value.high!r}</High></Range>"
        return _xml_extension(RANGE_XML, body, outermost=True)
    if isinstance(value, Unit):
        body = (
            f"<EUInformation><NamespaceUri>{UNIT_NAMESPACE}</NamespaceUri><UnitId>{value.unece_id}</UnitId>"
            f"<DisplayName><Text>{escape(value.name)}</Text></DisplayName>"
            f"<Description><Text>{escape(value.description)}</Text></Description></EUInformation>"
        )
        return _xml_extension(EU_INFORMATION_XML, body, outermost=True)
    if isinstance(value, Items):
        return _xml_items(value.items)
    assert value is not None
    items = "".join(_xml_extension(ARGUMENT_XML, _xml_argument(a)) for a in value)
    return f'<ListOfExtensionObject xmlns="{_TYPES_NS}">\n{items}</ListOfExtensionObject>'


def _xml_items(items: tuple[str, ...] | tuple[float, ...]) -> str:
    kind = "String" if items and isinstance(items[0], str) else "Double"
    body = "".join(f"<{kind}>{escape(str(x))}</{kind}>" for x in items)
    return f'<ListOf{kind} xmlns="{_TYPES_NS}">\n{body}</ListOf{kind}>'


def _xml_argument(argument: Argument) -> str:
    return (
        f"<Argument><Name>{argument.name}</Name><DataType><Identifier>i={argument.data_type}</Identifier>"
        f"</DataType><ValueRank>{1 if argument.is_array else -1}</ValueRank><ArrayDimensions/>"
        f"<Description><Text>{escape(argument.description)}</Text></Description></Argument>"
    )


def _xml_extension(type_id: int, body: str, *, outermost: bool = False) -> str:
    namespace = f' xmlns="{_TYPES_NS}"' if outermost else ""
    return (
        f"<ExtensionObject{namespace}>\n<TypeId><Identifier>i={type_id}</Identifier></TypeId>"
        f"<Body>{body}</Body></ExtensionObject>"
    )
