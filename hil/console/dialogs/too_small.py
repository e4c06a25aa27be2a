"""What is shown on a terminal that is too small for anything else."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Static

LEAST_COLUMNS, LEAST_LINES = 80, 24


class TooSmall(ModalScreen[None]):
    """Goes away by itself once the terminal is large enough."""

    def compose(self) -> ComposeResult:
        """One line."""
        yield Static(id="too-small")

    def on_mount(self) -> None:
        """Say it."""
        self.refresh_size()

    def refresh_size(self) -> None:
        """Say how large the terminal is."""
        width, height = self.app.size
        self.query_one("#too-small", Static).update(
            f"terminal is {width}x{height}, the console needs {LEAST_COLUMNS}x{LEAST_LINES}"
        )
