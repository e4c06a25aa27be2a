"""Modbus gateway process: ``python -m hil.gw_modbus SPEC_JSON``.

Reads the core's board, owns one command ring, serves until SIGTERM. Light imports only, so
that a restarted gateway listens again within a second: nothing here may import numba. A changed
users file is in force within a second.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from importlib import metadata

import uvloop

from hil import gateway_process, ports
from hil.gateway_status import SERVING, STARTING, GatewayStatus
from hil.recorder.audit import AuditJournal
from hil.runspec import RunSpec
from hil.users_watch import UsersWatch
from protocols.command_desk import CommandDesk
from protocols.modbus_server import ModbusServer, prepare
from rtcore.errors import HostError

STATUS_S = 0.2


def default_identity(station: str) -> dict[str, str]:
    """Return what function 43/14 says unless the station file says otherwise."""
    try:
        version = metadata.version("gridhil")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        version = "0"
    return {
        "vendor": "gridhil",
        "product": "GRIDHIL",
        "version": version,
        "product_name": "gridhil feeder emulator",
        "model": station,
    }


async def serve(spec: RunSpec) -> None:
    """Serve until SIGTERM; HostError when the port cannot be had, or the users file is open to others."""
    chosen = {key: text for key, text in spec.modbus.get("identity", {}).items() if text}
    identity = default_identity(spec.station) | chosen
    settings, places = prepare(spec.points, spec.stamps, spec.modbus | {"identity": identity})
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    status = GatewayStatus.create(spec.gateway_path("modbus"))
    status.write(state=STARTING, pid=os.getpid())
    gateway = gateway_process.attach(spec, "modbus")
    desk = CommandDesk(gateway, AuditJournal(spec.audit_path("modbus")))
    watch = UsersWatch(spec.state_dir, gateway_process.say)
    server = ModbusServer(gateway, desk, places, settings, watch.accounts)
    try:
        host, port = await server.start()
    except OSError as error:
        raise HostError(ports.refusal(settings.host, settings.port, "Modbus", error)) from None
    gateway_process.say(f"ready {host}:{port}")
    while not stopping.is_set():
        if watch.look():
            await desk.note("users", protocol="modbus", **watch.record())
        status.write(
            state=SERVING,
            clients=len(server.connections),
            requests=server.n_requests,
            refused=desk.n_refused,
            commands=desk.n_done,
            errors=server.n_errors,
        )
        try:
            await asyncio.wait_for(stopping.wait(), STATUS_S)
        except TimeoutError:
            continue
    await server.stop()


def main(arguments: list[str]) -> int:
    """Run the process; return its exit code."""

    def run(spec: RunSpec) -> int:
        uvloop.run(serve(spec))
        return 0

    return gateway_process.main("hil.gw_modbus", arguments, run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
