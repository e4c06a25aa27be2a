"""Arming: the first of two steps before any fault or attack, with a timeout.

``arm`` opens a window of ``timeout_s``; what harms the plant is refused outside of it. One arming
is for one application: the first one that is accepted closes the window, unless ``is_held``. A
refused application does not, so that a slip can be mended. Commands of one request are checked
together before any takes effect, so one arming covers several faults that are to begin at once.
Arming again while armed starts the window anew; ``disarm`` closes it and wins over ``arm``.
"""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel


@component(
    "arming",
    attrs=(
        Attr("arm", "", "open the window", writable="pulse", role="instructor"),
        Attr("disarm", "", "close the window", writable="pulse"),
        Attr("is_armed", "", "1 while faults and attacks are accepted", stamp="armed_ago_s"),
        Attr("armed_ago_s", "s", "time from the last change of is_armed to the end of its step"),
        Attr("time_left_s", "s", "time until it disarms by itself"),
        Attr("uses", "", "faults and attacks accepted so far"),
    ),
)
class Arming:
    """Two-step release of faults and attacks."""

    timeout_s: float = param(default=30.0, unit="s", doc="length of the window", ge=1.0, le=3600.0)
    is_held: float = param(
        default=0.0, unit="", doc="1: stays armed until the timeout, however many faults", ge=0, le=1
    )


@kernel
def step(p, s, dt_s):  # type: ignore[no-untyped-def]
    """Take the commands and count down; before the faults of the same step."""
    for i in range(s.shape[0]):
        if s["disarm"][i] != 0.0:
            _disarm(s, i, dt_s)
        elif s["arm"][i] != 0.0:
            if s["is_armed"][i] == 0.0:
                s["armed_ago_s"][i] = dt_s
            s["is_armed"][i] = 1.0
            s["time_left_s"][i] = p["timeout_s"][i]
        if s["is_armed"][i] != 0.0:
            s["time_left_s"][i] -= dt_s
            if not s["time_left_s"][i] > 1e-12:  # rounding of a sum of steps; "not >" also ends a NaN
                _disarm(s, i, min(max(-s["time_left_s"][i], 0.0), dt_s))
        s["arm"][i] = s["disarm"][i] = 0.0


@kernel
def _disarm(s, i, ago_s):  # type: ignore[no-untyped-def]
    if s["is_armed"][i] != 0.0:
        s["armed_ago_s"][i] = ago_s
    s["is_armed"][i] = s["time_left_s"][i] = 0.0


@kernel
def use(p, s, ago_s):  # type: ignore[no-untyped-def]
    """Count an accepted fault or attack, which closes the window unless it is held."""
    s["uses"][0] += 1.0
    if p["is_held"][0] == 0.0:
        _disarm(s, 0, ago_s)
