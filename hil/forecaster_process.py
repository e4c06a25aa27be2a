"""Forecaster process: ``python -m hil.forecaster_process SPEC_JSON``.

Samples what the station measures, closes a step of simulated time after the other, and shows the newest
forecasts on a board of its own, aged in their quality. The work on a step is done by a worker behind
everybody else (``hil.forecaster_worker``); while it is at it, fails or is started anew, the last good
forecasts stand, as old as they are.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing as mp
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from forecasting.issue import Issue
from forecasting.outputs import State
from forecasting.publication import publish
from hil import gateway_process, joined_board
from hil.forecast_targets import Measured, measured_of
from hil.forecaster_worker import Asked, Begun, Closed, Failed, Late, Progress, work
from hil.gateway_process import CORE_MEMORY_S, Complaints, say
from hil.gateway_status import SERVING, STARTING, GatewayStatus
from hil.joined_board import JoinedBoard
from hil.process_alarms import ProcessAlarms, process_alarms
from hil.published_board import PublishedBoard
from hil.runspec import RunSpec
from hil.settings import read_station
from hil.step_means import StepMeans
from rtcore.clock import NS_PER_S
from rtcore.quality import BAD_FROM

NICE = 5
SAMPLE_S = 0.1
"""Between two samples of the plant, of running time [s]."""
SHOWN_S = 1.0
"""Between two images of the board [s]; new forecasts are shown at once."""
HOLD_S = 2.0
"""So long do forecasts stand before the next ones [s]: who looks once a second has seen all that count."""
AGAIN_S = 5.0
"""Before a worker that has ended is started anew [s]."""
AGAIN_MAX_S = 60.0
HANG_S = 600.0
"""A worker that is at one piece of work for so long is ended [s]; a start tells how far it is."""
LATE_STEPS = 2.5
"""No new forecasts are an alarm when the newest is so old [steps]."""
END_S = 0.4
"""The worker has so long to write what it knows at the end [s]; the supervisor waits for 1.2 s in all."""
WAITING_MAX = 10_000
"""Steps that may wait for the worker, and that are kept for one that is started anew."""
FALLBACK, DRIFT, FAILED = "is_fallback_sp", "is_drift_sp", "is_failed_sp"


class Worker:
    """The process that fits and forecasts; started anew when it has ended.

    All steps that wait go to it at once: of those before the last one it learns, and issues nothing, as what
    would be said of them is over already. One that was started anew has the state of its last writing; steps
    since then are given to it again.

    Parameters
    ----------
    spec_path : str
        The file of the run's ``RunSpec``.
    target : callable
        What the process does, see ``hil.forecaster_worker.work``.
    """

    def __init__(self, spec_path: str, target: Callable[[Connection, str], None] = work) -> None:
        self._spec_path, self._target = spec_path, target
        self._context = mp.get_context("spawn")
        self._waiting: deque[Closed] = deque(maxlen=WAITING_MAX)
        self._done: deque[Closed] = deque(maxlen=WAITING_MAX)
        self._late: deque[Late] = deque(maxlen=WAITING_MAX)
        self._late_untold: list[Late] = []
        self._process: Any = None
        self._pipe: Connection | None = None
        self._is_busy = self._is_first = True
        self._sent = 0
        self._answered_s = -math.inf
        self._start_s, self._pause_s = 0.0, AGAIN_S
        self.n_failed = 0
        self.took_s = math.nan
        """How long the newest answer took [s]."""
        self._asked_s = time.monotonic()
        self.progress: Progress | None = None

    def is_hung(self) -> bool:
        """Tell whether it has been at one piece of work for longer than any takes."""
        return self._pipe is not None and self._is_busy and time.monotonic() - self._asked_s > HANG_S

    def _is_seen(self) -> bool:
        """Tell whether its last answer has stood long enough."""
        return time.monotonic() - self._answered_s >= HOLD_S

    def give(self, step: Closed) -> None:
        """Take a step that is over."""
        self._waiting.append(step)

    def was_late(self, late: Late) -> None:
        """Note that an issue was shown when forecasts of it were over: those are not scored."""
        self._late.append(late)
        self._late_untold.append(late)

    def look(self) -> Issue | Failed | None:
        """Take what the worker has sent, send what waits; start one where there is none."""
        if self._pipe is None:
            self._begin()
            return None
        if self.is_hung():
            self._kill()
            return self._lost("the worker hangs; it is started anew")
        found = None
        try:
            while self._pipe.poll():
                said = self._pipe.recv()
                if isinstance(said, Progress):
                    self._tell(said)
                elif isinstance(said, Begun):
                    self._begun(said)
                else:
                    self._answered(said)
                    found = said
            if not self._is_busy and (self._is_first or (self._waiting and self._is_seen())):
                self._sent = len(self._waiting)
                self._pipe.send(Asked(tuple(self._waiting), tuple(self._late_untold)))
                self._late_untold.clear()
                self._is_busy, self._is_first, self._asked_s = True, False, time.monotonic()
        except (EOFError, OSError):
            return self._lost("the worker has ended; it is started anew")
        return found

    def end(self) -> None:
        """Let the worker keep what it knows, and end."""
        if self._pipe is not None:
            self._pipe.close()
            self._process.join(END_S)
        if self._process is not None and self._process.is_alive():
            self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)  # with a fit that it has started
        self._process.kill()

    def _lost(self, what: str) -> Failed:
        """It is gone: a new one is started after a pause."""
        self._pipe, self.progress = None, None
        self.n_failed += 1
        self._start_s = time.monotonic() + self._pause_s
        self._pause_s = min(2.0 * self._pause_s, AGAIN_MAX_S)
        return Failed(what)

    def _tell(self, said: Progress) -> None:
        """Say how far the start is, at every tenth."""
        before, self.progress, self._asked_s = self.progress, said, time.monotonic()
        if before is None or 10 * said.done // said.of > 10 * before.done // before.of:
            say(f"learns from the past: {100 * said.done // said.of} %")

    def _begun(self, said: Begun) -> None:
        """It waits for steps, at first also for none; what its state does not have it gets again."""
        self._is_busy = False
        self._late_untold = list(self._late)  # its state may be older than what it was told of them
        again = [step for step in self._done if step.end_ns > said.end_ns]
        self._done.clear()
        self._waiting.extendleft(reversed(again))

    def _answered(self, said: Issue | Failed) -> None:
        """Steps are done, whether it went well or not."""
        self._is_busy = False
        self._answered_s = time.monotonic()
        self.took_s = self._answered_s - self._asked_s
        steps = [self._waiting.popleft() for _ in range(self._sent)]
        if isinstance(said, Failed):
            self.n_failed += 1  # and not again what it failed at
        else:
            self._pause_s = AGAIN_S
            self._done.extend(steps)

    def _begin(self) -> None:
        if time.monotonic() < self._start_s:
            return
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=self._target, args=(theirs, self._spec_path), daemon=True
        )
        self._process.start()
        theirs.close()
        self._pipe, self._is_busy, self._is_first, self._sent = ours, True, True, 0
        self._asked_s = time.monotonic()


class Forecaster:
    """Samples, and what is shown of the worker's issues.

    Parameters
    ----------
    core : JoinedBoard
        Its snapshots are the plant's, as masters are shown it.
    """

    def __init__(
        self,
        core: JoinedBoard,
        measured: Measured,
        step_ns: int,
        worker: Worker,
        board: PublishedBoard,
        alarms: ProcessAlarms | None,
    ) -> None:
        self._core, self._measured, self._worker, self._board = core, measured, worker, board
        self._alarms = alarms
        self._means = StepMeans(len(measured.names), step_ns)
        self._issue: Issue | None = None
        self._is_shown = True
        self._has_failed = False
        self._sim_ns: int | None = None
        self._complain = Complaints()

    def sample(self) -> bool:
        """Take a sample of the plant; give steps that are over to the worker, take what it has made.

        Returns
        -------
        bool
            Whether that is something to show.
        """
        snapshot = self._core.read_core()
        if snapshot is not None:
            watts = self._measured.take(snapshot.values, snapshot.quality < BAD_FROM)
            self._sim_ns = snapshot.sim_ns
            for end_ns, means in self._means.take(snapshot.sim_ns, watts):
                actuals = dict(zip(self._measured.names, means.tolist(), strict=True))
                self._worker.give(Closed(end_ns, actuals))
        found = self._worker.look()
        if isinstance(found, Failed):
            self._has_failed = True
            self._complain(found.what)
        elif found is not None:
            self._has_failed = False
            self._issue, self._is_shown = found, False
            for event in found.events:
                say(event)
        return found is not None

    def show(self) -> None:
        """Write the newest forecasts, as old as they are."""
        if self._sim_ns is None:
            return
        state = State.FAILED if self._has_failed else None
        values, quality = publish(
            self._board.layout, self._issue, self._sim_ns, state=state, speed_up=self._speed_up()
        )
        self._board.publish(values, quality, self._sim_ns)
        self._note_late(self._sim_ns)
        snapshot = self._core.read_core()
        if self._alarms is not None and snapshot is not None:
            targets = () if self._issue is None else self._issue.targets.values()
            wanted = {FAILED: self._has_failed or self._is_late()}
            if targets:
                wanted |= {
                    FALLBACK: any(t.is_fallback for t in targets),
                    DRIFT: any(t.is_drift for t in targets),
                }
            self._alarms.show(snapshot, wanted)

    def _note_late(self, now_ns: int) -> None:
        """Tell the worker of forecasts that were over when they were first shown."""
        issue, is_new = self._issue, not self._is_shown
        self._is_shown = True
        if issue is not None and is_new and now_ns - issue.end_ns >= issue.step_ns:
            self._worker.was_late(Late(issue.end_ns, now_ns))

    def _is_late(self) -> bool:
        """Tell whether steps go by without new forecasts."""
        if self._issue is None or self._sim_ns is None:
            return False
        return self._sim_ns - self._issue.end_ns > LATE_STEPS * self._issue.step_ns

    def _speed_up(self) -> float:
        """Return simulated seconds a second that the newest issue would keep up with; NaN before it."""
        return math.nan if self._issue is None else self._issue.step_ns / NS_PER_S / self._worker.took_s


def serve(spec: RunSpec, spec_path: str) -> None:
    """Sample and show until SIGTERM."""
    status = GatewayStatus.create(spec.gateway_path("forecaster"))
    status.write(state=STARTING, pid=os.getpid())
    core = joined_board.attach(spec, wait_s=CORE_MEMORY_S, is_master=True)
    station = read_station(spec.core["station"])
    assert station.forecast is not None
    worker = Worker(spec_path)
    board = PublishedBoard(spec, "forecaster", round(SHOWN_S * NS_PER_S))
    step_ns = station.forecast.step_min * 60 * NS_PER_S
    alarms = process_alarms(spec, "forecaster", "forecaster_alarms.forecaster")
    forecaster = Forecaster(core, measured_of(spec, station), step_ns, worker, board, alarms)
    say(f"ready {len(spec.points_of('forecaster'))} points")
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    shown_s = -SHOWN_S
    while not stopping.wait(SAMPLE_S):
        status.write(state=SERVING, clients=0, requests=board.n_images, errors=worker.n_failed)
        if forecaster.sample() or time.monotonic() - shown_s >= SHOWN_S:
            shown_s = time.monotonic()
            forecaster.show()
    worker.end()


def main(arguments: list[str]) -> int:
    """Run the process; return its exit code."""

    def run(spec: RunSpec) -> int:
        os.nice(NICE)
        serve(spec, arguments[0])
        return 0

    return gateway_process.main("hil.forecaster_process", arguments, run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
