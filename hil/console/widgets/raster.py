"""Lines on a grid of characters: braille dots, two wide and four high in a cell, or ASCII characters.

A *stroke* is what a line does to the cells it crosses: ``(cell, ink)``, cells numbered row by row. Ink is a
mask of braille dots, or the code of a character.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator

Stroke = tuple[tuple[int, int], ...]
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
BRAILLE = 0x2800
SOLID, DASHED, DOTTED = "1", "11110000", "1000"
"""Patterns of lines: dots that are drawn, again and again."""
ASCII_PATTERNS = {SOLID: "1", DASHED: "110", DOTTED: "1"}


@dc.dataclass(frozen=True, slots=True)
class Grid:
    """A grid of characters.

    Attributes
    ----------
    columns, rows : int
    is_ascii : bool
        One dot a cell, which is twice as high as wide; else braille, whose dots are as far apart both ways.
    """

    columns: int
    rows: int
    is_ascii: bool

    @property
    def width(self) -> int:
        """Dots across."""
        return self.columns if self.is_ascii else 2 * self.columns

    @property
    def height(self) -> int:
        """Dots down."""
        return self.rows if self.is_ascii else 4 * self.rows

    @property
    def squeeze(self) -> float:
        """Dots down for one dot across, over the same distance."""
        return 0.5 if self.is_ascii else 1.0

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """Return column and row of a dot, which may lie outside."""
        return (int(x // 1), int(y // 1)) if self.is_ascii else (int(x // 2), int(y // 4))

    def has(self, column: int, row: int) -> bool:
        """Tell whether a cell is on the grid."""
        return 0 <= column < self.columns and 0 <= row < self.rows

    def stroke(self, x0: float, y0: float, x1: float, y1: float, pattern: str = SOLID) -> Stroke:
        """Return what a line does, clipped to the grid."""
        ends = clipped(x0, y0, x1, y1, self.width - 1.0, self.height - 1.0)
        if ends is None:
            return ()
        a, b, c, d = (round(v) for v in ends)
        return self._ascii(a, b, c, d, pattern) if self.is_ascii else self._braille(a, b, c, d, pattern)

    def _braille(self, x0: int, y0: int, x1: int, y1: int, pattern: str) -> Stroke:
        cells: dict[int, int] = {}
        columns, period = self.columns, len(pattern)
        for k, (x, y) in enumerate(_walk(x0, y0, x1, y1)):
            if pattern[k % period] == "1":
                at = (y >> 2) * columns + (x >> 1)
                cells[at] = cells.get(at, 0) | DOTS[x & 1][y & 3]
        return tuple(cells.items())

    def _ascii(self, x0: int, y0: int, x1: int, y1: int, pattern: str) -> Stroke:
        dx, dy = abs(x1 - x0), 2 * abs(y1 - y0)
        ink = "." if pattern == DOTTED else _slope(dx, dy, (x1 - x0) * (y1 - y0) > 0)
        drawn = ASCII_PATTERNS[pattern]
        period = len(drawn)
        return tuple(
            (y * self.columns + x, ord(ink))
            for k, (x, y) in enumerate(_walk(x0, y0, x1, y1))
            if drawn[k % period] == "1"
        )


def _slope(dx: int, dy: int, is_falling: bool) -> str:
    if dx >= 3 * dy:
        return "-"
    if dy >= 3 * dx:
        return "|"
    return "\\" if is_falling else "/"


def _walk(x0: int, y0: int, x1: int, y1: int) -> Iterator[tuple[int, int]]:
    """Yield the dots of a line, ends included (Bresenham)."""
    dx, dy = abs(x1 - x0), -abs(y1 - y0)
    step_x, step_y = (1 if x1 > x0 else -1), (1 if y1 > y0 else -1)
    error = dx + dy
    while True:
        yield x0, y0
        if x0 == x1 and y0 == y1:
            return
        twice = 2 * error
        if twice >= dy:
            error += dy
            x0 += step_x
        if twice <= dx:
            error += dx
            y0 += step_y


def clipped(
    x0: float, y0: float, x1: float, y1: float, right: float, bottom: float
) -> tuple[float, float, float, float] | None:
    """Return the part of a line within 0..right, 0..bottom, None for none (Liang and Barsky)."""
    dx, dy = x1 - x0, y1 - y0
    enter, leave = 0.0, 1.0
    for step, room in ((-dx, x0), (dx, right - x0), (-dy, y0), (dy, bottom - y0)):
        if step == 0.0:
            if room < 0.0:
                return None
            continue
        at = room / step
        if step < 0.0:
            enter = max(enter, at)
        else:
            leave = min(leave, at)
        if enter > leave:
            return None
    return x0 + enter * dx, y0 + enter * dy, x0 + leave * dx, y0 + leave * dy
