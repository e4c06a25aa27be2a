"""The console's application: one link to a station, its screens, what is common to them."""

from __future__ import annotations

import asyncio
import gc
import io
import math
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender

from hil.console import looks
from hil.console.commands import StationCommands
from hil.console.dialogs.arm import DISARM, ArmDialog
from hil.console.dialogs.attack import AttackDialog
from hil.console.dialogs.dialog import BOUNCE_S
from hil.console.dialogs.fault import FaultDialog
from hil.console.dialogs.help import HelpDialog
from hil.console.dialogs.login import LoginDialog
from hil.console.dialogs.operate import OperateDialog
from hil.console.dialogs.too_small import LEAST_COLUMNS, LEAST_LINES, TooSmall
from hil.console.dialogs.trend import TrendDialog
from hil.console.looks import Palette, Signs
from hil.console.page import Page
from hil.console.registry import PAGES
from hil.view import csv_file
from hil.view.link import Phase
from hil.view.model import StationModel
from hil.view.station_view import Identity, StationView

LaboratoryRow = tuple[str, str, Callable[[], None]]

GC_THRESHOLD = (20_000, 10, 5)
"""Garbage is looked for while nobody presses anything; this is for somebody who never stops."""
TIDY_S = 1.0
"""Between two looks for garbage, and after the last press [s]."""
TIDY_COUNT = 3
"""Times ``GC_THRESHOLD[0]`` new objects are worth a look."""


class PlainBars(ScrollBarRender):
    """Scroll bars of spaces alone."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * len(ScrollBarRender.VERTICAL_BARS)
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * len(ScrollBarRender.HORIZONTAL_BARS)


class ConsoleApp(App[None]):
    """The operator's console.

    Parameters
    ----------
    view : StationView
    is_ascii : bool
        Draw with ASCII characters alone.
    is_light : bool
        Begin with the light theme.
    log_path : Path, optional
        Where a fault of this program is described; without it, it is shown where it happens.
    """

    TITLE = "gridhil"
    CSS_PATH = "console.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS = App.COMMANDS | {StationCommands}
    BINDINGS: ClassVar[list[Any]] = [
        *(Binding(page.KEY, f"go('{page.TITLE_TEXT}')", page.TITLE_TEXT, show=False) for page in PAGES),
        Binding("f1,question_mark", "help", "Help"),
        Binding("f2", "login", "Log in"),
        Binding("f3", "theme", "Light/dark", show=False),
        Binding("ctrl+p", "command_palette", "Commands", show=False),
        Binding("ctrl+q", "quit", "Quit"),
    ]

    def __init__(
        self,
        view: StationView,
        *,
        is_ascii: bool = False,
        is_light: bool = False,
        log_path: Path | None = None,
    ) -> None:
        super().__init__()
        self.view = view
        self.signs: Signs = looks.ASCII if is_ascii else looks.UNICODE
        self.is_ascii = is_ascii
        ScrollBar.renderer = PlainBars if is_ascii else ScrollBarRender
        for theme in looks.THEMES:
            self.register_theme(theme)
        self.theme = looks.THEMES[int(is_light)].name
        self.set_class(is_ascii, "ascii")
        self._log_path, self._last_fault = log_path, ""
        view.link.on_fault = self._described
        self._link: asyncio.Task[None] | None = None
        self.pages = {page.TITLE_TEXT: page for page in (kind() for kind in PAGES)}
        self._presses: deque[tuple[str, float]] = deque([("", -math.inf), ("", 0.0)], maxlen=2)
        self._tidied: set[Page] = set()

    async def on_event(self, event: events.Event) -> None:
        """Note when something was pressed: what a held key repeats must not command anything."""
        if isinstance(event, events.Key | events.MouseDown) and not event.is_forwarded:
            self._presses.append((event.key if isinstance(event, events.Key) else "mouse", event.time))
        await super().on_event(event)

    @property
    def is_bouncing(self) -> bool:
        """Tell whether the newest press came so soon after the one before that it may not be meant."""
        (_, before_s), (_, last_s) = self._presses
        return last_s - before_s < BOUNCE_S

    @property
    def is_held(self) -> bool:
        """Tell whether the newest press is a repetition of the same key."""
        (before, _), (last, _) = self._presses
        return self.is_bouncing and before == last

    def notify(self, message: str, *, markup: bool = False, **options: Any) -> None:
        """Show a message as it is: names in it come from users and stations."""
        super().notify(message, markup=False, **options)

    def save_csv(self, name: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
        """Write a CSV file where the user is, and return in words what came of it."""
        if not rows:
            return "there is nothing to write"
        now, folder = datetime.now(UTC), Path.cwd()
        if self.is_web:
            file = csv_file.name_of(name, now)
            self.deliver_text(io.StringIO(csv_file.text_of(head, rows)), save_filename=file)
            return f"{len(rows)} rows in {file}, in the browser's downloads"
        try:
            return f"{len(rows)} rows in {csv_file.write(folder, name, now, head, rows)}"
        except OSError as error:
            return f"cannot write into {folder}: {error.strerror}"

    @property
    def palette(self) -> Palette:
        """Colours of the theme in force."""
        return looks.LIGHT if self.theme == looks.THEMES[1].name else looks.DARK

    def on_mount(self) -> None:
        """Begin with the first screen; keep the link."""
        for title, page in self.pages.items():
            self.install_screen(page, title)
        self.push_screen(PAGES[0].TITLE_TEXT)
        self.view.on_model(self._station_came)
        self._link = asyncio.create_task(self.view.run())
        gc.set_threshold(*GC_THRESHOLD)
        self.set_interval(TIDY_S, self._tidy)
        if self._log_path is not None:  # on a terminal, which must be left as it was found
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.exit)

    async def on_unmount(self) -> None:
        """Leave the station."""
        if self._link is not None:
            self._link.cancel()
            await asyncio.gather(self._link, return_exceptions=True)

    def on_resize(self, event: events.Resize) -> None:
        """Say it where the terminal is too small; go on once it is not."""
        is_small = event.size.width < LEAST_COLUMNS or event.size.height < LEAST_LINES
        if isinstance(self.screen, TooSmall):
            if is_small:
                self.screen.refresh_size()
            else:
                self.pop_screen()
        elif is_small:
            self.push_screen(TooSmall())

    @property
    def page(self) -> Page:
        """The screen that is shown, or lies under a dialog; the first one while all are taken down."""
        shown = (s for s in reversed(self.screen_stack) if isinstance(s, Page))
        return next(shown, self.pages[PAGES[0].TITLE_TEXT])

    def waiting_text(self) -> str:
        """Return what stands on a screen before there is a station."""
        link = self.view.link
        if link.phase is Phase.REFUSED and not link.may_log_in:
            return f"{link.words}\n\nCtrl+Q ends."
        if link.phase is Phase.REFUSED:
            return f"{link.words}\n\nF2 logs in as another user, Ctrl+Q ends."
        return f"connecting to {self.view.url}\n{link.words}"

    def kept_tags(self) -> tuple[str, ...]:
        """Return the points whose arriving values the screen that is shown keeps for its plots."""
        model = self.view.model
        return () if model is None else tuple(self.page.tags(model))

    def _station_came(self, _: StationModel) -> None:
        self.call_later(self._tell_page)  # a fault in a page is the page's, not the link's

    def _tell_page(self) -> None:
        if self.page.is_attached:
            self.page.station_came()
        self._tidied.clear()

    def _tidy(self) -> None:
        """Look for garbage while nobody presses anything.

        Thousands of points live as long as the run, and so do the screens: to look through them all takes a
        quarter of a second, which somebody who presses a key would feel. So each is looked through once.
        """
        if time.monotonic() - self._presses[-1][1] < TIDY_S:
            return
        page = self.page
        if page in self._tidied:
            _, young, middle = gc.get_count()
            if young >= TIDY_COUNT or middle:
                gc.collect()
            return
        if not self._tidied:  # another station's points, perhaps
            gc.unfreeze()
        self._tidied.add(page)
        gc.collect()
        gc.freeze()

    # ---- faults of this program

    def _handle_exception(self, error: Exception) -> None:
        """End with a line of words; how it came about is in a file."""
        if self._log_path is None:
            super()._handle_exception(error)
            return
        where = self._described(error)
        if self._exit:
            return  # the user has left: what a screen misses while it is taken down is nobody's trouble
        self._return_code = 1
        self.panic(Text(f"gridhil: fault of the console{where}"))

    def _described(self, error: Exception) -> str:
        """Write to the file how a fault came about, once while it is the same one; say where that is."""
        if self._log_path is None:
            return ""
        text = "".join(traceback.format_exception(error))
        if text != self._last_fault:
            try:
                with self._log_path.open("a", encoding="utf-8") as file:
                    file.write(f"{datetime.now(UTC).isoformat()} {self.page.TITLE_TEXT}\n{text}\n")
            except OSError as why:
                return f"; it cannot be described in {self._log_path}: {why.strerror or why}"
            self._last_fault = text
        return f"; how it came about: {self._log_path}"

    # ---- actions

    def action_go(self, title: str) -> None:
        """Go to a screen."""
        if self.page is not self.pages[title] and isinstance(self.screen, Page):
            self.switch_screen(title)

    def action_theme(self) -> None:
        """Change between dark and light."""
        dark, light = (theme.name for theme in looks.THEMES)
        self.theme = dark if self.theme == light else light
        self.page.refresh_values()

    def action_help(self) -> None:
        """Show the help of this screen."""
        page = self.page
        self.push_screen(HelpDialog(page.TITLE_TEXT, page.HELP or (type(page).__doc__ or "")))

    def action_login(self) -> None:
        """Ask for user and password."""
        self.push_screen(LoginDialog())

    def action_operate(self, device: str, command: str = "") -> None:
        """Operate a device; ``command``, name of one of its controls or setpoints, is selected at once."""
        self.push_screen(OperateDialog(device, command))

    def action_trend(self, tag: str) -> None:
        """Show the trend of a point."""
        self.push_screen(TrendDialog(tag))

    def action_arm(self) -> None:
        """Open the laboratory's safety lock."""
        self.push_screen(ArmDialog())

    def action_disarm(self) -> None:
        """Close it, at once."""
        self.run_worker(self._disarm(), exclusive=True, group="disarm")

    async def _disarm(self) -> None:
        outcome = await self.view.command(DISARM)
        self.notify(
            f"{outcome.verdict.value}: {outcome.text}",
            title="Disarm",
            severity="information" if outcome.is_done else "warning",
        )

    def action_fault(self) -> None:
        """Put a fault on the plant, or clear them."""
        self.push_screen(FaultDialog())

    def action_attack(self) -> None:
        """Falsify an instrument, or end that."""
        self.push_screen(AttackDialog())

    def laboratory(self) -> list[LaboratoryRow]:
        """Return what the command palette offers of the laboratory: name, words, action."""
        return [
            ("Arm the laboratory", "opens the window for faults and attacks", self.action_arm),
            ("Disarm the laboratory", "closes it", self.action_disarm),
            ("Put a fault", "of the library or by place; clear all", self.action_fault),
            ("Falsify an instrument", "an attack slot; clear all", self.action_attack),
        ]

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer every screen in the command palette."""
        for title, page in self.pages.items():
            text = (type(page).__doc__ or "").strip()
            yield SystemCommand(title, text, lambda title=title: self.action_go(title))
        yield SystemCommand("Log in", "as another user, with another role", self.action_login)
        yield SystemCommand("Light or dark", "change the theme", self.action_theme)
        yield SystemCommand("Help", "of this screen", self.action_help)
        yield SystemCommand("Quit", "leave the console; the station goes on", self.action_quit)


def run(
    url: str,
    user: str,
    password: str,
    identity: Callable[[], Identity],
    *,
    is_ascii: bool,
    is_light: bool,
    log_path: Path,
) -> int:
    """Run the console on this terminal until the user leaves; return the exit code."""
    view = StationView(url, user, password, identity)
    app = ConsoleApp(view, is_ascii=is_ascii, is_light=is_light, log_path=log_path)
    app.run()
    return app.return_code or 0
