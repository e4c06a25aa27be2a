"""Blocks of one relay: reclosing, breaker, what it measures."""

from __future__ import annotations

from rich.text import Text

from hil.console.widgets.facts import fact
from hil.console.widgets.pen import Pen
from hil.view.model import Relay, StationModel
from hil.view.relays import (
    CYCLE,
    Level,
    breaker_state,
    first_target,
    recloser_state,
    relay_state,
    shots_of,
    targets,
)

NAME = 9
WORN_PCT, SPENT_PCT = 60.0, 90.0
"""Wear of contacts from which it has a colour."""


def position_sign(pen: Pen, word: str) -> str:
    """Return the sign of a breaker's position."""
    signs = pen.signs
    known = {"CLOSED": signs.closed, "OPEN": signs.open, "MOVING": signs.moving, "FAULTY 52": signs.alarm}
    return known.get(word.rstrip("?"), signs.unknown)


def relay_lines(pen: Pen, model: StationModel, relay: Relay) -> list[Text]:
    """Return two lines about a relay as a whole."""
    view, device = pen.view, relay.device
    bits = view.number(f"{device}.TARGETS")
    found = " ".join(targets(relay, model, bits)) or ("none" if bits is not None else "?")
    first = first_target(relay, model, view.number(f"{device}.FIRST_ELEMENT"))
    wanted, group = view.number(f"{device}.GROUP_SP"), view.number(f"{device}.GROUP")
    differs = f" (wanted {wanted:.0f})" if wanted is not None and wanted != group else ""
    head = Text.assemble(
        (device, "bold"), "  ", pen.state(relay_state(relay, view.reading)),
        ("  targets ", "dim"), (found, pen.palette.note if bits else ""),
        (f" (first {first})" if first else "", ""),
        ("  settings group ", "dim"), pen.number(f"{device}.GROUP", 0), (differs, pen.palette.warn),
    )  # fmt: skip
    last = Text()
    if view.number(f"{device}.TRIPS"):
        last = Text.assemble(
            ("  last trip after ", "dim"), pen.number(f"{device}.TRIP_TIME_S", 3),
            (" at ", "dim"), pen.number(f"{device}.TRIP_CURRENT_A", 0),
        )  # fmt: skip
    past = Text.assemble(
        ("trips ", "dim"), pen.number(f"{device}.TRIPS", 0), last,
        ("  lockout 86 ", "dim"), pen.word(f"{device}.LOCKED_OUT"),
        ("  test switch ", "dim"), pen.word(f"{device}.BLOCKED"),
        ("  self-alarm ", "dim"), pen.word(f"{device}.ALARM", {"ON": f"bold {pen.palette.bad}"}),
    )  # fmt: skip
    return [head, past]


def recloser_lines(pen: Pen, relay: Relay, width: int) -> list[Text]:
    """Return the lines about automatic reclosing."""
    if not relay.recloser:
        return [Text("no automatic reclosing (79)", "dim")]
    view, device = pen.view, relay.recloser
    shots, warn = shots_of(relay, view.number), {"ON": f"bold {pen.palette.warn}"}
    is_cycle = view.number(f"{device}.STATE") == CYCLE
    is_closed = breaker_state(relay.breaker, view.reading).word == "CLOSED"
    return [
        fact("state", pen.state(recloser_state(relay, view.reading)), f"  shot {shots.text}", width=NAME),
        _timer(pen, "dead time", shots.open_s, is_cycle and not is_closed, width),
        _timer(pen, "reclaim", shots.reset_s, bool(shots.reset_s[0]), width),
        fact("closing", pen.word(f"{device}.CLOSING", warn), width=NAME),
        fact("enabled", pen.word(f"{device}.ENABLED", {"OFF": f"bold {pen.palette.warn}"}),
             ("  hot line ", "dim"), pen.word(f"{device}.HOT_LINE", warn), width=NAME),
        fact("sequences", pen.number(f"{device}.CYCLES", 0), width=NAME),
        fact("lockout", pen.word(f"{device}.LOCKOUT_REASON"), (" (last)", "dim"), width=NAME),
    ]  # fmt: skip


def _timer(
    pen: Pen, name: str, times: tuple[float | None, float | None], is_running: bool, width: int
) -> Text:
    done, whole = times
    if not is_running:
        of = f"{whole:g} s" if whole else "-"
        return fact(name, ("not running, ", "dim"), of, width=NAME)
    if done is None or whole is None:
        return fact(name, "?", width=NAME)
    shown = f" {done:.1f}/{whole:g} s"
    room = max(width - NAME - 1 - len(shown), 4)
    return fact(name, pen.progress(done, whole, room, pen.palette.warn), shown, width=NAME)


def breaker_lines(pen: Pen, breaker: str, width: int) -> list[Text]:
    """Return the lines about a breaker."""
    if not breaker:
        return [Text("it has no breaker", "dim")]
    state = breaker_state(breaker, pen.view.reading)
    warn = pen.palette.warn
    return [
        fact("position", pen.state(state, position_sign(pen, state.word)), width=NAME),
        fact("control", pen.word(f"{breaker}.REMOTE", {"LOCAL": warn}),
             ("  tag ", "dim"), pen.word(f"{breaker}.TAG", {"TAGGED": f"bold {warn}"}), width=NAME),
        fact("spring", pen.word(f"{breaker}.SPRING", {"DISCHARGED": f"bold {warn}"}), width=NAME),
        fact("trip coil", pen.alarm(f"{breaker}.TRIP_CIRCUIT", is_on_bad=False), width=NAME),
        fact("contacts", pen.alarm(f"{breaker}.DISCREPANCY"), width=NAME),
        fact("poles", pen.alarm(f"{breaker}.POLES"), width=NAME),
        fact("openings", pen.number(f"{breaker}.OPS", 0), width=NAME),
        *(_wear(pen, breaker, phase, width) for phase in "ABC"),
    ]  # fmt: skip


def _wear(pen: Pen, breaker: str, phase: str, width: int) -> Text:
    tag = f"{breaker}.WEAR_{phase}"
    worn = pen.view.number(tag) or 0.0
    level = Level.BAD if worn >= SPENT_PCT else Level.WARN if worn >= WORN_PCT else Level.GOOD
    room = max(width - NAME - 10, 4)
    return fact(f"wear {phase.lower()}", pen.bar(tag, room, high=100.0, style=pen.style(level)), " ",
                pen.number(tag, 2), width=NAME)  # fmt: skip


def measured_lines(pen: Pen, inputs: str) -> list[Text]:
    """Return what a relay measures: phasors of phases and sequences, angles to V1."""
    if not inputs:
        return [Text("this station shows no inputs of it", "dim")]
    rows = [Text(f"{'':2}{'I [A]':>7}{'[deg]':>7}{'V [V]':>7}{'[deg]':>7}", "dim")]
    for name in ("A", "B", "C", "1", "2", "0"):
        colour = pen.palette.phase["ABC".index(name)] if name in "ABC" else ""
        rows.append(Text.assemble(
            (f"{name.lower():2}", f"bold {colour}".strip()),
            pen.number(f"{inputs}.I{name}_A", 1, width=7, unit=""),
            pen.number(f"{inputs}.I{name}_DEG", 1, width=7, unit=""),
            pen.number(f"{inputs}.V{name}_V", 0, width=7, unit=""),
            pen.number(f"{inputs}.V{name}_DEG", 1, width=7, unit=""),
        ))  # fmt: skip
    failed = {"ON": f"bold {pen.palette.bad}"}
    rows += [
        fact("3 I0", pen.number(f"{inputs}.IN_A"), width=NAME),
        fact("frequency", pen.number(f"{inputs}.F_HZ", 3), width=NAME),
        fact("VT failed", pen.word(f"{inputs}.VT_FAILED", failed),
             ("  CT factor ", "dim"), pen.number(f"{inputs}.CT_FACTOR", 2), width=NAME),
    ]  # fmt: skip
    return rows
