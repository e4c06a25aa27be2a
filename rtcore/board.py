"""Board: a ring of complete snapshots in memory that its one writer was handed.

Layout, in 8-byte words::

    0..7     header: magic, layout version, generation, n_values, spare
    8..71    control words, one cache line each (see the indices below)
    72..135  sequence words, one cache line per slot; odd while the slot is written
    136..    statistics words (histograms, overrun list), counted in place by the writer
    then     SLOTS images: META words, n float64 values, n quality bytes (padded to 8)

This module is numpy only: a gateway that reads boards must start fast. The compiled
writer is in ``rtcore.shared_kernels``.  The reader relies on x86-64 store order.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np
import numpy.typing as npt

MAGIC = int.from_bytes(b"GHBOARD1", "little")
LAYOUT = 1
SLOTS = 8

HEADER_WORDS = 8
CTL_AT, CTL_WORDS = 8, 64
SEQ_AT = CTL_AT + CTL_WORDS
STATS_AT = SEQ_AT + 8 * SLOTS
STATS_WORDS = 2048
SLOTS_AT = STATS_AT + STATS_WORDS

# Control words (relative to CTL_AT), one per cache line.
CTL_STOP, CTL_PUB, CTL_BEAT_NS, CTL_ENDED, CTL_PERIOD_NS, CTL_MODE = 0, 8, 16, 24, 32, 40

# Meta words of an image.
M_STEP, M_UTC_NS, M_MONO_NS, M_SIM_NS, M_DT_NS, M_FLAGS, M_BURST, M_DIGEST = range(8)
META_WORDS = 16

FLAG_SLIPPED, FLAG_NOT_CONVERGED, FLAG_FP = 1, 2, 4

Words = npt.NDArray[np.int64]


def image_words(n_values: int) -> int:
    """Return the length of one image [8-byte words]."""
    return META_WORDS + n_values + (n_values + 7) // 8


def board_bytes(n_values: int) -> int:
    """Return the size of a board [bytes]."""
    return 8 * (SLOTS_AT + SLOTS * image_words(n_values))


@dc.dataclass(frozen=True, slots=True)
class Snapshot:
    """One whole step, copied from a board."""

    step: int
    utc_ns: int
    mono_ns: int
    sim_ns: int
    dt_ns: int
    flags: int
    digest: int
    values: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]


class Image:
    """Views into one image: meta words, values, quality bytes."""

    def __init__(self, words: Words, n_values: int) -> None:
        self.words = words
        self.meta = words[:META_WORDS]
        self.values: npt.NDArray[np.float64] = words[META_WORDS : META_WORDS + n_values].view(np.float64)
        self.quality: npt.NDArray[np.uint8] = words[META_WORDS + n_values :].view(np.uint8)[:n_values]


def blank_image(n_values: int) -> Image:
    """Return an image in private memory, zeroed."""
    return Image(np.zeros(image_words(n_values), np.int64), n_values)


class Board:
    """A board over any writable or read-only buffer of ``board_bytes(n_values)`` bytes."""

    def __init__(self, buffer: Any, n_values: int) -> None:
        words = np.frombuffer(buffer, np.int64)
        size, found = board_bytes(n_values), 8 * len(words)
        if found < size:  # kernels do not check where they write
            raise ValueError(f"a board of {n_values} values takes {size} bytes, not {found}")
        self.n_values = n_values
        self.header = words[:HEADER_WORDS]
        self.ctl = words[CTL_AT : CTL_AT + CTL_WORDS]
        self.seq = words[SEQ_AT : SEQ_AT + 8 * SLOTS]
        self.stats = words[STATS_AT : STATS_AT + STATS_WORDS]
        self.slots = words[SLOTS_AT : SLOTS_AT + SLOTS * image_words(n_values)].reshape(SLOTS, -1)
        self._copy = blank_image(n_values)

    def format(self, generation: int) -> None:
        """Write the header; the owner calls it once, before anyone attaches."""
        self.header[:] = (MAGIC, LAYOUT, generation, self.n_values, 0, 0, 0, 0)
        self.ctl[CTL_PUB] = -1

    def check(self) -> None:
        """Raise ValueError when the memory is not a board of this shape."""
        found = tuple(int(self.header[k]) for k in (0, 1, 3))
        if found != (MAGIC, LAYOUT, self.n_values):
            raise ValueError(f"not a board of {self.n_values} values: header says {found}")

    @property
    def published(self) -> int:
        """Latest published step, -1 before the first."""
        return int(self.ctl[CTL_PUB])

    def beat_age_ns(self, now_mono_ns: int) -> int:
        """Return the age of the writer's heartbeat [ns]."""
        return now_mono_ns - int(self.ctl[CTL_BEAT_NS])

    def read(self, tries: int = 200) -> Snapshot | None:
        """Copy the newest whole step; None when nothing whole was found in ``tries`` looks."""
        for _ in range(tries):
            step = int(self.ctl[CTL_PUB])
            if step < 0:
                return None
            slot = step % SLOTS
            before = int(self.seq[8 * slot])
            if before & 1:
                continue
            np.copyto(self._copy.words, self.slots[slot])
            if int(self.seq[8 * slot]) == before:
                return self._snapshot()
        return None

    def publish(self, step: int, image: Image) -> None:
        """Publish from Python (gateways' own small boards; the loop uses the compiled twin)."""
        slot = step % SLOTS
        self.seq[8 * slot] += 1
        self.slots[slot] = image.words
        self.seq[8 * slot] += 1
        self.ctl[CTL_PUB] = step

    def _snapshot(self) -> Snapshot:
        m = self._copy.meta
        return Snapshot(
            step=int(m[M_STEP]),
            utc_ns=int(m[M_UTC_NS]),
            mono_ns=int(m[M_MONO_NS]),
            sim_ns=int(m[M_SIM_NS]),
            dt_ns=int(m[M_DT_NS]),
            flags=int(m[M_FLAGS]),
            digest=int(m[M_DIGEST]),
            values=self._copy.values.copy(),
            quality=self._copy.quality.copy(),
        )
