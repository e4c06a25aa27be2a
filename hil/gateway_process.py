"""What every gateway process does: take its orders, attach to the core's memory, say what is wrong, end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from hil import joined_board, kernel_cache, segment
from hil.runspec import RunSpec
from hil.supervisor import EXIT_HOST, die_with_parent
from protocols.gateway import Gateway
from protocols.status_events import StatusEvents
from rtcore.errors import HostError, UserInputError
from rtcore.ring import EventReader, Producer, RingPair

EXIT_INPUT = 2
CORE_MEMORY_S = 20.0
"""How long a gateway waits for the core to make its memory; the core does that first thing [s]."""
COMPLAINTS_MAX = 100
"""Different complaints in the log."""


def attach(spec: RunSpec, producer: str, *, has_events: bool = False) -> Gateway:
    """Attach the boards, the core's events where wanted (all read-only), and this producer's rings.

    The process id keeps the command ids of this process apart from its predecessor's.
    """
    board = joined_board.attach(spec, wait_s=CORE_MEMORY_S, is_master=True)
    pair = RingPair(segment.attach(spec.ring_path(producer), writable=True))
    pair.check()
    events = StatusEvents(EventReader(segment.attach(spec.events_path))) if has_events else None
    return Gateway(spec.points, board, Producer(pair, os.getpid() & 0x7FFFFFFF), events)


def main(module: str, arguments: Sequence[str], serve: Callable[[RunSpec], int]) -> int:
    """Run a gateway process until it has ended; return its exit code.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line: the file of the run's ``RunSpec``.
    serve : callable
        Serves until SIGTERM; gives the exit code.
    """
    if len(arguments) != 1:
        say(f"usage: python -m {module} SPEC_JSON", is_error=True)
        return EXIT_INPUT
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the supervisor's business
    die_with_parent()
    try:
        return serve(RunSpec.load(Path(arguments[0])))
    except UserInputError as error:
        say(str(error), is_error=True)
        return EXIT_INPUT
    except HostError as error:
        say(str(error), is_error=True)
        return EXIT_HOST


def behind(nice: int, serve: Callable[[RunSpec], Coroutine[Any, Any, None]]) -> Callable[[RunSpec], int]:
    """Return ``serve`` as ``main`` takes it, for a process that computes behind all others."""

    def run(spec: RunSpec) -> int:
        os.nice(nice)
        kernel_cache.prepare()
        asyncio.run(serve(spec))
        return 0

    return run


def say(text: str, *, is_error: bool = False) -> None:
    """Write a line for the log at once."""
    stream = sys.stderr if is_error else sys.stdout
    stream.write(text + "\n")
    stream.flush()


class Complaints:
    """What goes wrong again and again, told in the log once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        """Say something that was not said before."""
        if text not in self._said and len(self._said) < COMPLAINTS_MAX:
            self._said.add(text)
            say(text, is_error=True)
