"""Trends read back from what the recorder's own writer wrote, thinned so that nothing is hidden."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hil.recorder.trend_files import TrendFiles
from hil.recorder.trends import Rows
from hil.services.thinning import thinned
from hil.services.trend_read import read_trend
from protocols.trend import Trend
from rtcore.quality import Quality

TAGS = ("A.P", "B.P", "C.P")
S = 1_000_000_000
HOUR = 3600 * S
ROOT = Path(__file__).resolve().parents[4]

Row = tuple[float, str, float]
"""Second, point, value."""


def write(files: TrendFiles, *rows: Row, quality: int = Quality.GOOD) -> None:
    times, tags, values = zip(*rows, strict=True)
    files.write(
        Rows(
            np.array([round(t * S) for t in times], np.int64),
            np.zeros(len(rows), np.int64),
            np.array([TAGS.index(t) for t in tags], np.int32),
            np.array(values),
            np.full(len(rows), quality, np.uint8),
        )
    )


@pytest.fixture
def files(tmp_path: Path) -> TrendFiles:
    made = TrendFiles(tmp_path / "trends", TAGS, HOUR, 10**9)
    write(made, (0.0, "A.P", 1.0), (0.0, "B.P", 10.0), (5.0, "A.P", 2.0))
    write(made, (12.0, "A.P", 3.0), (15.0, "B.P", 11.0))
    write(made, (21.0, "A.P", 4.0), (28.0, "A.P", 5.0))
    return made


def read(
    files: TrendFiles, tag: str, begin_s: float, end_s: float, n: int = 100
) -> list[tuple[float, float]]:
    found = read_trend(files.folder, tag, round(begin_s * S), round(end_s * S), n).trend
    return [(t / S, v) for t, v in zip(found.utc_ns.tolist(), found.value.tolist(), strict=True)]


def test_rows_of_one_point_come_in_order_from_all_files(files: TrendFiles) -> None:
    assert read(files, "A.P", 0, 30) == [(0, 1), (5, 2), (12, 3), (21, 4), (28, 5)]


def test_what_held_at_the_begin_stands_there(files: TrendFiles) -> None:
    assert read(files, "A.P", 14, 25) == [(14, 3), (21, 4)]
    assert read(files, "B.P", 20, 30) == [(20, 11)]


def test_a_row_at_the_begin_itself_is_not_told_twice_over(files: TrendFiles) -> None:
    found = read(files, "A.P", 12, 13)
    assert found[-1] == (12, 3)


def test_joined_files_say_the_same(files: TrendFiles) -> None:
    before = read(files, "A.P", 3, 25)
    files.join()
    assert [p.name for p in files.folder.iterdir()] == ["trend-00000000-00000002.parquet"]
    assert read(files, "A.P", 3, 25) == before


def test_how_far_the_files_go_is_told_for_every_point(files: TrendFiles) -> None:
    assert read_trend(files.folder, "B.P", 0, 30 * S, 10).until_ns == 28 * S


def test_a_point_without_rows_and_a_folder_without_files_have_nothing(
    tmp_path: Path, files: TrendFiles
) -> None:
    assert read(files, "C.P", 0, 30) == []
    found = read_trend(tmp_path / "none", "A.P", 0, 30 * S, 10)
    assert (len(found.trend.utc_ns), found.until_ns) == (0, 0)


def test_a_damaged_file_costs_what_was_in_it_alone(files: TrendFiles) -> None:
    (files.folder / "part-00000001.parquet").write_bytes(b"PAR1 and no more")
    assert read(files, "A.P", 0, 30) == [(0, 1), (5, 2), (21, 4), (28, 5)]


def test_a_clock_that_was_set_back_leaves_them_in_order_of_time(files: TrendFiles) -> None:
    write(files, (2.0, "A.P", 9.0))
    assert [t for t, _ in read(files, "A.P", 0, 30)] == [0, 2, 5, 12, 21, 28]


def test_no_more_come_than_were_asked_for(files: TrendFiles) -> None:
    write(files, *((30 + k / 100, "A.P", float(k % 7)) for k in range(5000)))
    assert len(read(files, "A.P", 0, 100, n=50)) <= 50


def test_reading_loads_no_pandas(files: TrendFiles) -> None:
    code = """
import sys
from pathlib import Path
from hil.services.trend_read import read_trend
assert len(read_trend(Path(sys.argv[1]), "A.P", 0, 10**12, 10).trend.utc_ns) == 5
print("pandas" in sys.modules)
"""
    argv = [sys.executable, "-c", code, str(files.folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


# ---- thinning


def trend(values: np.ndarray, quality: np.ndarray | None = None) -> Trend:
    n = len(values)
    return Trend(np.arange(n) * S, values, np.zeros(n, np.uint8) if quality is None else quality)


@pytest.mark.parametrize("n", [2, 3, 5, 9, 10, 50, 333, 1000])
def test_thinning_keeps_to_the_number_and_first_and_last(n: int) -> None:
    values = np.random.default_rng(1).normal(size=10_000)
    found = thinned(trend(values), n)
    assert 2 <= len(found.utc_ns) <= n
    assert (found.utc_ns[0], found.utc_ns[-1]) == (0, 9_999 * S)
    assert (np.diff(found.utc_ns) > 0).all()


def test_thinning_keeps_every_peak() -> None:
    values = np.zeros(100_000)
    peaks = [123, 40_000, 99_998]
    values[peaks] = (5.0, -7.0, 3.0)
    found = thinned(trend(values), 100)
    assert {5.0, -7.0, 3.0} <= set(found.value.tolist())
    assert set(np.array(peaks) * S) <= set(found.utc_ns.tolist())


def test_thinning_keeps_a_moment_without_a_value() -> None:
    quality = np.zeros(100_000, np.uint8)
    quality[54_321] = Quality.BAD_SENSOR
    assert Quality.BAD_SENSOR in thinned(trend(np.ones(100_000), quality), 50).quality


def test_few_values_are_left_as_they_are() -> None:
    few = trend(np.arange(5.0))
    assert thinned(few, 5) is few


def test_values_all_at_the_same_instant_are_thinned_too() -> None:
    found = thinned(Trend(np.zeros(1000, np.int64), np.arange(1000.0), np.zeros(1000, np.uint8)), 10)
    assert 2 <= len(found.utc_ns) <= 10
