"""Small line charts as inline SVG: one recorded point over time, events as vertical lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 460, 150
LEFT, RIGHT, TOP, BOTTOM = 58, 8, 22, 20
COLUMNS_MAX = 400
"""Most columns of a line; of more rows each column keeps its extremes."""


def chart(
    title: str, unit: str, times_s: Sequence[float], values: Sequence[float], marks_s: Sequence[float]
) -> str:
    """Return a chart; a value that is not a number is a gap."""
    known = [v for v in values if math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    margin = 0.05 * (high - low) or max(abs(high) * 0.01, 0.5)
    low, high = low - margin, high + margin
    begin, end = (times_s[0], times_s[-1]) if times_s else (0.0, 1.0)
    span = end - begin or 1.0
    inner_w, inner_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(t: float) -> float:
        return LEFT + (t - begin) / span * inner_w

    def y(v: float) -> float:
        return TOP + (high - v) / (high - low) * inner_h

    name = escape(f"{title} [{unit}]" if unit else title)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{name}">',
        f'<text class="t" x="{LEFT}" y="14">{name}</text>',
        f'<rect class="f" x="{LEFT}" y="{TOP}" width="{inner_w}" height="{inner_h}"/>',
    ]
    parts += [
        f'<line class="m" x1="{x(t):.1f}" x2="{x(t):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        for t in marks_s
        if begin <= t <= end
    ]
    parts += [
        f'<text class="n" x="{LEFT - 4}" y="{y(v) + 4:.1f}">{v:.5g}</text>'
        for v in (low + margin, high - margin)
    ][: 2 if known and max(known) > min(known) else 1]
    parts.append(f'<text class="a" x="{LEFT}" y="{HEIGHT - 6}">{begin:.6g} s</text>')
    parts.append(f'<text class="n" x="{WIDTH - RIGHT}" y="{HEIGHT - 6}">{end:.6g} s</text>')
    parts += [
        f'<polyline points="{" ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in line)}"/>'
        for line in _lines(times_s, values)
    ]
    if not known:
        parts.append(f'<text class="a" x="{LEFT + 8}" y="{HEIGHT // 2}">no usable value</text>')
    return "".join(parts) + "</svg>"


def _lines(times_s: Sequence[float], values: Sequence[float]) -> list[list[tuple[float, float]]]:
    """Return the unbroken pieces, thinned so that no extreme is lost."""
    pieces: list[list[tuple[float, float]]] = [[]]
    size = max(1, math.ceil(len(values) / COLUMNS_MAX))
    for first in range(0, len(values), size):
        column = [
            (t, v) for t, v in zip(times_s[first : first + size], values[first : first + size], strict=True)
        ]
        good = [(t, v) for t, v in column if math.isfinite(v)]
        if len(good) > 2:
            keep = {good[0], good[-1], min(good, key=lambda p: p[1]), max(good, key=lambda p: p[1])}
            good = sorted(keep)
        pieces[-1] += good
        if len(column) > len(good) and any(not math.isfinite(v) for _, v in column):
            pieces.append([])
    return [piece if len(piece) > 1 else piece * 2 for piece in pieces if piece]
