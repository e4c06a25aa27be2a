"""A titled block of lines: names at the left, values beside them; drawn again only when something changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

NAME_WIDTH = 12
Part = str | Text | tuple[str, str]


def fact(name: str, *parts: Part, width: int = NAME_WIDTH) -> Text:
    """Return one line: a dim name of a fixed width, then its values."""
    return Text.assemble((f"{name:<{width}} ", "dim"), *parts, no_wrap=True, overflow="ellipsis")


class Facts(Static):
    """Lines in a box with a title."""

    DEFAULT_CSS = "Facts { text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="box")
        self.border_title = title
        self._shown = Text()

    def show(self, lines: Sequence[Text], title: str | None = None) -> None:
        """Draw lines, if they changed."""
        if title is not None and title != self.border_title:
            self.border_title = title
        text = Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
        if text != self._shown or text.markup != self._shown.markup:
            self._shown = text
            self.update(text)
