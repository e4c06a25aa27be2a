"""The device as Modbus slave: its peer writes the inputs and reads the outputs."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections.abc import Callable

from .device import Device, inputs_of
from .modbus_image import Image
from .pace import Pace, nap
from .wiring import Register


async def serve(
    device: Device,
    wiring: dict[str, Register],
    address: tuple[str, int],
    poll_s: float,
    stop: threading.Event,
    say: Callable[[str], None],
) -> None:
    """Serve at an address (port 0: a free one) and scan at a fixed rate, until ``stop`` is set.

    Says ``ready HOST:PORT`` when it listens.

    Raises
    ------
    OSError
        Nothing can listen at the address.
    """
    image = Image(wiring)
    peers: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers[writer] = asyncio.current_task()
        try:
            while True:
                number, protocol, size, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                if protocol or not 2 <= size <= 254:
                    break
                answer = image.answer(unit, await reader.readexactly(size - 1))
                writer.write(struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # gone, which is its right
        finally:
            del peers[writer]
            writer.close()

    server = await asyncio.start_server(talk, *address)
    host, port = server.sockets[0].getsockname()[:2]
    device.log.write("listening", port=port)
    say(f"ready {host}:{port}")
    pace = Pace(time.monotonic_ns(), poll_s)
    while not stop.is_set():
        if dead_s := device.dead_for_s(time.monotonic_ns()):
            device.log.write("dead", for_s=dead_s)
            stop.wait(dead_s)  # blocks this event loop, and with it every peer
            device.log.write("alive")
        if image.is_complete:
            image.put(device.scan(time.monotonic_ns(), inputs_of(image.inputs())))
        await nap(pace.wait_s(time.monotonic_ns()), stop)
    server.close()
    talks = [task for task in peers.values() if task]
    for writer in peers:
        writer.transport.abort()
    await asyncio.gather(*talks, return_exceptions=True)
    await server.wait_closed()
