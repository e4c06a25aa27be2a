"""One image of all points: the core's board, and behind its points those of other processes' boards.

Looks like a ``rtcore.board.Board`` to those who read; step, times, flags and digest are the core's. What
another process publishes may be missing or old, and is then Bad: no value outlives its process as Good.
"""

from __future__ import annotations

import dataclasses as dc
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hil import segment
from hil.runspec import RunSpec
from rtcore.board import CTL_PERIOD_NS, Board, Snapshot
from rtcore.errors import HostError
from rtcore.quality import Quality

STALE_PERIODS = 3
STALE_MIN_NS = 2_000_000_000
"""An image counts as old after three periods of its board, and not before 2 s [ns]."""
LOOK_NS = 200_000_000
"""Between two looks for a board that is not there, or has been made anew [ns]."""
AGE_ATTR = "age_s"
"""Attribute that goes on counting while its board is old."""

_NO_COMMUNICATION = int(Quality.BAD_NO_COMMUNICATION)


class Part:
    """The board of another process than the core, as far as it is there.

    Parameters
    ----------
    path : Path
        Its file, which may come later, and anew when its process starts again.
    n_values : int
        How many points it has.
    ages : sequence of int
        Points that hold an age [s], which goes on while the board is old.
    """

    def __init__(
        self,
        path: Path,
        n_values: int,
        ages: npt.ArrayLike = (),
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.path, self.n_values = path, n_values
        self._ages = np.asarray(ages, np.intp)
        self._clock_ns = clock_ns
        self._board: Board | None = None
        self._inode = -1
        self._look_at_ns = 0
        self._seen_step = -1
        self._snapshot: Snapshot | None = None
        self._bad = np.full(n_values, _NO_COMMUNICATION, np.uint8)
        self._nothing = np.zeros(n_values)

    def read(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
        """Return values and qualities; with the last values there were when they are old."""
        now_ns = self._clock_ns()
        if (self._board is None or self._is_old(now_ns)) and now_ns >= self._look_at_ns:
            self._look_at_ns = now_ns + LOOK_NS
            self._attach()
        if self._board is not None and self._board.published != self._seen_step:
            self._take(self._board)
        if self._snapshot is None:
            return self._nothing, self._bad
        if not self._is_old(now_ns):
            return self._snapshot.values, self._snapshot.quality
        values = self._snapshot.values.copy()
        values[self._ages] += (now_ns - self._snapshot.mono_ns) * 1e-9
        return values, self._bad

    def _is_old(self, now_ns: int) -> bool:
        if self._board is None or self._snapshot is None:
            return True
        limit_ns = max(STALE_MIN_NS, STALE_PERIODS * int(self._board.ctl[CTL_PERIOD_NS]))
        return now_ns - self._snapshot.mono_ns > limit_ns

    def _attach(self) -> None:
        """Map the board if there is one that is not mapped yet; the values of an older one are kept."""
        try:
            inode = self.path.stat().st_ino
            if inode == self._inode:
                return
            board = Board(segment.attach(self.path), self.n_values)
            board.check()
        except (OSError, ValueError):  # not there, being removed, or of another run
            return
        self._board, self._inode, self._seen_step = board, inode, -1

    def _take(self, board: Board) -> None:
        found = board.read()  # one that is torn for good is old soon
        if found is not None:
            self._snapshot, self._seen_step = found, found.step


class JoinedBoard(Board):
    """The core's board with those of other processes behind its own.

    Parameters
    ----------
    buffer : buffer
        The core's board.
    n_core : int
        How many points the core has.
    parts : sequence of Part
        The other boards, in the order of their points.
    """

    def __init__(self, buffer: object, n_core: int, parts: Sequence[Part] = ()) -> None:
        super().__init__(buffer, n_core)
        self._parts = tuple(parts)
        self.n_points = n_core + sum(p.n_values for p in parts)
        """Points of a snapshot; ``n_values`` are those in the core's memory."""

    def read(self, tries: int = 200) -> Snapshot | None:
        """Copy the newest whole step of the core, with what the other boards have."""
        return self.joined(self.read_core(tries))

    def read_core(self, tries: int = 200) -> Snapshot | None:
        """Copy the newest whole step of the core alone."""
        return super().read(tries)

    def joined(self, snapshot: Snapshot | None) -> Snapshot | None:
        """Return a snapshot of the core with what the other boards have now."""
        if snapshot is None or not self._parts:
            return snapshot
        values, quality = zip(*(p.read() for p in self._parts), strict=True)
        return dc.replace(
            snapshot,
            values=np.concatenate([snapshot.values, *values]),
            quality=np.concatenate([snapshot.quality, *quality]),
        )


def attach(spec: RunSpec, *, wait_s: float = 0.0, is_master: bool = False) -> JoinedBoard:
    """Attach the boards of a run, read-only; waits for the core to make its own.

    Who reads for masters (``is_master``) gets what an attack makes of the core's.

    Raises
    ------
    HostError
        What is there is no board of this run's shape.
    """
    path = spec.shown_path if is_master else spec.board_path
    memory = segment.attach(path, wait_s=wait_s)
    try:
        board = JoinedBoard(memory, spec.n_core, [part_of(spec, name) for name in spec.published])
        board.check()
    except ValueError as error:
        raise HostError(f"{path}: {error}") from None
    return board


def part_of(spec: RunSpec, publisher: str) -> Part:
    """Return the board of a process beside the core."""
    points = spec.points_of(publisher)
    ages = [k for k, p in enumerate(points) if p.attr == AGE_ATTR]
    return Part(spec.board_of(publisher), len(points), ages)
