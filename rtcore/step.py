"""One step of the plant: an explicit, ordered list of kernels. The order is physics.

1 commands (the caller drains them)  2 weather and demand  3 mechanisms, hand-over
4 machines and inverters  5 network  6 measuring, protection  7 instruments  8 controls, slow states
9 events, harmonic scan.  Mechanisms move before the network is solved, and relays look at it before
the points are taken, so that auxiliary contacts, currents, voltages, pickups and trips published for
one step belong together and events carry the instants of their own step.
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
from rtcore.network.powerflow import TOL_LOOP_PU, fixed_point, measure_emfs, restamp, start_cold, turn
from rtcore.noise import step_key
from rtcore.phasor import TWO_PI
from rtcore.plant import capacitor, frequency, generator, load, measuring_points, regulator
from rtcore.plant.attack import falsify
from rtcore.plant.harmonics import advance as scan_harmonics
from rtcore.protection.injection import show as show_seen
from rtcore.ring import EVENT_FP, EVENT_NOT_CONVERGED, EVENT_STATUS
from rtcore.shared_kernels import push_event, push_waves
from rtcore.stages.controls import (
    control_banks,
    control_taps,
    dispatch_batteries,
    shed_load,
    warm_transformers,
)
from rtcore.stages.demand import interval, move_loads, move_rooms, move_weather
from rtcore.stages.injection import inject
from rtcore.stages.inverters import (
    feed_batteries,
    feed_sites,
    form,
    hand_over,
    keep_following,
    measure_batteries,
    measure_sites,
)
from rtcore.stages.machines import (
    check_synchronism,
    measure_machines,
    move_machines,
    move_sources,
    owners,
    set_machine_emfs,
)
from rtcore.stages.protection import protect
from rtcore.stages.switching import burn_fuses, measure_strikes, move_breakers, strike_faults
from rtcore.world import (
    K_COMMANDS,
    K_COMMANDS_SEEN,
    K_DIGEST,
    K_FP_EVENTS,
    K_IS_SOLVED,
    K_NOT_CONVERGED,
    K_STEPS,
    K_TOPOLOGY,
    T_DT,
    T_EPOCH,
    T_LOCAL,
    T_PROFILE_START,
    T_PROFILE_STEP,
    T_PROFILE_WRAPS,
)

DAY_NS = 86_400_000_000_000
LOOP_ITERATIONS_MAX = 30
FNV_PRIME = 0x100000001B3

_regulator_step, _capacitor_step = regulator.step, capacitor.step
_demand, _measure_loads = load.demand, load.measure
_measure_buses, _measure_terminals = measuring_points.measure_buses, measuring_points.measure_terminals
_measure_capacitors, _measure_frequencies = capacitor.measure, frequency.measure
_settle_generators = generator.settle


def step_at(w, h, step, utc_ns):  # type: ignore[no-untyped-def]
    """Advance the plant by one step and fill its image; world and harmonic scan lie at addresses.

    ``rtcore.drive`` compiles it and is the way to call it.
    """
    take_fp_flags()  # whatever else ran in this thread is not the plant's
    g, emf, counters, times = w.grid, w.emf, w.counters, w.times
    unit, emfs, breakers = g.unit, g.emfs, w.breakers
    dt_s = times[T_DT] * 1e-9
    sim_ns = times[T_EPOCH] + step * times[T_DT]
    t_s = (step * times[T_DT]) * 1e-9
    # 2 weather and demand
    move_weather(w.weather, sim_ns, t_s, dt_s)
    ambient_degc = w.weather.s["ambient_degc"][0]
    move_loads(w.parts, g.owner, emf, dt_s)
    move_rooms(w.parts, g.live, ambient_degc, step, dt_s)
    start, length, wraps = times[T_PROFILE_START], times[T_PROFILE_STEP], times[T_PROFILE_WRAPS]
    row, following, part = interval(w.profile_p.shape[0], start, length, wraps, sim_ns)
    key = step_key(w.keys[0], step)
    _demand(
        w.loads.p, w.loads.s, w.totals, w.profile_p, w.profile_q, row, following, part, w.noise, key, dt_s,
        g.loads, w.parts.now,
    )  # fmt: skip
    # 3 mechanisms, hand-over between grid and island
    before_s, w.change[0] = w.change[0], 0.0
    changed = strike_faults(w.faults, w.attacks, g, w.change, w.keys[3], w.values, w.quality, dt_s)
    changed += move_breakers(
        breakers.p, breakers.s, breakers.units, breakers.poles, w.sync.s, g, w.change, w.keys[3], t_s,
        TWO_PI * emf.f0_hz, dt_s,
    )  # fmt: skip
    changed += burn_fuses(w.fuses, g, w.change, before_s, dt_s)
    changed += _regulator_step(w.regulators.p, w.regulators.s, w.regulators.units, unit, dt_s)
    changed += _capacitor_step(w.capacitors.s, w.capacitors.units, unit)
    keep_following(w.storage.s, w.storage.emf_of, emf.owner, w.source.shape[0])
    if step > 0:  # before there is a first solution the grid looks lost
        hand_over(w.microgrids, w.storage.p, w.storage.s, breakers.s, w.sync.s, emf.f0_hz, dt_s)
    # 4 machines and inverters
    emf.turns[:] = 1.0
    changed += move_sources(w.source, w.machines, emfs.unit, unit)
    if step > 0:  # before there is a first solution nothing pushes or pulls
        changed += move_machines(w.machines, emf, emfs, unit, dt_s)
    formed, turned = form(w.storage, emf, emfs, unit, dt_s)
    turned += set_machine_emfs(w.machines, emf, emfs.scale, dt_s)
    if turned:
        turn(g.v, g.owner, emf.turns)
    if changed + formed:
        counters[K_TOPOLOGY] += 1
        restamp(g)
        owners(emf, emfs.at, g.owner)
    feed_batteries(w.storage, emf, emfs, g.v, dt_s)
    feed_sites(w.sites, w.weather.p, w.weather.s, emf, g.owner, g.v, w.keys[2], t_s, dt_s)
    # 5 network
    is_solved = _network(g, w.v_good, counters, w.events, step, utc_ns)
    ago_s = w.change[0] if 0.0 < w.change[0] < dt_s else dt_s
    is_asked = step == 0 or counters[K_COMMANDS] != counters[K_COMMANDS_SEEN]
    # 6 measuring
    if step == 0:
        owners(emf, emfs.at, g.owner)
        _settle_generators(w.machines, emfs)
    measure_machines(w.machines, w.source, emf, emfs, unit)
    measure_batteries(w.storage, emfs, g.v)
    measure_sites(w.sites, g.v)
    if is_solved:
        _measure_loads(g, w.loads.branch, w.loads.columns, w.totals)
        _measure_buses(g.v, w.bus_at, w.bus_columns)
        t = w.terminals
        _measure_terminals(g.v, unit, t.rows, t.of, t.phase, t.columns)
        _measure_capacitors(w.capacitors.s, g.v, unit, w.capacitors.rows, w.capacitors.first)
        q = w.frequencies
        _measure_frequencies(q.p, q.s, q.at, g.v, g.owner, emf.theta_rad, emf.f_hz, dt_s)
        check_synchronism(w.sync, breakers.s, g.v, g.base_v, g.owner, emf.f_hz)
        measure_strikes(w.faults, g, ago_s, dt_s)
    inject(w.injections, w.relays.own, breakers.s, w.terminals.columns, w.bus_columns, emf.f0_hz, step, dt_s)
    # relays have instruments of their own, and their time goes on with what was solved last
    key = step_key(w.keys[4], step)
    protect(
        w.relays, w.x, breakers.s, w.sync.s, w.frequencies.s, w.injections.ideal, (g.v, unit), w.noise, key,
        step, emf.f0_hz, is_asked, ago_s, dt_s,
    )  # fmt: skip
    show_seen(w.injections.s, w.relays.seen.i, w.relays.seen.v)
    push_waves(w.waves, step, utc_ns, w.relays.seen.i, w.relays.seen.v)
    _loop_points(w.loop, step, t_s, g.counters[N_ITERATIONS], counters)
    # 7 instruments
    key = step_key(w.keys[1], step)
    measure_points(w.points, w.points.hot, w.x, g.live, is_solved, w.noise, key, w.values, w.quality)
    if is_asked:
        measure_points(w.points, w.points.cold, w.x, g.live, is_solved, w.noise, key, w.values, w.quality)
    counters[K_COMMANDS_SEEN] = counters[K_COMMANDS]
    falsify(w.attacks.s, w.attacks.history, w.points.instrument, w.noise, key, w.values, w.quality, dt_s)
    # 8 controls, slow states
    if is_solved:
        control_taps(w.tap_changers, w.regulators.p, w.regulators.s, g.v, unit, dt_s)
        shed_load(w.sheds, breakers.s, w.sync.s, dt_s)
        dispatch_batteries(w.dispatches, w.storage.s, w.source, dt_s)
        local_s = ((sim_ns + times[T_LOCAL]) % DAY_NS) * 1e-9
        control_banks(w.banks, w.capacitors.s, w.source, emfs, g.v, g.base_v, local_s, dt_s)
    warm_transformers(w.thermal, g.v, unit, ambient_degc, step, dt_s)
    # 9 events, image
    _status_events(w.x, w.points, w.values, w.status_before, w.events, step, utc_ns)
    counters[K_STEPS] += 1
    digest = _digest(counters[K_DIGEST], w.points.hot, w.points.is_health, w.image, w.quality)
    if is_asked:
        digest = _digest(digest, w.points.cold, w.points.is_health, w.image, w.quality)
    counters[K_DIGEST] = digest
    _stamp_image(w.image, counters, w.events, step, utc_ns, sim_ns, times[T_DT], is_solved)
    scan_harmonics(h, g, g.injections.i_a, step, dt_s)


@kernel
def _network(g, v_good, counters, events, step, utc_ns):  # type: ignore[no-untyped-def]
    """Solve; on failure hold the last good voltages and try from cold next time."""
    if not counters[K_IS_SOLVED] and step > 0:
        start_cold(g)
    is_solved = fixed_point(g, TOL_LOOP_PU, LOOP_ITERATIONS_MAX) > 0
    if not is_solved:  # once more from cold, with the demand of now frozen in the matrix
        restamp(g)
        start_cold(g)
        is_solved = fixed_point(g, TOL_LOOP_PU, LOOP_ITERATIONS_MAX) > 0
    counters[K_IS_SOLVED] = is_solved
    if is_solved:
        v_good[:] = g.v
        measure_emfs(g)
    else:
        g.v[:] = v_good
        counters[K_NOT_CONVERGED] += 1
        push_event(events, step, utc_ns, EVENT_NOT_CONVERGED, -1, 0, g.counters[N_ITERATIONS], 0)
    return is_solved


@kernel
def _loop_points(s, step, t_s, iterations, counters):  # type: ignore[no-untyped-def]
    """Loop points that follow from the step itself; the pacing ones are the loop's."""
    s["step"][0] = step
    s["sim_time_s"][0] = t_s
    s["heartbeat"][0] = np.floor(t_s) % 2.0
    s["iterations"][0] = iterations
    s["not_converged"][0] = counters[K_NOT_CONVERGED]
    s["fp_events"][0] = counters[K_FP_EVENTS]


@kernel
def _status_events(x, points, values, before, events, step, utc_ns):  # type: ignore[no-untyped-def]
    """Tell what changed, and when: some statuses know the instant within the step."""
    for i in points.statuses:
        if values[i] != before[i]:
            old, new = np.int64(before[i]), np.int64(values[i])
            ago_ns = np.int64(x[points.stamp[i]] * 1e9) if points.stamp[i] >= 0 else 0
            push_event(events, step, utc_ns - ago_ns, EVENT_STATUS, i, old, new, 0)
            before[i] = values[i]


@kernel
def _stamp_image(image, counters, events, step, utc_ns, sim_ns, dt_ns, is_solved):  # type: ignore[no-untyped-def]
    flags = 0 if is_solved else FLAG_NOT_CONVERGED
    if take_fp_flags() != 0:
        counters[K_FP_EVENTS] += 1
        flags |= FLAG_FP
        if counters[K_FP_EVENTS] <= 100:
            push_event(events, step, utc_ns, EVENT_FP, -1, 0, counters[K_FP_EVENTS], 0)
    image[M_STEP] = step
    image[M_UTC_NS] = utc_ns
    image[M_SIM_NS] = sim_ns
    image[M_DT_NS] = dt_ns
    image[M_FLAGS] = flags
    image[M_DIGEST] = counters[K_DIGEST]


@kernel
def _digest(before, chosen, is_health, image, quality):  # type: ignore[no-untyped-def]
    """Chain a 64-bit digest over the plant part of the image: equal digests, equal histories.

    Four chains side by side, joined at the end: one multiplication need not wait for the one before.
    """
    a = np.uint64(before) ^ np.uint64(0xCBF29CE484222325)
    b, c, d = ~a, a ^ np.uint64(1), ~a ^ np.uint64(1)
    n = chosen.shape[0]
    whole = n - n % 4
    for k in range(0, whole, 4):
        a = _fold(a, chosen[k], is_health, image, quality)
        b = _fold(b, chosen[k + 1], is_health, image, quality)
        c = _fold(c, chosen[k + 2], is_health, image, quality)
        d = _fold(d, chosen[k + 3], is_health, image, quality)
    for k in range(whole, n):
        a = _fold(a, chosen[k], is_health, image, quality)
    for chain in (b, c, d):
        a = _mixed(a, chain)
    return np.int64(a)


@kernel
def _fold(h, i, is_health, image, quality):  # type: ignore[no-untyped-def]
    if is_health[i]:
        return h
    return _mixed(h, np.uint64(image[META_WORDS + i]) ^ (np.uint64(quality[i]) << np.uint64(56)))


@kernel
def _mixed(h, bits):  # type: ignore[no-untyped-def]
    h = (h ^ bits) * np.uint64(FNV_PRIME)
    return h ^ (h >> np.uint64(29))
