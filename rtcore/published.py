"""Points that another process than the core publishes: where their attributes stand, and an image of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtcore.points import Point
from rtcore.quality import Quality

Ints = npt.NDArray[np.intp]


def kind_of(point: Point) -> str:
    """Return the component kind that a point binds to."""
    return point.source.partition(".")[0]


def instance_of(point: Point) -> str:
    """Return the instance of that kind."""
    return point.source.partition(".")[2]


class Layout:
    """Where the attributes of instances stand on the board of one process.

    Parameters
    ----------
    points : sequence of Point
        The process's points in their order, without those of others.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self.n = len(points)
        self._at: dict[str, dict[str, dict[str, int]]] = {}
        for at, point in enumerate(points):
            places = self._at.setdefault(kind_of(point), {}).setdefault(instance_of(point), {})
            places[point.attr] = at

    def instances(self, kind: str) -> tuple[str, ...]:
        """Return the names of a kind's instances, in the order of the points."""
        return tuple(self._at.get(kind, ()))

    def number(self, kind: str, name: str) -> int:
        """Return the number of an instance among those of its kind, 1 first; 0 for one without a point."""
        names = self.instances(kind)
        return names.index(name) + 1 if name in names else 0

    def column(self, kind: str, attr: str) -> Ints:
        """Return where an attribute of every instance of a kind stands, -1 where it has no point."""
        return np.array([places.get(attr, -1) for places in self._at.get(kind, {}).values()], np.intp)

    def place(self, kind: str, name: str, attr: str) -> int:
        """Return where one attribute stands, -1 where it has no point."""
        return self._at.get(kind, {}).get(name, {}).get(attr, -1)


class Values:
    """Values and qualities by kind, instance and attribute; all waiting at first."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.values = np.full(layout.n, np.nan)
        self.quality = np.full(layout.n, int(Quality.BAD_WAITING), np.uint8)

    def put(self, kind: str, name: str, attr: str, value: float, quality: int = Quality.GOOD) -> None:
        """Set one attribute, if it has a point; what is no number is waited for."""
        at = self.layout.place(kind, name, attr)
        if at >= 0:
            self.values[at] = value
            self.quality[at] = quality if math.isfinite(value) else Quality.BAD_WAITING
