"""Two images of a station, one step apart: what an attacked point showed, and what it would have shown.

A slot's TRUE_VALUE says in each image what its point would have shown in the step before.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from rtcore.board import M_STEP, SLOTS, Board, Image, Snapshot, blank_image
from rtcore.errors import HostError


class Images(Protocol):
    """A station's images."""

    def newest(self) -> Snapshot:
        """Return the newest one; HostError when there is none."""

    def before(self, image: Snapshot) -> Snapshot | None:
        """Return the image of the step before; None when that was not published, or is gone."""


class BoardImages:
    """Those on a station's board.

    Parameters
    ----------
    board : Board
        The core's. It keeps the last few images.
    """

    def __init__(self, board: Board) -> None:
        self._board, self._copy = board, blank_image(board.n_values)

    def newest(self) -> Snapshot:
        """Return the newest image."""
        found = Board.read(self._board)
        if found is None:
            raise HostError("the plant publishes nothing")
        return found

    def before(self, image: Snapshot) -> Snapshot | None:
        """Return the image of the step before, unless the loop skipped it or has written over it."""
        step, board, copy = image.step - 1, self._board, self._copy
        slot = step % SLOTS
        seq = int(board.seq[8 * slot])
        np.copyto(copy.words, board.slots[slot])
        is_whole = not seq & 1 and int(board.seq[8 * slot]) == seq
        return _snapshot(copy) if is_whole and step >= 0 and int(copy.meta[M_STEP]) == step else None


def _snapshot(image: Image) -> Snapshot:
    step, utc_ns, mono_ns, sim_ns, dt_ns, flags, _, digest = (int(x) for x in image.meta[:8])
    return Snapshot(
        step, utc_ns, mono_ns, sim_ns, dt_ns, flags, digest, image.values.copy(), image.quality.copy()
    )
