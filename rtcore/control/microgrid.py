"""Hand-over between grid and island: who is master behind one point of connection.

    GRID      the grid is master, storage and sun follow
    TRANSFER  the point of connection is opening after loss of mains or on command
    ISLAND    the battery is master: photovoltaic sites follow its frequency
    RESYNC    the battery slews voltage and frequency to the grid until the breaker may close
    DEAD      nobody is master; waits for the grid, or starts the battery on the dead island

The battery forms only while the breaker's contacts are open, and follows from the very step in
which they make, so that there are never two masters. The breaker is closed only when its
synchronism check permits, and opened again when the permission goes while the contacts still
travel (the mains come back on a line that was dead).

Loss of mains: voltage outside its band, frequency outside its band, or rate of change of frequency,
each for its own time (as IEEE Std 1547-2018, clause 8.1, asks of an intentional island: parting
from a faulted grid within 2 s).
"""

from __future__ import annotations

import math

from rtcore.component import Attr, all_of, component, in_order, param
from rtcore.jit import kernel

GRID, TRANSFER, ISLAND, RESYNC, DEAD = 1.0, 2.0, 3.0, 4.0, 5.0
"""States."""

OPEN, CLOSED, OPENING, CLOSING = 0.0, 1.0, 2.0, 3.0
"""States of a breaker."""

OFF, FOLLOWING, FORMING = 0.0, 1.0, 2.0
"""Modes of a battery."""

NOTHING, UNDERVOLTAGE, OVERVOLTAGE, UNDERFREQUENCY, OVERFREQUENCY, ROCOF, COMMAND, BREAKER = (
    float(k) for k in range(8)
)
"""Causes of the last parting from the grid."""

V_DEAD_PU = 0.1

SLIP_MAX_DEG = 3.0
"""Largest slip within one step in RESYNC, so that long steps do not jump over the window [deg]."""

SLOPE_ABSURD_HZ_S = 1e6


@component(
    "microgrid",
    attrs=(
        Attr("state", "", "1 grid, 2 transfer, 3 island, 4 resynchronising, 5 dead"),
        Attr("is_island", "", "1 while the plant is parted from the grid"),
        Attr("is_transfer", "", "1 in TRANSFER"),
        Attr("is_formed", "", "1 in ISLAND: the battery is master"),
        Attr("is_resync", "", "1 in RESYNC"),
        Attr("is_dead", "", "1 while nobody is master and the plant is without voltage"),
        Attr("is_grid_healthy", "", "1 while the grid side is within its bands"),
        Attr("cause", "", "last parting: 1 UV 2 OV 3 UF 4 OF 5 RoCoF 6 command 7 breaker"),
        Attr("island", "", "part from the grid", writable="pulse"),
        Attr("resync", "", "return to the grid now", writable="pulse"),
        Attr("is_auto_sp", "", "return to the grid by itself: 1 on", writable="setpoint"),
        Attr("is_blackstart_sp", "", "start the battery on a dead island: 1 on", writable="setpoint"),
        Attr("timer_s", "s", "time in the present state"),
        Attr("healthy_s", "s", "time since the grid side is within its bands"),
        Attr("v_out_s", "s", "time outside the voltage band"),
        Attr("f_out_s", "s", "time outside the frequency band"),
        Attr("rocof_s", "s", "time beyond the rate of change of frequency"),
        Attr("rocof_hz_s", "Hz/s", "rate of change of frequency of the grid side"),
        Attr("f_before_hz", "Hz", "frequency of the grid side, last step"),
        Attr("transfers", "", "partings from the grid"),
        Attr("returns", "", "returns to the grid"),
    ),
    rules=all_of(
        in_order("f_min_hz", "f_good_min_hz", "f_good_max_hz", "f_max_hz"),
        in_order("v_min_pu", "v_good_min_pu", "v_good_max_pu", "v_max_pu"),
    ),
)
class Microgrid:
    """One point of connection: the breaker of this name, with the grid on its first side."""

    v_min_pu: float = param(default=0.5, unit="pu", doc="loss of mains below", ge=0.1, lt=1)
    v_max_pu: float = param(default=1.2, unit="pu", doc="loss of mains above", gt=1, le=2)
    v_delay_s: float = param(default=0.04, unit="s", doc="time outside the voltage band", ge=0, le=10)
    f_min_hz: float = param(default=58.5, unit="Hz", doc="loss of mains below", gt=40, lt=60)
    f_max_hz: float = param(default=61.2, unit="Hz", doc="loss of mains above", gt=50, le=70)
    f_delay_s: float = param(default=0.16, unit="s", doc="time outside the frequency band", ge=0, le=300)
    rocof_max_hz_s: float = param(default=2.0, unit="Hz/s", doc="loss of mains beyond; 0 off", ge=0, le=20)
    rocof_tau_s: float = param(default=0.1, unit="s", doc="low-pass of the slope", gt=0, le=5)
    rocof_delay_s: float = param(default=0.2, unit="s", doc="time beyond the slope", ge=0, le=5)
    stable_s: float = param(default=30.0, unit="s", doc="healthy grid before the return", ge=0, le=3600)
    v_good_min_pu: float = param(default=0.917, unit="pu", doc="healthy grid above", ge=0.5, lt=1)
    v_good_max_pu: float = param(default=1.05, unit="pu", doc="healthy grid below", gt=1, le=1.2)
    f_good_min_hz: float = param(default=59.5, unit="Hz", doc="healthy grid above", gt=40, lt=60)
    f_good_max_hz: float = param(default=60.1, unit="Hz", doc="healthy grid below", gt=50, le=70)
    slip_hz: float = param(default=0.05, unit="Hz", doc="island ahead of the grid in RESYNC", gt=0, le=0.5)
    slew_per_s: float = param(default=1.0, unit="1/s", doc="rate of slewing to the grid", gt=0, le=10)
    blackstart_wait_s: float = param(default=5.0, unit="s", doc="dead before a black start", ge=0, le=3600)


@kernel
def init(s):  # type: ignore[no-untyped-def]
    """Start with the grid as master, returning by itself, black start allowed."""
    for i in range(s.shape[0]):
        s["state"][i], s["is_auto_sp"][i], s["is_blackstart_sp"][i] = GRID, 1.0, 1.0
        s["is_grid_healthy"][i] = 1.0


@kernel
def _watch_grid(p, s, i, v_pu, f_hz, dt_s):  # type: ignore[no-untyped-def]
    """Judge the grid side; returns the cause of a parting, NOTHING while there is none."""
    low, high = v_pu < p["v_min_pu"][i], v_pu > p["v_max_pu"][i]
    s["v_out_s"][i] = s["v_out_s"][i] + dt_s if low or high else 0.0
    is_live = v_pu > V_DEAD_PU
    slow, fast = is_live and f_hz < p["f_min_hz"][i], is_live and f_hz > p["f_max_hz"][i]
    s["f_out_s"][i] = s["f_out_s"][i] + dt_s if slow or fast else 0.0
    slope = (f_hz - s["f_before_hz"][i]) / dt_s if is_live and s["f_before_hz"][i] > 0.0 else 0.0
    slope = slope if abs(slope) < SLOPE_ABSURD_HZ_S else 0.0  # leaves out what is not a number, too
    s["f_before_hz"][i] = f_hz if is_live else 0.0
    s["rocof_hz_s"][i] += (slope - s["rocof_hz_s"][i]) * (1.0 - math.exp(-dt_s / p["rocof_tau_s"][i]))
    steep = 0.0 < p["rocof_max_hz_s"][i] < abs(s["rocof_hz_s"][i])
    s["rocof_s"][i] = s["rocof_s"][i] + dt_s if steep else 0.0
    good = p["v_good_min_pu"][i] <= v_pu <= p["v_good_max_pu"][i]
    good = good and p["f_good_min_hz"][i] <= f_hz <= p["f_good_max_hz"][i]
    s["is_grid_healthy"][i] = 1.0 if good else 0.0
    s["healthy_s"][i] = s["healthy_s"][i] + dt_s if good else 0.0
    if s["v_out_s"][i] > p["v_delay_s"][i]:
        return UNDERVOLTAGE if low else OVERVOLTAGE
    if s["f_out_s"][i] > p["f_delay_s"][i]:
        return UNDERFREQUENCY if slow else OVERFREQUENCY
    return ROCOF if s["rocof_s"][i] > p["rocof_delay_s"][i] else NOTHING


@kernel
def _enter(s, i, state):  # type: ignore[no-untyped-def]
    s["state"][i], s["timer_s"][i] = state, 0.0


@kernel
def _part(s, i, cause):  # type: ignore[no-untyped-def]
    s["cause"][i] = cause
    s["transfers"][i] += 1.0
    s["healthy_s"][i] = 0.0  # the return waits its whole time, also where the grid was never lost
    _enter(s, i, TRANSFER)


@kernel
def _slew(p, s, i, bat, m, v1, f1, v2, f2, dt_s):  # type: ignore[no-untyped-def]
    """Lead the battery to the grid's voltage, a little faster than the grid."""
    step = min(p["slew_per_s"][i] * dt_s, 1.0)
    slip_hz = min(p["slip_hz"][i], SLIP_MAX_DEG / 360.0 / dt_s)
    bat["f_hz_sp"][m] += step * (f1 + slip_hz - f2)
    bat["v_pu_sp"][m] += step * (v1 - v2)


@kernel
def _stay_out(s, i, bat, m, state, f0_hz):  # type: ignore[no-untyped-def]
    """Go on without the grid; references that were slewed to it are nominal again."""
    bat["f_hz_sp"][m], bat["v_pu_sp"][m] = f0_hz, 1.0
    _enter(s, i, state)


@kernel
def _return(s, i, bat, m, f0_hz):  # type: ignore[no-untyped-def]
    """The contacts have made: the grid is master from this step on."""
    if bat["mode"][m] == FORMING:
        bat["mode"][m] = FOLLOWING
    bat["f_hz_sp"][m], bat["v_pu_sp"][m] = f0_hz, 1.0
    s["returns"][i] += 1.0
    _enter(s, i, GRID)


@kernel
def _form(p, s, i, bat, m, can_form):  # type: ignore[no-untyped-def]
    """Make the battery master, or leave the island dead."""
    if can_form:
        bat["mode"][m] = FORMING
        _enter(s, i, ISLAND)
    else:
        _enter(s, i, DEAD)


@kernel
def step(p, s, pcc, master, breaker, bat, bat_p, check, check_of, f0_hz, dt_s):  # type: ignore[no-untyped-def]
    """Advance every point of connection; called when breakers have moved and before machines do.

    Parameters
    ----------
    pcc, master, check_of : int32[n]
        Breaker, battery and synchronism check of each point.
    breaker, bat, check : structured
        State rows; writes breaker pulses and the battery's mode and references.
    """
    for i in range(s.shape[0]):
        b, m, c = pcc[i], master[i], check_of[i]
        contacts, v1, f1 = breaker["state"][b], check["v1_pu"][c], check["f1_hz"][c]
        cause = _watch_grid(p, s, i, v1, f1, dt_s)
        s["timer_s"][i] += dt_s
        can_form = bat["is_enabled_sp"][m] != 0.0 and bat["soc_pct"][m] > bat_p["soc_min_pct"][m]
        state = s["state"][i]
        if state == GRID:
            if contacts == OPEN:
                _part(s, i, BREAKER)
            elif s["island"][i] != 0.0 or cause != NOTHING:
                _part(s, i, cause if cause != NOTHING else COMMAND)
                breaker["trip"][b] = 1.0
        elif contacts == CLOSED and state != TRANSFER:
            _return(s, i, bat, m, f0_hz)
        elif contacts == CLOSING and check["is_permitted"][c] == 0.0:
            breaker["trip"][b] = 1.0
        if s["state"][i] == TRANSFER:
            if contacts == OPEN:
                _form(p, s, i, bat, m, can_form)
            elif contacts == CLOSED and s["timer_s"][i] > 0.0:
                breaker["trip"][b] = 1.0  # again, until it opens
        elif s["state"][i] == ISLAND or s["state"][i] == RESYNC:
            _island(p, s, i, b, m, c, breaker, bat, check, v1, f1, f0_hz, dt_s)
        elif s["state"][i] == DEAD:
            _dead(p, s, i, b, m, breaker, bat, check["is_permitted"][c], can_form)
        _show(s, i, v1)
        s["island"][i] = s["resync"][i] = 0.0


@kernel
def _may_return(p, s, i):  # type: ignore[no-untyped-def]
    """Whether the plant is to go back to the grid: by itself after its time, or on command."""
    is_due = s["is_auto_sp"][i] != 0.0 and s["healthy_s"][i] > p["stable_s"][i]
    return s["is_grid_healthy"][i] != 0.0 and (is_due or s["resync"][i] != 0.0)


@kernel
def _show(s, i, v1_pu):  # type: ignore[no-untyped-def]
    """Show the state as contacts too, so that every transition is an event."""
    state = s["state"][i]
    s["is_island"][i] = 1.0 if state != GRID else 0.0
    s["is_transfer"][i] = 1.0 if state == TRANSFER else 0.0
    s["is_formed"][i] = 1.0 if state == ISLAND else 0.0
    s["is_resync"][i] = 1.0 if state == RESYNC else 0.0
    s["is_dead"][i] = 1.0 if state == DEAD and v1_pu < V_DEAD_PU else 0.0  # a machine may carry it


@kernel
def _island(p, s, i, b, m, c, breaker, bat, check, v1, f1, f0_hz, dt_s):  # type: ignore[no-untyped-def]
    """ISLAND and RESYNC."""
    if bat["mode"][m] != FORMING:  # tripped, cut out or taken out of service
        _stay_out(s, i, bat, m, DEAD, f0_hz)
        return
    if s["state"][i] == ISLAND:
        if _may_return(p, s, i):
            _enter(s, i, RESYNC)
        return
    if s["is_grid_healthy"][i] == 0.0:
        _stay_out(s, i, bat, m, ISLAND, f0_hz)
        return
    if breaker["state"][b] != CLOSING:
        _slew(p, s, i, bat, m, v1, f1, check["v2_pu"][c], check["f2_hz"][c], dt_s)
        if breaker["state"][b] == OPEN and check["is_permitted"][c] != 0.0 and check["v2_pu"][c] > V_DEAD_PU:
            breaker["close"][b] = 1.0


@kernel
def _dead(p, s, i, b, m, breaker, bat, is_permitted, can_form):  # type: ignore[no-untyped-def]
    """Wait for the grid, or start the battery on the dead island (then it can synchronise)."""
    if is_permitted != 0.0 and _may_return(p, s, i):
        if breaker["state"][b] == OPEN:
            breaker["close"][b] = 1.0
        return
    is_due = s["is_blackstart_sp"][i] != 0.0 and s["timer_s"][i] > p["blackstart_wait_s"][i]
    if can_form and is_due and breaker["state"][b] == OPEN:
        bat["mode"][m] = FORMING
        _enter(s, i, ISLAND)
