"""A history that grows: cleaned as a file is, from rows before alone, bounded, and never of the future."""

import json
from collections.abc import Callable

import numpy as np
import pytest

from forecasting.calendar import day_anchor
from forecasting.cleaning import spikes
from forecasting.live_history import KEPT_DAYS, TRIM_DAYS, LiveHistory
from forecasting.series import Series
from rtcore.clock import NS_PER_HOUR
from tests.support.plain_load import plain_load

DAY = 24


def silent(text: str) -> None:
    """Hear nothing."""


def live(series: Series, say: Callable[[str], None] = silent) -> LiveHistory:
    return LiveHistory(series, series.start_ns + len(series) * series.step_ns, series.step_ns, say)


def test_rows_are_appended_and_a_series_taken_before_stays_as_it_was() -> None:
    series = plain_load(20)
    history = live(_plain(series))
    before = history.series
    copy = before.values.copy()
    for value in range(1200):
        history.append(900.0 + value % 7 if value < 200 else float("nan"))
    assert np.array_equal(before.values, copy)
    assert len(history.series) == 20 * DAY + 1200
    assert history.end == series.base + len(history.series)


def test_spikes_and_dropouts_are_those_that_reading_the_whole_file_would_find() -> None:
    values = plain_load(60).values.copy()
    rng = np.random.default_rng(1)
    odd = rng.choice(np.arange(40 * DAY, 60 * DAY), 12, replace=False)
    values[odd[:6]] *= 8.0
    values[odd[6:]] = 0.0
    spike, drop = spikes(values, DAY)
    clean = np.where(spike | drop, np.nan, values)
    start = _plain(plain_load(60), clean[: 40 * DAY])
    history = live(start)
    taken = [history.append(float(x)) for x in values[40 * DAY :]]
    assert np.array_equal(taken, clean[40 * DAY :], equal_nan=True)


def test_a_level_that_stays_is_believed_after_three_rows() -> None:
    history = live(_plain(plain_load(40)))
    taken = [history.append(9000.0) for _ in range(6)]
    assert np.isnan(taken[:3]).all() and taken[3:] == [9000.0] * 3


def test_what_is_not_taken_is_said_once_for_each_kind() -> None:
    heard = list[str]()
    history = live(_plain(plain_load(40)), heard.append)
    for value in (9000.0, 1000.0, 9500.0, 1000.0, 0.0, 1000.0, -5.0, 1000.0, 1e6, 1000.0, 1e6):
        history.append(value)
    kinds = ("a spike", "a dropout to zero", "a stray value below zero", "a value in another unit")
    assert len(heard) == len(kinds)
    assert all(any(kind in text for text in heard) for kind in kinds)
    assert "total: a spike is taken as missing (the first is 9000 W)" in heard


def test_power_that_flows_back_again_and_again_is_kept() -> None:
    heard = list[str]()
    history = live(_plain(plain_load(40)), heard.append)
    # 1 % of the 42 days that are looked at are ten rows; after these the load is one that goes below zero.
    taken = [history.append(-100.0 - k % 5) for k in range(40)]
    assert np.isnan(taken[:3]).all() and np.isfinite(taken[-20:]).all()
    assert any("values below zero are kept" in text for text in heard)


def test_gaps_stay_gaps_and_what_is_known_is_counted() -> None:
    history = live(_plain(plain_load(2)))
    for _ in range(2 * DAY):
        history.append(float("nan"))
    assert history.known_days == 2.0
    assert history.known_end == history.end - 2 * DAY


def test_a_constant_series_is_taken_as_it_is() -> None:
    history = live(_plain(plain_load(30), np.full(30 * DAY, 500.0)))
    assert [history.append(500.0) for _ in range(50)] == [500.0] * 50


@pytest.mark.parametrize("zone", ["-06:00", "America/Chicago"])
def test_old_rows_are_forgotten_so_that_days_begin_when_they_did(zone: str) -> None:
    start = Series("total", 0, NS_PER_HOUR, np.ones(1), zone=zone)
    history = live(start)
    # Where the clock is put forward, rows are forgotten up to one with the same offset: seven months later
    # at most.
    longest = KEPT_DAYS + TRIM_DAYS + (0 if zone == "-06:00" else 220)
    anchor = (start.base + day_anchor(start)) % DAY
    for day in range(900):
        for _ in range(DAY):
            history.append(float("nan"))  # which is quickly judged
        history.trim()
        series = history.series
        assert min(day, KEPT_DAYS) * DAY <= len(series) <= (longest + 1) * DAY
        assert (series.base + day_anchor(series)) % DAY == anchor


def test_a_history_that_ends_early_is_followed_by_a_gap_and_an_old_one_is_none() -> None:
    series = _plain(plain_load(30))
    begin_ns = series.start_ns + 33 * DAY * NS_PER_HOUR
    history = LiveHistory(series, begin_ns, NS_PER_HOUR, silent)
    assert len(history.series) == 33 * DAY and np.isnan(history.series.values[30 * DAY :]).all()
    late_ns = series.start_ns + 3000 * DAY * NS_PER_HOUR
    assert len(LiveHistory(series, late_ns, NS_PER_HOUR, silent).series) == 0


def test_a_history_of_the_future_or_of_other_steps_is_refused() -> None:
    series = _plain(plain_load(10))
    end_ns = series.start_ns + len(series) * NS_PER_HOUR
    with pytest.raises(ValueError, match="3 rows of its history lie after the run's begin"):
        LiveHistory(series, end_ns - 3 * NS_PER_HOUR, NS_PER_HOUR, silent)
    with pytest.raises(ValueError, match="between two rows"):
        LiveHistory(series, end_ns + 1, NS_PER_HOUR, silent)
    with pytest.raises(ValueError, match="steps of"):
        LiveHistory(series, end_ns, NS_PER_HOUR // 2, silent)
    with pytest.raises(ValueError, match="not known live"):
        live(plain_load(10))


def test_a_restart_changes_nothing() -> None:
    history, other = live(_plain(plain_load(40))), live(_plain(plain_load(40)))
    for value in (9000.0, float("nan"), 1000.0):
        history.append(value)
    other.restore(json.loads(json.dumps(history.state(), allow_nan=False)))
    for value in (9000.0, 9000.0, 9000.0, 9000.0, -3.0):
        assert np.array_equal(other.append(value), history.append(value), equal_nan=True)
    assert np.array_equal(other.series.values, history.series.values, equal_nan=True)


def _plain(series: Series, values: np.ndarray | None = None) -> Series:
    """Return a series without exogenous columns."""
    known = series.values if values is None else values
    return Series(series.name, series.start_ns, series.step_ns, known, zone=series.zone)
