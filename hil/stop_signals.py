"""SIGINT, SIGTERM and SIGHUP before a station runs: no traceback, the shell's exit codes, nothing left.

Before the entry point is ready to catch anything, and while modules are being imported, there is
nothing to clean up, and an exception may vanish inside foreign code: the process leaves at once.
At any other time a signal becomes `Stopped`, which passes every handler and context manager on its
way to the entry point. Once a station starts, its supervisor takes the signals over.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

at_once: list[Callable[[], object]] = []
"""What to do before leaving at once, where exit handlers are not run."""

_guards = 0
_is_caught = False


class Stopped(BaseException):
    """A signal asked the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def exit_code(number: int) -> int:
    """Return the exit code of a program that a signal stopped: 130 for SIGINT, 143 for SIGTERM."""
    return 128 + number


def take() -> None:
    """Install the handlers; call it before anything heavy is imported."""
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and background jobs stay deaf
            signal.signal(number, _take_one)


def ignore() -> None:
    """Be deaf from now on: the program is ending and cleans up."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def caught() -> Iterator[None]:
    """Inside, somebody catches `Stopped` (the entry point)."""
    global _is_caught  # noqa: PLW0603 - signals are one per process as well
    before, _is_caught = _is_caught, True
    try:
        yield
    finally:
        _is_caught = before


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Inside, a signal never leaves at once: there is something to clean up."""
    global _guards  # noqa: PLW0603 - signals are one per process as well
    _guards += 1
    try:
        yield
    finally:
        _guards -= 1


def _take_one(number: int, frame: FrameType | None) -> None:
    if not _guards and (not _is_caught or _is_importing(frame)):
        for call in at_once:
            call()
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"gridhil: interrupted\n")
        os._exit(exit_code(number))
    raise Stopped(number)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
