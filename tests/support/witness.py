"""An independent witness of the host: when did it take a processor away, and for how long?

A virtual machine now and then gets no processor for a tenth of a second. Whatever ran at that
time is late, and none of it is to blame. One process per processor, above the loop's priority,
sleeps 2 ms at a time and notes when it was woken late; what gridhil's own processes do to each
other it does not see, since they cannot keep it from running.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
import multiprocessing
import os
import threading
import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from hil import segment
from hil.realtime import FIFO_PRIORITY
from rtcore.loop import CATCH_UP_NS
from rtcore.ring import E_KIND, E_NEW, E_STEP, E_UTC_NS, EVENT_SLIP, EventReader
from tests.support.station import Station, say

NAP_S = 0.002
SEEN_BEFORE_S = 1.0
"""From the start of the watch to the first slip that is judged: its arrears were seen growing."""

LATE_S = 0.001
"""Lateness that is noted; a sleep in a quiet machine ends within some tens of microseconds."""


def _watch(cpu: int, end: Connection) -> None:
    os.sched_setaffinity(0, {cpu})
    with contextlib.suppress(PermissionError):  # then the loop may not use it either
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(FIFO_PRIORITY + 10))
    stalls: list[tuple[float, float]] = []
    due = time.monotonic()
    end.send(None)
    while not end.poll():
        due += NAP_S
        time.sleep(max(0.0, due - time.monotonic()))
        now = time.monotonic()
        if now - due > LATE_S:
            stalls.append((due, now))
            due = now
    end.send(stalls)


@dc.dataclass(frozen=True, slots=True)
class Slip:
    """One time that the loop gave up: from ``step`` on it is ``ns`` later than before."""

    step: int
    ns: int
    mono_s: float


def slips_in(events: list[tuple[int, ...]]) -> list[Slip]:
    """Return the slips among a core's events."""
    utc_less_mono_s = time.time() - time.monotonic()
    return [
        Slip(e[E_STEP], e[E_NEW], e[E_UTC_NS] * 1e-9 - utc_less_mono_s)
        for e in events
        if e[E_KIND] == EVENT_SLIP
    ]


class Witness:
    """Watches the host and the slips of one station from entry to exit; ask it afterwards."""

    def __init__(self, station: Station) -> None:
        context = multiprocessing.get_context("spawn")  # this process has threads
        self._cpu = station.spec.core["cpu"]
        self._station = station
        self._ended = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._ends: list[Connection] = []
        self._children: list[Any] = []
        self.slips: list[Slip] = []
        self.stalls: dict[int, list[tuple[float, float]]] = {}
        for cpu in sorted(os.sched_getaffinity(0)):
            ours, theirs = context.Pipe()
            self._ends.append(ours)
            child = context.Process(target=_watch, args=(cpu, theirs), daemon=True, name=f"witness-{cpu}")
            self._children.append(child)

    def __enter__(self) -> Witness:
        for child, end in zip(self._children, self._ends, strict=True):
            child.start()
            end.recv()
        time.sleep(SEEN_BEFORE_S)
        self._events = EventReader(segment.attach(self._station.spec.events_path))
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._reader.join()
        for cpu, child, end in zip(sorted(os.sched_getaffinity(0)), self._children, self._ends, strict=True):
            end.send(None)
            self.stalls[cpu] = end.recv()
            child.join()

    def _read(self) -> None:
        while True:
            is_last = self._ended.wait(0.1)
            self.slips += slips_in(self._events.take())
            if is_last:
                return

    def stalled_s(self, since: float, until: float, cpu: int | None = None) -> float:
        """Return for how long a processor (any of them: the one worst off) was taken within a time [s]."""
        chosen = self.stalls.values() if cpu is None else [self.stalls[cpu]]
        return max(sum(max(0.0, min(b, until) - max(a, since)) for a, b in stalls) for stalls in chosen)

    def check_host_alone_is_to_blame(self) -> None:
        """Time slipped only where the host took the loop's processor away for all of the arrears."""
        assert self._events.n_lost == 0
        for slip in self.slips:
            arrears_s = (slip.ns + CATCH_UP_NS) * 1e-9
            host_s = self.stalled_s(slip.mono_s - arrears_s - 0.5, slip.mono_s + 0.01, self._cpu)
            say(f"step {slip.step}: {1e3 * arrears_s:.0f} ms of arrears, {1e3 * host_s:.0f} the host's")
            # Both sleep to a grid of their own; the loop's arrears are counted in whole periods.
            assert host_s > 0.9 * arrears_s - 0.004, "the loop was held up, and not by the host"
