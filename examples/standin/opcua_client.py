"""The device as OPC UA client: reads measurements, calls trip and close."""

from __future__ import annotations

import threading
import time
from typing import Any

from asyncua import Client, ua

from .device import Device, Pending, inputs_of
from .pace import Pace, nap
from .wiring import INPUTS, Node

TIMEOUT_S = 2.0
RETRY_S = 0.5
LOST = (OSError, TimeoutError, ua.UaError)
"""What a client meets when its server is away, slow or closing."""


class Session:
    """One session: reads all inputs with one request, writes one output at a time."""

    def __init__(self, client: Client, wiring: dict[str, Node]) -> None:
        self._client = client
        self._wiring = wiring
        self._inputs = [n for n in wiring if n in INPUTS]
        self._nodes = [client.get_node(wiring[n].node) for n in self._inputs]

    async def read(self) -> dict[str, float]:
        """Read all inputs."""
        values = await self._client.read_values(self._nodes)
        if any(v is None for v in values):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadNoData)
        return {name: float(value) for name, value in zip(self._inputs, values, strict=True)}

    async def write(self, name: str, value: int) -> int:
        """Write an output or call its method; return the status code, 0 when good."""
        place = self._wiring[name]
        if place.method:
            request = ua.CallMethodRequest(
                ObjectId=ua.NodeId.from_string(place.object), MethodId=ua.NodeId.from_string(place.method)
            )
            (result,) = await self._client.uaclient.call([request])
            return int(result.StatusCode.value)
        typed: Any = value if place.type.startswith("UInt") else float(value)
        if place.type == "Boolean":
            typed = bool(value)
        try:
            variant = ua.Variant(typed, ua.VariantType[place.type])
            await self._client.get_node(place.node).write_value(ua.DataValue(variant))
        except ua.UaStatusCodeError as error:
            return int(error.code)
        return 0


async def poll(
    device: Device,
    wiring: dict[str, Node],
    url: str,
    login: tuple[str, str] | None,
    poll_s: float,
    stop: threading.Event,
) -> None:
    """Connect, scan at a fixed rate, and connect again after every loss, until ``stop`` is set."""
    was_lost = False
    while not stop.is_set():
        client = Client(url, timeout=TIMEOUT_S)
        if login:
            client.set_user(login[0])
            client.set_password(login[1])
        try:
            async with client:
                device.log.write("connected")
                was_lost = False
                await _scan_on(device, Session(client, wiring), wiring, poll_s, stop)
        except LOST as error:
            if not was_lost:
                device.log.write("not_connected", reason=str(error) or type(error).__name__)
            was_lost = True
            await nap(RETRY_S, stop)


async def _scan_on(
    device: Device, session: Session, wiring: dict[str, Node], poll_s: float, stop: threading.Event
) -> None:
    pending = Pending(wiring)
    pace = Pace(time.monotonic_ns(), poll_s)
    while not stop.is_set():
        if dead_s := device.dead_for_s(time.monotonic_ns()):
            device.log.write("dead", for_s=dead_s)
            stop.wait(dead_s)  # blocks this event loop, and with it the session
            device.log.write("alive")
        values = await session.read()
        outputs = device.scan(time.monotonic_ns(), inputs_of(values))
        for name, value in pending.due(outputs):
            asked_ns = time.monotonic_ns()
            code = await session.write(name, value)
            pending.done(name, value)
            if code:
                device.log.write(f"{name}_refused", asked_ns=asked_ns, code=ua.StatusCode(code).name)
            elif name in Pending.COMMANDS and value:
                device.log.write(f"{name}_written", asked_ns=asked_ns)
        await nap(pace.wait_s(time.monotonic_ns()), stop)
