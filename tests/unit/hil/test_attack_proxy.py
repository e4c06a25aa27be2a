"""The proxy without a station: what is not Modbus goes through, strangers and dead servers end it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator

from hil.attack_proxy import Proxy
from protocols.modbus_map import ModbusMap
from protocols.modbus_tamper import ModbusTamper

NOTHING = ModbusMap({}, (), (), None)
READ = bytes.fromhex("000100000006010400000002")


def tamper(_address: tuple[str, int]) -> ModbusTamper:
    return ModbusTamper(NOTHING, None)


@contextlib.asynccontextmanager
async def proxied(allowed: tuple[str, ...] = ()) -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy in front of a server that answers with what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1000):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    networks = [ipaddress.ip_network(n) for n in allowed]
    proxy = Proxy(("127.0.0.1", server.sockets[0].getsockname()[1]), tamper, lambda: 0.0, networks)
    port = await proxy.start("127.0.0.1", 0)
    try:
        yield proxy, port
    finally:
        await proxy.close()
        server.close()
        await asyncio.sleep(0.02)  # connections end in the loop's next rounds


async def test_frames_in_pieces_and_what_is_no_modbus_come_through() -> None:
    async with proxied() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in (READ[:3], READ[3:], READ, b"GET / HTTP/1.1\r\n\r\n", b"and more"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        expected = READ + READ + b"GET / HTTP/1.1\r\n\r\nand more"
        assert await asyncio.wait_for(reader.readexactly(len(expected)), 5.0) == expected
        writer.close()


async def test_a_stream_that_ends_within_a_frame_goes_on_and_is_counted() -> None:
    async with proxied() as (proxy, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(READ + READ[:5])
        writer.write_eof()
        async with asyncio.timeout(5.0):
            while not proxy.n_cut:
                await asyncio.sleep(0.01)
        writer.close()
        assert (proxy.n_cut, proxy.n_changed) == (1, 0)


async def test_two_masters_have_connections_of_their_own() -> None:
    async with proxied() as (proxy, port):
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(READ)
            assert await asyncio.wait_for(reader.readexactly(len(READ)), 5.0) == READ
            writer.close()
        assert (proxy.n_connections, proxy.n_refused, proxy.n_changed) == (2, 0, 0)


async def test_a_server_that_is_not_there_ends_the_masters_connection() -> None:
    holder = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    free = holder.sockets[0].getsockname()[1]
    holder.close()
    await holder.wait_closed()
    proxy = Proxy(("127.0.0.1", free), tamper, lambda: 0.0)
    port = await proxy.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(1), 5.0) == b""
    writer.close()
    await proxy.close()
    await asyncio.sleep(0.02)


async def test_only_this_machine_and_allowed_networks_may_use_it() -> None:
    async with proxied(("192.168.1.0/24",)) as (proxy, _):
        assert proxy._may("127.0.0.1") and proxy._may("::1") and proxy._may("192.168.1.7")
        assert not proxy._may("192.168.2.7") and not proxy._may("fe80::1%eth0")
