"""A plot of lines over time or place, in the theme's colours, drawn at 0.5 Hz by its page."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

from rich.text import Text
from textual_plotext import PlotextPlot

from hil.console.looks import Palette


@dc.dataclass(frozen=True, slots=True)
class Series:
    """One line or cloud of points."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    """``#RRGGBB``."""
    is_points: bool = False
    marker: str = ""
    """A character to draw with; empty: the finest that the terminal has."""


ASCII_FRAME = str.maketrans("─│┌┐└┘┤├┬┴┼", "-|+++++++++")


class Plot(PlotextPlot):
    """Lines, and limits across."""

    _is_ascii = False

    def render(self) -> Text:
        """Return the drawing; on a terminal without Unicode its frame is of ASCII, too."""
        drawn = super().render()
        if not isinstance(drawn, Text):
            return Text(str(drawn))
        if self._is_ascii:
            plain = Text(drawn.plain.translate(ASCII_FRAME))
            plain.spans = drawn.spans
            return plain
        return drawn

    def show(
        self,
        palette: Palette,
        series: Sequence[Series],
        *,
        title: str = "",
        x_label: str = "",
        y_label: str = "",
        limits: Sequence[tuple[str, float]] = (),
        marks: Sequence[float] = (),
        x_range: tuple[float, float] | None = None,
        y_range: tuple[float, float] | None = None,
        x_ticks: Sequence[tuple[float, str]] = (),
        y_ticks: Sequence[tuple[float, str]] = (),
        is_ascii: bool = False,
    ) -> None:
        """Draw it anew."""
        self._is_ascii = is_ascii
        plt = self.plt
        plt.clear_data()
        plt.clear_figure()
        for s in series:
            if len(s.x):
                draw = plt.scatter if s.is_points else plt.plot
                draw(
                    list(s.x),
                    list(s.y),
                    color=_rgb(s.colour),
                    marker=s.marker or ("braille" if not is_ascii else "." if s.is_points else "*"),
                    label=s.label or None,
                )
        for _, at in limits:
            plt.hline(at, _rgb(palette.bad))
        for at in marks:
            plt.vline(at, _rgb(palette.dead))
        if x_range is not None:
            plt.xlim(*x_range)
        if y_range is not None:
            plt.ylim(*y_range)
        if x_ticks:
            plt.xticks([at for at, _ in x_ticks], [text for _, text in x_ticks])
        if y_ticks:
            plt.yticks([at for at, _ in y_ticks], [text for _, text in y_ticks])
        plt.title(title)
        plt.xlabel(x_label)
        plt.ylabel(y_label)
        self.refresh()


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
