"""The recorder as a process on memory that a core made: killed at any moment, told to stop, restarted."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import comtrade
import numpy as np
import pyarrow.parquet as pq
import pytest

from hil import segment
from hil.recorder import images, run_folder, status, trend_files
from hil.recorder.journal import frames
from hil.recorder.soe import Soe
from hil.runspec import RunSpec
from rtcore import board as bd
from rtcore.points import Kind
from rtcore.waves import format_waves, waves_bytes, waves_in
from tests.unit.hil.recorder.ring_rig import POINTS, UTC_NS, make_memory, make_spec, point, publish

WAIT_S = 30.0
"""A start takes a second; thirty is a machine that does something else."""
N_PACED, PACED_S = 10_000, 5.0
DISTURBED = [
    point("R1.TRIP", source="relay.r1", attr="is_trip"),
    point("CB1.CLOSED", source="breaker.cb1", attr="is_52a"),
    point("BUS.VA", Kind.ANALOG, source="bus.b1", attr="va_v"),
]
RELAY = {"ct_primary_a": 600.0, "ct_secondary_a": 5.0, "tau_s": 0.02, "has_ct": True, "has_vt": True}
SETTINGS = {
    "relays": [RELAY | {"name": "R1"}], "triggers": [{"tag": "BUS.VA", "above": None, "below": 6500.0}],
    "f0_hz": 60.0, "pre_s": 0.1, "post_s": 0.2, "form": "BINARY32", "single": False, "keep": 10,
}  # fmt: skip


class Core(threading.Thread):
    """A core that publishes steps and, now and then, events: never more than a ring holds unread."""

    def __init__(self, spec: RunSpec) -> None:
        super().__init__(daemon=True)
        self.ring, self.board = make_memory(spec)
        self._acknowledged = lambda: (status.read(spec.gateway_path("recorder")) or {}).get(
            "ring_position", 0
        )
        self._ended = threading.Event()

    def run(self) -> None:
        step = 0
        while not self._ended.wait(0.002):
            publish(self.board, step, [step % 2, 0.0, step * 0.1])
            if self.ring.head - self._acknowledged() < 4000:
                self.ring.push(7)
            step += 1

    def end(self) -> None:
        self._ended.set()
        self.join()
        self.board.ctl[bd.CTL_ENDED] = 1


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    return make_spec(tmp_path)


@pytest.fixture
def core(spec: RunSpec) -> Iterator[Core]:
    core = Core(spec)
    core.start()
    yield core
    core.end()


def start(spec: RunSpec) -> subprocess.Popen[str]:
    argv = [sys.executable, "-P", "-m", "hil.recorder_process", str(spec.save())]
    root = str(Path(__file__).resolve().parents[4])
    return subprocess.Popen(argv, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait(until: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not until():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def acknowledged(spec: RunSpec) -> dict[str, int]:
    found = status.read(spec.gateway_path("recorder"))
    return dict.fromkeys(status.FIELDS, 0) if found is None else found


def positions(spec: RunSpec) -> list[int]:
    return [Soe.decode(f.body).pos for f in frames(run_folder.folder_of(spec) / run_folder.SOE)]


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, err) == (0, ""), (out, err)


def test_killed_at_any_moment_it_loses_nothing_acknowledged_and_goes_on_in_sequence(
    spec: RunSpec, core: Core
) -> None:
    for k in range(4):
        before = acknowledged(spec)["ring_position"]
        process = start(spec)
        wait(lambda: acknowledged(spec)["ring_position"] > before + 50 * k, process)  # noqa: B023
        time.sleep(0.013 * k)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        told = acknowledged(spec)
        found = positions(spec)
        assert len(found) >= told["ring_position"], "acknowledged and not there"
        assert found == list(range(len(found)))
    before = acknowledged(spec)["ring_position"]
    process = start(spec)
    wait(lambda: acknowledged(spec)["ring_position"] > before, process)
    core.end()
    stop(process)
    found = positions(spec)
    assert found == list(range(core.ring.head)), "every event once, in order"
    seqs = [f.seq for f in frames(run_folder.folder_of(spec) / run_folder.SOE)]
    assert seqs == list(range(1, core.ring.head + 1))


def test_a_run_leaves_journal_database_images_trends_and_what_a_replay_needs(
    spec: RunSpec, core: Core
) -> None:
    process = start(spec)
    wait(lambda: acknowledged(spec)["images"] >= 2 and acknowledged(spec)["seq"] > 100, process)
    core.end()
    stop(process)
    folder = run_folder.folder_of(spec)
    with sqlite3.connect(folder / run_folder.SOE_DB) as db:
        assert db.execute("SELECT count(*), max(pos) FROM soe").fetchone() == (
            core.ring.head,
            core.ring.head - 1,
        )
    db.close()
    found = list(images.read(folder / run_folder.IMAGES))
    assert found[-1].step == core.board.published, "the last image is the last step"
    for image in found:
        assert image.values.tolist() == [image.step % 2, 0.0, image.step * 0.1]
    tables = [pq.read_table(p) for p in trend_files.files(folder / trend_files.FOLDER)]
    tags = {t for table in tables for t in table["tag"].to_pylist()}
    assert tags == {p.tag for p in POINTS}
    run = json.loads((folder / run_folder.RUN).read_text())
    assert run["core"]["seed"] == 1 and run["tags"] == [p.tag for p in POINTS]
    assert run["configuration"] == spec.recorder["configuration"]
    told = acknowledged(spec)
    assert (told["lost"], told["errors"], status.DISK[told["disk"]]) == (0, 0, "ok")


def small_station(folder: Path) -> RunSpec:
    """One relay, one breaker; waves for 2000 steps."""
    spec = make_spec(folder, DISTURBED, disturbances=SETTINGS)
    segment.create(spec.waves_path, waves_bytes(1, 2000), lambda memory: format_waves(memory, 1, 2000))
    return spec


def waves(spec: RunSpec, n: int, currents_a: list[float]) -> None:
    to = waves_in(segment.attach(spec.waves_path, writable=True))
    for current_a in currents_a:
        for _ in range(n):
            k = int(to.head[0])
            to.marks[k] = k, UTC_NS + k * 1_000_000
            to.phasors[k] = np.full(6, current_a + 0j).view(np.float64)
            to.head[0] = k + 1


def disturbances(spec: RunSpec) -> list[str]:
    folder = run_folder.folder_of(spec) / "disturbances"
    return sorted(p.name for p in folder.glob("*.cfg"))


def test_trips_and_limits_make_records_and_one_that_was_killed_makes_up_for_its_absence(
    tmp_path: Path,
) -> None:
    spec = small_station(tmp_path)
    ring, board = make_memory(spec)
    waves(spec, 300, [100.0])
    publish(board, 299, [0.0, 1.0, 7000.0])
    process = start(spec)
    wait(lambda: acknowledged(spec)["beat_ns"] > 0 and acknowledged(spec)["images"] > 0, process)
    ring.push(step=350, target=0, old=0, new=1)
    waves(spec, 300, [3000.0])
    publish(board, 599, [1.0, 1.0, 7000.0])
    wait(lambda: acknowledged(spec)["disturbances"] == 1, process)
    publish(board, 600, [1.0, 1.0, 6000.0])
    waves(spec, 250, [3000.0])
    wait(lambda: acknowledged(spec)["disturbances"] == 2, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ring.push(step=900, target=1, old=1, new=0)
    ring.push(step=950, target=0, old=0, new=1)
    waves(spec, 400, [0.0])
    publish(board, 1249, [1.0, 0.0, 7000.0])
    process = start(spec)
    wait(lambda: acknowledged(spec)["disturbances"] == 1, process)
    ring.push(step=1240, target=0, old=0, new=1)
    board.ctl[bd.CTL_ENDED] = 1
    stop(process)
    names = disturbances(spec)
    triggers = [(int(step), cause) for step, cause, _ in (n.split("-") for n in names)]
    assert triggers == [(350, "trip"), (600, "limit"), (950, "trip"), (1240, "trip")]
    told = acknowledged(spec)
    assert (told["disturbances"], told["disturbances_missed"], told["errors"]) == (2, 0, 0)
    record = comtrade.Comtrade()
    folder = run_folder.folder_of(spec) / "disturbances"
    record.load(str(folder / names[2]), str((folder / names[2]).with_suffix(".dat")))
    closed = np.array(record.status[list(record.status_channel_ids).index("CB1.CLOSED")])
    # 100 ms before the trigger at 950 ms the breaker is closed, 50 ms before it open.
    assert np.flatnonzero(np.diff(closed)).tolist() == [round(0.05 * 4800) - 1]


def test_with_little_room_events_go_on_and_images_become_few_and_trends_stop(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, min_free_mb=10**8)  # more than any disk has
    core = Core(spec)
    core.start()
    process = start(spec)
    wait(lambda: acknowledged(spec)["seq"] > 1500, process)
    looked = acknowledged(spec)["beat_ns"]
    wait(
        lambda: acknowledged(spec)["beat_ns"] > looked + 2_500_000_000, process
    )  # two more looks at the disk
    core.end()
    stop(process)
    told = acknowledged(spec)
    assert status.DISK[told["disk"]] == "low"
    assert (told["images"], told["trend_rows"], told["errors"]) == (1, 0, 0)
    assert positions(spec) == list(range(core.ring.head))


@pytest.mark.slow
def test_ten_thousand_events_over_five_seconds_are_recorded_with_none_lost_or_out_of_order(
    spec: RunSpec,
) -> None:
    """At the pace of the clock: the writer of the ring waits for nobody, as the core does not."""
    ring, board = make_memory(spec)
    publish(board, 0, [0.0, 0.0, 0.0])
    process = start(spec)
    wait(lambda: acknowledged(spec)["beat_ns"] > 0, process)
    began = time.monotonic()
    while ring.head < N_PACED:
        due = int((time.monotonic() - began) / PACED_S * N_PACED)
        ring.push(min(due, N_PACED) - ring.head)
        time.sleep(0.001)
    assert time.monotonic() - began >= PACED_S
    wait(lambda: acknowledged(spec)["ring_position"] == N_PACED, process)
    board.ctl[bd.CTL_ENDED] = 1
    stop(process)
    found = [Soe.decode(f.body) for f in frames(run_folder.folder_of(spec) / run_folder.SOE)]
    assert [(r.pos, r.step, r.utc_ns) for r in found] == [(k, k, UTC_NS + k) for k in range(N_PACED)]
    assert acknowledged(spec)["lost"] == 0


def test_where_records_cannot_be_written_it_says_so_and_how_to_do_without(spec: RunSpec) -> None:
    make_memory(spec)
    runs = run_folder.folder_of(spec).parent
    runs.write_text("a file where a folder should be")
    process = start(spec)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 3
    assert err.count("\n") == 1 and str(runs) in err and "recorder.enabled = false" in err
