"""Whether the host's clock follows a source of time, as the kernel knows it (adjtimex)."""

from __future__ import annotations

import ctypes

from hil.recorder.comtrade import LOCKED, UNRELIABLE

TIMEX_BYTES = 512
"""More than struct timex takes; zeroed, it asks and changes nothing."""
TIME_ERROR = 5
"""Return value of a clock that nobody disciplines (adjtimex(2))."""


def time_quality() -> str:
    """Return the code of C37.111-2013 clause 7.4.9.2 for the host's clock: "0" locked, "F" not reliable."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return LOCKED if 0 <= state < TIME_ERROR else UNRELIABLE
