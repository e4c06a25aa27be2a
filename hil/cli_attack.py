"""``gridhil attack``: false data and unauthorised commands on a station of one's own.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hil.cli_options import Json, compiled, finite
from hil.output import as_json, out, print_line


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(attack)


def attack(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Attack file, or a shipped one's name.")],
    station: Annotated[
        str | None,
        typer.Option(
            metavar="STATION", help="Station, by name or file.", show_default="the one that the file names"
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Only say which points it attacks, by number.")
    ] = False,
    port: Annotated[
        int, typer.Option(help="Port of the proxy for Modbus TCP; 0 takes a free one.", min=0, max=65535)
    ] = 0,
    opcua_port: Annotated[
        int, typer.Option(help="Port of the proxy for OPC UA; 0 takes a free one.", min=0, max=65535)
    ] = 0,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address that the proxies listen on.")
    ] = "127.0.0.1",
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Network whose masters may use the proxies; repeatable."),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            help="Stop after this many seconds.",
            min=0.1,
            callback=finite,
            show_default="when every attack is over",
        ),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for truth.csv and truth.json.")
    ] = None,
    json_: Json = False,
) -> None:
    """Attack a running station of this machine: instruments, its board, its wires; the truth is kept."""
    compiled()
    from hil import attack_command

    if show:
        for line in attack_command.shown(file, station):
            print_line(out, line)
        return
    options = attack_command.Options(
        station=station,
        listen=listen,
        port=port,
        opcua_port=opcua_port,
        allow=allow or (),
        duration_s=duration,
        report=report,
    )
    doc = attack_command.run_file(file, options, Console(quiet=True) if json_ else out)
    if json_:
        as_json(doc)
