"""What every screen and dialog asks of the app that it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from hil.console.looks import Palette, Signs
from hil.view.station_view import StationView

if TYPE_CHECKING:
    from textual.app import App

    from hil.console.app import ConsoleApp


class InConsole:
    """Mixed into a Textual screen, which has the app."""

    if TYPE_CHECKING:

        @property
        def app(self) -> App[object]:
            """The app, by Textual."""

    @property
    def console(self) -> ConsoleApp:
        """The app."""
        return cast("ConsoleApp", self.app)

    @property
    def view(self) -> StationView:
        """The station."""
        return self.console.view

    @property
    def palette(self) -> Palette:
        """Colours of the theme in force."""
        return self.console.palette

    @property
    def signs(self) -> Signs:
        """Characters that this terminal can show."""
        return self.console.signs
