import csv
import dataclasses as dc
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hil.point_export import COLUMNS, rows, to_csv, to_json, to_md, to_nodeset
from hil.point_files import PointSet, read_points
from hil.point_markdown import QUALITY_WORD
from protocols import modbus_image, modbus_map
from protocols.gateway import MODBUS_EXCEPTION

IOWA = Path(__file__).parents[3] / "config" / "points" / "iowa240"
UNITS = [{"unit": k, "name": f"unit {k}"} for k in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def iowa() -> PointSet:
    return read_points(IOWA, None)


@pytest.fixture(scope="module")
def served(iowa: PointSet) -> modbus_map.ModbusMap:
    """The map as the Modbus server builds it."""
    return modbus_map.build(iowa.points, iowa.stamps, {"units": UNITS})


def test_csv_has_the_published_columns_in_their_order(iowa: PointSet) -> None:
    head = to_csv(iowa.points).splitlines()[0]
    assert head == (
        "tag,kind,unit,min,max,deadband,instrument,description,modbus_unit,modbus_table,modbus_address,"
        "modbus_format,word_order,scale,opcua_node,opcua_type,role"
    )


def test_csv_says_what_the_server_serves(iowa: PointSet, served: modbus_map.ModbusMap) -> None:
    table = list(csv.DictReader(io.StringIO(to_csv(iowa.points))))
    assert len(table) == len(served.entries) == len(iowa.points)
    for row, entry in zip(table, served.entries, strict=True):
        ref = entry.reference
        assert row["tag"] == entry.point.tag
        assert (int(row["modbus_unit"]), row["modbus_table"]) == (ref.unit, ref.table)
        assert (int(row["modbus_address"]), row["modbus_format"]) == (ref.address, ref.format.name)
        assert row["word_order"] == (ref.order if ref.size > 1 else "")
        assert (float(row["min"]), float(row["max"])) == (entry.point.minimum, entry.point.maximum)
        assert float(row["scale"]) == ref.scale


def test_the_role_of_writable_points_shows_in_every_form(iowa: PointSet) -> None:
    by_tag = {p.tag: p for p in iowa.points}
    trip, current = by_tag["FDR_B.CB_201.TRIP"], by_tag["FDR_B.CB_201.IA"]
    points = [dc.replace(trip, role="instructor"), current]
    assert [r["role"] for r in rows(points)] == ["instructor", ""]
    assert [r["role"] for r in csv.DictReader(io.StringIO(to_csv(points)))] == ["instructor", ""]
    document = json.loads(to_json(points, []))
    assert [r["role"] for r in document["points"]] == ["instructor", ""]
    assert document["conventions"]["roles"] == ["observer", "operator", "engineer", "instructor"]
    assert "| bit | instructor | open the breaker |" in to_md(points, [], "x")


def test_word_order_of_a_unit_shows_in_every_form(iowa: PointSet) -> None:
    points = [p for p in iowa.points if p.device == "FDR_B.CB_201"]
    orders = {3: "CDAB"}
    by_name = {r["tag"]: r["word_order"] for r in rows(points, orders)}
    assert by_name["FDR_B.CB_201.IA"] == "CDAB"
    assert by_name["FDR_B.CB_201.TRIP"] == ""
    assert "ir | 206 | 300207 | float32 CDAB" in to_md(points, [], "x", orders)
    document = json.loads(to_json(points, [], orders))["points"]
    assert {r["tag"]: r["word_order"] for r in document}["FDR_B.CB_201.IA"] == "CDAB"


def test_markdown_gives_every_point_its_address_and_reference(
    iowa: PointSet, served: modbus_map.ModbusMap
) -> None:
    found = {}
    unit, device = 0, ""
    for line in to_md(iowa.points, iowa.stamps, "iowa240").splitlines():
        if match := re.fullmatch(r"## Unit (\d+)", line):
            unit = int(match[1])
        elif match := re.fullmatch(r"### (\S+) \(\w+\)", line):
            device = match[1]
        elif unit and line.startswith("| ") and not line.startswith(("| point", "| ---")):
            cells = [c.strip() for c in line.strip("|").split("|")]
            found[f"{device}.{cells[0]}"] = (unit, cells[4], int(cells[5]), int(cells[6]))
    first = {"co": 1, "di": 100001, "ir": 300001, "hr": 400001}
    wanted = {
        e.point.tag: (
            e.reference.unit,
            e.reference.table,
            e.reference.address,
            first[e.reference.table] + e.reference.address,
        )
        for e in served.entries
    }
    assert found == wanted


def test_markdown_names_stamps_self_test_mirror_and_every_refusal(iowa: PointSet) -> None:
    text = to_md(iowa.points, iowa.stamps, "iowa240")
    assert text.count("Stamp block: ") == len(iowa.stamps) - 4
    assert text.count("Stamp block of the whole unit: input register 0 (reference 300001)") == 4
    assert "| 90, 91 | float32 | 123456 | CDAB | 2000 47F1 |" in text
    assert "holding register 10000 + n reads what input register n reads" in text
    for reason, code in MODBUS_EXCEPTION.items():
        assert f"| {reason.name} | {code:02X} |" in text


def test_markdown_lists_the_units_that_the_station_serves(iowa: PointSet) -> None:
    units = [modbus_map.Unit(3, "FDR_B", "CDAB"), modbus_map.Unit(103, "READER", mirror_of=3)]
    text = to_md(iowa.points, iowa.stamps, "iowa240", {}, units)
    assert "| 3 | FDR_B | CDAB | read and write |  |" in text
    assert "| 103 | READER | CDAB | read-only | shows what unit 3 shows |" in text
    assert "\n## Unit 3 FDR_B\n" in text


def test_every_bit_of_a_quality_word_is_explained() -> None:
    used = int(np.bitwise_or.reduce(modbus_image.QUALITY_BITS)) | modbus_image.OVERFLOW
    explained = 0
    for _, bit in QUALITY_WORD:
        explained |= bit
    assert explained == used


def test_json_carries_points_stamps_refusals_and_conventions(iowa: PointSet) -> None:
    document = json.loads(to_json(iowa.points, iowa.stamps))
    assert [p["tag"] for p in document["points"]] == [p.tag for p in iowa.points]
    assert set(document["points"][0]) == {*COLUMNS, "states"}
    assert document["stamps"] == iowa.stamps
    assert {r["reason"]: r["modbus_exception"] for r in document["refusals"]}["IN_LOCAL"] == 4
    assert document["conventions"]["holding_mirror_at"] == 10_000
    status = next(p for p in document["points"] if p["tag"] == "FDR_B.CB_201.ST_52A")
    assert status["states"] == ["OPEN", "CLOSED"]


def test_nodeset_holds_a_node_for_every_point(iowa: PointSet) -> None:
    root = ElementTree.fromstring(to_nodeset(iowa.points, "iowa240"))
    ids = {node.get("NodeId") for node in root}
    assert {f"ns=1;s={p.tag}" for p in iowa.points} <= ids
