"""``gridhil cyberrange``: attacks x detectors x seeds.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hil.cli_options import EXIT_FAILED, Json, compiled
from hil.output import as_json, err, out


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(cyberrange)


def cyberrange(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="Range plan, or a shipped one's name.")],
    report: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for report.html, results.json, results.csv."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="How many processes do the runs.", min=1, max=1024, show_default="as many as processors"
        ),
    ] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler that does the work instead.")
    ] = None,
    json_: Json = False,
) -> None:
    """Measure what detects which attack, how soon, how often falsely; exit 1 if not as the plan expects."""
    compiled()
    from hil.cyberrange import command
    from hil.cyberrange.run_errors import RunError

    talk = Console(quiet=True) if json_ else out
    try:
        doc = command.run_file(plan, report, jobs, dask, talk, err)
    except RunError as error:  # neither input nor host: the program under study failed
        err.print(f"gridhil: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_FAILED) from None
    if json_:
        as_json(doc)
    if doc["verdict"] != "PASS":
        raise typer.Exit(EXIT_FAILED)
