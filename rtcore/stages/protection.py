"""Stage 7: relays. What they see, then their elements in order, trips, breaker failure, reclosing."""

from __future__ import annotations

import numpy as np

from rtcore.jit import kernel
from rtcore.protection import (
    breaker_failure_50bf,
    directional_67,
    frequency_81,
    instantaneous_50,
    negative_sequence_46,
    overcurrent_51,
    overvoltage_59,
    recloser_79,
    relay,
    relay_inputs,
    rocof_81r,
    thermal_49,
    undervoltage_27,
)
from rtcore.protection.recloser_79 import CYCLE, shot_allows
from rtcore.protection.relay import PICKUP, STARTS_79, STARTS_BF
from rtcore.protection.voltages import RESIDUAL

_measure = relay_inputs.measure
_67, _51, _50, _46 = (
    directional_67.step,
    overcurrent_51.step,
    instantaneous_50.step,
    negative_sequence_46.step,
)
_27, _59, _81, _81r, _49 = (
    undervoltage_27.step,
    overvoltage_59.step,
    frequency_81.step,
    rocof_81r.step,
    thermal_49.step,
)
_50bf, _79, _relay, _starts, _find_active = (
    breaker_failure_50bf.step,
    recloser_79.step,
    relay.step,
    relay.starts,
    relay.find_active,
)


EVERY_S = 0.02
"""How often the phasors of a relay are written for points [s]."""


@kernel
def protect(  # type: ignore[no-untyped-def]
    r, x, breaker, sync, frequency, ideal, network, noise, key, step, f0_hz, is_asked, change_ago_s, dt_s
):
    """Advance every relay by one step (``r``: Relays).

    Parameters
    ----------
    breaker, sync, frequency : structured
        State rows of breakers, synchronism checks and frequency elements.
    ideal : tuple with at, direct, i, v, f_hz
        What the relay at ``at`` sees in place of the network, -1 none.
    network : tuple
        Node voltages and states of the units, as last solved.
    is_asked : bool
        Whether a command came, so that settings may have changed.
    change_ago_s : float
        How long before the end of the step the network last changed; ``dt_s`` when it did not.
    """
    if r.s.shape[0] == 0:
        return
    # each part gets what it needs: a tuple of many arrays costs more to pass than to use
    v, unit = network
    n = r.seen
    _look(r.inputs, n, frequency, ideal, v, unit, noise, key, step, f0_hz, change_ago_s, dt_s)
    if is_asked:
        _load_settings(r.s, r.elements, x)
    _permit(r.s, r.elements, r.inputs.s["is_vt_failed"], x)
    _directions(r.directional_67, n, f0_hz, change_ago_s, dt_s)
    _control_torque(r.elements, r.inputs.s["is_vt_failed"], x)
    _currents(
        r.overcurrent_51, r.instantaneous_50, r.negative_sequence_46, r.thermal_49, n.i, n.i_seq,
        change_ago_s, dt_s,
    )  # fmt: skip
    _voltages(r.undervoltage_27, r.overvoltage_59, n.v, n.v_seq, n.v_base_v, change_ago_s, dt_s)
    _frequencies(r.frequency_81, r.rocof_81r, r.rocof_work, n, change_ago_s, dt_s)
    _decide(
        r.p, r.s, r.own, r.matrix, r.work, n.i, r.inputs.s["is_vt_failed"], r.breaker_failure_50bf,
        r.breaker_of_bf, r.recloser_79, r.breaker_of_79, x, breaker, sync, change_ago_s, dt_s,
    )  # fmt: skip


@kernel
def _look(n, seen, frequency, ideal, v, unit, noise, key, step, f0_hz, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """What the relays' transformers and frequency elements show."""
    every = max(int(EVERY_S / dt_s + 0.5), 1)
    rows, f_hz, is_valid = n.frequency_row, seen.f_hz, seen.is_f_valid
    for k in range(rows.shape[0]):
        if rows[k] >= 0:
            f_hz[k], is_valid[k] = frequency["f_hz"][rows[k]], frequency["is_valid"][rows[k]]
        else:  # it may have been injected before
            f_hz[k], is_valid[k] = f0_hz, 0.0
    if ideal.at[0] >= 0:
        f_hz[ideal.at[0]], is_valid[ideal.at[0]] = ideal.f_hz[0], 1.0
    _measure(
        n.p, n.columns, n.gain, n.saturation, n, seen, ideal, v, unit, noise, key, step, every, change_ago_s,
        dt_s,
    )  # fmt: skip


@kernel
def _load_settings(s, e, x):  # type: ignore[no-untyped-def]
    """Take the settings of the group in force (``e``: Elements); a copy is cheaper than to ask."""
    for r in range(s.shape[0]):
        s["group"][r] = min(max(np.rint(s["group_sp"][r]), 1.0), s["groups"][r])
    for i in range(e.of.shape[0]):
        at = e.begin[i]
        source = e.groups_at[i, int(s["group"][e.of[i]]) - 1] - at
        for k in range(at, e.begin[i + 1]):
            e.settings[k] = x[source + k]


@kernel
def _permit(s, e, failed, x):  # type: ignore[no-untyped-def]
    """What each element may do."""
    for i in range(e.of.shape[0]):
        r = e.of[i]
        is_permitted = s["is_in_service_sp"][r] != 0.0
        if failed[r] != 0.0:  # without voltage elements have no direction, and none is low
            is_permitted = is_permitted and e.needs_voltage[i] == 0
            if e.residual_at[i] >= 0 and e.settings[e.residual_at[i]] == RESIDUAL:
                is_permitted = False  # a blown fuse leaves a residual voltage
        if e.shot_at[i] >= 0 and shot_allows(e.settings[e.shots_at[i]], x[e.shot_at[i]]) == 0.0:
            is_permitted = False
        e.is_permitted[i] = 1.0 if is_permitted else 0.0


@kernel
def _control_torque(e, failed, x):  # type: ignore[no-untyped-def]
    """Block the elements whose direction it is not; without voltage there is none."""
    for i in range(e.of.shape[0]):
        if e.direction_at[i] >= 0 and failed[e.of[i]] == 0.0 and x[e.direction_at[i]] == 0.0:
            e.is_permitted[i] = 0.0


@kernel
def _directions(e, n, f0_hz, ago_s, dt_s):  # type: ignore[no-untyped-def]
    _67(
        e.p, e.s, e.of, n.i, n.i_seq, n.v, n.v_seq, n.v_base_v, n.f_hz, n.is_f_valid, f0_hz, e.is_permitted,
        ago_s, dt_s,
    )  # fmt: skip


@kernel
def _currents(c, b, q, t, i, i_seq, ago_s, dt_s):  # type: ignore[no-untyped-def]
    _51(c.p, c.s, c.of, i, i_seq, c.is_permitted, ago_s, dt_s)
    _50(b.p, b.s, b.of, i, i_seq, b.is_permitted, ago_s, dt_s)
    _46(q.p, q.s, q.of, i_seq, q.is_permitted, ago_s, dt_s)
    _49(t.p, t.s, t.of, i, i_seq, t.is_permitted, ago_s, dt_s)


@kernel
def _voltages(u, o, v, v_seq, base_v, ago_s, dt_s):  # type: ignore[no-untyped-def]
    _27(u.p, u.s, u.of, v, v_seq, base_v, u.is_permitted, ago_s, dt_s)
    _59(o.p, o.s, o.of, v, v_seq, base_v, o.is_permitted, ago_s, dt_s)


@kernel
def _frequencies(f, g, work, n, ago_s, dt_s):  # type: ignore[no-untyped-def]
    _81(f.p, f.s, f.of, n.v_seq, n.v_base_v, n.f_hz, n.is_f_valid, f.is_permitted, ago_s, dt_s)
    _81r(g.p, g.s, g.of, n.v_seq, n.v_base_v, n.f_hz, n.is_f_valid, work, g.is_permitted, ago_s, dt_s)


@kernel
def _decide(p, s, own, m, work, i, failed, b, b_of, c, c_of, x, breaker, sync, ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Breaker failure (``b``), trips, lockouts, reclosing (``c``)."""
    trip, trip_ago_s, pickup, driven, permitted = work[0], work[1], work[2], work[3], work[4]
    is_active, told = work[5], work[6]
    rows, flags, first = m.rows, m.flags, m.first
    _find_active(x, rows, first, is_active)
    _demands(x, rows, flags, first, is_active, STARTS_BF, b.of, trip, trip_ago_s)
    _50bf(b.p, b.s, b.of, b_of, breaker, i, trip, trip_ago_s, b.is_permitted, ago_s, dt_s)
    _retrip(b.s, b_of, b.of, s["is_blocked_sp"], breaker)
    _relay(p, s, x, rows, flags, m.trips, first, m.since_s, is_active, breaker, own, i, failed, dt_s)
    _demands(x, rows, flags, first, is_active, STARTS_79, c.of, trip, trip_ago_s)
    _conditions(
        s, x, rows, flags, first, is_active, c.of, c_of, breaker, sync, pickup, driven, told, permitted
    )
    _79(c.p, c.s, c_of, breaker, trip, trip_ago_s, pickup, pickup, driven, told, permitted, ago_s, dt_s)
    _hold_close(s["is_blocked_sp"], c.of, c_of, breaker)
    _stoppable(c.s, c_of, breaker)


@kernel
def _demands(x, rows, flags, first, is_active, flag, of, trip, trip_ago_s):  # type: ignore[no-untyped-def]
    """Whether an element with this flag operates in relay ``of[k]``, and since when."""
    for k in range(of.shape[0]):
        ago_s = _starts(x, rows, flags, first, flag, of[k]) if is_active[of[k]] != 0.0 else -1.0
        trip[k] = 1.0 if ago_s >= 0.0 else 0.0
        trip_ago_s[k] = ago_s  # negative: it changed with the network


@kernel
def _retrip(s, breaker_of, of, is_blocked, breaker):  # type: ignore[no-untyped-def]
    """Breaker failure asks its own breaker once more."""
    for k in range(s.shape[0]):
        if s["is_retrip"][k] != 0.0 and is_blocked[of[k]] == 0.0:
            b = breaker_of[k]
            breaker["trip_coil"][b] = 1.0
            breaker["trip_ago_s"][b] = max(breaker["trip_ago_s"][b], s["retrip_ago_s"][k])


@kernel
def _hold_close(is_blocked, of, breaker_of, breaker):  # type: ignore[no-untyped-def]
    """Keep the closes of blocked relays from their breakers."""
    for k in range(of.shape[0]):
        if is_blocked[of[k]] != 0.0:
            breaker["close_coil"][breaker_of[k]] = 0.0


@kernel
def _conditions(  # type: ignore[no-untyped-def]
    s, x, rows, flags, first, is_active, of, breaker_of, breaker, sync, pickup, driven, told, permitted
):
    """What else a recloser looks at: pickups that would start it, lockouts, close conditions."""
    for k in range(of.shape[0]):
        pickup[k] = 0.0
        for e in range(first[of[k]], first[of[k] + 1] if is_active[of[k]] != 0.0 else first[of[k]]):
            if flags[e] & STARTS_79 and x[rows[e] + PICKUP] != 0.0:
                pickup[k] = 1.0
        is_in_service = s["is_in_service_sp"][of[k]] != 0.0
        driven[k] = breaker["is_locked_out"][breaker_of[k]] if is_in_service else 1.0
        told[k] = breaker["is_told_to_trip"][breaker_of[k]]
        permitted[k] = sync["is_permitted"][breaker_of[k]]


@kernel
def _stoppable(s, breaker_of, breaker):  # type: ignore[no-untyped-def]
    """Let a trip of a breaker that stands open pass while a cycle runs: it ends in lockout."""
    for k in range(s.shape[0]):
        if s["state"][k] == CYCLE:
            breaker["is_not_open"][breaker_of[k]] = 1.0
