"""``gridhil console``: attach to a running station."""

from __future__ import annotations

from typing import Annotated

import typer

Url = Annotated[
    str | None,
    typer.Argument(
        metavar="URL",
        help="OPC UA address of the station, opc.tcp://HOST:PORT/gridhil.",
        show_default="the one that runs on this machine",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("console")(console)


def console(
    url: Url = None,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="Log in as this user; without it one observes.")
    ] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")
    ] = False,
    is_ascii: Annotated[bool, typer.Option("--ascii", help="Draw with ASCII characters alone.")] = False,
    is_light: Annotated[bool, typer.Option("--light", help="Light theme, for a bright terminal.")] = False,
) -> None:
    """Attach the operator's console to a running station; the station goes on when you leave."""
    from hil import console_start as start

    where = start.address() if url is None else start.checked(url)
    start.need_screen()
    if not password_stdin and not start.is_in_browser():
        start.keys_from_terminal()  # before anybody types a password in vain
    word = start.password_of(user, is_from_stdin=password_stdin)
    if password_stdin:
        start.keys_from_terminal()
    from hil.console.app import run
    from hil.console.looks import has_unicode

    code = run(
        where,
        user,
        word,
        start.identity,
        is_ascii=is_ascii or not has_unicode(),
        is_light=is_light,
        log_path=start.log_path(),
    )
    raise typer.Exit(code)
