"""Breaker failure (ANSI 50BF): a breaker that was told to open and has not is cleared by its neighbours.

A trip of the relay starts it and is latched. From there a timer runs as long as the breaker is
seen closed: by a current detector (any phase above ``pickup_a``), by contact 52a, or by either of
them (IEEE C37.119; from memory: verify). At ``retrip_s`` the relay trips its own breaker again, at
``delay_s`` the output asks for the breakers around it and for the lockout 86.

The detector drops ``reset_s`` after the current has gone (subsidence of the current transformer), so
that ``delay_s`` must exceed opening time + ``reset_s`` + margin.

The latch ends when the trip has dropped and the breaker is seen open. Once the output has come, 52a
alone does not hold it: a stuck breaker that carries nothing is no reason to go on tripping.
"""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.protection.element import ELEMENT, set_operated, set_pickup, within

CURRENT, CONTACT, BOTH = 0.0, 1.0, 2.0
CRITERIA = {"current": CURRENT, "contact": CONTACT, "both": BOTH}
EPS_S = 1e-9
"""Far below any step, above the rounding of a summed timer [s]."""


@component(
    "breaker_failure_50bf",
    attrs=(
        *ELEMENT,
        Attr("is_retrip", "", "1 while the relay is to trip its own breaker again", stamp="retrip_ago_s"),
        Attr("is_initiated", "", "1 from the trip until the breaker is seen open"),
        Attr("is_current", "", "current detector"),
        Attr("is_seen_closed", "", "1 while the breaker is seen closed by the chosen criterion"),
        Attr("timer_s", "s", "time since the initiation"),
        Attr("off_s", "s", "time since the current has gone, while the detector still stands"),
        Attr("is_52a", "", "contact 52a as seen"),
        Attr("is_above", "", "1 while a phase current is above the pickup"),
        Attr("retrip_ago_s", "s", "time from the last change of the retrip to the end of its step"),
    ),
    settings=True,
)
class BreakerFailure50BF:
    """Breaker failure of one breaker; delay = 50 ms opening + 20 ms reset + 80 ms margin."""

    is_enabled: float = param(default=1.0, unit="", doc="1 in service", ge=0, le=1)
    pickup_a: float = param(default=40.0, unit="A", doc="current detector, primary", ge=0.1, le=1e5)
    criterion: float = param(default=CURRENT, unit="", doc="what shows the breaker closed", choices=CRITERIA)
    has_retrip: float = param(default=1.0, unit="", doc="1: trips its own breaker again", ge=0, le=1)
    retrip_s: float = param(default=0.05, unit="s", doc="initiation to retrip", ge=0, le=10)
    delay_s: float = param(default=0.15, unit="s", doc="initiation to backup trip", ge=0.02, le=10)
    reset_s: float = param(default=0.02, unit="s", doc="dropout of the current detector", ge=0, le=0.02)


@kernel
def step(  # type: ignore[no-untyped-def]
    p, s, of, breaker_of, breaker, i_seen, trip, trip_ago_s, is_permitted, change_ago_s, dt_s
):
    """Advance every element; call after the relays.

    Parameters
    ----------
    of, breaker_of : int32[n]
        Relay and breaker of each row.
    breaker : structured
        State rows of the breakers: is_52a, moved_ago_s.
    i_seen : complex128[n_relays, 3]
        Phase currents [A].
    trip : float64[n]
        Trip that initiates.
    trip_ago_s : float64[n]
        Time from the last change of ``trip`` to the end of its step [s]; negative: it changed with the
        network.
    is_permitted : float64[n]
        0 blocks.
    """
    for k in range(s.shape[0]):
        q, t = p[k], s[k]
        b = breaker_of[k]
        seen_s = _look(
            p, s, k, i_seen, of[k], breaker["is_52a"][b], breaker["moved_ago_s"][b], change_ago_s, dt_s
        )
        is_trip = trip[k] > 0.0
        start_s = dt_s
        if is_trip and t["is_initiated"] == 0.0:
            t["is_initiated"] = 1.0
            start_s = within(change_ago_s if trip_ago_s[k] < 0.0 else trip_ago_s[k], dt_s)
        if not (q["is_enabled"] > 0.0 and is_permitted[k] > 0.0):
            t["is_initiated"] = 0.0
            _drop(s, k, dt_s)
        elif t["is_initiated"] != 0.0:
            _run(p, s, k, start_s, seen_s, is_trip, dt_s)


@kernel
def _look(p, s, k, i_seen, r, is_52a, moved_ago_s, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Judge whether the breaker is closed; returns how long before the step's end that changed.

    The step's length when it did not change in this step.
    """
    q, t = p[k], s[k]
    changed_s, moved_s = within(change_ago_s, dt_s), within(moved_ago_s, dt_s)
    pickup_a = q["pickup_a"]
    is_above = abs(i_seen[r, 0]) > pickup_a or abs(i_seen[r, 1]) > pickup_a or abs(i_seen[r, 2]) > pickup_a
    current_s = contact_s = dt_s
    was_current, was_contact = t["is_current"] != 0.0, t["is_52a"] != 0.0
    if is_above:
        if not was_current:
            t["is_current"], current_s = 1.0, changed_s
        t["off_s"] = 0.0
    elif was_current:
        t["off_s"] = changed_s if t["is_above"] != 0.0 else t["off_s"] + dt_s
        past_s = t["off_s"] - q["reset_s"]
        if past_s >= -EPS_S:
            t["is_current"], current_s, t["off_s"] = 0.0, within(past_s, dt_s), 0.0
    t["is_above"] = 1.0 if is_above else 0.0
    is_contact = is_52a > 0.0
    if is_contact != was_contact:
        t["is_52a"], contact_s = 1.0 if is_contact else 0.0, moved_s
    by_current, by_contact = q["criterion"] != CONTACT, q["criterion"] != CURRENT
    is_closed = (by_current and t["is_current"] != 0.0) or (by_contact and is_contact)
    was_closed = t["is_seen_closed"] != 0.0
    t["is_seen_closed"] = 1.0 if is_closed else 0.0
    if is_closed == was_closed:
        return dt_s
    if not by_contact or not by_current:
        return current_s if by_current else contact_s
    if is_closed:  # the first that shows it
        return max(current_s if not was_current and is_above else 0.0, contact_s if is_contact else 0.0)
    return min(current_s, contact_s)  # the last that ceases to


@kernel
def _run(p, s, k, start_s, seen_s, is_trip, dt_s):  # type: ignore[no-untyped-def]
    """Run the timer of an initiated row."""
    is_closed = s["is_seen_closed"][k] != 0.0
    was_running = s["is_pickup"][k] != 0.0
    if not is_closed:
        # A timer that ran out before the breaker was seen open has tripped, however long the step.
        ends_s = s["timer_s"][k] + dt_s - seen_s
        is_late = was_running and s["is_operated"][k] == 0.0 and ends_s >= p["delay_s"][k] - EPS_S
        if not is_late:
            _drop(s, k, seen_s)
            s["is_initiated"][k] = 1.0 if is_trip else 0.0
            return
    elif not is_trip and s["is_operated"][k] != 0.0 and s["is_current"][k] == 0.0:
        _drop(s, k, dt_s)
        s["is_initiated"][k] = 0.0
        return
    begins_s = min(start_s, seen_s if is_closed else dt_s)
    s["timer_s"][k] = s["timer_s"][k] + dt_s if was_running else begins_s
    set_pickup(s, k, True, begins_s)
    past_s = s["timer_s"][k] - p["delay_s"][k]
    s["fraction"][k] = 1.0 if past_s >= -EPS_S else s["timer_s"][k] / p["delay_s"][k]
    set_operated(s, k, past_s >= -EPS_S, within(past_s, dt_s))
    past_s = s["timer_s"][k] - p["retrip_s"][k]
    _retrip(s, k, past_s >= -EPS_S and p["has_retrip"][k] > 0.0, within(past_s, dt_s))


@kernel
def _drop(s, k, ago_s):  # type: ignore[no-untyped-def]
    set_pickup(s, k, False, ago_s)
    set_operated(s, k, False, ago_s)
    _retrip(s, k, False, ago_s)
    s["timer_s"][k] = s["fraction"][k] = 0.0


@kernel
def _retrip(s, k, is_due, ago_s):  # type: ignore[no-untyped-def]
    now = 1.0 if is_due else 0.0
    if now != s["is_retrip"][k]:
        s["is_retrip"][k], s["retrip_ago_s"][k] = now, ago_s
