"""Commands about protection: fault studies, fault lists, coordination, selectivity.

As in ``hil.cli``, heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.cli_options import (
    DEFAULT_STATION,
    EXIT_FAILED,
    Json,
    NetworkOrStation,
    NodeFormat,
    StationName,
    compiled,
    finite,
    one_form,
)
from hil.output import as_csv, as_json, as_table, err, out


def add_to(app: typer.Typer) -> None:
    """Add the commands to the program, in the order of its help."""
    for command in (fault, faults, coordination, selectivity):
        app.command()(command)


def fault(
    name: NetworkOrStation,
    kind: Annotated[
        str, typer.Option("--type", metavar="TYPE", help="3ph, 3phg, slg, ll, llg; on lines open, openg.")
    ],
    bus: Annotated[str | None, typer.Option(metavar="BUS", help="Faulted bus.")] = None,
    line: Annotated[str | None, typer.Option(metavar="LINE", help="Faulted line, instead of a bus.")] = None,
    at: Annotated[
        float | None,
        typer.Option(help="Place on the line, share of its length.", callback=finite, show_default="0.5"),
    ] = None,
    phases: Annotated[
        str | None,
        typer.Option(
            metavar="PHASES", help="Faulted phases, like ab.", show_default="first ones of the type"
        ),
    ] = None,
    r: Annotated[
        float, typer.Option("--r", help=r"Resistance per faulted conductor \[ohm].", callback=finite)
    ] = 1e-4,
    json_: Json = False,
) -> None:
    """Study a short circuit or a broken conductor: fault currents and voltages."""
    if (bus is None) == (line is None):
        raise typer.BadParameter("name either --bus or --line")
    if at is not None and line is None:
        raise typer.BadParameter("--at is a place on a line; name it with --line")
    compiled()
    from hil import studies
    from rtcore.network import faults as ft

    case = studies.read_case(name)
    chosen = phases or ft.DEFAULT_PHASES.get(kind.lower(), "abc")
    share = 0.5 if at is None else at
    wanted = ft.Fault(
        (bus or "").lower(), kind.lower(), chosen.lower(), r, line=(line or "").lower(), at=share
    )
    if line is None:
        studies.check_bus(case, wanted.bus)
    else:
        studies.check_line(case, wanted.line)
    report = studies.fault_report(studies.solved_grid(case), wanted)
    if json_:
        as_json(report)
        return
    place = wanted.bus or f"{wanted.at:g} of {wanted.line}"
    rows = [(p, i["mag"], i["deg"]) for p, i in report["i_fault_a"].items()]
    as_table(f"{wanted.kind} fault at {place}, {r:g} ohm", ("phase", "I [A]", "angle [deg]"), rows)
    if wanted.bus:
        volts = [(n, v["v_pu"]) for n, v in report["nodes"].items() if n.rpartition(".")[0] == wanted.bus]
        as_table("voltage at the fault", ("node", "v_pu"), volts)
        return
    for side, title in (("v_pu", "voltage at the fault"), ("v_beyond_pu", "voltage beyond the break")):
        volts = [(p, v[side]) for p, v in report["place"].items() if side in v]
        if volts:
            as_table(title, ("phase", "v_pu"), volts)


def faults(
    station: StationName = DEFAULT_STATION,
    places: Annotated[
        bool, typer.Option("--places", help="List every place where a fault can be, instead.")
    ] = False,
    form: Annotated[
        NodeFormat | None, typer.Option("--format", help="Form of the list.", show_default="table")
    ] = None,
    json_: Json = False,
) -> None:
    """List the station's named faults, or its places, by the numbers that a fault slot takes."""
    form = one_form(form, json_, NodeFormat.JSON) or NodeFormat.TABLE
    compiled()
    from hil import fault_list
    from hil.station import read_plan

    plan = read_plan(station)
    if places:
        columns, rows = fault_list.PLACE_COLUMNS, fault_list.place_rows(plan.network)
        title = f"places of {plan.network.name}, for PLACE of a fault slot"
    else:
        columns, rows = fault_list.FAULT_COLUMNS, fault_list.fault_rows(plan.faults, plan.network)
        title = f"fault library of {plan.station.name}, for ENTRY of a fault slot"
    if form is NodeFormat.JSON:
        as_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif form is NodeFormat.CSV:
        as_csv(columns, rows)
    else:
        fault_list.show(title, columns, rows, out)


def coordination(
    station: StationName = DEFAULT_STATION,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Time-current chart to write: .png, .svg or .pdf."
        ),
    ] = None,
    margin: Annotated[
        float, typer.Option(help=r"Least margin between two relays \[s].", min=0, callback=finite)
    ] = 0.2,
    opened: Annotated[
        list[str] | None, typer.Option("--open", metavar="SWITCH", help="Study with it open; repeatable.")
    ] = None,
    closed: Annotated[
        list[str] | None, typer.Option("--close", metavar="SWITCH", help="Study with it closed; repeatable.")
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--group", metavar="RELAY=N", help="Study with that settings group in force; repeatable."
        ),
    ] = None,
    form: Annotated[
        NodeFormat | None, typer.Option("--format", help="Form of the margins.", show_default="table")
    ] = None,
    json_: Json = False,
) -> None:
    """Check that every protective device leaves time for the one before it; draw their curves."""
    form = one_form(form, json_, NodeFormat.JSON) or NodeFormat.TABLE
    compiled()
    from hil import coordination as co
    from hil import coordination_command

    found = coordination_command.run(
        station, output, margin_s=margin, opened=opened or (), closed=closed or (), groups=groups or ()
    )
    if form is NodeFormat.JSON:
        as_json(co.document(found))
    elif form is NodeFormat.CSV:
        as_csv(co.COLUMNS, ([row[c] for c in co.COLUMNS] for row in co.rows(found)))
    else:
        coordination_command.show(found, out)
    if not found.is_coordinated:
        raise typer.Exit(EXIT_FAILED)


def selectivity(
    station: StationName = DEFAULT_STATION,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Table to write, one row per case: .csv."),
    ] = None,
    places: Annotated[
        int | None,
        typer.Option(help="Only so many places, of every zone the same share.", min=1, show_default="all"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the choices of places, phases and failures.", min=0)] = 1,
    json_: Json = False,
) -> None:
    """Put faults at every place; check that the right device clears each, and its backup a failure."""
    compiled()
    from hil import selectivity_command
    from hil.progress import progress

    with progress("selectivity", err) as tick:
        found = selectivity_command.run(station, output, n_places=places, seed=seed, tick=tick)
    if json_:
        as_json(selectivity_command.document(found))
    else:
        selectivity_command.show(found, out)
    if not found.is_selective:
        raise typer.Exit(EXIT_FAILED)
