"""``gridhil``: one program, thin commands. What a command does lives in a module of its own.

Exit codes: 0 done, 1 the thing tested failed, 2 the user's input is wrong, 3 this host cannot,
130 and 143 stopped by SIGINT and SIGTERM before it was done (a station: before it served).
Heavy modules are imported inside the command that needs them.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hil import (
    cli_attack,
    cli_console,
    cli_cyberrange,
    cli_dispatch,
    cli_estimate,
    cli_forecast,
    cli_protection,
    cli_record,
    cli_relaytest,
    cli_web,
    stop_signals,
)
from hil.cli_options import (
    DEFAULT_STATION,
    EXIT_FAILED,
    EXIT_HOST,
    EXIT_INPUT,
    Json,
    MapFormat,
    NetworkOrStation,
    NodeFormat,
    StationName,
    compiled,
    finite,
    moment_ns,
    one_form,
)
from hil.cli_words import Group
from hil.output import as_csv, as_json, as_pairs, as_table, err, out
from rtcore.errors import GridhilError, HostError, UserInputError

app = typer.Typer(
    cls=Group,
    name="gridhil",
    help="A power-distribution system that isn't there: real-time SCADA emulator.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
importers = typer.Typer(help="Convert other tools' circuits to a network folder.", no_args_is_help=True)
app.add_typer(importers, name="import")
users = typer.Typer(help="Who may log in to a station, and what they may.", no_args_is_help=True)
app.add_typer(users, name="user")


def _version(is_asked: bool) -> None:
    if is_asked:
        import importlib.metadata

        print(f"gridhil {importlib.metadata.version('gridhil')}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """A power-distribution system that isn't there: real-time SCADA emulator."""


OF_STATION = "the station's"
"""Default of what a station file says."""
OfStation = Annotated[str, typer.Option("--station", metavar="STATION", help="Station, by name or file.")]
UserName = Annotated[str, typer.Argument(metavar="NAME", help="User name.")]
ROLE_HELP = "observer, operator, engineer or instructor."
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")
]


@app.command()
def run(
    station: StationName = DEFAULT_STATION,
    duration: Annotated[
        float | None,
        typer.Option(
            help="Stop after this many seconds of running; with --speed max, of simulated time.",
            min=0.1,
            callback=finite,
            show_default="runs until stopped",
        ),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="FACTOR|max",
            help="1 is real time; max is as fast as possible.",
            show_default=OF_STATION,
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of everything drawn.", min=0, show_default=OF_STATION)
    ] = None,
    step_us: Annotated[
        int | None,
        typer.Option(help=r"Length of a step \[us].", min=250, max=100_000, show_default=OF_STATION),
    ] = None,
    modbus_port: Annotated[
        int | None,
        typer.Option(
            help="Port of Modbus TCP; 0 takes a free one.", min=0, max=65535, show_default=OF_STATION
        ),
    ] = None,
    opcua_port: Annotated[
        int | None,
        typer.Option(help="Port of OPC UA; 0 takes a free one.", min=0, max=65535, show_default=OF_STATION),
    ] = None,
    console: Annotated[
        bool, typer.Option("--console", help="Show the operator's console in this terminal.")
    ] = False,
) -> None:
    """Start a station: the plant in real time behind Modbus TCP and OPC UA."""
    from hil import kernel_cache

    cache = kernel_cache.prepare(out.print)
    from hil.run_command import RunOptions
    from hil.run_command import run as run_station

    options = RunOptions(
        duration_s=duration,
        speed=_speed(speed),
        seed=seed,
        step_us=step_us,
        modbus_port=modbus_port,
        opcua_port=opcua_port,
        has_console=console,
    )
    raise typer.Exit(run_station(station, options, out, cache))


@app.command()
def points(
    station: StationName = DEFAULT_STATION,
    form: Annotated[
        MapFormat | None, typer.Option("--format", help="Form of the map.", show_default="md")
    ] = None,
    json_: Json = False,
) -> None:
    """Print the point map: what is where on Modbus and OPC UA."""
    form = one_form(form, json_, MapFormat.JSON) or MapFormat.MD
    compiled()
    from hil import point_export
    from hil.station import read_plan
    from protocols.modbus_map import Unit

    plan = read_plan(station)
    orders = {u.unit: u.order for u in plan.station.modbus.units}
    listed = plan.points.points
    if form is MapFormat.JSON:
        text = point_export.to_json(listed, plan.points.stamps, orders)
    elif form is MapFormat.CSV:
        text = point_export.to_csv(listed, orders)
    elif form is MapFormat.NODESET:
        text = point_export.to_nodeset(listed, plan.station.title, plan.network)
    else:
        units = [Unit(**row) for row in plan.station.modbus_dict()["units"]]
        text = point_export.to_md(listed, plan.points.stamps, plan.station.title, orders, units)
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def _processor(number: int | None) -> int | None:
    """Refuse a processor that this machine has not; one that we may not use is for the report."""
    is_there = number is None or number in os.sched_getaffinity(0)
    if not is_there and not Path(f"/sys/devices/system/cpu/cpu{number}").exists():
        raise typer.BadParameter(f"this machine has no processor {number}")
    return number


@app.command()
def doctor(
    seconds: Annotated[
        float, typer.Option(help=r"Length of the jitter probe \[s]; 0 skips it.", min=0, callback=finite)
    ] = 2.0,
    cpu: Annotated[
        int | None,
        typer.Option(
            help="Processor to probe, by number.",
            min=0,
            callback=_processor,
            show_default="the loop's: the last one",
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Measure what this host can hold, before relying on it."""
    from hil.doctor import diagnose, to_json

    diagnosis = diagnose(seconds, cpu)
    if json_:
        as_json(to_json(diagnosis))
    else:
        from hil.doctor_view import render

        out.print(render(diagnosis))
    if any(c.status == "fail" for c in diagnosis.checks):
        raise typer.Exit(EXIT_HOST)


@importers.command("opendss")
def import_opendss(
    master: Annotated[Path, typer.Argument(metavar="FILE", help="Master .dss file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Network folder to write.")
    ],
    json_: Json = False,
) -> None:
    """Convert an OpenDSS circuit; name every element and property that is not carried over."""
    compiled()
    from hil.importers.opendss import import_command

    report = import_command(master, output)
    if json_:
        as_json(report.to_dict())
        return
    out.print(f"{output}: " + ", ".join(f"{n} {k}" for k, n in report.carried.items() if n), highlight=False)
    for omission in report.omissions:
        out.print(f"  not carried over: {omission}", highlight=False, soft_wrap=True)


@users.command("add")
def user_add(
    name: UserName,
    role: Annotated[str, typer.Option(metavar="ROLE", help=ROLE_HELP)],
    station: OfStation = DEFAULT_STATION,
    from_stdin: FromStdin = False,
    modbus: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="Network whose Modbus masters have this role; repeatable."),
    ] = None,
) -> None:
    """Add a user; asks for the password on the terminal."""
    from hil import user_command as uc

    ask = uc.read_password if from_stdin else uc.ask_password
    out.print(uc.add(station, name, role, modbus or [], ask), highlight=False)


@users.command("list")
def user_list(station: OfStation = DEFAULT_STATION, json_: Json = False) -> None:
    """List users, roles and networks of their Modbus masters."""
    from hil import user_command as uc

    rows = uc.rows(station)
    if json_:
        as_json(rows)
        return
    cells = [(r["name"], r["role"], ", ".join(r["modbus"])) for r in rows]
    as_table(f"users of {station}", uc.LIST_COLUMNS, cells)


@users.command("role")
def user_role(
    name: UserName,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=ROLE_HELP)],
    station: OfStation = DEFAULT_STATION,
) -> None:
    """Give a user another role."""
    from hil import user_command as uc

    out.print(uc.set_role(station, name, role), highlight=False)


@users.command("password")
def user_password(
    name: UserName, station: OfStation = DEFAULT_STATION, from_stdin: FromStdin = False
) -> None:
    """Give a user another password."""
    from hil import user_command as uc

    ask = uc.read_password if from_stdin else uc.ask_password
    out.print(uc.set_password(station, name, ask), highlight=False)


@users.command("remove")
def user_remove(name: UserName, station: OfStation = DEFAULT_STATION) -> None:
    """Remove a user."""
    from hil import user_command as uc

    out.print(uc.remove(station, name), highlight=False)


@app.command()
def powerflow(
    name: NetworkOrStation,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Moment of the station's profile, ISO 8601.",
            show_default="the nominal loads",
        ),
    ] = None,
    form: Annotated[
        NodeFormat | None, typer.Option("--format", help="Form of the result.", show_default="table")
    ] = None,
    json_: Json = False,
) -> None:
    """Solve a snapshot: node voltages, losses, iterations."""
    form = one_form(form, json_, NodeFormat.JSON) or NodeFormat.TABLE
    compiled()
    from hil import studies

    case = studies.read_case(name, station_first=at is not None, wish="--at")
    offset_s = 0 if case.station is None else case.station.utc_offset_s
    grid = studies.solved_grid(case, moment_ns(at, offset_s))
    report = studies.powerflow_report(grid)
    if form is NodeFormat.JSON:
        as_json(report)
        return
    rows = studies.node_rows(grid)
    show = as_csv if form is NodeFormat.CSV else _nodes_table
    show(studies.NODE_COLUMNS, rows)
    if form is NodeFormat.TABLE:
        as_pairs({k: v for k, v in report.items() if k != "nodes"})


cli_protection.add_to(app)


@app.command()
def year(
    station: StationName = DEFAULT_STATION,
    days: Annotated[int | None, typer.Option(help="Only so many days.", min=1, show_default="all")] = None,
    json_: Json = False,
) -> None:
    """Run the year quasi-statically, hour by hour, as fast as possible; CSV on stdout."""
    compiled()
    from hil import studies
    from hil.progress import progress

    case = studies.read_case(station, station_first=True, wish="year")
    with progress("year", err) as tick:
        rows = studies.year(case, days, tick)
        if json_:
            as_json(list(rows))
            return
        first = next(rows)
        as_csv(list(first), _rounded(first, rows))


@app.command()
def scenario(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE", help="Scenario files, or shipped ones' names.")
    ],
    report: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for results.json, junit.xml, report.html, record.csv."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of everything drawn.", min=0, show_default="the file's")
    ] = None,
    json_: Json = False,
) -> None:
    """Run timed scenarios with assertions, headless and as fast as possible."""
    compiled()
    from hil import scenario_command

    talk = Console(quiet=True) if json_ else out
    reports = scenario_command.run_files(files, report, seed, talk, err)
    if json_:
        as_json(scenario_command.document(reports))
    if any(r.verdict != "PASS" for r in reports):
        raise typer.Exit(EXIT_FAILED)


cli_console.add_to(app)
cli_web.add_to(app)
cli_record.add_to(app)
cli_relaytest.add_to(app)
cli_estimate.add_to(app)
cli_forecast.add_to(app)
cli_dispatch.add_to(app)
cli_cyberrange.add_to(app)
cli_attack.add_to(app)


@app.command()
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Files or folders to validate.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of station files.")] = False,
    json_: Json = False,
) -> None:
    """Validate files of any kind: everything that is wrong with them, with its place.

    Stations, scenarios, relay test plans, attack files, range plans, wiring tables, networks, profiles,
    point lists, telemetry sets, protection schemes, fault libraries.
    """
    compiled()
    if schema:
        from hil.settings import schema as station_schema

        as_json(station_schema())
        return
    if not files:
        raise typer.BadParameter("name at least one file or folder, or --schema")
    from hil.settings_check import check_file

    problems = [p for f in files for p in check_file(f)]
    if json_:
        as_json([{"file": p.file, "place": p.place, "what": p.what} for p in problems])
    elif problems:
        raise UserInputError(problems)
    else:
        out.print(f"{len(files)} checked, no problem found")
    if problems:
        raise typer.Exit(EXIT_INPUT)


@app.command()
def bench(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="step, relays, solver, se, forecast, loop, modbus, opcua, console, relaytest or startup.",
            show_default="all, in this order",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help=r"Time per measurement \[s].", min=0.5, callback=finite, show_default="of each its own"
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Measure performance next to peers, in the same run, as ratios."""
    compiled()
    from hil.bench.run import run_bench, show

    results = run_bench(name, seconds, err)
    if json_:
        as_json(results if name is None else results[name])
    else:
        show(results, out)


def _speed(text: str | None) -> float | str | None:
    if text is None or text == "max":
        return text
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 100_000.0:
        raise typer.BadParameter(
            f"{text!r} is neither max nor a number > 0 and <= 100000", param_hint="'--speed'"
        )
    return value


def _nodes_table(columns: Any, rows: Any) -> None:
    as_table("node voltages", columns, rows)


def _rounded(first: dict[str, float], rows: Any) -> Any:
    yield [round(v, 6) for v in first.values()]
    for row in rows:
        yield [round(v, 6) for v in row.values()]


def main() -> None:
    """Entry point of the console script: every expected failure is one report and an exit code."""
    stop_signals.take()
    try:
        with stop_signals.caught():
            try:
                app()
            finally:
                sys.stdout.flush()  # a full disk is found here, not while the interpreter ends
    except UserInputError as error:
        _fail(str(error), EXIT_INPUT)
    except HostError as error:
        _fail(str(error), EXIT_HOST)
    except GridhilError as error:
        _fail(str(error), EXIT_INPUT)
    except ArithmeticError as error:
        _fail(str(error), EXIT_FAILED)
    except BrokenPipeError:
        _drop_output()
        sys.exit(EXIT_FAILED)
    except OSError as error:
        _drop_output()
        place = f"{error.filename}: " if error.filename else ""
        is_input = error.errno == errno.ENAMETOOLONG  # no host knows such a name
        _fail(f"{place}{error.strerror or error}", EXIT_INPUT if is_input else EXIT_HOST)
    except stop_signals.Stopped as stopped:
        _fail("interrupted", stop_signals.exit_code(stopped.number))


def _drop_output() -> None:
    """Let what standard output still holds go nowhere, or the interpreter fails on it once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _fail(text: str, code: int) -> None:
    for line in text.splitlines():
        print(f"gridhil: {line}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
