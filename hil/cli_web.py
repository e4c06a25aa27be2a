"""``gridhil web``: the console in a browser.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.output import out


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(web)


def web(
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; another than this machine's own is told with a warning."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.", min=0, max=65535)] = 8000,
    url: Annotated[
        str | None,
        typer.Option(help="OPC UA address of the station. Default: the station that runs on this machine."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token, readable by you alone. Default: a new one.")
    ] = None,
    sessions: Annotated[int, typer.Option(help="How many browsers at a time.", min=1, max=64)] = 4,
    idle_min: Annotated[
        float,
        typer.Option(help=r"End a session without a key or a mouse for so long \[min]; 0: never.", min=0),
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
    command.run(options, lambda line: out.print(line, highlight=False, markup=False, soft_wrap=True))
