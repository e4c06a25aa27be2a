"""A small cyclictest in the loop's own form: one compiled call that sleeps to absolute deadlines.

``python -m hil.doctor_jitter SECONDS CPU`` prints one JSON object. A process of its own,
because mlockall and the thread's policy are not given back.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import math
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hil import doctor_probes, kernel_cache
from rtcore.errors import HostError

PERIOD_NS = 1_000_000
WARM_UP = 20
"""First wake-ups are not counted: caches and idle states settle."""


class _Timespec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


def _measure_compiled(count: int) -> tuple[Any, Any]:
    """Return (lateness array [ns], the call that fills it), compiled and warmed up."""
    import numpy as np

    from rtcore.atomics import CLOCK_MONOTONIC, now_ns, sleep_until
    from rtcore.jit import kernel

    @kernel
    def pace(late: Any, period_ns: Any, timespec: Any) -> None:
        due = now_ns(CLOCK_MONOTONIC, timespec) // period_ns * period_ns + 2 * period_ns
        for i in range(late.shape[0]):
            sleep_until(due, timespec)
            late[i] = now_ns(CLOCK_MONOTONIC, timespec) - due
            due += period_ns

    late, timespec = np.zeros(count, np.int64), np.zeros(2, np.int64)
    pace(late[:1], PERIOD_NS, timespec)
    return late, lambda: pace(late, PERIOD_NS, timespec)


def _measure_plain(count: int) -> tuple[Any, Any]:
    """Do the same through ctypes, where numba cannot be used."""
    libc = ctypes.CDLL(None, use_errno=True)
    late = [0] * count

    def pace() -> None:
        due = time.monotonic_ns() // PERIOD_NS * PERIOD_NS + 2 * PERIOD_NS
        for i in range(count):
            until = _Timespec(due // 1_000_000_000, due % 1_000_000_000)
            while libc.clock_nanosleep(time.CLOCK_MONOTONIC, 1, ctypes.byref(until), None):
                pass
            late[i] = time.monotonic_ns() - due
            due += PERIOD_NS

    return late, pace


def percentiles(late_ns: Sequence[int]) -> dict[str, float | int]:
    """Return p50, p99, p99.9 (nearest rank) and the maximum [us]."""
    ordered = sorted(int(v) for v in late_ns)
    assert ordered, "no wake-up was measured"

    def at(share: float) -> float:
        return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)] / 1000, 1)

    p50, p99, p999 = at(0.5), at(0.99), at(0.999)
    top = round(ordered[-1] / 1000, 1)
    return {"p50_us": p50, "p99_us": p99, "p999_us": p999, "max_us": top, "count": len(ordered)}


def steal_ticks() -> tuple[int, int]:
    """Return (stolen, total) CPU time of this machine [ticks]."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        words = [int(w) for w in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return words[7], sum(words)
    return 0, 0


def measure(seconds: float, cpu: int) -> dict[str, Any]:
    """Measure in a worker thread under the loop's policy."""
    count = WARM_UP + max(10, round(seconds * 1e9 / PERIOD_NS))
    try:
        kernel_cache.prepare()
        late, pace = _measure_compiled(count)
        is_compiled = True
    except (ImportError, HostError):
        late, pace = _measure_plain(count)
        is_compiled = False
    policy: dict[str, str] = {}
    dma = doctor_probes.hold_dma_latency()

    def body() -> None:
        policy.update(doctor_probes.request_policy(cpu))
        gc.disable()
        pace()

    before = steal_ticks()
    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    after = steal_ticks()
    if dma >= 0:
        os.close(dma)
    steal_pct = 100 * (after[0] - before[0]) / max(1, after[1] - before[1])
    row = percentiles(late[WARM_UP:])
    return {**row, "compiled": is_compiled, "policy": policy, "steal_pct": round(steal_pct, 2)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(float(sys.argv[1]), int(sys.argv[2]))) + "\n")
