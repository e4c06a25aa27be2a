"""``gridhil console``: attach to a running station."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from rtcore.errors import HostError

Url = Annotated[
    str | None,
    typer.Argument(
        metavar="URL",
        help="Station's address, opc.tcp://HOST:PORT/gridhil; without it the one that runs on this machine.",
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("console")(console)


def console(
    url: Url = None,
    user: Annotated[str, typer.Option("--user", help="Log in as this user; without it one observes.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")
    ] = False,
    is_ascii: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters alone.")] = False,
    is_light: Annotated[bool, typer.Option("--light", help="Light theme, for a bright terminal.")] = False,
) -> None:
    """Attach the operator's console to a running station; the station goes on when you leave."""
    from hil.console_start import address, checked, identity, keys_from_terminal, log_path, password_of

    where = address() if url is None else checked(url)
    word = password_of(user, is_from_stdin=password_stdin)
    if not sys.stdout.isatty() and "TEXTUAL_DRIVER" not in os.environ:  # in a browser it is a pipe
        raise HostError(
            "the console needs a terminal; for scripts there are gridhil points, OPC UA and Modbus"
        )
    if os.environ.get("TERM", "") in ("", "dumb"):
        raise HostError("this terminal cannot move its cursor (TERM is empty or dumb); use another one")
    if password_stdin:
        keys_from_terminal()
    from hil.console.app import run
    from hil.console.looks import has_unicode

    code = run(
        where,
        user,
        word,
        identity,
        is_ascii=is_ascii or not has_unicode(),
        is_light=is_light,
        log_path=log_path(),
    )
    raise typer.Exit(code)
