"""Where the loop counts on its board: histograms, totals, the list of the latest overruns.

Plain numbers, so that a reader needs no compiled code.
"""

from __future__ import annotations

# Statistics words of the board; each histogram has room for 512 bins.
S_LATE, S_EXEC, S_OVERRUN = 0, 512, 1024
OVERRUN_ROWS, OVERRUN_WORDS = 64, 8
S_COUNT = S_OVERRUN + OVERRUN_ROWS * OVERRUN_WORDS
S_N_OVERRUN, S_SLIP_NS, S_LATE_MAX, S_EXEC_MAX, S_BURST, S_BURST_MAX, S_STEPS = range(S_COUNT, S_COUNT + 7)

# Columns of an overrun row; causes.
O_STEP, O_UTC_NS, O_LATE_NS, O_EXEC_NS, O_CAUSE, O_COMMANDS, O_TOPOLOGY = range(7)
CAUSE_WOKEN_LATE, CAUSE_EXECUTION, CAUSE_CATCHING_UP = 1, 2, 3

CAUSE_TEXT = {
    CAUSE_WOKEN_LATE: "woken late",
    CAUSE_EXECUTION: "the step itself took longer than its period",
    CAUSE_CATCHING_UP: "catching up",
}
