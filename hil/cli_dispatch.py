"""``gridhil dispatch``: what planning ahead is worth on a station.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

import dataclasses as dc
import os
from pathlib import Path
from typing import Annotated

import typer

from hil.cli_options import Json, StationName, compiled, moment_ns
from hil.output import as_json, as_table, err, out
from hil.output_places import check_folder
from hil.supervisor import ONE_THREAD

MODES = ("rules", "optimising")


def add_to(app: typer.Typer) -> None:
    """Add the group to the program."""
    group = typer.Typer(help="Battery, taps and curtailment a day ahead.", no_args_is_help=True)
    group.callback()(_group)
    group.command()(study)
    app.add_typer(group, name="dispatch")


def _group() -> None:
    """Battery, taps and curtailment a day ahead."""


def study(
    station: StationName = "iowa240-der",
    weeks: Annotated[int, typer.Option(help="Weeks to run.", min=1, max=26)] = 4,
    load_scale: Annotated[
        float, typer.Option(help="Multiplier on every load's profile.", min=0.1, max=5)
    ] = 2.0,
    penetration: Annotated[
        float, typer.Option(help=r"Share of the photovoltaic sites that take part \[%].", min=0, max=100)
    ] = 100.0,
    start: Annotated[
        str, typer.Option(metavar="TIME", help="First moment, a full hour, ISO 8601.")
    ] = "2017-04-02T00:00",
    modes: Annotated[
        str, typer.Option(metavar="MODES", help="What is compared, with commas.")
    ] = "rules,optimising",
    volt_var: Annotated[
        bool, typer.Option(help="Sites hold the voltage as the station says, or stay at unity power factor.")
    ] = False,
    perfect: Annotated[
        bool, typer.Option("--perfect", help="Tell the dispatcher the load to come: what forecasts cost.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the clouds.", min=0)] = 2017,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FOLDER", help="Folder for study.csv, hours.csv, study.json, study.png."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Run the same weeks by the rules and by the dispatcher: peak, violations, taps, cost."""
    os.environ.update({**ONE_THREAD, **os.environ})  # matrices are small
    wanted = _modes(modes)
    compiled()
    from hil import dispatch_study
    from hil import dispatch_study_report as report
    from hil.progress import progress
    from hil.station import read_plan

    start_ns = moment_ns(start, read_plan(station).station.utc_offset_s, "--start")
    assert start_ns is not None
    if output is not None:
        check_folder(output, "--output")
    options = dispatch_study.Options(
        station=station,
        start_ns=start_ns,
        weeks=weeks,
        load_scale=load_scale,
        penetration_pct=penetration,
        volt_var=volt_var,
        is_perfect=perfect,
        seed=seed,
    )
    with progress("hours simulated", err) as tick:
        case, runs = dispatch_study.study(options, wanted, tick=tick)
    about = dc.asdict(options) | {"start": start}
    doc = report.document(case, runs, about)
    if output is not None:
        for path in report.write(output, case, runs, doc):
            err.print(str(path), highlight=False, soft_wrap=True)
    if json_:
        as_json(doc)
        return
    columns = ("", *(r["mode"] for r in doc["runs"]))
    as_table(f"{station}, {weeks} weeks from {start}", columns, report.table_rows(doc))
    for note in report.notes(doc):
        out.print(note, highlight=False, soft_wrap=True)


def _modes(text: str) -> tuple[str, ...]:
    """Return what is compared."""
    wanted = tuple(m.strip() for m in text.split(","))
    if not wanted or any(m not in MODES for m in wanted) or len(set(wanted)) < len(wanted):
        raise typer.BadParameter(f"{text!r}: rules, optimising, or both with a comma", param_hint="'--modes'")
    return wanted
