"""A whole engine at one moment, to go back to: many cases can start from the same state without building it.

Kernels keep everything they know in arrays of the world and of the harmonic scan (and in none of
Python's objects), so the moment is a copy of the memory of those arrays, of the command rings and of
the step counter. Views share memory: what is copied is the array that owns it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcore import ring as rg
from rtcore.engine import Engine

Array = npt.NDArray[Any]


class Snapshot:
    """The state of an engine when this was made."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._n_steps = engine, engine.n_steps
        owners = {id(a): a for a in map(_owner, _arrays((engine.world, engine.harmonics)))}
        owners |= {id(a): a for a in map(_owner, (engine.rings.commands, engine.rings.verdicts))}
        self._kept = [(a, a.copy()) for a in owners.values() if a.flags.writeable]

    @property
    def n_bytes(self) -> int:
        """Size of what is kept."""
        return sum(copy.nbytes for _, copy in self._kept)

    def restore(self) -> None:
        """Bring the engine back, in place; its event reader begins with what happens from here on."""
        for array, copy in self._kept:
            np.copyto(array, copy)
        engine = self._engine
        engine.n_steps = self._n_steps
        engine.events = rg.EventReader(_owner(engine.world.events))


def _arrays(x: Any) -> Iterator[Array]:
    """Yield every array of nested tuples."""
    if isinstance(x, np.ndarray):
        yield x
    elif isinstance(x, tuple):
        for item in x:
            yield from _arrays(item)


def _owner(array: Array) -> Array:
    """Return the array whose memory this one shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
