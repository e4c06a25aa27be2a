"""Process of the exchange with a device under test: ``python -m hil.gw_device SPEC_JSON``.

Reads the core's board, owns one command ring, and is a client of the device until SIGTERM. It is ready
before the device is: one that never answers is a result, not a reason to fail. Light imports only.
"""

from __future__ import annotations

import asyncio
import dataclasses as dc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import uvloop

from hil import gateway_process
from hil.device_status import DeviceStatus
from hil.gateway_status import SERVING, STARTING
from hil.recorder.audit import AuditJournal
from hil.runspec import RunSpec
from protocols.command_desk import CommandDesk
from protocols.device_exchange import DeviceExchange
from protocols.device_link import Link, LinkError
from protocols.modbus_client import ModbusClient
from protocols.modbus_link import ModbusLink
from protocols.wiring import ModbusPlace, OpcuaPlace, Place, Wiring
from protocols.wiring_image import ReadPlan, WiringImage
from rtcore.errors import Problem, UserInputError

STATUS_S = 0.2


def make_link(wiring: Wiring, where: dict[str, Any], written: Sequence[Place], read: Sequence[Place]) -> Link:
    """Return the way to the device; asyncua is loaded only where it is needed."""
    timeout_s = wiring.timeout_ms / 1e3
    if wiring.protocol == "modbus":
        client = ModbusClient(where["host"], where["port"], timeout_s)
        return ModbusLink(client, cast(Sequence[ModbusPlace], written), cast(Sequence[ModbusPlace], read))
    from protocols.opcua_client import OpcuaLink

    nodes = cast(Sequence[OpcuaPlace], written), cast(Sequence[OpcuaPlace], read)
    try:
        return OpcuaLink(where["url"], timeout_s, *nodes)
    except LinkError as error:
        raise UserInputError([Problem(wiring.name, "", str(error))]) from None


async def serve(spec: RunSpec, stopping: asyncio.Event, say: Callable[[str], None]) -> None:
    """Exchange until told to stop; ``say`` takes lines for the log, the first of them "ready .."."""
    wiring = Wiring.from_dict(spec.device["wiring"])
    status = DeviceStatus(spec.gateway_path("device"))
    status.write({"state": STARTING, "pid": os.getpid()}, {})
    gateway = gateway_process.attach(spec, "device")
    desk = CommandDesk(gateway, AuditJournal(spec.audit_path("device")))
    image, plan = WiringImage(wiring, gateway.points), ReadPlan(wiring)
    link = make_link(wiring, spec.device, image.places, plan.places)
    exchange = DeviceExchange(
        wiring, gateway, desk, link, image, plan, spec.device["role"], status.exchanges, status.tokens, say
    )
    work = asyncio.ensure_future(exchange.run())
    say(f"ready {wiring.protocol} client of {link.address}")
    stop = asyncio.ensure_future(stopping.wait())
    while not (work.done() or stop.done()):
        status.write(*_counters(exchange, desk))
        await asyncio.wait((work, stop), timeout=STATUS_S, return_when=asyncio.FIRST_COMPLETED)
    status.write(*_counters(exchange, desk))
    work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        pass


def _counters(exchange: DeviceExchange, desk: CommandDesk) -> tuple[dict[str, int], dict[str, int]]:
    count, token, link = exchange.count, exchange.token, exchange.link
    gateway = {
        "state": SERVING,
        "clients": exchange.is_connected,
        "requests": count.cycles,
        "refused": desk.n_refused,
        "commands": desk.n_done,
        "errors": count.timeout + count.refused + count.garbage + count.closed,
    }
    device = dc.asdict(count) | {
        "link": int(exchange.state),
        "late_answers": link.n_late,
        "clamped": link.n_clamped,
        "invalid": exchange.outputs.n_invalid,
        "strange_tokens": token.n_strange,
        "echo": -1 if token.echo is None else token.echo,
        "answered_ns": exchange.answered_ns,
        "token_moved_ns": token.moved_ns,
    }
    return gateway, device


async def _until_sigterm(spec: RunSpec) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await serve(spec, stopping, gateway_process.say)


def main(arguments: list[str]) -> int:
    """Run the process; return its exit code."""

    def run(spec: RunSpec) -> int:
        uvloop.run(_until_sigterm(spec))
        return 0

    return gateway_process.main("hil.gw_device", arguments, run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
