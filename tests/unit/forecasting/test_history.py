"""Histories from files: what is odd is treated and said, what cannot be used is refused."""

import datetime as dt
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from forecasting.history import Wish, read_history
from forecasting.history_report import Report
from forecasting.series import Series
from rtcore.clock import NS_PER_HOUR
from rtcore.errors import UserInputError

DAYS = 60
START = dt.datetime(2017, 3, 1)
Write = Callable[..., Path]
AS_IT_IS = Wish()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def made(lines: Sequence[str], name: str = "site.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return made


def load(days: int = DAYS, step_h: float = 1.0) -> np.ndarray:
    t = np.arange(round(24 * days / step_h)) * step_h
    noise = np.random.default_rng(5).normal(0.0, 12.0, len(t))
    return 1000.0 + 300.0 * np.sin(2.0 * np.pi * t / 24.0) - 100.0 * (t // 24 % 7 >= 5) + noise


def lines_of(
    values: Sequence[float], step_h: float = 1.0, offset: str = "-06:00", start: dt.datetime = START
) -> list[str]:
    stamps = [start + dt.timedelta(hours=step_h * k) for k in range(len(values))]
    return ["time,kw", *(f"{s.isoformat()}{offset},{v:.3f}" for s, v in zip(stamps, values, strict=True))]


def kinds(report: Report) -> dict[str, int]:
    return {n.kind: n.count for n in report.notes}


def refusal(path: Path, wish: Wish = AS_IT_IS) -> str:
    with pytest.raises(UserInputError) as caught:
        read_history(path, wish)
    return str(caught.value)


def test_a_clean_file_is_read_as_it_is_and_nothing_is_noted(write: Write) -> None:
    series, report = read_history(write(lines_of(load())))
    assert (len(series), series.per_day, series.zone) == (24 * DAYS, 24, "-06:00")
    assert report.notes == []
    assert np.allclose(series.values, load(), atol=5e-4)  # three decimals are written


def test_half_hours_stay_half_hours_and_quarters_become_hours(write: Write) -> None:
    assert read_history(write(lines_of(load(step_h=0.5), 0.5)))[0].per_day == 48
    quarters = load(step_h=0.25)
    series, report = read_history(write(lines_of(quarters, 0.25)))
    assert series.per_day == 24
    assert kinds(report) == {"rows of 900 s": len(quarters)}
    assert series.values[3] == pytest.approx(quarters[12:16].mean(), abs=5e-4)


def test_a_gzipped_file_with_semicolons_and_decimal_commas_is_read(tmp_path: Path) -> None:
    text = "\n".join(lines_of(load())).replace(",", ";").replace(".", ",")
    path = tmp_path / "site.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert np.allclose(read_history(path)[0].values, load(), atol=5e-4)


def test_without_stamps_rows_count_from_the_start_that_is_given(write: Write) -> None:
    path = write(["hour,kw", *(f"{k},{v:.3f}" for k, v in enumerate(load(step_h=0.5)))])
    wish = Wish(start=dt.datetime(2017, 3, 1), step_s=1800.0, zone="America/Chicago")
    series, report = read_history(path, wish)
    assert (report.first, series.per_day, report.notes) == ("2017-03-01T00:00:00-06:00", 48, [])


def test_without_stamps_and_start_the_assumption_is_said(write: Write) -> None:
    _, report = read_history(write(["kw", *(f"{v:.3f}" for v in load())]))
    assert "2017-01-01T00:00" in report.notes[0].treatment


def test_the_assumed_start_is_said_on_the_clock_that_was_named(write: Write) -> None:
    series, report = read_history(write(["kw", *(f"{v:.3f}" for v in load())]), Wish(zone="-06:00"))
    assert "from 2017-01-01T00:00:00-06:00 on" in str(report.notes[0])
    assert report.first == "2017-01-01T00:00:00-06:00"
    assert series.zone == "-06:00"


def test_columns_that_match_a_pattern_are_added_up(write: Write) -> None:
    lines = lines_of(load())
    path = write(["time,load_1,load_2,other", *(f"{x},1.5,9" for x in lines[1:])])
    series, _ = read_history(path, Wish(column="load_*"))
    assert series.values[0] == pytest.approx(load()[0] + 1.5, abs=5e-4)


def test_a_column_must_be_chosen_and_a_near_miss_is_named(write: Write) -> None:
    path = write(["time,feeder_a,feeder_b", *(f"{x},2" for x in lines_of(load())[1:])])
    assert "which of feeder_a, feeder_b?" in refusal(path)
    assert "did you mean 'feeder_a'?" in refusal(path, Wish(column="fedder_a"))


def test_unordered_and_doubled_stamps_are_sorted_the_last_row_standing(write: Write) -> None:
    lines = lines_of(load())
    lines[10], lines[20] = lines[20], lines[10]
    lines.append(lines[30].rsplit(",", 1)[0] + ",1234.5")
    series, report = read_history(write(lines))
    assert kinds(report) == {"stamps earlier than the one before": 3, "stamps given twice": 1}
    assert series.values[29] == 1234.5
    assert np.allclose(series.values[[9, 19]], load()[[9, 19]], atol=5e-4)


def test_gaps_of_days_are_counted_placed_and_left_open(write: Write) -> None:
    lines = lines_of(load())
    del lines[500:572]
    lines[50] = lines[50].rsplit(",", 1)[0] + ","
    series, report = read_history(write(lines))
    assert np.isnan(series.values).sum() == report.missing == 73
    (gaps,) = report.notes
    assert (gaps.count, gaps.places[0]) == (2, "2017-03-21T19:00:00-06:00, 72 h")


def test_spikes_and_dropouts_become_gaps_and_a_new_level_does_not(write: Write) -> None:
    values = load()
    values[700], values[800], values[900] = 9000.0, 0.0, -3.0
    values[1200:] *= 3.0
    series, report = read_history(write(lines_of(values)))
    found = kinds(report)
    assert (found["spikes"], found["dropouts to zero"], found["negative values"]) == (4, 1, 1)
    # A level that changes shows at first as a spike; after three rows it is believed.
    assert np.flatnonzero(np.isnan(series.values)).tolist() == [700, 800, 900, 1200, 1201, 1202]


@pytest.mark.parametrize("count", [1, 3, 10, 24])
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_some_rows_in_another_unit_are_taken_as_missing_and_said(
    write: Write, count: int, factor: float
) -> None:
    values = load()
    values[700 : 700 + count] *= factor
    series, report = read_history(write(lines_of(values)))
    assert kinds(report)["values in another unit (MW among kW?)"] == count
    assert np.flatnonzero(np.isnan(series.values)).tolist() == list(range(700, 700 + count))


def test_a_load_that_is_often_near_zero_is_in_its_own_unit(write: Write) -> None:
    values = load()
    values[::3] = 0.5
    series, _ = read_history(write(lines_of(values)))
    assert not np.isnan(series.values).any()


def test_the_judgement_of_a_spike_does_not_depend_on_rows_after_it(write: Write) -> None:
    values = load()
    values[700] = 9000.0
    whole, _ = read_history(write(lines_of(values)))
    shorter, _ = read_history(write(lines_of(values[: 24 * 45])))
    assert np.array_equal(whole.values[: len(shorter)], shorter.values, equal_nan=True)


def test_a_net_load_that_is_often_negative_is_kept(write: Write) -> None:
    series, report = read_history(write(lines_of(load() - 900.0)))
    assert not np.isnan(series.values).any()
    assert [n.treatment for n in report.notes] == ["kept: power flows back"]


def test_an_hour_that_the_clock_showed_twice_is_two_hours(write: Write) -> None:
    naive = lines_of(load(), offset="", start=dt.datetime(2017, 10, 1))
    doubled = next(k for k, x in enumerate(naive) if x.startswith("2017-11-05T01:00"))
    naive.insert(doubled + 1, naive[doubled].split(",")[0] + ",777")
    series, report = read_history(write(naive), Wish(zone="America/Chicago"))
    assert kinds(report) == {"hours that the clock showed twice": 1}
    assert len(series) == 24 * DAYS + 1
    assert series.values[doubled] == 777.0
    assert report.end.endswith("-06:00")


def test_naive_stamps_without_a_zone_are_taken_as_a_steady_clock_and_it_is_said(write: Write) -> None:
    _, report = read_history(write(lines_of(load(), offset="")))
    assert "never put forward or back" in report.notes[0].treatment


@pytest.mark.parametrize("form", ["%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%Y/%m/%d %H:%M"])
def test_other_forms_of_dates_are_read(write: Write, form: str) -> None:
    stamps = [START + dt.timedelta(hours=k) for k in range(24 * DAYS)]
    rows = [f"{s.strftime(form)},{v:.3f}" for s, v in zip(stamps, load(), strict=True)]
    series, _ = read_history(write(["when,kw", *rows]))
    assert series.start_ns == round(START.replace(tzinfo=dt.UTC).timestamp()) * 10**9
    assert len(series) == 24 * DAYS


def mw_from(row: int) -> np.ndarray:
    values = load()
    values[row:] /= 1000.0
    return values


@pytest.mark.parametrize(
    ("lines", "wish", "said"),
    [
        (lines_of(load(20)), Wish(), "20.0 days of history; at least 42 are needed"),
        (lines_of(np.full(1440, 5.0)), Wish(), "is 5 throughout: nothing to forecast"),
        (lines_of(mw_from(960)), Wish(), "the level changes by a factor of 0.000897 at 2017-04-10T00:00"),
        (lines_of(load()), Wish(nominal=1.0), "expected is about 1: is the unit right"),
        (lines_of(load(), 24.0), Wish(), "rows are 86400 s apart"),
        (lines_of(load()), Wish(step_s=7.0), "7 s; it can be 900, 1200, 1800, 3600 s"),
        (lines_of(load()), Wish(zone="Mars"), "'Mars' is no time zone"),
        (lines_of(load()), Wish(holidays="XQ"), "no country"),
        (lines_of(load()), Wish(exogenous=("temp",)), "no column 'temp'"),
        (lines_of(load()), Wish(column="mw"), "no column 'mw'; there are "),
        (lines_of(load()), Wish(start=START), "holds time stamps; give no start"),
        ([*lines_of(load()), "2017-09-31T00:00:00-06:00,5"], Wish(), "line 1442, column 'time'"),
        ([*lines_of(load()), "2917-09-30T00:00:00-06:00,5"], Wish(), "is a year wrong?"),
        ([*lines_of(load()), "2017-09-30T00:00:00,5"], Wish(), "has no UTC offset, others have"),
        ([*lines_of(load()), "2017-09-30T00:00:00-06:00,5 kW"], Wish(), "'5 kW' is not a number"),
        ([*lines_of(load()), "2017-09-30T00:00:00-06:00"], Wish(), "1 cells; the header has 2"),
        (["1,2", "3,4"], Wish(), "the first line must name the columns"),
        (["time,kw"], Wish(), "no rows"),
        (["kw,kw", "1,2"], Wish(), "two columns are called 'kw'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(
    write: Write, lines: list[str], wish: Wish, said: str
) -> None:
    assert said in refusal(write(lines), wish)


def test_no_file_and_no_text_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00abc")
    assert "is no text in UTF-8" in refusal(tmp_path / "binary.csv")
    (tmp_path / "empty.csv").write_text("\n")
    assert "is empty" in refusal(tmp_path / "empty.csv")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n")[:-9])
    assert "cannot be read" in refusal(tmp_path / "cut.csv.gz")


def test_all_wrong_cells_come_in_one_report(write: Write) -> None:
    lines = lines_of(load())
    lines[3], lines[7] = "2017-03-01T02:00:00-06:00,x", "2017-03-01T06:00:00-06:00,y"
    said = refusal(write(lines))
    assert "line 4" in said
    assert "line 8" in said


def test_a_report_is_json(write: Write) -> None:
    _, report = read_history(write(lines_of(load(), offset="")))
    document = report.to_dict()
    assert document["rows"] == 24 * DAYS
    assert document["notes"][0]["kind"] == "time stamps without a UTC offset"


def test_series_of_a_history_have_whole_hours(write: Write) -> None:
    series: Series = read_history(write(lines_of(load())))[0]
    assert series.start_ns % NS_PER_HOUR == 0
