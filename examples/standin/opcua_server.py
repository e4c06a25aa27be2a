"""The device as OPC UA server: its peer writes the inputs and reads the outputs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from asyncua import Server, ua

from .device import Device, inputs_of
from .pace import Pace, nap
from .wiring import INPUTS, Node

NAMESPACE = "urn:standin"


class Space:
    """The variables of the wiring; an input that nobody has written yet says so by its status."""

    def __init__(self, wiring: dict[str, Node]) -> None:
        self._wiring = wiring
        self._nodes: dict[str, Any] = {}
        self._shown: dict[str, int] = {}

    async def build(self, server: Server) -> None:
        """Add the variables to a server."""
        folder = await server.nodes.objects.add_object(
            ua.NodeId("STANDIN", 2), ua.QualifiedName("STANDIN", 2)
        )
        for name, place in self._wiring.items():
            node_id = ua.NodeId.from_string(place.node)
            kind = ua.VariantType[place.type]
            node = await folder.add_variable(node_id, ua.QualifiedName(name, 2), self._typed(name, 0), kind)
            if name in INPUTS:
                waiting = ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)
                await node.write_value(ua.DataValue(ua.Variant(self._typed(name, 0), kind), waiting))
                await node.set_writable()
            self._nodes[name] = node

    def _typed(self, name: str, value: float) -> Any:
        kind = self._wiring[name].type
        if kind == "Boolean":
            return bool(value)
        return int(value) if kind.startswith("UInt") else float(value)

    async def inputs(self) -> dict[str, float] | None:
        """Return the inputs by signal, None before all are known."""
        found = {}
        for name, node in self._nodes.items():
            if name in INPUTS:
                data = await node.read_data_value(raise_on_bad_status=False)
                if not data.StatusCode.is_good():
                    return None
                found[name] = float(data.Value.Value)
        return found

    async def put(self, outputs: dict[str, int]) -> None:
        """Show those outputs that have changed."""
        for name, value in outputs.items():
            if name in self._nodes and self._shown.get(name) != value:
                kind = ua.VariantType[self._wiring[name].type]
                await self._nodes[name].write_value(ua.Variant(self._typed(name, value), kind))
                self._shown[name] = value


async def serve(
    device: Device,
    wiring: dict[str, Node],
    address: tuple[str, int],
    poll_s: float,
    stop: threading.Event,
    say: Callable[[str], None],
) -> None:
    """Serve at an address (port 0: a free one), scan at a fixed rate, until ``stop`` is set; no security.

    Says ``ready URL`` when it listens.

    Raises
    ------
    OSError
        Nothing can listen at the address.
    """
    server = Server()
    await server.init()
    host, port = address
    server.set_endpoint(f"opc.tcp://{host}:{port}/standin")
    server.set_server_name("stand-in relay")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace(NAMESPACE)
    space = Space(wiring)
    await space.build(server)
    async with server:
        port = server.bserver._server.sockets[0].getsockname()[1]  # its only way to tell a free port
        device.log.write("listening", port=port)
        say(f"ready opc.tcp://{host}:{port}/standin")
        pace = Pace(time.monotonic_ns(), poll_s)
        while not stop.is_set():
            if dead_s := device.dead_for_s(time.monotonic_ns()):
                device.log.write("dead", for_s=dead_s)
                stop.wait(dead_s)  # blocks this event loop, and with it every peer
                device.log.write("alive")
            values = await space.inputs()
            if values is not None:
                await space.put(device.scan(time.monotonic_ns(), inputs_of(values)))
            await nap(pace.wait_s(time.monotonic_ns()), stop)
