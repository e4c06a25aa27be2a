"""A table of points: rows of things, columns of their points; only cells that changed are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.widgets import DataTable

from hil.console.looks import Palette, style_of
from hil.console.widgets.selected_key import selected_key
from hil.view.model import StationModel
from hil.view.reading import text_of
from hil.view.station_view import StationView

Cell = str | Text


class ValueTable(DataTable[Cell]):
    """A DataTable whose cells are the newest values of tags.

    Fill it with ``lay_out``, draw it with ``draw``. A cell without a tag stays as it is; ``put`` sets one.
    """

    def __init__(self, *, id: str | None = None, is_selectable: bool = True) -> None:
        super().__init__(id=id, cursor_type="row" if is_selectable else "none", zebra_stripes=False)
        self._tags: dict[tuple[str, str], str] = {}
        self._drawn: dict[tuple[str, str], tuple[str, str]] = {}

    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag of the table."""
        return tuple(dict.fromkeys(self._tags.values()))

    def lay_out(
        self,
        heads: Sequence[str],
        rows: Sequence[tuple[str, Sequence[str]]],
        widths: Sequence[int | None] | None = None,
    ) -> None:
        """Make the table anew.

        Parameters
        ----------
        heads : sequence of str
            Heads of the columns; the first is that of the rows' names.
        rows : sequence of (name, tags)
            A tag, or ``""`` for an empty cell, for each column but the first.
        """
        self.clear(columns=True)
        self._tags.clear()
        self._drawn.clear()
        for k, head in enumerate(heads):
            self.add_column(head, key=str(k), width=widths[k] if widths else None)
        for name, tags in rows:
            self.add_row(name, *("" for _ in tags), key=name)
            for k, tag in enumerate(tags, 1):
                if tag:
                    self._tags[name, str(k)] = tag

    def put(self, row: str, column: int, text: str, style: str = "") -> None:
        """Set one cell, if it changed."""
        key = (row, str(column))
        if self._drawn.get(key) == (text, style):
            return
        self._drawn[key] = (text, style)
        self.update_cell(row, str(column), Text(text, style, justify="right"), update_width=True)

    def draw(
        self,
        view: StationView,
        palette: Palette,
        extra: Callable[[str, str], str | None] = lambda _tag, _text: None,
    ) -> None:
        """Draw what changed; ``extra`` may give a style of its own to a good value."""
        model: StationModel | None = view.model
        for (row, column), tag in self._tags.items():
            reading = view.reading(tag)
            text = text_of(model.points.get(tag) if model else None, reading)
            style = style_of(reading, palette)
            self.put(row, int(column), text, style or extra(tag, text) or "")

    @property
    def selected(self) -> str | None:
        """Name of the row under the cursor."""
        return selected_key(self)
