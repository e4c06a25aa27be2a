"""The real-time loop: one compiled call for the whole run.

Sleep to an absolute deadline, drain commands, step, publish, repeat. Arrears are caught up
back to back for at most ``catch_up`` periods; beyond that simulated time slips on the grid
and a flag is latched. At any time wall = epoch + step * period + slip, up to arrears still
being caught up. The only module here that knows a wall clock, through libc.
"""

from __future__ import annotations

import numpy as np

from rtcore.atomics import CLOCK_MONOTONIC, CLOCK_REALTIME, load_acquire, now_ns, sleep_until, store_release
from rtcore.board import (
    CTL_BEAT_NS,
    CTL_ENDED,
    CTL_STOP,
    FLAG_SLIPPED,
    M_BURST,
    M_FLAGS,
    M_MONO_NS,
)
from rtcore.drive import take_commands, take_step
from rtcore.histogram import bin_of, percentile_ns
from rtcore.jit import kernel
from rtcore.overruns import (
    CAUSE_CATCHING_UP,
    CAUSE_EXECUTION,
    CAUSE_WOKEN_LATE,
    O_CAUSE,
    O_COMMANDS,
    O_EXEC_NS,
    O_LATE_NS,
    O_STEP,
    O_TOPOLOGY,
    O_UTC_NS,
    OVERRUN_ROWS,
    OVERRUN_WORDS,
    S_BURST,
    S_BURST_MAX,
    S_EXEC,
    S_EXEC_MAX,
    S_LATE,
    S_LATE_MAX,
    S_N_OVERRUN,
    S_OVERRUN,
    S_SLIP_NS,
    S_STEPS,
)
from rtcore.ring import EVENT_OVERRUN, EVENT_SLIP
from rtcore.shared_kernels import publish, push_event
from rtcore.world import K_TOPOLOGY

CATCH_UP_NS = 64_000_000
"""Arrears that are caught up before time slips [ns]."""

CATCH_UP_MIN = 2
"""Fewest periods of arrears that are caught up, however long the period."""

UNTIMED_STEPS = 20
"""First steps, which still fault pages in, are not counted."""

FIGURES_NS = 1_000_000_000
"""Time between two looks at the histograms for percentiles [ns]."""

FIRST_FIGURES_STEPS = 100
"""Steps after which percentiles are first shown, if that comes sooner."""

MODE_BEST_EFFORT, MODE_REALTIME = 0, 1


def catch_up_periods(period_ns: int) -> int:
    """Return how many periods of arrears are caught up before time slips."""
    return max(CATCH_UP_MIN, CATCH_UP_NS // max(period_ns, 1))


@kernel
def run(drive, ctl, seq, slots, stats, commands, verdicts, period_ns, kmax, n_steps, mode, strict, timespec):  # type: ignore[no-untyped-def]
    """Run until STOP, ``n_steps`` (negative: no end) or, when strict, the first overrun.

    ``period_ns`` 0 means as fast as possible. ``commands`` and ``verdicts`` are tuples of
    rings, one per producer. Returns the number of steps done.
    """
    # not the literal 0: numba would compile everything below for it first, and then once more for any step
    step, burst, deadline = np.int64(0), 0, now_ns(CLOCK_MONOTONIC, timespec)
    if period_ns > 0:
        deadline = (deadline // period_ns + 2) * period_ns
    figures_ns = deadline + FIGURES_NS
    while load_acquire(ctl, CTL_STOP) == 0 and step != n_steps:
        now = now_ns(CLOCK_MONOTONIC, timespec)
        if period_ns == 0:
            deadline = now
        elif now < deadline:
            sleep_until(deadline, timespec)
            now = now_ns(CLOCK_MONOTONIC, timespec)
            burst = 0
        else:
            burst += 1
            behind = (now - deadline) // period_ns - kmax
            if behind > 0:
                _slip(drive.events, stats, step, now_ns(CLOCK_REALTIME, timespec), behind, period_ns)
                deadline += behind * period_ns
        utc_ns = now_ns(CLOCK_REALTIME, timespec) - (now - deadline)
        done, topology = 0, drive.counters[K_TOPOLOGY]
        for k in range(len(commands)):
            done += take_commands(drive, commands[k], verdicts[k], now, step, utc_ns, k + 1)
        _pacing_points(drive.loop, stats, mode)
        if (now >= figures_ns and stats[S_STEPS] > UNTIMED_STEPS) or stats[S_STEPS] == FIRST_FIGURES_STEPS:
            _percentile_points(drive.loop, stats)
            figures_ns = now + FIGURES_NS
        take_step(drive, step, utc_ns)
        ended = now_ns(CLOCK_MONOTONIC, timespec)
        switched = drive.counters[K_TOPOLOGY] - topology
        late_ns, exec_ns = now - deadline, ended - now
        over = _account(drive.events, stats, step, utc_ns, late_ns, exec_ns, period_ns, burst, done, switched)
        deadline += period_ns
        is_last = step + 1 == n_steps or (over and strict)
        if ended < deadline or period_ns == 0 or burst % 16 == 15 or is_last:
            drive.image[M_MONO_NS] = deadline - period_ns
            drive.image[M_BURST] = burst
            if stats[S_SLIP_NS] > 0:
                drive.image[M_FLAGS] |= FLAG_SLIPPED
            publish(ctl, seq, slots, step, drive.image)
        step += 1
        store_release(ctl, CTL_BEAT_NS, ended)
        if over and strict:
            break
    store_release(ctl, CTL_ENDED, 1)
    return step


@kernel
def _slip(events, stats, step, utc_ns, periods, period_ns):  # type: ignore[no-untyped-def]
    stats[S_SLIP_NS] += periods * period_ns
    push_event(events, step, utc_ns, EVENT_SLIP, -1, 0, periods * period_ns, 0)


@kernel
def _account(events, stats, step, utc_ns, late_ns, exec_ns, period_ns, burst, commands, switched):  # type: ignore[no-untyped-def]
    """Count one step; returns whether it overran."""
    stats[S_STEPS] += 1
    if step < UNTIMED_STEPS:
        return False
    if burst == 0:
        stats[S_LATE + bin_of(late_ns)] += 1
        stats[S_LATE_MAX] = max(stats[S_LATE_MAX], late_ns)
    else:
        stats[S_BURST] = burst
        stats[S_BURST_MAX] = max(stats[S_BURST_MAX], burst)
    stats[S_EXEC + bin_of(exec_ns)] += 1
    stats[S_EXEC_MAX] = max(stats[S_EXEC_MAX], exec_ns)
    if period_ns == 0 or late_ns + exec_ns <= period_ns:
        return False
    cause = CAUSE_CATCHING_UP if burst > 0 else CAUSE_WOKEN_LATE
    if exec_ns > period_ns:
        cause = CAUSE_EXECUTION
    at = S_OVERRUN + stats[S_N_OVERRUN] % OVERRUN_ROWS * OVERRUN_WORDS
    stats[at + O_STEP] = step
    stats[at + O_UTC_NS] = utc_ns
    stats[at + O_LATE_NS] = late_ns
    stats[at + O_EXEC_NS] = exec_ns
    stats[at + O_CAUSE] = cause
    stats[at + O_COMMANDS] = commands
    stats[at + O_TOPOLOGY] = switched
    stats[S_N_OVERRUN] += 1
    push_event(events, step, utc_ns, EVENT_OVERRUN, -1, late_ns, exec_ns, cause)
    return True


@kernel
def _pacing_points(s, stats, mode):  # type: ignore[no-untyped-def]
    """Loop points that come from pacing, but for the percentiles."""
    s["overruns"][0] = stats[S_N_OVERRUN]
    s["slipped_ms"][0] = stats[S_SLIP_NS] * 1e-6
    s["is_slipped"][0] = 1.0 if stats[S_SLIP_NS] > 0 else 0.0
    s["is_realtime"][0] = 1.0 if mode == MODE_REALTIME and stats[S_SLIP_NS] == 0 else 0.0
    s["burst"][0] = stats[S_BURST]
    s["late_max_us"][0] = stats[S_LATE_MAX] * 1e-3


@kernel
def _percentile_points(s, stats):  # type: ignore[no-untyped-def]
    """Percentiles of all timed steps; zero before the first are known."""
    s["late_p50_us"][0] = percentile_ns(stats, S_LATE, 0.50) * 1e-3
    s["late_p99_us"][0] = percentile_ns(stats, S_LATE, 0.99) * 1e-3
    s["late_p999_us"][0] = percentile_ns(stats, S_LATE, 0.999) * 1e-3
    s["exec_p50_us"][0] = percentile_ns(stats, S_EXEC, 0.50) * 1e-3
    s["exec_p99_us"][0] = percentile_ns(stats, S_EXEC, 0.99) * 1e-3
