"""Live status of a running station: a panel on a terminal, plain lines when piped."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hil import device_status, gateway_status, joined_board
from hil.panel_view import Shown, render
from hil.recorder import run_folder
from hil.recorder import status as recorder_status
from hil.runspec import RunSpec
from hil.settings import Station
from hil.settings_types import iso
from hil.supervisor import SILENT_S, Supervisor
from rtcore.board import CTL_BEAT_NS, CTL_ENDED, CTL_MODE, CTL_PERIOD_NS, Board, Snapshot
from rtcore.overruns import (
    CAUSE_TEXT,
    O_CAUSE,
    O_COMMANDS,
    O_EXEC_NS,
    O_LATE_NS,
    O_STEP,
    O_TOPOLOGY,
    OVERRUN_ROWS,
    OVERRUN_WORDS,
    S_N_OVERRUN,
    S_OVERRUN,
)
from rtcore.points import index_of
from rtcore.quality import is_bad

TICK_TTY_S, TICK_PIPE_S = 0.25, 5.0
LINES_KEPT = 4
REMIND_S = 10.0
MODE_REALTIME = 1
SILENT_PERIODS = 3
"""A core is not called silent before so many periods without a step."""

LOOP_FIGURES = (
    ("late p50 [us]", "LATE_P50", 1), ("late p99 [us]", "LATE_P99", 1), ("late p99.9 [us]", "LATE_P999", 1),
    ("late max [us]", "LATE_MAX", 1), ("exec p50 [us]", "EXEC_P50", 1), ("exec p99 [us]", "EXEC_P99", 1),
    ("overruns", "OVERRUNS", 0), ("slipped [ms]", "SLIPPED_MS", 0),
)  # fmt: skip
"""Head, point, decimals."""

FEEDER_FIGURES = (
    ("P [kW]", "P", 1), ("Q [kvar]", "Q", 1), ("IA [A]", "IA", 1), ("IB [A]", "IB", 1), ("IC [A]", "IC", 1),
    ("VA [V]", "VA", 0), ("VB [V]", "VB", 0), ("VC [V]", "VC", 0),
)  # fmt: skip


class Panel:
    """Reads boards and journals; writes to one console and nowhere else."""

    def __init__(self, spec: RunSpec, station: Station, console: Console) -> None:
        self.spec, self.station, self.console = spec, station, console
        self.supervisor: Supervisor | None = None
        self.tick_s = TICK_TTY_S if console.is_terminal else TICK_PIPE_S
        self._board: Board | None = None
        self._index = index_of(spec.points)
        self._live: Live | None = None
        self._events: deque[str] = deque(maxlen=LINES_KEPT)
        self._commands: deque[str] = deque(maxlen=LINES_KEPT)
        self._tails = {p: _Tail(spec.audit_path(p)) for p in ("modbus", "opcua")}
        self._started = time.monotonic()
        self._printed_step = -1

    # -- what the supervisor and the run command call ------------------------------------

    def note(self, name: str, text: str) -> None:
        """Take one event of the supervisor."""
        self._events.append(f"{name}: {text}")
        if self._live is None or not self.console.is_terminal:
            self.console.print(f"  {name}: {text}", highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def starting(self, what: str) -> Iterator[None]:
        """Show what the start is waiting for and for how long it has."""
        if self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            with Progress(*columns, console=self.console, transient=True) as bar:
                bar.add_task(what, total=None)
                yield
            return
        done = threading.Event()

        def remind() -> None:
            while not done.wait(REMIND_S):
                waited = time.monotonic() - self._started
                self.console.print(f"  {what}, {waited:.0f} s so far", highlight=False)

        thread = threading.Thread(target=remind, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def attach(self) -> None:
        """Map the boards; the core's exists once the core is ready."""
        self._board = joined_board.attach(self.spec)

    @property
    def published(self) -> int:
        """Newest step on the core's board."""
        return -1 if self._board is None else self._board.published

    def ready(self, seconds: float) -> None:
        """Say where masters find the station."""
        assert self.supervisor is not None
        where = [t for n, t in self.supervisor.ready_text.items() if n != "core"]
        self.console.print(
            f"ready after {seconds:.1f} s: " + ", ".join(where), highlight=False, soft_wrap=True
        )
        self.console.print(f"contract: {self.contract()}", highlight=False, soft_wrap=True)

    def contract(self) -> str:
        """Return the state of the real-time contract in words."""
        if self._board is not None and int(self._board.ctl[CTL_MODE]) == MODE_REALTIME:
            return "real time (SCHED_FIFO granted)"
        if self.spec.core["speed"] != 1:
            return f"not real time (speed {self.spec.core['speed']})"
        return "best effort (no SCHED_FIFO: lateness of several ms is to be expected)"

    @contextlib.contextmanager
    def live(self) -> Iterator[None]:
        """Keep the panel on the terminal while the station runs; it stays with its last figures."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=4, transient=False) as self._live:
            yield
            self.tick()
        self._live = None

    def tick(self) -> None:
        """Show the newest state."""
        assert self._board is not None
        for producer, tail in self._tails.items():
            for record in tail.take():
                if record.get("event") != "command":  # its verdict follows
                    self._commands.append(_command_line(producer, record))
        snapshot = self._board.read()
        if snapshot is None:
            return
        if self._live is not None:
            self._live.update(self._render(snapshot))
        elif not self.console.is_terminal:
            self._print_line(snapshot)

    def _print_line(self, snapshot: Snapshot) -> None:
        self._printed_step = snapshot.step
        self.console.print(self._line(snapshot), highlight=False, soft_wrap=True)

    def farewell(self, code: int) -> None:
        """Say how the run ended; what the panel shows already is not said again."""
        snapshot = self._board.read() if self._board is not None else None
        if not self.console.is_terminal:
            if snapshot is not None and snapshot.step != self._printed_step:
                self._print_line(snapshot)
            for line in self._overruns():
                self.console.print(f"  {line}", highlight=False, soft_wrap=True)
        self.console.print(
            f"{self._how_it_ended(code)} after {time.monotonic() - self._started:.1f} s",
            highlight=False,
            soft_wrap=True,
        )

    def _how_it_ended(self, code: int) -> str:
        if code == 0:
            return "stopped"
        if self.station.loop.strict and self._overruns():
            return "ended at the first missed deadline (loop.strict)"
        why = "" if self.supervisor is None else self.supervisor.why_ended
        return f"ended because the {why}" if "no heartbeat" in why else "ended because the core died"

    def silence(self) -> str:
        """Return for how long the core has done nothing, if it should have; else an empty string."""
        board = self._board
        if board is None or board.ctl[CTL_ENDED] or not board.ctl[CTL_BEAT_NS]:
            return ""
        age_s = board.beat_age_ns(time.monotonic_ns()) / 1e9
        patience_s = max(SILENT_S, SILENT_PERIODS * int(board.ctl[CTL_PERIOD_NS]) / 1e9)
        return f"core silent for {age_s:.0f} s" if age_s > patience_s else ""

    # -- drawing -------------------------------------------------------------------------

    def _value(self, snapshot: Snapshot, tag: str, decimals: int | None = None) -> str:
        i = self._index.get(tag)
        if i is None:
            return "-"
        value = float(snapshot.values[i])
        text = f"{value:.6g}" if decimals is None else f"{value:.{decimals}f}"
        return f"{text} (bad)" if is_bad(int(snapshot.quality[i])) else text

    def _line(self, s: Snapshot) -> str:
        def v(tag: str) -> str:
            return self._value(s, tag)

        clients = ", ".join(f"{n} {c['clients']}" for n, c in self._gateways().items())
        silence = self.silence()
        return (
            f"{iso(s.sim_ns, self.station.utc_offset_s)} step {s.step}  "
            f"{silence + '  ' if silence else ''}P {v('SUB.T1.P')} kW "
            f"Q {v('SUB.T1.Q')} kvar  late p50/p99/max {v('SUB.LOOP.LATE_P50')}/{v('SUB.LOOP.LATE_P99')}/"
            f"{v('SUB.LOOP.LATE_MAX')} us  exec p50 {v('SUB.LOOP.EXEC_P50')} us  overruns "
            f"{v('SUB.LOOP.OVERRUNS')}  slipped {v('SUB.LOOP.SLIPPED_MS')} ms  clients {clients}"
            f"{'  ' if (device := self._device()) else ''}{device}{self._trouble()}"
        )

    def _overruns(self) -> list[str]:
        """Return the latest overruns with what caused each, newest last."""
        if self._board is None:
            return []
        stats = self._board.stats
        count = int(stats[S_N_OVERRUN])
        lines = []
        for k in range(max(0, count - LINES_KEPT), count):
            at = S_OVERRUN + k % OVERRUN_ROWS * OVERRUN_WORDS
            row = stats[at : at + OVERRUN_WORDS]
            with_what = [f"{int(row[O_COMMANDS])} commands"] if row[O_COMMANDS] else []
            with_what += ["a change of topology"] if row[O_TOPOLOGY] else []
            during = f", with {' and '.join(with_what)}" if with_what else ""
            late_ms, took_us = row[O_LATE_NS] / 1e6, row[O_EXEC_NS] / 1e3
            cause = CAUSE_TEXT[int(row[O_CAUSE])]
            lines.append(
                f"overrun at step {int(row[O_STEP])}: {cause}, {late_ms:.2f} ms late, "
                f"took {took_us:.0f} us{during}"
            )
        return lines

    def _gateways(self) -> dict[str, dict[str, int]]:
        found = {n: gateway_status.read(self.spec.gateway_path(n)) for n in ("modbus", "opcua")}
        return {n: c for n, c in found.items() if c is not None}

    def _device(self) -> str:
        """Return how it stands with the device under test; empty without one to exchange with."""
        view = device_status.read(self.spec.gateway_path("device")) if self.spec.device else None
        return "" if view is None else f"device {view}"

    def _records(self) -> str:
        """Return where the records are, and how many there are; empty where none are kept."""
        told = self._recorder()
        if told is None:
            return ""
        counts = f"{told['seq']} events, {told['disturbances']} disturbances"
        return f"records{self._trouble()}  {counts}  in {run_folder.folder_of(self.spec)}"

    def _trouble(self) -> str:
        """Return what is wrong with the records; empty where nothing is."""
        told = self._recorder()
        if told is None:
            return ""
        words = [f"disk {recorder_status.DISK[told['disk']]}"] if told["disk"] else []
        words += [f"{told['lost']} events lost"] if told["lost"] else []
        words += [f"{told['errors']} writes failed"] if told["errors"] else []
        missed = told["disturbances_missed"]
        words += [f"{missed} disturbances missed"] if missed else []
        return "".join(f"  {word}" for word in words)

    def _recorder(self) -> dict[str, int] | None:
        return recorder_status.read(self.spec.gateway_path("recorder")) if self.spec.recorder else None

    def _render(self, s: Snapshot) -> Group:
        moment = iso(s.sim_ns, self.station.utc_offset_s)[:19]
        shown = Shown(
            title=f"gridhil {self.station.name}   {moment}   step {s.step}",
            contract=self.contract(),
            silence=self.silence(),
            loop=(
                [head for head, _, _ in LOOP_FIGURES],
                [self._value(s, f"SUB.LOOP.{point}", n) for _, point, n in LOOP_FIGURES],
            ),
            feeders=(["", *(head for head, _, _ in FEEDER_FIGURES)], self._feeder_rows(s)),
            servers=self._servers(),
            device=self._device(),
            records=self._records(),
            lists=(list(self._commands), list(self._events), self._overruns()),
        )
        return render(shown, *self.console.size)

    def _feeder_rows(self, s: Snapshot) -> list[list[str]]:
        rows = []
        for device in ["SUB.T1", *(t.rpartition(".")[0] for t in self._index if t.endswith(".HEAD.P"))]:
            volts = "SUB.BUS1" if device == "SUB.T1" else device
            places = [volts if point.startswith("V") else device for _, point, _ in FEEDER_FIGURES]
            figures = zip(places, FEEDER_FIGURES)
            rows.append([device, *(self._value(s, f"{at}.{point}", n) for at, (_, point, n) in figures)])
        return rows

    def _servers(self) -> tuple[list[str], list[list[str]]]:
        columns = ["clients", "requests", "commands", "refused", "errors"]
        rows = [[name, *(str(c[k]) for k in columns)] for name, c in self._gateways().items()]
        return ["", *columns], rows


class _Tail:
    """New lines of a journal since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0

    def take(self) -> list[dict[str, Any]]:
        """Return whole new records."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._at += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def _command_line(producer: str, record: dict[str, Any]) -> str:
    result = str(record.get("result", record.get("event")))
    writes = ", ".join(f"{tag}={value}" for tag, value in record.get("writes", [])) or record.get("via", "")
    return f"{producer} {record.get('user') or record.get('peer', '')}: {writes} -> {result}"
