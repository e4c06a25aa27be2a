"""What a map says in words: which feeders are dead, what is not as it is normally, faults, voltages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.text import Text

from hil.console.looks import Palette
from hil.console.widgets.map_paint import FAULT_SIGN, Scene
from hil.console.widgets.map_things import short
from hil.view.energised import Fault, State, Topology
from hil.view.model import StationModel
from hil.view.switching import Position, Switch

MOST = 6
"""Things that are named before "and so many more"."""


def sections(topology: Topology, scene: Scene, palette: Palette) -> Text:
    """Return the state of each feeder in a line."""
    found: dict[str, Counter[State]] = {}
    for k, bus in enumerate(topology.model.buses):
        found.setdefault(bus.feeder or "substation", Counter())[scene.picture.state(k)] += 1
    parts = [_feeder(name, states, palette) for name, states in found.items()]
    return Text("   ").join(parts)


def _feeder(name: str, states: Counter[State], palette: Palette) -> Text:
    n = states.total()
    if states[State.LIVE] == n:
        return Text.assemble((name, "bold"), " ", ("live", palette.live))
    if states[State.DEAD] == n:
        return Text.assemble((name, "bold"), " ", ("DEAD", f"bold {palette.bad}"))
    words = {State.DEAD: "dead", State.PARTLY: "partly live", State.UNKNOWN: "unknown"}
    said = ", ".join(f"{states[s]}/{n} {word}" for s, word in words.items() if states[s])
    return Text.assemble((name, "bold"), " ", (said, palette.warn))


def unusual(model: StationModel, scene: Scene, palette: Palette) -> Text:
    """Return what is not in its normal position, in a line."""
    said = [
        f"{short(b.device or b.name)} {position_words(b.kind, scene.switches[k])}"
        for k, b in enumerate(model.branches)
        if k in scene.switches and _is_unusual(scene.switches[k], is_closed=b.is_closed)
    ]
    tagged = [f"{short(model.branches[k].device)} tagged" for k, s in scene.switches.items() if s.is_tagged]
    text = Text("switches normal" if not said and not tagged else "")
    if said or tagged:
        text.append(_some([*said, *tagged]), palette.warn)
    return text


def faults(scene: Scene, palette: Palette) -> Text:
    """Return the faults, with a gap behind them; nothing where there are none."""
    said = "".join(f"{fault_words(fault)}   " for fault in scene.faults)
    return Text(said, f"bold {palette.bad}")


def fault_words(fault: Fault) -> str:
    """Return where a fault is and whether it is fed."""
    where = f"on line {fault.line}" if fault.line else f"at {fault.bus}"
    what = "open conductor" if fault.is_break else "fault"
    state = "resting" if not fault.is_on else "fed" if fault.has_voltage else "no voltage"
    anew = "; settings changed since" if fault.is_set_anew else ""
    return f"{FAULT_SIGN} {short(fault.slot)}: {what} {where}, {state}{anew}"


def voltage_words(model: StationModel, values: Mapping[str, float], palette: Palette) -> Text:
    """Return how many voltages are outside the limits, and the lowest and highest."""
    if not values:
        return Text("voltages: nothing measures", palette.warn)
    low = sum(v < model.v_low_pu for v in values.values())
    high = sum(v > model.v_high_pu for v in values.values())
    least, most = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    return Text.assemble(
        f"{len(values)} voltages: ",
        (f"{low} < {model.v_low_pu:g}", palette.warn if low else ""),
        ", ",
        (f"{high} > {model.v_high_pu:g} pu", palette.note if high else ""),
        f"; {values[least]:.3f} {device_of(least)} to {values[most]:.3f} {device_of(most)}",
    )


def device_of(tag: str) -> str:
    """Return the device of a tag."""
    return tag.rpartition(".")[0]


def _is_unusual(switch: Switch, *, is_closed: bool) -> bool:
    return switch.position is not (Position.CLOSED if is_closed else Position.OPEN)


FUSE_WORDS = {Position.OPEN: "blown", Position.CLOSED: "whole"}


def position_words(kind: str, switch: Switch) -> str:
    """Return the position of a switching device in words."""
    is_fuse = kind == "fuse"
    if switch.position is Position.PARTLY:
        return f"{'blown' if is_fuse else 'open'} in {switch.opened}"
    words = str(switch.position.value)
    return FUSE_WORDS.get(switch.position, words) if is_fuse else words


def _some(said: Sequence[str]) -> str:
    more = len(said) - MOST
    return ", ".join(said[:MOST]) + (f" and {more} more" if more > 0 else "")
