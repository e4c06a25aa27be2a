"""The point list as people and programs want it: rows, CSV, JSON, Markdown, NodeSet2.

Every form is derived from the same points that the servers are given.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hil.point_markdown import FIRST_REFERENCE, QUALITY_WORD, STAMP_LAYOUT, to_md
from hil.services.arrays import arrays_of
from hil.services.feeder_map import FeederMap
from protocols import modbus_map, opcua_array_list, opcua_services, opcua_space
from protocols.gateway import MODBUS_EXCEPTION, OPCUA_STATUS
from protocols.opcua_space import STATUS_NAME
from protocols.roles import ROLES
from rtcore.commands import REASON_TEXT
from rtcore.network.model import Network
from rtcore.points import Point

__all__ = ["COLUMNS", "rows", "to_csv", "to_json", "to_md", "to_nodeset"]

COLUMNS = (
    "tag",
    "kind",
    "unit",
    "min",
    "max",
    "deadband",
    "instrument",
    "description",
    "modbus_unit",
    "modbus_table",
    "modbus_address",
    "modbus_format",
    "word_order",
    "scale",
    "opcua_node",
    "opcua_type",
    "role",
)
"""Columns of the printed map, in this order."""


def rows(points: Iterable[Point], orders: Mapping[int, str] | None = None) -> list[dict[str, Any]]:
    """Return one mapping per point with exactly ``COLUMNS`` as keys, in board order.

    ``orders`` is the station's word order per Modbus unit (default ABCD).
    """
    table = []
    for p in points:
        row: dict[str, Any] = {
            "tag": p.tag,
            "kind": str(p.kind),
            "unit": p.unit,
            "min": number(p.minimum),
            "max": number(p.maximum),
            "deadband": number(p.deadband),
            "instrument": p.instrument,
            "description": p.description,
            "role": p.role if p.is_writable else "",
        }
        row |= modbus_map.columns(p, orders) | opcua_space.columns(p)
        row["scale"] = number(row["scale"]) if row["scale"] != "" else ""
        table.append({name: row[name] for name in COLUMNS})
    return table


def number(value: float) -> int | float:
    """Return whole numbers as int, so that every form prints them without ``.0``."""
    return int(value) if float(value).is_integer() else value


def to_csv(points: Iterable[Point], orders: Mapping[int, str] | None = None) -> str:
    """Return the map as CSV with a header line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(points, orders))
    return out.getvalue()


def to_json(
    points: Sequence[Point], stamps: Sequence[Mapping[str, Any]], orders: Mapping[int, str] | None = None
) -> str:
    """Return points, stamp blocks, refusal table and conventions as one JSON document."""
    states = {p.tag: list(p.states) for p in points if p.states is not None}
    document = {
        "conventions": {
            "modbus_address": "counted from 0, as in the PDU; reference number = first_reference + address",
            "modbus_tables": {
                table: {"name": name, "first_reference": FIRST_REFERENCE[table]}
                for table, name in modbus_map.TABLES.items()
            },
            "holding_mirror_at": modbus_map.MIRROR_AT,
            "self_test": [
                {"address": a, "format": f, "value": number(v)} for a, f, v in modbus_map.SELF_TEST
            ],
            "stamp_registers": modbus_map.STAMP_REGISTERS,
            "stamp_layout": [
                {"name": name, "offset": offset, "format": fmt, "meaning": meaning}
                for name, offset, fmt, meaning in STAMP_LAYOUT
            ],
            "quality_word": [{"mask": mask, "meaning": meaning} for meaning, mask in QUALITY_WORD],
            "value": "engineering value = raw * scale",
            "opcua_namespace": opcua_space.NAMESPACE,
            "roles": list(ROLES),
        },
        "points": [row | {"states": states.get(row["tag"])} for row in rows(points, orders)],
        "stamps": [dict(s) for s in stamps],
        "refusals": [
            {
                "reason": reason.name,
                "text": REASON_TEXT[reason],
                "modbus_exception": code,
                "opcua_status": OPCUA_STATUS[reason],
            }
            for reason, code in MODBUS_EXCEPTION.items()
        ],
        "qualities": [
            {"code": int(q), "name": q.name, "opcua_status": status} for q, status in STATUS_NAME.items()
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def to_nodeset(points: Sequence[Point], station: str, network: Network | None = None) -> str:
    """Return the OPC UA address space as a NodeSet2 document; with a network its services and arrays, too."""
    more = [*opcua_services.nodes(station)]
    if network is not None:
        more += opcua_array_list.nodes(station, arrays_of(points, FeederMap(network, points)))
    return opcua_space.nodeset(points, station, more)
