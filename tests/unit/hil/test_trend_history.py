"""A load history from what the recorder wrote of a run, by the recorder's own writer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from forecasting.history import Wish
from hil import cli
from hil.recorder.run_folder import RUN, STATION
from hil.recorder.trend_files import TrendFiles, files
from hil.recorder.trends import Rows
from hil.trend_history import read_trends, step_means
from rtcore.errors import UserInputError
from rtcore.quality import Quality

TAGS = ("SUB.T1.P", "FDR_A.HEAD.P", "FDR_B.HEAD.P", "FC.TOTAL.H1")
S_NS = 1_000_000_000
HOUR_NS = 3600 * S_NS
DT_NS = 10 * S_NS
PER_HOUR = HOUR_NS // DT_NS
SPEED = 600
START_NS = 1_499_882_400 * S_NS
"""2017-07-12T12:00-06:00"""
WALL_NS = 1_700_000_000 * S_NS
GOOD, BAD = Quality.GOOD, Quality.BAD_NO_COMMUNICATION

Row = tuple[int, str, float, int]
"""Step, point, value, quality."""


def run_folder(folder: Path, *, dt_ns: int = DT_NS, tags: tuple[str, ...] = TAGS[:3]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    run = {"format": 1, "core": {"dt_ns": dt_ns}, "tags": tags}
    (folder / RUN).write_text(json.dumps(run))
    (folder / STATION).write_text("[time]\nstart = 2017-07-12T12:00:00-06:00\n")
    return folder


def written(folder: Path, *parts: list[Row], wall_ns: int = WALL_NS) -> TrendFiles:
    """Write parts; the run is `SPEED` times as fast as the clock on the wall."""
    trends = TrendFiles(run_folder(folder) / "trends", TAGS, 10**18, 10**9)
    for rows in parts:
        step = np.array([r[0] for r in rows], np.int64)
        point = np.array([TAGS.index(r[1]) for r in rows], np.int32)
        value, quality = np.array([r[2] for r in rows]), np.array([r[3] for r in rows], np.uint8)
        trends.write(Rows(wall_ns + step * DT_NS // SPEED, step, point, value, quality))
    return trends


def hours(folder: Path, count: int, *tags: str, first: int = 0) -> np.ndarray:
    begin = START_NS + first * HOUR_NS
    return step_means(folder, tags, begin, begin + count * HOUR_NS, HOUR_NS)


def test_a_value_holds_until_the_next_row_across_files_and_steps(tmp_path: Path) -> None:
    quarter = PER_HOUR // 4
    written(
        tmp_path,
        [(0, "SUB.T1.P", 100.0, GOOD), (0, "FDR_A.HEAD.P", 1.0, GOOD), (quarter, "SUB.T1.P", 300.0, GOOD)],
        [(PER_HOUR + 2 * quarter, "SUB.T1.P", 500.0, GOOD)],
        [(3 * PER_HOUR, "FDR_A.HEAD.P", 2.0, GOOD)],
    )
    found = hours(tmp_path, 3, "SUB.T1.P", "FDR_A.HEAD.P")
    # 100 for a quarter and 300 for three; 300 and 500 for half an hour each; 500. Rounding of sums.
    assert found[:, 0] == pytest.approx([250.0, 400.0, 500.0], rel=1e-12)
    assert found[:, 1] == pytest.approx([1.0, 1.0, 1.0], rel=1e-12)


def test_bad_quality_is_no_value_and_a_step_needs_half_of_it(tmp_path: Path) -> None:
    written(
        tmp_path,
        [
            (0, "SUB.T1.P", 100.0, GOOD),
            (PER_HOUR // 2 + 1, "SUB.T1.P", 9e9, BAD),
            (PER_HOUR + PER_HOUR // 2 + 1, "SUB.T1.P", 200.0, Quality.UNCERTAIN_RANGE),
            (3 * PER_HOUR, "FDR_A.HEAD.P", 1.0, GOOD),
        ],
    )
    # The first hour is known for a step more than half of it, the second for a step less.
    assert hours(tmp_path, 3, "SUB.T1.P")[:, 0] == pytest.approx([100.0, np.nan, 200.0], nan_ok=True)


def test_what_is_not_a_number_before_the_first_row_or_after_the_last_one_is_missing(tmp_path: Path) -> None:
    written(
        tmp_path,
        [(PER_HOUR, "SUB.T1.P", 7.0, GOOD), (2 * PER_HOUR, "SUB.T1.P", np.nan, GOOD)],
        [(3 * PER_HOUR, "SUB.T1.P", 8.0, GOOD), (4 * PER_HOUR, "FDR_B.HEAD.P", 1.0, GOOD)],
    )
    found = hours(tmp_path, 7, "SUB.T1.P", "FC.TOTAL.H1", first=-1)
    assert found[:, 0] == pytest.approx([np.nan, np.nan, 7.0, np.nan, 8.0, np.nan, np.nan], nan_ok=True)
    assert np.isnan(found[:, 1]).all()


def test_while_the_recorder_did_not_run_nothing_is_known(tmp_path: Path) -> None:
    """A row a second of the wall's clock; then none for two minutes of it, twenty hours of the run."""
    every = SPEED * S_NS // DT_NS
    before = [(k * every, "FDR_A.HEAD.P", float(k), GOOD) for k in range(1, 4 * PER_HOUR // every)]
    again = 24 * PER_HOUR
    written(
        tmp_path,
        [(0, "SUB.T1.P", 100.0, GOOD), *before],
        [(again, "SUB.T1.P", 300.0, GOOD), (again + PER_HOUR, "FDR_A.HEAD.P", 1.0, GOOD)],
    )
    found = hours(tmp_path, 25, "SUB.T1.P")[:, 0]
    assert found[:4] == pytest.approx(100.0)
    assert np.isnan(found[4:24]).all()
    assert found[24] == pytest.approx(300.0)


def test_a_recorder_that_was_killed_leaves_a_torn_file_that_is_left_out_with_a_note(tmp_path: Path) -> None:
    days = written(tmp_path, daily(50))
    torn = days.folder / "part-00000009.parquet"
    torn.write_bytes(files(days.folder)[0].read_bytes()[:2000])
    series, report = read_trends(tmp_path, Wish(column="SUB.T1.P"))
    assert len(series) == 50 * 24
    assert "torn trend file: 1 (part-00000009.parquet); left out" in str(report.notes[0])
    (days.folder / "part-00000010.parquet").write_bytes(files(days.folder)[0].read_bytes())
    with pytest.raises(UserInputError, match=r"part-00000009\.parquet: is damaged"):
        read_trends(tmp_path, Wish(column="SUB.T1.P"))


def test_a_left_over_part_that_was_joined_already_changes_nothing(tmp_path: Path) -> None:
    trends = written(tmp_path, daily(2)[:99], daily(2)[99:])
    part = files(trends.folder)[0]
    data = part.read_bytes()
    before = hours(tmp_path, 48, "SUB.T1.P")
    trends.join()
    assert np.array_equal(hours(tmp_path, 48, "SUB.T1.P"), before)
    part.write_bytes(data)
    assert np.array_equal(hours(tmp_path, 48, "SUB.T1.P"), before)


def test_files_that_the_recorder_joins_while_they_are_read_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trends = written(tmp_path, daily(2)[:99], daily(2)[99:])
    calls: list[list[Path]] = []

    def joining(folder: Path) -> list[Path]:
        found = files(folder)
        if not calls:
            trends.join()
        calls.append(found)
        return found

    before = hours(tmp_path, 48, "SUB.T1.P")
    monkeypatch.setattr("hil.recorder.trend_files.files", joining)
    assert np.array_equal(hours(tmp_path, 48, "SUB.T1.P"), before)
    assert len(calls) == 2


def daily(days: int) -> list[Row]:
    """Return a row of the total each quarter of an hour, with a day's shape; feeders stand still."""
    rng = np.random.default_rng(2)
    quarters = np.arange(days * 96 + 1)
    load = 1000.0 + 300.0 * np.sin(2.0 * np.pi * quarters / 96) + rng.normal(0.0, 5.0, len(quarters))
    still = [(0, "FDR_A.HEAD.P", 40.0, GOOD), (0, "FDR_B.HEAD.P", 2.0, GOOD), (0, "FC.TOTAL.H1", 5.0, GOOD)]
    return still + [
        (int(k) * PER_HOUR // 4, "SUB.T1.P", float(p), int(GOOD)) for k, p in zip(quarters, load, strict=True)
    ]


def test_the_history_of_a_point_is_its_hourly_means_on_the_station_s_clock(tmp_path: Path) -> None:
    written(tmp_path, daily(50))
    series, report = read_trends(tmp_path, Wish(column="SUB.T1.P"))
    assert (series.start_ns, series.zone, series.name) == (START_NS, "-06:00", "SUB.T1.P")
    assert report.first == "2017-07-12T12:00:00-06:00"
    loads = [p for _, tag, p, _ in daily(50) if tag == "SUB.T1.P"][:-1]
    assert series.values == pytest.approx(np.reshape(loads, (-1, 4)).mean(axis=1), rel=1e-12)
    half, _ = read_trends(tmp_path, Wish(column="SUB.T1.P", step_s=1800.0))
    assert half.values.reshape(-1, 2).mean(axis=1) == pytest.approx(series.values, rel=1e-12)


def test_points_that_match_a_pattern_are_added_up(tmp_path: Path) -> None:
    written(
        tmp_path, [*daily(50), *((k * PER_HOUR, "FDR_A.HEAD.P", float(k % 24), GOOD) for k in range(1200))]
    )
    series, report = read_trends(tmp_path, Wish(column="FDR_*.HEAD.P", exogenous=("SUB.T1.P",)))
    assert report.column == "FDR_*.HEAD.P (2 points)"
    assert series.values[24:48] == pytest.approx(np.arange(24.0) + 2.0)
    assert list(series.exogenous) == ["SUB.T1.P"]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(), "which point?"),
        (Wish(column="SUB.T1.PP"), r"no point 'SUB\.T1\.PP'; did you mean 'SUB\.T1\.P'"),
        (Wish(column="SUB.T1.P", exogenous=("SUB.T2.P",)), r"no point 'SUB\.T2\.P'"),
        (Wish(column="SUB.T1.P", step_s=600.0), "600 s; it can be 900, 1200, 1800, 3600 s"),
        (Wish(column="SUB.T1.P"), r"2\.0 days of history; at least 42"),
        (Wish(column="FDR_A.HEAD.P"), "is 40 throughout"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, wish: Wish, said: str) -> None:
    written(tmp_path, daily(2))
    with pytest.raises(UserInputError, match=said):
        read_trends(tmp_path, wish)


def test_a_folder_that_is_no_run_is_refused_and_the_latest_run_in_it_named(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="is not the folder of a recorded run") as caught:
        read_trends(tmp_path, Wish(column="SUB.T1.P"))
    assert "latest" not in str(caught.value)
    for name in ("20260101T000000Z-1", "20260102T000000Z-2"):
        run_folder(tmp_path / "runs" / name)
    with pytest.raises(UserInputError, match=r"the latest run in it is .*20260102T000000Z-2"):
        read_trends(tmp_path, Wish(column="SUB.T1.P"))


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (RUN, "{", "is damaged: it holds something else than it should$"),
        (RUN, '{"format": 9}', "format 9; this version of gridhil reads 1"),
        (STATION, "[time]\n", "is damaged: 'start' is missing in it$"),
    ],
)
def test_a_damaged_run_is_refused(tmp_path: Path, file: str, text: str, said: str) -> None:
    written(tmp_path, daily(2))
    (tmp_path / file).write_text(text)
    with pytest.raises(UserInputError, match=said):
        read_trends(tmp_path, Wish(column="SUB.T1.P"))


def test_a_run_without_trends_is_refused(tmp_path: Path) -> None:
    run_folder(tmp_path)
    with pytest.raises(UserInputError, match="no trends were recorded"):
        read_trends(tmp_path, Wish(column="SUB.T1.P"))


def test_the_command_takes_the_folder_of_a_run(tmp_path: Path) -> None:
    written(tmp_path, daily(43))
    arguments = ["--history", str(tmp_path), "--column", "SUB.T1.P", "--from", "2017-07-20"]
    done = CliRunner().invoke(cli.app, ["forecast", "backtest", *arguments])
    assert isinstance(done.exception, UserInputError)
    assert "7.5 days of history before the first forecast" in str(done.exception)
