"""How a map is drawn: from a sheet and what the network does now to strips.

A section says what it is by its line, too: solid live, dashed partly live or unknown (with ``?``), dotted
dead; a fault is an ``X``, a voltage outside its limits an arrow at its bus.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping, Sequence

from rich.style import Style
from textual.strip import Strip

from hil.console.looks import Palette, Signs
from hil.console.widgets.canvas import Canvas
from hil.console.widgets.map_sheet import Sheet
from hil.console.widgets.map_things import Thing
from hil.console.widgets.raster import DASHED, DOTTED, SOLID
from hil.view.energised import Fault, Picture, State, Topology
from hil.view.switching import Position, Switch
from hil.view.voltages import Band

FAULT_SIGN = "X"
PATTERNS = {State.LIVE: SOLID, State.PARTLY: DASHED, State.UNKNOWN: DASHED, State.DEAD: DOTTED}
ORDER = (State.DEAD, State.LIVE, State.PARTLY, State.UNKNOWN)
"""What lies over what."""


@dc.dataclass(frozen=True, slots=True)
class Symbol:
    """Characters of one kind: on or closed, off or open; in Unicode and in ASCII."""

    on: str
    off: str
    ascii_on: str
    ascii_off: str


SYMBOLS = {
    "breaker": Symbol("■", "□", "#", "o"),
    "recloser": Symbol("◆", "◇", "R", "r"),
    "switch": Symbol("●", "○", "S", "s"),
    "fuse": Symbol("▮", "▯", "F", "f"),
    "transformer": Symbol("◎", "◎", "T", "T"),
    "regulator": Symbol("↕", "↕", "V", "V"),
    "source": Symbol("~", "~", "~", "~"),
    "capacitor": Symbol("╪", "╧", "C", "c"),
    "generator": Symbol("G", "g", "G", "g"),
    "battery": Symbol("B", "b", "B", "b"),
    "pv": Symbol("☼", "x", "P", "x"),
    "harmonic": Symbol("H", "h", "H", "h"),
    "meter": Symbol("•", "•", "+", "+"),
    "load": Symbol("▾", "▾", ",", ","),
}


@dc.dataclass(frozen=True, slots=True)
class Scene:
    """What a network does now.

    Attributes
    ----------
    off : frozenset of str
        Keys of things that are open, stopped or tripped and are no switching devices.
    targets : frozenset of str
        Devices whose relay has a target that nobody reset.
    bands : sequence of Band, optional
        Of each bus, to colour by voltage.
    """

    picture: Picture
    switches: Mapping[int, Switch]
    faults: Sequence[Fault] = ()
    bands: Sequence[Band] | None = None
    off: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    selected: str = ""
    is_stale: bool = False


class Painter:
    """Draws scenes on sheets, in the looks of a terminal."""

    def __init__(self, palette: Palette, signs: Signs, *, is_ascii: bool) -> None:
        self.palette, self.signs, self.is_ascii = palette, signs, is_ascii
        self._line = {
            State.LIVE: palette.live,
            State.PARTLY: palette.warn,
            State.UNKNOWN: palette.warn,
            State.DEAD: palette.dead,
        }
        self._band = {
            Band.LOW: palette.warn,
            Band.HIGH: palette.note,
            Band.NORMAL: palette.good,
            Band.NONE: palette.live,
        }

    def paint(self, sheet: Sheet, things: Sequence[Thing], scene: Scene, ground: Style) -> list[Strip]:
        """Return the lines of a map."""
        canvas = Canvas(sheet.grid)
        self._lines(canvas, sheet, scene)
        if scene.bands is not None:
            self._arrows(canvas, sheet, scene)
        self._names(canvas, sheet, scene)
        for thing in things:
            if thing.key in sheet.spots:
                text, style = self.symbol(thing, scene)
                if thing.key == scene.selected:
                    style = f"{style} bold reverse"
                canvas.put(*sheet.spots[thing.key], text, self._aged(style, scene))
        for fault in scene.faults:
            cell = sheet.fault_cell(fault)
            if cell is not None:
                style = f"bold {self.palette.bad}" + (" reverse" if fault.has_voltage else "")
                canvas.put(*cell, FAULT_SIGN, self._aged(style, scene))
        return canvas.strips(ground)

    def symbol(self, thing: Thing, scene: Scene) -> tuple[str, str]:
        """Return the character of a thing, and its style."""
        symbol = SYMBOLS[thing.kind]
        on, off = (symbol.ascii_on, symbol.ascii_off) if self.is_ascii else (symbol.on, symbol.off)
        switch = scene.switches.get(thing.branch)
        if switch is None:
            return (off, self.palette.warn) if thing.key in scene.off else (on, self.palette.live)
        return {
            Position.CLOSED: (on, "bold"),
            Position.OPEN: (off, "bold"),
            Position.PARTLY: (self.signs.moving, f"bold {self.palette.warn}"),
            Position.MOVING: (self.signs.moving, f"bold {self.palette.warn}"),
            Position.UNKNOWN: (self.signs.unknown, f"bold {self.palette.warn}"),
        }[switch.position]

    def _aged(self, style: str, scene: Scene) -> str:
        """Return a style, a faint one for what is not live."""
        if not scene.is_stale:
            return style
        return "dim italic reverse" if "reverse" in style else "dim italic"

    def _lines(self, canvas: Canvas, sheet: Sheet, scene: Scene) -> None:
        layers: dict[tuple[bool, State], list[tuple[int, int, int]]] = {}
        for k, half, bus in _pieces(sheet.topology, sheet):
            state = scene.picture.state(bus, sheet.topology.masks[k])
            layers.setdefault((bus in scene.picture.faulted, state), []).append((k, half, bus))
        for is_faulted in (False, True):
            for state in ORDER:
                for k, half, bus in layers.get((is_faulted, state), ()):
                    style = self.palette.bad if is_faulted else self._style(state, bus, scene)
                    stroke = sheet.stroke(k, half, PATTERNS[state])
                    canvas.draw(stroke, self._aged(style, scene))
                    if state is State.UNKNOWN and len(stroke) > 2:
                        row, column = divmod(stroke[len(stroke) // 2][0], sheet.grid.columns)
                        canvas.put(column, row, self.signs.unknown, self._aged(style, scene))

    def _style(self, state: State, bus: int, scene: Scene) -> str:
        if scene.bands is not None and state is State.LIVE:
            return self._band[scene.bands[bus]]
        return self._line[state]

    def _arrows(self, canvas: Canvas, sheet: Sheet, scene: Scene) -> None:
        signs = {Band.LOW: self.signs.down, Band.HIGH: self.signs.up}
        for bus, band in enumerate(scene.bands or ()):
            if band in signs and scene.picture.sure[bus]:
                canvas.put(*sheet.bus_cell(bus), signs[band], self._aged(f"bold {self._band[band]}", scene))

    def _names(self, canvas: Canvas, sheet: Sheet, scene: Scene) -> None:
        for name in sheet.names:
            style = "bold" if name.key and name.key == scene.selected else "" if name.key else "dim"
            text = name.text
            if name.key in scene.targets:
                style, text = f"bold {self.palette.bad}", f"{text}!"
            canvas.put(name.column, name.row, text, self._aged(style, scene))


def _pieces(topology: Topology, sheet: Sheet) -> list[tuple[int, int, int]]:
    """Return branch, half and the bus whose state it has, of everything that crosses the window."""
    found = []
    for k, ends in enumerate(topology.ends):
        halves = sheet.halves(k)
        if len(halves) == 2:
            found += [(k, half, ends[half]) for half in (0, 1) if halves[half]]
        elif halves[0]:
            found.append((k, 0, max(ends)))
    return found
