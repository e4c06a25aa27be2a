"""A map laid out for one window: which cells every branch crosses, where symbols stand and names fit.

All of it depends on the station and the window alone, never on values: it is made once for a window and
kept.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Iterator, Sequence

from hil.console.widgets.map_things import BASE, CLOSEST, COLUMNS, NAMED_FROM, RANK, Place, Places, Thing
from hil.console.widgets.raster import SOLID, Grid, Stroke
from hil.view.energised import SWITCHING, Fault, Topology

MARGIN_COLUMNS, MARGIN_ROWS = 5, 1
RINGS = (
    (0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1), (2, 0), (-2, 0),
    (3, 0), (-3, 0), (0, 2), (0, -2), (2, 1), (-2, 1), (2, -1), (-2, -1),
)  # fmt: skip
"""Where a symbol goes whose place is taken: column and row beside it."""
MINOR_RINGS = RINGS[:5]
"""For what is not worth more."""
FEW = 3
"""Cells of lines that a name may cover."""


@dc.dataclass(frozen=True, slots=True)
class Window:
    """What of a map is in view: its middle, and dots across for a unit of it."""

    x: float
    y: float
    scale: float

    @classmethod
    def around(cls, places: Places, grid: Grid) -> Window:
        """Return the window with everything in it."""
        left, low, right, high = places.bounds()
        across = grid.width * max(0.3, 1.0 - 2.0 * MARGIN_COLUMNS / max(grid.columns, 1))
        down = grid.height * max(0.3, 1.0 - 2.0 * MARGIN_ROWS / max(grid.rows, 1))
        scale = min(
            across / max(right - left, 1e-6),
            down / max(high - low, 1e-6) / grid.squeeze,
        )
        return cls((left + right) / 2.0, (low + high) / 2.0, scale)

    def dot(self, place: Place, grid: Grid) -> Place:
        """Return the dot of a place."""
        return (
            (place[0] - self.x) * self.scale + grid.width / 2.0,
            (self.y - place[1]) * self.scale * grid.squeeze + grid.height / 2.0,
        )

    def place(self, dot: Place, grid: Grid) -> Place:
        """Return the place of a dot."""
        return (
            (dot[0] - grid.width / 2.0) / self.scale + self.x,
            self.y - (dot[1] - grid.height / 2.0) / (self.scale * grid.squeeze),
        )


@dc.dataclass(frozen=True, slots=True)
class Name:
    """A name on the map."""

    key: str
    column: int
    row: int
    text: str


class Sheet:
    """A map in one window.

    Parameters
    ----------
    wanted : str
        Key of a thing that is drawn whatever the room.

    Attributes
    ----------
    level : int
        How near one is: BASE, CLOSER, CLOSEST.
    spots : dict
        Key of a thing -> its cell, of those in view.
    names : list of Name
    """

    def __init__(
        self,
        topology: Topology,
        places: Places,
        everything: Sequence[Thing],
        grid: Grid,
        window: Window,
        wanted: str = "",
    ) -> None:
        self.topology, self.grid, self.window = topology, grid, window
        columns = places.step * window.scale / (grid.width / grid.columns)
        self.level = next(level for level, least in COLUMNS if columns >= least)
        where = places.full if self.level == CLOSEST else places.folded
        self._dots = [window.dot(place, grid) for place in where]
        self._strokes: dict[tuple[int, int, str], Stroke] = {}
        order = sorted(everything, key=lambda t: (t.key != wanted, RANK[t.kind]))
        shown = [t for t in order if t.level <= self.level or t.key == wanted]
        self.spots: dict[str, tuple[int, int]] = {}
        self._taken: set[tuple[int, int]] = set()
        for thing in shown:
            self._stand(thing, is_wanted=thing.key == wanted)
        self._inked = {at for k in range(len(topology.ends)) for half in self.halves(k) for at, _ in half}
        self.names: list[Name] = []
        for thing in shown:
            is_named = self.level >= NAMED_FROM.get(thing.kind, BASE) or thing.key == wanted
            if thing.key in self.spots and is_named:
                must = thing.key == wanted or thing.kind in SWITCHING
                gap = int(grid.is_ascii or thing.kind not in SWITCHING)
                self._name(thing.key, self.spots[thing.key], thing.label, gap, is_needed=must)
        if self.level == CLOSEST:
            self._name_buses()

    # ---- lines

    def halves(self, branch: int, pattern: str = SOLID) -> tuple[Stroke, ...]:
        """Return the strokes of a branch: one, or two halves of what can open."""
        n = 2 if self.topology.model.branches[branch].kind in SWITCHING else 1
        return tuple(self.stroke(branch, half, pattern) for half in range(n))

    def stroke(self, branch: int, half: int, pattern: str) -> Stroke:
        """Return one half of a branch (half 0 is the whole of one that cannot open)."""
        key = (branch, half, pattern)
        if key not in self._strokes:
            first, second = (self._dots[end] for end in self.topology.ends[branch])
            if self.topology.model.branches[branch].kind in SWITCHING:
                middle = ((first[0] + second[0]) / 2.0, (first[1] + second[1]) / 2.0)
                first, second = (first, middle) if half == 0 else (middle, second)
            is_nothing = first == second
            self._strokes[key] = () if is_nothing else self.grid.stroke(*first, *second, pattern)
        return self._strokes[key]

    # ---- cells

    def bus_cell(self, bus: int) -> tuple[int, int]:
        """Return the cell of a bus, which may be out of view."""
        return self.grid.cell(*self._dots[bus])

    def fault_cell(self, fault: Fault) -> tuple[int, int] | None:
        """Return the cell of a fault; None for a place that the map has not."""
        ends = self.topology.buses_of(fault)
        if not ends:
            return None
        first, last = self._dots[ends[0]], self._dots[ends[-1]]
        f = fault.fraction if len(ends) == 2 else 0.0
        return self.grid.cell(first[0] + f * (last[0] - first[0]), first[1] + f * (last[1] - first[1]))

    def nearest(self, column: int, row: int) -> str | None:
        """Return the key of the thing at or near a cell, None where there is none."""
        best, key = 4.0, None
        for found, (c, r) in self.spots.items():
            distance = math.hypot(c - column, 2.0 * (r - row))
            if distance < best:
                best, key = distance, found
        for name in self.names:
            if name.row == row and name.column <= column < name.column + len(name.text):
                return name.key if name.key in self.spots else key
        return key

    def _stand(self, thing: Thing, *, is_wanted: bool) -> None:
        """Give a thing its cell: its own, or a free one beside it."""
        column, row = self.grid.cell(*self.dot_of(thing))
        if not self.grid.has(column, row):
            return
        rings = RINGS if thing.level == BASE or is_wanted else MINOR_RINGS
        for right, down in rings:
            cell = (column + right, row + down)
            if cell not in self._taken and self.grid.has(*cell):
                self._taken.add(cell)
                self.spots[thing.key] = cell
                return

    def dot_of(self, thing: Thing) -> Place:
        """Return the dot where a thing is, which may be out of view."""
        if thing.branch < 0:
            return self._dots[thing.bus]
        (x0, y0), (x1, y1) = (self._dots[end] for end in self.topology.ends[thing.branch])
        return (x0 + x1) / 2.0, (y0 + y1) / 2.0

    # ---- names

    def _name_buses(self) -> None:
        for k, bus in enumerate(self.topology.model.buses):
            cell = self.bus_cell(k)
            if self.grid.has(*cell) and bus.kv >= 1.0:
                self._name("", cell, bus.name, 0, is_needed=False)

    def _name(self, key: str, cell: tuple[int, int], text: str, gap: int, *, is_needed: bool) -> None:
        """Write a name beside a cell, behind a gap, where it covers no other, and few lines."""
        best: tuple[int, int, int, int] | None = None
        for column, row in _beside(cell, len(text), gap):
            cells = [(c, row) for c in range(column, column + len(text))]
            if not (self.grid.has(*cells[0]) and self.grid.has(*cells[-1])):
                continue
            around = {(column - 1, row), (column + len(text), row)} - {cell}
            if any(c in self._taken for c in (*cells, *around)):
                continue
            doubt = self._doubt(key, cell, cells)
            cost = sum(r * self.grid.columns + c in self._inked for c, r in cells)
            if doubt <= int(is_needed) and (best is None or (doubt, cost) < best[:2]):
                best = (doubt, cost, column, row)
        if best is not None and (is_needed or best[1] <= FEW):
            _, _, column, row = best
            self.names.append(Name(key, column, row, text))
            self._taken.update((c, row) for c in range(column, column + len(text)))

    def _doubt(self, key: str, cell: tuple[int, int], cells: Sequence[tuple[int, int]]) -> int:
        """Return whose a name looks: 0 that of its own symbol, 1 another one is as near, 2 one is nearer."""
        first, last, row = cells[0][0], cells[-1][0], cells[0][1]

        def away(at: tuple[int, int]) -> float:
            return math.hypot(max(first - at[0], at[0] - last, 0), 2.0 * (at[1] - row))

        own = away(cell)
        nearest = min((away(at) for other, at in self.spots.items() if other != key), default=math.inf)
        return 0 if nearest > own else 1 if nearest == own else 2


def _beside(cell: tuple[int, int], length: int, gap: int) -> Iterator[tuple[int, int]]:
    """Yield where a name may begin, the best places first."""
    column, row = cell
    for dr in (0, -1, 1):
        yield column + 1 + gap, row + dr
        yield column - length - gap, row + dr
    for dr in (-1, 1):
        yield column - length // 2, row + dr
