"""Log in as another user, or go back to observing."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Button, Input, Static

from hil.console.dialogs.dialog import Dialog, verdict_style


class NameInput(Input):
    """A user's name. Enter and Tab go on at once, before the next key is looked at: it is the password's."""

    BINDINGS: ClassVar[list[Any]] = [Binding("enter,tab", "go_on", show=False, priority=True)]

    def action_go_on(self) -> None:
        """Go to the password."""
        self.screen.set_focus(self.screen.query_one("#password"))


class LoginDialog(Dialog[None]):
    """User, password, what came of it."""

    DEFAULT_CSS: ClassVar[str] = """
    LoginDialog Horizontal { height: auto; margin-top: 1; }
    LoginDialog Button { margin-right: 2; min-width: 12; }
    LoginDialog Static { height: auto; }
    """

    def __init__(self) -> None:
        super().__init__("Log in")
        self._is_busy = False

    def content(self) -> ComposeResult:
        """Two fields, three buttons, a line of words."""
        yield Static(id="who")
        yield Static("User")
        yield NameInput(id="user", compact=True, placeholder="name")
        yield Static("Password")
        yield Input(id="password", compact=True, password=True)
        with Horizontal():
            yield Button("Log in", id="login", variant="primary", compact=True)
            yield Button("Log out", id="logout", compact=True)
            yield Button("Cancel", id="cancel", compact=True)
        yield Static(id="words")

    def on_mount(self) -> None:
        """Begin with the name."""
        self.query_one("#user").focus()

    def refresh_values(self) -> None:
        """Say who is logged in now."""
        view = self.view
        self.query_one("#who", Static).update(Text(f"now: {view.user}, role {view.role}\n"))

    @on(Input.Submitted, "#password")
    @on(Button.Pressed, "#login")
    def _wanted(self) -> None:
        user = self.query_one("#user", Input).value.strip()
        if user:
            self._try(user, self.query_one("#password", Input).value)
        else:
            self.query_one("#words", Static).update("name a user; Log out goes back to observing")

    @on(Button.Pressed, "#logout")
    def _out(self) -> None:
        self._try("", "")

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self.action_close()

    def _try(self, user: str, password: str) -> None:
        if self._is_busy:
            return
        self._is_busy = True
        self.query_one("#words", Static).update(Text("asking the station ...", "dim"))
        self.run_worker(self._login(user, password), exclusive=True, group="login")

    async def _login(self, user: str, password: str) -> None:
        try:
            outcome = await self.view.login(user, password)
        finally:
            self._is_busy = False
        self.query_one("#password", Input).value = ""
        if outcome.is_done:
            self.app.notify(outcome.text, title="Login")
            self.leave()
        else:
            text = Text.assemble((" REFUSED ", verdict_style(outcome, self.palette)), f" {outcome.text}")
            self.query_one("#words", Static).update(text)
