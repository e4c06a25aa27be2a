"""What the relay at the location saw, kept for minutes: the plant's own ring of phasors holds seconds."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.relaytest.bench import Traces
from rtcore.waves import WaveReader

CHUNK = 1024
"""Records after which the ring is copied: an eighth of it, so that a held-up bench loses nothing."""
KEPT = 300 * CHUNK
"""Records kept: five minutes at steps of 1 ms, 30 MB."""


class TraceTail:
    """Follows the ring of phasors for one relay.

    Parameters
    ----------
    buffer : buffer
        The ring (``rtcore.waves``).
    relay : int
        Its place in the scheme, from 0.
    """

    def __init__(self, buffer: Any, relay: int) -> None:
        self._ring, self._relay = WaveReader(buffer), relay
        self._next = self._ring.n_written
        self._chunks: deque[tuple[npt.NDArray[np.int64], npt.NDArray[np.complex128]]] = deque()

    def follow(self, at_least: int = CHUNK) -> None:
        """Copy what is new, when it is ``at_least`` so many records."""
        end = self._ring.n_written
        if end - self._next < at_least:
            return
        # what was overwritten while nobody followed is a gap; a margin, as the writer goes on
        first = max(self._next, end - self._ring.capacity + CHUNK)
        self._next = end
        try:
            marks, phasors = self._ring.read(first, end)
        except LookupError:  # held up in the middle of this
            return
        self._chunks.append((marks[:, 0].copy(), phasors[:, self._relay].copy()))
        while sum(len(steps) for steps, _ in self._chunks) > KEPT:
            self._chunks.popleft()

    def between(self, first_step: int, last_step: int) -> Traces:
        """Return what there is of these steps, both included."""
        self.follow(at_least=1)
        chunks = [c for c in self._chunks if c[0][-1] >= first_step and c[0][0] <= last_step]
        if not chunks:
            return Traces.none()
        steps = np.concatenate([c[0] for c in chunks])
        phasors = np.concatenate([c[1] for c in chunks])
        inside = (steps >= first_step) & (steps <= last_step)
        return Traces(steps[inside], phasors[inside, :3], phasors[inside, 3:])
