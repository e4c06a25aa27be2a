"""A phasor diagram: voltages and currents of three phases against the voltage of phase a."""

from __future__ import annotations

import cmath
import dataclasses as dc
import itertools
import math
from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from hil.console.looks import Palette
from hil.console.widgets.canvas import Canvas
from hil.console.widgets.raster import DOTTED, SOLID, Grid
from hil.view.reading import fixed
from hil.view.sequence import angle_deg

LIST = 19
"""Columns of the list of magnitudes and angles."""
LEAST_DIAGRAM = 11
CURRENT_SHARE = 0.62
"""Radius of the largest current over that of the largest voltage."""
LEAST_SIZE = 0.05
"""What is shown as 0.0 has no angle."""
SIDES = 48


@dc.dataclass(frozen=True, slots=True)
class Arrow:
    """One phasor; ``value`` None where it is not known."""

    label: str
    value: complex | None
    phase: int
    is_current: bool


class Phasors(Widget):
    """The diagram, with a list of magnitudes and angles beside it."""

    DEFAULT_CSS: ClassVar[str] = "Phasors { width: 1fr; height: 1fr; min-height: 6; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._strips: list[Strip] = []
        self._wanted: tuple[tuple[Arrow, ...], Palette, bool, bool, str] | None = None

    def show(
        self, arrows: Sequence[Arrow], palette: Palette, *, is_ascii: bool, is_stale: bool, words: str = ""
    ) -> None:
        """Draw it, if it changed; ``words`` instead of it where there is nothing to draw."""
        wanted = (tuple(arrows), palette, is_ascii, is_stale, words)
        if wanted != self._wanted:
            self._wanted = wanted
            self._redraw()

    def on_resize(self) -> None:
        """Draw it in another size."""
        self._redraw()

    def _redraw(self) -> None:
        width, height = self.content_size
        if self._wanted is None or width < 1 or height < 1:
            return
        arrows, palette, is_ascii, is_stale, words = self._wanted
        canvas = Canvas(Grid(width, height, is_ascii))
        if words:
            for k, line in enumerate(_folded(words, width)):
                canvas.put(0, k, line, "dim")
        else:
            self._draw(canvas, arrows, palette, is_stale=is_stale)
        self._strips = canvas.strips(self.rich_style)
        self.refresh()

    def _draw(self, canvas: Canvas, arrows: Sequence[Arrow], palette: Palette, *, is_stale: bool) -> None:
        width, height = canvas.grid.columns, canvas.grid.rows
        room = width - LIST
        if room >= LEAST_DIAGRAM:
            _diagram(canvas, min(room - 1, 2 * height), height, arrows, palette, is_stale=is_stale)
        begin = min(room, 2 * height) + 1 if room >= LEAST_DIAGRAM else 0
        canvas.put(begin, 0, "      size     deg", "bold")
        for row, arrow in enumerate(arrows, 1):
            text = _listed(arrow)
            canvas.put(begin, row, text, "dim italic" if is_stale else palette.phase[arrow.phase])

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.content_size.width, Style())


def _listed(arrow: Arrow) -> str:
    """Return a phasor in words; one of no size has no angle."""
    if arrow.value is None:
        return f"{arrow.label} {'-':>8} {'-':>6}"
    unit = "A" if arrow.is_current else "V"
    angle = fixed(angle_deg(arrow.value), 1) if abs(arrow.value) > LEAST_SIZE else "-"
    return f"{arrow.label} {abs(arrow.value):7.1f}{unit} {angle:>6}"


def _diagram(
    canvas: Canvas, columns: int, rows: int, arrows: Sequence[Arrow], palette: Palette, *, is_stale: bool
) -> None:
    """Draw circle and arrows into the left of a canvas."""
    grid = canvas.grid
    across = columns * grid.width / grid.columns
    x0, y0 = across / 2.0, grid.height / 2.0
    radius = min(across / 2.0, grid.height / 2.0 / grid.squeeze) * 0.84
    ring = [cmath.rect(radius, math.tau * k / SIDES) for k in range(SIDES + 1)]
    for a, b in itertools.pairwise(ring):
        line = (x0 + a.real, y0 - a.imag * grid.squeeze, x0 + b.real, y0 - b.imag * grid.squeeze)
        canvas.draw(grid.stroke(*line, DOTTED), palette.dead)
    most = {
        kind: max((abs(a.value) for a in arrows if a.value is not None and a.is_current is kind), default=0.0)
        for kind in (False, True)
    }
    for arrow in arrows:
        if arrow.value is None or most[arrow.is_current] <= 0.0 or abs(arrow.value) <= LEAST_SIZE:
            continue
        share = CURRENT_SHARE if arrow.is_current else 1.0
        tip = arrow.value / most[arrow.is_current] * radius * share
        style = "dim italic" if is_stale else palette.phase[arrow.phase]
        x, y = x0 + tip.real, y0 - tip.imag * grid.squeeze
        canvas.draw(grid.stroke(x0, y0, x, y, SOLID), style)
        out = tip / abs(tip) * (abs(tip) + 0.14 * radius)
        column, row = grid.cell(x0 + out.real, y0 - out.imag * grid.squeeze)
        canvas.put(
            min(max(column - 1, 0), columns - 2), min(max(row, 0), rows - 1), arrow.label, f"bold {style}"
        )


def _folded(words: str, width: int) -> list[str]:
    lines, line = [], ""
    for word in words.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]
