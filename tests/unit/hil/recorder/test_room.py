"""The disk fills: oldest trends go first, events stay, the state says so; on a real small disk, too."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hil.recorder.room import FULL, LOW, OK, RESERVE, Room

KB = 1000
RESERVE_BYTES = 4096


class Disk:
    """A folder of runs on a disk of a size of our choice."""

    def __init__(self, runs: Path, size: int) -> None:
        self.runs, self.size = runs, size

    def trend(self, run: str, name: str, size: int = 10 * KB) -> Path:
        path = self.runs / run / "trends" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        return path

    def free(self, folder: Path) -> int:
        return self.size - sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())

    def room(self, min_free: int = 0, trends_max: int = 10**9) -> Room:
        return Room(self.runs, min_free, trends_max, RESERVE_BYTES, self.free)

    def names(self) -> list[str]:
        return sorted(str(p.relative_to(self.runs)) for p in self.runs.rglob("*.parquet"))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    disk = Disk(tmp_path / "runs", 100 * KB)
    for run in ("2-new", "1-old"):
        disk.trend(run, "part-00000012")
        disk.trend(run, "trend-00000000-00000011")
        (disk.runs / run / "soe.journal").write_bytes(b"events")
    return disk


def test_with_room_enough_nothing_goes_and_a_reserve_is_kept(disk: Disk) -> None:
    room = disk.room()
    assert room.look() == OK
    assert len(disk.names()) == 4
    assert (disk.runs / RESERVE).stat().st_size == RESERVE_BYTES


def test_trends_beyond_their_limit_go_oldest_run_and_oldest_file_first(disk: Disk) -> None:
    room = disk.room(trends_max=35 * KB)
    assert room.look() == OK
    assert disk.names()[0] == "1-old/trends/part-00000012.parquet"
    assert room.n_removed == 1
    disk.room(trends_max=15 * KB).look()
    assert disk.names() == ["2-new/trends/part-00000012.parquet"]


def test_little_room_takes_as_many_trends_as_are_needed(disk: Disk) -> None:
    assert disk.room(min_free=75 * KB).look() == OK
    assert disk.names() == [
        "2-new/trends/part-00000012.parquet",
        "2-new/trends/trend-00000000-00000011.parquet",
    ]


def test_when_no_trend_is_left_the_state_is_low_and_events_are_still_there(disk: Disk) -> None:
    room = disk.room(min_free=101 * KB)
    assert room.look() == LOW
    assert disk.names() == []
    assert len(list(disk.runs.rglob("soe.journal"))) == 2


def test_a_write_that_was_refused_frees_the_reserve_and_the_oldest_trend(disk: Disk) -> None:
    room = disk.room()
    room.look()
    room.make()
    assert room.state == FULL
    assert not (disk.runs / RESERVE).exists()
    assert "1-old/trends/trend-00000000-00000011.parquet" not in disk.names()


def test_a_disk_with_room_again_is_ok_and_has_its_reserve_back(disk: Disk) -> None:
    room = disk.room(min_free=101 * KB)
    room.look()
    room.make()
    assert room.look() == FULL, "still no room"
    disk.size = 1000 * KB
    assert room.look() == OK
    assert (disk.runs / RESERVE).exists()


def test_on_a_disk_that_is_really_full_every_event_is_recorded_and_the_oldest_trends_are_gone(
    tmp_path: Path,
) -> None:
    mount = "mount -t tmpfs -o size=16m none {0} && exec {1} -m tests.unit.hil.recorder.full_disk {0}"
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if (
        shutil.which("unshare") is None
        or subprocess.run(
            [*namespace, f"mount -t tmpfs none {tmp_path}"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("this host lets nobody mount a disk of one's own")
    done = subprocess.run(
        [*namespace, mount.format(tmp_path, sys.executable)],
        cwd=Path(__file__).resolve().parents[4],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["free_before"] < 4096, "the disk was full"
    assert found["n_refused"] >= 1
    assert found["positions"] == list(range(found["n_events"]))
    assert found["state"] == FULL
    # 20 000 events of some 150 bytes need 3 MB: the reserve's 1 MB, and the oldest trends of 1 MB each.
    assert found["trends"] == sorted(found["trends"])[-len(found["trends"]) :]
    assert 0 < len(found["trends"]) < 8
    assert found["trends"][-1].startswith("2-new/")
