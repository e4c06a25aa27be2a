"""A process that publishes as fast as it can: every word of step k's image is a function of k.

``python -m tests.unit.rtcore.free_writer BOARD_PATH N_VALUES``; ends when STOP is set.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hil import kernel_cache, segment

kernel_cache.prepare()

import numpy as np  # noqa: E402
from numba import njit  # noqa: E402

from rtcore import board as bd  # noqa: E402
from rtcore.shared_kernels import publish  # noqa: E402

M_STEP, CTL_STOP = bd.M_STEP, bd.CTL_STOP


@njit(nogil=True)
def write_freely(ctl, seq, slots, image, n_meta, n_values):  # type: ignore[no-untyped-def]
    values = image[n_meta : n_meta + n_values].view(np.float64)
    step = 0
    while ctl[CTL_STOP] == 0:
        for k in range(image.shape[0]):
            image[k] = step
        for k in range(n_values):
            values[k] = step + 0.5
        publish(ctl, seq, slots, step, image)
        step += 1


def main() -> None:
    n = int(sys.argv[2])
    board = bd.Board(segment.attach(Path(sys.argv[1]), writable=True), n)
    board.check()
    image = bd.blank_image(n)
    write_freely(board.ctl, board.seq, board.slots, image.words, bd.META_WORDS, n)


if __name__ == "__main__":
    main()
