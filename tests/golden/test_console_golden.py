"""Every screen of the console as somebody before the terminal sees it, of a station at one moment.

Text files show what stands where; the pictures of the manual are the same screens with their colours. What is
scrolled out of view is in neither: each screen names the words that must be in view.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from hil.console.app import ConsoleApp
from hil.console.registry import PAGES
from hil.view.link import Phase
from tests.support.console_rig import screen_text, until_shown
from tests.support.frozen_station import frozen

HERE = Path(__file__).parent / "console"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
SETTLED_S = 20.0
"""A screen looks the same twice within this, on a busy machine too [s]."""
SIZES = ((80, 24), (120, 40), (200, 60))
IN_VIEW = {
    "Overview": ("LIVE", "FDR_B", "frequency", "overruns", "alarms: 1 active,"),
    "One-line": ("FDR_B", "DEAD", "CB_201"),
    "Feeders": ("FDR_A", "V", "pf"),
    "Protection": ("FDR_B.R_CB_201", "OPEN", "79"),
    "Transformers and taps": ("SUB.T1", "tap"),
    "DER": ("no ",),
    "Estimator": ("J",),
    "Forecast": ("TOTAL",),
    "Alarms": ("LOCKOUT",),
    "Points": ("SUB.",),
    "Test bench": ("gridhil relaytest",),
}
"""Words that the smallest terminal shows without scrolling."""


def slug(title: str) -> str:
    return title.lower().replace(" ", "_").replace("-", "_")


async def drawn(title: str, size: tuple[int, int], *, is_ascii: bool = False) -> tuple[str, str]:
    """Return text and picture of one screen."""
    app = ConsoleApp(frozen("iowa240"), is_ascii=is_ascii)
    async with app.run_test(size=size) as pilot:
        app.action_go(title)
        before, shown = "", ""
        deadline = time.monotonic() + SETTLED_S
        # until what a page asks for when it is shown has come, and is laid out
        while shown != before or not all(words in shown for words in IN_VIEW[title]):
            if time.monotonic() > deadline:
                break
            await pilot.pause(0.3)
            app.page.refresh_values()
            app.page.tick_plots()
            await pilot.pause(0.2)
            before, shown = shown, screen_text(pilot)
        return screen_text(pilot) + "\n", without_addresses(app.export_screenshot(title=f"gridhil: {title}"))


def without_addresses(picture: str) -> str:
    """Return a picture that takes its font from the machine: the manual loads nothing from elsewhere."""
    return re.sub(r',\s*url\("https://[^)]*\) format\("[^"]*"\)', "", picture)


def compare(golden: Path, text: str, *, is_update: bool) -> None:
    if is_update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert golden.is_file(), f"{golden.name} is missing: run pytest --update-golden"
    assert text == golden.read_text(), (
        f"{golden.name} looks different: run pytest --update-golden and look at it"
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("title", [page.TITLE_TEXT for page in PAGES])
async def test_a_screen_looks_as_it_did(title: str, size: tuple[int, int], update_golden: bool) -> None:
    text, picture = await drawn(title, size)
    for words in IN_VIEW[title]:
        assert words in text, f"{words!r} is not in view at {size}:\n{text}"
    compare(HERE / f"{slug(title)}_{size[0]}x{size[1]}.txt", text, is_update=update_golden)
    if size == (120, 40):
        compare(IMAGES / f"console_{slug(title)}.svg", picture, is_update=update_golden)


@pytest.mark.parametrize("title", [page.TITLE_TEXT for page in PAGES])
async def test_an_ascii_terminal_gets_ascii_alone(title: str, update_golden: bool) -> None:
    text, _ = await drawn(title, (80, 24), is_ascii=True)
    assert text.isascii(), sorted({c for c in text if not c.isascii()})
    for words in IN_VIEW[title]:
        assert words in text, f"{words!r} is not in view:\n{text}"
    compare(HERE / f"{slug(title)}_ascii.txt", text, is_update=update_golden)
    broad, _ = await drawn(title, (120, 40), is_ascii=True)
    assert broad.isascii(), sorted({c for c in broad if not c.isascii()})


async def test_the_palette_of_an_ascii_terminal_is_ascii_too() -> None:
    app = ConsoleApp(frozen("iowa240"), is_ascii=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("ctrl+p")
        await pilot.pause(0.5)
        await pilot.press(*"trend")
        await pilot.pause(1.0)
        shown = screen_text(pilot)
        assert "trend" in shown.lower()
        assert shown.isascii(), sorted({c for c in shown if not c.isascii()})


@pytest.mark.parametrize("title", [page.TITLE_TEXT for page in PAGES])
async def test_a_terminal_without_colour_loses_no_fact(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is the same, and nothing in the picture but greys."""
    coloured, _ = await drawn(title, (120, 40))
    monkeypatch.setenv("NO_COLOR", "1")
    plain, picture = await drawn(title, (120, 40))
    assert plain == coloured
    colours = {c.lower() for c in re.findall(r"fill: (#[0-9a-fA-F]{6})", picture)}
    assert all(c[1:3] == c[3:5] == c[5:7] or c == "#c5c8c6" for c in colours), colours


async def test_on_a_lost_link_what_the_map_s_panel_says_of_a_device_has_question_marks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = ConsoleApp(frozen("iowa240"))
    async with app.run_test(size=(120, 40)) as pilot:
        app.action_go("One-line")
        await until_shown(pilot, "breaker, closed")
        assert "breaker, closed?" not in screen_text(pilot)
        monkeypatch.setattr(type(app.view.link), "phase", property(lambda _: Phase.LOST))
        app.page.refresh_values()
        await until_shown(pilot, "breaker, closed?")
        assert "km?" in screen_text(pilot)
