"""Work that must stand behind everything else on the machine."""

from __future__ import annotations

import os
from pathlib import Path

NICE = 5


def stay_behind() -> None:
    """Let this process, and those it starts, have a quarter of a processor that others want as well.

    Niceness orders processes of one session alone where the kernel groups them by session
    (``kernel.sched_autogroup_enabled``): so the session is its own, and is niced as a whole as well.
    """
    if os.getpgid(0) != os.getpid():
        os.setsid()
    os.nice(NICE)
    group = Path("/proc/self/autogroup")
    try:
        group.write_text(str(NICE))
    except OSError:
        pass  # no such grouping here: niceness says it all
