"""``gridhil attack``: carries an attack file out on a running station of this machine, and cleans up."""

from __future__ import annotations

import asyncio
import dataclasses as dc
import ipaddress
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from estimation.attacks import Kind, Place
from estimation.tamper import Span
from hil import joined_board, settings_types, stop_signals
from hil.attack_commands import Commands
from hil.attack_files import AttackFile, read_attacks
from hil.attack_images import BoardImages
from hil.attack_instruments import Bench, Instruments
from hil.attack_proxy import IpNetwork
from hil.attack_slots import ARM, hold_s
from hil.attack_truth import TruthLog
from hil.attack_wire import Wire
from hil.output import print_line
from hil.relaytest.live import bench_of
from hil.run_command import within_reach
from hil.running_stations import running_station
from hil.runspec import RunSpec
from hil.station import read_plan
from protocols import modbus_map
from rtcore.errors import HostError, Problem, UserInputError
from rtcore.points import index_of

TICK_S, ROWS_S = 0.02, 0.1
REARM_S = 5.0
"""How often the window of arming is opened anew while attacks on the board last [s]."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says."""

    station: str | None = None
    listen: str = "127.0.0.1"
    port: int = 0
    opcua_port: int = 0
    allow: Sequence[str] = ()
    duration_s: float | None = None
    report: Path | None = None


def run_file(name: str, options: Options, out: Console) -> dict[str, Any]:
    """Carry out an attack file until its attacks are over, and return the ground truth.

    Raises
    ------
    UserInputError
        Everything wrong with the file or the options; nothing has been done.
    HostError
        The station does not run or refuses; what had been done is undone.
    """
    allowed = networks(options)
    plan = None if options.station is None else read_plan(options.station)
    file = read_attacks(name, plan=plan)
    spec = running_station(file.plan.station.path, file.plan.station.path.stem)
    if file.at(Place.BOARD) and (not spec.attack or Path(spec.attack).resolve() != file.path.resolve()):
        what = f'attacks on the board are the station\'s: give it [attack] file = "{file.path.stem}"'
        raise UserInputError([Problem(str(file.path), "", what)])
    head = {"file": str(file.path), "station": spec.name, "seed": file.seed, "clock": "s since the start"}
    truth = TruthLog(options.report, head)
    with bench_of(spec) as bench:
        return asyncio.run(_Run(spec, file, options, allowed, bench, truth, out).whole())


def networks(options: Options) -> list[IpNetwork]:
    """Return who may use the proxy beside this machine; listening further than that needs to be said."""
    problems, found = [], []
    for text in options.allow:
        try:
            found.append(ipaddress.ip_network(settings_types.network(text)))
        except ValueError as error:
            problems.append(Problem("--allow", "", str(error)))
    try:
        is_loopback = ipaddress.ip_address(settings_types.address(options.listen)).is_loopback
    except ValueError as error:
        problems.append(Problem("--listen", "", str(error)))
    else:
        if not is_loopback and not options.allow:
            what = f"{options.listen} reaches beyond this machine; name the masters' networks with --allow"
            problems.append(Problem("--listen", "", what))
    if problems:
        raise UserInputError(problems)
    return found


def is_endless(file: AttackFile, options: Options) -> bool:
    """Tell whether it ends only when it is told to, wherever its attacks are."""
    attacks = (a for a in file.attacks if a.kind is not Kind.COMMAND)
    return options.duration_s is None and any(math.isinf(a.duration_s) for a in attacks)


def numbers(spec: RunSpec) -> dict[str, int]:
    """Return tag -> number of a point as slots count them: from 1, as ``gridhil points`` lists them."""
    return {tag: k + 1 for tag, k in index_of(spec.points[: spec.n_core]).items()}


class _Run:
    """One attack file on one station."""

    def __init__(
        self,
        spec: RunSpec,
        file: AttackFile,
        options: Options,
        allowed: Sequence[IpNetwork],
        bench: Bench,
        truth: TruthLog,
        out: Console,
    ) -> None:
        self._spec, self._file, self._options = spec, file, options
        self._bench, self._truth, self._out = bench, truth, out
        held_s = hold_s(int(spec.core["dt_ns"]), int(spec.core["period_ns"]))
        images = BoardImages(joined_board.attach(spec))
        self._instruments = Instruments(bench, images, numbers(spec), file.at(Place.INSTRUMENT), held_s)
        self._wire = Wire(spec, file, self._clock_s, allowed)
        self._stopped_by = 0
        self._t0 = 0.0
        if file.commands and not spec.modbus.get("units"):
            raise HostError(f"station {spec.name} has no Modbus server")

    async def whole(self) -> dict[str, Any]:
        """Carry everything out, clean up, return the ground truth."""
        loop = asyncio.get_running_loop()
        for number in stop_signals.SIGNALS:
            loop.add_signal_handler(number, self._stop, number)
        self._t0 = loop.time()
        spec, options = self._spec, self._options
        server = within_reach(spec.modbus["host"]), int(spec.modbus["port"])
        points = modbus_map.build(spec.points, spec.stamps, spec.modbus)
        commands = Commands(server, points, self._file.commands)
        if on := self._instruments.active():
            left = ", ".join(f"{slot} ({self._bench.value(f'{slot}.LEFT_S'):.0f} s left)" for slot in on)
            self._say(f"others falsify points already: {left}; CLEAR of a slot ends it at once")
        try:
            for line in await self._wire.start(
                settings_types.address(options.listen), options.port, options.opcua_port
            ):
                self._say(line)
            if self._file.at(Place.WIRE) or self._file.commands:
                self._bench.command({f"{ARM}.ARM": 1})
                self._say("armed, for the station's own records")
            await self._until_over(commands)
        finally:
            self._undo()
            commands.close()
            await self._wire.close()
            self._truth.rows(self._wire.take_rows())
            for line in self._wire.counts():
                self._say(line)
            self._truth.close(self._spans())
            for number in stop_signals.SIGNALS:
                loop.remove_signal_handler(number)
            stop_signals.take()
        if self._stopped_by and not is_endless(self._file, self._options):
            raise stop_signals.Stopped(self._stopped_by)
        return self._truth.document(self._spans())

    def _spans(self) -> list[Span]:
        return [*self._instruments.spans, *self._wire.spans]

    def _stop(self, number: int) -> None:
        self._stopped_by = number

    def _clock_s(self) -> float:
        return asyncio.get_running_loop().time() - self._t0

    def _end_s(self) -> float:
        """Return when the attacks that no slot ends are over [s]."""
        others = [*self._file.at(Place.BOARD), *self._file.at(Place.WIRE)]
        return max((a.end_s for a in others), default=0.0)

    async def _until_over(self, commands: Commands) -> None:
        end_s, rows_s, look_s, rearm_s = self._end_s(), 0.0, 0.0, 0.0
        limit_s = math.inf if self._options.duration_s is None else self._options.duration_s
        boards = self._file.at(Place.BOARD)
        while not self._stopped_by:
            t_s = self._clock_s()
            if boards and t_s >= rearm_s:
                self._bench.command({f"{ARM}.ARM": 1})
                if rearm_s == 0.0:
                    self._say("armed: the attacks on the board begin")
                rearm_s = t_s + REARM_S
            for line in self._instruments.go(t_s):
                self._say(line)
            for done in await commands.go(t_s):
                self._say(f"{done['attack']}: {done['tag']} = {done['value']:g}: {done['answer']}", **done)
            if t_s >= rows_s and (rows := self._instruments.rows(self._t0)):
                rows_s = t_s + ROWS_S
                self._truth.rows(rows)
            if t_s >= look_s:
                look_s = t_s + ROWS_S
                self._bench.value(f"{ARM}.ARMED")  # a station that has ended ends the attack
                self._truth.rows(self._wire.take_rows())
                for line in self._wire.news():
                    self._say(line)
            self._truth.keep(self._spans(), t_s)
            if t_s >= limit_s or (self._instruments.is_over and commands.is_over and t_s >= end_s):
                return
            await asyncio.sleep(TICK_S)

    def _undo(self) -> None:
        try:
            self._instruments.clear()
            on = self._instruments.active()
        except HostError as error:  # a station that ended needs nothing
            self._say(f"not cleared: {error}")
            return
        if on:
            self._say(f"cleared what this file began; others still falsify their points: {', '.join(on)}")
        else:
            self._say("cleared: every point shows the truth, the station is disarmed")

    def _say(self, text: str, **more: Any) -> None:
        t_s = self._clock_s()
        self._truth.note(t_s, text, **more)
        self._truth.keep(self._spans(), t_s)
        print_line(self._out, f"{t_s:8.3f} s  {text}")


def lines(file: AttackFile, find: Callable[[str], int]) -> Iterator[str]:
    """Say what a file would do: a line for each point, with its number."""
    for attack in file.attacks:
        end = "" if math.isinf(attack.duration_s) else f" for {attack.duration_s:g} s"
        yield f"{attack.name}: {attack.kind} at {attack.place}, from {attack.start_s:g} s{end}"
        for tag in attack.tags:
            yield f"  {find(tag)} {tag}"
        for c in attack.commands:
            yield f"  {attack.start_s + c.at_s:g} s: {c.tag} = {c.value:g}"


def shown(name: str, station: str | None) -> Iterator[str]:
    """Say what a file would do, without a station that runs."""
    file = read_attacks(name, plan=None if station is None else read_plan(station))
    index = index_of(file.plan.points.core)
    yield from lines(file, lambda tag: index[tag] + 1)
