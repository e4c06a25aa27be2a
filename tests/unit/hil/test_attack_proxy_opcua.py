"""A client of OPC UA behind the proxy sees what the attacker wants, one beside it the truth."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from estimation.attacks import Attack, Kind, Place
from estimation.tamper import Tamper
from hil import credentials
from hil.attack_proxy import Proxy
from protocols.opcua_reads import OpcuaReads
from protocols.opcua_tamper import OpcuaTamper, Tally
from protocols.tamper_image import Image
from rtcore.quality import Quality
from tests.support.opcua_rig import NONE_POLICY, SESSION_MS, Rig, hello, open_channel

ATTACKED = ("SUB.BUS1.VA", "FDR_B.CB_201.P52A")
METER, OTHER = "ns=2;s=SUB.BUS1.VA", "ns=2;s=SUB.BUS1.VB"
SWITCH = "ns=2;s=FDR_B.CB_201.P52A"
BIAS = Attack(
    name="high", kind=Kind.BIAS, place=Place.WIRE, channels=ATTACKED[:1], parameters={"offset": 50.0}
)
SPOOF = Attack(name="open", kind=Kind.TOPOLOGY, place=Place.WIRE, statuses={ATTACKED[1]: 0.0})
LOSS = Attack(name="lost", kind=Kind.DROPOUT, place=Place.WIRE, channels=ATTACKED)
FREEZE = Attack(name="old", kind=Kind.FREEZE, place=Place.WIRE, channels=ATTACKED[:1], start_s=10.0)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as found:
        found.core.value_of = lambda i, _step: 1.0 if found.points[i].is_two_state else 100.0 + i
        yield found


class Middle:
    """A proxy in front of the rig, with what it was made of."""

    def __init__(self, rig: Rig, *attacks: Attack) -> None:
        self.t_s = 0.0
        self.falsifier = Tamper(
            attacks, {tag: k for k, tag in enumerate(ATTACKED)}, np.random.default_rng(1), keeps_rows=True
        )
        self.tally = Tally()
        image = Image(ATTACKED, self.falsifier)
        self.proxy = Proxy(
            ("127.0.0.1", rig.port),
            lambda address: OpcuaTamper(image, self.tally, rig.port, address),
            lambda: self.t_s,
        )
        self.port = 0

    def client(self, host: str = "127.0.0.1") -> Client:
        client = Client(f"opc.tcp://{host}:{self.port}/gridhil", timeout=5)
        client.session_timeout = SESSION_MS
        return client


@contextlib.asynccontextmanager
async def between(rig: Rig, *attacks: Attack) -> AsyncIterator[Middle]:
    middle = Middle(rig, *attacks)
    middle.port = await middle.proxy.start("127.0.0.1", 0)
    try:
        yield middle
    finally:
        await middle.proxy.close()
        await asyncio.sleep(0.02)  # connections end in the loop's next rounds


class Notes:
    """What a subscription was sent, by node."""

    def __init__(self) -> None:
        self.of: dict[str, list[ua.DataValue]] = {}

    def datachange_notification(self, node: Any, _value: Any, data: Any) -> None:
        self.of.setdefault(node.nodeid.to_string(), []).append(data.monitored_item.Value)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):  # 50 publishing periods
        while not is_so():
            await asyncio.sleep(0.02)


async def seen(client: Client, node: str) -> ua.DataValue:
    return await client.get_node(node).read_data_value(raise_on_bad_status=False)


async def test_reads_through_the_proxy_are_false_and_those_beside_it_are_true(rig: Rig) -> None:
    async with between(rig, BIAS, SPOOF) as middle:
        async with middle.client() as client, rig.client() as honest:
            await until(lambda: rig.core.step > 30)  # the plant's values have been swept
            false, true = await seen(client, METER), await seen(honest, METER)
            assert (false.Value.Value, true.Value.Value) == (150.0, 100.0)
            assert false.StatusCode.is_good()
            assert false.Value.VariantType == ua.VariantType.Double
            switch = await seen(client, SWITCH)
            assert switch.Value.Value is False and (await seen(honest, SWITCH)).Value.Value is True
            assert (await seen(client, OTHER)).Value.Value == 101.0
            # other attributes of an attacked point are no readings
            assert (await client.get_node(METER).read_display_name()).Text == "VA"
        assert middle.proxy.n_changed == 2
        assert (middle.tally.malformed, middle.tally.too_long, middle.tally.encrypted) == (0, 0, 0)
    assert {(r.attack, r.true_value, r.false_value) for r in middle.falsifier.rows} >= {
        ("high", 100.0, 150.0),
        ("open", 1.0, 0.0),
    }


async def test_the_estimators_reader_gets_false_values_in_one_read_of_many(rig: Rig) -> None:
    async with between(rig, BIAS) as middle:
        reader = OpcuaReads(f"opc.tcp://127.0.0.1:{middle.port}/gridhil", 2.0)
        await reader.connect()
        found = await reader.read_nodes([OTHER, METER, "ns=2;s=NO.SUCH", METER])
        await reader.close()
    assert [found[k] for k in (0, 1, 3)] == [(101.0, 0), (150.0, 0), (150.0, 0)]
    assert found[2][1] >= Quality.BAD


async def test_a_subscription_is_told_false_values_with_the_times_of_the_true_ones(rig: Rig) -> None:
    false, true = Notes(), Notes()
    level = rig.core.value_of
    async with between(rig, BIAS, SPOOF) as middle, middle.client() as client, rig.client() as honest:
        for c, notes in ((client, false), (honest, true)):
            sub = await c.create_subscription(100, notes)
            await sub.subscribe_data_change([c.get_node(n) for n in (METER, OTHER, SWITCH)])
        await until(lambda: len(false.of) == len(true.of) == 3)
        try:
            rig.core.value_of = lambda i, step: level(i, step) + 7.0 * (i < 3)
            await until(lambda: len(false.of[METER]) > 1 and len(true.of[METER]) > 1)
        finally:
            rig.core.value_of = level
        await until(lambda: len(false.of[METER]) > 2 and len(true.of[METER]) > 2)
    assert [v.Value.Value for v in true.of[METER]] == [100.0, 107.0, 100.0]
    assert [v.Value.Value for v in false.of[METER]] == [150.0, 157.0, 150.0]
    assert [v.SourceTimestamp for v in false.of[METER]][1:] == [v.SourceTimestamp for v in true.of[METER]][1:]
    assert [v.Value.Value for v in false.of[OTHER]] == [101.0, 108.0, 101.0]
    assert false.of[SWITCH][0].Value.Value is False and true.of[SWITCH][0].Value.Value is True
    assert middle.tally.malformed == 0


async def test_what_is_lost_has_the_stations_own_status_and_no_value(rig: Rig) -> None:
    notes = Notes()
    async with between(rig, LOSS) as middle, middle.client() as client:
        data = await seen(client, METER)
        assert data.StatusCode.name == "BadNoCommunication" and data.Value.Value is None
        assert data.SourceTimestamp is not None
        sub = await client.create_subscription(100, notes)
        await sub.subscribe_data_change([client.get_node(n) for n in (SWITCH, OTHER)])
        await until(lambda: len(notes.of) == 2)
    assert notes.of[SWITCH][0].StatusCode.name == "BadNoCommunication"
    assert notes.of[OTHER][0].Value.Value == 101.0


async def test_a_frozen_value_stays_good_while_the_true_one_is_lost(rig: Rig) -> None:
    async with between(rig, FREEZE) as middle, middle.client() as client, rig.client() as honest:
        before = await seen(client, METER)
        middle.t_s = 11.0
        for quality in (Quality.BAD_SENSOR, Quality.GOOD):
            rig.core.set_quality("SUB.BUS1.VA", quality)
            async with asyncio.timeout(5.0):
                while (await seen(honest, METER)).StatusCode.is_good() is not (quality is Quality.GOOD):
                    await asyncio.sleep(0.02)
            if quality is not Quality.GOOD:
                frozen = await seen(client, METER)
    assert before.Value.Value == frozen.Value.Value == 100.0
    assert frozen.StatusCode.is_good() and frozen.Value.VariantType == ua.VariantType.Double


async def test_a_registered_node_is_the_same_point(rig: Rig) -> None:
    async with between(rig, BIAS) as middle, middle.client() as client:
        (alias,) = await client.uaclient.register_nodes([ua.NodeId.from_string(METER)])
        assert (await client.get_node(alias).read_data_value()).Value.Value == 150.0


async def test_endpoints_lead_back_to_the_proxy_by_the_name_that_the_client_used(rig: Rig) -> None:
    async with between(rig, BIAS) as middle:
        for host in ("127.0.0.1", "localhost"):
            client = middle.client(host)
            await client.connect_socket()
            await client.send_hello()
            await client.open_secure_channel()
            listed, session = await client.get_endpoints(), await client.create_session()
            servers = await client.find_servers()
            await client.close_secure_channel()
            client.disconnect_socket()
            here = f"opc.tcp://{host}:{middle.port}/gridhil"
            assert [e.EndpointUrl for e in listed] == [here] * 3  # one of each security policy and mode
            assert [e.EndpointUrl for e in session.ServerEndpoints] == [here] * 3
            assert {url for s in servers for url in s.DiscoveryUrls} == {here}


async def test_an_encrypted_channel_goes_through_untouched_and_is_counted(rig: Rig, tmp_path: Path) -> None:
    credentials.ensure_identity(tmp_path, "client", "localhost")
    async with between(rig, BIAS) as middle:
        client = middle.client()
        client.application_uri = credentials.application_uri("client")
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            certificate=str(tmp_path / "opcua-certificate.der"),
            private_key=str(tmp_path / "opcua-key.pem"),
            mode=ua.MessageSecurityMode.SignAndEncrypt,
        )
        async with client:
            assert (await seen(client, METER)).Value.Value == 100.0
    assert middle.tally.encrypted == 1
    assert (middle.tally.malformed, middle.falsifier.rows) == (0, [])


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"HELF\xff\xff\xff\xff" + bytes(40),
        hello() + open_channel().replace(NONE_POLICY.encode(), b"x" * len(NONE_POLICY)) + bytes(range(256)),
        hello() + open_channel() + b"MSGF\x0c\x00\x00\x00" + bytes(4),
    ],
)
async def test_what_cannot_be_understood_is_counted_and_stops_nobody(rig: Rig, sent: bytes) -> None:
    async with between(rig, BIAS) as middle:
        reader, writer = await asyncio.open_connection("127.0.0.1", middle.port)
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(5.0):
                while await reader.read(1000):  # the station, too, has had enough
                    pass
        writer.close()
        assert middle.tally.malformed == 1
        async with middle.client() as client:
            assert (await seen(client, METER)).Value.Value == 150.0
