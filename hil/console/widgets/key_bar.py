"""The line below every screen: keys of the screen, which a mouse may press.

Textual's own footer is made anew at each change of screen and keeps what it was made of; a console that is
leafed through for days must not.
"""

from __future__ import annotations

from typing import Any

from rich.console import OverflowMethod
from rich.style import Style
from rich.text import Text
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Static

KEY_COLOUR = "footer-key-foreground"
ALWAYS = ("help",)
"""Actions whose keys a narrow terminal shows too, beside the commands' key."""


class KeyBar(Static):
    """One line, cut at its end; the keys of help and commands stand at the right."""

    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; background: $footer-background; color: $footer-foreground;
             text-wrap: nowrap; text-overflow: ellipsis; }
    """

    auto_links = False  # a key looks like a key, not like a link

    def on_mount(self) -> None:
        """Follow what keys do, and the theme."""
        self.screen.bindings_updated_signal.subscribe(self, self._show)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show(self.screen))

    def on_resize(self) -> None:
        """Keep the last keys at the right."""
        self._show(self.screen)

    def _show(self, screen: Screen[Any]) -> None:
        if screen is not self.screen or not self.is_attached:
            return
        active = screen.active_bindings
        shown: dict[str, tuple[Binding, bool]] = {}
        for _, binding, is_enabled, _ in active.values():
            if binding.show:
                shown.setdefault(binding.action, (binding, is_enabled))
        right = Text.assemble(*(self._key(b, b.description, on) for b, on in self._always(shown)))
        commands = active.get(self.app.COMMAND_PALETTE_BINDING)
        if commands is not None:
            right.append_text(self._key(commands.binding, "Commands", commands.enabled))
        line = Text(no_wrap=True, overflow="ellipsis")
        for binding, is_enabled in shown.values():
            line.append_text(self._key(binding, binding.description, is_enabled))
        cut: OverflowMethod = "crop" if self.app.has_class("ascii") else "ellipsis"
        line.truncate(max(0, self.size.width - right.cell_len), overflow=cut, pad=True)
        self.update(line.append_text(right))

    @staticmethod
    def _always(shown: dict[str, tuple[Binding, bool]]) -> list[tuple[Binding, bool]]:
        """Take the keys out that are always in view."""
        return [shown.pop(action) for action in ALWAYS if action in shown]

    def _key(self, binding: Binding, words: str, is_enabled: bool) -> Text:
        press = Style(meta={"@click": f"app.simulate_key({binding.key!r})"}) if is_enabled else Style()
        colour = self.app.theme_variables[KEY_COLOUR]
        key = Style.parse(f"bold {colour}" if is_enabled else "dim")
        return Text.assemble(
            (f" {self.app.get_key_display(binding)}", key + press),
            (f" {words} ", press + Style(dim=not is_enabled)),
        )
