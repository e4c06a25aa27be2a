"""What the estimator's screen says: summary, rows of its tables, attacks."""

from __future__ import annotations

import bisect
import dataclasses as dc
import math
from collections.abc import Sequence

from rich.text import Text

from hil.console.looks import Palette, Signs, style_of
from hil.console.widgets.row_table import Row, left, right
from hil.view.attacks import SlotAttack
from hil.view.code_words import words_of
from hil.view.estimation import RANKED, Estimation, regulator_name, switch_name
from hil.view.model import StationModel
from hil.view.reading import DASH, Reading, number_text, text_of
from hil.view.station_view import StationView

BAD_FROM = 128
"""Qualities from here on are Bad."""
SUSPECTS = (1, 2, 3)
TRUTH_ROLE = "instructor"
"""Who sees what a falsified point would show."""
LARGE_RN = 4.0
"""A normalised residual beyond it is rare without an error."""
TITLES = {
    "#se-plot-box": "J over its threshold, last 10 minutes",
    "#se-detectors-box": "Detectors of false data",
    "#se-attacks-box": "Attacks",
    "#se-residuals-box": "Largest normalised residuals",
    "#se-compared-box": "Estimated against measured voltages",
}
HEADS = {
    "#se-detectors": ("detector", "value", "limit", "alarm", "alarms"),
    "#se-residuals": ("channel", "sigmas", "use", "measured"),
    "#se-compared": ("bus, meter", "", "est. V", "meas. V", "diff %"),
}


@dc.dataclass(frozen=True, slots=True)
class Look:
    """What texts are made from."""

    view: StationView
    palette: Palette
    signs: Signs

    def cell(self, model: StationModel, tag: str, *, has_unit: bool = False) -> Text:
        """Return a value as a right-aligned cell."""
        reading = self.view.reading(tag)
        return right(
            text_of(model.points.get(tag), reading, has_unit=has_unit), style_of(reading, self.palette)
        )


def summary(look: Look, model: StationModel, found: Estimation) -> Text:
    """Return the lines that must be in view on any terminal."""
    view, palette, signs, d = look.view, look.palette, look.signs, found.device

    def value(name: str, *, has_unit: bool = False) -> tuple[str, str]:
        cell = look.cell(model, f"{d}.{name}", has_unit=has_unit)
        return cell.plain, str(cell.style)

    converged = view.reading(f"{d}.CONVERGED")
    reason = view.reading(f"{d}.REASON")
    if not converged.is_usable:
        head = (f" {signs.unknown} NOT KNOWN ", f"bold reverse {palette.warn}")
    elif converged.is_on:
        head = (f" {signs.on} CONVERGED ", f"bold reverse {palette.good}")
    else:
        head = (f" {signs.alarm} NO STATE ", f"bold reverse {palette.bad}")
    words = words_of(model.points.get(f"{d}.REASON"), reason)
    is_plain = reason.number == 0.0
    text = Text.assemble(head, " ", (words, "" if is_plain else f"bold {palette.warn}"), "\n")
    text.append_text(
        Text.assemble(
            *("J ", value("J"), " / ", value("THRESHOLD"), " threshold, dof ", value("DOF")),
            *("   centred ", value("J_CENTRED"), " / ", value("THRESHOLD_CENTRED")),
            *(", learned ", value("LEARNED_H", has_unit=True), "\n"),
        )
    )
    text.append_text(
        Text.assemble(
            *("bad data ", _flag(look, f"{d}.BAD_DATA"), "   centred ", _flag(look, f"{d}.BAD_DATA_CENTRED")),
            *("   measurements ", value("N_MEASUREMENTS")),
            *("   not observable ", _count(look, f"{d}.N_UNOBSERVABLE", "nodes"), "\n"),
        )
    )
    text.append_text(
        Text.assemble(
            *("iterations ", value("ITERATIONS"), "   solved in ", value("SOLVE_MS", has_unit=True)),
            *("   state ", value("AGE_S", has_unit=True), " old"),
            *("   scan ", value("SCANS"), " at ", value("RATE_HZ", has_unit=True), "\n"),
        )
    )
    return text.append_text(suspects(look, model, found))


def suspects(look: Look, model: StationModel, found: Estimation) -> Text:
    """Return the suspected channels, switch and tap by name."""
    view, d, bad = look.view, found.device, f"bold {look.palette.bad}"
    parts: list[str | tuple[str, str]] = []
    for k in SUSPECTS:
        tag = found.channel(view.number(f"{d}.SUSPECT_{k}"))
        if tag:
            rn = view.number(f"{d}.SUSPECT_{k}_RN")
            parts += [(tag, bad), f" {rn:+.1f} sigma  " if rn is not None else "  "]
    if switch := switch_name(model, view.number(f"{d}.SWITCH_SUSPECT")):
        parts += ["switch ", (switch, bad), "  "]
    if regulator := regulator_name(model, view.number(f"{d}.TAP_SUSPECT")):
        parts += ["tap of ", (regulator, bad)]
    is_known = view.reading(f"{d}.SUSPECT_1").is_usable
    none = "none" if is_known else "not known"
    return Text.assemble("suspects ", *(parts or [(none, "")]))


def _flag(look: Look, tag: str) -> tuple[str, str]:
    """Return a two-state point as yes or no, with what is not sure marked."""
    reading = look.view.reading(tag)
    if reading.number is None:
        return DASH, style_of(reading, look.palette)
    mark = "" if reading.is_usable and reading.grade == "good" else "?"
    if reading.number:
        return f"{look.signs.alarm} YES{mark}", f"bold {look.palette.bad}" if reading.is_usable else "dim"
    return f"no{mark}", style_of(reading, look.palette)


def _count(look: Look, tag: str, what: str) -> tuple[str, str]:
    number = look.view.number(tag)
    if number is None:
        return DASH, "dim"
    return f"{number:.0f} {what}", f"bold {look.palette.warn}" if number else ""


# ---- tables


def detector_rows(look: Look, found: Estimation) -> list[Row]:
    """Return a row for each detector."""
    rows: list[Row] = []
    for d in found.detectors:
        name = d.rpartition(".")[2].removeprefix("DET_").lower().replace("_", " ")
        value, limit = look.view.reading(f"{d}.VALUE"), look.view.reading(f"{d}.THRESHOLD")
        text, style = _flag(look, f"{d}.ALARM")
        learning = limit.number is None
        rows.append(
            (
                left(name),
                _figure(look, value),
                right("learning", "dim") if learning else _figure(look, limit),
                left(text, style),
                _figure(look, look.view.reading(f"{d}.ALARMS")),
            )
        )
    return rows


def ranking(look: Look, found: Estimation) -> list[tuple[str, float]]:
    """Return (channel, normalised residual), the largest first, as far as the station tells."""
    values, tags = (look.view.reading(name).value for name in RANKED)
    if not isinstance(values, list) or not isinstance(tags, list):
        return []
    return [
        (t, float(v)) for t, v in zip(tags, values, strict=False) if t in found.channels and math.isfinite(v)
    ]


def residual_rows(
    look: Look, model: StationModel, found: Estimation, ranked: Sequence[tuple[str, float]]
) -> list[Row]:
    """Return a row for each ranked channel."""
    stale = look.view.reading(RANKED[0]).is_stale
    rows: list[Row] = []
    for channel, rn in ranked:
        state_tag = f"{found.channels[channel]}.STATE"
        state = look.view.reading(state_tag)
        words = words_of(model.points.get(state_tag), state)
        is_odd = words in ("suspect", "removed")
        style = "dim italic" if stale else f"bold {look.palette.bad}" if abs(rn) >= LARGE_RN else ""
        rows.append(
            (
                left(channel),
                right(f"{rn:+.2f}" + ("?" if stale else ""), style),
                left(
                    f"{look.signs.alarm} {words}" if is_odd else words,
                    f"bold {look.palette.bad}" if is_odd else style_of(state, look.palette),
                ),
                look.cell(model, channel, has_unit=True),
            )
        )
    return rows


def compared_rows(look: Look, model: StationModel, found: Estimation) -> list[Row]:
    """Return a row for each phase of each bus that is both estimated and measured."""
    rows: list[Row] = []
    for compared in found.compared:
        for k, (estimated_tag, measured_tag) in enumerate(compared.pairs):
            estimated, measured = look.view.reading(estimated_tag), look.view.reading(measured_tag)
            rows.append(
                (
                    left(
                        compared.bus if k == 0 else f" {compared.meter}" if k == 1 else "", "dim" if k else ""
                    ),
                    left(estimated_tag[-1].lower()),
                    look.cell(model, estimated_tag),
                    look.cell(model, measured_tag),
                    right(*_difference(estimated, measured, look.palette)),
                )
            )
    return rows


def _difference(estimated: Reading, measured: Reading, palette: Palette) -> tuple[str, str]:
    e, m = estimated.number, measured.number
    if e is None or not m:
        return DASH, "dim"
    percent = 100.0 * (e - m) / m
    is_sure = estimated.is_usable and measured.is_usable
    if not is_sure:
        return f"{percent:+.2f}?", "dim italic"
    return f"{percent:+.2f}", f"bold {palette.warn}" if abs(percent) > 1.0 else ""


def _figure(look: Look, reading: Reading) -> Text:
    text = DASH if reading.number is None else number_text(reading.number)
    return right(
        text + ("?" if reading.number is not None and not reading.is_usable else ""),
        style_of(reading, look.palette),
    )


# ---- attacks


def attacks(look: Look, model: StationModel, slots: Sequence[SlotAttack]) -> Text:
    """Return what falsifies points now: slots of the laboratory, the station's attack file."""
    if not look.view.link.is_live:
        return Text(f"{look.signs.unknown} not known without the station", "dim italic")
    lines = [_slot_line(look, model, s) for s in slots]
    told = look.view.status.get("attack", {})
    if told.get("file"):
        active = ", ".join(told.get("active", ())) or "nothing of it acts now"
        style = f"bold {look.palette.bad}" if told.get("active") else ""
        lines.append(Text.assemble(f"file {told['file']}: ", (active, style)))
    if not lines:
        lines.append(Text("none at instruments; none on the board"))
    return Text("\n").join(lines)


def _slot_line(look: Look, model: StationModel, s: SlotAttack) -> Text:
    view = look.view
    left_s = view.number(s.left_tag)
    parts: list[str | tuple[str, str]] = [
        (f"{look.signs.alarm} {s.target or 'no point'}", f"bold {look.palette.bad}"),
        f" {s.mode} ({s.slot})  shown ",
        look.cell(model, s.target, has_unit=True).plain if s.target else DASH,
    ]
    if view.role == TRUTH_ROLE:
        parts += ["  true ", look.cell(model, s.true_tag).plain]
    if left_s:
        parts.append(f"  {left_s:.0f} s left")
    return Text.assemble(*parts)


# ---- plot


def ratios(
    times: Sequence[float],
    values: Sequence[float],
    at: Sequence[float],
    limits: Sequence[float],
    now_s: float,
) -> tuple[list[float], list[float]]:
    """Return minutes from now, and values over the limit that held at their time.

    >>> ratios([0.0, 60.0], [50.0, 30.0], [-5.0, 30.0], [100.0, 10.0], 60.0)
    ([-1.0, 0.0], [0.5, 3.0])
    """
    minutes, shares = list[float](), list[float]()
    for t, value in zip(times, values, strict=True):
        k = max(bisect.bisect_right(at, t) - 1, 0)
        if k < len(limits) and limits[k] > 0.0 and math.isfinite(value):
            minutes.append((t - now_s) / 60.0)
            shares.append(value / limits[k])
    return minutes, shares
