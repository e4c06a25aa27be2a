"""Real-time privileges of the loop's thread: each is tried, none is required, all are reported."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses as dc
import gc
import os
import signal
import struct
from collections.abc import Callable, Iterator

FIFO_PRIORITY = 80
PR_SET_TIMERSLACK = 29
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4

_libc = ctypes.CDLL(None, use_errno=True)


@dc.dataclass(frozen=True, slots=True)
class Grant:
    """One privilege: what was asked for, whether it was granted, why not."""

    name: str
    is_granted: bool
    why: str = ""

    def __str__(self) -> str:
        return f"{self.name} granted" if self.is_granted else f"{self.name} refused ({self.why})"


def _attempt(name: str, call: Callable[[], int | None]) -> Grant:
    try:
        result = call()
    except OSError as error:
        return Grant(name, False, error.strerror or str(error))
    if result in (0, None):
        return Grant(name, True)
    return Grant(name, False, os.strerror(ctypes.get_errno()))


def elevate(cpu: int | None, *, use_fifo: bool) -> list[Grant]:
    """Ask for everything that steadies the calling thread; call it inside the loop's thread."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    gc.disable()
    grants = [
        _attempt("timer slack 1 ns", lambda: _libc.prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)),
        _attempt("memory lock", lambda: _libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)),
    ]
    if cpu is not None:
        grants.append(_attempt(f"cpu {cpu}", lambda: os.sched_setaffinity(0, {cpu})))
    if use_fifo:
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        parameter = os.sched_param(FIFO_PRIORITY)
        grants.append(_attempt("SCHED_FIFO", lambda: os.sched_setscheduler(0, policy, parameter)))
    return grants


@contextlib.contextmanager
def shallow_idle() -> Iterator[Grant]:
    """Hold /dev/cpu_dma_latency at 0 us, so that an idle CPU wakes at once."""
    try:
        fd = os.open("/dev/cpu_dma_latency", os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        yield Grant("cpu_dma_latency 0", False, error.strerror or str(error))
        return
    try:
        os.write(fd, struct.pack("i", 0))
        yield Grant("cpu_dma_latency 0", True)
    finally:
        os.close(fd)
