"""Engineer, operator and instructor at the relays of the running station, over both protocols.

One station for all tests; every user's Modbus master has an address of its own on this machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import Client, ua

from hil import segment
from hil.fault_library import place_table
from hil.network_files import read_network
from hil.paths import find
from hil.users import write_users
from protocols.accounts import Account
from rtcore.ring import E_KIND, E_NEW, E_TARGET, E_UTC_NS, EVENT_STATUS, EventReader
from tests.support.modbus_rig import adu
from tests.support.station import Station, running
from tests.support.users import account, password_of

RELAY, BREAKER = "FDR_C.R_RCL_3107", "FDR_C.RCL_3107"
SETTING = f"{RELAY}_51PF_G1.PICKUP_A"
AS_SHIPPED_A = 150.0
FROM = {"operator": "127.0.0.1", "engineer": "127.0.0.11", "instructor": "127.0.0.12"}
"""Address of each role's Modbus master; the rest of this machine is operator."""

NO_AUTHORITY, BAD_VALUE, NOT_NOW = 1, 3, 4
"""Modbus exceptions: illegal function, illegal data value, device failure."""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    home = tmp_path_factory.mktemp("state")
    state = home / "gridhil" / "iowa240"
    state.mkdir(parents=True, mode=0o700)
    users = {
        role: Account(
            role,
            account(role, role).password,
            () if role == "operator" else (ipaddress.ip_network(f"{host}/32"),),
        )
        for role, host in FROM.items()
    }
    write_users(state, users)
    with running(home) as live:
        yield live


# ---- OPC UA


def client(station: Station, role: str) -> Client:
    made = Client(station.url, timeout=10)
    made.set_user(role)
    made.set_password(password_of(role))
    return made


async def write(who: Client, tag: str, value: float) -> str:
    try:
        await who.get_node(f"ns=2;s={tag}").write_value(value)
    except ua.UaStatusCodeError as error:
        return ua.StatusCode(error.code).name
    return "Good"


async def call(who: Client, tag: str) -> str:
    device, _, name = tag.rpartition(".")
    request = ua.CallMethodRequest(ObjectId=ua.NodeId(device, 2), MethodId=ua.NodeId(tag, 2))
    (result,) = await who.uaclient.call([request])
    return result.StatusCode.name if name else ""


# ---- Modbus


def place(station: Station, tag: str) -> tuple[int, int]:
    """Return unit and address of a point."""
    unit, _, address, *_ = station.spec.points[station.index[tag]].wire["modbus"].split(":")
    return int(unit), int(address)


def ask(station: Station, role: str, unit: int, pdu: bytes) -> bytes:
    source = (FROM[role], 0)
    with socket.create_connection(("127.0.0.1", station.modbus_port), 5, source_address=source) as plain:
        plain.sendall(adu(unit, pdu))
        return plain.recv(260)[7:]


def write_register(station: Station, role: str, tag: str, value: float) -> bytes:
    unit, at = place(station, tag)
    is_whole = station.spec.points[station.index[tag]].wire["modbus"].endswith("uint32")
    number = struct.pack(">I", int(value)) if is_whole else struct.pack(">f", value)
    return ask(station, role, unit, struct.pack(">BHHB", 16, at, 2, 4) + number)


def read_register(station: Station, role: str, tag: str) -> float:
    unit, at = place(station, tag)
    (value,) = struct.unpack(">f", ask(station, role, unit, struct.pack(">BHH", 3, at, 2))[2:])
    return float(value)


def pulse(station: Station, role: str, tag: str) -> bytes:
    unit, at = place(station, tag)
    return ask(station, role, unit, struct.pack(">BHH", 5, at, 0xFF00))


def refused(function: int, exception: int) -> bytes:
    return bytes((0x80 | function, exception))


# ---- look


def until(question: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def last(station: Station, producer: str, event: str) -> dict[str, Any]:
    return [r for r in station.journal(producer) if r["event"] == event][-1]


def check_records(station: Station, producer: str, role: str, value: float) -> None:
    """The change of a setting is on record: who, what, done."""
    for event in ("command", "verdict"):
        record = last(station, producer, event)
        assert record["writes"] == [[SETTING, value]]
        assert record["role"] == role
    assert last(station, producer, "verdict")["result"] == "DONE"


def check_refusal(station: Station, producer: str, role: str, tag: str, needs: str) -> None:
    record = last(station, producer, "refused")
    assert (record["result"], record["role"], record["needs"]) == ("NO_AUTHORITY", role, needs)
    assert record["writes"][0][0] == tag


# ---- settings


async def test_opcua_engineer_reads_and_changes_a_setting_and_it_is_on_record(station: Station) -> None:
    async with client(station, "engineer") as engineer:
        node = engineer.get_node(f"ns=2;s={SETTING}")
        assert await node.read_value() == AS_SHIPPED_A
        assert await write(engineer, SETTING, 165.5) == "Good"
        assert await node.read_value() == station.value(SETTING) == 165.5
        check_records(station, "opcua", "engineer", 165.5)
        assert last(station, "opcua", "verdict")["user"] == "engineer"
        assert await write(engineer, SETTING, 0.05) == "BadOutOfRange"
        assert await write(engineer, f"{RELAY}_51PF_G1.CURVE", 2.5) == "BadOutOfRange"  # no such curve
        assert station.value(SETTING) == 165.5
        assert await write(engineer, SETTING, AS_SHIPPED_A) == "Good"


async def test_opcua_operator_reads_a_setting_and_may_not_change_it(station: Station) -> None:
    async with client(station, "operator") as operator:
        assert await operator.get_node(f"ns=2;s={SETTING}").read_value() == AS_SHIPPED_A
        assert await write(operator, SETTING, 200.0) == "BadUserAccessDenied"
    assert station.value(SETTING) == AS_SHIPPED_A
    check_refusal(station, "opcua", "operator", SETTING, "engineer")


def test_modbus_engineer_reads_and_changes_a_setting_and_it_is_on_record(station: Station) -> None:
    assert read_register(station, "engineer", SETTING) == AS_SHIPPED_A
    assert write_register(station, "engineer", SETTING, 172.5)[0] == 16
    assert read_register(station, "engineer", SETTING) == station.value(SETTING) == 172.5
    check_records(station, "modbus", "engineer", 172.5)
    assert last(station, "modbus", "verdict")["peer"].startswith(FROM["engineer"])
    assert write_register(station, "engineer", SETTING, 0.05) == refused(16, BAD_VALUE)
    assert station.value(SETTING) == 172.5
    assert write_register(station, "engineer", SETTING, AS_SHIPPED_A)[0] == 16


def test_modbus_operator_reads_a_setting_and_may_not_change_it(station: Station) -> None:
    assert read_register(station, "operator", SETTING) == AS_SHIPPED_A
    assert write_register(station, "operator", SETTING, 200.0) == refused(16, NO_AUTHORITY)
    assert station.value(SETTING) == AS_SHIPPED_A
    check_refusal(station, "modbus", "operator", SETTING, "engineer")


# ---- faults


@pytest.fixture
def closed(station: Station) -> Iterator[Station]:
    """Give the station with the recloser closed and no fault; put it back afterwards."""
    until(lambda: station.value(f"{BREAKER}.ST_52A") == 1.0)
    yield station
    for slot in (1, 2):
        pulse(station, "instructor", f"LAB.FAULT_{slot}.CLEAR")
    time.sleep(0.2)
    pulse(station, "operator", f"{BREAKER}.CLOSE")  # refused where it recloses by itself
    until(lambda: station.value(f"{BREAKER}.ST_52A") == 1.0)


def sequence_of_events(station: Station, reader: EventReader) -> dict[tuple[str, float], list[int]]:
    """Return the instants [ns UTC] of every status that changed, by tag and new value."""
    found: dict[tuple[str, float], list[int]] = {}
    for row in reader.take():
        if row[E_KIND] == EVENT_STATUS:
            tag = station.spec.points[row[E_TARGET]].tag
            found.setdefault((tag, float(row[E_NEW])), []).append(row[E_UTC_NS])
    assert reader.n_lost == 0
    return found


def check_trip(station: Station, reader: EventReader, slot: int) -> None:
    """The fault, the relay and the breaker, in this order, are in the sequence of events."""
    events = sequence_of_events(station, reader)
    chain = [
        (f"LAB.FAULT_{slot}.ON", 1.0),
        (f"{RELAY}.PICKUP", 1.0),
        (f"{RELAY}.TRIP", 1.0),
        (f"{BREAKER}.ST_52A", 0.0),
        (f"{BREAKER}.ST_52B", 1.0),
    ]
    instants = [events[what][0] for what in chain]
    assert instants == sorted(instants)
    assert instants[4] - instants[0] < 1_000_000_000  # the fast curve and 50 ms of opening


SETUP = {"TYPE": 2.0, "PHASES": 7.0, "R_OHM": 1e-3, "LIFE": 0.0}
"""A permanent three-phase fault to ground."""


def behind_the_recloser() -> float:
    return float(place_table(read_network(find("networks", "iowa240-prot"))).index("bus.rcl_3107_load_side"))


async def test_opcua_instructor_arms_and_applies_a_fault_and_the_recloser_trips(closed: Station) -> None:
    station = closed
    reader = EventReader(segment.attach(station.spec.events_path))
    for role in ("operator", "engineer"):
        async with client(station, role) as lesser:
            assert await call(lesser, "LAB.ARM.ARM") == "BadUserAccessDenied"
            assert await write(lesser, "LAB.FAULT_1.TYPE", 2.0) == "BadUserAccessDenied"
        check_refusal(station, "opcua", role, "LAB.FAULT_1.TYPE", "instructor")
    async with client(station, "instructor") as instructor:
        for name, value in {**SETUP, "PLACE": behind_the_recloser()}.items():
            assert await write(instructor, f"LAB.FAULT_1.{name}", value) == "Good"
        assert await call(instructor, "LAB.FAULT_1.APPLY") == "BadInvalidState"  # not armed
        assert last(station, "opcua", "verdict")["result"] == "NOT_ARMED"
        assert await call(instructor, "LAB.ARM.ARM") == "Good"
        until(lambda: station.value("LAB.ARM.ARMED") == 1.0)
        assert await call(instructor, "LAB.FAULT_1.APPLY") == "Good"
    until(lambda: station.value("LAB.FAULT_1.APPLIED") == 1.0)
    until(lambda: station.value(f"{BREAKER}.OPS") >= 1.0)
    check_trip(station, reader, 1)
    assert station.value(f"{RELAY}.TARGETS") > 0.0


class Log:
    """Handler of a subscription: (tag, value, source time) of every change, as they come."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, bool, datetime]] = []

    def datachange_notification(self, node: Any, value: bool, data: Any) -> None:
        source = data.monitored_item.Value.SourceTimestamp
        self.rows.append((node.nodeid.Identifier, value, source))


async def test_opcua_tells_every_pickup_trip_and_movement_with_the_instant_of_the_plant(
    closed: Station,
) -> None:
    station = closed
    tags = [
        f"{RELAY}.PICKUP",
        f"{RELAY}.TRIP",
        f"{BREAKER}.ST_52A",
        f"{BREAKER}.ST_52B",
        f"{RELAY}_79.CLOSING",
    ]
    until(lambda: station.value(f"{RELAY}_79.RESET") == 1.0, 30.0)  # from lockout it would not reclose
    log, reader = Log(), EventReader(segment.attach(station.spec.events_path))
    async with client(station, "instructor") as instructor:
        subscription = await instructor.create_subscription(100, log)
        nodes = [instructor.get_node(f"ns=2;s={tag}") for tag in tags]
        await subscription.subscribe_data_change(nodes, queuesize=100)
        await asyncio.sleep(0.3)
        log.rows.clear()  # the first values
        for name, value in {**SETUP, "PLACE": behind_the_recloser()}.items():
            assert await write(instructor, f"LAB.FAULT_1.{name}", value) == "Good"
        assert await call(instructor, "LAB.ARM.ARM") == "Good"
        await asyncio.sleep(0.1)
        ops = station.value(f"{BREAKER}.OPS")
        assert await call(instructor, "LAB.FAULT_1.APPLY") == "Good"
        while station.value(f"{BREAKER}.OPS") < ops + 2.0:  # reclosed once
            await asyncio.sleep(0.05)
        assert pulse(station, "instructor", "LAB.FAULT_1.CLEAR")[0] == 5
        await asyncio.sleep(0.5)
    recorded = sequence_of_events(station, reader)
    for tag in tags:
        got = [(value, at) for name, value, at in log.rows if name == tag]
        both = [(is_on, ns) for is_on in (True, False) for ns in recorded.get((tag, float(is_on)), [])]
        wanted = sorted(((ns, is_on) for is_on, ns in both))[: len(got)]
        assert len(got) >= 2, tag
        # source times have 100 ns, of which the client keeps microseconds
        assert [(value, round(at.replace(tzinfo=UTC).timestamp() * 1e6)) for value, at in got] == [
            (is_on, ns // 1000) for ns, is_on in wanted
        ], tag
    (picked_up, *_) = (at for name, value, at in log.rows if (name, value) == (tags[0], True))
    (tripped, *_) = (at for name, value, at in log.rows if (name, value) == (tags[1], True))
    assert 0.0 < (tripped - picked_up).total_seconds() < 0.5


def test_modbus_instructor_arms_and_applies_a_fault_and_the_recloser_trips(closed: Station) -> None:
    station = closed
    reader = EventReader(segment.attach(station.spec.events_path))
    before = station.value(f"{BREAKER}.OPS")
    for role in ("operator", "engineer"):
        assert pulse(station, role, "LAB.ARM.ARM") == refused(5, NO_AUTHORITY)
        check_refusal(station, "modbus", role, "LAB.ARM.ARM", "instructor")
    for name, value in {**SETUP, "PLACE": behind_the_recloser()}.items():
        assert write_register(station, "instructor", f"LAB.FAULT_2.{name}", value)[0] == 16
    assert pulse(station, "instructor", "LAB.FAULT_2.APPLY") == refused(5, NOT_NOW)  # not armed
    assert pulse(station, "instructor", "LAB.ARM.ARM")[0] == 5
    until(lambda: station.value("LAB.ARM.ARMED") == 1.0)
    assert pulse(station, "instructor", "LAB.FAULT_2.APPLY")[0] == 5
    until(lambda: station.value(f"{BREAKER}.OPS") > before)
    check_trip(station, reader, 2)
