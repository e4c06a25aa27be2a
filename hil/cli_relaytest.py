"""``gridhil relaytest``: test a connected relay by a plan.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hil.cli_options import EXIT_FAILED, Json, compiled
from hil.output import as_json, out


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(relaytest)


def relaytest(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="Relay test plan, or a shipped one's name.")],
    report: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for report.html, results.json, readings.csv, junit.xml."),
    ] = None,
    json_: Json = False,
) -> None:
    """Test the relay connected to a running station; exit 1 unless every verdict is PASS."""
    compiled()
    from hil.relaytest import command
    from hil.relaytest.running import running_bench, shown_at
    from hil.relaytest.station_facts import facts_of

    talk = Console(quiet=True) if json_ else out
    doc = command.run_file(plan, report, facts_of, running_bench, talk, shown_at)
    if json_:
        as_json(doc)
    if doc["verdict"] != "PASS":
        raise typer.Exit(EXIT_FAILED)
