"""Work that must stand behind everything else on the machine."""

from __future__ import annotations

import os
from pathlib import Path

LEAST, SOME = 19, 5
"""Niceness of work that nobody waits for, and of work that must keep up: a hundredth, and a quarter, of a
processor that others want as well."""


def stay_behind(nice: int) -> None:
    """Let this process, and those it starts, stand behind others.

    Niceness orders processes of one session alone where the kernel groups them by session
    (``kernel.sched_autogroup_enabled``): so the session is its own, and is niced as a whole as well.
    """
    if os.getpgid(0) != os.getpid():
        os.setsid()
    os.nice(nice)
    group = Path("/proc/self/autogroup")
    try:
        group.write_text(str(nice))
    except OSError:
        pass  # no such grouping here: niceness says it all
