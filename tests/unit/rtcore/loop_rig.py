"""A small station under the real-time loop: in a thread of this process, or in a process of its own.

``python -m tests.unit.rtcore.loop_rig BOARD EVENTS PERIOD_NS`` runs it until STOP.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

from hil import kernel_cache, segment

kernel_cache.prepare()

import numpy as np  # noqa: E402

from rtcore import board as bd  # noqa: E402
from rtcore import loop  # noqa: E402
from rtcore import ring as rg  # noqa: E402
from rtcore.assemble import build_world  # noqa: E402
from rtcore.drive import drive_of  # noqa: E402
from rtcore.points import index_of  # noqa: E402
from tests.unit.rtcore import small_station as small  # noqa: E402

N_VALUES = len(small.points())


class Rig:
    """Board, two ring pairs, events and the loop's thread."""

    def __init__(self, period_ns: int, board: Any = None, events: Any = None, dt_ns: int = 1_000_000) -> None:
        setup = small.setup(dt_ns=dt_ns, ripple_pu=0.02)
        self.index = index_of(setup.points)
        self.board = bd.Board(board or bytearray(bd.board_bytes(N_VALUES)), N_VALUES)
        self.board.format(generation=1)
        words = np.frombuffer(events or bytearray(rg.EVENT_BYTES), np.int64)
        self.events = rg.EventReader(words)
        self.pairs = [rg.RingPair(bytearray(rg.PAIR_BYTES)) for _ in range(2)]
        world, harmonics, _ = build_world(setup)
        self.world = world._replace(events=words[rg.HEADER_WORDS :])
        self.harmonics = harmonics  # must outlive the drive
        self.drive = drive_of(self.world, harmonics)
        self.period_ns = period_ns
        self.n_done = -1
        self._call(0)  # loads the kernels
        self.board.ctl[bd.CTL_ENDED] = 0
        self._thread: threading.Thread | None = None

    def _call(self, n_steps: int, *, strict: bool = False) -> None:
        b = self.board
        self.n_done = int(
            loop.run(
                self.drive,
                b.ctl,
                b.seq,
                b.slots,
                b.stats,
                tuple(p.commands for p in self.pairs),
                tuple(p.verdicts for p in self.pairs),
                self.period_ns,
                loop.catch_up_periods(self.period_ns),
                n_steps,
                loop.MODE_BEST_EFFORT,
                strict,
                np.zeros(2, np.int64),
            )
        )

    def run(self, n_steps: int, *, strict: bool = False) -> int:
        """Run here and now; returns the steps done."""
        self._call(n_steps, strict=strict)
        return self.n_done

    def __enter__(self) -> Rig:
        self._thread = threading.Thread(target=self._call, args=(-1,))
        self._thread.start()
        deadline = time.monotonic() + 20.0
        while self.board.published < 0:
            assert time.monotonic() < deadline, "the loop publishes nothing"
            time.sleep(0.001)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        assert self._thread is not None
        self.board.ctl[bd.CTL_STOP] = 1
        self._thread.join(20.0)
        assert not self._thread.is_alive(), "STOP did not end the loop"

    def value(self, snapshot: bd.Snapshot, tag: str) -> float:
        return float(snapshot.values[self.index[tag]])


def main() -> None:
    board, events = (segment.attach(Path(p), writable=True) for p in sys.argv[1:3])
    Rig(int(sys.argv[3]), board, events)._call(-1)


if __name__ == "__main__":
    main()
