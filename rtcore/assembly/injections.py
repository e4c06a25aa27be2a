"""Ideal sources for relay tests of a world, and where the bays' instruments are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rtcore.assembly.instances import NO_SCHEME
from rtcore.assembly.store import Store
from rtcore.network.model import Network
from rtcore.protection import injection
from rtcore.protection.scheme import Scheme
from rtcore.world import Ideal, Injections

FRAME = 6
"""Phasors of a frame."""


def injections(
    store: Store, network: Network, scheme: Scheme | None, records: Sequence[npt.NDArray[np.complex128]]
) -> Injections:
    """Return the sources, off, and the terminal and bus that show each relay's quantities."""
    relays = (scheme or NO_SCHEME).relays
    terminals, buses = store.names("terminal"), store.names("bus")
    s = store.rows("injection")
    injection.init(s, network.base_frequency_hz, len(records))
    frames = [np.asarray(r, np.complex128).reshape(-1, FRAME) for r in records]
    return Injections(
        s=s,
        ideal=Ideal(np.full(1, -1), np.full(1, -1), np.zeros(3, complex), np.zeros(3, complex), np.zeros(1)),
        terminal_of=_rows([r.terminal for r in relays], terminals),
        bus_of=_rows([r.vt_bus for r in relays], buses),
        play=np.concatenate([np.zeros((0, FRAME), complex), *frames]),
        first=np.cumsum([0, *(len(f) for f in frames)]).astype(np.int64),
    )


def _rows(names: Sequence[str], there: Sequence[str]) -> npt.NDArray[np.int32]:
    return np.array([there.index(n) if n in there else -1 for n in names], np.int32)
