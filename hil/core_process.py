"""The core's process: owns the board, runs the loop in one thread, watches for signals.

``python -m hil.core_process SPEC_JSON``; prints ``ready`` when the loop is about to start.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

from hil import kernel_cache, segment
from hil.realtime import Grant, elevate, shallow_idle
from hil.runspec import PRODUCERS, RunSpec
from hil.supervisor import EXIT_HOST, die_with_parent
from rtcore import board as bd
from rtcore import ring as rg
from rtcore import waves
from rtcore.errors import HostError
from rtcore.overruns import S_N_OVERRUN

LOOP_STACK_BYTES = 1 << 20
UNPACED_PERIOD_NS = 1_000_000
"""Period that readers judge the heartbeat by when the loop runs as fast as it can [ns]."""


def main() -> int:
    """Build the plant, show it, run it until told to stop."""
    started = time.monotonic()
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spec = RunSpec.load(Path(sys.argv[1]))
    kernel_cache.prepare()
    try:
        with kernel_cache.compiling(kernel_cache.MARK):
            core = Core(spec)
            core.compile(started)
        return core.run()
    except HostError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_HOST


class Core:
    """Memory, plant and loop thread of one run."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.period_ns = int(spec.core["period_ns"])
        self._make_memory()  # first: gateways start beside the core and wait for it
        from hil.station import load_setup
        from rtcore import loop
        from rtcore.assemble import build_world
        from rtcore.drive import drive_of

        self._loop = loop
        setup = load_setup(spec.core["station"], spec.core["dt_ns"], spec.core)
        world, self.harmonics, self.grid = build_world(setup)
        self.world = world._replace(events=self._events, waves=self._waves(len(world.relays.own)))
        self.drive = drive_of(self.world, self.harmonics)
        self.grants: list[Grant] = []

    def _make_memory(self) -> None:
        spec, n = self.spec, self.spec.n_core

        def rings(memory: mmap.mmap) -> None:
            rg.RingPair(memory).format()

        def board(memory: mmap.mmap) -> None:
            shown = bd.Board(memory, n)
            shown.format(generation=time.monotonic_ns())
            shown.ctl[bd.CTL_PERIOD_NS] = max(self.period_ns, UNPACED_PERIOD_NS)

        paths = [spec.ring_path(p) for p in PRODUCERS]
        self.pairs = [rg.RingPair(segment.create(p, rg.PAIR_BYTES, rings)) for p in paths]
        events = np.frombuffer(segment.create(spec.events_path, rg.EVENT_BYTES), np.int64)
        self._events = events[rg.HEADER_WORDS :]
        self.board = bd.Board(segment.create(spec.board_path, bd.board_bytes(n), board), n)

    def _waves(self, n_relays: int) -> waves.Waves:
        """Return the ring of what relays see, for disturbance records."""

        def ring(memory: mmap.mmap) -> None:
            waves.format_waves(memory, n_relays)

        return waves.waves_in(segment.create(self.spec.waves_path, waves.waves_bytes(n_relays), ring))

    def compile(self, started: float) -> None:
        """Compile or load every kernel, do no step."""
        self._call(n_steps=0, mode=0)
        kernel_cache.mark_complete(time.monotonic() - started)

    def run(self) -> int:
        """Announce, run; returns the exit code."""
        self.board.ctl[bd.CTL_ENDED] = 0
        signal.signal(signal.SIGTERM, lambda *_: self.board.ctl.__setitem__(bd.CTL_STOP, 1))
        threading.stack_size(LOOP_STACK_BYTES)
        with shallow_idle() as idle:
            self.grants.append(idle)
            thread = threading.Thread(target=self._body, name="loop")
            thread.start()
            while not self.board.ctl[bd.CTL_ENDED]:  # never join: a signal could mark it dead
                time.sleep(0.02)
            thread.join()
        if self.spec.core["strict"] and self.board.stats[S_N_OVERRUN]:
            return 1
        # After its last step the image stays on the board until the supervisor has seen it.
        while not self.board.ctl[bd.CTL_STOP]:
            time.sleep(0.02)
        return 0

    def _body(self) -> None:
        self.grants += elevate(self.spec.core["cpu"], use_fifo=self.spec.core["fifo"])
        has_fifo = any(g.name == "SCHED_FIFO" and g.is_granted for g in self.grants)
        is_realtime = has_fifo and self.spec.core["speed"] == 1
        mode = self._loop.MODE_REALTIME if is_realtime else self._loop.MODE_BEST_EFFORT
        self.board.ctl[bd.CTL_MODE] = mode
        print("ready " + "; ".join(str(g) for g in self.grants), flush=True)  # noqa: T201
        self._call(n_steps=self.spec.core["n_steps"], mode=mode)

    def _call(self, n_steps: int, mode: int) -> None:
        board = self.board
        self._loop.run(
            self.drive,
            board.ctl,
            board.seq,
            board.slots,
            board.stats,
            tuple(p.commands for p in self.pairs),
            tuple(p.verdicts for p in self.pairs),
            self.period_ns,
            self._loop.catch_up_periods(self.period_ns),
            n_steps,
            mode,
            bool(self.spec.core["strict"]),
            np.zeros(2, np.int64),
        )


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # taking an interpreter full of compiled code apart takes a second; the kernel is faster
