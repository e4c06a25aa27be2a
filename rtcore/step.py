"""One step of the plant: an explicit, ordered list of kernels. The order is physics.

1 commands (the caller drains them)  2 sources and demand  3 mechanisms  4 network
5 instruments  6 events.  Mechanisms move before the network is solved, so that auxiliary
contacts, currents and voltages published for one step belong together.
"""

from __future__ import annotations

import numpy as np

from rtcore.atomics import take_fp_flags
from rtcore.board import (
    FLAG_FP,
    FLAG_NOT_CONVERGED,
    M_DIGEST,
    M_DT_NS,
    M_FLAGS,
    M_SIM_NS,
    M_STEP,
    M_UTC_NS,
    META_WORDS,
)
from rtcore.instruments import measure as measure_points
from rtcore.jit import kernel
from rtcore.network.grid_arrays import N_ITERATIONS
from rtcore.network.powerflow import TOL_LOOP_PU, fixed_point, restamp, start_cold
from rtcore.noise import step_key
from rtcore.plant import breaker, capacitor, load, measuring_points, regulator, source
from rtcore.shared_kernels import EVENT_FP, EVENT_NOT_CONVERGED, EVENT_STATUS, push_event
from rtcore.world import (
    K_DIGEST,
    K_FP_EVENTS,
    K_IS_SOLVED,
    K_NOT_CONVERGED,
    K_STEPS,
    K_TOPOLOGY,
    T_DT,
    T_EPOCH,
    T_PROFILE_START,
    T_PROFILE_STEP,
    T_PROFILE_WRAPS,
)

LOOP_ITERATIONS_MAX = 30
FNV_PRIME = 0x100000001B3

_source_step, _breaker_step, _regulator_step, _capacitor_step = (
    source.step,
    breaker.step,
    regulator.step,
    capacitor.step,
)
_demand, _measure_loads = load.demand, load.measure
_measure_buses, _measure_terminals = measuring_points.measure_buses, measuring_points.measure_terminals
_measure_capacitors = capacitor.measure


@kernel
def step_once(w, step, utc_ns):  # type: ignore[no-untyped-def]
    """Advance the plant by one step and fill its image (not yet published)."""
    take_fp_flags()  # whatever else ran in this thread is not the plant's
    dt_s = w.times[T_DT] * 1e-9
    sim_ns = w.times[T_EPOCH] + step * w.times[T_DT]
    _sources_and_demand(w, step, sim_ns, dt_s)
    _mechanisms(w, dt_s)
    is_solved = _network(w, step, utc_ns)
    _loop_points(w, step)
    measure_points(
        w.points, w.x, w.grid.live, is_solved, w.noise, step_key(w.keys[1], step), w.values, w.quality
    )
    _status_events(w, step, utc_ns)
    _stamp_image(w, step, utc_ns, sim_ns, is_solved)


@kernel
def _sources_and_demand(w, step, sim_ns, dt_s):  # type: ignore[no-untyped-def]
    _source_step(w.source_p, w.source, w.grid.source_scale)
    since = sim_ns - w.times[T_PROFILE_START]
    rows, interval = w.profile_p.shape[0], w.times[T_PROFILE_STEP]
    row = since // interval
    if w.times[T_PROFILE_WRAPS]:
        row = row % rows
        next_row = (row + 1) % rows
    else:  # the ends are held
        next_row = min(max(row + 1, 0), rows - 1)
        row = min(max(row, 0), rows - 1)
    fraction = (since % interval) / interval
    _demand(
        w.load_p,
        w.load,
        w.totals,
        w.profile_p,
        w.profile_q,
        row,
        next_row,
        fraction,
        w.noise,
        step_key(w.keys[0], step),
        dt_s,
        w.grid.loads,
    )


@kernel
def _mechanisms(w, dt_s):  # type: ignore[no-untyped-def]
    unit = w.grid.unit
    changed = _breaker_step(w.breaker_p, w.breaker, w.breaker_units, unit, dt_s)
    changed += _regulator_step(w.regulator_p, w.regulator, w.regulator_units, unit, dt_s)
    changed += _capacitor_step(w.capacitor, w.capacitor_units, unit)
    if changed:
        w.counters[K_TOPOLOGY] += 1
        restamp(w.grid)


@kernel
def _network(w, step, utc_ns):  # type: ignore[no-untyped-def]
    """Solve and measure; on failure hold the last good voltages and try from cold next time."""
    g = w.grid
    if not w.counters[K_IS_SOLVED] and step > 0:
        start_cold(g)
    is_solved = fixed_point(g, TOL_LOOP_PU, LOOP_ITERATIONS_MAX) > 0
    w.counters[K_IS_SOLVED] = is_solved
    if is_solved:
        w.v_good[:] = g.v
        _measure_loads(g, w.load_branch, w.load_columns, w.totals)
        _measure_buses(g.v, w.bus_at, w.bus_columns)
        _measure_terminals(g, w.terminal_rows, w.terminal_of, w.terminal_phase, w.terminal_columns)
        _measure_capacitors(w.capacitor, g, w.capacitor_rows, w.capacitor_first)
    else:
        g.v[:] = w.v_good
        w.counters[K_NOT_CONVERGED] += 1
        push_event(w.events, step, utc_ns, EVENT_NOT_CONVERGED, -1, 0, g.counters[N_ITERATIONS], 0)
    return is_solved


@kernel
def _loop_points(w, step):  # type: ignore[no-untyped-def]
    """Loop points that follow from the step itself; the pacing ones are the loop's."""
    s = w.loop
    t_s = step * (w.times[T_DT] * 1e-9)
    s["step"][0] = step
    s["sim_time_s"][0] = t_s
    s["heartbeat"][0] = np.floor(t_s) % 2.0
    s["iterations"][0] = w.grid.counters[N_ITERATIONS]
    s["not_converged"][0] = w.counters[K_NOT_CONVERGED]
    s["fp_events"][0] = w.counters[K_FP_EVENTS]


@kernel
def _status_events(w, step, utc_ns):  # type: ignore[no-untyped-def]
    values, is_status, before = w.values, w.points.is_status, w.status_before
    for i in range(values.shape[0]):
        if is_status[i] and values[i] != before[i]:
            old, new = np.int64(before[i]), np.int64(values[i])
            push_event(w.events, step, utc_ns, EVENT_STATUS, i, old, new, 0)
            before[i] = values[i]


@kernel
def _stamp_image(w, step, utc_ns, sim_ns, is_solved):  # type: ignore[no-untyped-def]
    flags = 0 if is_solved else FLAG_NOT_CONVERGED
    if take_fp_flags() != 0:
        w.counters[K_FP_EVENTS] += 1
        flags |= FLAG_FP
        if w.counters[K_FP_EVENTS] <= 100:
            push_event(w.events, step, utc_ns, EVENT_FP, -1, 0, w.counters[K_FP_EVENTS], 0)
    w.counters[K_STEPS] += 1
    w.counters[K_DIGEST] = _digest(w, w.counters[K_DIGEST])
    w.image[M_STEP] = step
    w.image[M_UTC_NS] = utc_ns
    w.image[M_SIM_NS] = sim_ns
    w.image[M_DT_NS] = w.times[T_DT]
    w.image[M_FLAGS] = flags
    w.image[M_DIGEST] = w.counters[K_DIGEST]


@kernel
def _digest(w, before):  # type: ignore[no-untyped-def]
    """Chain a 64-bit digest over the plant part of the image: equal digests, equal histories."""
    h = np.uint64(before) ^ np.uint64(0xCBF29CE484222325)
    is_health, image, quality = w.points.is_health, w.image, w.quality
    for i in range(is_health.shape[0]):
        if not is_health[i]:
            bits = np.uint64(image[META_WORDS + i]) ^ (np.uint64(quality[i]) << np.uint64(56))
            h = (h ^ bits) * np.uint64(FNV_PRIME)
            h ^= h >> np.uint64(29)
    return np.int64(h)
