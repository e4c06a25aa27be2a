"""Attacked points as far as a wire has shown them, and what they are to show instead. Pure."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rtcore.quality import BAD_FROM, Quality

Floats = npt.NDArray[np.float64]
Qualities = npt.NDArray[np.uint8]
Reading = tuple[float, int]
"""Value, NaN for none, and quality code."""

LOST = int(Quality.BAD_NO_COMMUNICATION)
GOOD = int(Quality.GOOD)


Note = Callable[[npt.NDArray[np.intp], Floats, Qualities, Floats, Qualities], None]
"""(positions, what they showed, what went out instead): to be called when it does."""


class Falsifier(Protocol):
    """What makes false values of true ones; arrays in the order of the tags it was made for."""

    def falsified(self, t_s: float, values: Floats, quality: Qualities) -> tuple[Floats, Qualities, Note]:
        """Return what the reader is to get at a time [s], and whom to tell what really went out."""


@dc.dataclass(frozen=True, slots=True)
class Showing:
    """What some points are to show.

    Attributes
    ----------
    seen : mapping
        What they said.
    false : mapping
        What those are to show that are to show something else.
    """

    seen: Mapping[str, Reading]
    false: Mapping[str, Reading]
    _index: Mapping[str, int]
    _note: Note

    @property
    def is_lost(self) -> bool:
        """Tell whether some point is to be lost."""
        return any(quality == LOST for _, quality in self.false.values())

    @property
    def numbers(self) -> dict[str, float]:
        """False values, where the protocol knows no qualities."""
        found = {tag: value for tag, (value, _) in self.false.items() if math.isfinite(value)}
        return {tag: value for tag, value in found.items() if value != self.seen[tag][0]}

    def went_out(self, sent: Mapping[str, Reading]) -> None:
        """Keep what the other side gets of these points, as it was encoded; others got the truth."""
        if not sent:
            return
        at = np.array([self._index[tag] for tag in sent], np.intp)
        true, shown = [self.seen[tag] for tag in sent], list(sent.values())
        self._note(at, *_arrays(true), *_arrays(shown))

    def was_withheld(self) -> None:
        """Keep that nothing of these points went out."""
        self.went_out(dict.fromkeys(self.seen, (math.nan, LOST)))


class Image:
    """Attacked points as far as the wire has shown them; what is not seen yet is NaN.

    Parameters
    ----------
    tags : sequence of str
        In the order of the falsifier's arrays.
    falsifier : Falsifier
    """

    def __init__(self, tags: Sequence[str], falsifier: Falsifier) -> None:
        self.index = {tag: k for k, tag in enumerate(tags)}
        self._falsifier = falsifier
        self._values = np.full(len(tags), math.nan)
        self._quality = np.zeros(len(tags), np.uint8)

    def showing(self, t_s: float, seen: Mapping[str, Reading]) -> Showing:
        """Return what points that are seen now are to show."""
        at = [self.index[tag] for tag in seen]
        self._values[at] = [value for value, _ in seen.values()]
        self._quality[at] = [quality for _, quality in seen.values()]
        values, quality, note = self._falsifier.falsified(t_s, self._values, self._quality)
        shown = {tag: (float(values[k]), int(quality[k])) for tag, k in zip(seen, at, strict=True)}
        false = {tag: f for tag, f in shown.items() if _is_something(f) and _is_other(f, seen[tag])}
        return Showing(seen, false, self.index, note)


def _arrays(readings: Sequence[Reading]) -> tuple[Floats, Qualities]:
    return np.array([v for v, _ in readings], np.float64), np.array([q for _, q in readings], np.uint8)


def _is_something(reading: Reading) -> bool:
    """Tell whether a reading can be shown: a number, or a quality that goes without one."""
    value, quality = reading
    return math.isfinite(value) or quality >= BAD_FROM


def _is_other(a: Reading, b: Reading) -> bool:
    """Tell whether two readings differ; two without a value do by their qualities alone."""
    is_same_value = a[0] == b[0] or (math.isnan(a[0]) and math.isnan(b[0]))
    return a[1] != b[1] or not is_same_value
