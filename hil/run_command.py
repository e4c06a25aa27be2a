"""``gridhil run``: check the station, hand the process list to the supervisor, show the state."""

from __future__ import annotations

import dataclasses as dc
import os
import platform
import secrets
import signal
import sys
import time
from collections.abc import Callable, Collection
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from rich.console import Console

from hil import console_child, doctor, kernel_cache, paths, ports, run_dir, stop_signals
from hil.output import err
from hil.panel import Panel
from hil.profiles import Profile
from hil.publishers import KINDS
from hil.recorder.configuration import part_hashes
from hil.recorder.disturbance_setup import relay_rows
from hil.runspec import RunSpec
from hil.services.arrays import arrays_of
from hil.services.feeder_map import FeederMap
from hil.services.model import model, packed
from hil.services.model_file import write_model
from hil.settings import Station
from hil.settings_rules import check_sections
from hil.station import Plan, period_ns, read_plan, read_playback, simulated_s, step_ns
from hil.supervisor import SILENT_S, ProcessSpec, StartError, Supervisor
from hil.users import ensure_operator, read_users
from hil.wiring_files import device_dict
from protocols.accounts import Account
from protocols.roles import OPERATOR, may
from rtcore.board import CTL_AT, CTL_BEAT_NS
from rtcore.errors import HostError, Problem, UserInputError

COMPILE_TIMEOUT_S = 600.0
GATEWAY_TIMEOUT_S = 30.0
HANG_S = 3.0
RECORDER_HANG_S = 10.0
"""The recorder waits for the disk, which may be busy [s]."""
ESTIMATOR_HANG_S = 30.0
"""One estimate with many suspects takes its time, on a busy machine; its points are Bad long before [s]."""
THINKERS = ("estimator", "dispatcher")
"""Processes that may think longer than others: one estimate, one plan."""
ESTIMATOR_SILENT_S = 10.0
CORE_HANG_S, CORE_HANG_PERIODS = 10.0, 3
"""A core without a step for so long, and for so many periods, is given up [s]."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line may override."""

    duration_s: float | None = None
    speed: float | str | None = None
    seed: int | None = None
    modbus_port: int | None = None
    opcua_port: int | None = None
    step_us: int | None = None
    has_console: bool = False


def run(name: str, options: RunOptions, console: Console, cache: kernel_cache.KernelCache) -> int:
    """Run a station until its duration is over, a signal comes or the core dies; the exit code.

    The code is 0 for a station that served and was stopped, 128 + signal for one that was stopped
    before.
    """
    if platform.machine() != "x86_64":
        raise HostError(f"boards rely on the store order of x86-64, this is {platform.machine()}")
    if options.has_console:
        console_child.require_terminal()
    plan = override(read_plan(name), options)
    station = plan.station
    if options.has_console and not station.opcua.enabled:
        raise UserInputError([Problem(str(station.path), "opcua.enabled", "the console needs OPC UA")])
    has_fifo = station.loop.scheduler != "other" and doctor.fifo_granted()
    if station.loop.scheduler == "fifo" and not has_fifo:
        raise HostError(
            "the station insists on SCHED_FIFO (loop.scheduler) and this process may not use it; "
            "grant it with 'ulimit -r 90' or CAP_SYS_NICE, or set scheduler = \"auto\""
        )
    check_cpu(station)
    dt_ns = step_ns(station, has_fifo=has_fifo)
    n_steps = None if options.duration_s is None else step_count(options.duration_s, station, dt_ns)
    sim_s = None if n_steps is None else n_steps * dt_ns / 1e9
    profile = station.read_profile([x.name for x in plan.network.loads], sim_s)
    read_playback(station, dt_ns * 1e-9, plan.network.base_frequency_hz)  # its faults are told before a start
    require_forecasts(plan)
    recorder = recorder_dict(plan, profile)
    plan = with_ports(plan)
    with stop_signals.guarded(), run_dir.sole_user(run_dir.state_dir(station.name)):
        directory = run_dir.make_run_dir(station.name)
        try:
            spec = dc.replace(make_spec(plan, directory, dt_ns, has_fifo, n_steps), recorder=recorder)
            path = spec.save()
            drawn = FeederMap(plan.network, spec.points)
            write_model(spec, packed(model(plan, spec, drawn)), arrays_of(spec.points, drawn))
            _announce(console, plan, spec)
            return _supervise(spec, path, plan, console, _waiting_for(cache), options)
        finally:
            stop_signals.ignore()
            run_dir.remove_run_dir(directory)


def step_count(duration_s: float, station: Station, dt_ns: int) -> int:
    """Return how many steps a run of this length has, at least one.

    The length is running time [s]; at speed "max", which has no clock to go by, simulated time.
    """
    return max(1, round(simulated_s(duration_s, station) * 1e9 / dt_ns))


def check_cpu(station: Station) -> None:
    """Refuse a processor for the loop that this process may not use."""
    allowed = sorted(os.sched_getaffinity(0))
    if station.loop.cpu != "auto" and station.loop.cpu not in allowed:
        listed = ", ".join(map(str, allowed))
        raise HostError(
            f"{station.path}: loop.cpu: this process may not use CPU {station.loop.cpu}; "
            f'it may use {listed}, or set cpu = "auto"'
        )


def override(plan: Plan, options: RunOptions) -> Plan:
    """Return the plan with the command line's wishes in place of the file's."""
    station = plan.station
    if options.speed is not None:
        station = dc.replace(station, time=station.time.model_copy(update={"speed": options.speed}))
    loop: dict[str, Any] = {}
    if options.step_us is not None:
        loop["step_us"] = options.step_us
    if options.seed is not None:
        loop["seed"] = options.seed
    if loop:
        station = dc.replace(station, loop=station.loop.model_copy(update=loop))
    for section, port in (("modbus", options.modbus_port), ("opcua", options.opcua_port)):
        if port is not None:
            changed = getattr(station, section).model_copy(update={"port": port})
            station = dc.replace(station, **{section: changed})
    sections = {name: getattr(station, name) for name in ("modbus", "opcua", "security", "estimation")}
    if problems := check_sections(sections, f"{station.path} and the command line"):
        raise UserInputError(problems)
    return dc.replace(plan, station=station)


def make_spec(plan: Plan, directory: Path, dt_ns: int, has_fifo: bool, n_steps: int | None) -> RunSpec:
    """Return what the processes of this run need to know; without ``n_steps`` it has no end."""
    station = plan.station
    return RunSpec(
        name=station.name,
        station=station.title or station.name,
        run_dir=directory,
        state_dir=run_dir.state_dir(station.name),
        points=plan.points.points,
        stamps=plan.points.stamps,
        modbus=station.modbus_dict(),
        opcua=station.opcua_dict(),
        device=device_dict(station, plan.points.points),
        estimation=estimation_dict(plan),
        published={name: n for name in KINDS if (n := len(plan.points.of(name)))},
        attack=attack_path(plan),
        core={
            "station": str(station.path),
            "dt_ns": dt_ns,
            "period_ns": period_ns(station, dt_ns),
            "speed": station.time.speed,
            "fifo": has_fifo,
            "cpu": _cpu(station),
            "seed": station.loop.seed,
            "strict": station.loop.strict,
            "n_steps": -1 if n_steps is None else n_steps,
            "duration_s": None if n_steps is None else n_steps * dt_ns / 1e9,
            "run_id": secrets.token_hex(4),
        },
        started_utc_ns=time.time_ns(),
    )


def _cpu(station: Station) -> int | None:
    """Return the processor for the loop: the last one we may use, when there is more than one."""
    if station.loop.cpu != "auto":
        return station.loop.cpu
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[-1] if len(allowed) > 1 else None


def with_ports(plan: Plan) -> Plan:
    """Return the plan with ports that can be had.

    Port 0 becomes a free one here and not in the gateway: one that is restarted must come back
    where its masters look for it.

    Raises
    ------
    HostError
        One line for every port that cannot be had.
    """
    refusals = []
    for section, what in (("modbus", "Modbus TCP"), ("opcua", "OPC UA")):
        settings = getattr(plan.station, section)
        if not settings.enabled:
            continue
        try:
            ports.require_free(settings.host, settings.port, what)
        except HostError as error:
            refusals.append(str(error))
        if settings.port == 0:
            changed = settings.model_copy(update={"port": ports.some_free(settings.host)})
            plan = dc.replace(plan, station=dc.replace(plan.station, **{section: changed}))
    if refusals:
        raise HostError("\n".join(refusals))
    return plan


def require_forecasts(plan: Plan) -> None:
    """Refuse a station whose forecasts, or plans, have nothing to start from."""
    if plan.station.has_forecasts:
        from hil import forecast_checks  # it imports what forecasts

        forecast_checks.require(plan)
    if plan.station.dispatch is not None:
        from hil import dispatch_checks

        dispatch_checks.require(plan)


def recorder_dict(plan: Plan, profile: Profile | None) -> dict[str, Any]:
    """Return what the recorder takes; empty when no records are kept."""
    settings = plan.station.recorder
    if not settings.enabled:
        return {}
    disturbances = {"f0_hz": plan.network.base_frequency_hz, "relays": relay_rows(plan)}
    return settings.model_dump() | {
        "configuration": part_hashes(plan, profile),
        "disturbances": settings.disturbances.model_dump() | disturbances,
    }


def estimation_dict(plan: Plan) -> dict[str, Any]:
    """Return what the estimator's process takes; empty when the station has none."""
    station, settings = plan.station, plan.station.estimation
    if settings is None or not settings.enabled:
        return {}
    opcua_host = within_reach(station.opcua.host)
    opcua_host = f"[{opcua_host}]" if ":" in opcua_host else opcua_host
    opcua_port = settings.opcua_port or station.opcua.port
    return settings.model_dump() | {
        "modbus_host": within_reach(station.modbus.host),
        "modbus_port": settings.modbus_port or station.modbus.port,
        "opcua_url": f"opc.tcp://{opcua_host}:{opcua_port}{station.opcua.path}",
    }


def attack_path(plan: Plan) -> str:
    """Return the file of the attacks between the plant and its servers, empty when there is none."""
    file = plan.station.attack.file
    return "" if file is None else str(paths.find("attacks", file, plan.station.path.parent).absolute())


def within_reach(host: str) -> str:
    """Return the address of a server of ours for a client on this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def process_list(spec: RunSpec, spec_path: Path, station: Station) -> list[ProcessSpec]:
    """Return the processes in the order in which they start."""
    rows = [("core", "hil.core_process", COMPILE_TIMEOUT_S, True)]
    rows.append(("tamper", "hil.tamper_process", GATEWAY_TIMEOUT_S, bool(spec.attack)))
    rows.append(("recorder", "hil.recorder_process", GATEWAY_TIMEOUT_S, bool(spec.recorder)))
    rows.append(("modbus", "hil.gw_modbus", GATEWAY_TIMEOUT_S, station.modbus.enabled))
    rows.append(("opcua", "hil.gw_opcua", GATEWAY_TIMEOUT_S, station.opcua.enabled))
    rows.append(("device", "hil.gw_device", GATEWAY_TIMEOUT_S, bool(spec.device)))
    rows.append(("estimator", "hil.estimator_process", GATEWAY_TIMEOUT_S, bool(spec.estimation)))
    rows.append(("forecaster", "hil.forecaster_process", GATEWAY_TIMEOUT_S, "forecaster" in spec.published))
    rows.append(("dispatcher", "hil.dispatcher_process", GATEWAY_TIMEOUT_S, "dispatcher" in spec.published))
    patience_s = CORE_HANG_PERIODS * spec.core["period_ns"] / 1e9
    core: dict[str, Any] = {
        "status_path": str(spec.board_path),
        "beat_at": 8 * (CTL_AT + CTL_BEAT_NS),
        "silent_s": max(SILENT_S, patience_s),
        "hang_s": max(CORE_HANG_S, patience_s),
    }
    return [
        ProcessSpec(
            name=name,
            argv=[sys.executable, "-P", "-m", module, str(spec_path)],
            env={"PYTHONUNBUFFERED": "1"},
            ready_timeout_s=timeout_s,
            restart=name != "core",
            log_path=str(spec.state_dir / f"{name}.log"),
            **(
                core
                if name == "core"
                else {
                    "status_path": str(spec.gateway_path(name)),
                    "hang_s": _hang_s(name),
                    "silent_s": ESTIMATOR_SILENT_S if name in THINKERS else SILENT_S,
                }
            ),
        )
        for name, module, timeout_s, wanted in rows
        if wanted
    ]


def _hang_s(name: str) -> float:
    """Return the age of a heartbeat at which a gateway, the recorder or the estimator counts as hung [s]."""
    return {"recorder": RECORDER_HANG_S, "estimator": ESTIMATOR_HANG_S, "dispatcher": ESTIMATOR_HANG_S}.get(
        name, HANG_S
    )


def _announce(console: Console, plan: Plan, spec: RunSpec) -> None:
    station, core = plan.station, spec.core
    console.print(f"station {station.name}: {station.title}", highlight=False, soft_wrap=True)
    console.print(
        f"  {len(plan.network.buses)} buses, {len(plan.network.loads)} loads, "
        f"{len(plan.points.points)} points, step {core['dt_ns'] / 1e6:g} ms, seed {core['seed']}",
        highlight=False,
    )
    if station.opcua.enabled:
        password = ensure_operator(spec.state_dir)
        if password is not None:
            console.print(
                f"  OPC UA user 'operator', password '{password}' (shown this once, stored hashed)",
                highlight=False,
                soft_wrap=True,
            )
    users = read_users(spec.state_dir)  # what is wrong with them is said before anything starts
    for text in unreached(station, users.values()):
        console.print(f"  {text}", highlight=False, soft_wrap=True)


def unreached(station: Station, users: Collection[Account]) -> list[str]:
    """Say which Modbus writers' networks no user has a role for, so that they may only read."""
    if not station.modbus.enabled:
        return []
    ours = [n for a in users if may(a.role, OPERATOR) for n in a.networks]
    found = []
    for writer in station.modbus.writers or ():
        network = ip_network(writer.network)
        if not network.is_loopback and not any(
            n.overlaps(network) for n in ours if n.version == network.version
        ):
            found.append(
                f"Modbus masters in {network} may only read: no user has them "
                f"(gridhil user add NAME --role operator --modbus {network})"
            )
    return found


def _waiting_for(cache: kernel_cache.KernelCache) -> str:
    """Say what the start takes its time for."""
    if cache.is_warm:
        return "starting the processes"
    expected = f"about {cache.expected_s:.0f} s" if cache.expected_s else "two to four minutes"
    return f"compiling the kernels for this machine, once ({expected})"


def _supervise(
    spec: RunSpec, spec_path: Path, plan: Plan, console: Console, waiting: str, options: RunOptions
) -> int:
    panel = Panel(spec, plan.station, console)
    supervisor = Supervisor(process_list(spec, spec_path, plan.station), panel.note)
    panel.supervisor = supervisor
    started = time.monotonic()
    console.print(f"  {waiting} ...", highlight=False)
    with panel.starting(waiting):
        try:
            if not supervisor.start():
                err.print("gridhil: interrupted", highlight=False)
                return stop_signals.exit_code(supervisor.stop_signal or signal.SIGTERM)
        except StartError as error:
            err.print(f"gridhil: {error}", highlight=False, soft_wrap=True)
            return error.exit_code
    panel.attach()
    panel.ready(time.monotonic() - started)
    if options.has_console:
        code = _run_with_console(supervisor, panel, console)
    else:
        with panel.live():
            code = supervisor.run(_until(panel), panel.tick, panel.tick_s)
    panel.farewell(code)
    return code


def _run_with_console(supervisor: Supervisor, panel: Panel, console: Console) -> int:
    """Run with a console in place of the panel."""
    url = (panel.spec.run_dir / RunSpec.URL_FILE).read_text()
    child = console_child.ConsoleChild(url, console)
    is_over = _until(panel)
    try:
        return supervisor.run(lambda: is_over() or child.wants_end(), lambda: None, panel.tick_s)
    finally:
        child.end()


def _until(panel: Panel) -> Callable[[], bool]:
    """Return the question "is the run over?": the loop ends by itself, its last image says so."""
    n_steps = panel.spec.core["n_steps"]
    return lambda: 0 < n_steps <= panel.published + 1
