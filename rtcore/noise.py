"""Counter-based noise: a pure function of (key, stream, step), so any step can be recomputed.

The key is drawn once from a seeded ``numpy.random.Generator``.  Bits come from the splitmix64
finaliser (Steele, Lea, Flood, OOPSLA 2014); a normal deviate is the sum of two draws from a
table of 4096 equiprobable normal quantiles, over sqrt(2): unit variance, tails to 5.1 sigma.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from rtcore.jit import kernel

LEVELS = 4096


def quantile_table() -> npt.NDArray[np.float64]:
    """Return the quantiles at the bin centres, scaled so that two summed draws have variance 1."""
    q = ndtri((np.arange(LEVELS) + 0.5) / LEVELS)
    return np.asarray(q / (np.sqrt(2.0) * q.std()))


def draw_key(rng: np.random.Generator) -> np.uint64:
    """Draw the key of one family of streams."""
    return np.uint64(rng.integers(0, 2**63))


@kernel
def mix64(z):  # type: ignore[no-untyped-def]
    """splitmix64 finaliser of a uint64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def step_key(key, step):  # type: ignore[no-untyped-def]
    """Key of one step of a family of streams."""
    return mix64(np.uint64(key) + np.uint64(step) * np.uint64(0x9E3779B97F4A7C15))


@kernel
def normal(table, key_of_step, stream):  # type: ignore[no-untyped-def]
    """Standard normal deviate of one stream at the step of ``key_of_step``."""
    z = mix64(key_of_step + np.uint64(stream + 1) * np.uint64(0xD1342543DE82EF95))
    return table[np.int64(z & np.uint64(4095))] + table[np.int64((z >> np.uint64(20)) & np.uint64(4095))]
