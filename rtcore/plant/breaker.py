"""Circuit breaker (ANSI 52): coils, mechanism, poles, auxiliary contacts, failures, wear.

- Trip-free: a trip wins at any instant of a closing, and so does a tag. A pulse, or a coil energised
  by a relay at its instant within the last step, starts the travel there; contacts move at the exact
  time.
- Anti-pump (52Y): one close per command. A close that is there during a trip, a travel or a tag is
  not carried out until it has been taken away and given again. What the synchronism check, the
  lockout or an unwound spring holds off is carried out when they let it, if it is still there: a
  command is there for one step, controllers and the tests of 52Y give it at every step.
- 52a is made only when closed, 52b only when open, both are open in between, ``aux_offset_s`` before
  the first and after the last main contact. With one mechanism they show its shaft: a welded pole
  is not seen there. Poles of their own have contacts of their own in series.
- Each close spends the closing spring, which is wound in ``spring_charge_s``; it winds the opening
  spring, so that a trip always finds one.
- Times: vacuum 30-50 ms to open, 50-80 ms to close; scatter 1-2 ms; 52a/52b offset 5-10 ms; spring
  5-15 s (ranges of manufacturers' data sheets, from memory: verify).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtcore.commands import Reason
from rtcore.component import Attr, all_of, component, in_order, param
from rtcore.jit import kernel
from rtcore.plant import breaker_mechanism
from rtcore.plant.breaker_mechanism import (
    begin,
    release_spring,
    travel_left_s,
    turn_first_contact,
    turn_last_contact,
    wind_spring,
)
from rtcore.plant.breaker_poles import has_made_pole, is_left_behind, is_made, make, part
from rtcore.plant.breaker_wear import LAWS

OPEN, CLOSED = breaker_mechanism.OPEN, breaker_mechanism.CLOSED
OPENING, CLOSING = breaker_mechanism.OPENING, breaker_mechanism.CLOSING
EPS_S = breaker_mechanism.EPS_S
TRIP_CIRCUIT_OPEN = 1.0
"""Of ``fail_trip_sp``; any other number than 0 is a jammed mechanism, which no supervision sees."""


@component(
    "breaker",
    attrs=(
        Attr("is_52a", "", "auxiliary contact 52a: 1 when fully closed", stamp="moved_ago_s"),
        Attr("is_52b", "", "auxiliary contact 52b: 1 when fully open", stamp="moved_ago_s"),
        Attr("moved_ago_s", "s", "time from the last change of 52a or 52b to the end of its step"),
        Attr(
            "trip",
            "",
            "trip command",
            writable="pulse",
            guard="is_remote_sp",
            interlocks=(("is_not_open", Reason.POSITION_REACHED),),
        ),
        Attr(
            "close",
            "",
            "close command",
            writable="pulse",
            guard="is_remote_sp",
            interlocks=(
                ("is_untagged", Reason.TAGGED),
                ("is_not_locked_out", Reason.LOCKED_OUT),
                ("is_not_closed", Reason.POSITION_REACHED),
                ("is_spring_charged", Reason.NOT_READY),
                ("may_close", Reason.INTERLOCKED),
            ),
        ),
        Attr("is_told_to_trip", "", "1 in a step in which an operator or a controller told it to trip"),
        Attr("trip_coil", "", "trip coil energised by a relay: 1, taken back when seen"),
        Attr("trip_ago_s", "s", "when that was, before the end of the step that energised it"),
        Attr("close_coil", "", "close coil energised by a relay: 1, taken back when seen"),
        Attr("close_ago_s", "s", "when that was, before the end of the step that energised it"),
        Attr("may_close", "", "1 when the synchronism check permits closing"),
        Attr("is_remote_sp", "", "local/remote switch: 1 remote", writable="setpoint"),
        Attr("is_tagged_sp", "", "tag-out: 1 refuses every close", writable="setpoint"),
        Attr("is_untagged", "", "1 when not tagged out"),
        Attr("is_locked_out", "", "1 while a lockout relay (86) holds the breaker open"),
        Attr("is_not_locked_out", "", "1 when no lockout relay holds the breaker open"),
        Attr("is_not_open", "", "0 when there is nothing left to open, and no reclosing to stop"),
        Attr("is_not_closed", "", "0 when the mechanism is closed"),
        Attr("has_refused_close", "", "number of closes that were refused"),
        Attr("is_close_refused", "", "1 while a close is there and refused"),
        Attr("is_pump_blocked", "", "anti-pump relay 52Y: 1 until the close is taken away"),
        Attr("ops", "", "completed opening operations"),
        Attr("moves", "", "movements begun, opening or closing"),
        Attr("state", "", "0 open, 1 closed, 2 opening, 3 closing"),
        Attr("travel_s", "s", "time left until the last main contact moves"),
        Attr("move_s", "s", "time left until the last auxiliary contact moves; negative: since then"),
        Attr("first_s", "s", "value of move_s at which the first auxiliary contact moves"),
        Attr("is_closed_a", "", "pole of the first phase: 1 conducts"),
        Attr("is_closed_b", "", "pole of the second phase: 1 conducts"),
        Attr("is_closed_c", "", "pole of the third phase: 1 conducts"),
        Attr("is_discrepancy", "", "1 when neither 52a nor 52b was made for too long"),
        Attr("between_s", "s", "time with neither 52a nor 52b"),
        Attr("is_pole_discrepancy", "", "1 when poles differed for too long"),
        Attr("apart_s", "s", "time with poles that differ"),
        Attr("is_trip_circuit_ok", "", "trip circuit supervision (74): 0 when it is interrupted"),
        Attr("is_spring_charged", "", "1 when the closing spring is wound"),
        Attr("spring_left_s", "s", "running time that the spring motor still needs"),
        Attr("wear_a_pct", "%", "contact wear of the first phase"),
        Attr("wear_b_pct", "%", "contact wear of the second phase"),
        Attr("wear_c_pct", "%", "contact wear of the third phase"),
        Attr("i2t_1", "", "arc energy of the first phase: sum of I^2 t [A^2 s]"),
        Attr("i2t_2", "", "arc energy of the second phase: sum of I^2 t [A^2 s]"),
        Attr("i2t_3", "", "arc energy of the third phase: sum of I^2 t [A^2 s]"),
        Attr(
            "fail_trip_sp",
            "",
            "0 trips; 1 trip circuit interrupted; 2 mechanism jammed",
            writable="setpoint",
            role="instructor",
        ),
        Attr("fail_close_sp", "", "1 does not close", writable="setpoint", role="instructor"),
        Attr("fail_motor_sp", "", "1 spring motor does not run", writable="setpoint", role="instructor"),
        Attr(
            "slow_s_sp", "s", "additional opening time, at most 60 s", writable="setpoint", role="instructor"
        ),
        Attr(
            "stuck_pole_sp",
            "",
            "pole that does not move: 0 none, 1..3",
            writable="setpoint",
            role="instructor",
        ),
    ),
    rules=all_of(
        in_order("wear_1_a", "wear_2_a", "wear_3_a"), in_order("wear_3_ops", "wear_2_ops", "wear_1_ops")
    ),
)
class Breaker:
    """Breaker of up to three poles on one mechanism or on one each."""

    open_time_s: float = param(default=0.050, unit="s", doc="trip command to contacts parted", gt=0, le=10)
    close_time_s: float = param(default=0.060, unit="s", doc="close command to contacts made", gt=0, le=10)
    scatter_s: float = param(
        default=0.001, unit="s", doc="standard deviation of both, at most 2 sqrt(3) of it", ge=0, le=0.01
    )
    aux_offset_s: float = param(default=0.005, unit="s", doc="52a, 52b from the main contacts", ge=0, le=0.05)
    prearc_s: float = param(default=0.0, unit="s", doc="conducts this long before touch", ge=0, le=0.01)
    has_arc: float = param(
        default="on",
        unit="",
        doc="on interrupts at the next current zero of each pole, off at parting",
        choices={"off": 0.0, "on": 1.0},
    )
    chop_a: float = param(default=5.0, unit="A", doc="a current below this stops at once", ge=0, le=100)
    is_per_pole: float = param(default=0.0, unit="", doc="1: a mechanism for every pole", ge=0, le=1)
    spring_charge_s: float = param(default=10.0, unit="s", doc="to wind the spring", ge=0, le=600)
    discrepancy_s: float = param(default=0.2, unit="s", doc="alarm: neither 52a nor 52b", gt=0, le=60)
    pole_discrepancy_s: float = param(default=0.2, unit="s", doc="alarm: poles differ", gt=0, le=60)
    wear_law: float = param(default="three_point", unit="", doc="law of contact wear", choices=LAWS)
    wear_1_a: float = param(default=1.2e3, unit="A", doc="first point of the wear curve", gt=0)
    wear_1_ops: float = param(default=10_000, unit="", doc="operations at it and below", gt=0)
    wear_2_a: float = param(default=8e3, unit="A", doc="middle point, of the three-point law", gt=0)
    wear_2_ops: float = param(default=150, unit="", doc="operations at it", gt=0)
    wear_3_a: float = param(default=20e3, unit="A", doc="last point", gt=0)
    wear_3_ops: float = param(default=12, unit="", doc="operations at it and above", gt=0)


def init(s: Any, closed: Any) -> None:
    """Set state rows to breakers at rest, ready for operation; ``closed``: bool, shape (n,)."""
    closed = np.asarray(closed, bool)
    s["state"] = np.where(closed, CLOSED, OPEN)
    s["is_52a"], s["is_52b"] = closed, ~closed
    s["is_not_open"], s["is_not_closed"] = closed, ~closed
    for name in ("is_closed_a", "is_closed_b", "is_closed_c"):
        s[name] = closed
    for name in (
        "is_remote_sp",
        "is_untagged",
        "is_not_locked_out",
        "is_trip_circuit_ok",
        "is_spring_charged",
    ):
        s[name] = 1.0


@kernel
def step(p, s, units, unit, is_permitted, i_pole, change, key, t_s, w0_rad_s, dt_s):  # type: ignore[no-untyped-def]
    """Move every breaker by one step; returns how many of them changed the network.

    Parameters
    ----------
    units : int32[n, 3]
        Unit of each pole, -1 where there is none.
    unit : float64[n_units, 3]
        Admittance factors of the network; column 0 is 1 for a pole that conducts, 0 for an open one.
    is_permitted : float64[n]
        0 where the synchronism check forbids closing, as of the last solution.
    i_pole : complex128[n, 3]
        Pole currents of the last solution [A rms].
    change : float64[1]
        Raised to the largest time before the end of this step at which the network changed [s].
    key : uint64
        Key of the scatter.
    t_s, w0_rad_s, dt_s : float
        Time at the end of the step, speed of the phasor frame, length of the step.
    """
    changed = 0
    for i in range(s.shape[0]):
        s["may_close"][i] = is_permitted[i]
        s["is_untagged"][i] = 0.0 if s["is_tagged_sp"][i] != 0.0 else 1.0
        s["is_not_locked_out"][i] = 0.0 if s["is_locked_out"][i] != 0.0 else 1.0
        s["is_told_to_trip"][i] = s["trip"][i]
        is_trip = s["trip"][i] != 0.0 or s["trip_coil"][i] != 0.0
        is_trip = is_trip or (s["state"][i] == CLOSING and s["is_tagged_sp"][i] != 0.0)
        may_close = _ask_52y(s, i, is_trip)
        elapsed_s = dt_s
        if is_trip and _trips(s, i, units, unit):
            begin(p, s, i, OPENING, units, key)
            elapsed_s += _ago_s(s["trip_coil"][i], s["trip_ago_s"][i], dt_s)
        elif may_close and s["fail_close_sp"][i] == 0.0:
            begin(p, s, i, CLOSING, units, key)
            elapsed_s += _ago_s(s["close_coil"][i], s["close_ago_s"][i], dt_s)
            release_spring(p, s, i, elapsed_s)
        else:
            wind_spring(s, i, dt_s)
        s["trip"][i] = s["close"][i] = s["trip_coil"][i] = s["close_coil"][i] = 0.0
        s["trip_ago_s"][i] = s["close_ago_s"][i] = 0.0
        if s["move_s"][i] != 0.0 or s["state"][i] > CLOSED:
            n = _travel(p, s, i, units, unit, i_pole, change, key, t_s, w0_rad_s, elapsed_s, dt_s)
            changed += 1 if n else 0
        _show(p, s, i, units, unit, dt_s)
    return changed


@kernel
def _ago_s(is_coil, ago_s, dt_s):  # type: ignore[no-untyped-def]
    """How long before the step a demand was made: a pulse at its beginning, a coil at its own time."""
    return min(ago_s, dt_s) if is_coil != 0.0 and ago_s > 0.0 else 0.0


@kernel
def _trips(s, i, units, unit):  # type: ignore[no-untyped-def]
    """Whether a trip starts an opening."""
    if s["fail_trip_sp"][i] != 0.0:
        return False
    if s["state"][i] == OPEN:  # a pole stayed behind and is free now
        return has_made_pole(s, units, unit, i, False)
    return s["state"][i] != OPENING


@kernel
def _ask_52y(s, i, is_trip):  # type: ignore[no-untyped-def]
    """Anti-pump relay and interlocks: whether a close is carried out now; counts what is refused."""
    if s["close"][i] == 0.0 and s["close_coil"][i] == 0.0:
        s["is_pump_blocked"][i] = s["is_close_refused"][i] = 0.0
        return False
    if s["is_pump_blocked"][i] != 0.0:
        return False
    state = s["state"][i]
    is_there = not is_trip and state in (CLOSED, CLOSING)
    is_kept_off = is_trip or state == OPENING or s["is_tagged_sp"][i] != 0.0
    is_held_off = s["is_locked_out"][i] != 0.0 or s["may_close"][i] == 0.0 or s["spring_left_s"][i] > 0.0
    is_refused = not is_there and (is_kept_off or is_held_off)
    if is_refused and s["is_close_refused"][i] == 0.0:
        s["has_refused_close"][i] += 1.0
    s["is_close_refused"][i] = 1.0 if is_refused else 0.0
    if is_there or is_kept_off or not is_held_off:
        s["is_pump_blocked"][i] = 1.0
    return not (is_there or is_kept_off or is_held_off)


@kernel
def _travel(p, s, i, units, unit, i_pole, change, key, t_s, w0_rad_s, elapsed_s, dt_s):  # type: ignore[no-untyped-def]
    """Move mechanism, poles and auxiliary contacts; returns how many poles changed."""
    s["move_s"][i] -= elapsed_s
    turn_first_contact(s, i, elapsed_s, dt_s)
    n = 0
    if s["state"][i] == OPENING:
        n = part(p, s, i, units, unit, i_pole, change, key, t_s, w0_rad_s, dt_s)
        if travel_left_s(p, s, i) <= EPS_S and not has_made_pole(s, units, unit, i, False):
            s["state"][i] = OPEN
            s["ops"][i] += 1.0
    elif s["state"][i] == CLOSING:
        n = make(p, s, i, units, unit, change, key, dt_s)
        if travel_left_s(p, s, i) <= EPS_S:
            s["state"][i] = CLOSED
    is_opening = s["state"][i] in (OPEN, OPENING)
    is_complete = p["is_per_pole"][i] == 0.0 or not is_left_behind(s, units, unit, i)
    turn_last_contact(s, i, is_opening, is_complete, dt_s)
    if s["state"][i] <= CLOSED and s["move_s"][i] <= EPS_S:
        s["move_s"][i] = 0.0
    s["travel_s"][i] = max(travel_left_s(p, s, i), 0.0) if s["state"][i] > CLOSED else 0.0
    return n


@kernel
def _show(p, s, i, units, unit, dt_s):  # type: ignore[no-untyped-def]
    """Derived flags, and the alarms that time them."""
    a, b, c = is_made(units, unit, i, 0), is_made(units, unit, i, 1), is_made(units, unit, i, 2)
    s["is_closed_a"][i] = 1.0 if a else 0.0
    s["is_closed_b"][i] = 1.0 if b else 0.0
    s["is_closed_c"][i] = 1.0 if c else 0.0
    state = s["state"][i]
    s["is_not_open"][i] = 0.0 if state == OPEN and not (a or b or c) else 1.0
    s["is_not_closed"][i] = 0.0 if state == CLOSED else 1.0
    s["is_spring_charged"][i] = 0.0 if s["spring_left_s"][i] > 0.0 else 1.0
    s["is_trip_circuit_ok"][i] = 0.0 if s["fail_trip_sp"][i] == TRIP_CIRCUIT_OPEN else 1.0
    is_between = s["is_52a"][i] == s["is_52b"][i]
    s["between_s"][i] = s["between_s"][i] + dt_s if is_between else 0.0
    s["is_discrepancy"][i] = 1.0 if s["between_s"][i] > p["discrepancy_s"][i] else 0.0
    differ = (a or b or c) and not (
        (a or units[i, 0] < 0) and (b or units[i, 1] < 0) and (c or units[i, 2] < 0)
    )
    s["apart_s"][i] = s["apart_s"][i] + dt_s if differ else 0.0
    s["is_pole_discrepancy"][i] = 1.0 if s["apart_s"][i] > p["pole_discrepancy_s"][i] else 0.0
