"""A shot as a recorder shows it, as inline SVG: currents, voltages, frequency, and binary signals below."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from hil.relaytest.report_charts import END, GRID, MIDDLE, PHASE_COLOUR, opened, points

Row = Mapping[str, Any]
WIDTH, LEFT, RIGHT = 720, 112, 12
TOP, PANEL, GAP, LANE, AXIS = 24, 58, 8, 15, 20
"""Heights [px]; two shots fit on a page of A4."""
PULSE_LABEL = 52
"""Room of the time beside a pulse [px]."""
LETTER = 6.8
"""Width of a letter [px], on the safe side."""
LABELS_MAX = 40
INK, BAR = "#1c2024", "#3d4654"
EDGE = 'stroke="#6b7280" stroke-dasharray="3 3"'
NESTED = (4.4, 2.6, 1.1)
"""Widths of the lines of phases a, b, c: all three are seen where they are equal."""
SIGNALS = (
    ("device pickup", "pickup", "dropout"),
    ("device trip", "trip", ""),
    ("device close", "close", ""),
    ("device retrip", "retrip", ""),
    ("device backup trip", "backup", ""),
    ("breaker closed", "52a_closed", "52a_open"),
    ("internal pickup", "shadow_pickup", "shadow_dropout"),
    ("internal trip", "shadow_trip", ""),
    ("internal close", "shadow_close", ""),
)
"""Title of a lane, the event that raises it, the one that ends it (none: a pulse)."""
Lane = tuple[str, str, str]
F_SPAN_HZ = 1.0
"""A chart of the frequency shows at least so much."""


class Line(NamedTuple):
    """A line of a panel; None is a gap."""

    values: Sequence[float | None]
    colour: str
    width: float
    name: str


class Panel(NamedTuple):
    """Lines over time with an axis of their own, from ``low`` to ``high``."""

    name: str
    t_s: Sequence[float]
    lines: Sequence[Line]
    low: float
    high: float


class Axis(NamedTuple):
    """Time axis of a chart."""

    begin_s: float
    end_s: float

    def x(self, t_s: float) -> float:
        """Return the place of an instant [px], at the edge when it is outside."""
        share = (t_s - self.begin_s) / (self.end_s - self.begin_s)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def has(self, t_s: float) -> bool:
        """Tell whether an instant is on the axis."""
        return self.begin_s <= t_s <= self.end_s


def whole_shot(shot: Row) -> str:
    """Return RMS values and binary signals of the whole shot; signals alone when nothing was recorded."""
    times = [e["t_s"] for e in shot["events"]]
    recording = shot["recording"]
    if recording is not None:
        times += recording["rms"]["t_s"]
    margin = 0.03 * max(max(times) - min(times), 1e-3)
    axis = Axis(min(times), max(times) + margin)
    panels = [] if recording is None else _panels(recording["rms"], " RMS", NESTED)
    if recording is not None and "f_hz" in recording["rms"]:
        panels.append(_frequency(recording["rms"]))
    return _chart("RMS values and binary signals", shot, axis, panels)


def heart(shot: Row) -> str:
    """Return the waveforms about the beginning of the fault; nothing when there are none."""
    recording = shot["recording"]
    if recording is None or recording["wave"] is None:
        return ""
    wave = recording["wave"]
    axis = Axis(wave["t_s"][0], wave["t_s"][-1])
    return _chart("waveforms and binary signals", shot, axis, _panels(wave, "", (1.3, 1.3, 1.3)))


def _panels(stretch: Row, kind: str, widths: tuple[float, float, float]) -> list[Panel]:
    """Return the panels of currents and voltages."""
    found = []
    for quantity, unit, name in (("i_a", "A", "I"), ("v_v", "V", "V")):
        rows = stretch[quantity]
        low, high = min(0.0, *map(min, rows)), max(0.0, *map(max, rows))
        factor, prefix = (1e-3, "k") if max(high, -low) >= 1000.0 else (1.0, "")
        lines = [
            Line([factor * row[k] for row in rows], PHASE_COLOUR[k], widths[k], "abc"[k]) for k in range(3)
        ]
        low, high = (factor * low, factor * high) if high - low >= 1e-3 else (0.0, 1.0)
        found.append(Panel(f"{name} [{prefix}{unit}]{kind}", stretch["t_s"], lines, low, high))
    return found


def _frequency(stretch: Row) -> Panel:
    """Return the panel of the frequency; without voltage there is none, and a gap in the line."""
    values = [f for f in stretch["f_hz"] if f is not None]
    middle = (min(values) + max(values)) / 2.0
    half = max(max(values) - middle, F_SPAN_HZ / 2.0)
    return Panel(
        "f [Hz]", stretch["t_s"], [Line(stretch["f_hz"], INK, 1.4, "")], middle - half, middle + half
    )


def _chart(name: str, shot: Row, axis: Axis, panels: Sequence[Panel]) -> str:
    lanes = [s for s in SIGNALS if _is_seen(axis, s, shot["events"])]
    lanes_top = TOP + len(panels) * (PANEL + GAP)
    bottom = lanes_top + len(lanes) * LANE
    parts = [opened(WIDTH, bottom + AXIS, f"{name} of shot {shot['number']}")]
    parts += _time_axis(axis, bottom)
    parts += _states(axis, shot["events"], bottom)
    for k, panel in enumerate(panels):
        parts += _panel(axis, TOP + k * (PANEL + GAP), panel)
    for k, lane in enumerate(lanes):
        parts += _lane(axis, lanes_top + k * LANE, lane, shot["events"])
    return "".join(parts) + "</svg>"


def _is_seen(axis: Axis, lane: Lane, events: Sequence[Row]) -> bool:
    """Tell whether a lane has something to show."""
    _, begins, ends = lane
    if not ends:
        return any(e["what"] == begins and axis.has(e["t_s"]) for e in events)
    return any(
        (begin_s is None or begin_s <= axis.end_s) and (end_s is None or end_s >= axis.begin_s)
        for begin_s, end_s in spans(events, begins, ends)
    )


def _time_axis(axis: Axis, bottom: float) -> Iterable[str]:
    for t_s in ticks(axis.begin_s, axis.end_s, 7):
        x = f"{axis.x(t_s):.1f}"
        yield f'<line {GRID} x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>'
        yield f'<text {MIDDLE} x="{x}" y="{bottom + 15}">{t_s:.6g}</text>'
    yield f'<text x="4" y="{bottom + 15}">t [s]</text>'


def _states(axis: Axis, events: Sequence[Row], bottom: float) -> Iterable[str]:
    free = 0.0
    for e in events:
        name = e["what"].removeprefix("state:")
        if name == e["what"] or not axis.has(e["t_s"]):
            continue
        x = axis.x(e["t_s"])
        yield f'<line {EDGE} x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 14}" y2="{bottom}"/>'
        at = min(x + 3, WIDTH - LETTER * len(name))
        if at > free:
            yield f'<text x="{at:.1f}" y="{TOP - 6}">{escape(name)}</text>'
            free = at + LETTER * len(name) + 4


def _panel(axis: Axis, top: float, panel: Panel) -> Iterable[str]:
    low, high = panel.low, panel.high
    span = (high - low) * 1.1

    def y(value: float) -> float:
        return top + PANEL - (value - low + 0.05 * (high - low)) / span * PANEL

    yield f'<text x="4" y="{top + 12}">{panel.name}</text>'
    for k, line in enumerate(panel.lines):
        yield f'<text fill="{line.colour}" x="{4 + 14 * k}" y="{top + 26}">{line.name}</text>'
    finer = (ticks(low, high, n) for n in (3, 4, 5))
    for v in next((found for found in finer if len(found) >= 2), []):
        yield f'<line {GRID} x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}"/>'
        yield f'<text {END} x="{LEFT - 5}" y="{y(v) + 4:.1f}">{v:.6g}</text>'
    for line in panel.lines:
        style = f'fill="none" stroke="{line.colour}" stroke-width="{line.width}"'
        for stretch in _unbroken(panel.t_s, line.values):
            corners = points([(axis.x(t_s), y(value)) for t_s, value in stretch])
            yield f'<polyline {style} points="{corners}"/>'


def _unbroken(t_s: Sequence[float], values: Sequence[float | None]) -> Iterable[list[tuple[float, float]]]:
    """Yield the stretches of a line between its gaps."""
    stretch = list[tuple[float, float]]()
    for t, value in zip(t_s, values, strict=True):
        if value is not None:
            stretch.append((t, value))
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _lane(axis: Axis, top: float, lane: Lane, events: Sequence[Row]) -> Iterable[str]:
    title, begins, ends = lane
    base = top + LANE - 3
    yield f'<text x="4" y="{base}">{title}</text>'
    yield f'<line {GRID} x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>'
    if not ends:
        yield from _pulses(axis, base, [e["t_s"] for e in events if e["what"] == begins])
        return
    for begin_s, end_s in spans(events, begins, ends):
        x1 = axis.x(axis.begin_s if begin_s is None else begin_s)
        x2 = axis.x(axis.end_s if end_s is None else end_s)
        if x2 > x1:
            width = max(x2 - x1, 1.0)
            yield f'<rect fill="{BAR}" x="{x1:.1f}" y="{base - 9}" width="{width:.1f}" height="9"/>'


def _pulses(axis: Axis, base: float, times: Sequence[float]) -> Iterable[str]:
    """Draw an arrowhead for each, and its time where there is room."""
    free = 0.0
    for t_s in [t for t in times if axis.has(t)][:LABELS_MAX]:
        x = axis.x(t_s)
        yield f'<path fill="{INK}" d="M{x:.1f} {base}l-3.5 -9h7z"/>'
        is_left = x + PULSE_LABEL > WIDTH
        at, anchor = (x - 6, f"{END} ") if is_left else (x + 6, "")
        if (at - PULSE_LABEL if is_left else at) > free:
            yield f'<text {anchor}x="{at:.1f}" y="{base}">{t_s:.3f} s</text>'
            free = x if is_left else at + PULSE_LABEL


def spans(events: Sequence[Row], begins: str, ends: str) -> Iterable[tuple[float | None, float | None]]:
    """Yield when a signal was raised, as begin and end; None is before, and after, what was seen.

    >>> list(spans([{"what": "52a_open", "t_s": 1.0}, {"what": "52a_closed", "t_s": 2.0}], "52a_closed",
    ...     "52a_open"))
    [(None, 1.0), (2.0, None)]
    """
    begin_s: float | None = None
    first = next((e["what"] for e in events if e["what"] in (begins, ends)), "")
    is_raised = first == ends
    for e in events:
        if e["what"] == begins and not is_raised:
            begin_s, is_raised = e["t_s"], True
        elif e["what"] == ends and is_raised:
            yield begin_s, e["t_s"]
            is_raised = False
    if is_raised:
        yield begin_s, None


def ticks(low: float, high: float, n: int) -> list[float]:
    """Return round values within limits, ``n`` of them or fewer, 1, 2 or 5 times a power of ten apart.

    >>> ticks(-0.3, 1.1, 7)
    [-0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / n
    ten = 10.0 ** math.floor(math.log10(rough))
    step = next(m * ten for m in (1, 2, 5, 10, 20) if m * ten >= rough * (1.0 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.10g}") for k in range(first, last + 1)]
