"""False data between the core's board and its readers: ``python -m hil.tamper_process SPEC_JSON``.

Reads the core's board, lets the attacks of the station's attack file change it, and publishes the result on a
board of its own, which gateways and the estimator read in place of the core's. Attacks act while the
station is armed (LAB.ARM), their times count from the arming. The heartbeat is the core's, passed on: when
either process dies, readers see an old board and answer Bad.
"""

from __future__ import annotations

import itertools
import math
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from hil import gateway_process, kernel_cache, segment
from hil.gateway_process import CORE_MEMORY_S, say
from hil.gateway_status import SERVING, STARTING, GatewayStatus
from hil.runspec import RunSpec
from rtcore import board as bd
from rtcore.board import Board, Snapshot
from rtcore.errors import HostError

LOOK_S, LOOK_PERIODS = 0.002, 0.25
"""Longest pause between two looks at the core's board [s], and as a share of a step."""
STATUS_S = 0.2
ROWS_S = 0.1
"""Between two values of one point in the ground truth [s of simulated time]."""
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
    """From the core's board to the shown one."""

    def __init__(self, spec: RunSpec, shown: Shown, core: Board) -> None:
        from estimation.attacks import Place
        from estimation.tamper import Tamper
        from hil.attack_background import beside, failures
        from hil.attack_files import read_attacks
        from hil.attack_truth import TruthLog
        from hil.station import read_plan
        from rtcore.points import index_of

        plan = read_plan(spec.core["station"])
        file = read_attacks(spec.attack, plan=plan)
        attacks = [beside(a) for a in file.at(Place.BOARD)]
        points = spec.points[: spec.n_core]
        armed = [k for k, p in enumerate(points) if (p.source, p.attr) == ARMING]
        if not armed:
            raise HostError("the point list has no arming (LAB.ARM): attacks cannot be armed")
        self.n_attacks, self._armed = len(attacks), armed[0]
        self._core, self._shown = core, shown
        rng = np.random.default_rng(file.seed)
        self._tamper = Tamper(attacks, index_of(points), rng, origin_s=math.inf)
        self._start_ns, self._step, self._rows_at_s = plan.station.start_utc_ns, -1, -math.inf
        self._active: tuple[str, ...] = ()
        self._failures: Callable[[], Iterable[str]] = lambda: failures(attacks)
        self._said: list[str] = []
        folder = free_folder(spec.state_dir / "attacks" / f"{spec.core['run_id']}-{file.name}")
        head = {
            "file": str(file.path),
            "station": spec.name,
            "seed": file.seed,
            "clock": "simulated, from start",
        }
        self._truth = TruthLog(folder, head)

    def go(self) -> None:
        """Pass on a step that is new."""
        self._shown.pass_on(self._core)
        if self._core.published == self._step:
            return
        found = self._core.read()
        if found is None:
            return
        self._step, t_s = found.step, (found.sim_ns - self._start_ns) * 1e-9
        self._arm(bool(found.values[self._armed]), t_s)
        self._tamper.keeps_rows = t_s >= self._rows_at_s + ROWS_S
        values, quality = self._tamper.apply(t_s, found.values, found.quality)
        self._shown.publish(found, values, quality)
        if self._tamper.rows:
            self._rows_at_s = t_s
            self._truth.rows(self._tamper.rows)
            self._tamper.rows.clear()
        self._tell(t_s)

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

    def close(self) -> None:
        """Keep what is known of the attacks that are still on."""
        self._truth.save(self._tamper.spans)

    def _log(self, t_s: float, what: str) -> None:
        self._truth.note(t_s, what)
        self._truth.save(self._tamper.spans)
        say(f"{what} at {t_s:.3f} s")


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
    hop = Hop(spec, shown, core)
    say(f"ready {hop.n_attacks} attacks, while the station is armed")
    pause_s = min(LOOK_S, LOOK_PERIODS * spec.core["period_ns"] * 1e-9) or LOOK_S
    try:
        serve(hop.go, pause_s, lambda: bool(stopping), lambda: status.write(state=SERVING, clients=0))
    finally:
        hop.close()
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
