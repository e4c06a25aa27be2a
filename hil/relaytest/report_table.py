"""Tables and numbers of the HTML report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

Row = Mapping[str, Any]


SHORT = 14
"""Rows of a table that is not to be broken."""


class Html(str):
    """Text that is HTML already."""


def badge(verdict: str) -> Html:
    """Return a verdict as a coloured word."""
    return Html(f'<span class="v {verdict}">{verdict}</span>')


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], old: Iterable[bool] = ()) -> Iterator[str]:
    """Yield a table; columns that begin with ``>`` are numbers.

    Parameters
    ----------
    old : iterable of bool
        Rows in grey.
    """
    aligned = ["n" if c.startswith(">") else "w" for c in columns]
    head = "".join(
        f"<th class={a}>{escape(c.lstrip('>'))}</th>" for c, a in zip(columns, aligned, strict=True)
    )
    yield f"<table><thead><tr>{head}</tr></thead>"
    marks = iter(old)
    for row in rows:
        cells = "".join(f"<td class={a}>{safe(v)}</td>" for v, a in zip(row, aligned, strict=True))
        yield f"<tr class=old>{cells}</tr>" if next(marks, False) else f"<tr>{cells}</tr>"
    yield "</table>"


def titled(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], old: Iterable[bool] = ()
) -> Iterator[str]:
    """Yield a table below its title, on one page when it is short."""
    is_short = len(rows) <= SHORT
    yield f"{'<div class=keep>' if is_short else ''}<h3>{escape(title)}</h3>"
    yield from table(columns, rows, old)
    if is_short:
        yield "</div>"


def safe(text: str) -> str:
    """Escape what is no HTML yet."""
    return text if isinstance(text, Html) else escape(text)


def number(value: float | None, unit: str = "") -> str:
    """Return a number with its unit; nothing for None."""
    return "" if value is None else f"{digits(value)} {unit}".rstrip()


def digits(value: float) -> str:
    """Return a number with four decimals, or six digits when it is large."""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:.6g}"


def interval(low: float | None, high: float | None) -> str:
    """Return two limits."""
    return "" if low is None or high is None else f"{digits(low)} .. {digits(high)}"


def deviation(reading: Row) -> tuple[str, str]:
    """Return a deviation, absolute and in percent."""
    value, expected = reading["deviation"], reading["expected"]
    if value is None:
        return "", ""
    share = f"{value / expected * 100:+.1f} %" if expected else ""
    return (f"{value:+.4f}" if abs(value) < 10 else f"{value:+.6g}"), share


def two_lines(first: str, second: str) -> Html:
    """Return two lines of a cell, the second one small."""
    if not second:
        return Html(safe(first))
    return Html(
        f"{safe(first)}<br><small>{safe(second)}</small>" if first else f"<small>{safe(second)}</small>"
    )
