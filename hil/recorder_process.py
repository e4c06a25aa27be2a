"""Recorder process: ``python -m hil.recorder_process SPEC_JSON``.

One thread does nothing but move events from the core's ring to the journal; the other looks at the board
ten times a second for trends and disturbances, keeps an image every second, lets the database follow,
watches the disk and sets the alarm points. A part that fails is told in the log and tried again; only the
journal is worth ending for.
Light imports: it starts again within a second, and nothing here may import numba.
"""

from __future__ import annotations

import importlib
import math
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hil import joined_board, segment
from hil.gateway_process import CORE_MEMORY_S, say
from hil.gateway_status import SERVING
from hil.recorder import images, run_folder
from hil.recorder.alarms import alarms_of
from hil.recorder.disturbance import DisturbanceRecorder
from hil.recorder.disturbance_setup import Limits, disturbance_recorder
from hil.recorder.event_tail import EventTail
from hil.recorder.journal import DamagedError, Journal
from hil.recorder.retention import Retention
from hil.recorder.room import FULL, LOW, OK, Room
from hil.recorder.soe import Namer
from hil.recorder.soe_db import SoeDatabase
from hil.recorder.soe_writer import NO_ROOM, SoeWriter, next_position
from hil.recorder.status import RecorderStatus
from hil.recorder.time_quality import time_quality
from hil.recorder.trend_files import FOLDER as TRENDS
from hil.recorder.trend_files import TrendFiles
from hil.recorder.trends import Rows, TrendSampler
from hil.runspec import PRODUCERS, RunSpec
from hil.supervisor import EXIT_HOST, die_with_parent
from rtcore import board as bd
from rtcore.errors import HostError, UserInputError
from rtcore.points import index_of
from rtcore.ring import EVENT_CAPACITY

LOOK_S = 0.1
"""Between two looks at the board: limits are watched so often, trends at most [s]."""
RETENTION_S = 60.0
"""Between two looks at what all runs take [s]."""
EVENTS_S = 0.01
"""Between two looks at the event ring while it is quiet [s]."""
SECOND_NS = 1_000_000_000
FLUSH_ROWS, FLUSH_S = 100_000, 10.0
"""Trends are written when so many rows wait, or for so long."""
LOW_IMAGE_S = 60.0
"""Between two images while there is little room: what is left is for events [s]."""
ENDING_S = 0.3
"""How long the recorder waits for the core's last step once it is told to stop [s]."""
MB = 1_000_000


class Recorder:
    """Records of one run.

    Parameters
    ----------
    stopping : Event
        Set when the process is to end.
    """

    def __init__(self, spec: RunSpec, stopping: threading.Event) -> None:
        settings = spec.recorder
        self.stopping = stopping
        self.folder = run_folder.open_folder(spec)
        runs = self.folder.parent
        self._retention = Retention(self.folder, settings["runs"], settings["runs_mb"] * MB)
        self.room = Room(runs, settings["min_free_mb"] * MB, settings["trends_mb"] * MB)
        self.room.look()
        self._board = joined_board.attach(spec, wait_s=CORE_MEMORY_S)
        self._journal = Journal(self.folder / run_folder.SOE)
        self._images = Journal(self.folder / run_folder.IMAGES, sync=lambda _fd: None)
        self._events = segment.attach(spec.events_path, wait_s=CORE_MEMORY_S)
        position = next_position(self._journal)
        self.status = RecorderStatus.create(
            spec.gateway_path("recorder"), ring_position=position, seq=self._journal.seq, pid=os.getpid()
        )
        self._quality = time_quality()
        self._writer = SoeWriter(
            EventTail(self._events, position),
            Namer(spec.points, PRODUCERS),
            self._journal,
            lambda: self._quality,
            lambda at, seq: self.status.write(ring_position=at, seq=seq),
            self.room.make,
        )
        self._head = EventTail(self._events)
        self._alarms = alarms_of(spec)
        self._database: SoeDatabase | None = None
        self._sampler = TrendSampler(spec.points)
        self._trends = TrendFiles(
            self.folder / TRENDS,
            [p.tag for p in spec.points],
            round(settings["rotate_min"] * 60 * SECOND_NS),
            settings["rotate_mb"] * MB,
        )
        self._trend_s = settings["trend_ms"] / 1e3
        self._disturbances: DisturbanceRecorder | None = None
        self._tail = EventTail(self._events)
        self._limits = Limits(settings["disturbances"]["triggers"], index_of(spec.points))
        self._spec = spec
        self._imaged_step, self._imaged_s = -1, -math.inf
        self._n_images = self._n_rows = self._n_errors = 0
        self._failed: OSError | None = None

    def run(self) -> int:
        """Record until told to stop; the exit code."""
        thread = threading.Thread(target=self._record_events, name="events")
        thread.start()
        importlib.import_module("pyarrow.parquet")  # takes a second: before anybody waits for a heartbeat
        start = time.monotonic()
        look_s = trend_s = second_s = minute_s = flush_s = start
        while not self.stopping.is_set() and thread.is_alive():
            now = time.monotonic()
            if now >= look_s:
                look_s = max(look_s + LOOK_S, now)
                self._look(is_trend := now >= trend_s)
                trend_s = max(trend_s + self._trend_s, now) if is_trend else trend_s
            if now >= second_s:
                second_s = max(second_s + 1.0, now)
                self._each_second()
            if now >= minute_s:
                minute_s = now + RETENTION_S
                self._part("retention", self._retention.look)
            if self._sampler.n_rows >= FLUSH_ROWS or now - flush_s >= FLUSH_S:
                flush_s = now
                self._part("trends", self._flush)
            self._beat()
            self.stopping.wait(min(LOOK_S, max(0.0, min(look_s, second_s) - time.monotonic())))
        self.stopping.set()
        thread.join()
        self._finish()
        if self._failed is not None:
            say(f"{self.folder / run_folder.SOE}: {self._failed.strerror}", is_error=True)
            return 1
        return 0

    def _record_events(self) -> None:
        try:
            while not self.stopping.is_set():
                if not self._writer.turn():
                    self.stopping.wait(EVENTS_S)
            deadline = time.monotonic() + ENDING_S
            while not self._board.ctl[bd.CTL_ENDED] and time.monotonic() < deadline:
                if not self._writer.turn():
                    time.sleep(EVENTS_S)
            while self._writer.turn(is_last=True):
                pass
        except OSError as error:
            self._failed = error

    def _look(self, is_trend: bool) -> None:
        snapshot = self._board.read()
        if snapshot is None:
            return
        if is_trend and self.room.state == OK:
            self._sampler.look(snapshot)
        self._part("disturbances", lambda: self._follow_disturbances(snapshot))

    def _follow_disturbances(self, snapshot: bd.Snapshot, *, is_last: bool = False) -> None:
        if not self._spec.recorder["disturbances"]["relays"]:
            return
        if self._disturbances is None:
            self._disturbances = disturbance_recorder(self._spec, self.folder, self._tail, snapshot)
        _, records = self._tail.take(EVENT_CAPACITY)
        self._disturbances.take(map(tuple, records.tolist()))
        if self._limits.crossed(snapshot):
            self._disturbances.trigger(snapshot.step, "limit")
        if self.room.state == OK:
            self._disturbances.poll(is_last=is_last)

    def _end_disturbances(self) -> None:
        snapshot = self._board.read()
        if snapshot is not None:
            self._follow_disturbances(snapshot, is_last=True)

    def _each_second(self) -> None:
        self._quality = time_quality()
        self._show_alarms()  # before the look, which may find room again where a write was refused just now
        self._part("disk", self._look_at_the_disk)
        self._part("images", self._keep_image)
        self._part("database", self._follow)
        self._part("place", self._save_places)

    def _save_places(self) -> None:
        self._journal.save_place()
        self._images.save_place()

    def _look_at_the_disk(self) -> None:
        self.room.look()

    def _show_alarms(self) -> None:
        if self._alarms is not None and (snapshot := self._board.read()) is not None:
            self._alarms.show(snapshot, self.room.state, is_lossy=self._writer.n_lost > 0)

    def _keep_image(self) -> None:
        snapshot = self._board.read_core()  # what a replay is compared with: the plant alone
        if snapshot is None or snapshot.step <= self._imaged_step or self.room.state == FULL:
            return
        now = time.monotonic()
        if self.room.state == LOW and now < self._imaged_s + LOW_IMAGE_S:
            return
        position = self._head.head  # read after the image: what led to it lies before
        self._images.commit([images.encode(snapshot, position)])
        self._imaged_step, self._imaged_s = snapshot.step, now
        self._n_images += 1

    def _follow(self) -> None:
        if self.room.state == FULL:  # the room that is left is the journal's
            return
        if self._database is None:
            self._database = SoeDatabase(self.folder / run_folder.SOE_DB, self.folder / run_folder.SOE)
        self._database.follow()

    def _flush(self) -> None:
        rows: Rows | None = self._sampler.take()
        if rows is not None and self.room.state == OK:
            self._trends.write(rows)
            self._n_rows += len(rows.step)

    def _part(self, name: str, work: Callable[[], object]) -> None:
        """Do one part of the work; what fails must not end the others."""
        try:
            work()
        except OSError as error:
            if error.errno in NO_ROOM:
                self.room.make()
                return
            self._note(name, error)
        except (sqlite3.Error, DamagedError, UserInputError) as error:
            if "disk is full" in str(error):
                self.room.make()
                return
            self._note(name, error)

    def _note(self, name: str, error: Exception) -> None:
        if self._n_errors < 100:
            say(f"{name}: {error}", is_error=True)
        self._n_errors += 1

    def _beat(self) -> None:
        self.status.beat(
            state=SERVING,
            lost=self._writer.n_lost,
            disk=self.room.state,
            images=self._n_images,
            trend_rows=self._n_rows,
            mirror_seq=0 if self._database is None else self._database.place.seq,
            errors=self._n_errors,
            counted=self._writer.n_counted,
            disturbances=0 if self._disturbances is None else self._disturbances.n_written,
            disturbances_missed=0 if self._disturbances is None else self._disturbances.n_missed,
        )

    def _finish(self) -> None:
        """Keep what the last steps left, the most important first: there is a second for all of it."""
        self._part("images", self._keep_image)
        self._look(is_trend=True)
        self._part("trends", self._flush)
        self._part("disturbances", self._end_disturbances)
        self._part("database", self._follow)
        self._beat()


def main(arguments: list[str]) -> int:
    """Run the process; return its exit code."""
    if len(arguments) != 1:
        say("usage: python -m hil.recorder_process SPEC_JSON", is_error=True)
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's business
    die_with_parent()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    try:
        recorder = Recorder(RunSpec.load(Path(arguments[0])), stopping)
        say(f"ready records in {recorder.folder}")
        return recorder.run()
    except HostError as error:
        say(str(error), is_error=True)
    except OSError as error:
        what = f"{error.filename or 'records'}: cannot be written: {error.strerror}"
        say(f"{what}; recorder.enabled = false runs the station without records", is_error=True)
    return EXIT_HOST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
