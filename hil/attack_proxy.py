"""Man in the middle: a small TCP proxy of ours in front of a server of our own.

Listens on loopback unless networks are allowed by name; whoever is not allowed is refused before a byte is
passed. Frames are rewritten by ``protocols.modbus_tamper`` or ``protocols.opcua_tamper``; what is not of the
protocol goes on as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from rtcore.errors import HostError

CHUNK = 65_536
CONNECT_S = 3.0

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Frames(Protocol):
    """Cuts one direction's byte stream."""

    is_broken: bool
    """From ``rest`` on it is another protocol."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are complete now."""

    @property
    def rest(self) -> bytes:
        """Bytes that are no complete frame."""


class Rewriter(Protocol):
    """What one connection passes through."""

    n_changed: int

    def frames(self) -> Frames:
        """Return what cuts one direction's stream."""

    def request(self, t_s: float, frame: bytes, /) -> bytes:
        """Return the frame that the server is to get in place of a master's."""

    def reply(self, t_s: float, frame: bytes, /) -> bytes | None:
        """Return the frame that the master is to get in place of the server's, None for none."""


TamperOf = Callable[[tuple[str, int]], Rewriter]
"""Makes the tamper of a connection, given the address that the master reached."""


class Proxy:
    """Passes connections on to a server, each through a tamper of its own.

    Parameters
    ----------
    upstream : (str, int)
        The server.
    tamper_of : callable
        Makes the tamper of a new connection, given the address that it came to.
    clock_s : callable
        Time that the attacks count by [s].
    allowed : sequence of network
        Masters beside those on this machine.
    """

    def __init__(
        self,
        upstream: tuple[str, int],
        tamper_of: TamperOf,
        clock_s: Callable[[], float],
        allowed: Sequence[IpNetwork] = (),
    ) -> None:
        self._upstream, self._tamper_of, self._clock_s, self._allowed = upstream, tamper_of, clock_s, allowed
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.n_connections = self.n_refused = self.n_changed = self.n_cut = 0

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port.

        Raises
        ------
        HostError
            It cannot be had.
        """
        try:
            self._server = await asyncio.start_server(self._serve, host, port, limit=CHUNK)
        except OSError as error:
            raise HostError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Drop every connection and stop."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # connections that were dropped end in the loop's next round

    def _may(self, address: str) -> bool:
        peer = ipaddress.ip_address(address.partition("%")[0])
        return peer.is_loopback or any(peer in n for n in self._allowed if n.version == peer.version)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self._may(writer.get_extra_info("peername")[0]):
                self.n_refused += 1
                return
            self.n_connections += 1
            await self._pass(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):  # either end has gone, or we are to end
            return
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(CONNECT_S):
            back_reader, back_writer = await asyncio.open_connection(*self._upstream, limit=CHUNK)
        for end in (writer, back_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tamper = self._tamper_of(writer.get_extra_info("sockname")[:2])
        try:
            ways = [
                asyncio.create_task(self._way(reader, back_writer, tamper, tamper.request)),
                asyncio.create_task(self._way(back_reader, writer, tamper, tamper.reply)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            back_writer.transport.abort()

    async def _way(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tamper: Rewriter,
        change: Callable[[float, bytes], bytes | None],
    ) -> None:
        """Pass one direction on until it ends."""
        frames: Frames | None = tamper.frames()
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if frames is not None:
                    before = tamper.n_changed
                    passed = [change(self._clock_s(), frame) for frame in frames.feed(data)]
                    data = b"".join(frame for frame in passed if frame is not None)
                    self.n_changed += tamper.n_changed - before
                    if frames.is_broken:
                        data, frames = data + frames.rest, None
                writer.write(data)
                await writer.drain()
            if frames is not None and frames.rest:  # it ended within a frame
                self.n_cut += 1
                writer.write(frames.rest)
                await writer.drain()
