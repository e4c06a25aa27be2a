"""OPC UA gateway process: ``python -m hil.gw_opcua SPEC_JSON``.

Reads the core's board, owns the "opcua" command ring, serves until SIGTERM. Exit 0 when told to
stop, 1 when the server failed, 2 when the users file is wrong, 3 when the host cannot (port taken,
files that cannot be used). A changed users file is in force within a second.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from hil import credentials, gateway_process, ports, run_dir, users
from hil.gateway_process import say
from hil.gateway_status import SERVING, STARTING, GatewayStatus
from hil.recorder.audit import AuditJournal
from hil.runspec import RunSpec
from hil.services.alarm_file import AlarmFile
from hil.services.station_services import StationServices
from hil.users_watch import UsersWatch
from protocols import opcua_standard
from protocols.command_desk import CommandDesk
from protocols.opcua_server import OpcuaServer
from protocols.opcua_settings import OpcuaSettings
from protocols.roles import OPERATOR
from rtcore.errors import HostError

STATUS_S = 0.2
EXIT_FAILED = 1


def main(arguments: list[str]) -> int:
    """Run the gateway; return the exit code."""
    return gateway_process.main("hil.gw_opcua", arguments, lambda spec: asyncio.run(_serve(spec)))


async def _serve(spec: RunSpec) -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    status = GatewayStatus.create(spec.gateway_path("opcua"))
    status.write(state=STARTING, pid=os.getpid())
    desk, server, watch, services = _assemble(spec)
    alarms = AlarmFile(spec.state_dir, services.alarms, say)
    try:
        await server.start()
    except OSError as error:
        settings = server.settings
        raise HostError(ports.refusal(settings.host, settings.port, "OPC UA", error)) from None
    say(f"ready {server.url}")
    (spec.run_dir / spec.URL_FILE).write_text(server.url)
    reporter = asyncio.create_task(_report(status, desk, server, watch))
    keeper = asyncio.create_task(alarms.keep())
    stopped = asyncio.create_task(stop.wait())
    ends: set[asyncio.Future[Any]] = {stopped, server.failed, reporter, keeper}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    failure = server.failed.exception() if server.failed.done() else None
    for task in (reporter, keeper):
        if task.done() and failure is None:
            failure = task.exception()
    for unfinished in (reporter, keeper, stopped):
        unfinished.cancel()
    await server.stop()
    await alarms.save()
    await services.close()
    if failure is not None:
        say(f"OPC UA gateway failed: {failure!r}", is_error=True)
        return EXIT_FAILED
    return 0


def _assemble(spec: RunSpec) -> tuple[CommandDesk, OpcuaServer, UsersWatch, StationServices]:
    gateway = gateway_process.attach(spec, "opcua", has_events=True)
    desk = CommandDesk(gateway, AuditJournal(spec.audit_path("opcua")))
    settings = OpcuaSettings.of(spec.opcua)
    password = users.ensure_operator(spec.state_dir)
    if password is not None:
        say(f"OPC UA user {OPERATOR}, password {password} (shown this once; only a hash is kept)")
    watch = UsersWatch(spec.state_dir, say)
    services = StationServices(spec)
    server = OpcuaServer(
        spec.station,
        gateway,
        desk,
        settings,
        watch.accounts,
        credentials.ensure_identity(spec.state_dir, spec.name, settings.host, say),
        credentials.application_uri(spec.name),
        _standard_file(),
        services,
    )
    return desk, server, watch, services


def _standard_file() -> Path | None:
    """Return where the standard address space is kept; None where the cache cannot be written."""
    try:
        return opcua_standard.file_in(run_dir.cache_root())
    except HostError:
        return None


async def _report(status: GatewayStatus, desk: CommandDesk, server: OpcuaServer, watch: UsersWatch) -> None:
    while True:
        if watch.look():
            await desk.note("users", protocol="opcua", **watch.record())
        status.write(
            state=SERVING,
            clients=server.n_clients,
            requests=server.tally.requests,
            refused=desk.n_refused,
            commands=desk.n_done,
            errors=server.tally.bad_messages + server.tally.refused_connections,
        )
        await asyncio.sleep(STATUS_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
