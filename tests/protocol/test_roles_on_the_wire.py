"""Who may what: every role at every kind of point, over both protocols with their own clients.

Whatever is refused has its reason on the wire and a line in the audit journal, and moves nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from asyncua import Client, ua
from pymodbus.client import AsyncModbusTcpClient

from protocols.accounts import Account
from protocols.modbus_server import Settings
from protocols.roles import ROLES
from rtcore.errors import UserInputError
from rtcore.points import Kind, Point
from tests.support import modbus_rig, opcua_rig
from tests.support.modbus_rig import Master, adu
from tests.support.users import account, one_of_each, password_of

BIT: dict[str, Any] = {"minimum": 0.0, "maximum": 1.0, "unit": ""}

POINTS = [
    opcua_rig.point("FDR.CB_1.TRIP", Kind.CONTROL, role="operator", wire={"modbus": "1:co:0:bit"}, **BIT),
    opcua_rig.point("FDR.CB_1.FAIL", Kind.CONTROL, role="instructor", wire={"modbus": "1:co:1:bit"}, **BIT),
    opcua_rig.point("FDR.CB_1.TAG", Kind.SETPOINT, role="operator", wire={"modbus": "1:hr:0:uint16"}),
    opcua_rig.point("FDR.R_1.PICKUP", Kind.SETPOINT, role="engineer", wire={"modbus": "1:hr:1:uint16"}),
    opcua_rig.point("FAULT.F_1.APPLY", Kind.CONTROL, role="instructor", wire={"modbus": "1:co:2:bit"}, **BIT),
    opcua_rig.point("FAULT.F_1.R", Kind.SETPOINT, role="instructor", wire={"modbus": "1:hr:2:uint16"}),
    opcua_rig.point("SUB.BUS1.V", wire={"modbus": "1:ir:100:float32"}),
]
WRITABLE = [p for p in POINTS if p.is_writable]
RANK = {role: k for k, role in enumerate(ROLES)}

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
WRITERS = [{"network": "127.0.0.0/8", "units": [1]}]

each_role = pytest.mark.parametrize("role", ROLES)
each_point = pytest.mark.parametrize("point", WRITABLE, ids=[f"{p.role}-{p.tag}" for p in WRITABLE])


def suffices(role: str, point: Point) -> bool:
    return RANK[role] >= RANK[point.role]


def check_refusal(record: dict[str, Any], role: str, point: Point, protocol: str) -> None:
    """The audit line of a refusal says who, what, what he is and what he would have to be."""
    wanted = {"event": "refused", "protocol": protocol, "role": role, "needs": point.role}
    assert {k: record[k] for k in wanted} == wanted
    assert record["result"] == "NO_AUTHORITY"
    assert record["writes"] == [[point.tag, 1.0]]
    assert record["peer"].startswith("127.0.0.")


# ---- OPC UA


@pytest.fixture(scope="module")
def opcua() -> Iterator[opcua_rig.Rig]:
    with opcua_rig.Rig(POINTS, users=one_of_each()) as rig:
        yield rig


async def command(client: Client, point: Point) -> str:
    """Write 1 to a setpoint or call a control; return the status."""
    try:
        if point.kind is Kind.CONTROL:
            name = point.name.title().replace("_", "")
            await client.get_node(f"ns=2;s={point.device}").call_method(f"2:{name}")
        else:
            await client.get_node(f"ns=2;s={point.tag}").write_value(1.0)
    except ua.UaStatusCodeError as error:
        return ua.StatusCode(error.code).name
    return "Good"


@each_role
@each_point
async def test_opcua_user_commands_what_the_role_reaches_and_no_more(
    opcua: opcua_rig.Rig, role: str, point: Point
) -> None:
    pulses, setpoints = list(opcua.core.pulses), dict(opcua.core.setpoints)
    async with opcua.client(role) as client:
        status = await command(client, point)
    last = opcua.audit.records[-1]
    assert last["user"] == role
    if suffices(role, point):
        assert (status, last["event"], last["result"]) == ("Good", "verdict", "DONE")
        assert last["role"] == role
        return
    assert status == "BadUserAccessDenied"
    assert (opcua.core.pulses, opcua.core.setpoints) == (pulses, setpoints)
    check_refusal(last, role, point, "opcua")


@each_point
async def test_opcua_anonymous_observes(opcua: opcua_rig.Rig, point: Point) -> None:
    async with opcua.client() as client:
        assert await command(client, point) == "BadUserAccessDenied"
    assert opcua.audit.records[-1]["user"] == "anonymous"
    check_refusal(opcua.audit.records[-1], "observer", point, "opcua")


@each_role
async def test_opcua_client_sees_beforehand_what_its_user_may(opcua: opcua_rig.Rig, role: str) -> None:
    async with opcua.client(role) as client:
        for point in POINTS:
            node = client.get_node(f"ns=2;s={point.tag}")
            is_method = point.kind is Kind.CONTROL
            attribute = ua.AttributeIds.UserExecutable if is_method else ua.AttributeIds.UserAccessLevel
            seen = (await node.read_attribute(attribute)).Value.Value
            may = point.is_writable and suffices(role, point)
            assert seen == (may if is_method else 3 if may else 1), point.tag


async def test_opcua_method_says_which_role_it_needs(opcua: opcua_rig.Rig) -> None:
    request = ua.CallMethodRequest(
        ObjectId=ua.NodeId("FAULT.F_1", 2), MethodId=ua.NodeId("FAULT.F_1.APPLY", 2)
    )
    async with opcua.client("engineer") as client:
        (result,) = await client.uaclient.call([request])
    assert (
        result.OutputArguments[0].Value
        == "this client may not write this point, it needs the role instructor"
    )


async def test_opcua_items_of_one_request_are_judged_one_by_one(opcua: opcua_rig.Rig) -> None:
    items = [
        ua.WriteValue(NodeId=ua.NodeId(p.tag, 2), AttributeId=ua.AttributeIds.Value, Value=ua.DataValue(1.0))
        for p in WRITABLE
        if p.kind is Kind.SETPOINT
    ]
    async with opcua.client("engineer") as client:
        results = await client.uaclient.write(ua.WriteParameters(NodesToWrite=items))
    assert [r.name for r in results] == ["Good", "Good", "BadUserAccessDenied"]


async def test_opcua_wrong_password_is_refused_and_on_record() -> None:
    names = [*ROLES, "nobody", "admin", "x" * 500, "evil\nname"]
    with opcua_rig.Rig([opcua_rig.point("A.B.C")], users=one_of_each(), lockout_failures=100) as rig:
        for name in names:
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await rig.client(name, "not the password").connect()
    assert [r["user"] for r in rig.audit.records] == [n[:64].replace("\n", "?") for n in names]
    for record in rig.audit.records:
        assert (record["event"], record["result"]) == ("login", "WRONG_NAME_OR_PASSWORD")
        assert record["peer"].startswith("127.0.0.1:")
        assert "not the password" not in repr(record)


async def test_opcua_guesses_of_a_peer_that_is_locked_out_do_not_fill_the_disk() -> None:
    with opcua_rig.Rig([opcua_rig.point("A.B.C")], lockout_failures=2) as rig:
        for _ in range(5):
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await rig.client("operator", "wrong guess").connect()
        assert len(rig.audit.records) == 2


async def test_opcua_session_follows_the_users_file() -> None:
    point = next(p for p in POINTS if p.role == "engineer")
    ann = account("ann", "operator")
    changes: list[tuple[dict[str, Account], str]] = [
        ({"ann": ann}, "BadUserAccessDenied"),
        ({"ann": account("ann", "engineer")}, "BadUserAccessDenied"),  # another password: log in again
        ({"ann": Account("engineer", ann.password)}, "Good"),
        ({"ann": Account("observer", ann.password)}, "BadUserAccessDenied"),
        ({}, "BadUserAccessDenied"),
    ]
    with opcua_rig.Rig(POINTS, users={"ann": ann}) as rig:
        async with rig.client("ann", password_of("ann")) as client:
            for users, status in changes:
                rig.accounts.replace(users)
                assert await command(client, point) == status
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await rig.client("ann", password_of("ann")).connect()


# ---- Modbus


def at(k: int) -> str:
    """Return the address of this machine that a test's k-th master sits at."""
    return f"127.0.0.{10 + k}"


def with_networks() -> dict[str, Account]:
    """Return a user of each role whose master has an address of its own."""
    return {
        role: Account(role, account(role, role).password, (ipaddress.ip_network(f"{at(k)}/32"),))
        for k, role in enumerate(ROLES)
    }


@pytest.fixture(scope="module")
def modbus() -> Iterator[modbus_rig.Rig]:
    with modbus_rig.Rig(
        POINTS,
        stamps=[],
        users=with_networks(),
        units=[{"unit": 1}, {"unit": 2, "mirror_of": 1}],
        writers=WRITERS,
        loopback_role="observer",
    ) as rig:
        yield rig


@each_role
@each_point
async def test_modbus_master_commands_what_the_role_of_its_address_reaches(
    modbus: modbus_rig.Rig, role: str, point: Point
) -> None:
    pulses, setpoints = list(modbus.core.pulses), dict(modbus.core.setpoints)
    _, table, address, _ = point.wire["modbus"].split(":")
    client = AsyncModbusTcpClient(
        "127.0.0.1", port=modbus.port, retries=0, source_address=(at(RANK[role]), 0)
    )
    async with client:
        if table == "co":
            answer = await client.write_coil(int(address), True, device_id=1)
        else:
            answer = await client.write_register(int(address), 1, device_id=1)
    last = modbus.audit.records[-1]
    if suffices(role, point):
        assert not answer.isError()
        assert (last["event"], last["result"], last["role"]) == ("verdict", "DONE", role)
        return
    assert answer.exception_code == 1
    assert (modbus.core.pulses, modbus.core.setpoints) == (pulses, setpoints)
    check_refusal(last, role, point, "modbus")


def ask(rig: modbus_rig.Rig, host: str, pdu: str, unit: int = 1) -> bytes:
    """Send one request from one of this machine's addresses."""
    with socket.create_connection(("127.0.0.1", rig.port), 5, source_address=(host, 0)) as plain:
        plain.sendall(adu(unit, bytes.fromhex(pdu)))
        return plain.recv(260)[7:]


FUNCTIONS = {
    "05 0002 FF00": b"\x85\x01",
    "05 0002 0000": b"\x85\x01",  # nor a 0 that does nothing
    "0F 0000 0003 01 05": b"\x8f\x01",  # one coil of three is beyond the role
    "06 0001 0001": b"\x86\x01",
    "10 0000 0003 06 0001 0001 0001": b"\x90\x01",
    "16 0002 FFFF 0000": b"\x96\x01",
    "17 0000 0001 0001 0002 04 0001 0001": b"\x97\x01",
}


@pytest.mark.parametrize(("pdu", "answer"), FUNCTIONS.items(), ids=FUNCTIONS)
def test_modbus_refuses_in_every_function_and_the_whole_group(
    modbus: modbus_rig.Rig, pdu: str, answer: bytes
) -> None:
    setpoints, pulses = dict(modbus.core.setpoints), list(modbus.core.pulses)
    before = len(modbus.audit.records)
    assert ask(modbus, at(RANK["operator"]), pdu) == answer
    assert (modbus.core.setpoints, modbus.core.pulses) == (setpoints, pulses)
    (record,) = modbus.audit.records[before:]
    assert (record["event"], record["result"]) == ("refused", "NO_AUTHORITY")
    assert record["needs"] in ("engineer", "instructor")


def test_modbus_unit_that_is_not_open_stays_closed_to_the_highest_role(modbus: modbus_rig.Rig) -> None:
    assert ask(modbus, at(RANK["instructor"]), "06 0000 0001", unit=2) == b"\x86\x01"
    assert "needs" not in modbus.audit.records[-1]  # no role would have done


def test_modbus_observer_reads(modbus: modbus_rig.Rig) -> None:
    assert ask(modbus, at(RANK["observer"]), "04 0064 0002")[:2] == b"\x04\x04"


@each_role
def test_modbus_of_this_machine_has_the_stations_role(role: str) -> None:
    with (
        modbus_rig.Rig(POINTS, stamps=[], units=[{"unit": 1}], writers=WRITERS, loopback_role=role) as rig,
        Master(rig.port) as master,
    ):
        answers = [master.ask(1, f"06 {k:04X} 0001")[0] for k in range(3)]
    assert answers == [6 if RANK[role] >= need else 0x86 for need in (1, 2, 3)]


def test_modbus_of_this_machine_is_operator_by_default() -> None:
    with modbus_rig.Rig(POINTS, stamps=[], units=[{"unit": 1}], writers=WRITERS) as rig, rig.connect() as m:
        assert [m.ask(1, f"06 {k:04X} 0001")[0] for k in range(3)] == [6, 0x86, 0x86]


def test_modbus_connection_follows_the_users_file() -> None:
    users = {"ann": Account("engineer", account("ann", "engineer").password, (LOOPBACK,))}
    with modbus_rig.Rig(POINTS, stamps=[], units=[{"unit": 1}], writers=WRITERS) as rig, rig.connect() as m:
        assert m.ask(1, "06 0001 0001") == b"\x86\x01"
        rig.accounts.replace(users)
        assert m.ask(1, "06 0001 0001")[0] == 6
        rig.accounts.replace({})
        assert m.ask(1, "06 0001 0001") == b"\x86\x01"


def test_a_role_that_is_none_is_refused_in_the_settings() -> None:
    with pytest.raises(UserInputError, match="loopback_role: 'chief'; allowed observer, operator, engineer"):
        Settings.parse({"loopback_role": "chief"})
