"""Relay: elements and settings groups behind one set of trip contacts, targets and a lockout (86).

Elements are functions with one output each. The trip matrix says which breakers each of them
trips. An output seals in for ``trip_min_s`` and as long as its element operates; the breakers that
it names get their demand for all of that time. An element that trips nothing is an alarm: it picks up,
but makes no trip and no target. What tripped leaves a target until somebody
resets it. An element that ``locks_out`` latches 86: the breakers it tripped cannot be closed until
the lockout is reset. The number of an element is its place in the relay's list, from 1, reclosers and
directional elements left out, which trip nothing; bit k - 1 of ``targets`` is element k.
"""

from __future__ import annotations

from rtcore.commands import Reason
from rtcore.component import Attr, component, param
from rtcore.jit import kernel

GROUPS_MAX = 4
BREAKERS_MAX = 53
"""Most breakers of a network with relays: a set of them is one float64 without loss."""

ELEMENTS_MAX = 32
"""Most elements of a relay: its targets are the bits of two registers."""

STARTS_79, STARTS_BF, LOCKS_OUT = 1, 2, 4
"""Flags of an element: what else its operation does."""

PICKUP, OPERATED, PICKUP_AGO, OPERATE_AGO = 0, 2, 3, 4
"""Columns of an element's state row; see ``element.ELEMENT``."""


@component(
    "relay",
    attrs=(
        Attr(
            "is_in_service_sp",
            "",
            "1 in service; 0 measures and picks up nothing",
            writable="setpoint",
            role="engineer",
        ),
        Attr("group_sp", "", "settings group wanted", writable="setpoint", role="engineer"),
        Attr("group", "", "settings group in force; the last one there is when a later one is wanted"),
        Attr("groups", "", "settings groups that there are"),
        Attr("is_pickup", "", "1 while any element is picked up", stamp="pickup_ago_s"),
        Attr("is_trip", "", "1 while any trip output is on", stamp="trip_ago_s"),
        Attr("targets", "", "elements that have tripped since the targets were reset, a bit each"),
        Attr("first_element", "", "number of the element that tripped first; 0 none"),
        Attr("reset_targets", "", "resets the targets", writable="pulse"),
        Attr("is_locked_out", "", "lockout 86: 1 while its breakers cannot be closed", stamp="lockout_ago_s"),
        Attr(
            "reset_lockout",
            "",
            "resets the lockout",
            writable="pulse",
            interlocks=(("is_quiet", Reason.INTERLOCKED),),
        ),
        Attr(
            "is_blocked_sp",
            "",
            "1 trip contacts blocked (test switch): it operates, and trips and closes nothing",
            writable="setpoint",
            role="engineer",
        ),
        Attr("is_quiet", "", "1 when no trip output is on"),
        Attr("is_alarm", "", "self-supervision: out of service, VT failure or trip circuit"),
        Attr("trips", "", "trips since the start"),
        Attr("trip_time_s", "s", "last trip: from the pickup of the element that tripped first to its trip"),
        Attr("trip_current_a", "A", "last trip: largest phase current"),
        Attr("pickup_ago_s", "s", "time from the last change of the pickup to the end of its step"),
        Attr("trip_ago_s", "s", "time from the last change of the trip to the end of its step"),
        Attr("lockout_ago_s", "s", "time from the last change of the lockout to the end of its step"),
        Attr("picked_up", "", "elements that are picked up, a bit each"),
        Attr("asked", "", "elements that operate, a bit each"),
        Attr("sealed", "", "trip outputs that are on, a bit each"),
        Attr("seal_s", "s", "time that the outputs still stay at least"),
        Attr("lockout_breakers", "", "breakers that the lockout holds, a bit each"),
    ),
)
class Relay:
    """One relay."""

    trip_min_s: float = param(default=0.1, unit="s", doc="a trip output stays at least as long", ge=0, le=10)


@kernel
def find_active(x, rows, first, is_active):  # type: ignore[no-untyped-def]
    """Mark the relays of which an element is picked up or operates; the others need no further look.

    Parameters
    ----------
    is_active : float64[n_relays]
        Written.
    """
    for r in range(first.shape[0] - 1):
        is_active[r] = 0.0
        for e in range(first[r], first[r + 1]):
            if x[rows[e] + PICKUP] != 0.0 or x[rows[e] + OPERATED] != 0.0:
                is_active[r] = 1.0
                break


@kernel
def starts(x, rows, flags, first, flag, r):  # type: ignore[no-untyped-def]
    """Whether an element of relay ``r`` with this flag operates, and how long before the step's end.

    Parameters
    ----------
    x : float64[n_x]
        All component state rows.
    rows : int64[n_elements]
        Where each element's row begins in ``x``.
    flags : int64[n_elements]
    first : int32[n_relays + 1]
        Elements of each relay.
    """
    ago_s = -1.0
    for e in range(first[r], first[r + 1]):
        if flags[e] & flag and x[rows[e] + OPERATED] != 0.0:
            ago_s = max(ago_s, x[rows[e] + OPERATE_AGO])
    return ago_s


@kernel
def step(p, s, x, rows, flags, trips, first, since_s, is_active, breaker, own, i, has_alarm, dt_s):  # type: ignore[no-untyped-def]
    """Turn operated elements into trips, targets and lockouts.

    Parameters
    ----------
    x, rows, flags, first
        As of ``starts``.
    trips : int64[n_elements]
        Breakers that each element trips, a bit each.
    since_s : float64[n_elements]
        Own memory: how long each element has been picked up, -1 when it is not.
    is_active : float64[n_relays]
        As of ``find_active``.
    breaker : structured
        State rows of the breakers; gets ``trip_coil``, ``trip_ago_s``, ``is_locked_out``.
    own : int32[n_relays]
        Each relay's own breaker, -1 none.
    i : complex128[n_relays, 3]
        Phase currents seen [A].
    has_alarm : float64[n_relays]
        1 where the relay's inputs are in doubt.
    """
    for b in range(breaker.shape[0]):
        breaker["is_locked_out"][b] = 0.0
    for r in range(s.shape[0]):
        sealed = 0
        if is_active[r] != 0.0 or s["picked_up"][r] + s["asked"][r] + s["sealed"][r] != 0.0:
            _pick_up(s, r, x, rows, first, since_s, dt_s)
            sealed = _seal(p, s, r, x, rows, trips, first, since_s, i, dt_s)
        if sealed and s["is_blocked_sp"][r] == 0.0:
            _trip(s, r, sealed, flags, trips, first, breaker, own[r], x, rows)
        s["is_quiet"][r] = 0.0 if sealed else 1.0
        if s["reset_targets"][r] != 0.0:
            s["targets"][r] = s["first_element"][r] = s["reset_targets"][r] = 0.0
        if s["reset_lockout"][r] != 0.0:
            if s["is_locked_out"][r] != 0.0 and not sealed:
                s["is_locked_out"][r], s["lockout_ago_s"][r] = 0.0, dt_s
                s["lockout_breakers"][r] = 0.0
            s["reset_lockout"][r] = 0.0
        if s["is_locked_out"][r] != 0.0:
            _hold(breaker, int(s["lockout_breakers"][r]))
        is_alarm = s["is_in_service_sp"][r] == 0.0 or has_alarm[r] != 0.0
        is_alarm = is_alarm or (own[r] >= 0 and breaker["is_trip_circuit_ok"][own[r]] == 0.0)
        s["is_alarm"][r] = 1.0 if is_alarm else 0.0


@kernel
def _pick_up(s, r, x, rows, first, since_s, dt_s):  # type: ignore[no-untyped-def]
    """Or of the elements' pickups; the first to pick up, the last to drop gives the instant."""
    before, now, first_s, last_s = int(s["picked_up"][r]), 0, 0.0, dt_s
    for e in range(first[r], first[r + 1]):
        bit, ago_s = 1 << (e - first[r]), min(x[rows[e] + PICKUP_AGO], dt_s)
        if x[rows[e] + PICKUP] != 0.0:
            now |= bit
            first_s = max(first_s, ago_s)
            since_s[e] = since_s[e] + dt_s if since_s[e] >= 0.0 else ago_s
        else:
            since_s[e] = -1.0
            if before & bit:
                last_s = min(last_s, ago_s)
    s["picked_up"][r] = float(now)
    if (now == 0) != (before == 0):
        s["is_pickup"][r] = 1.0 if now else 0.0
        s["pickup_ago_s"][r] = first_s if now else last_s


@kernel
def _seal(p, s, r, x, rows, trips, first, since_s, i, dt_s):  # type: ignore[no-untyped-def]
    """Bits of the outputs that are on; new ones make a target."""
    before, asked_before, asked, on_s, off_s = int(s["sealed"][r]), int(s["asked"][r]), 0, 0.0, dt_s
    for e in range(first[r], first[r + 1]):
        bit, ago_s = 1 << (e - first[r]), x[rows[e] + OPERATE_AGO]
        if x[rows[e] + OPERATED] != 0.0 and trips[e] != 0:
            asked |= bit
            if not before & bit:
                on_s = max(on_s, ago_s)
        elif asked_before & bit:
            off_s = min(off_s, ago_s)
    s["asked"][r] = float(asked)
    new, left_s = asked & ~before, s["seal_s"][r]
    s["seal_s"][r] = p["trip_min_s"][r] if new else max(left_s - dt_s, 0.0)
    sealed = asked | (before if s["seal_s"][r] > 0.0 else 0)
    if new:
        _target(s, r, new, before, x, rows, first, since_s, i)
    s["sealed"][r] = float(sealed)
    if (sealed != 0) != (before != 0):
        s["is_trip"][r] = 1.0 if sealed else 0.0
        # off with the last element, or when the least time is over, whichever is later
        s["trip_ago_s"][r] = on_s if sealed else min(off_s, max(dt_s - left_s, 0.0))
    return sealed


@kernel
def _target(s, r, new, before, x, rows, first, since_s, i):  # type: ignore[no-untyped-def]
    s["targets"][r] = float(int(s["targets"][r]) | new)
    if before:
        return
    best = -1.0
    for e in range(first[r], first[r + 1]):
        if new >> (e - first[r]) & 1 and x[rows[e] + OPERATE_AGO] > best:
            best = x[rows[e] + OPERATE_AGO]
            s["first_element"][r] = float(e - first[r] + 1)
            s["trip_time_s"][r] = max(since_s[e] - best, 0.0)
    s["trips"][r] += 1.0
    s["trip_current_a"][r] = max(abs(i[r, 0]), abs(i[r, 1]), abs(i[r, 2]))


@kernel
def _trip(s, r, sealed, flags, trips, first, breaker, own, x, rows):  # type: ignore[no-untyped-def]
    """Demand of the breakers that the matrix names, and the lockout."""
    for e in range(first[r], first[r + 1]):
        if not sealed >> (e - first[r]) & 1:
            continue
        ago_s = x[rows[e] + OPERATE_AGO] if x[rows[e] + OPERATED] != 0.0 else 0.0
        for b in range(breaker.shape[0]):
            if trips[e] >> b & 1:
                if breaker["trip_coil"][b] == 0.0:
                    breaker["trip_coil"][b], breaker["trip_ago_s"][b] = 1.0, ago_s
                else:
                    breaker["trip_ago_s"][b] = max(breaker["trip_ago_s"][b], ago_s)
        if flags[e] & LOCKS_OUT and x[rows[e] + OPERATED] != 0.0:
            if s["is_locked_out"][r] == 0.0:
                s["is_locked_out"][r], s["lockout_ago_s"][r] = 1.0, ago_s
            held = int(s["lockout_breakers"][r]) | trips[e]
            if own >= 0:
                held |= 1 << own
            s["lockout_breakers"][r] = float(held)


@kernel
def _hold(breaker, held):  # type: ignore[no-untyped-def]
    for b in range(breaker.shape[0]):
        if held >> b & 1:
            breaker["is_locked_out"][b] = 1.0
