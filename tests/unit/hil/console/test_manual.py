"""The manual of the console names every screen with its key, and no key has two meanings."""

from __future__ import annotations

import re
from pathlib import Path

from textual.binding import Binding

from hil.console.app import ConsoleApp
from hil.console.registry import PAGES

MANUAL = Path(__file__).parents[4] / "docs" / "console.md"


def test_every_screen_stands_in_the_manual_with_its_key() -> None:
    rows = dict(re.findall(r"^\| (\w) \| ([\w -]+?) \|", MANUAL.read_text(encoding="utf-8"), re.MULTILINE))
    assert {page.KEY: page.TITLE_TEXT for page in PAGES}.items() <= rows.items()


def test_every_screen_has_help() -> None:
    assert [page.TITLE_TEXT for page in PAGES if not page.HELP] == []


def test_no_screen_takes_a_key_that_all_screens_have() -> None:
    everywhere = {b.key for b in Binding.make_bindings(ConsoleApp.BINDINGS)}
    for page in PAGES:
        own = {b.key for b in Binding.make_bindings(vars(page).get("BINDINGS", ()))}
        assert not own & everywhere, page.TITLE_TEXT
