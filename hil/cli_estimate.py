"""``gridhil estimate``: an offline estimate of a file of measurements, or what a telemetry set can do.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hil.cli_options import EXIT_FAILED, Json, NetworkOrStation, NodeFormat, compiled, moment_ns, one_form
from hil.output import as_csv, as_json, err


class SourceModel(StrEnum):
    """What is known of the EMFs upstream."""

    BALANCED = "balanced"
    FREE = "free"


class Taps(StrEnum):
    """Where taps come from."""

    GIVEN = "given"
    ESTIMATED = "estimated"


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(estimate)


def estimate(
    name: NetworkOrStation,
    measurements: Annotated[
        str | None, typer.Option(metavar="FILE", help="Measurement file, or a shipped one's name.")
    ] = None,
    form: Annotated[
        NodeFormat | None, typer.Option("--format", help="Form of the result.", show_default="table")
    ] = None,
    json_: Json = False,
    source: Annotated[
        SourceModel, typer.Option(help="EMFs upstream: a balanced set, or any (needs angles).")
    ] = SourceModel.BALANCED,
    robust: Annotated[
        bool, typer.Option("--robust", help="Huber's estimate: suspects weigh less and stay.")
    ] = False,
    no_removal: Annotated[bool, typer.Option("--no-removal", help="Name suspects, remove none.")] = False,
    status: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of how switches, taps and capacitors are.")
    ] = None,
    open_: Annotated[
        list[str] | None, typer.Option("--open", metavar="SWITCH", help="Open switch; repeatable.")
    ] = None,
    close: Annotated[
        list[str] | None, typer.Option(metavar="SWITCH", help="Closed switch; repeatable.")
    ] = None,
    tap: Annotated[
        list[str] | None, typer.Option(metavar="REG=N", help="Tap of a regulator; repeatable.")
    ] = None,
    taps: Annotated[Taps, typer.Option(help="Taps as given, or where J is least.")] = Taps.GIVEN,
    load_sigma: Annotated[
        float | None,
        typer.Option(help=r"Take unmeasured loads as nominal, with this sigma \[%].", min=0.1, max=1000.0),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="What the telemetry of a station can do, and what more would.")
    ] = False,
    telemetry: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Telemetry set to explain, by name or file.", show_default="the station's"
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Moment to explain it at, ISO 8601.", show_default="the station's start"
        ),
    ] = None,
) -> None:
    """Estimate the state from a file of measurements: voltages, J, suspects; exit 1 if there is none."""
    form = one_form(form, json_, NodeFormat.JSON) or NodeFormat.TABLE
    if explain:
        if measurements is not None:
            raise typer.BadParameter(
                "--explain is about the telemetry of a station, not about --measurements"
            )
        _explain(name, telemetry, at, form)
        return
    if telemetry is not None or at is not None:
        raise typer.BadParameter("--telemetry and --at belong to --explain")
    if measurements is None:
        raise typer.BadParameter("give --measurements FILE, or --explain")
    compiled()
    from hil import estimate_command, estimate_view, studies
    from hil.estimate_status import read_status
    from hil.measurement_files import find_measurements, read_measurements

    network = studies.read_case(name).network
    options = estimate_command.Options(
        status=read_status(network, status, open_ or (), close or (), tap or ()),
        upstream=source.value,
        is_robust=robust,
        removes=not no_removal,
        load_sigma_pct=load_sigma,
        estimates_taps=taps is Taps.ESTIMATED,
    )
    measured = read_measurements(find_measurements(measurements), network)
    doc = estimate_command.run(network, measured, options)
    if form is NodeFormat.JSON:
        as_json(doc)
    elif form is NodeFormat.CSV:
        as_csv(studies.NODE_COLUMNS, [(n, *v.values()) for n, v in doc["nodes"].items()])
    else:
        estimate_view.show(doc)
    if not doc["converged"]:
        err.print(f"gridhil: not converged: {doc['reason']}", highlight=False, markup=False)
        raise typer.Exit(EXIT_FAILED)


def _explain(name: str, telemetry: str | None, at: str | None, form: NodeFormat) -> None:
    compiled()
    from hil import estimate_explain, estimate_view
    from hil.station import read_plan

    plan = read_plan(name)
    doc = estimate_explain.explain(plan, telemetry, moment_ns(at, plan.station.utc_offset_s))
    if form is NodeFormat.JSON:
        as_json(doc)
    elif form is NodeFormat.CSV:
        columns = ("channel", "unit", "sigma", "redundancy", "detectable", "is_testable", "why")
        as_csv(columns, [[c[k] for k in columns] for c in doc["channels"]])
    else:
        estimate_view.show_design(doc)
