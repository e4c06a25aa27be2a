"""How one alarm and one event look as a row."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.text import Text

from hil.console.looks import Palette, Signs
from hil.view.alarms import ACK_ACTIVE, UNACK_CLEARED, AlarmRow
from hil.view.events import EventRow

ALARM_HEADS = ("", "Severity", "Point", "State", "Since (UTC)", "Description", "Count", "Acknowledged")
STATE_WORDS = {ACK_ACTIVE: "acknowledged", UNACK_CLEARED: "over"}
WIDE = 100
"""Columns from which on everything of an event is shown."""
WHAT = 28
"""Columns for what happened; longer texts push what follows."""


def alarm_cells(row: AlarmRow, palette: Palette, signs: Signs, is_live: bool) -> list[Text]:
    """Return the cells of an alarm, in the order of ``ALARM_HEADS``."""
    colour = {"high": palette.bad, "medium": palette.warn}.get(row.severity, "")
    style = "dim italic" if not is_live else f"{'' if row.is_acknowledged else 'bold '}{colour}".strip()
    since = datetime.fromtimestamp(row.since_utc_ns / 1e9, UTC)
    state = STATE_WORDS.get(row.state, "active")
    acked = " ".join(part for part in (row.acked_by, row.comment and f"({row.comment})") if part)
    cells = (
        signs.alarm if not row.is_acknowledged else " ", row.severity, row.tag,
        f"{row.shown}, {state}" + ("" if is_live else "?"), f"{since:%m-%d %H:%M:%S}", row.text,
        str(row.count), acked,
    )  # fmt: skip
    return [Text(cell, style) for cell in cells]


def event_head(width: int) -> str:
    """Return the heads over the events."""
    if width < WIDE:
        return f"{'time':<12} {'kind':<8} {'point':<26} what"
    return f"{'number':>8}  {'time (UTC)':<23} {'kind':<8} {'point':<30} {'what':<{WHAT}} by, why"


def event_line(row: EventRow, width: int, palette: Palette, sought: str) -> Text:
    """Return one event; what is searched for stands out."""
    at = row.at
    stamp = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
    text = Text()
    if width < WIDE:
        text.append(f"{stamp} ", "dim").append(f"{row.kind:<8.8} ").append(f"{row.tag:<26} ", "bold")
        text.append(row.text)
        if row.who:
            text.append(f"  {row.who}", "dim")
    else:
        text.append(f"{row.seq:>8}  {at:%Y-%m-%d} {stamp} ", "dim").append(f"{row.kind:<8.8} ")
        text.append(f"{row.tag:<30} ", "bold").append(f"{row.text:<{WHAT}} ").append(row.who, "dim")
    if sought:
        text.highlight_words([sought], f"bold underline {palette.warn}", case_sensitive=False)
    return text
