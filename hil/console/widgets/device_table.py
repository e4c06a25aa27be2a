"""A table of devices whose cells a screen writes: words at the left, numbers at the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.message import Message
from textual.widgets import DataTable

from hil.console.widgets.selected_key import selected_key

LEFT, RIGHT = "left", "right"


class DeviceTable(DataTable[Text]):
    """Rows by name; a cell is drawn only when it changed; the cursor stays on its row when it is filled anew.

    Parameters
    ----------
    columns : sequence of (head, width, side)
        ``LEFT`` or ``RIGHT``; the first column is that of the names.
    """

    BINDINGS: ClassVar[list[Any]] = [
        Binding("home", "scroll_top", "First", show=False),
        Binding("end", "scroll_bottom", "Last", show=False),
    ]

    class Scrolled(Message):
        """Other rows are in view."""

    def __init__(self, columns: Sequence[tuple[str, int, str]], *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row")
        self._columns = columns
        self._drawn: dict[tuple[str, int], Text] = {}

    def fill(
        self,
        names: Sequence[tuple[str, str]],
        columns: Sequence[tuple[str, int, str]] | None = None,
    ) -> None:
        """Make rows of (key, name) anew."""
        before = self.selected
        self.clear(columns=True)
        self._drawn.clear()
        self._columns = columns or self._columns
        for k, (head, width, side) in enumerate(self._columns):
            self.add_column(_aligned(Text(head), side), key=str(k), width=width)
        for key, name in names:
            self.add_row(Text(name, no_wrap=True), *(Text() for _ in self._columns[1:]), key=key)
        keys = [key for key, _ in names]
        if before in keys:
            self.move_cursor(row=keys.index(before))
        self.call_after_refresh(self.refresh, layout=True)  # its height follows its rows one refresh late

    def write(self, row: str, column: int, text: Text) -> None:
        """Set one cell, if it changed."""
        before = self._drawn.get((row, column))
        if before is not None and before.plain == text.plain and before.markup == text.markup:
            return
        self._drawn[row, column] = text
        self.update_cell(row, str(column), _aligned(text.copy(), self._columns[column][2]))

    def rows_in_view(self) -> tuple[str, ...]:
        """Return the keys of the rows that its window shows."""
        first = int(self.scroll_y)
        keys = [row.key.value for row in self.ordered_rows[first : first + max(self.size.height, 1)]]
        return tuple(key for key in keys if key is not None)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say that other rows are in view."""
        super().watch_scroll_y(old_value, new_value)
        if int(old_value) != int(new_value):
            self.post_message(self.Scrolled())

    @property
    def selected(self) -> str | None:
        """Key of the row under the cursor."""
        return selected_key(self)


def _aligned(text: Text, side: str) -> Text:
    text.justify = "right" if side == RIGHT else "left"
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
