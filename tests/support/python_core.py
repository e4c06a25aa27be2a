"""A core in plain Python for protocol tests: publishes a board, answers rings, nothing else.

Every analog value is a function of the step, so that a torn read shows. Setpoints read back
what was written. The real core is used in tests/e2e.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from rtcore import board as bd
from rtcore import ring as rg
from rtcore.commands import (
    C_GROUP_N,
    C_ID,
    C_TARGET,
    C_VALUE,
    RECORD_WORDS,
    V_ID,
    V_REASON,
    V_STEP,
    V_VALUE,
    Reason,
)
from rtcore.points import Kind, Point
from rtcore.quality import Quality


class PythonCore:
    """Owns a board and one ring pair in private memory; ``with`` runs it in a thread.

    The thread shares the interpreter with the server under test, which may hold it up for longer
    than readers allow a core; ``claimed_period_s`` has them allow more.
    """

    def __init__(
        self, points: list[Point], period_s: float = 0.002, claimed_period_s: float | None = None
    ) -> None:
        self.points = points
        self.period_s = period_s
        n = len(points)
        self.board_memory = bytearray(bd.board_bytes(n))
        self.board = bd.Board(self.board_memory, n)
        self.board.format(generation=1)
        self.board.ctl[bd.CTL_PERIOD_NS] = int((claimed_period_s or period_s) * 1e9)
        self.ring_memory = bytearray(rg.PAIR_BYTES)
        self.pair = rg.RingPair(self.ring_memory)
        self.pair.format()
        self.setpoints = {i: 0.0 for i, p in enumerate(points) if p.kind is Kind.SETPOINT}
        self.pulses: list[tuple[str, float]] = []
        self.quality = np.zeros(n, np.uint8)
        self.value_of: Callable[[int, int], float] = lambda i, step: float(step % 1000)
        self.decide: Callable[[int, float], Reason] = lambda i, v: Reason.DONE
        self.step = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> PythonCore:
        self.tick()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """Stop beating, as a killed core would."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def producer(self, incarnation: int = 1) -> rg.Producer:
        """Return the gateway's end of the rings."""
        return rg.Producer(self.pair, incarnation)

    def tick(self) -> None:
        """One step: answer commands, publish."""
        self._drain()
        image = bd.blank_image(len(self.points))
        now = time.monotonic_ns()
        image.meta[bd.M_STEP] = self.step
        image.meta[bd.M_UTC_NS] = time.time_ns()
        image.meta[bd.M_MONO_NS] = now
        for i, p in enumerate(self.points):
            if p.kind is Kind.CONTROL:
                image.values[i] = 0.0
            elif i in self.setpoints:
                image.values[i] = self.setpoints[i]
            else:
                image.values[i] = self.value_of(i, self.step)
        image.quality[:] = self.quality
        self.board.publish(self.step, image)
        self.board.ctl[bd.CTL_BEAT_NS] = now
        self.step += 1

    def set_quality(self, tag: str, quality: Quality) -> None:
        """Give one point a quality from the next tick on."""
        self.quality[[p.tag for p in self.points].index(tag)] = quality

    def _run(self) -> None:
        while not self._stop.wait(self.period_s):
            self.tick()

    def _drain(self) -> None:
        ring = self.pair.commands
        while int(ring[rg.TAIL]) < int(ring[rg.HEAD]):
            first = self._record(int(ring[rg.TAIL]))
            group = [self._record(int(ring[rg.TAIL]) + k) for k in range(int(first[C_GROUP_N]))]
            writes = [(int(r[C_TARGET]), rg.bits_float(int(r[C_VALUE]))) for r in group]
            reasons = [self.decide(i, v) for i, v in writes]
            ok = all(r is Reason.DONE for r in reasons)
            for record, (i, v), reason in zip(group, writes, reasons, strict=True):
                if ok:
                    self._apply(i, v)
                elif reason is Reason.DONE:
                    reason = Reason.GROUP_REFUSED
                self._answer(int(record[C_ID]), v, reason)
            ring[rg.TAIL] += len(group)

    def _record(self, at: int) -> np.ndarray:
        k = rg.RECORDS_AT + at % rg.CAPACITY * RECORD_WORDS
        return self.pair.commands[k : k + RECORD_WORDS]

    def _apply(self, i: int, v: float) -> None:
        if i in self.setpoints:
            self.setpoints[i] = v
        elif v:
            self.pulses.append((self.points[i].tag, v))

    def _answer(self, command_id: int, value: float, reason: Reason) -> None:
        ring = self.pair.verdicts
        k = rg.RECORDS_AT + int(ring[rg.HEAD]) % rg.CAPACITY * RECORD_WORDS
        ring[k + V_ID], ring[k + V_STEP], ring[k + V_REASON] = command_id, self.step, int(reason)
        ring[k + V_VALUE] = rg.float_bits(value)
        ring[rg.HEAD] += 1
