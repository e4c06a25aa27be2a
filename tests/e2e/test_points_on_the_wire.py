"""Every point of the printed map, read from a running station over both protocols.

Registers and OPC UA values carry the step they belong to; the plant of that step is computed
again from the seed, so that values are compared exactly and not within a tolerance.
"""

from __future__ import annotations

import asyncio
import csv
import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from asyncua import Client, ua

from hil import segment
from rtcore.board import Snapshot
from rtcore.ring import EventReader
from rtcore.units import UNITS
from tests.support.modbus_rig import adu
from tests.support.replay import Replay
from tests.support.station import Station, gridhil, running
from tests.support.witness import Slip, slips_in

Row = dict[str, str]

WIDTH = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2, "uint64": 4, "float64": 4}
CODE = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "float32": "f",
    "uint64": "Q",
    "float64": "d",
}
FUNCTION = {"co": 1, "di": 2, "hr": 3, "ir": 4}
STAMP = 6
MIRROR_AT = 10_000
OPC_CHUNK = 400


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with running(tmp_path_factory.mktemp("state")) as live:
        yield live


@pytest.fixture(scope="module")
def printed(station: Station) -> list[Row]:
    done = gridhil("points", "--format", "csv", state=station.state)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture(scope="module")
def registers(station: Station, printed: list[Row]) -> dict[str, tuple[int, float]]:
    """Return tag -> (step, value in engineering units) as a Modbus master finds it."""
    found = {}
    with station.master() as m:
        tables = {(int(r["modbus_unit"]), r["modbus_table"]) for r in printed if r["modbus_unit"]}
        for unit, table in sorted(tables):
            rows = [r for r in printed if r["modbus_unit"] == str(unit) and r["modbus_table"] == table]
            read = read_bits if table in ("co", "di") else read_words
            found |= read(m, unit, table, rows, station.spec.stamps)
    return found


@pytest.fixture(scope="module")
def nodes(station: Station, printed: list[Row]) -> dict[str, dict[str, Any]]:
    """Return tag -> what an OPC UA client finds behind the node of the map."""
    return asyncio.run(browse_and_read(station.url, printed))


@pytest.fixture(scope="module")
def replayed(
    station: Station, registers: dict[str, tuple[int, float]], nodes: dict[str, dict[str, Any]]
) -> dict[int, dict[str, tuple[float, int]]]:
    """Return step -> tag -> (value, quality) of every step that was seen on the wire."""
    events = EventReader(segment.attach(station.spec.events_path), from_start=True)
    snapshot, slips = station.snapshot(), slips_in(events.take())
    assert events.n_lost == 0
    for node in nodes.values():
        if "source" in node:
            node["step"] = step_of(node["source"], snapshot, slips)
    steps = {step for step, _ in registers.values() if step >= 0}
    steps |= {n["step"] for n in nodes.values() if "step" in n}
    out = {}
    for snapshot, _ in Replay.of(station).at(steps):
        values = zip(snapshot.values.tolist(), snapshot.quality.tolist(), strict=True)
        core = station.spec.points[: station.spec.n_core]  # the others are points of health
        out[snapshot.step] = dict(zip((p.tag for p in core), values, strict=True))
    return out


def step_of(source_ns: int, s: Snapshot, slips: list[Slip]) -> int:
    """Return the step with a source timestamp; the host may have held the loop up since."""
    origin_ns = s.utc_ns - s.step * s.dt_ns
    step = round((source_ns - origin_ns) / s.dt_ns)
    for slip in reversed(slips):
        if step < slip.step:
            origin_ns -= slip.ns
            step = round((source_ns - origin_ns) / s.dt_ns)
    # SourceTimestamp has microseconds; steps are 1 ms or longer.
    assert abs(source_ns - origin_ns - step * s.dt_ns) < 0.1 * s.dt_ns
    return step


def decode(raw: bytes, form: str, order: str) -> float:
    """Return the value of registers; A is the most significant byte of a 32-bit value."""
    words = [raw[k : k + 2] for k in range(0, len(raw), 2)]
    if order in ("CDAB", "DCBA"):
        words = words[::-1]
    if order in ("BADC", "DCBA"):
        words = [w[::-1] for w in words]
    return float(struct.unpack(">" + CODE[form], b"".join(words))[0])


def read_words(
    m: Any, unit: int, table: str, rows: list[Row], stamps: list[dict[str, Any]]
) -> dict[str, tuple[int, float]]:
    """Read rows of one register table; the step is that of the stamps in the same answer."""
    found: dict[str, tuple[int, float]] = {}
    rows = sorted(rows, key=lambda r: int(r["modbus_address"]))
    marks = sorted(s["address"] for s in stamps if s["unit"] == unit) if table == "ir" else []
    while rows:
        first = int(rows[0]["modbus_address"])
        before = [a for a in marks if a <= first]
        start = max(before[-1], first - 100) if before else first
        end = start
        chunk = []
        while rows and int(rows[0]["modbus_address"]) + WIDTH[rows[0]["modbus_format"]] <= start + 125:
            chunk.append(rows.pop(0))
            end = int(chunk[-1]["modbus_address"]) + WIDTH[chunk[-1]["modbus_format"]]
        reply = m.ask(unit, struct.pack(">BHH", FUNCTION[table], start, end - start))
        assert reply[0] == FUNCTION[table], f"unit {unit} {table} {start}..{end}: exception {reply[1]:02X}"
        data = reply[2:]
        seqs = {
            decode(data[2 * (a - start) : 2 * (a - start) + 4], "uint32", rows_order(chunk))
            for a in marks
            if start <= a and a + STAMP <= end
        }
        # Residuals of the estimator lie too close for stamps of their own.
        n_stamps = 1 if table == "ir" and not chunk[0]["tag"].startswith("SE.R_") else 0
        assert len(seqs) == n_stamps, f"one answer, steps {seqs}"
        step = int(seqs.pop()) if seqs else -1
        for r in chunk:
            at = 2 * (int(r["modbus_address"]) - start)
            raw = data[at : at + 2 * WIDTH[r["modbus_format"]]]
            value = decode(raw, r["modbus_format"], r["word_order"]) * float(r["scale"] or 1)
            found[r["tag"]] = step, value
    return found


def rows_order(rows: list[Row]) -> str:
    return next((r["word_order"] for r in rows if r["word_order"]), "ABCD")


def read_bits(
    m: Any, unit: int, table: str, rows: list[Row], _stamps: list[dict[str, Any]]
) -> dict[str, tuple[int, float]]:
    found = {}
    for r in rows:
        at = int(r["modbus_address"])
        reply = m.ask(unit, struct.pack(">BHH", FUNCTION[table], at, 1))
        assert reply[:2] == bytes((FUNCTION[table], 1)), reply.hex()
        found[r["tag"]] = -1, float(reply[2] & 1)
    return found


async def browse_and_read(url: str, printed: list[Row]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {r["tag"]: {} for r in printed}
    async with Client(url, timeout=20) as client:
        for k in range(0, len(printed), OPC_CHUNK):
            rows = printed[k : k + OPC_CHUNK]
            ids = [ua.NodeId.from_string(r["opcua_node"]) for r in rows]
            classes = await read_attribute(client, ids, ua.AttributeIds.NodeClass)
            wanted = ua.BrowseParameters()
            wanted.NodesToBrowse = [described(i) for i in ids]
            browsed = await client.uaclient.browse(wanted)
            properties: list[tuple[str, str, ua.NodeId]] = []
            for row, cls, result in zip(rows, classes, browsed, strict=True):
                node = found[row["tag"]]
                assert cls.StatusCode.is_good(), f"{row['opcua_node']}: {cls.StatusCode.name}"
                node["class"] = ua.NodeClass(cls.Value.Value)
                for ref in result.References:
                    if ref.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasTypeDefinition):
                        node["type"] = ref.NodeId.Identifier
                    elif ref.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasProperty):
                        properties.append(
                            (
                                row["tag"],
                                ref.BrowseName.Name,
                                ua.NodeId(ref.NodeId.Identifier, ref.NodeId.NamespaceIndex),
                            )
                        )
            for j in range(0, len(properties), OPC_CHUNK):
                part = properties[j : j + OPC_CHUNK]
                read = await read_attribute(client, [p[2] for p in part], ua.AttributeIds.Value)
                for (tag, name, _), data in zip(part, read, strict=True):
                    found[tag][name] = data.Value.Value
            shown = [r for r in rows if r["opcua_type"] != "Method"]
            ids = [ua.NodeId.from_string(r["opcua_node"]) for r in shown]
            types = await read_attribute(client, ids, ua.AttributeIds.DataType)
            access = await read_attribute(client, ids, ua.AttributeIds.AccessLevel)
            values = await read_attribute(client, ids, ua.AttributeIds.Value)
            for row, t, a, v in zip(shown, types, access, values, strict=True):
                found[row["tag"]] |= {
                    "data_type": t.Value.Value.Identifier,
                    "access": a.Value.Value,
                    "status": v.StatusCode.name,
                    "variant": v.Value.VariantType,
                    "value": v.Value.Value,
                    "source": round(v.SourceTimestamp.timestamp() * 1e6) * 1000,
                }
    return found


def described(node_id: ua.NodeId) -> ua.BrowseDescription:
    d = ua.BrowseDescription()
    d.NodeId = node_id
    d.BrowseDirection = ua.BrowseDirection.Forward
    d.ReferenceTypeId = ua.NodeId(ua.ObjectIds.References)
    d.IncludeSubtypes = True
    d.ResultMask = 0x3F
    return d


async def read_attribute(client: Client, ids: list[ua.NodeId], attribute: ua.AttributeIds) -> list[Any]:
    wanted = ua.ReadParameters()
    wanted.NodesToRead = [ua.ReadValueId(NodeId=i, AttributeId=attribute) for i in ids]
    wanted.TimestampsToReturn = ua.TimestampsToReturn.Both
    return list(await client.uaclient.read(wanted))


@pytest.mark.timeout(700)  # the first start of a session compiles the kernels
def test_station_shows_every_point_of_the_map_on_both_protocols(
    station: Station,
    printed: list[Row],
    registers: dict[str, tuple[int, float]],
    nodes: dict[str, dict[str, Any]],
) -> None:
    assert len(printed) == len(station.spec.points) == len({r["tag"] for r in printed})
    assert len(printed) > 1400
    assert set(registers) == {r["tag"] for r in printed}
    assert all("class" in nodes[r["tag"]] for r in printed)


def test_modbus_registers_hold_what_the_plant_measured_at_their_step(
    station: Station,
    printed: list[Row],
    registers: dict[str, tuple[int, float]],
    replayed: dict[int, dict[str, tuple[float, int]]],
) -> None:
    is_health = {p.tag: p.is_health for p in station.spec.points}
    some_step = next(iter(replayed.values()))
    compared = 0
    for r in printed:
        if is_health[r["tag"]]:
            continue
        step, value = registers[r["tag"]]
        # Coils, contacts and setpoints carry no step; nobody commanded anything, so any step does.
        expected, _ = (replayed[step] if step >= 0 else some_step)[r["tag"]]
        if r["modbus_format"] == "float32":
            expected = float(np.float32(expected))
        elif r["modbus_format"].startswith(("int", "uint")):
            scale = float(r["scale"])
            expected = round(expected / scale) * scale
        assert value == pytest.approx(expected, rel=1e-15, abs=0), f"{r['tag']} at step {step}"
        compared += 1
    assert compared > 1400


def test_opcua_values_are_what_the_plant_measured_at_their_source_time(
    station: Station,
    printed: list[Row],
    nodes: dict[str, dict[str, Any]],
    replayed: dict[int, dict[str, tuple[float, int]]],
) -> None:
    is_health = {p.tag: p.is_health for p in station.spec.points}
    compared = 0
    for r in printed:
        node = nodes[r["tag"]]
        if r["opcua_type"] == "Method" or is_health[r["tag"]]:
            continue
        expected, quality = replayed[node["step"]][r["tag"]]
        assert (node["status"] == "Good") == (quality == 0), f"{r['tag']}: {node['status']}"
        assert node["value"] == expected, f"{r['tag']} at step {node['step']}"
        compared += 1
    assert compared > 1400


def test_opcua_nodes_are_of_the_type_range_and_unit_of_the_map(
    printed: list[Row], nodes: dict[str, dict[str, Any]]
) -> None:
    for r in printed:
        node, tag = nodes[r["tag"]], r["tag"]
        if r["opcua_type"] == "Method":
            assert node["class"] == ua.NodeClass.Method, tag
            assert [a.Name for a in node["OutputArguments"]] == ["Result", "Step"], tag
            continue
        assert node["class"] == ua.NodeClass.Variable, tag
        assert bool(node["access"] & 2) == (r["kind"] == "setpoint"), tag
        if r["opcua_type"] == "TwoStateDiscreteType/Boolean":
            assert node["type"] == ua.ObjectIds.TwoStateDiscreteType, tag
            assert node["data_type"] == ua.ObjectIds.Boolean, tag
            # What the estimator does not know is Bad, and then without a value.
            without = (
                {ua.VariantType.Null}
                if tag.startswith(("SE.", "FC.")) and node["status"] != "Good"
                else set()
            )
            assert node["variant"] in {ua.VariantType.Boolean} | without, tag
            assert node["TrueState"].Text, tag
            assert node["FalseState"].Text != node["TrueState"].Text, tag
        else:
            assert r["opcua_type"] == "AnalogItemType/Double", tag
            assert node["type"] == ua.ObjectIds.AnalogItemType, tag
            assert node["data_type"] == ua.ObjectIds.Double, tag
            assert (node["EURange"].Low, node["EURange"].High) == (float(r["min"]), float(r["max"])), tag
            assert (node["EngineeringUnits"].DisplayName.Text or "") == r["unit"], tag
            assert node["EngineeringUnits"].UnitId == UNITS[r["unit"]].unece_id, tag
        assert node["Definition"], tag


def test_health_points_agree_on_both_protocols(station: Station) -> None:
    with station.master() as m:
        reply = m.ask(1, struct.pack(">BHH", 4, 400, 40))
    stamped = struct.unpack(">I", reply[2:6])[0]
    step, sim_time_s = struct.unpack(">Qd", reply[2 + 12 : 2 + 28])
    assert step == stamped
    assert sim_time_s == pytest.approx(step * station.spec.core["dt_ns"] * 1e-9, rel=1e-12)
    snapshot = station.snapshot()
    assert snapshot.values[station.index["SUB.LOOP.STEP"]] == snapshot.step >= step


def test_read_only_units_mirror_the_registers_of_their_feeders(station: Station) -> None:
    for unit in (1, 2, 3, 4):
        with station.master() as m:
            for function, first, count in ((4, 100, 100), (3, MIRROR_AT + 100, 100), (2, 16, 2), (1, 16, 3)):
                if unit == 1 and function == 1:
                    continue  # the substation has no coils
                pdu = struct.pack(">BHH", function, first, count)
                own, shown = b"own", b"shown"
                for _ in range(200):  # until both are answered from one step
                    m.send(adu(unit, pdu) + adu(unit + 100, pdu))
                    own, shown = m.receive()[2], m.receive()[2]
                    if own == shown:
                        break
                assert own == shown, f"unit {unit}, function {function}"
                assert own[0] == function
            constants = m.ask(unit, struct.pack(">BHH", 3, MIRROR_AT + 90, 4))
            assert constants[2:] == struct.pack(">fi", 123456.0, 0x01020304)
