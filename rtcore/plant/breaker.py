"""Breaker mechanism: travel times, auxiliary contacts 52a/52b, trip-free, one close per command.

52a is made only when fully closed, 52b only when fully open; both are open while the
contacts travel. The main contacts part at the end of the opening travel and make at the end
of the closing travel. A trip during closing wins (trip-free); a close during opening is
dropped, so that a maintained close cannot pump. A close that the synchronism check does not
permit is refused.
"""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel

OPEN, CLOSED, OPENING, CLOSING = 0.0, 1.0, 2.0, 3.0


@component(
    "breaker",
    attrs=(
        Attr("is_52a", "", "auxiliary contact 52a: 1 when fully closed"),
        Attr("is_52b", "", "auxiliary contact 52b: 1 when fully open"),
        Attr("trip", "", "trip command", writable="pulse", guard="is_remote_sp"),
        Attr("close", "", "close command", writable="pulse", guard="is_remote_sp", interlock="may_close"),
        Attr("may_close", "", "1 when the synchronism check permits closing"),
        Attr("is_remote_sp", "", "local/remote switch: 1 remote", writable="setpoint"),
        Attr("ops", "", "completed opening operations"),
        Attr("state", "", "0 open, 1 closed, 2 opening, 3 closing"),
        Attr("travel_s", "s", "travel time left"),
    ),
)
class Breaker:
    """Three-pole breaker with one mechanism."""

    open_time_s: float = param(default=0.050, unit="s", doc="trip command to contacts parted", gt=0)
    close_time_s: float = param(default=0.060, unit="s", doc="close command to contacts made", gt=0)


@kernel
def step(p, s, units, unit, is_permitted, dt_s):  # type: ignore[no-untyped-def]
    """Move every mechanism by one step; returns how many breakers changed the network.


    Parameters
    ----------
    units : int32[n, 3]
        Unit of each pole, -1 where there is none.
    unit : float64[n_units, 3]
        Admittance factors of the network; column 0 is written when the contacts move.
    is_permitted : float64[n]
        0 where the synchronism check forbids closing, as of the last solution.
    """
    changed = 0
    for i in range(s.shape[0]):
        state = s["state"][i]
        s["may_close"][i] = is_permitted[i]
        if s["close"][i] != 0.0 and s["may_close"][i] == 0.0:
            s["close"][i] = 0.0
        if s["trip"][i] != 0.0 and state in (CLOSED, CLOSING):
            s["state"][i] = OPENING
            s["travel_s"][i] = p["open_time_s"][i]
        elif s["close"][i] != 0.0 and s["trip"][i] == 0.0 and state == OPEN:
            s["state"][i] = CLOSING
            s["travel_s"][i] = p["close_time_s"][i]
        elif state in (OPENING, CLOSING):
            changed += _travel(s, i, units, unit, dt_s)
        s["trip"][i] = 0.0
        s["close"][i] = 0.0
        s["is_52a"][i] = 1.0 if s["state"][i] == CLOSED else 0.0
        s["is_52b"][i] = 1.0 if s["state"][i] == OPEN else 0.0
    return changed


@kernel
def _travel(s, i, units, unit, dt_s):  # type: ignore[no-untyped-def]
    s["travel_s"][i] -= dt_s
    if s["travel_s"][i] > 1e-9:  # far below any step, above the rounding of the sum
        return 0
    is_closing = s["state"][i] == CLOSING
    s["travel_s"][i] = 0.0
    s["state"][i] = CLOSED if is_closing else OPEN
    s["ops"][i] += 0.0 if is_closing else 1.0
    for k in range(units.shape[1]):
        if units[i, k] >= 0:
            unit[units[i, k], 0] = 1.0 if is_closing else 0.0
    return 1
