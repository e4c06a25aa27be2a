"""Probes: whether this host grants what the loop asks for is found by asking, not by reading limits.

Every probe works in a thread or process that is thrown away, so that this process keeps its
scheduling and memory as they were.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil.doctor_check import Check, check
from hil.realtime import FIFO_PRIORITY
from rtcore.errors import HostError

DMA_LATENCY = Path("/dev/cpu_dma_latency")
PR_SET_TIMERSLACK = 29
MCL_CURRENT_FUTURE_ONFAULT = 7
_MLOCK = (
    "import ctypes,sys; l=ctypes.CDLL(None,use_errno=True); sys.exit(l.mlockall(7) and ctypes.get_errno())"
)
AREA = "probe"


def fifo_granted() -> bool:
    """Tell whether the loop gets SCHED_FIFO at the priority it asks for (chooses the default step)."""
    granted: list[bool] = []

    def probe() -> None:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        try:
            os.sched_setscheduler(0, policy, os.sched_param(FIFO_PRIORITY))
        except OSError:
            return
        granted.append(True)

    thread = threading.Thread(target=probe)
    thread.start()
    thread.join()
    return bool(granted)


def default_cpu() -> int:
    """Return the CPU the loop takes unless told: the last one, interrupts favour the first."""
    return max(os.sched_getaffinity(0))


def request_policy(cpu: int | None) -> dict[str, str]:
    """Ask for the loop's policy in the calling thread; return "granted" or the reason for each wish."""
    libc = ctypes.CDLL(None, use_errno=True)
    answers = {
        "timer_slack": _attempt(lambda: libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)),
        "mlockall": _attempt(lambda: libc.mlockall(MCL_CURRENT_FUTURE_ONFAULT)),
        "fifo": _attempt(
            lambda: os.sched_setscheduler(
                0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(FIFO_PRIORITY)
            )
        ),
    }
    if cpu is not None:
        answers["affinity"] = _attempt(lambda: os.sched_setaffinity(0, {cpu}))
    return answers


def hold_dma_latency() -> int:
    """Keep idle CPUs out of deep sleep while the returned descriptor is open; -1 when not permitted."""
    try:
        fd = os.open(DMA_LATENCY, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        os.write(fd, struct.pack("i", 0))
    except OSError:
        os.close(fd)
        return -1
    return fd


def start_mlock_probe() -> subprocess.Popen[str]:
    """Start the throw-away child that tries mlockall; see `permissions`."""
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", _MLOCK], text=True)


def permissions(mlock_probe: subprocess.Popen[str]) -> list[Check]:
    """Report what the loop will be granted."""
    has_fifo = fifo_granted()
    error = mlock_probe.wait()
    fd = hold_dma_latency()
    if fd >= 0:
        os.close(fd)
    return [
        check(
            AREA,
            "SCHED_FIFO",
            has_fifo,
            f"granted, priority {FIFO_PRIORITY}" if has_fifo else f"priority {FIFO_PRIORITY} refused",
            "without it the loop is best effort at 10 ms; give the user 'rtprio 80' in "
            "/etc/security/limits.conf, or the container --cap-add SYS_NICE",
        ),
        check(
            AREA,
            "mlockall",
            error == 0,
            "granted" if error == 0 else f"refused ({os.strerror(error)})",
            "page faults can delay a step; give the user 'memlock unlimited' (container: --cap-add IPC_LOCK)",
        ),
        check(
            AREA,
            "/dev/cpu_dma_latency",
            fd >= 0,
            "writable" if fd >= 0 else "not writable" if DMA_LATENCY.exists() else "absent",
            "idle states lengthen wake-ups; let the user's group write the device (udev rule)",
        ),
    ]


def jitter(seconds: float, cpu: int) -> dict[str, Any]:
    """Measure wake-up lateness at 1 kHz for ``seconds`` in a throw-away process [us].

    Returns
    -------
    dict
        p50_us, p99_us, p999_us, max_us, count, compiled (numba, else ctypes), policy, steal_pct.

    Raises
    ------
    HostError
        The child failed.
    """
    command = [sys.executable, "-P", "-m", "hil.doctor_jitter", str(seconds), str(cpu)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds * 3 + 60)
    except subprocess.TimeoutExpired:
        raise HostError("the jitter probe did not end") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise HostError(f"the jitter probe failed: {said[-1] if said else f'exit {done.returncode}'}")
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def _attempt(call: Callable[[], int | None]) -> str:
    ctypes.set_errno(0)
    try:
        code = call()
    except OSError as error:
        return error.strerror or str(error)
    return "granted" if code in (0, None) else os.strerror(ctypes.get_errno())
