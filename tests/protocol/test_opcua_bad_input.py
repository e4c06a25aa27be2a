"""Each class of hostile bytes against the live server, while another client goes on reading.

The limits come from the defaults of ``OpcuaSettings``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from asyncua import ua

from protocols.opcua_settings import OpcuaSettings
from tests.support.opcua_rig import (
    Rig,
    chunk,
    hello,
    message,
    open_channel,
    request_header,
    settings_of,
    string,
)

GET_ENDPOINTS, CREATE_SESSION, WRITE, READ = 428, 461, 673, 631
REGISTER_SERVER = 437
VICTIM_MS_MAX = 500.0
"""Two shared cores and the attacker in the same process: a stall is what is looked for, not jitter."""


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as running, settings_of(running.core):
        yield running


class Peer:
    """A raw connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5.0)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def take(self) -> bytes:
        """Return the next chunk; empty when the server closed the connection."""
        data = b""
        need = 8
        while len(data) < need:
            try:
                more = self.socket.recv(need - len(data))
            except ConnectionError:
                return b""
            if not more:
                return b""
            data += more
            if len(data) == 8:
                need = int.from_bytes(data[4:8], "little")
        return data

    def is_closed(self, within_s: float = 2.0) -> bool:
        """Tell whether the server ends the connection in time."""
        self.socket.settimeout(within_s)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def channel(self) -> int:
        """Open a None channel and return its id."""
        self.send(hello())
        assert self.take()[:3] == b"ACK"
        self.send(open_channel())
        answer = self.take()
        assert answer[:3] == b"OPN"
        return int.from_bytes(answer[8:12], "little")


def status_of(answer: bytes) -> int:
    """Return the ServiceResult of a MSG chunk's response header."""
    body = answer[24:]
    assert body[:2] == b"\x01\x00", body[:8]
    return int(struct.unpack_from("<I", body, 4 + 8 + 4)[0])


@contextlib.asynccontextmanager
async def victim(rig: Rig) -> AsyncIterator[None]:
    """Another client, reading every 10 ms, which must not notice."""
    slowest = 0.0
    stop = asyncio.Event()

    async def poll() -> None:
        nonlocal slowest
        node = client.get_node("ns=2;s=SUB.BUS1.VA")
        while not stop.is_set():
            started = time.monotonic()
            await node.read_value()
            slowest = max(slowest, 1e3 * (time.monotonic() - started))
            await asyncio.sleep(0.01)

    async with rig.client() as client:
        task = asyncio.create_task(poll())
        await asyncio.sleep(0.05)
        try:
            yield
        finally:
            await asyncio.sleep(0.05)
            stop.set()
            await task
    assert slowest < VICTIM_MS_MAX


def endpoints_body(url_length: int) -> bytes:
    return request_header() + struct.pack("<i", url_length) + b"abc" + struct.pack("<ii", -1, -1)


async def attack(rig: Rig, work: object) -> None:
    async with victim(rig):
        await asyncio.to_thread(work)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [-2, -2147483648, 2147483647, 1000])
async def test_a_false_string_length_is_refused_and_the_server_goes_on(rig: Rig, length: int) -> None:
    def work() -> None:
        with Peer(rig.port) as peer:
            channel = peer.channel()
            peer.send(message(channel, 2, GET_ENDPOINTS, endpoints_body(length)))
            answer = peer.take()
            assert answer == b"" or status_of(answer) & 0x80000000

    await attack(rig, work)


async def test_the_94_byte_packet_that_hangs_a_stock_server_is_refused(rig: Rig) -> None:
    def work() -> None:
        with Peer(rig.port) as peer:
            channel = peer.channel()
            # an extension object in the request header whose body claims a negative length
            header = b"\x00\x00" + struct.pack("<qIIiI", 0, 1, 0, -1, 0) + b"\x01\x00\x41\x01\x01"
            body = header + struct.pack("<i", -60) + struct.pack("<iii", -1, -1, -1)
            peer.send(message(channel, 2, GET_ENDPOINTS, body))
            answer = peer.take()
            assert answer == b"" or status_of(answer) & 0x80000000

    await attack(rig, work)


@pytest.mark.parametrize("count", [0x7FFFFFFF, 1_000_000, -5])
async def test_an_array_longer_than_its_message_is_refused(rig: Rig, count: int) -> None:
    def work() -> None:
        with Peer(rig.port) as peer:
            channel = peer.channel()
            body = request_header() + struct.pack("<i", -1) + struct.pack("<i", count)
            started = time.monotonic()
            peer.send(message(channel, 2, GET_ENDPOINTS, body))
            answer = peer.take()
            assert answer == b"" or status_of(answer) & 0x80000000 or count < 0
            assert time.monotonic() - started < 1.0

    await attack(rig, work)


async def test_false_dimensions_of_a_variant_are_refused_in_no_time(rig: Rig) -> None:
    variant = bytes([0x80 | 0x40 | 11]) + struct.pack("<id", 1, 1.0) + struct.pack("<iii", 2, 1000, 1000)
    async with victim(rig), rig.client("operator") as client:
        session = client.uaclient.session
        token = ua.ua_binary.nodeid_to_binary(session.authentication_token)
        item = b"\x03\x02\x00" + string("SUB.SRC.V_SP") + struct.pack("<Ii", 13, -1) + b"\x01" + variant
        raw = b"\x01\x00" + struct.pack("<H", WRITE) + request_header(token, 9) + struct.pack("<i", 1) + item
        protocol = client.uaclient.protocol
        started = time.monotonic()
        answer = await _ask_raw(protocol, raw)
        # a stock server pads to a million elements for 1-2 s
        assert time.monotonic() - started < 0.5
        assert status_of(b"\x00" * 24 + answer) & 0x80000000
        await client.get_node("ns=2;s=SUB.BUS1.VA").read_value()


async def _ask_raw(protocol: Any, body: bytes) -> bytes:
    """Send a service body of our own making over a client's channel and return the answer's body."""
    protocol._request_id += 1
    answer = protocol._callbackmap[protocol._request_id] = asyncio.get_running_loop().create_future()
    data = protocol._connection.message_to_binary(body, request_id=protocol._request_id)
    protocol.transport.write(data)
    return bytes(await asyncio.wait_for(answer, 2.0))


@pytest.mark.parametrize("size", [0x40000000, 65536, 0xFFFFFFFF, 7, 0])
async def test_a_header_that_lies_ends_the_connection_before_anything_is_buffered(
    rig: Rig, size: int
) -> None:
    def work() -> None:
        with Peer(rig.port) as peer:
            peer.send(chunk(b"HEL", b"", size=size))
            assert peer.is_closed(1.0)

    await attack(rig, work)


@pytest.mark.parametrize("kind", [b"GET", b"ACK", b"\x00\x00\x00", b"\x16\x03\x01"])
async def test_another_protocol_or_message_type_is_shown_the_door(rig: Rig, kind: bytes) -> None:
    def work() -> None:
        with Peer(rig.port) as peer:
            peer.send(chunk(kind, b"\x00" * 40))
            assert peer.is_closed(1.0)

    await attack(rig, work)


async def test_messages_out_of_order_end_the_connection(rig: Rig) -> None:
    def work() -> None:
        for first in (open_channel(), hello() + hello(), hello(100)):
            with Peer(rig.port) as peer:
                peer.send(first)
                assert peer.is_closed(1.0)
        with Peer(rig.port) as peer:  # a message without a channel
            peer.send(hello())
            peer.take()
            peer.send(message(0, 1, GET_ENDPOINTS, endpoints_body(3)))
            assert peer.is_closed(1.0)

    await attack(rig, work)


async def test_a_flood_of_unfinished_chunks_is_cut_off_and_memory_stays(rig: Rig) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def work() -> None:
        for _ in range(4):
            with Peer(rig.port) as peer:
                channel = peer.channel()
                with contextlib.suppress(ConnectionError):
                    for sequence in range(2, 40):
                        head = struct.pack("<IIII", channel, 13, sequence, 2)
                        peer.send(chunk(b"MSG", head + b"\x00" * 60_000, b"C"))
                assert peer.is_closed(2.0)

    await attack(rig, work)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 32.0


async def test_random_bytes_harm_nobody(rig: Rig) -> None:
    def work() -> None:
        for k in range(60):
            with Peer(rig.port) as peer, contextlib.suppress(ConnectionError):
                if k % 2:
                    channel = peer.channel()
                    for sequence in range(2, 6):
                        peer.send(message(channel, sequence, GET_ENDPOINTS, os.urandom(200)))
                else:
                    peer.send(os.urandom(3000))

    await attack(rig, work)


async def test_a_request_for_too_many_nodes_is_refused(rig: Rig) -> None:
    async with victim(rig), rig.client() as client:
        wanted = ua.ReadValueId(NodeId=ua.NodeId("SUB.BUS1.VA", 2), AttributeId=ua.AttributeIds.Value)
        for count, code in ((1000, None), (1001, "BadTooManyOperations"), (0, "BadNothingToDo")):
            params = ua.ReadParameters(NodesToRead=[wanted] * count)
            if code is None:
                assert len(await client.uaclient.read(params)) == count
                continue
            with pytest.raises(ua.UaStatusCodeError) as error:
                await client.uaclient.read(params)
            assert error.value.code == getattr(ua.StatusCodes, code)


async def test_a_read_of_megabytes_is_refused(rig: Rig) -> None:
    schema = ua.ReadValueId(
        NodeId=ua.NodeId(ua.ObjectIds.OpcUa_BinarySchema), AttributeId=ua.AttributeIds.Value
    )
    async with victim(rig), rig.client() as client:
        with pytest.raises(ua.uaerrors.BadResponseTooLarge):
            await client.uaclient.read(ua.ReadParameters(NodesToRead=[schema] * 100))


async def test_queued_requests_of_a_client_that_does_not_read_do_not_hold_up_others(rig: Rig) -> None:
    def work() -> None:
        with Peer(rig.port) as peer, contextlib.suppress(ConnectionError, TimeoutError):
            channel = peer.channel()
            peer.socket.settimeout(1.0)
            for sequence in range(2, 3000):
                peer.send(message(channel, sequence, GET_ENDPOINTS, endpoints_body(3)))

    await attack(rig, work)


async def test_subscriptions_are_limited_in_number_and_rate_and_end_with_the_connection(rig: Rig) -> None:
    service = rig.server._server.iserver.subscription_service
    limit = OpcuaSettings().max_subscriptions_per_session
    async with victim(rig):
        client = rig.client()
        await client.connect()
        subs = [await client.create_subscription(0, None) for _ in range(limit)]
        assert all(s.parameters is not None for s in subs)
        mine = list(service.subscriptions.values())
        assert {s.data.RevisedPublishingInterval for s in mine} == {100.0}
        with pytest.raises(ua.uaerrors.BadTooManySubscriptions):
            await client.create_subscription(100, None)
        client.uaclient.protocol.transport.abort()  # dropped without a goodbye
        end = time.monotonic() + 5.0
        while service.subscriptions and time.monotonic() < end:
            await asyncio.sleep(0.05)
        assert not service.subscriptions
        with contextlib.suppress(Exception):
            await client.disconnect()


async def test_a_channel_has_one_session(rig: Rig) -> None:
    async with victim(rig), rig.client() as client:
        with pytest.raises(ua.uaerrors.BadTooManySessions):
            await client.create_session()


async def test_sessions_cannot_be_taken_over_and_tokens_cannot_be_guessed(rig: Rig) -> None:
    async with rig.client("operator") as owner, rig.client() as other:
        token = owner.uaclient.session.authentication_token
        assert isinstance(token.Identifier, bytes)
        assert len(token.Identifier) == 32
        own = other.uaclient.protocol.authentication_token
        other.uaclient.protocol.authentication_token = token
        with pytest.raises(ua.uaerrors.BadSessionIdInvalid):
            await other.get_node("ns=2;s=SUB.BUS1.VA").read_value()
        await owner.get_node("ns=2;s=SUB.BUS1.VA").read_value()
        other.uaclient.protocol.authentication_token = own


async def test_another_clients_subscription_cannot_be_touched(rig: Rig) -> None:
    async with rig.client() as owner, rig.client() as other:
        sub = await owner.create_subscription(200, None)
        results = await other.uaclient.delete_subscriptions([sub.subscription_id])
        assert [r.name for r in results] == ["BadSubscriptionIdInvalid"]
        assert sub.subscription_id in rig.server._server.iserver.subscription_service.subscriptions
        await sub.delete()


async def test_servers_cannot_be_registered_here(rig: Rig) -> None:
    def work() -> None:
        with Peer(rig.port) as peer:
            channel = peer.channel()
            peer.send(message(channel, 2, REGISTER_SERVER, request_header() + b"\xff" * 60))
            assert status_of(peer.take()) == ua.StatusCodes.BadServiceUnsupported

    await attack(rig, work)


async def test_connections_are_capped_and_a_silent_one_is_closed() -> None:
    with Rig(max_connections=8, activation_s=0.5) as rig:
        peers = [socket.create_connection(("127.0.0.1", rig.port)) for _ in range(12)]
        await asyncio.sleep(0.2)
        assert rig.server.n_clients == 8
        assert rig.server.tally.refused_connections == 4
        await asyncio.sleep(2.0)
        assert rig.server.n_clients == 0
        for peer in peers:
            peer.close()
        async with rig.client() as client:
            await client.get_node("ns=2;s=SUB.BUS1.VA").read_value()


async def test_clients_come_and_go_without_leaving_anything_behind(rig: Rig) -> None:
    for _ in range(10):
        async with rig.client() as client:
            sub = await client.create_subscription(100, None)
            await sub.subscribe_data_change([client.get_node("ns=2;s=SUB.BUS1.VA")])
    await asyncio.sleep(1.5)
    iserver = rig.server._server.iserver
    assert rig.server.n_clients == 0
    assert (iserver.subscription_service.subscriptions, iserver._external_sessions) == ({}, {})
    value = iserver.aspace[ua.NodeId("SUB.BUS1.VA", 2)].attributes[ua.AttributeIds.Value]
    assert value.datachange_callbacks == {}
