"""The OPC UA server through asyncua's client: the map on the wire, quality, commands, authority."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from hil import credentials
from protocols import opcua_space
from protocols.modbus_image import ImageBuilder
from protocols.modbus_map import build
from rtcore.commands import Reason
from rtcore.points import Kind
from rtcore.quality import Quality
from rtcore.units import UNITS
from tests.support.opcua_rig import STATION, Rig, point, settings_of

NS = 2


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


@pytest.fixture
def core(rig: Rig) -> Iterator[Any]:
    with settings_of(rig.core) as core:
        yield core


class Notes:
    """Subscription handler that keeps what came, with the time it came at."""

    def __init__(self) -> None:
        self.values: list[tuple[float, str, ua.DataValue]] = []

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        item = data.monitored_item.Value
        self.values.append((time.monotonic(), node.nodeid.Identifier, item))


async def until(condition: Any, timeout_s: float = 3.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "condition not met in time"
        await asyncio.sleep(0.01)


def status_of(error: pytest.ExceptionInfo[ua.UaStatusCodeError]) -> str:
    return ua.status_codes.get_name_and_doc(error.value.code)[0]


async def test_every_point_on_the_wire_equals_the_map(rig: Rig, core: Any) -> None:
    core.value_of = lambda i, step: float(i % 2) if rig.points[i].is_two_state else 100.0 + i
    await asyncio.sleep(0.25)
    async with rig.client() as client:
        assert (await client.get_namespace_array())[NS] == opcua_space.NAMESPACE
        for i, p in enumerate(rig.points):
            node = client.get_node(opcua_space.columns(p)["opcua_node"])
            if p.kind is Kind.CONTROL:
                assert await node.read_node_class() == ua.NodeClass.Method
                continue
            data = await node.read_data_value()
            expected = core.setpoints.get(i, core.value_of(i, 0))
            assert data.Value.Value == (bool(expected) if p.is_two_state else expected), p.tag
            assert data.StatusCode.is_good()
            assert abs(data.SourceTimestamp.timestamp() - time.time()) < 2.0
            kind = "TwoStateDiscreteType" if p.is_two_state else "AnalogItemType"
            assert (await node.read_type_definition()).Identifier == getattr(ua.ObjectIds, kind)
            assert (await node.read_description()).Text == p.description
            definition = await node.get_child("0:Definition")
            assert await definition.read_value() == f"{p.source}:{p.attr}"
            if p.states:
                names = [await (await node.get_child(f"0:{s}State")).read_value() for s in ("False", "True")]
                assert tuple(n.Text for n in names) == p.states
            else:
                span = await (await node.get_child("0:EURange")).read_value()
                assert (span.Low, span.High) == (p.minimum, p.maximum)
                unit = await (await node.get_child("0:EngineeringUnits")).read_value()
                assert (unit.UnitId, unit.DisplayName.Text or "") == (UNITS[p.unit].unece_id, p.unit)
                assert unit.NamespaceUri == opcua_space.UNIT_NAMESPACE


async def test_browse_tree_is_station_area_device_point_with_typed_devices(rig: Rig) -> None:
    async with rig.client() as client:
        path = [f"{NS}:{part}" for part in (STATION, "FDR_B", "CB_201", "IA")]
        node = await client.nodes.objects.get_child(path)
        assert node.nodeid == ua.NodeId("FDR_B.CB_201.IA", NS)
        breaker = await node.get_parent()
        kind = client.get_node(await breaker.read_type_definition())
        assert (await kind.read_browse_name()).Name == "BreakerType"
        parent = await kind.get_parent()
        assert parent.nodeid.Identifier == ua.ObjectIds.BaseObjectType
        methods = await breaker.get_methods()
        assert [(await m.read_browse_name()).Name for m in methods] == ["Trip", "Close"]


@pytest.mark.parametrize("quality", list(Quality))
async def test_quality_becomes_its_status_code(rig: Rig, core: Any, quality: Quality) -> None:
    core.value_of = lambda i, step: 42.0
    core.set_quality("SUB.BUS1.VA", quality)
    async with rig.client() as client:
        node = client.get_node("ns=2;s=SUB.BUS1.VA")
        await asyncio.sleep(0.25)  # two publishing periods
        data = await node.read_data_value(raise_on_bad_status=False)
        assert data.StatusCode.name == opcua_space.STATUS_NAME[quality]
        has_value = quality < 128 or quality is Quality.BAD_DEENERGISED
        assert data.Value.Value == (42.0 if has_value else None)


async def test_a_value_that_is_no_number_is_bad_whatever_the_plant_says(rig: Rig, core: Any) -> None:
    core.value_of = lambda i, step: math.nan
    await asyncio.sleep(0.25)
    async with rig.client() as client:
        data = await client.get_node("ns=2;s=SUB.BUS1.VA").read_data_value(raise_on_bad_status=False)
        assert data.StatusCode.value == ua.StatusCodes.Bad
        assert data.Value.Value is None


async def test_changes_within_the_deadband_are_not_pushed_and_slow_drift_is(rig: Rig, core: Any) -> None:
    level = [100.0]
    core.value_of = lambda i, step: level[0]
    await asyncio.sleep(0.25)
    notes = Notes()
    async with rig.client() as client:
        sub = await client.create_subscription(100, notes)
        await sub.subscribe_data_change([client.get_node("ns=2;s=FDR_B.M_3.V")])  # deadband 2 V
        await until(lambda: len(notes.values) == 1)
        for _ in range(4):  # four steps of 0.9 V: only the third crosses 2 V from what was reported
            level[0] += 0.9
            await asyncio.sleep(0.25)
        await until(lambda: len(notes.values) >= 2)
        assert [round(n[2].Value.Value, 1) for n in notes.values] == [100.0, 102.7]
        assert await client.get_node("ns=2;s=FDR_B.M_3.V").read_value() == pytest.approx(103.6)
        await sub.delete()


async def test_status_changes_are_always_pushed(rig: Rig, core: Any) -> None:
    state = [0.0]
    core.value_of = lambda i, step: state[0]
    await asyncio.sleep(0.25)
    notes = Notes()
    async with rig.client() as client:
        sub = await client.create_subscription(100, notes)
        await sub.subscribe_data_change([client.get_node("ns=2;s=FDR_B.CB_201.P52A")])
        for value in (1.0, 0.0):
            state[0] = value
            await until(lambda v=value: notes.values and notes.values[-1][2].Value.Value is bool(v))
        await sub.delete()


async def test_notifications_come_at_the_publishing_rate_and_not_at_step_rate(rig: Rig, core: Any) -> None:
    core.value_of = lambda i, step: 1000.0 + 10.0 * (step % 1000)  # changes at every 5 ms step
    notes = Notes()
    async with rig.client() as client:
        sub = await client.create_subscription(100, notes)
        await sub.subscribe_data_change([client.get_node("ns=2;s=SUB.BUS1.VB")])
        await asyncio.sleep(1.5)
        await sub.delete()
    # 15 periods of 100 ms, the first value, and a period of grace at either end
    assert 8 <= len(notes.values) <= 18


async def test_percent_deadband_is_relative_to_the_range(rig: Rig, core: Any) -> None:
    level = [0.0]
    core.value_of = lambda i, step: level[0]
    await asyncio.sleep(0.25)
    notes = Notes()
    async with rig.client() as client:
        sub = await client.create_subscription(100, notes)
        node = client.get_node("ns=2;s=SUB.BUS1.VC")  # EURange is 2e6 wide
        filter_ = ua.DataChangeFilter(
            Trigger=ua.DataChangeTrigger.StatusValue,
            DeadbandType=ua.DeadbandType.Percent,
            DeadbandValue=1.0,
        )
        request = ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node.nodeid, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(ClientHandle=77, Filter=filter_, QueueSize=10),
        )
        results = await sub.server.create_monitored_items(
            ua.CreateMonitoredItemsParameters(
                SubscriptionId=sub.subscription_id,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[request],
            )
        )
        results[0].StatusCode.check()
        items = rig.server._server.iserver.subscription_service.subscriptions[sub.subscription_id]
        mine = next(iter(items.monitored_item_srv._monitored_items.values()))
        await asyncio.sleep(0.25)
        level[0] = 15_000.0  # 0.75 %
        await asyncio.sleep(0.25)
        assert mine.mvalue.current_dvalue.Value.Value == 0.0
        level[0] = 25_000.0  # 1.25 %
        await until(lambda: mine.mvalue.current_dvalue.Value.Value == 25_000.0)
        await sub.delete()


async def test_no_deepcopy_is_made_for_a_notification(
    rig: Rig, core: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import copy  # patched here only

    core.value_of = lambda i, step: float(step)
    copied: list[type] = []
    real = copy.deepcopy
    monkeypatch.setattr(copy, "deepcopy", lambda x, *a: (copied.append(type(x)), real(x, *a))[1])
    notes = Notes()
    async with rig.client() as client:
        sub = await client.create_subscription(100, notes)
        await sub.subscribe_data_change([client.get_node("ns=2;s=SUB.BUS1.VB")])
        await until(lambda: len(notes.values) > 3)
        await sub.delete()
    assert ua.DataValue not in copied


async def test_operator_writes_a_setpoint_and_reads_it_back_at_once(rig: Rig, core: Any) -> None:
    async with rig.client("operator") as client:
        node = client.get_node("ns=2;s=SUB.SRC.V_SP")
        for value in (1.05, 0.95, 1.0):
            await node.write_value(value)
            assert await node.read_value() == value
    kinds = [(r["event"], r["user"], r.get("result")) for r in rig.audit.records[-2:]]
    assert kinds == [("command", "operator", None), ("verdict", "operator", "DONE")]
    assert rig.audit.records[-1]["peer"].startswith("127.0.0.1:")


BAD_WRITES = [
    ("SUB.SRC.V_SP", ua.Variant(2.0, ua.VariantType.Double), "BadOutOfRange"),
    ("SUB.SRC.V_SP", ua.Variant(math.nan, ua.VariantType.Double), "BadOutOfRange"),
    ("SUB.SRC.V_SP", ua.Variant(math.inf, ua.VariantType.Double), "BadOutOfRange"),
    ("SUB.SRC.V_SP", ua.Variant(1e308, ua.VariantType.Double), "BadOutOfRange"),
    ("SUB.SRC.V_SP", ua.Variant(1, ua.VariantType.Int32), "BadTypeMismatch"),
    ("SUB.SRC.V_SP", ua.Variant(1.0, ua.VariantType.Float), "BadTypeMismatch"),
    ("SUB.SRC.V_SP", ua.Variant("1.0", ua.VariantType.String), "BadTypeMismatch"),
    ("SUB.SRC.V_SP", ua.Variant([1.0], ua.VariantType.Double), "BadTypeMismatch"),
    ("SUB.SRC.V_SP", ua.Variant(None, ua.VariantType.Null), "BadTypeMismatch"),
    ("FDR_B.CB_201.LOCAL", ua.Variant(1.0, ua.VariantType.Double), "BadTypeMismatch"),
    ("SUB.BUS1.VA", ua.Variant(1.0, ua.VariantType.Double), "BadNotWritable"),
    ("SUB.SRC.V_SP/EURange", ua.Variant(ua.Range(0, 9)), "BadNotWritable"),
    ("NO.SUCH.POINT", ua.Variant(1.0, ua.VariantType.Double), "BadNodeIdUnknown"),
]


@pytest.mark.parametrize(("tag", "variant", "status"), BAD_WRITES)
async def test_a_bad_write_is_refused_with_its_code_and_changes_nothing(
    rig: Rig, core: Any, tag: str, variant: ua.Variant, status: str
) -> None:
    before = dict(core.setpoints)
    async with rig.client("operator") as client:
        with pytest.raises(ua.UaStatusCodeError) as error:
            await client.get_node(f"ns=2;s={tag}").write_value(ua.DataValue(variant))
    assert status_of(error) == status
    assert core.setpoints == before


async def test_a_setpoint_with_an_integer_register_takes_no_fraction_and_both_protocols_read_the_same() -> (
    None
):
    tap = point(
        "SUB.REG_A.TAP_SP",
        Kind.SETPOINT,
        unit="tap",
        minimum=-16,
        maximum=16,
        wire={"modbus": "1:hr:0:int16"},
    )
    with Rig(points=[tap]) as rig:
        builder = ImageBuilder(build([tap], [], {"units": [{"unit": 1}]}))
        async with rig.client("operator") as client:
            node = client.get_node("ns=2;s=SUB.REG_A.TAP_SP")
            await node.write_value(3.0)
            with pytest.raises(ua.UaStatusCodeError) as error:
                await node.write_value(2.7)
            assert status_of(error) == "BadOutOfRange"
            assert rig.audit.records[-1]["result"] == "OUT_OF_RANGE"
            snapshot = rig.gateway.snapshot(time.monotonic_ns())
            assert snapshot is not None
            at = 2 * builder.base[1, "hr"]
            registers = builder.build(snapshot).registers[at : at + 2]
            assert await node.read_value() == int.from_bytes(registers, "big", signed=True) == 3


async def test_items_of_one_request_have_their_own_verdicts(rig: Rig, core: Any) -> None:
    wanted = [("SUB.SRC.V_SP", 1.02), ("SUB.SRC.V_SP", 5.0), ("SUB.BUS1.VA", 1.0)]
    async with rig.client("operator") as client:
        items = [
            ua.WriteValue(
                NodeId=ua.NodeId(tag, NS), AttributeId=ua.AttributeIds.Value, Value=ua.DataValue(value)
            )
            for tag, value in wanted
        ]
        results = await client.uaclient.write(ua.WriteParameters(NodesToWrite=items))
    assert [r.name for r in results] == ["Good", "BadOutOfRange", "BadNotWritable"]


async def test_only_the_value_attribute_is_writable_and_never_a_part_of_it(rig: Rig, core: Any) -> None:
    node_id = ua.NodeId("SUB.SRC.V_SP", NS)
    name = ua.DataValue(ua.Variant(ua.LocalizedText("x"), ua.VariantType.LocalizedText))
    async with rig.client("operator") as client:
        items = [
            ua.WriteValue(NodeId=node_id, AttributeId=ua.AttributeIds.DisplayName, Value=name),
            ua.WriteValue(
                NodeId=node_id, AttributeId=ua.AttributeIds.Value, IndexRange="0", Value=ua.DataValue(1.0)
            ),
        ]
        results = await client.uaclient.write(ua.WriteParameters(NodesToWrite=items))
    assert [r.name for r in results] == ["BadNotWritable", "BadIndexRangeNoData"]


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.IN_LOCAL, "BadInvalidState"),
        (Reason.OUT_OF_RANGE, "BadOutOfRange"),
        (Reason.EXPIRED, "BadTimeout"),
    ],
)
async def test_the_plants_refusal_is_the_answer(rig: Rig, core: Any, reason: Reason, status: str) -> None:
    core.decide = lambda i, v: reason
    async with rig.client("operator") as client:
        with pytest.raises(ua.UaStatusCodeError) as error:
            await client.get_node("ns=2;s=SUB.SRC.V_SP").write_value(1.01)
        assert status_of(error) == status
        with pytest.raises(ua.UaStatusCodeError) as error:
            await client.get_node("ns=2;s=FDR_B.CB_201").call_method(f"{NS}:Trip")
        assert status_of(error) == status
    assert core.pulses == []


async def test_trip_is_a_method_that_answers_with_the_verdict(rig: Rig, core: Any) -> None:
    async with rig.client("operator") as client:
        result, step = await client.get_node("ns=2;s=FDR_B.CB_201").call_method(f"{NS}:Trip")
    assert result == "done"
    assert 0 < step <= core.step
    assert core.pulses == [("FDR_B.CB_201.TRIP", 1.0)]


async def test_a_method_is_refused_on_another_device_and_with_arguments(rig: Rig, core: Any) -> None:
    async with rig.client("operator") as client:
        trip = ua.NodeId("FDR_B.CB_201.TRIP", NS)
        requests = [
            ua.CallMethodRequest(ObjectId=ua.NodeId("FDR_B.CB_202", NS), MethodId=trip),
            ua.CallMethodRequest(
                ObjectId=ua.NodeId("FDR_B.CB_201", NS), MethodId=trip, InputArguments=[ua.Variant(1.0)]
            ),
        ]
        results = await client.uaclient.call(requests)
    assert [r.StatusCode.name for r in results] == ["BadMethodInvalid", "BadTooManyArguments"]
    assert core.pulses == []


async def test_anonymous_reads_and_may_not_command(rig: Rig, core: Any) -> None:
    before = dict(core.setpoints)
    async with rig.client() as client:
        node = client.get_node("ns=2;s=SUB.SRC.V_SP")
        await node.read_value()
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await node.write_value(1.0)
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await client.get_node("ns=2;s=FDR_B.CB_201").call_method(f"{NS}:Trip")
        level = await node.read_attribute(ua.AttributeIds.UserAccessLevel)
        assert level.Value.Value == 1  # CurrentRead
    assert (core.setpoints, core.pulses) == (before, [])
    refused = rig.audit.records[-1]
    assert (refused["user"], refused["result"]) == ("anonymous", "NO_AUTHORITY")


@pytest.mark.parametrize("user", ["admin", "Admin", "root", "operator"])
async def test_nobody_is_admin_and_a_wrong_password_is_refused(user: str) -> None:
    with Rig([point("A.B.C")]) as rig:
        with pytest.raises(ua.UaStatusCodeError) as error:
            await rig.client(user, "x").connect()
        assert status_of(error) == "BadUserAccessDenied"


async def test_five_wrong_passwords_lock_the_peer_out_even_with_the_right_one() -> None:
    with Rig([point("A.B.C")], lockout_s=1.5) as rig:
        for _ in range(5):
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await rig.client("operator", "wrong").connect()
        with pytest.raises(ua.uaerrors.BadUserAccessDenied):
            await rig.client("operator").connect()
        async with rig.client() as client:  # reading is not affected
            await client.get_node("ns=2;s=A.B.C").read_data_value(raise_on_bad_status=False)
        await asyncio.sleep(1.6)
        async with rig.client("operator"):
            pass


async def test_nodes_cannot_be_added_or_deleted(rig: Rig) -> None:
    async with rig.client("operator") as client:
        with pytest.raises(ua.UaStatusCodeError) as error:
            await client.nodes.objects.add_variable(NS, "mine", 1.0)
        assert status_of(error) == "BadServiceUnsupported"
        with pytest.raises(ua.UaStatusCodeError) as error:
            await client.delete_nodes([client.get_node("ns=2;s=SUB.BUS1.VA")])
        assert status_of(error) == "BadServiceUnsupported"


@pytest.mark.parametrize("mode", [ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt])
async def test_operator_commands_over_a_secure_channel(
    rig: Rig, core: Any, tmp_path: Any, mode: ua.MessageSecurityMode
) -> None:
    credentials.ensure_identity(tmp_path, "client", "localhost")
    client = rig.client("operator")
    client.application_uri = credentials.application_uri("client")
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate=str(tmp_path / "opcua-certificate.der"),
        private_key=str(tmp_path / "opcua-key.pem"),
        mode=mode,
    )
    async with client:
        await client.get_node("ns=2;s=SUB.SRC.V_SP").write_value(1.03)
        assert await client.get_node("ns=2;s=SUB.SRC.V_SP").read_value() == 1.03


async def test_without_the_none_policy_only_discovery_is_open_in_clear() -> None:
    with Rig([point("A.B.C")], none_policy_on_loopback=False) as rig:
        client = rig.client()
        endpoints = await client.connect_and_get_server_endpoints()
        modes = {e.SecurityMode for e in endpoints}
        assert modes == {ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.SignAndEncrypt}
        raw = Client(rig.url, timeout=5)
        await raw.connect_socket()
        await raw.send_hello()
        await raw.open_secure_channel()
        with pytest.raises(ua.UaStatusCodeError) as error:
            await raw.create_session()
        assert status_of(error) == "BadSecurityPolicyRejected"
        raw.disconnect_socket()


async def test_core_death_makes_every_point_bad_within_500_ms_and_its_return_brings_values_back() -> None:
    with Rig() as rig:
        notes = Notes()
        async with rig.client() as client:
            shown = [p for p in rig.points if p.kind is not Kind.CONTROL]
            nodes = [client.get_node(opcua_space.node_id(p)) for p in shown]
            sub = await client.create_subscription(100, notes)
            await sub.subscribe_data_change(nodes)
            await until(lambda: len(notes.values) >= len(shown))
            rig.core.die()
            died = time.monotonic()
            dead: dict[str, float] = {}

            def all_bad() -> bool:
                for at, tag, data in notes.values:
                    if data.StatusCode.value == ua.StatusCodes.BadNoCommunication:
                        dead.setdefault(tag, at)
                return len(dead) == len(shown)

            await until(all_bad)
            assert max(dead.values()) - died < 0.5
            read = await client.read_attributes(nodes, ua.AttributeIds.Value)
            assert {d.StatusCode.name for d in read} == {"BadNoCommunication"}
            notes.values.clear()
            rig.core.tick()  # the core is back, for as long as its heartbeat is young
            end = time.monotonic() + 1.0
            while time.monotonic() < end and not any(v[2].StatusCode.is_good() for v in notes.values):
                rig.core.tick()
                await asyncio.sleep(0.01)
            assert any(v[2].StatusCode.is_good() for v in notes.values)


async def test_a_write_to_a_dead_core_is_refused() -> None:
    with Rig() as rig:
        rig.core.die()
        await until(lambda: not rig.gateway.is_alive(time.monotonic_ns()))
        async with rig.client("operator") as client:
            with pytest.raises(ua.UaStatusCodeError) as error:
                await client.get_node("ns=2;s=SUB.SRC.V_SP").write_value(1.0)
        assert status_of(error) == "BadNoCommunication"


async def test_a_slow_tier_still_notices_the_cores_death_within_500_ms() -> None:
    with Rig(publish_ms=5000.0) as rig:
        async with rig.client() as client:
            node = client.get_node("ns=2;s=SUB.BUS1.VA")
            await node.read_value()
            rig.core.die()
            await asyncio.sleep(0.5)
            data = await node.read_data_value(raise_on_bad_status=False)
            assert data.StatusCode.value == ua.StatusCodes.BadNoCommunication
