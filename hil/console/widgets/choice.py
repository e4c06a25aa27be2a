"""One of several names in a line, chosen by keys or the mouse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import Static


class Choice(Static):
    """A line of names, one of them chosen.

    Attributes
    ----------
    chosen : int
        Its number, -1 where there are none.
    """

    DEFAULT_CSS: ClassVar[str] = "Choice { height: 1; padding: 0 1; text-wrap: nowrap; }"

    class Picked(Message):
        """Another one was chosen."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._names: list[str] = []
        self.chosen = -1

    def fill(self, names: Sequence[str]) -> None:
        """Offer names; the one that was chosen stays where it is among them."""
        before = self._names[self.chosen] if 0 <= self.chosen < len(self._names) else ""
        self._names = list(names)
        self.chosen = self._names.index(before) if before in self._names else 0 if self._names else -1
        self._draw()

    def choose(self, number: int) -> None:
        """Choose by number, around the ends."""
        if self._names and number % len(self._names) != self.chosen:
            self.chosen = number % len(self._names)
            self._draw()
            self.post_message(self.Picked())

    def _draw(self) -> None:
        text = Text(no_wrap=True)
        for k, name in enumerate(self._names):
            text.append(f"[{name}]" if k == self.chosen else f" {name} ", "bold reverse" * (k == self.chosen))
            text.append(" ")
        self.update(text)

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked."""
        at = 1
        for k, name in enumerate(self._names):
            if at <= event.x < at + len(name) + 2:
                self.choose(k)
            at += len(name) + 3
