"""Bars and scales of text."""

from __future__ import annotations

import pytest

from hil.console.widgets.bar import bar, scale


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("share", [-1.0, 0.0, 0.003, 0.5, 0.999, 1.0, 7.0, None, float("nan")])
def test_a_bar_is_as_wide_as_told_whatever_it_shows(share: float | None, is_ascii: bool) -> None:
    drawn = bar(share, 10, is_ascii=is_ascii)
    assert len(drawn) == 10
    assert drawn.isascii() or not is_ascii


def test_a_bar_fills_in_eighths() -> None:
    assert bar(0.0, 4) == "····"
    assert bar(0.5, 4) == "██··"
    assert bar(17 / 32, 4) == "██▏·"
    assert bar(1.0, 4) == "████"


def test_what_has_begun_is_seen() -> None:
    assert bar(1e-6, 8)[0] == "▏"
    assert bar(1e-6, 8, is_ascii=True)[0] == "#"


def test_nothing_known_is_no_empty_bar() -> None:
    assert bar(None, 3) == "???"


def test_a_scale_has_one_cell_for_each_tap_and_a_mark_on_it() -> None:
    for tap in range(-16, 17):
        drawn = scale(float(tap), -16, 16, 33)
        assert len(drawn) == 33
        assert drawn.index("●") == tap + 16
    assert scale(None, -16, 16, 33)[16] == "┼"


def test_a_position_beyond_the_scale_stands_at_its_end() -> None:
    assert scale(99.0, -16, 16, 33, is_ascii=True)[-1] == "O"
    assert scale(3.0, -16, 16, 33, is_ascii=True).isascii()
