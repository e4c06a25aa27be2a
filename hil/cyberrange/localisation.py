"""Whether a detector points to what is false, beside what pointing at random would do.

A hit is a channel, among the first k named at the scan of the alarm, that is false by more than one sigma
of its instrument at that scan. An attack on every meter makes many channels false, and a name drawn from a
hat is then a hit, too: of m channels, f of them false, j different ones drawn at random hold a false one
with probability 1 - C(m - f, j) / C(m, j) (hypergeometric). A figure is worth what it is above that.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hil.cyberrange.detection import exact_interval

HITS = (1, 3)
"""A false channel is among the first so many that are named."""


@dc.dataclass(frozen=True, slots=True)
class Named:
    """What one alarm points to, most suspect first, and which of all channels are false at its scan."""

    channels: tuple[int, ...]
    is_false: npt.NDArray[np.bool_]


@dc.dataclass(frozen=True, slots=True)
class Localisation:
    """Over all runs in which the alarm named a channel and one was false.

    Attributes
    ----------
    n : int
        Such runs.
    hits : mapping
        k -> in how many of them one of the first k named is false.
    chance : mapping
        k -> mean probability of that for names drawn at random; NaN of no run.
    false_share : float
        Share of all channels that is false at the scan of the alarm, mean; NaN of no run.
    """

    n: int
    hits: Mapping[int, int]
    chance: Mapping[int, float]
    false_share: float

    def rate(self, k: int) -> float:
        """Return the share of the runs with a hit among the first k; NaN of no run."""
        return self.hits[k] / self.n if self.n else math.nan

    def bounds(self, k: int) -> tuple[float, float]:
        """Return its exact 95 % interval."""
        return exact_interval(self.hits[k], self.n)


def localisation(alarms: Sequence[Named]) -> Localisation:
    """Judge the names of all alarms of one detector on one attack."""
    judged = [a for a in alarms if a.channels and a.is_false.any()]
    return Localisation(
        n=len(judged),
        hits={k: sum(bool(a.is_false[list(a.channels[:k])].any()) for a in judged) for k in HITS},
        chance={k: _mean([_chance(a, k) for a in judged]) for k in HITS},
        false_share=_mean([float(a.is_false.mean()) for a in judged]),
    )


def _chance(alarm: Named, k: int) -> float:
    m, f = alarm.is_false.size, int(alarm.is_false.sum())
    drawn = min(k, len(alarm.channels))
    return 1.0 - math.comb(m - f, drawn) / math.comb(m, drawn)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
