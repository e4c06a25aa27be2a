"""A list of very many lines, of which only those in view are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip


class LineList(ScrollView, can_focus=True):
    """Lines with a cursor.

    Attributes
    ----------
    cursor : int
        Line under the cursor; 0 is the first one.
    """

    BINDINGS = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move_page(-1)", show=False),
        Binding("pagedown", "move_page(1)", show=False),
        Binding("home", "first", show=False),
        Binding("end", "last", show=False),
    ]
    DEFAULT_CSS: ClassVar[str] = """
    LineList { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    class Moved(Message):
        """The cursor moved, or the end came into view."""

        def __init__(self, cursor: int, is_at_end: bool) -> None:
            super().__init__()
            self.cursor, self.is_at_end = cursor, is_at_end

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self._n = 0
        self._line: Callable[[int], Text] = lambda _: Text()

    def show(self, n: int, line: Callable[[int], Text], cursor: int | None = None) -> None:
        """Show ``n`` lines; ``line`` gives one of them when it comes into view."""
        self._n, self._line = n, line
        if cursor is not None:
            self.cursor = cursor
        self.cursor = max(0, min(self.cursor, n - 1))
        self.virtual_size = Size(self.size.width, n)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the view."""
        width = self.size.width
        index = y + self.scroll_offset.y
        if index >= self._n:
            return Strip.blank(width, self.rich_style)
        text = self._line(index)
        text.no_wrap = True
        text.truncate(width, overflow="crop", pad=True)
        if index == self.cursor:
            text.stylize("reverse" if self.has_focus else "underline")
        return Strip(text.render(self.app.console), width).apply_style(self.rich_style)

    def move_to(self, index: int) -> None:
        """Put the cursor on a line and bring it into view."""
        if not self._n:
            return
        self.cursor = max(0, min(index, self._n - 1))
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False)
        self.refresh()
        self.post_message(self.Moved(self.cursor, self.cursor >= self._n - 1))

    def action_move(self, by: int) -> None:
        """Move by lines."""
        self.move_to(self.cursor + by)

    def action_move_page(self, by: int) -> None:
        """Move by pages."""
        self.move_to(self.cursor + by * max(1, self.size.height - 1))

    def action_first(self) -> None:
        """Go to the first line."""
        self.move_to(0)

    def action_last(self) -> None:
        """Go to the last line."""
        self.move_to(self._n - 1)

    def on_click(self, event: events.Click) -> None:
        """Select by mouse."""
        self.move_to(event.y + self.scroll_offset.y)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell that the end came into view."""
        super().watch_scroll_y(old_value, new_value)
        if new_value + self.size.height >= self._n > 0:
            self.post_message(self.Moved(self.cursor, True))
