"""``gridhil estimate``: an offline estimate of a file of measurements, or what a telemetry set can do.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

import typer

from hil import cli_estimate_options as of
from hil.cli_estimate_options import SourceModel, Taps
from hil.cli_options import EXIT_FAILED, Json, NetworkOrStation, NodeFormat, compiled, moment_ns, one_form
from hil.output import as_csv, as_json, err


def add_to(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(estimate)


def estimate(
    name: NetworkOrStation,
    measurements: of.Measurements = None,
    form: of.Form = None,
    json_: Json = False,
    source: of.Source = SourceModel.BALANCED,
    robust: of.Robust = False,
    no_removal: of.NoRemoval = False,
    status: of.Switching = None,
    open_: of.Open = None,
    close: of.Close = None,
    tap: of.Tap = None,
    taps: of.TapsFrom = Taps.GIVEN,
    load_sigma: of.LoadSigma = None,
    explain: of.Explain = False,
    telemetry: of.Telemetry = None,
    at: of.At = None,
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
