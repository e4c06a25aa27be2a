"""The boxes of the overview: each a function from what is seen to a text."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from hil.console.looks import Palette, Signs, style_of
from hil.view.lateness import LatenessWatch, sparkline
from hil.view.model import CONTROL, PointInfo, StationModel
from hil.view.reading import DASH, text_of
from hil.view.station_view import StationView

LOOP = "SUB.LOOP"
FEEDER_POINTS = ("P", "Q", "IA", "IB", "IC")
DISPATCH_MODES = ("manual", "rules", "optimising")
N_ALARMS, N_COMMANDS = 5, 5
NARROW = 42
"""Columns of a box below which tables are drawn narrower."""


@dc.dataclass(frozen=True, slots=True)
class Seen:
    """What a box is drawn from; ``width`` in columns."""

    view: StationView
    model: StationModel
    palette: Palette
    signs: Signs
    lateness: LatenessWatch
    width: int

    def value(self, tag: str, decimals: int | None = None) -> tuple[str, str]:
        """Return text and style of a value; a dash where the station has no such point."""
        reading = self.view.reading(tag)
        text = text_of(self.model.points.get(tag), reading)
        if decimals is not None and reading.number is not None:
            text = f"{reading.number:.{decimals}f}" + ("?" if text.endswith("?") else "")
        return text, style_of(reading, self.palette)

    def state(self, tag: str, words: tuple[str, str]) -> tuple[str, str]:
        """Return words and style of a two-state point; a dash where it is not known, ``?`` where it was."""
        reading = self.view.reading(tag)
        number = reading.number
        if number is None:
            return DASH, "dim"
        return words[int(number != 0.0)] + ("" if reading.is_usable else "?"), style_of(reading, self.palette)

    def time(self, tag: str) -> tuple[str, str]:
        """Return text and style of a time that is published in microseconds."""
        reading = self.view.reading(tag)
        text, style = self.value(tag, 0)
        if reading.number is not None:
            text = time_text(reading.number) + ("?" if text.endswith("?") else "")
        return text, style

    @property
    def dim(self) -> str:
        """Style of what comes with a status: dim and slanted where the link is not live."""
        return "" if self.view.link.is_live else "dim italic"

    @property
    def mark(self) -> str:
        """Follows what may no longer hold."""
        return "" if self.view.link.is_live else "?"


def time_text(time_us: float) -> str:
    """Return microseconds; what has more than five digits of them in [ms] or [s]."""
    if time_us < 99_999.5:
        return f"{time_us:.0f}"
    if time_us < 999_500.0:
        return f"{time_us / 1e3:.0f}ms"
    return f"{time_us / 1e6:.4g}s"


def with_unit(text: str) -> str:
    """Return a time of ``time_text`` with its unit, also where that is the usual one."""
    return text if "s" in text else f"{text} us"


def cell(text: str, width: int) -> str:
    """Return a right-aligned column that never touches the one before it."""
    return f" {text:>{width - 1}}"


def tags(model: StationModel) -> list[str]:
    """Return the points that the overview shows."""
    wanted = [
        f"{LOOP}.{n}" for n in ("LATE_P50", "LATE_P99", "LATE_P999", "LATE_MAX", "EXEC_P50", "EXEC_P99")
    ]
    wanted += [f"{LOOP}.SLIPPED_MS", "SUB.LOAD.P", *_system_tags(model)]
    wanted += [f"{f.head}.{n}" for f in model.feeders for n in FEEDER_POINTS]
    wanted += [f"{d}.MODE_SP" for d in model.of_template("dispatch")]
    wanted += [f"{d}.STATE" for d in model.of_template("dispatcher")]
    return [t for t in wanted if model.has(t)]


def _system_tags(model: StationModel) -> list[str]:
    frequency, source = _first(model, "frequency"), _first(model, "source")
    return [f"{frequency}.F", f"{frequency}.ROCOF", f"{source}.V", f"{source}.MAINS"]


def _first(model: StationModel, template: str) -> str:
    return next(iter(model.of_template(template)), "")


def loop(seen: Seen) -> Text:
    """Period, mode, lateness, execution, overruns."""
    model, view, palette = seen.model, seen.view, seen.palette
    found = view.status.get("loop", {})
    is_realtime = view.reading(f"{LOOP}.REALTIME").is_on
    step, step_style = seen.state(f"{LOOP}.SLIPPED", ("in step", "SLIPPED"))
    if view.reading(f"{LOOP}.SLIPPED").is_on:
        step_style = palette.bad
    mode = str(found.get("mode", DASH)) + seen.mark
    text = Text.assemble(
        f"every {model.period_ns / 1e6:g} ms  ",
        (mode, seen.dim or f"bold {palette.good if is_realtime else palette.warn}"),
        "  ",
        (step, step_style),
    )
    late = [seen.time(f"{LOOP}.LATE_{n}") for n in ("P50", "P99", "P999", "MAX")]
    took = [seen.time(f"{LOOP}.EXEC_{n}") for n in ("P50", "P99")]
    text.append("\nlate [us]  p50   p99  p99.9    max", "dim")
    text.append("\n        ")
    for (shown, style), width in zip(late, (6, 6, 7, 7), strict=True):
        text.append(cell(shown, width), style)
    text.append("\np99/s ", "dim")
    text.append(sparkline(seen.lateness.p99_us, seen.signs.bars, max(8, seen.width - 16)), palette.live)
    newest = f" {with_unit(time_text(seen.lateness.p99_us[-1]))}" if seen.lateness.p99_us else " ..."
    text.append(newest + seen.mark, seen.dim)
    text.append(f"\nstep takes p50 {took[0][0]}, p99 {with_unit(took[1][0])}", took[0][1])
    overruns, style = seen.value(f"{LOOP}.OVERRUNS", 0)
    lost, _ = seen.value(f"{LOOP}.SLIPPED_MS", 0)
    text.append(f"\noverruns {overruns}, given up {lost} ms", style)
    return text


def overruns(seen: Seen) -> Text:
    """Overruns by their cause, and the newest."""
    found = seen.view.status.get("loop", {})
    causes: dict[str, int] = found.get("overruns_by_cause", {})
    if not causes:
        return Text("none since the start" + seen.mark, seen.dim)
    rows = [f"{n:>7}{seen.mark}  {cause}" for cause, n in sorted(causes.items(), key=lambda c: -c[1])[:4]]
    for row in found.get("last_overruns", [])[:3]:
        rows.append(f"step {row['step']}: {row['late_us'] / 1e3:.1f} ms late, {row['cause']}{seen.mark}")
    return Text("\n".join(rows), seen.dim, no_wrap=True, overflow="ellipsis")


def system(seen: Seen) -> Text:
    """Frequency, source, dispatcher, laboratory, recorder."""
    model = seen.model
    shown = zip(_system_tags(model), (3, 3, 4, None), strict=True)
    f, rocof, v, mains = (seen.value(tag, decimals) for tag, decimals in shown)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append("frequency ", "dim").append(f"{f[0]} Hz", f"bold {f[1]}").append(
        f"  {rocof[0]} Hz/s", rocof[1]
    )
    text.append("\nsource    ", "dim").append(f"{v[0]} pu", v[1]).append(f"  mains {mains[0]}", mains[1])
    text.append("\nbatteries ", "dim").append_text(_dispatch(seen))
    text.append("\nlab       ", "dim").append_text(_laboratory(seen))
    text.append("\nrecorder  ", "dim").append_text(_recorder(seen))
    return text


def _dispatch(seen: Seen) -> Text:
    modes = [(d, seen.view.reading(f"{d}.MODE_SP").number) for d in seen.model.of_template("dispatch")]
    if not modes:
        return Text("none under dispatch", "dim")
    named = [
        f"{d.rpartition('.')[2]} {DISPATCH_MODES[int(m)] if m is not None and 0 <= m < 3 else DASH}"
        for d, m in modes
    ]
    return Text(", ".join(named) + seen.mark, seen.dim)


def _laboratory(seen: Seen) -> Text:
    view, palette = seen.view, seen.palette
    active = [str(_name(a)) for a in view.status.get("attack", {}).get("active", [])]
    text = Text()
    if view.reading("LAB.ARM.ARMED").is_on:
        left_s = view.number("LAB.ARM.TIME_LEFT_S")
        text.append(f"ARMED {left_s or 0:.0f} s", f"bold reverse {palette.warn}")
    elif seen.model.has("LAB.ARM.ARMED"):
        text.append(*seen.state("LAB.ARM.ARMED", ("not armed", "ARMED")))
    else:
        text.append("none", seen.dim)
    if active:
        text.append(f"  ATTACK {', '.join(active[:2])}{seen.mark}", seen.dim or f"bold {palette.bad}")
    return text


def _name(attack: Any) -> Any:
    if isinstance(attack, dict):
        return attack.get("name") or attack.get("tag") or attack.get("slot") or "active"
    return attack


def _recorder(seen: Seen) -> Text:
    found = seen.view.status.get("recorder")
    if not found:
        return Text("off" + seen.mark, seen.dim)
    trouble = found.get("lost") or found.get("errors") or found.get("disk") != "ok"
    words = f"disk {found.get('disk', DASH)}, lost {found.get('lost', 0)}, {found.get('seq', 0)} events"
    return Text(words + seen.mark, seen.palette.bad if trouble else seen.dim)


def feeders(seen: Seen) -> Text:
    """A line for each feeder's head, their sum, losses where loads are all there is."""
    widths = (8, 8, 6, 6, 6) if seen.width >= NARROW else (7, 7, 5, 5, 5)
    heads = zip(("P kW", "Q kvar", "IA A", "IB A", "IC A"), widths, strict=True)
    text = Text(f"{'':<6}" + "".join(f"{head:>{width}}" for head, width in heads), "dim", no_wrap=True)
    sums: list[float | None] = [0.0] * 2
    for feeder in seen.model.feeders:
        text.append(f"\n{feeder.name:<6.6}", "bold not dim")
        for k, (name, width) in enumerate(zip(FEEDER_POINTS, widths, strict=True)):
            shown, style = seen.value(f"{feeder.head}.{name}", 0)
            text.append(cell(shown, width), style or "not dim")
            if k < len(sums):
                number, total = seen.view.number(f"{feeder.head}.{name}"), sums[k]
                sums[k] = None if number is None or total is None else total + number
    if not seen.model.feeders:
        return Text("this station has no feeder heads", "dim")
    shown_sums = [DASH if s is None else f"{s:.0f}" for s in sums]
    text.append(
        f"\n{'sum':<6}{cell(shown_sums[0], widths[0])}{cell(shown_sums[1], widths[1])}", "bold not dim"
    )
    load_w = seen.view.number("SUB.LOAD.P")
    if sums[0] is not None and load_w is not None and not _has_generation(seen.model):
        text.append(f"  losses {sums[0] - load_w:.0f} kW", "not dim")
    return text


def _has_generation(model: StationModel) -> bool:
    return any(i.kind in ("pv", "battery", "generator") for i in model.items)


def alarms(seen: Seen) -> Text:
    """The most urgent ones."""
    rows = seen.view.alarms
    if not rows and not seen.view.knows_alarms:
        return Text("not known yet", "dim")
    if not rows:
        return Text("none" + seen.mark, seen.dim)
    text = Text(no_wrap=True, overflow="ellipsis")
    for k, row in enumerate(rows[:N_ALARMS]):
        colour = {"high": seen.palette.bad, "medium": seen.palette.warn}.get(row.severity, "")
        sign = seen.signs.alarm if not row.is_acknowledged else " "
        style = seen.dim or f"{'' if row.is_acknowledged else 'bold'} {colour}"
        text.append(
            ("\n" if k else "") + f"{sign} {row.severity[:1].upper()} {row.tag} {row.shown}{seen.mark}", style
        )
        if not row.is_active:
            text.append(" over", "dim")
    if len(rows) > N_ALARMS:
        text.append(f"\nand {len(rows) - N_ALARMS} more: key 9", "dim")
    return text


def commands(seen: Seen) -> Text:
    """The newest commands of all masters."""
    rows = seen.view.status.get("commands", [])[:N_COMMANDS]
    if not rows:
        return Text("none in this run" + seen.mark, seen.dim)
    text = Text(no_wrap=True, overflow="ellipsis")
    for k, row in enumerate(rows):
        at = datetime.fromtimestamp(row["utc_ns"] / 1e9, UTC)
        result = str(row["result"])
        style = seen.palette.good if result.lower() == "done" else seen.palette.warn
        text.append(("\n" if k else "") + f"{at:%H:%M:%S} ", "dim")
        # the verdict first: it must be in view where a line is cut
        text.append(f"{result}{seen.mark} ", seen.dim or style)
        text.append(_written(seen.model, row["writes"]), seen.dim or "bold")
        text.append(f" {row.get('user') or row.get('peer') or row.get('protocol', '')}", "dim")
    return text


def _written(model: StationModel, writes: Any) -> str:
    parts = [_one_written(model.points.get(w[0]), str(w[0]), w[1]) for w in writes[:2] if len(w) > 1]
    return ", ".join(parts) + (f" +{len(writes) - 2}" if len(writes) > 2 else "")


def _one_written(point: PointInfo | None, tag: str, value: Any) -> str:
    if not isinstance(value, int | float) or (point is not None and point.kind == CONTROL):
        return tag
    if point is not None and point.states is not None:
        return f"{tag} {point.states[int(value != 0.0)]}"
    return f"{tag} {value:g}"


def processes(seen: Seen) -> Text:
    """Who serves, with how many clients, requests and refusals."""
    heads, widths = ("clients", "requests", "refused"), (8, 10, 8)
    if seen.width < NARROW:
        heads, widths = ("cl.", "asked", "ref."), (4, 7, 6)
    text = Text(f"{'':<18}" + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)), "dim")
    for row in seen.view.status.get("processes", []):
        is_well = row["state"] == "serving"
        state = seen.dim or (seen.palette.good if is_well else f"bold {seen.palette.bad}")
        text.append(f"\n{row['name']:<10}", seen.dim or "bold not dim")
        text.append(f" {row['state'] + seen.mark:<7}", state)
        figures = zip((row["clients"], row["requests"], row["refused"]), widths, strict=True)
        text.append("".join(cell(f"{n}", w) for n, w in figures), seen.dim or "not dim")
    return text


def sessions(seen: Seen) -> Text:
    """Who is in command: sessions over OPC UA with their roles, masters over Modbus."""
    view = seen.view
    lines = [
        f"{s['user']:<12} {s['role']:<10} {s['age_s']:>6.0f} s  {s['peer']}{seen.mark}"
        for s in view.status.get("sessions", [])
    ]
    n_masters = view.status.get("modbus_clients", 0)
    lines.append(f"{n_masters} {'master' if n_masters == 1 else 'masters'} over Modbus{seen.mark}")
    return Text("\n".join(lines), seen.dim, no_wrap=True, overflow="ellipsis")


PARTS: tuple[tuple[str, str, Callable[[Seen], Text]], ...] = (
    ("loop", "Loop", loop),
    ("system", "System", system),
    ("feeders", "Feeders", feeders),
    ("top-alarms", "Alarms", alarms),
    ("commands", "Last commands", commands),
    ("processes", "Processes", processes),
    ("sessions", "Sessions", sessions),
    ("overruns", "Overruns", overruns),
)
"""Name, title and drawing of each box, in the order of the grid."""
