"""A series, its gaps and its local clock."""

import numpy as np
import pytest

from forecasting.calendar import day_starts, days_off, holidays_of, local_ns, parse_zone, slots
from forecasting.series import NS_PER_DAY, Series, fill
from rtcore.clock import NS_PER_HOUR

MARCH_25_2017_NS = 17_250 * NS_PER_DAY
"""The day before clocks were put forward in Berlin."""


def hours(count: int, zone: str = "+00:00", holidays: frozenset[int] = frozenset()) -> Series:
    return Series("x", MARCH_25_2017_NS, NS_PER_HOUR, np.arange(count, dtype=float), zone, holidays=holidays)


def test_a_gap_takes_the_value_of_a_week_a_day_or_a_row_before_in_this_order() -> None:
    values = np.arange(24.0 * 9)
    values[[1, 30, 200]] = np.nan
    filled = fill(values, 24)
    assert filled[[1, 30, 200]].tolist() == [0.0, 6.0, 200.0 - 168.0]
    assert np.array_equal(np.delete(filled, [1, 30, 200]), np.delete(values, [1, 30, 200]))


def test_what_a_gap_is_filled_with_does_not_depend_on_rows_after_it() -> None:
    values = np.arange(24.0 * 9)
    values[100:130] = np.nan
    later = values.copy()
    later[130:] = -7.0
    assert np.array_equal(fill(values, 24)[:130], fill(later, 24)[:130])


def test_a_series_cut_at_both_ends_has_the_same_moments() -> None:
    cut = hours(100).since(10).before(50)
    assert len(cut) == 50
    assert cut.base == hours(100).base + 10
    assert cut.values[0] == 10.0


def test_a_step_that_no_day_is_made_of_is_refused() -> None:
    with pytest.raises(ValueError, match="no whole number of steps"):
        Series("x", 0, 7 * NS_PER_HOUR, np.zeros(3))


def test_hours_of_the_day_follow_the_clock_when_it_is_put_forward() -> None:
    series = hours(48, "Europe/Berlin")
    # 25 March 00:00 UTC is 01:00 in Berlin; at 26 March 01:00 UTC the clock goes from 02:00 to 03:00.
    assert slots(series, np.array([0, 23, 24, 25, 26])).tolist() == [1, 0, 1, 3, 4]
    assert np.diff(local_ns(series, np.arange(48))).max() == 2 * NS_PER_HOUR


def test_days_of_refits_stay_whole_when_the_clock_is_put_forward() -> None:
    assert day_starts(hours(24 * 5, "Europe/Berlin"), 0, 24 * 5) == [23, 47, 71, 95, 119]


def test_saturdays_sundays_and_holidays_are_days_off() -> None:
    monday = 17_250 + 2
    series = hours(24 * 4, holidays=frozenset({monday}))
    assert days_off(series, np.arange(0, 96, 24)).tolist() == [True, True, True, False]


def test_rows_after_the_end_have_a_clock_too() -> None:
    assert slots(hours(3), np.array([24 * 30 + 5])).tolist() == [5]


@pytest.mark.parametrize("text", ["Moon/Crater", "6", "+15:00", "-06:61", "../etc"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        parse_zone(text)


def test_holidays_are_those_of_the_country() -> None:
    independence_day = 17_351  # 2017-07-04
    assert independence_day in holidays_of("US", 2017, 2017)
    assert independence_day not in holidays_of("FR", 2017, 2017)
    with pytest.raises(ValueError, match="no country"):
        holidays_of("XQ", 2017, 2017)
