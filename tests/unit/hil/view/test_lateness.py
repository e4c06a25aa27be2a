"""Lateness of the last second from a histogram that only grows."""

from __future__ import annotations

from typing import Any

from hil.view.lateness import LatenessWatch, percentile, sparkline


def status(at_ns: int, counts: list[int]) -> dict[str, Any]:
    edges = [10.0 * (k + 1) for k in range(len(counts))]
    return {"utc_ns": at_ns, "loop": {"lateness_us": {"edges": edges, "counts": counts}}}


def test_a_percentile_is_the_upper_edge_of_its_bin() -> None:
    assert percentile([10.0, 20.0, 30.0], [98, 1, 1], 0.99) == 20.0
    assert percentile([], [], 0.99) == 0.0


def test_each_second_counts_for_itself() -> None:
    watch = LatenessWatch()
    watch.take(status(1, [1000, 0, 5]))
    assert not watch.p99_us, "the first reading is all that was before"
    watch.take(status(2, [1000, 100, 5]))
    watch.take(status(2, [1000, 100, 5]))
    watch.take(status(3, [1000, 100, 5, 7]))
    assert list(watch.p99_us) == [20.0, 40.0]


def test_another_run_begins_anew() -> None:
    watch = LatenessWatch()
    watch.take(status(1, [1000]))
    watch.take(status(2, [10]))
    watch.take(status(3, [20]))
    assert list(watch.p99_us) == [10.0]


def test_a_status_that_says_nothing_of_the_loop_is_passed_over() -> None:
    watch = LatenessWatch()
    watch.take({})
    watch.take({"utc_ns": 1, "loop": {}})
    assert not watch.p99_us


def test_bars_are_as_high_as_the_largest_shown() -> None:
    assert sparkline([100.0, 0.0, 5.0, 10.0], "_-#", 3) == "_-#"
    assert sparkline([0.0, 0.0], "_-#", 8) == "__"
    assert sparkline([], "_-#", 8) == ""
