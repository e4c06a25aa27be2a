"""Runs beyond their number or their size go, the oldest first; the one in progress and the audit never."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.recorder.retention import Retention

KB, GB = 1000, 10**9
OLD = ("20200101T000000Z-aaaa", "20210101T000000Z-bbbb", "20220101T000000Z-cccc")
CURRENT = "20230101T000000Z-dddd"
RUN_BYTES = 64 << 10
"""What a run takes here: a multiple of any disk's blocks."""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    for name in (*OLD, CURRENT, "mine"):
        folder = tmp_path / "runs" / name / "trends"
        folder.mkdir(parents=True)
        (folder / "part-00000000.parquet").write_bytes(bytes([1]) * (RUN_BYTES // 2))
        (folder.parent / "soe.journal").write_bytes(bytes([1]) * (RUN_BYTES // 2))
    (tmp_path / "audit-modbus.jsonl").write_bytes(bytes([1]) * RUN_BYTES)
    return tmp_path


def kept(state: Path) -> list[str]:
    assert (state / "audit-modbus.jsonl").stat().st_size == RUN_BYTES
    assert (state / "runs" / "mine").is_dir(), "a folder that is no run"
    return sorted(p.name for p in (state / "runs").iterdir() if p.name != "mine")


def test_within_both_limits_nothing_goes(state: Path) -> None:
    assert Retention(state / "runs" / CURRENT, 4, 4 * RUN_BYTES + 32 * KB).look() == []
    assert kept(state) == [*OLD, CURRENT]


def test_too_many_runs_go_oldest_first(state: Path) -> None:
    gone = Retention(state / "runs" / CURRENT, 3, GB).look()
    assert [p.name for p in gone] == [OLD[0]]
    assert kept(state) == [*OLD[1:], CURRENT]


def test_runs_that_take_too_much_go_oldest_first(state: Path) -> None:
    Retention(state / "runs" / CURRENT, 50, 2 * RUN_BYTES + 32 * KB).look()
    assert kept(state) == [OLD[2], CURRENT]


def test_the_run_in_progress_makes_others_go_as_it_grows_and_stays_whatever_it_takes(state: Path) -> None:
    retention = Retention(state / "runs" / CURRENT, 50, 4 * RUN_BYTES + 32 * KB)
    (state / "runs" / CURRENT / "images.journal").write_bytes(bytes([1]) * (RUN_BYTES // 2))
    assert [p.name for p in retention.look()] == [OLD[0]]
    (state / "runs" / CURRENT / "images.journal").write_bytes(bytes([1]) * (10 * RUN_BYTES))
    retention.look()
    assert kept(state) == [CURRENT]
    assert (state / "runs" / CURRENT / "soe.journal").exists()


def test_the_run_in_progress_stays_where_the_clock_was_set_back(state: Path) -> None:
    Retention(state / "runs" / OLD[0], 2, GB).look()
    assert kept(state) == [OLD[0], CURRENT]
