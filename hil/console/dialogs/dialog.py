"""A dialog over a screen: shows some points live while it is open, closes on escape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from hil.console.in_console import InConsole
from hil.console.looks import Palette
from hil.view.model import StationModel
from hil.view.station_view import Outcome, Verdict

VALUES_S = 0.5
BOUNCE_S = 0.7
"""A key that is held down repeats itself sooner than this [s], the first time, too: see ``is_bouncing``."""
T = TypeVar("T")


class Dialog(ModalScreen[T], InConsole):
    """Base of all dialogs.

    Parameters
    ----------
    title : str
        Stands in the border.
    clock_s : callable
        Monotonic time [s].
    """

    BINDINGS = [Binding("escape", "close", "Close")]

    def __init__(self, title: str, clock_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.title_text, self.clock_s = title, clock_s
        self._is_waiting = self._is_over = False

    # ---- for dialogs

    def content(self) -> ComposeResult:
        """Yield the dialog's widgets."""
        yield from ()

    def tags(self, model: StationModel) -> Iterable[str]:
        """Return the points that it shows now."""
        return ()

    def refresh_values(self) -> None:
        """Draw what changed."""

    def show_tags(self) -> None:
        """Subscribe to what ``tags`` says now."""
        model = self.view.model
        self.view.show(self._owner, () if model is None else self.tags(model))

    # ---- how it works

    @property
    def _owner(self) -> str:
        return f"dialog {self.title_text}"

    def compose(self) -> ComposeResult:
        """One box."""
        with VerticalScroll(classes="dialog", can_focus=False) as box:
            box.border_title = self.title_text
            yield from self.content()

    def on_mount(self) -> None:
        """Begin to draw."""
        self.show_tags()
        self.set_interval(VALUES_S, self.refresh_values)
        self.refresh_values()

    def on_unmount(self) -> None:
        """Nothing of it is visible any more."""
        self.view.show(self._owner, ())

    def action_close(self) -> None:
        """Leave without doing anything; wait for a verdict that is due."""
        if self._is_waiting:
            self.say_wait()
        else:
            self.leave()

    def say_wait(self) -> None:
        """Say that a verdict is due."""
        self.app.notify("wait: the verdict is due within 5 s", severity="warning")

    def leave(self) -> None:
        """Go away; from under another screen once that has gone, which is not the one to be removed."""
        if self.app.screen is self:  # one that shines through from below is "current", too
            self.dismiss(None)
        else:
            self._is_over = True

    def on_screen_resume(self) -> None:
        """Go, where that was due."""
        if self._is_over:
            self.dismiss(None)


def verdict_style(outcome: Outcome, palette: Palette) -> str:
    """Return the style of a verdict; the unknown one is like no other."""
    colour = {Verdict.DONE: palette.good, Verdict.REFUSED: palette.warn, Verdict.UNKNOWN: palette.bad}
    extra = "bold reverse" if outcome.verdict is Verdict.UNKNOWN else "bold"
    return f"{extra} {colour[outcome.verdict]}"
