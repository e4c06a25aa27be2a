"""What the screen of feeders says in lines: phases, sequence components, harmonics, the voltage profile."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from hil.console.looks import Palette, style_of
from hil.view import feeder_values as fv
from hil.view.model import StationModel
from hil.view.reading import DASH, GOOD, fixed, text_of
from hil.view.sequence import Sequences, angle_deg, deviation_pct, sequences
from hil.view.station_view import StationView

HEADS = ("V [V]", "V [pu]", "I [A]", "P [kW]", "Q [kvar]", "S [kVA]", "pf")
DECIMALS = (1, 4, 1, 1, 1, 1, 3)
WIDTHS = (10, 8, 9, 10, 10, 10, 8)
LEAST_SIZE = 1e-6


def phase_lines(rows: Sequence[fv.Row], palette: Palette) -> list[Text]:
    """Return the table of phases."""
    head = f"{'':<5}" + "".join(f"{h:>{w}}" for h, w in zip(HEADS, WIDTHS, strict=True))
    lines = [Text(head, "bold")]
    for k, row in enumerate(rows):
        line = Text.assemble((f"{row.name:<5}", palette.phase[k] if k < 3 else "bold"))
        for number, decimals, width in zip(row.cells, DECIMALS, WIDTHS, strict=True):
            line.append_text(_number(number, decimals, width, palette))
        lines.append(line)
    return lines


def _number(number: fv.Number, decimals: int, width: int, palette: Palette) -> Text:
    if number.value is None:
        shown = "" if number.worst.is_missing and not number.is_computed else DASH
        return Text(f"{shown:>{width}}", style_of(number.worst, palette))
    doubt = "?" if number.worst.is_stale or number.worst.grade != GOOD else ""
    return Text(f"{fixed(number.value, decimals) + doubt:>{width}}", style_of(number.worst, palette))


def origin(model: StationModel, place: fv.Place) -> Text:
    """Return where what is shown comes from."""
    if model.has(f"{place.amperes}.PA"):
        return Text(f"all measured at {place.amperes} and {place.volts}; S and pf computed", "dim")
    if place.inputs and not place.is_elsewhere:
        return Text(f"V, I, sums: {place.amperes}; P, Q of phases computed from {place.inputs}", "dim")
    return Text(f"V, I, sums: {place.amperes}; no relay here whose phasors give P, Q of phases", "dim")


def sequence_lines(
    volts: Sequence[complex | None],
    amperes: Sequence[complex | None],
    palette: Palette,
    *,
    is_stale: bool,
    has_angles: bool,
) -> list[Text]:
    """Return magnitudes of the sequences, angles against V1 where there is room, shares, unbalance."""
    found = [(_sequences(volts), 9), (_sequences(amperes), 9)]
    style, doubt = ("dim italic", "?") if is_stale else ("", "")
    volt = found[0][0]
    reference = angle_deg(volt.positive) if volt is not None and abs(volt.positive) > LEAST_SIZE else 0.0
    angle_head, angle_room = (f"{'deg':>7}", " " * 7) if has_angles else ("", "")
    lines = [Text(f"{'':<10}{'V [V]':>9}{angle_head}{'I [A]':>9}{angle_head}", "bold")]
    for name in ("positive", "negative", "zero"):
        line = Text.assemble((f"{name:<10}", "bold"))
        for parts, width in found:
            value = None if parts is None else getattr(parts, name)
            line.append(_size(value, width, doubt) + (_angle(value, reference) if has_angles else ""), style)
        lines.append(line)
    for title, name in (("neg/pos %", "negative_pct"), ("zero/pos %", "zero_pct")):
        line = Text.assemble((f"{title:<10}", "bold"))
        for parts, width in found:
            share = None if parts is None else getattr(parts, name)
            line.append(_share(share, width, doubt) + angle_room, style)
        lines.append(line)
    line = Text.assemble((f"{'uneven %':<10}", "bold"))
    for values in (volts, amperes):
        sizes = [abs(v) for v in values if v is not None]
        share = deviation_pct(sizes) if len(sizes) == len(values) else None
        line.append(_share(share, 9, doubt) + angle_room, style)
    return [*lines, line]


def _sequences(values: Sequence[complex | None]) -> Sequences | None:
    a, b, c = values
    return None if a is None or b is None or c is None else sequences(a, b, c)


def _size(value: complex | None, width: int, doubt: str) -> str:
    return f"{DASH if value is None else fixed(abs(value), 2) + doubt:>{width}}"


def _angle(value: complex | None, reference_deg: float) -> str:
    if value is None or abs(value) < LEAST_SIZE:
        return f"{DASH:>7}"
    return f"{fixed((angle_deg(value) - reference_deg + 180.0) % 360.0 - 180.0, 1):>7}"


def _share(value: float | None, width: int, doubt: str) -> str:
    return f"{DASH if value is None else fixed(value, 2) + doubt:>{width}}"


def harmonic_lines(view: StationView, place: fv.Place, palette: Palette) -> list[Text]:
    """Return one line for each device that measures harmonics."""
    model = view.model
    if model is None or not place.harmonics:
        return [Text("this station measures no harmonics here", "dim")]
    lines = []
    for device in place.harmonics:
        line = Text.assemble((f"{device:<16} ", "bold"))
        for point in fv.harmonic_points(model, device):
            reading = view.reading(point.tag)
            shown = text_of(point, reading, has_unit=True)
            is_over = point.states is not None and reading.is_on
            style = style_of(reading, palette) or (f"bold {palette.bad}" if is_over else "")
            line.append(f"{point.name} ", "dim")
            line.append(f"{shown}   ", style)
        lines.append(line)
    return lines


def profile_words(model: StationModel, found: Sequence[fv.Voltage], palette: Palette) -> Text:
    """Return the range of a profile, and where it leaves the limits."""
    if not found:
        return Text("no voltage measured along it now", palette.warn)
    low = [v for v in found if v.pu < model.v_low_pu]
    high = [v for v in found if v.pu > model.v_high_pu]
    least, most = min(found, key=lambda v: v.pu), max(found, key=lambda v: v.pu)
    text = Text(f"{len(found)} voltages, {least.pu:.3f} to {most.pu:.3f} pu: ", no_wrap=True)
    if not low and not high:
        return text.append(f"all within {model.v_low_pu:g} to {model.v_high_pu:g}", palette.good)
    if low:
        worst = f"{len(low)} below {model.v_low_pu:g} (lowest {least.tag} {least.km:.1f} km) "
        text.append(worst, f"bold {palette.warn}")
    if high:
        worst = f"{len(high)} above {model.v_high_pu:g} (highest {most.tag} {most.km:.1f} km)"
        text.append(worst, f"bold {palette.note}")
    return text
