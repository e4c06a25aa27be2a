"""False data between the core's board and its readers: ``python -m hil.tamper_process SPEC_JSON``.

Reads the core's board, lets the attacks of the station's attack file change it, and publishes the result on a
board of its own, which gateways and the estimator read in place of the core's. Attacks act while the
station is armed (LAB.ARM), their times count from the arming. The heartbeat is the core's, passed on: when
either process dies, readers see an old board and answer Bad. A step goes out before the truth about it is
kept; that is written a little at a time.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
import math
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from estimation.attacks import Attack, Floats, Place
from estimation.tamper import Note, Tamper
from estimation.tamper_rows import Qualities
from hil import gateway_process, kernel_cache, segment
from hil.attack_background import failures
from hil.attack_truth import TruthLog
from hil.gateway_process import CORE_MEMORY_S, say
from hil.gateway_status import SERVING, STARTING, GatewayStatus
from hil.runspec import RunSpec
from hil.truth_writer import TruthWriter
from rtcore import board as bd
from rtcore.board import Board, Snapshot
from rtcore.errors import HostError
from rtcore.points import index_of

LOOK_S, LOOK_PERIODS = 0.002, 0.25
"""Longest pause between two looks at the core's board [s], and as a share of a step."""
STATUS_S = 0.2
ROWS_S = 0.1
"""Between two values of one point in the ground truth [s of simulated time]."""
WAITING_MAX = 20
"""So many scans' rows may wait to be written; while they do, no others are kept."""
ARMING = ("arming.station", "is_armed")
PASSED_ON = (bd.CTL_PERIOD_NS, bd.CTL_MODE, bd.CTL_ENDED, bd.CTL_BEAT_NS)


class Shown:
    """The board that masters see; made anew at the first start, kept when this process starts again."""

    def __init__(self, spec: RunSpec) -> None:
        n, path = spec.n_core, spec.shown_path

        def prepare(memory: mmap.mmap) -> None:
            board = Board(memory, n)
            board.format(generation=time.monotonic_ns())

        memory = (
            segment.attach(path, writable=True)
            if path.exists()
            else segment.create(path, bd.board_bytes(n), prepare)
        )
        self.board = Board(memory, n)
        self.board.check()
        self.board.seq[:] += self.board.seq[:] & 1  # a slot that was being written when we were killed
        self._image = bd.blank_image(n)

    def publish(self, found: Snapshot, values: np.ndarray, quality: np.ndarray) -> None:
        """Publish a step of the core with other values."""
        meta = self._image.meta
        meta[bd.M_STEP], meta[bd.M_UTC_NS], meta[bd.M_MONO_NS] = found.step, found.utc_ns, found.mono_ns
        meta[bd.M_SIM_NS], meta[bd.M_DT_NS] = found.sim_ns, found.dt_ns
        meta[bd.M_FLAGS], meta[bd.M_DIGEST] = found.flags, found.digest
        self._image.values[:], self._image.quality[:] = values, quality
        self.board.publish(found.step, self._image)

    def pass_on(self, core: Board) -> None:
        """Show the core's control words."""
        for k in PASSED_ON:
            self.board.ctl[k] = core.ctl[k]


class Hop:
    """From the core's board to the shown one.

    Parameters
    ----------
    writer : TruthWriter
        Writes what the tamper keeps; here nothing waits for it.
    armed : int
        Position of the point that says whether the station is armed.
    start_ns : int
        Simulated time that attacks and truth count from [ns].
    failures : callable
        Says which attacks have no effect any more.
    """

    def __init__(
        self,
        core: Board,
        shown: Shown,
        tamper: Tamper,
        writer: TruthWriter,
        *,
        armed: int,
        start_ns: int,
        failures: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._core, self._shown, self._tamper, self._writer = core, shown, tamper, writer
        self._armed, self._start_ns, self._failures = armed, start_ns, failures
        self._step, self._rows_at_s, self._is_behind = -1, -math.inf, False
        self._active: tuple[str, ...] = ()
        self._said: list[str] = []

    def go(self) -> None:
        """Pass on a step that is new, and only then keep the truth about it; write some of what was kept."""
        self._step_on()
        self._writer.turn(time.monotonic())

    def _step_on(self) -> None:
        self._shown.pass_on(self._core)
        if self._core.published == self._step:
            return
        found = self._core.read()
        if found is None:
            return
        self._step, t_s = found.step, (found.sim_ns - self._start_ns) * 1e-9
        self._arm(bool(found.values[self._armed]), t_s)
        values, quality, note = self._tamper.falsified(t_s, found.values, found.quality)
        self._shown.publish(found, values, quality)
        self._note(t_s, note, found, values, quality)
        self._tell(t_s)

    def _note(self, t_s: float, note: Note, found: Snapshot, values: Floats, quality: Qualities) -> None:
        """Keep the truth, with rows where the last ones are old enough and most of them are on disk."""
        tamper, at = self._tamper, self._tamper.at
        n_before, is_due = tamper.n_waiting, t_s >= self._rows_at_s + ROWS_S
        tamper.keeps_rows = is_due and n_before < WAITING_MAX
        note(at, found.values[at], found.quality[at], values[at], quality[at])
        if tamper.n_waiting > n_before:
            self._rows_at_s = t_s
        if is_due and n_before >= WAITING_MAX and not self._is_behind:
            self._is_behind = True
            self._log(t_s, "the disk does not keep up: rows are further apart")

    def _arm(self, is_armed: bool, t_s: float) -> None:
        if is_armed == math.isfinite(self._tamper.origin_s):
            return
        self._tamper.origin_s = t_s if is_armed else math.inf
        self._log(t_s, "armed" if is_armed else "disarmed")

    def _tell(self, t_s: float) -> None:
        """Log when the attacks that are on are others than before."""
        active = self._tamper.active(t_s)
        if active != self._active:
            self._active = active
            self._log(t_s, f"active: {', '.join(active) or 'none'}")
        for text in self._failures():
            if text not in self._said:
                self._said.append(text)
                self._log(t_s, text)

    def _log(self, t_s: float, what: str) -> None:
        self._writer.note(t_s, what)
        say(f"{what} at {t_s:.3f} s")


@dc.dataclass(frozen=True, slots=True)
class Equipment:
    """What a station's attacks on its board are carried out with."""

    tamper: Tamper
    writer: TruthWriter
    armed: int
    start_ns: int
    attacks: Sequence[Attack]


def equipment(spec: RunSpec) -> Equipment:
    """Read the attacks of a station; HostError when it cannot be armed."""
    from hil.attack_background import beside
    from hil.attack_files import read_attacks
    from hil.station import read_plan

    plan = read_plan(spec.core["station"])
    file = read_attacks(spec.attack, plan=plan)
    attacks = [beside(a) for a in file.at(Place.BOARD)]
    points = spec.points[: spec.n_core]
    armed = [k for k, p in enumerate(points) if (p.source, p.attr) == ARMING]
    if not armed:
        raise HostError("the point list has no arming (LAB.ARM): attacks cannot be armed")
    rng = np.random.default_rng(file.seed)
    tamper = Tamper(attacks, index_of(points), rng, only_changes=True, origin_s=math.inf)
    folder = free_folder(spec.state_dir / "attacks" / f"{spec.core['run_id']}-{file.name}")
    head = {"file": str(file.path), "station": spec.name, "seed": file.seed, "clock": "simulated, from start"}
    writer = TruthWriter(TruthLog(folder, head), tamper, say)
    return Equipment(tamper, writer, armed[0], plan.station.start_utc_ns, attacks)


def run(spec: RunSpec) -> int:
    """Serve until SIGTERM."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    shown = Shown(spec)  # first: gateways wait for it
    status = GatewayStatus.create(spec.gateway_path("tamper"))
    status.write(state=STARTING, pid=os.getpid())
    core = Board(segment.attach(Path(spec.board_path), wait_s=CORE_MEMORY_S), spec.n_core)
    core.check()
    kernel_cache.prepare()
    e = equipment(spec)
    hop = Hop(
        core, shown, e.tamper, e.writer,
        armed=e.armed, start_ns=e.start_ns, failures=lambda: failures(e.attacks),
    )  # fmt: skip
    say(f"ready {len(e.attacks)} attacks, while the station is armed")
    pause_s = min(LOOK_S, LOOK_PERIODS * spec.core["period_ns"] * 1e-9) or LOOK_S
    try:
        serve(hop.go, pause_s, lambda: bool(stopping), lambda: status.write(state=SERVING, clients=0))
    finally:
        e.writer.close()
    return 0


def free_folder(folder: Path) -> Path:
    """Return a folder that is not there: the truth of a process that died is not written over."""
    names = (folder if k == 1 else folder.with_name(f"{folder.name}-{k}") for k in itertools.count(1))
    return next(name for name in names if not name.exists())


def serve(
    go: Callable[[], None], pause_s: float, is_over: Callable[[], bool], beat: Callable[[], None]
) -> None:
    """Go on and on."""
    beat_s = 0.0
    while not is_over():
        go()
        now_s = time.monotonic()
        if now_s >= beat_s:
            beat()
            beat_s = now_s + STATUS_S
        time.sleep(pause_s)


if __name__ == "__main__":
    sys.exit(gateway_process.main("hil.tamper_process", sys.argv[1:], run))
