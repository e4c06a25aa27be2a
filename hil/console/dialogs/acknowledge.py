"""Acknowledge alarms, with a comment where one is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
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
        Those that were listed when this was asked for: none that comes meanwhile is acknowledged unseen.
    """

    DEFAULT_CSS: ClassVar[str] = """
    AcknowledgeDialog Static { height: auto; }
    AcknowledgeDialog Horizontal { height: auto; margin-top: 1; }
    AcknowledgeDialog Button { margin-right: 2; min-width: 14; }
    """

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__("Acknowledge")
        self._tags = tuple(tags)

    def content(self) -> ComposeResult:
        """Which, comment, buttons, verdict."""
        shown = ", ".join(self._tags[:SHOWN]) + (" ..." if len(self._tags) > SHOWN else "")
        count = f"{len(self._tags)} alarms: " if len(self._tags) > 1 else ""
        yield Static(f"Acknowledge {count}{shown}\n", markup=False)
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
        if not self._is_waiting:
            self._is_waiting = True
            self.query_one("#ack-words", Static).update(Text("sent, waiting for the verdict", "dim"))
            comment = self.query_one("#comment", Input).value.strip()
            self.run_worker(self._send(comment), exclusive=True, group="acknowledge")

    @on(Button.Pressed, "#no")
    def _cancelled(self) -> None:
        self.action_close()

    async def _send(self, comment: str) -> None:
        try:
            outcome = await self.view.acknowledge(self._tags, comment)
        finally:
            self._is_waiting = False
        if outcome.is_done:
            self.app.notify(outcome.text, title="Alarms")
            self.leave()
        else:
            self.query_one("#ack-words", Static).update(verdict_text(outcome, self, "acknowledge"))
