"""What the test bench's screen says: state of the test, rows of its shots, the test set."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.text import Text

from hil.console.pages.estimator_text import Look
from hil.console.widgets.bar import bar
from hil.console.widgets.row_table import Row, left, right
from hil.view.bench_state import FINISHED, RUNNING, BenchState, Delay, Judged, ShotRow
from hil.view.model import StationModel
from hil.view.reading import DASH

HEADS = ("verdict", "shot", "asked", "quantity", "measured", "true within", "allowed", "test", "why")
BAR_WIDTH = 24
WHY_WIDTH = 60
NONE = """No relay test has run since the station was started. On the station's machine:

    gridhil relaytest si_51              a shipped plan; the device polls by Modbus
    gridhil relaytest MY_PLAN.toml --report out

The device under test must be connected first; examples/standin is one to try with. docs/relaytest.md."""
PHASES = "abc"
INPUTS = {1: "trip", 2: "close", 3: "pickup", 4: "4"}
"""Binary inputs of the test set, and what is usually wired to them."""


def state(look: Look, found: BenchState | None, trouble: str, *, is_asked: bool, is_ascii: bool) -> Text:
    """Return how the test stands, in four lines."""
    if found is None:
        if trouble:
            return Text(trouble, look.palette.warn)
        if is_asked:
            return Text(NONE)
        is_live = look.view.link.is_live
        return Text("asking the station ..." if is_live else "not known: the link to the station is not live")
    text = Text.assemble(
        *_head(look, found),
        f"  plan {found.plan}, location {found.location}, device {found.device or DASH}\n",
    )
    done = bar(found.share, BAR_WIDTH, is_ascii=is_ascii)
    text.append(f"{done} {found.shots_done} of {found.shots_planned} shots")
    part = f"   test {found.test_number} of {found.tests}"
    text.append(f"{part} {found.test}, {found.shot} of {found.shots}\n" if found.test else f"{part}\n")
    text.append_text(_counts(look, found))
    text.append(f"   delay of the connection {_delay(found.uncertainty)}\n")
    began, last = (
        datetime.fromtimestamp(ns / 1e9, UTC) for ns in (found.started_utc_ns, found.changed_utc_ns)
    )
    text.append(f"began {began:%Y-%m-%d %H:%M:%S} UTC, newest {last:%H:%M:%S}", "dim")
    if trouble:
        text.append(f"   {trouble}", look.palette.warn)
    if found.rows and (why := found.rows[-1].why) and found.rows[-1].verdict != "PASS":
        text.append(f"\nnewest shot: {why}", look.palette.warn)
    return text


def _head(look: Look, found: BenchState) -> list[tuple[str, str]]:
    palette, signs = look.palette, look.signs
    if not look.view.link.is_live:
        return [(f" {signs.unknown} {found.state} when last heard of ", "dim italic reverse")]
    if found.state == RUNNING:
        return [(f" {signs.on} RUNNING ", f"bold reverse {palette.live}")]
    if found.state == FINISHED:
        return [
            (
                f" {_sign(look, found.verdict)} {found.verdict} ",
                f"bold reverse {_colour(look, found.verdict)}",
            )
        ]
    return [
        (f" {signs.alarm} BROKEN OFF ", f"bold reverse {palette.warn}"),
        (f" {found.why}", f"bold {palette.warn}"),
    ]


def _counts(look: Look, found: BenchState) -> Text:
    if not found.counts:
        return Text("no shot yet")
    parts = [(f"{n} {v}  ", f"bold {_colour(look, v)}") for v, n in sorted(found.counts.items())]
    text = Text.assemble(*parts)
    text.rstrip()
    return text


def _delay(delay: Delay | None) -> str:
    """Return the delay by which times are corrected, and how far off that may be."""
    if delay is None or delay.mean_s is None or delay.low_s is None or delay.high_s is None:
        return "not known yet"
    width = f"{1e3 * delay.low_s:.1f} to {1e3 * delay.high_s:.1f} ms"
    cover = f", holds {100.0 * delay.coverage:.1f} %" if delay.coverage is not None else ""
    return f"{1e3 * delay.mean_s:.1f} ms ({width}{cover}; {delay.n} seen)"


def shot_rows(look: Look, found: BenchState) -> list[Row]:
    """Return a row for each reading of each shot, oldest first; one for a shot without any."""
    rows: list[Row] = []
    for shot in found.rows:
        for k, reading in enumerate(shot.readings or (None,)):
            rows.append(_shot_row(look, shot, reading, is_first=k == 0))
    return rows


def _shot_row(look: Look, shot: ShotRow, r: Judged | None, *, is_first: bool) -> Row:
    number = f"{shot.shot}" + (f".{shot.attempt}" if shot.attempt > 1 else "")
    if shot.is_superseded:
        number = f"({number})"
    dim = "dim" if shot.is_superseded else ""
    verdict = shot.verdict if r is None or shot.is_superseded or shot.verdict == "INVALID" else r.verdict
    why = shot.why if is_first and verdict != "PASS" else ""
    return (
        left(f"{_sign(look, verdict)} {verdict}", dim or f"bold {_colour(look, verdict)}"),
        right(number if is_first else "", dim),
        left(shot.label if is_first else "", dim),
        left(r.name if r else DASH, dim),
        right(f"{_figure(r.measured)} {r.unit}".rstrip() if r else DASH, dim),
        right(_interval(r.low, r.high) if r else DASH, dim),
        right(_interval(r.allowed_low, r.allowed_high) if r else DASH, dim),
        left(shot.test if is_first else "", dim),
        left(why[:WHY_WIDTH], dim),
    )


def _sign(look: Look, verdict: str) -> str:
    return {"PASS": look.signs.on, "FAIL": look.signs.fault}.get(verdict, look.signs.unknown)


def _colour(look: Look, verdict: str) -> str:
    return {"PASS": look.palette.good, "FAIL": look.palette.bad}.get(verdict, look.palette.warn)


def _interval(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return DASH
    return f"{_figure(low)} .. {_figure(high)}"


def _figure(value: float | None) -> str:
    return DASH if value is None else f"{value:.4f}" if abs(value) < 10.0 else f"{value:.6g}"


# ---- test set


def test_set(look: Look, model: StationModel, device: str) -> Text:
    """Return what the sources give now, what the device's contacts say, and the connection's delay."""
    if not device:
        return Text("this station has no injection test set", "dim")

    def value(name: str) -> str:
        tag = f"{device}.{name}"
        return look.cell(model, tag, has_unit=True).plain if model.has(tag) else DASH

    lines = [_set_head(look, model, device, value("ON"), value("ON_S"))]
    lines.append(Text(f"{'':3}{'current':<20}voltage", "dim"))
    for phase in PHASES:
        p = phase.upper()
        current = f"{value(f'I{p}_A')} {value(f'I{p}_DEG')}"
        lines.append(Text(f"{phase}  {current:<20}{value(f'V{p}_V')} {value(f'V{p}_DEG')}"))
    seen = " ".join(value(f"SEEN_I{p}_A") for p in "ABCN")
    lines.append(Text(f"CTs show {seen}"))
    lines.append(Text(f"{value('F_HZ')}, ramp {value('DF_HZ_S')}"))
    inputs = "  ".join(_input(look, device, k) for k in INPUTS)
    lines.append(Text(f"inputs {inputs}"))
    lines.append(Text(f"round trip {value('ROUND_TRIP_S')}, {value('ROUND_TRIPS')} came back"))
    return Text("\n").join(lines)


def _set_head(look: Look, model: StationModel, device: str, on: str, on_s: str) -> Text:
    is_on = look.view.reading(f"{device}.ON").is_on
    number = int(look.view.reading(f"{device}.LOCATION").number or 0)
    place = model.relays[number - 1].device if 0 < number <= len(model.relays) else "none"
    sign, style = (look.signs.on, f"bold {look.palette.live}") if is_on else (look.signs.off, "")
    return Text.assemble(("Test set ", "bold"), (f"{sign} {on} {on_s}", style), f"  at {place}")


def _input(look: Look, device: str, number: int) -> str:
    reading = look.view.reading(f"{device}.INPUT_{number}")
    sign = look.signs.unknown if not reading.is_usable else look.signs.on if reading.is_on else look.signs.off
    return f"{sign} {INPUTS[number]}"
