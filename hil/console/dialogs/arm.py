"""The laboratory's safety lock: faults and attacks are taken only while it is open, for 30 s or so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Input, Static

from hil.console.dialogs.dialog import Dialog, verdict_style
from hil.view import devices
from hil.view.model import StationModel
from hil.view.station_view import Outcome

DEVICE = "LAB.ARM"
ARM, DISARM, ARMED, LEFT = (f"{DEVICE}.{name}" for name in ("ARM", "DISARM", "ARMED", "TIME_LEFT_S"))
WORD = "ARM"
WHY = (
    "Arming opens a short window in which this station takes faults and attacks. The first fault that is "
    "applied uses it up. Whatever masters are connected will see what follows as real."
)


class ArmDialog(Dialog[None]):
    """Explains, asks for a typed word, shows the time left."""

    DEFAULT_CSS: ClassVar[str] = """
    ArmDialog Static { height: auto; margin-bottom: 1; }
    ArmDialog Horizontal { height: auto; margin-top: 1; }
    ArmDialog Button { margin-right: 2; min-width: 12; }
    """

    def __init__(self) -> None:
        super().__init__("Arm the laboratory")

    def content(self) -> ComposeResult:
        """Explanation, state, word, buttons, verdict."""
        yield Static(WHY)
        yield Static(id="arm-state")
        yield Input(id="word", compact=True, placeholder=f"type {WORD} and press Enter")
        with Horizontal():
            yield Button("Disarm", id="disarm", compact=True)
            yield Button("Close", id="close", compact=True)
        yield Static(id="arm-words")

    def tags(self, model: StationModel) -> Iterable[str]:
        """The lock."""
        return [ARMED, LEFT]

    def on_mount(self) -> None:
        """Begin with the word."""
        self.query_one("#word").focus()

    def refresh_values(self) -> None:
        """Show the lock."""
        self.query_one("#arm-state", Static).update(self._state())

    def _state(self) -> Text:
        view, model = self.view, self.view.model
        point = None if model is None else model.points.get(ARM)
        if point is None:
            return Text("This station has no laboratory: it takes no faults.", self.palette.warn)
        if view.reading(ARMED).is_on:
            left_s = view.number(LEFT)
            left = "" if left_s is None else f", {left_s:.0f} s left"
            return Text(f"ARMED{left}", f"bold reverse {self.palette.warn}")
        if not devices.is_allowed(view.role, point):
            words = f"Not armed. Arming needs the role {point.role}; you are {view.user} ({view.role})."
            return Text(words, self.palette.warn)
        return Text("Not armed." if view.link.is_live else "No live link.", "bold")

    @on(Input.Submitted, "#word")
    def _entered(self, event: Input.Submitted) -> None:
        if event.value.strip() != WORD:
            self.query_one("#arm-words", Static).update(f"type {WORD}, in capitals; nothing was sent")
            return
        event.input.value = ""
        self._start(ARM)

    @on(Button.Pressed, "#disarm")
    def _disarm(self) -> None:
        self._start(DISARM)

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.action_close()

    def _start(self, tag: str) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            words = Text("sent, waiting for the verdict", "dim")
            self.query_one("#arm-words", Static).update(words)
            self.run_worker(self._send(tag), exclusive=True, group="arm")

    async def _send(self, tag: str) -> None:
        try:
            outcome = await self.view.command(tag)
        finally:
            self._is_waiting = False
        self.query_one("#arm-words", Static).update(verdict_text(outcome, self, tag))
        if tag == ARM and outcome.is_done:
            self.query_one("#close").focus()  # Enter goes on; letters are no words for the field any more


def verdict_text(outcome: Outcome, dialog: Dialog[None], what: str) -> Text:
    """Return a verdict in one or two lines."""
    style = verdict_style(outcome, dialog.palette)
    return Text.assemble((f" {outcome.verdict.value.upper()} ", style), f"  {what}: {outcome.text}")
