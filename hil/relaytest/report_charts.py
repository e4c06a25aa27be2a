"""Drawings of a relay test report as inline SVG: time-current curve and phasors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Row = Mapping[str, Any]
COLOUR = {"PASS": "#18794e", "FAIL": "#c62828", "INCONCLUSIVE": "#b26a00", "INVALID": "#777777"}
SHAPE = {"PASS": "circle", "FAIL": "cross", "INCONCLUSIVE": "diamond", "INVALID": "ring"}
WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 12, 42
TICKS = (1, 2, 5)
FRAME, GRID = 'fill="none" stroke="#8a919c"', 'stroke="#dfe3e8"'
TUBE = 'fill="#2b6cb0" fill-opacity=".14" stroke="#2b6cb0" stroke-opacity=".4"'
CURVE = 'fill="none" stroke="#2b6cb0" stroke-width="1.4"'
MIDDLE, END, BOLD = 'text-anchor="middle"', 'text-anchor="end"', 'font-weight="600"'


class LogLog:
    """Two logarithmic axes in a frame."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self.x_range, self.y_range = x_range, y_range

    def x(self, value: float) -> float:
        """Return the place of a value [px]."""
        low, high = map(math.log, self.x_range)
        return LEFT + (math.log(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return the place of a value [px]; values off the sheet are at its edge."""
        low, high = map(math.log, self.y_range)
        share = (math.log(value) - low) / (high - low) if value > 0 else 0.0
        return HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)

    def frame(self, x_name: str, y_name: str) -> list[str]:
        """Return frame, grid, ticks and names."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = [f'<rect {FRAME} x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}"/>']
        for v in ticks(self.x_range):
            x = f"{self.x(v):.1f}"
            parts.append(f'<line {GRID} x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>')
            parts.append(f'<text {MIDDLE} x="{x}" y="{bottom + 15}">{v:g}</text>')
        for v in ticks(self.y_range):
            y = f"{self.y(v):.1f}"
            parts.append(f'<line {GRID} x1="{LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text {END} x="{LEFT - 6}" y="{self.y(v) + 4:.1f}">{v:g}</text>')
        parts.append(f'<text {MIDDLE} x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 6}">{escape(x_name)}</text>')
        parts.append(f'<text x="4" y="{TOP - 1 + 10}">{escape(y_name)}</text>')
        return parts


def ticks(limits: tuple[float, float]) -> list[float]:
    """Return 1, 2, 5 of every decade within limits."""
    low, high = limits
    found = [
        m * 10.0**e
        for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for m in TICKS
    ]
    return [v for v in found if low * 0.999 <= v <= high * 1.001]


def curve_chart(curve: Row, shots: Sequence[Row]) -> str:
    """Return the log-log sheet: curve, tolerance tube, measured times with their intervals."""
    marks = [  # a logarithmic axis has no place for 0 and less; the tables have them
        (s["multiple"], r["measured"], r["low"], r["high"], s["verdict"])
        for s in shots
        for r in s["readings"]
        if r["name"] == "operate time" and (r["measured"] or 0.0) > 0.0 and (s["multiple"] or 0.0) > 0.0
    ]
    multiples, times = curve["multiples"], curve["expected_s"]
    every_time = [t for t in (*times, *(p[1] for p in marks)) if t and t > 0.0]
    if not every_time:
        return ""
    lows = [v for v in curve["low_s"] if v and v > 0.0]
    sheet = LogLog((multiples[0], multiples[-1]), (min((*every_time, *lows)) * 0.75, max(every_time) * 1.35))
    top = [
        (sheet.x(m), sheet.y(v if v is not None else 1e9))
        for m, v in zip(multiples, curve["high_s"], strict=True)
    ]
    low = [(sheet.x(m), sheet.y(v or 1e-9)) for m, v in zip(multiples, curve["low_s"], strict=True)]
    parts = [opened(WIDTH, HEIGHT, "operate time against multiple of pickup")]
    parts += sheet.frame("multiple of pickup", "t [s]")
    parts.append(f'<polygon {TUBE} points="{points([*top, *reversed(low)])}"/>')
    line = [(sheet.x(m), sheet.y(t)) for m, t in zip(multiples, times, strict=True) if t and t > 0.0]
    parts.append(f'<polyline {CURVE} points="{points(line)}"/>')
    for multiple, time_s, low_s, high_s, verdict in marks:
        x, colour = sheet.x(multiple), COLOUR[verdict]
        if low_s is not None and high_s is not None:
            y1, y2 = sheet.y(high_s), sheet.y(low_s)
            ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"'
            parts.append(f'<line {ends} stroke="{colour}" stroke-width="1.5"/>')
        parts.append(_mark(x, sheet.y(time_s), verdict))
    return "".join(parts) + "</svg>" + legend({p[4] for p in marks})


def legend(verdicts: set[str]) -> str:
    """Return what the marks mean; shape and colour both say it."""
    parts = []
    for verdict in (v for v in SHAPE if v in verdicts):
        parts.append(f"{opened(16, 14, verdict)}{_mark(8, 7, verdict)}</svg> {verdict}")
    tube = f'{opened(22, 12, "tube")}<rect {TUBE} x="0" y="1" width="22" height="10"/></svg> tolerance tube'
    line = f'{opened(22, 12, "curve")}<line x1="0" x2="22" y1="6" y2="6" stroke="#2b6cb0"/></svg> curve'
    return f'<p class="legend">{" &nbsp; ".join([*parts, line, tube])}; bars: 99 % interval</p>'


def _mark(x: float, y: float, verdict: str) -> str:
    colour, shape = COLOUR[verdict], SHAPE[verdict]
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="{colour}"/>'
    if shape == "ring":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    if shape == "diamond":
        corners = [(x - 4.5, y), (x, y - 4.5), (x + 4.5, y), (x, y + 4.5)]
        return f'<polygon points="{points(corners)}" fill="{colour}"/>'
    d = f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"
    return f'<path d="{d}" stroke="{colour}" stroke-width="2.2" fill="none"/>'


PHASE_COLOUR = ("#b3261e", "#8a6200", "#1f4e9c")
SIZE, PHASORS_WIDTH = 190, 216
FONT, LETTER = 11, 0.62
"""Size of letters [px], and the width of a digit at most in most fonts, as a share of it."""
TITLE_MAX = 36
"""Letters of a title that fit above a drawing of phasors."""


def phasor_chart(states: Sequence[Row], labels: Sequence[str]) -> str:
    """Return voltages (thin) and currents (thick), each to its own scale, with their sizes below.

    Parameters
    ----------
    states, labels : sequence
        States that differ in the size of the current alone, the first is drawn; and the label of each.
    """
    state, centre, radius = states[0], PHASORS_WIDTH / 2, SIZE / 2 - 22
    middle = SIZE / 2 + 22
    ends = dict.fromkeys((labels[0], labels[-1]))
    title = " to ".join(x for x in ends if x)
    title = title if len(title) <= TITLE_MAX else f"{title[: TITLE_MAX - 1]}…"
    parts = [opened(PHASORS_WIDTH, SIZE + 92, f"phasors of {state['name']}")]
    parts.append(f'<text {BOLD} x="4" y="13">{escape(state["name"])}</text>')
    parts.append(f'<text fill="#666" x="4" y="27"{_fitting(title)}>{escape(title)}</text>')
    parts.append(f'<circle {FRAME} cx="{centre}" cy="{middle}" r="{radius}"/>')
    for kind, width, length in (("v", 1.2, 1.0), ("i", 3.0, 0.75)):
        top = max(p[0] for p in state[kind])
        for k, (size, deg) in enumerate(state[kind]):
            if not top or size <= 1e-9 * top:
                continue
            reach = radius * length * size / top
            x = centre + reach * math.cos(math.radians(deg))
            y = middle - reach * math.sin(math.radians(deg))
            parts.append(
                f'<line x1="{centre}" y1="{middle}" x2="{x:.1f}" y2="{y:.1f}" '
                f'stroke="{PHASE_COLOUR[k]}" stroke-width="{width}"/>'
            )
    for k in range(3):
        (size, deg), i_a = state["v"][k], [s["i"][k][0] for s in states]
        v = _polar(size / 1e3, size / 1e3, deg, ".3f", "kV")
        i = _polar(min(i_a), max(i_a), state["i"][k][1], ".4g", "A")
        text = f"{'abc'[k]}: {v}, {i}"
        place = f'x="4" y="{SIZE + 38 + 15 * k}" fill="{PHASE_COLOUR[k]}"'
        parts.append(f"<text {place}{_fitting(text)}>{escape(text)}</text>")
    parts.append(f'<text x="4" y="{SIZE + 38 + 45}">{state["f_hz"]:g} Hz {_slope(state["df_hz_s"])}</text>')
    return "".join(parts) + "</svg>"


def _fitting(text: str) -> str:
    """Return the size of letters at which a line fits beside its margins, where the usual is too large."""
    size = (PHASORS_WIDTH - 8) / (LETTER * max(len(text), 1))
    return f' font-size="{size:.1f}"' if size < FONT else ""


def _polar(low: float, high: float, deg: float, form: str, unit: str) -> str:
    if high <= 0.0:
        return f"0 {unit}"  # nothing has no angle
    ends = dict.fromkeys((f"{low:{form}}", f"{high:{form}}"))
    return f"{' .. '.join(ends)} {unit} {deg:.0f}°"


def _slope(df_hz_s: float) -> str:
    return f"{df_hz_s:+g} Hz/s" if df_hz_s else ""


def opened(width: float, height: float, label: str) -> str:
    """Return the start of a drawing, with what it shows for those who do not see it."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="{FONT}" aria-label="{escape(label)}">'
    )


def points(pairs: Sequence[tuple[float, float]]) -> str:
    """Return points as SVG writes them, to a tenth of a pixel."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)
