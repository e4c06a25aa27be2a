"""From the device's outputs to commands: an edge commands once, a level with each new value. Pure.

What stands when the outputs are first seen, or is seen in the fail-safe state, is where edges are
counted from: it commands nothing, except levels, which say at once what they want.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Sequence

from protocols.setpoint_steps import nearest, step_of
from protocols.wiring import FALLING, LEVEL, Wiring
from rtcore.points import Point, index_of


@dc.dataclass(frozen=True, slots=True)
class Wish:
    """One command that an output asks for."""

    row: int
    """Its row in ``Wiring.from_device``."""
    index: int
    """Of the point."""
    value: float
    is_level: bool


class Outputs:
    """Remembers what every output was, to see what changed."""

    def __init__(self, wiring: Wiring, points: Sequence[Point]) -> None:
        index = index_of(points)
        self._rows = wiring.from_device
        self._index = [index[row.point] for row in self._rows]
        self._steps = [step_of(points[i]) for i in self._index]
        self._before: list[float | None] = [None] * len(self._rows)
        self.n_invalid = 0
        """Values that are no finite number; they ask for nothing."""

    def watch(self, raw: Sequence[float | None]) -> None:
        """Look without asking for anything: edges are counted from here, levels are asked for anew."""
        self._before = [None] * len(self._rows)
        self.wishes(raw)
        for k, row in enumerate(self._rows):
            if row.edge == LEVEL:
                self._before[k] = None

    def wishes(self, raw: Sequence[float | None]) -> list[Wish]:
        """Return what one cycle's outputs ask for, in the order of the table; None was not read."""
        found = []
        for k, (row, value) in enumerate(zip(self._rows, raw, strict=True)):
            if value is None:
                continue
            if not math.isfinite(value):
                self.n_invalid += 1
                continue
            if row.edge == LEVEL:
                wanted = nearest(value * row.scale + row.offset, self._steps[k])
                if wanted != self._before[k]:
                    found.append(Wish(k, self._index[k], wanted, True))
                self._before[k] = wanted
            else:
                state = float((value != 0.0) != (row.edge == FALLING))
                if state and self._before[k] == 0.0:
                    found.append(Wish(k, self._index[k], 1.0, False))
                self._before[k] = state
        return found
