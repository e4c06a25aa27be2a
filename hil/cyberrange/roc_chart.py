"""ROC curves as inline SVG: rate of detection over false alarms per day, one line for each detector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 44, 110, 24, 34
LOW_PER_DAY, HIGH_PER_DAY = 0.1, 100.0
"""Ends of the axis; what is below the first stands at it (a rate of 0 has no logarithm)."""
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#e377c2", "#17becf", "#555555")
Curve = Sequence[tuple[float, float]]


def chart(title: str, curves: Mapping[str, Curve], limit_per_day: float) -> str:
    """Return a chart; lines that lie on each other are drawn a pixel apart.

    Parameters
    ----------
    limit_per_day : float
        False alarms per day at which a vertical line stands.
    """
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="ROC {escape(title)}">',
        f'<text class="t" x="{LEFT}" y="14">{escape(title)}</text>',
        f'<rect class="f" x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/>',
        *_axes(limit_per_day),
    ]
    for k, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[k % len(COLOURS)]
        y = TOP + 8 + 14 * k
        parts.append(f'<polyline stroke="{colour}" points="{_points(curve, k)}"/>')
        parts.append(
            f'<line stroke="{colour}" x1="{WIDTH - RIGHT + 6}" x2="{WIDTH - RIGHT + 18}" y1="{y}" y2="{y}"/>'
            f'<text class="a" x="{WIDTH - RIGHT + 22}" y="{y + 4}">{escape(name)}</text>'
        )
    return "".join(parts) + "</svg>"


def x_of(per_day: float) -> float:
    """Return where a rate of false alarms stands."""
    share = math.log(max(per_day, LOW_PER_DAY) / LOW_PER_DAY) / math.log(HIGH_PER_DAY / LOW_PER_DAY)
    return LEFT + min(share, 1.0) * (WIDTH - LEFT - RIGHT)


def y_of(rate: float) -> float:
    """Return where a rate of detection stands."""
    return TOP + (1.0 - rate) * (HEIGHT - TOP - BOTTOM)


def _points(curve: Curve, k: int) -> str:
    """Return a staircase: with more false alarms allowed, the rate is the next one's."""
    corners = []
    before = None
    for per_day, rate in curve:
        if before is not None:
            corners.append((x_of(per_day), y_of(before)))
        corners.append((x_of(per_day), y_of(rate)))
        before = rate
        if per_day > HIGH_PER_DAY:
            break
    if before is not None:
        corners.append((x_of(HIGH_PER_DAY), y_of(before)))
    return " ".join(f"{x:.1f},{y + 0.8 * k - 3.0:.1f}" for x, y in corners)


def _axes(limit_per_day: float) -> list[str]:
    parts = []
    for per_day in (0.1, 1.0, 10.0, 100.0):
        x = x_of(per_day)
        label = "&#8804; 0.1" if per_day == LOW_PER_DAY else f"{per_day:g}"
        parts.append(f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="c" x="{x:.1f}" y="{HEIGHT - BOTTOM + 13}">{label}</text>')
    for rate in (0.0, 0.5, 1.0):
        parts.append(f'<text class="n" x="{LEFT - 5}" y="{y_of(rate) + 4:.1f}">{100 * rate:g} %</text>')
    x = x_of(limit_per_day)
    parts.append(f'<line class="m" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    parts.append(
        f'<text class="a" x="{LEFT}" y="{HEIGHT - 6}">false alarms per day in the verification runs</text>'
    )
    return parts
