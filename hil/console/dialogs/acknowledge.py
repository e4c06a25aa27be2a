"""Acknowledge alarms, with a comment where one is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Input, Static

from hil.console.dialogs.arm import verdict_text
from hil.console.dialogs.dialog import Dialog

SHOWN = 4


class AcknowledgeDialog(Dialog[None]):
    """Which alarms, the comment, what came of it.

    Parameters
    ----------
    tags : sequence of str
        None: all.
    """

    DEFAULT_CSS: ClassVar[str] = """
    AcknowledgeDialog Static { height: auto; }
    AcknowledgeDialog Horizontal { height: auto; margin-top: 1; }
    AcknowledgeDialog Button { margin-right: 2; min-width: 14; }
    """

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__("Acknowledge")
        self._tags = tuple(tags)
        self._is_busy = False

    def content(self) -> ComposeResult:
        """Which, comment, buttons, verdict."""
        shown = ", ".join(self._tags[:SHOWN]) + (" ..." if len(self._tags) > SHOWN else "")
        yield Static(f"Acknowledge {shown or 'all alarms'}\n", markup=False)
        yield Input(id="comment", compact=True, placeholder="comment, may stay empty", max_length=256)
        with Horizontal():
            yield Button("Acknowledge", id="yes", variant="primary", compact=True)
            yield Button("Cancel", id="no", compact=True)
        yield Static(id="ack-words")

    def on_mount(self) -> None:
        """Begin with the comment; Enter acknowledges."""
        self.query_one("#comment").focus()

    @on(Input.Submitted, "#comment")
    @on(Button.Pressed, "#yes")
    def _wanted(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            comment = self.query_one("#comment", Input).value.strip()
            self.run_worker(self._send(comment), exclusive=True, group="acknowledge")

    @on(Button.Pressed, "#no")
    def _cancelled(self) -> None:
        self.dismiss(None)

    async def _send(self, comment: str) -> None:
        try:
            outcome = await self.view.acknowledge(self._tags, comment)
        finally:
            self._is_busy = False
        if outcome.is_done:
            self.app.notify(outcome.text, title="Alarms")
            self.dismiss(None)
        else:
            self.query_one("#ack-words", Static).update(verdict_text(outcome, self, "acknowledge"))
