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

import pyarrow.parquet as pq
import pytest

from hil.recorder import images, run_folder, status, trend_files
from hil.recorder.journal import frames
from hil.recorder.soe import Soe
from hil.runspec import RunSpec
from rtcore import board as bd
from tests.unit.hil.recorder.ring_rig import POINTS, make_memory, make_spec, publish

WAIT_S = 30.0
"""A start takes a second; thirty is a machine that does something else."""
SEED = 7


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


def test_older_runs_go_and_the_audit_and_strange_folders_stay(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, runs=3)
    runs = run_folder.folder_of(spec).parent
    for name in ("20200101T000000Z-aaaa", "20210101T000000Z-bbbb", "20220101T000000Z-cccc", "mine"):
        (runs / name).mkdir(parents=True)
    (spec.state_dir / "audit-modbus.jsonl").write_text("{}\n")
    run_folder.open_folder(spec)
    gone = run_folder.prune(runs, 3)
    assert [p.name for p in gone] == ["20200101T000000Z-aaaa"]
    assert (runs / "mine").is_dir() and (spec.state_dir / "audit-modbus.jsonl").exists()
    assert run_folder.folder_of(spec).is_dir()


def test_where_records_cannot_be_written_it_says_so_and_how_to_do_without(spec: RunSpec) -> None:
    make_memory(spec)
    runs = run_folder.folder_of(spec).parent
    runs.write_text("a file where a folder should be")
    process = start(spec)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 3
    assert err.count("\n") == 1 and str(runs) in err and "recorder.enabled = false" in err
