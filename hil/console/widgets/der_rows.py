"""Lines and rows about distributed resources."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from hil.console.widgets.device_table import LEFT, RIGHT
from hil.console.widgets.facts import fact
from hil.console.widgets.pen import Pen
from hil.view.der import Resources, master
from hil.view.model import StationModel
from hil.view.reading import number_text
from hil.view.relays import Level

NAME = 10
UNITS = (
    ("device", 15, LEFT), ("state", 15, LEFT), ("P [kW]", 8, RIGHT), ("Q [kvar]", 8, RIGHT),
    ("charge", 16, LEFT), ("remarks", 38, LEFT),
)  # fmt: skip
SITES = (
    ("site", 11, LEFT), ("P [kW]", 7, RIGHT), ("sun [kW]", 8, RIGHT), ("Q [kvar]", 8, RIGHT),
    ("limit", 5, RIGHT), ("state", 9, LEFT), ("trip", 4, LEFT), ("V [pu]", 6, RIGHT),
)  # fmt: skip
SITE_POINTS = ("W", "W_AVAIL", "VAR", "LIM_PCT", "ST", "TRIP", "TRIPPED", "V")
CHARGE_WIDTH = 8


def command_lines(pen: Pen, found: Resources) -> list[Text]:
    """Return who leads and who commands; one line of the sun."""
    view, warn = pen.view, f"bold {pen.palette.warn}"
    lines = [fact("master", master(found, view.reading), width=NAME)]
    if grid := found.microgrid:
        lines = [
            fact("connection", pen.word(f"{grid}.STATE", {"grid": pen.palette.good, "dead": warn}),
                 ("  master ", "dim"), master(found, view.reading), ("  grid side ", "dim"),
                 pen.word(f"{grid}.GRID_OK", {"OUTSIDE": warn}), ("  returns by itself ", "dim"),
                 pen.word(f"{grid}.AUTO"), width=NAME)
        ]  # fmt: skip
    if command := found.dispatch:
        lines.append(fact(
            "command", pen.word(f"{command}.MODE_SP"), ("  import ", "dim"), pen.number(f"{command}.IMPORT"),
            ("  kept within ", "dim"), pen.number(f"{command}.MIN_SP", 0, unit=""), (" to ", "dim"),
            pen.number(f"{command}.MAX_SP", 0), width=NAME,
        ))  # fmt: skip
        fallback = pen.word(f"{command}.FALLBACK", {"FALLBACK": f"bold {pen.palette.bad}"})
        if view.number(f"{command}.PLAN_SP") == 0.0:
            lines.append(fact("plan", ("none in force yet  ", "dim"), fallback, width=NAME))
        else:
            lines.append(fact(
                "plan", ("number ", "dim"), pen.number(f"{command}.PLAN_SP", 0), ("  in force for ", "dim"),
                pen.number(f"{command}.PLAN_AGE", 0), "  ", fallback, width=NAME,
            ))  # fmt: skip
    if fleet := found.fleet:
        tripped = view.number(f"{fleet}.TRIPPED")
        style = f"bold {pen.palette.bad}" if tripped else ""
        lines.append(fact(
            "sun", pen.number(f"{fleet}.P"), (" of ", "dim"), pen.number(f"{fleet}.P_AVAIL"), "  ",
            pen.number(f"{fleet}.Q"), ("  sites ", "dim"), pen.number(f"{fleet}.N", 0),
            ("  tripped ", "dim"), Text("?" if tripped is None else f"{tripped:.0f}", style), width=NAME,
        ))  # fmt: skip
    return lines


def unit_cells(pen: Pen, model: StationModel, device: str) -> Sequence[Text]:
    """Return the cells of a device, but its name."""
    template = model.devices[device][0].template
    return {
        "microgrid": _microgrid, "dispatch": _dispatch, "battery": _battery, "generator": _machine,
        "load_shedding": _stage,
    }[template](pen, device)  # fmt: skip


def site_cells(pen: Pen, device: str) -> Sequence[Text]:
    """Return the cells of a photovoltaic site, but its name."""
    state = pen.word(f"{device}.ST", {"MPPT": pen.palette.good, "throttled": pen.palette.note})
    is_tripped = pen.view.reading(f"{device}.TRIPPED").is_on
    if is_tripped:
        state = Text(f"{pen.signs.alarm} TRIPPED", f"bold {pen.palette.bad}")
    trip = pen.view.number(f"{device}.TRIP")
    limit = pen.view.number(f"{device}.LIM_PCT")
    percent = pen.number(f"{device}.LIM_PCT", 0, unit="%")
    if limit is not None and limit < 100.0:
        percent.stylize(f"bold {pen.palette.warn}")
    return (
        pen.number(f"{device}.W", unit=""), pen.number(f"{device}.W_AVAIL", unit=""),
        pen.number(f"{device}.VAR", unit=""), percent, state,
        pen.word(f"{device}.TRIP") if trip else Text("-" if trip is not None else "?", "dim"),
        pen.number(f"{device}.V", 3, unit=""),
    )  # fmt: skip


def _microgrid(pen: Pen, device: str) -> Sequence[Text]:
    parted = pen.view.number(f"{device}.TRANSFERS")
    last = Text()
    if parted:
        last = Text.assemble((", last by ", "dim"), pen.word(f"{device}.CAUSE"))
    remarks = Text.assemble(("parted ", "dim"), _count(parted), last)
    styles = {"grid": pen.palette.good, "island": pen.palette.note, "dead": f"bold {pen.palette.bad}"}
    return pen.word(f"{device}.STATE", styles), Text(), Text(), Text(), remarks


def _dispatch(pen: Pen, device: str) -> Sequence[Text]:
    remarks = Text.assemble(("asked of the battery; plan ", "dim"), pen.number(f"{device}.PLAN_SP", 0))
    mode = pen.word(f"{device}.MODE_SP")
    if pen.view.reading(f"{device}.FALLBACK").is_on:
        mode = Text(f"{pen.signs.alarm} FALLBACK", f"bold {pen.palette.bad}")
    return mode, pen.number(f"{device}.P_WANTED", unit=""), Text(), Text(), remarks


def _battery(pen: Pen, device: str) -> Sequence[Text]:
    soc = pen.view.number(f"{device}.SOC")
    level = Level.WARN if soc is not None and not 10.0 < soc < 95.0 else Level.GOOD
    charge = Text.assemble(
        pen.bar(f"{device}.SOC", CHARGE_WIDTH, high=100.0, style=pen.style(level)), " ",
        pen.number(f"{device}.SOC", 1, width=4, unit="%"),
    )  # fmt: skip
    words = {"EMPTY": "empty", "FULL": "full", "LIMITED": "limited by its current"}
    flags = [word for name, word in words.items() if pen.view.reading(f"{device}.{name}").is_on]
    remarks = Text.assemble(
        ("set ", "dim"), pen.number(f"{device}.P_SP", 0, unit=""), ("  can ", "dim"), "-",
        pen.number(f"{device}.P_MIN", 0, unit=""), "/+", pen.number(f"{device}.P_MAX", 0),
        ("  " + " ".join(flags) if flags else "", f"bold {pen.palette.warn}"),
    )  # fmt: skip
    mode = pen.word(f"{device}.MODE", {"grid-forming": pen.palette.note, "off": pen.palette.warn})
    return mode, pen.number(f"{device}.W", unit=""), pen.number(f"{device}.VAR", unit=""), charge, remarks


def _machine(pen: Pen, device: str) -> Sequence[Text]:
    state = pen.word(f"{device}.STATE", {"running": pen.palette.good})
    if pen.view.reading(f"{device}.TRIPPED").is_on:
        state = Text(f"{pen.signs.alarm} TRIPPED", f"bold {pen.palette.bad}")
    remarks = Text.assemble(
        ("set ", "dim"), pen.number(f"{device}.P_SP", 0), "  ", pen.number(f"{device}.V_SP", 3),
        ("  speed ", "dim"), pen.number(f"{device}.SPEED", 4),
    )  # fmt: skip
    return state, pen.number(f"{device}.P", unit=""), pen.number(f"{device}.Q", unit=""), Text(), remarks


def _stage(pen: Pen, device: str) -> Sequence[Text]:
    remarks = Text.assemble(
        ("load shedding ", "dim"), pen.word(f"{device}.ENABLE", {"OFF": pen.palette.warn}),
        ("  shed ", "dim"), _count(pen.view.number(f"{device}.SHEDS")),
    )  # fmt: skip
    return pen.alarm(f"{device}.SHED"), Text(), Text(), Text(), remarks


def _count(number: float | None) -> str:
    return "?" if number is None else "once" if number == 1 else f"{number_text(number)} times"
