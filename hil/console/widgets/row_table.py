"""A table of rows that come and go: cells that changed are drawn, the cursor stays where it is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import DataTable

Row = Sequence[Text]


class RowTable(DataTable[Text]):
    """A DataTable that is given all its rows each time and draws the difference."""

    def __init__(self, *, id: str | None = None, is_selectable: bool = True) -> None:
        super().__init__(id=id, cursor_type="row" if is_selectable else "none")
        self.can_focus = is_selectable
        self._rows_shown: list[list[Text]] = []

    def lay_out(self, heads: Sequence[str], widths: Sequence[int | None] | None = None) -> None:
        """Make the columns; there are no rows then."""
        self.clear(columns=True)
        self._rows_shown.clear()
        for k, head in enumerate(heads):
            self.add_column(head, key=str(k), width=widths[k] if widths else None)

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows."""
        shown = self._rows_shown
        while len(shown) > len(rows):
            self.remove_row(str(len(shown) - 1))
            shown.pop()
        for at, row in enumerate(rows):
            if at == len(shown):
                self.add_row(*row, key=str(at))
                shown.append(list(row))
                continue
            for k, cell in enumerate(row):
                old = shown[at][k]
                if old.plain != cell.plain or old.style != cell.style:
                    shown[at][k] = cell
                    self.update_cell(str(at), str(k), cell, update_width=cell.cell_len > old.cell_len)

    @property
    def at(self) -> int | None:
        """Number of the row under the cursor, None where there is none."""
        return self.cursor_row if self._rows_shown else None


def left(text: str, style: str = "") -> Text:
    """Return a cell of words."""
    return Text(text, style)


def right(text: str, style: str = "") -> Text:
    """Return a cell of a figure."""
    return Text(text, style, justify="right")
