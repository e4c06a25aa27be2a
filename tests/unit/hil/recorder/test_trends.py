"""Trends: what moved by more than its deadband, in files that are whole at any time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from hil.recorder import trend_files
from hil.recorder.trend_files import TrendFiles
from hil.recorder.trends import Rows, TrendSampler
from rtcore.board import Snapshot
from rtcore.points import Kind
from tests.unit.hil.recorder.ring_rig import point

POINTS = [point("A", Kind.ANALOG, 0.5), point("B", Kind.ANALOG, 0.0), point("C")]
TAGS = [p.tag for p in POINTS]
HOUR_NS = 3_600_000_000_000


def snapshot(step: int, *values: float, quality: tuple[int, ...] = (0, 0, 0)) -> Snapshot:
    return Snapshot(step, step * 10, 0, 0, 1, 0, 0, np.array(values), np.array(quality, np.uint8))


def taken(sampler: TrendSampler) -> list[tuple[int, int, float, int]]:
    rows = sampler.take()
    if rows is None:
        return []
    return list(zip(rows.step.tolist(), rows.point.tolist(), rows.value.tolist(), rows.quality.tolist()))


def test_the_first_look_takes_every_point_and_a_quiet_one_none() -> None:
    sampler = TrendSampler(POINTS)
    assert sampler.look(snapshot(1, 1.0, 0.0, 0.0)) == 3
    assert sampler.look(snapshot(2, 1.0, 0.0, 0.0)) == 0
    assert taken(sampler) == [(1, 0, 1.0, 0), (1, 1, 0.0, 0), (1, 2, 0.0, 0)]
    assert taken(sampler) == []


def test_a_slow_drift_is_taken_when_it_has_left_the_deadband_around_what_was_written() -> None:
    sampler = TrendSampler(POINTS)
    for k in range(11):
        sampler.look(snapshot(k, 0.2 * k, 0.0, 0.0))
    drift = [(step, value) for step, at, value, _ in taken(sampler) if at == 0]
    assert drift == [(0, 0.0), (3, pytest.approx(0.6)), (6, pytest.approx(1.2)), (9, pytest.approx(1.8))]


def test_without_a_deadband_every_change_is_taken() -> None:
    sampler = TrendSampler(POINTS)
    for k in range(4):
        sampler.look(snapshot(k, 0.0, 1e-12 * k, k % 2))
    assert [(s, at) for s, at, _, _ in taken(sampler)][3:] == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]


def test_quality_and_not_a_number_are_taken_whatever_the_deadband() -> None:
    sampler = TrendSampler(POINTS)
    nan = float("nan")
    sampler.look(snapshot(1, 1.0, 0.0, 0.0))
    sampler.look(snapshot(2, 1.0, 0.0, 0.0, quality=(128, 0, 0)))
    for step, value in ((3, nan), (4, nan), (5, 1.0)):
        sampler.look(snapshot(step, value, 0.0, 0.0, quality=(128, 0, 0)))
    assert [s for s, at, _, _ in taken(sampler) if at == 0] == [1, 2, 3, 5]


def test_a_step_is_looked_at_once() -> None:
    sampler = TrendSampler(POINTS)
    sampler.look(snapshot(1, 1.0, 0.0, 0.0))
    assert sampler.look(snapshot(1, 9.0, 9.0, 1.0)) == 0


def rows(k: int, n: int = 3) -> Rows:
    """Of the k-th minute."""
    at = np.arange(n, dtype=np.int32) % 3
    utc_ns, step = np.full(n, k * HOUR_NS // 60), np.full(n, k)
    return Rows(utc_ns, step, at, np.arange(n) + 0.5, np.zeros(n, np.uint8))


def steps(folder: Path) -> list[int]:
    return [s for f in trend_files.files(folder) for s in pq.read_table(f)["step"].to_pylist()]


def store(folder: Path, **more: Any) -> TrendFiles:
    return TrendFiles(folder / "trends", TAGS, **({"hour_ns": HOUR_NS, "size_max": 10**9} | more))


def test_a_flush_is_a_whole_file_with_tags_times_and_values(tmp_path: Path) -> None:
    files = store(tmp_path)
    files.write(rows(2))
    (path,) = trend_files.files(files.folder)
    table = pq.read_table(path)
    assert table["tag"].to_pylist() == TAGS
    assert table["value"].to_pylist() == [0.5, 1.5, 2.5]
    assert table["time"].cast("int64").to_pylist() == [2 * HOUR_NS // 60] * 3
    assert str(table.schema.field("time").type) == "timestamp[ns, tz=UTC]"


def test_writing_and_joining_trends_loads_no_pandas(tmp_path: Path) -> None:
    """It would take longer than everything else that the recorder does in a minute."""
    code = """
import sys
from pathlib import Path
from tests.unit.hil.recorder.test_trends import rows, store
files = store(Path(sys.argv[1]))
files.write(rows(1))
files.join()
print("pandas" in sys.modules)
"""
    argv = [sys.executable, "-c", code, str(tmp_path)]
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_after_an_hour_the_parts_are_one_file_with_a_row_group_for_each_flush(tmp_path: Path) -> None:
    files = store(tmp_path)
    for k in range(61):
        files.write(rows(k))
    joined, part = trend_files.files(files.folder)
    assert (joined.name, part.name) == ("trend-00000000-00000059.parquet", "part-00000060.parquet")
    assert pq.ParquetFile(joined).num_row_groups == 60
    assert steps(files.folder) == [k for k in range(61) for _ in range(3)]


def test_parts_are_joined_sooner_when_they_are_large(tmp_path: Path) -> None:
    files = store(tmp_path, size_max=1)
    for k in range(3):
        files.write(rows(k))
    assert [p.name[:5] for p in trend_files.files(files.folder)] == ["trend", "trend", "part-"]


def test_started_again_it_numbers_on_and_clears_what_a_kill_left(tmp_path: Path) -> None:
    files = store(tmp_path)
    for k in range(3):
        files.write(rows(k))
    part = files.folder / "part-00000001.parquet"
    shutil.copy(part, tmp_path / "kept")
    files.join()
    shutil.copy(tmp_path / "kept", part)  # killed between joining and removing
    (files.folder / "part-00000003.new").write_bytes(b"half a file")
    again = store(tmp_path)
    assert [p.name for p in again.folder.iterdir()] == ["trend-00000000-00000002.parquet"]
    again.write(rows(3))
    assert steps(again.folder) == [k for k in range(4) for _ in range(3)]


def test_parts_that_retention_took_are_not_missed(tmp_path: Path) -> None:
    files = store(tmp_path)
    for k in range(3):
        files.write(rows(k))
    (files.folder / "part-00000000.parquet").unlink()
    files.join()
    assert steps(files.folder) == [k for k in (1, 2) for _ in range(3)]
