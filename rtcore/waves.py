"""Ring of what relays saw, step by step, for disturbance records.

Layout, in 8-byte words::

    0        head: records written since the start; comes last
    1, 2     capacity, relays
    16..     marks: step and UTC [ns] of each record
    then     of each record and relay the phasors of Ia Ib Ic [A], Va Vb Vc [V], against the frame that
             turns with nominal frequency

One writer, the step; readers take their time and check that they were not overtaken.
numpy only; ``push`` is compiled in ``rtcore.shared_kernels``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.board import Words

HEAD, CAPACITY_AT, RELAYS_AT = 0, 1, 2
HEADER_WORDS = 16
QUANTITIES = 6
"""Of each relay: three currents, three voltages."""
CAPACITY = 8192
"""Records of a live run: eight seconds at steps of 1 ms."""

Complex = npt.NDArray[np.complex128]


class Waves(NamedTuple):
    """Views of one ring, for its writer; contiguous whatever its capacity, so that one step serves all."""

    head: Words
    marks: Words
    """Step and UTC of each record, int64[capacity, 2]; a ring of capacity 0 takes nothing."""
    phasors: npt.NDArray[np.float64]
    """float64[capacity, 12 n_relays], real and imaginary parts in turn."""


def waves_bytes(n_relays: int, capacity: int = CAPACITY) -> int:
    """Return the size of a ring [bytes]."""
    return 8 * (HEADER_WORDS + capacity * (2 + 2 * QUANTITIES * n_relays))


def format_waves(buffer: Any, n_relays: int, capacity: int = CAPACITY) -> None:
    """Write the header; the owner calls it once, before anyone attaches."""
    words = np.frombuffer(buffer, np.int64)
    words[:3] = 0, capacity, n_relays


def waves_in(buffer: Any) -> Waves:
    """Return the writer's views of a formatted ring."""
    words = np.frombuffer(buffer, np.int64)
    capacity, width = int(words[CAPACITY_AT]), 2 * QUANTITIES * int(words[RELAYS_AT])
    phasors_at = HEADER_WORDS + 2 * capacity
    return Waves(
        words[:HEADER_WORDS],
        words[HEADER_WORDS:phasors_at].reshape(capacity, 2),
        words[phasors_at : phasors_at + capacity * width].view(np.float64).reshape(capacity, width),
    )


def no_waves(n_relays: int) -> Waves:
    """Return a ring that takes nothing, for engines that nobody records."""
    buffer = np.zeros(HEADER_WORDS, np.int64)
    format_waves(buffer, n_relays, 0)
    return waves_in(buffer)


class WaveReader:
    """Reads stretches of the ring."""

    def __init__(self, buffer: Any) -> None:
        self._waves = waves_in(buffer)
        self.capacity = len(self._waves.marks)
        self.n_relays = self._waves.phasors.shape[1] // (2 * QUANTITIES)

    @property
    def n_written(self) -> int:
        """Records written since the start."""
        return int(self._waves.head[HEAD])

    def read(self, first: int, end: int) -> tuple[Words, Complex]:
        """Return records ``first`` to ``end`` - 1, counted since the start.

        Returns
        -------
        marks : int64[n, 2]
            Step and UTC [ns].
        phasors : complex128[n, n_relays, 6]
            Ia Ib Ic [A], Va Vb Vc [V], RMS.

        Raises
        ------
        LookupError
            They are not all there: not yet written, or already overwritten.
        """
        if not 0 <= first <= end <= self.n_written or self.n_written - first >= self.capacity:
            raise LookupError(f"records {first} to {end} are not in the ring, which is at {self.n_written}")
        at = np.arange(first, end) % max(self.capacity, 1)
        marks, phasors = self._waves.marks[at], self._waves.phasors[at]
        if self.n_written - first >= self.capacity:
            raise LookupError(f"record {first} was overwritten while it was read")
        return marks, phasors.view(np.complex128).reshape(end - first, self.n_relays, QUANTITIES)
