"""Commands about recorded runs.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli_options import EXIT_FAILED, Json, compiled
from hil.output import as_json, err, out


def add_to(app: typer.Typer) -> None:
    """Add the commands to the program, in the order of its help."""
    app.command()(replay)


def replay(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a recorded run.")],
    station: Annotated[
        str | None,
        typer.Option(
            metavar="STATION",
            help="Station, by name or file.",
            show_default="the one that the run was started with",
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Do a recorded run again from its commands and compare it, bit for bit."""
    compiled()
    from hil import replay_command
    from hil.progress import progress

    with progress("replay", err) as tick:
        report = replay_command.run(folder, station, tick)
    if json_:
        as_json(replay_command.document(report))
    else:
        replay_command.show(report, out)
    if report.verdict != replay_command.PASS:
        raise typer.Exit(EXIT_FAILED)
