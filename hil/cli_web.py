"""``gridhil web``: the console in a browser.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli_options import finite
from hil.output import out, print_line


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(web)


def web(
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; beyond this machine passwords can be read, which is told.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8000,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="OPC UA address of the station, opc.tcp://HOST:PORT/gridhil.",
            show_default="the one that runs on this machine",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with the token, readable by you alone.", show_default="a new token"
        ),
    ] = None,
    sessions: Annotated[int, typer.Option(help="How many browsers at a time.", min=1, max=64)] = 4,
    idle_min: Annotated[
        float,
        typer.Option(
            help=r"End a session without a key or a mouse for so long \[min]; 0: never.",
            min=0,
            callback=finite,
        ),
    ] = 480.0,
) -> None:
    """Show the console in browsers, each with a terminal of its own, behind a token."""
    from hil.web import command

    options = command.Options(
        host=host,
        port=port,
        url=url,
        token_file=token_file,
        sessions_max=sessions,
        idle_s=idle_min * 60.0,
    )
    command.run(options, lambda line: print_line(out, line))
