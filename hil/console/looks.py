"""How things look: colours that the colour-blind can tell apart, and signs that need no colour at all.

Colours are those of Okabe and Ito (2008), darker ones for the light theme. Whatever a colour says, a sign
or a word beside it says, too.
"""

from __future__ import annotations

import dataclasses as dc
import locale
import os

from textual.theme import Theme

from hil.view.reading import BAD, GOOD, MISSING, UNCERTAIN, WAITING, Reading


@dc.dataclass(frozen=True, slots=True)
class Palette:
    """Colours by what they mean."""

    good: str
    warn: str
    bad: str
    live: str
    """Energised."""
    dead: str
    note: str
    phase: tuple[str, str, str]
    """Of phases a, b, c; also the order of series in plots."""


DARK = Palette(
    "#009E73", "#E69F00", "#FF6A3D", "#56B4E9", "#808080", "#CC79A7", ("#E69F00", "#56B4E9", "#CC79A7")
)
LIGHT = Palette(
    "#00694D", "#8A5A00", "#B03A00", "#005A8C", "#6B6B6B", "#8E3A6D", ("#8A5A00", "#005A8C", "#8E3A6D")
)

THEMES = (
    Theme(
        name="gridhil-dark",
        primary="#56B4E9",
        secondary="#009E73",
        warning=DARK.warn,
        error=DARK.bad,
        success=DARK.good,
        accent="#F0E442",
        background="#101418",
        surface="#181E24",
        panel="#222A32",
        dark=True,
    ),
    Theme(
        name="gridhil-light",
        primary="#005A8C",
        secondary="#00694D",
        warning=LIGHT.warn,
        error=LIGHT.bad,
        success=LIGHT.good,
        accent="#6A5D00",
        foreground="#16191C",
        background="#FAFAF7",
        surface="#F0F0EC",
        panel="#E2E4E0",
        dark=False,
    ),
)


@dc.dataclass(frozen=True, slots=True)
class Signs:
    """Characters that a terminal can show."""

    closed: str
    open: str
    moving: str
    unknown: str
    fault: str
    up: str
    down: str
    on: str
    off: str
    alarm: str
    bars: str
    """From lowest to highest."""


UNICODE = Signs("■", "□", "◪", "?", "⚡", "▲", "▼", "●", "○", "▲", "▁▂▃▄▅▆▇█")
ASCII = Signs("#", "o", "%", "?", "X", "^", "v", "*", "o", "!", "_.-=+*%#")


def has_unicode() -> bool:
    """Tell whether this terminal is one for Unicode, by its locale."""
    if os.environ.get("TERM") in ("linux", "dumb", "vt100"):
        return False
    return "utf" in (locale.getencoding() or "").lower().replace("-", "")


def style_of(reading: Reading, palette: Palette) -> str:
    """Return the Rich style of a reading: what is not live is dim, what is not good has a colour."""
    if reading.is_stale:
        return "dim italic"
    return {
        GOOD: "",
        UNCERTAIN: palette.warn,
        BAD: f"bold {palette.bad}",
        WAITING: "dim",
        MISSING: "dim strike",
    }[reading.grade]
