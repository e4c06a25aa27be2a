"""A trend of what was recorded and what came since."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hil.view.trend import held, joined, live, recorded, ticks


def test_recorded_values_are_utc_whether_they_say_so_or_not() -> None:
    naive, aware = datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)
    first, second = recorded([naive, aware], [1.0, 2.0], [0, 0])
    assert first.utc_s == second.utc_s


def test_live_values_follow_the_record_and_none_comes_twice() -> None:
    past = recorded([datetime.fromtimestamp(t, UTC) for t in (90, 100, 110)], [1.0, 2.0, 3.0], [0, 0, 0])
    now = live([5.0, 15.0], [9.0, 10.0], 100.0)
    found = joined(past, now, begin_s=95.0)
    assert [(r.utc_s, r.value) for r in found] == [(100.0, 2.0), (110.0, 3.0), (115.0, 10.0)]


@pytest.mark.parametrize(("value", "quality"), [(float("nan"), 0), (1.0, 128), (float("inf"), 64)])
def test_what_is_bad_is_not_drawn(value: float, quality: int) -> None:
    (found,) = recorded([datetime.fromtimestamp(1, UTC)], [value], [quality])
    assert not found.is_good


def test_a_live_value_holds_until_the_next_and_the_last_until_now() -> None:
    rows = live([1.0, 3.0], [10.0, 20.0], 0.0)
    assert held(rows, 5.0) == ([1.0, 3.0, 3.0, 5.0], [10.0, 10.0, 20.0, 20.0])
    assert held(rows, None) == ([1.0, 3.0, 3.0], [10.0, 10.0, 20.0]), "what is stale is not carried on"


def test_ticks_are_times_of_day() -> None:
    assert ticks(0.0, 600.0, 3) == [(0.0, "00:00:00"), (300.0, "00:05:00"), (600.0, "00:10:00")]
    assert ticks(0.0, 7200.0, 2) == [(0.0, "00:00"), (7200.0, "02:00")]


def test_between_two_recorded_values_the_first_one_held() -> None:
    rows = recorded([datetime.fromtimestamp(1, UTC), datetime.fromtimestamp(9, UTC)], [60.0, 59.9], [0, 0])
    assert held(rows, None) == ([1.0, 9.0, 9.0], [60.0, 60.0, 59.9])
