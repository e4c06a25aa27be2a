"""Attacked points as far as a wire has shown them, and what they are to show instead. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


class Falsifier(Protocol):
    """What makes false values of true ones; arrays in the order of the tags it was made for."""

    def apply(self, t_s: float, values: Floats, quality: Qualities) -> tuple[Floats, Qualities]:
        """Return what the reader gets at a time [s]."""


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

    def shown(self, t_s: float, seen: Mapping[str, Reading]) -> dict[str, Reading]:
        """Return what those of the seen points are to show that are to show something else."""
        at = [self.index[tag] for tag in seen]
        self._values[at] = [value for value, _ in seen.values()]
        self._quality[at] = [quality for _, quality in seen.values()]
        values, quality = self._falsifier.apply(t_s, self._values, self._quality)
        false = {tag: (float(values[k]), int(quality[k])) for tag, k in zip(seen, at, strict=True)}
        return {tag: f for tag, f in false.items() if _is_something(f) and _is_other(f, seen[tag])}

    def false(self, t_s: float, seen: Mapping[str, float]) -> dict[str, float] | None:
        """Return the false values where the protocol knows no qualities; None when they are to be lost."""
        shown = self.shown(t_s, {tag: (value, GOOD) for tag, value in seen.items()})
        if any(quality == LOST for _, quality in shown.values()):
            return None
        return {tag: v for tag, (v, _) in shown.items() if v != seen[tag] and math.isfinite(v)}


def _is_something(reading: Reading) -> bool:
    """Tell whether a reading can be shown: a number, or a quality that goes without one."""
    value, quality = reading
    return math.isfinite(value) or quality >= BAD_FROM


def _is_other(a: Reading, b: Reading) -> bool:
    """Tell whether two readings differ; two without a value do by their qualities alone."""
    is_same_value = a[0] == b[0] or (math.isnan(a[0]) and math.isnan(b[0]))
    return a[1] != b[1] or not is_same_value
