"""``gridhil web``: listen, say where, serve browsers until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import dataclasses as dc
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web

from hil import ports
from hil.console_start import checked
from hil.own_addresses import own_addresses
from hil.web.access import Access, is_loopback, names_of, new_token, read_token
from hil.web.server import ConsoleServer
from rtcore.errors import HostError, Problem, UserInputError

Say = Callable[[str], object]


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes
    ----------
    host : str
        Address to listen on.
    port : int
        TCP port; 0 takes a free one.
    url : str or None
        OPC UA address of the station; None: the console looks for one on this machine.
    token_file : Path or None
        File with the token; None: a new one is made.
    sessions_max : int
        How many browsers at a time.
    idle_s : float
        A session that nobody uses for so long ends [s]; 0: never.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    url: str | None = None
    token_file: Path | None = None
    sessions_max: int = 4
    idle_s: float = 8 * 3600.0


def console_command(url: str | None) -> tuple[str, ...]:
    """Return program and arguments of the console that every browser gets."""
    return (sys.executable, "-P", "-m", "hil", "console", *([url] if url else []))


def run(options: Options, say: Say, argv: Sequence[str] | None = None) -> None:
    """Serve until told to stop.

    Raises
    ------
    HostError
        The port cannot be had, or the token file cannot be used.
    UserInputError
        The address to listen on, that of the station or the token is none.
    """
    if not options.host:  # the system would listen on every address
        raise UserInputError([Problem("--host", "", "no address is named; 0.0.0.0 is every one")])
    if options.url is not None:
        checked(options.url, "--url")
    token = new_token() if options.token_file is None else read_token(options.token_file)
    server = ConsoleServer(
        argv or console_command(options.url),
        Access(token, names_of(options.host)),
        title=f"gridhil console {options.url or ''}".strip(),
        sessions_max=options.sessions_max,
        idle_s=options.idle_s,
        say=say,
    )
    shown = token if options.token_file is None else None
    asyncio.run(_serve(server, options, shown, say))


async def _serve(server: ConsoleServer, options: Options, token: str | None, say: Say) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    runner = server.runner()
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as error:
            raise HostError(_refusal(options, error)) from None
        for line in announcement(options.host, runner.addresses[0][1], token):
            say(line)
        await stopping.wait()
        say("stopping: every session ends")
    finally:
        await runner.cleanup()


def _refusal(options: Options, error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return f"web: no machine is called {options.host!r}"
    return ports.refusal(options.host, options.port, "web", error)


def announcement(host: str, port: int, token: str | None) -> list[str]:
    """Return what the person who started it must know; the token is None where a file holds it."""
    query = f"?token={token}" if token else "?token=TOKEN   (the token is in your file)"
    lines = [f"console at http://{address}:{port}/{query}" for address in _reachable(host)]
    if not is_loopback(host):
        lines.append(
            "warning: this is plain HTTP on the network: whoever can listen there reads the token and "
            "everything shown and typed, passwords too. Use it on a closed laboratory network, or listen on "
            "127.0.0.1 and come by an SSH tunnel."
        )
    return [*lines, "Ctrl-C stops it"]


def _reachable(host: str) -> list[str]:
    if host in ports.ANY:
        versions = ":" in host
        found = [a for a in own_addresses() if versions or ":" not in a]
        return [f"[{a}]" if ":" in a else a for a in found]
    return [f"[{host}]" if ":" in host else host]
