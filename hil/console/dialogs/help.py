"""Help: what a screen shows and which keys it has, then the keys that every screen has."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Markdown, Static

from hil.console.dialogs.dialog import Dialog

EVERYWHERE = """
## Keys everywhere

| key | does |
| --- | --- |
| 1 to 9, 0, b | go to a screen |
| Ctrl+P | every screen, `operate DEVICE`, `trend TAG`, by a few letters |
| o, Enter | operate the selected device |
| t | trend of the selected point |
| F1, ? | this help |
| F2 | log in, log out |
| F3 | dark or light |
| Escape | close a dialog, leave a field |
| Ctrl+Q | leave the console; the station goes on |

## How to read it

A value with **?** behind it is not sure: it is stale, or the station says that it is uncertain. A dash is no
value. While the link is not live, nothing on the screen holds: the bar says so, and values are dim.
"""


class HelpDialog(Dialog[None]):
    """Scrolls."""

    BINDINGS = [("f1,question_mark,q", "close", "Close")]
    DEFAULT_CSS: ClassVar[str] = """
    HelpDialog .dialog { width: 84; height: 90%; }
    HelpDialog #help-text { height: 1fr; }
    HelpDialog Markdown, HelpDialog Static { height: auto; margin: 0; }
    """

    def __init__(self, title: str, text: str) -> None:
        super().__init__(f"Help: {title}")
        self._text = f"{text.strip()}\n{EVERYWHERE}"

    def content(self) -> ComposeResult:
        """Markdown; plain where the terminal has no Unicode."""
        with VerticalScroll(id="help-text"):
            if self.console.is_ascii:
                yield Static(self._text, markup=False)
            else:
                yield Markdown(self._text)

    def on_mount(self) -> None:
        """Let the keys scroll it."""
        self.query_one("#help-text").focus()
