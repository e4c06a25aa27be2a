"""Estimator process: ``python -m hil.estimator_process SPEC_JSON``.

Reads the station's telemetry as a control centre would, estimates, and publishes what it finds on a
board of its own. It shares the machine with the loop: it runs behind everybody else, in one thread. Nothing
that comes in by the wire or goes wrong in a scan ends it: its points are Bad then, and its log says why.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from estimation.outputs import Why
from estimation.pseudo_levels import Levels
from estimation.reading import Output, Reading
from hil import gateway_process, joined_board
from hil.gateway_process import CORE_MEMORY_S, Complaints, behind, say
from hil.gateway_status import SERVING, STARTING, GatewayStatus
from hil.learned_file import NAME, LearnedFile, Learner
from hil.published_board import PublishedBoard
from hil.runspec import RunSpec
from hil.telemetry_image import TelemetryImage
from hil.telemetry_readers import TelemetryReader, make_reader
from rtcore.quality import Quality

NICE = 5
"""Below gateways and recorder; the loop has a priority of its own."""
BEAT_S = 0.5
"""The heartbeat goes on between slow scans [s]."""
OWN = ("rate_hz", "scans", "solve_ms")
"""Attributes of the estimator that this process fills in where the service leaves them open (NaN)."""
SETTLE_SHARE = 0.6
"""Scan and work after it take so much of the time between two scans, as far as it comes in slices."""
SETTLE_LEAST = 0.2
"""Time for that work in any case, of the time between two scans: else slow scans end all doubts."""


class Scanner(Learner, Protocol):
    """What makes estimates of readings; ``estimation.service.Service`` is one."""

    def scan(self, reading: Reading) -> Output:
        """Return values and qualities of the estimator's points, in SI units and their order."""

    def level(self, levels: Levels) -> None:
        """Take forecasts of groups of loads for the scans to come."""

    def settle(self, budget_s: float) -> None:
        """Do what can wait until a scan is published, for so long [s]."""


class EstimatorBoard:
    """The board that this process writes."""

    def __init__(self, spec: RunSpec, period_ns: int) -> None:
        self._board = PublishedBoard(spec, "estimator", period_ns)
        self._reason, self._age, *self._own = (
            self._board.layout.place("estimator", "estimator", attr) for attr in ("reason", "age_s", *OWN)
        )
        self._rate_hz = 1e9 / period_ns

    def publish(self, output: Output, sim_ns: int, took_s: float) -> None:
        """Show a scan's result; what is not a number is Bad, but for what this process knows itself.

        Parameters
        ----------
        sim_ns : int
            Simulated time of the scan [ns UTC since 1970].
        took_s : float
            How long the service took [s].
        """
        values, quality = output.values.copy(), output.quality.copy()
        known = (self._rate_hz, self._board.n_images + 1.0, 1e3 * took_s)
        for at, own in zip(self._own, known, strict=True):
            if at >= 0 and np.isnan(values[at]):
                values[at], quality[at] = own, int(Quality.GOOD)
        self._board.publish(values, quality, sim_ns)

    def publish_failure(self, sim_ns: int) -> None:
        """Show that a scan failed: all but the reason is Bad with its last value, and the age goes on."""
        self._board.publish_failure(sim_ns, self._reason, float(Why.FAILED), self._age)


class Scans:
    """One scan after the other.

    Parameters
    ----------
    sim_ns : callable
        Simulated time now [ns UTC since 1970], None as long as there is none.
    learned : LearnedFile, optional
        Keeps what the scanner learns.
    period_s : float
        Time between two scans [s].
    levels : callable, optional
        Simulated time -> forecasts of groups of loads.
    """

    def __init__(
        self,
        reader: TelemetryReader,
        image: TelemetryImage,
        scanner: Scanner,
        board: EstimatorBoard,
        sim_ns: Callable[[], int | None],
        learned: LearnedFile | None = None,
        period_s: float = 0.5,
        levels: Callable[[int], Levels] | None = None,
    ) -> None:
        self.reader, self._levels = reader, levels
        self._learned, self._period_s = learned, period_s
        self._image, self._scanner, self._board, self._sim_ns = image, scanner, board, sim_ns
        self._complain = Complaints()
        self.n_scans = self.n_failed = 0

    async def scan(self) -> None:
        """Read what is due, estimate, publish; whatever fails is told once and seen in the points."""
        sim_ns = self._sim_ns()
        if sim_ns is None:
            return
        self.n_scans += 1
        begun_s = time.perf_counter()
        try:
            asked = self._image.due(sim_ns)
            fetched = await self.reader.read(asked)
            for fault in fetched.faults:
                self._complain(f"{self.reader.where}: {fault}")
            self._image.take(sim_ns, asked, fetched)
            if self._levels is not None:
                self._scanner.level(self._levels(sim_ns))
            reading, started_s = self._image.reading(sim_ns), time.perf_counter()
            output = self._scanner.scan(reading)
            self._board.publish(output, sim_ns, time.perf_counter() - started_s)
        except Exception as error:  # noqa: BLE001 - whatever it is, the points say so and the next scan comes
            self.n_failed += 1
            self._complain(f"scan failed: {type(error).__name__}: {error}")
            self._board.publish_failure(sim_ns)
            return
        try:
            left_s = SETTLE_SHARE * self._period_s - (time.perf_counter() - begun_s)
            self._scanner.settle(max(left_s, SETTLE_LEAST * self._period_s))
            if self._learned is not None:
                self._learned.keep(sim_ns)
        except Exception as error:  # noqa: BLE001 - what was published stays
            self.n_failed += 1
            self._complain(f"tests behind a scan failed: {type(error).__name__}: {error}")

    def end(self) -> None:
        """Keep what was learned."""
        if self._learned is not None:
            self._learned.save()


async def serve(spec: RunSpec) -> None:
    """Scan until SIGTERM: it ends the process at once before the first scan, later when a scan is over."""
    status = GatewayStatus.create(spec.gateway_path("estimator"))
    status.write(state=STARTING, pid=os.getpid())
    core = joined_board.attach(spec, wait_s=CORE_MEMORY_S)
    reader = make_reader(spec, core.read_core)
    rate_hz = spec.estimation["rate_hz"]
    say(f"ready {rate_hz:g} Hz by {reader.where}")  # the station need not wait for what follows
    scans = _scans(spec, reader, core)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    period_s, due_s = 1.0 / rate_hz, time.monotonic()
    while not stopping.is_set():
        status.write(state=SERVING, clients=0, requests=reader.n_requests, errors=scans.n_failed)
        if time.monotonic() >= due_s:
            await scans.scan()
            due_s = max(due_s + period_s, time.monotonic())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), min(BEAT_S, max(0.0, due_s - time.monotonic())))
    scans.end()


def _scans(spec: RunSpec, reader: TelemetryReader, core: joined_board.JoinedBoard) -> Scans:
    from hil.estimator_setup import Setup  # networks, histories and sparse algebra take a while to import

    setup = Setup.of(spec)

    def sim_ns() -> int | None:
        snapshot = core.read_core()
        return None if snapshot is None else snapshot.sim_ns

    board = EstimatorBoard(spec, round(1e9 / spec.estimation["rate_hz"]))
    image = TelemetryImage(spec.n_core, setup.period_s)
    period_s = 1.0 / spec.estimation["rate_hz"]
    learned = LearnedFile(
        spec.state_dir / NAME, setup.key, setup.scanner, lambda text: say(text, is_error=True)
    )
    if learned.load():
        say("goes on with the offsets that were learned in this run")
    levels = None if setup.levels is None else setup.levels.at
    return Scans(reader, image, setup.scanner, board, sim_ns, learned, period_s, levels)


def main(arguments: list[str]) -> int:
    """Run the process; return its exit code."""
    return gateway_process.main("hil.estimator_process", arguments, behind(NICE, serve))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
