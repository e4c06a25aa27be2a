"""Lines on a grid of characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from hil.console.widgets.canvas import Canvas
from hil.console.widgets.raster import BRAILLE, DASHED, DOTTED, SOLID, Grid, clipped

ANYWHERE = st.floats(-500.0, 500.0)


def lines(grid: Grid, *ends: tuple[float, float, float, float], pattern: str = SOLID) -> list[str]:
    """Return what some lines look like."""
    canvas = Canvas(grid)
    for line in ends:
        canvas.draw(grid.stroke(*line, pattern), "")
    return [strip.text for strip in canvas.strips(Style())]


def test_a_level_line_in_braille_and_in_ascii() -> None:
    assert lines(Grid(4, 1, False), (0, 0, 7, 0)) == ["⠉⠉⠉⠉"]
    assert lines(Grid(4, 1, True), (0, 0, 3, 0)) == ["----"]


def test_the_slope_chooses_the_character() -> None:
    grid = Grid(5, 5, True)
    assert lines(grid, (2, 0, 2, 4)) == ["  |  "] * 5
    assert lines(grid, (0, 0, 4, 2))[0][0] == "\\"
    assert lines(grid, (0, 2, 4, 0))[0][4] == "/"


@pytest.mark.parametrize("is_ascii", [True, False])
def test_a_dead_line_and_a_partly_live_one_look_other_than_a_live_one(is_ascii: bool) -> None:
    grid = Grid(20, 1, is_ascii)
    drawn = {p: lines(grid, (0, 0, grid.width - 1, 0), pattern=p)[0] for p in (SOLID, DASHED, DOTTED)}
    assert len(set(drawn.values())) == 3


def test_lines_that_cross_in_a_cell_are_both_there() -> None:
    (text,) = lines(Grid(1, 1, False), (0, 0, 1, 0), (0, 3, 1, 3))
    assert text == chr(BRAILLE | 0x01 | 0x08 | 0x40 | 0x80)


def test_a_text_is_not_written_over_by_a_line() -> None:
    canvas = Canvas(Grid(4, 1, True))
    canvas.put(1, 0, "AB", "bold")
    canvas.draw(canvas.grid.stroke(0, 0, 3, 0), "")
    assert canvas.strips(Style())[0].text == "-AB-"


def test_a_text_is_cut_at_the_edges_and_left_out_beyond_them() -> None:
    canvas = Canvas(Grid(4, 1, True))
    canvas.put(-1, 0, "abc", "")
    canvas.put(3, 0, "xyz", "")
    canvas.put(0, 7, "lost", "")
    assert canvas.strips(Style())[0].text == "bc x"


@given(ANYWHERE, ANYWHERE, ANYWHERE, ANYWHERE, st.booleans(), st.sampled_from([SOLID, DASHED, DOTTED]))
def test_no_line_leaves_the_grid(
    x0: float, y0: float, x1: float, y1: float, is_ascii: bool, pattern: str
) -> None:
    grid = Grid(30, 12, is_ascii)
    for at, _ in grid.stroke(x0, y0, x1, y1, pattern):
        assert 0 <= at < grid.columns * grid.rows


@given(ANYWHERE, ANYWHERE, ANYWHERE, ANYWHERE)
def test_what_is_clipped_away_was_outside(x0: float, y0: float, x1: float, y1: float) -> None:
    found = clipped(x0, y0, x1, y1, 59.0, 47.0)
    inside = [
        (x0 + k / 200 * (x1 - x0), y0 + k / 200 * (y1 - y0))
        for k in range(201)
        if 1e-6 < x0 + k / 200 * (x1 - x0) < 59.0 - 1e-6 and 1e-6 < y0 + k / 200 * (y1 - y0) < 47.0 - 1e-6
    ]
    if inside:
        assert found is not None
        left, right = sorted((found[0], found[2]))
        assert all(left - 1e-6 <= x <= right + 1e-6 for x, _ in inside)
