"""What the status panel looks like: tables where there is room, a compact form on small terminals."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from hil.output import make_table

ROOMY = (100, 40)
"""Fewest columns and lines for the tables."""
TABLE_LINES = 6
"""Lines of a table besides its rows: title, borders, heads, which may take two lines."""
LISTS = ("last commands", "events", "overruns")


@dc.dataclass(frozen=True, slots=True)
class Shown:
    """One moment of a station, as text; tables are a head and rows."""

    title: str
    contract: str
    silence: str
    """Why the figures are old; empty when they are not."""
    loop: tuple[Sequence[str], Sequence[str]]
    feeders: tuple[Sequence[str], Sequence[Sequence[str]]]
    servers: tuple[Sequence[str], Sequence[Sequence[str]]]
    lists: tuple[Sequence[str], Sequence[str], Sequence[str]]
    """Last commands, events, overruns; the newest last."""
    device: str = ""
    """One line about the device under test; empty without one."""
    records: str = ""
    """One line about the records: what is wrong with them, how many, where; empty where none are kept."""


def render(shown: Shown, width: int, height: int) -> Group:
    """Return the panel for a terminal of that size; it never takes more lines than there are."""
    is_roomy = width >= ROOMY[0] and height >= ROOMY[1]
    head, n_lines = _tables(shown) if is_roomy else _compact(shown)
    return Group(*head, *_lists(shown, height - 1 - n_lines))


def _tables(shown: Shown) -> tuple[list[RenderableType], int]:
    feeders, servers = shown.feeders[1], shown.servers[1]
    parts: list[RenderableType] = [
        _line(f"{shown.title}   ", shown),
        make_table("loop", shown.loop[0], [shown.loop[1]]),
        make_table("feeders", shown.feeders[0], feeders),
        make_table("servers", shown.servers[0], servers),
        *_lines(shown),
    ]
    return parts, 1 + 3 * TABLE_LINES + 1 + len(feeders) + len(servers) + len(_lines(shown))


def _compact(shown: Shown) -> tuple[list[RenderableType], int]:
    figures = [f"{name.removesuffix(' [us]')} {value}" for name, value in zip(*shown.loop, strict=True)]
    half = len(figures) // 2
    loop = [_row("[us] " + "  ".join(figures[:half])), _row("     " + "  ".join(figures[half:]))]
    lines = [_row(shown.title, "bold"), _line("", shown), *loop]
    lines += [*_columns(*shown.feeders), *_columns(*shown.servers), *_lines(shown)]
    return list(lines), len(lines)


def _line(before: str, shown: Shown) -> Text:
    text = _row(before, "bold")
    return text.append(shown.silence or shown.contract, style="bold red" if shown.silence else "")


def _lines(shown: Shown) -> list[Text]:
    return [_row(text) for text in (shown.device, shown.records) if text]


def _row(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Text]:
    """Return lines of columns without borders: the first left-aligned, the others right."""
    widths = [max(len(r[k]) for r in (head, *rows)) for k in range(len(head))]

    def joined(cells: Sequence[str]) -> str:
        first, *others = (f"{c:>{w}}" if k else f"{c:<{w}}" for k, (c, w) in enumerate(zip(cells, widths)))
        return " ".join([first, *others])

    return [_row(joined(head), "bold"), *(_row(joined(r)) for r in rows)]


def _lists(shown: Shown, room: int) -> list[Text]:
    """Return the lists in as many lines as there are: commands first, then events, then overruns."""
    shares = [0, 0, 0]
    left = room - len(LISTS)
    while left > 0 and any(s < len(items) for s, items in zip(shares, shown.lists)):
        for k, items in enumerate(shown.lists):
            if left > 0 and shares[k] < len(items):
                shares[k] += 1
                left -= 1
    lines: list[Text] = []
    for name, items, share in zip(LISTS, shown.lists, shares):
        lines.append(_row(f"{name}:" if items else f"{name}: none", "bold"))
        lines += [_row(f"  {item}") for item in list(items)[len(items) - share :]]
    return lines[: max(room, 0)]
