"""From a network, a point list and settings to a ready world."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from rtcore import board as bd
from rtcore import ring as rg
from rtcore.assembly import (
    controls,
    elements,
    harmonics,
    injections,
    inverters,
    loads,
    machines,
    protection,
    switching,
)
from rtcore.assembly.instances import OPTIONAL, chosen, instances
from rtcore.assembly.loads import Sky
from rtcore.assembly.places import bus_nodes
from rtcore.assembly.point_arrays import point_arrays
from rtcore.assembly.store import Floats, Plant, Store
from rtcore.clock import NS_PER_HOUR, NS_PER_S, SimClock
from rtcore.commands import GROUP_MAX, RECORD_WORDS
from rtcore.component import REGISTRY
from rtcore.network.grid import Grid
from rtcore.network.model import Network
from rtcore.noise import draw_key, quantile_table
from rtcore.plant import breaker as breaker_module
from rtcore.plant.capacitor import Capacitor
from rtcore.plant.harmonics import Harmonics
from rtcore.plant.load import Load
from rtcore.plant.loop_health import LoopHealth
from rtcore.plant.measuring_points import Terminal
from rtcore.plant.regulator import Regulator
from rtcore.points import Point
from rtcore.protection.scheme import Scheme
from rtcore.waves import Complex, no_waves
from rtcore.world import K_IS_SOLVED, Words, World

_REGISTERED = (Capacitor, Load, LoopHealth, Regulator, Terminal)  # importing a module declares its kind


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Demand per load over time, each row valid at the start of its interval.

    ``p_w``, ``q_var``: shape (n_t, n_loads), in the network's load order [W], [var]. One that
    does not wrap holds its last row to the end of the interval.
    """

    start_ns: int
    step_ns: int
    p_w: Floats
    q_var: Floats
    wraps: bool = True


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an engine is built from.

    ``instruments`` maps class_frac, noise_frac, noise_abs, quantum_abs, cutoff_abs to arrays
    of shape (n_points,); ``unit_factor`` turns an attribute's SI value into the point's unit.
    """

    network: Network
    points: Sequence[Point]
    instruments: Mapping[str, Floats]
    unit_factor: Floats
    clock: SimClock
    seed: int
    profile: Profile | None = None
    sky: Sky | None = None
    load_scale: float = 1.0
    ripple_pu: float = 0.02
    ripple_tau_s: float = 60.0
    source_v_pu: float | None = None
    utc_offset_s: int = 0
    plant: Plant = dc.field(default_factory=dict)
    scheme: Scheme | None = None
    fault_library: Floats | None = None
    playback: Sequence[Complex] = ()
    """Records to play at a relay: complex128[n_frames, 6], a frame a step, Ia Ib Ic [A], Va Vb Vc [V]."""


def bindable(
    network: Network, plant: Plant | None = None, scheme: Scheme | None = None
) -> dict[str, Collection[str]]:
    """Return component instance -> attributes that points may bind to."""
    found: dict[str, Collection[str]] = {}
    for kind, names in instances(network, scheme).items():
        attrs = [a.name for a in REGISTRY[kind].attrs]
        there = names if kind not in OPTIONAL else [n for n in names if n in (plant or {}).get(kind, {})]
        found |= {f"{kind}.{name}": attrs for name in there}
    return found


def build_world(setup: Setup) -> tuple[World, Harmonics, Grid]:
    """Assemble a station's world and its harmonic scan; deterministic for a given setup."""
    grid = Grid(setup.network)
    bound = {p.source for p in setup.points} | protection.frequencies_needed(setup.scheme)
    store = Store(chosen(instances(setup.network, setup.scheme), bound, setup.plant), setup.plant)
    _initial_state(store, setup)
    world = _world(setup, grid, store)
    world.counters[K_IS_SOLVED] = 1
    world.regulators.s["wait_s"] = world.regulators.p["tap_time_s"]
    for i in world.points.statuses:
        world.status_before[i] = store.x[world.points.instrument["source"][i]]
    return world, harmonics.harmonics(grid, store, setup.plant), grid


def _world(setup: Setup, grid: Grid, store: Store) -> World:
    rng = np.random.default_rng(setup.seed)
    more = np.random.default_rng([setup.seed, 1])  # its own stream: what is drawn above stays as it is
    apart = np.random.default_rng([setup.seed, 2])  # likewise
    keys = [draw_key(r) for r in (rng, rng, more, apart, apart)]
    image = bd.blank_image(len(setup.points))
    profile = setup.profile or _constant_profile(setup.network)
    weather = loads.weather_arrays(store, setup.sky)
    ambient_degc, m_per_unit = float(weather.s["ambient_degc"][0]), float(weather.p["m_per_unit"][0])
    return World(
        grid=grid.arrays,
        v_good=grid.arrays.v.copy(),
        x=store.x,
        emf=machines.emf_states(grid),
        source=store.rows("source"),
        machines=machines.machines(grid, store),
        frequencies=machines.frequencies(grid, store),
        sync=machines.sync_checks(grid, store),
        weather=weather,
        parts=loads.demand_parts(grid, store, ambient_degc, draw_key(more)),
        thermal=controls.thermals(grid, store, ambient_degc),
        tap_changers=controls.tap_changers(grid, store),
        storage=inverters.storage(grid, store),
        sites=inverters.sites(grid, store, ambient_degc=ambient_degc, m_per_unit=m_per_unit),
        microgrids=controls.microgrids(grid, store),
        sheds=controls.sheds(grid, store),
        dispatches=controls.dispatches(store),
        banks=controls.banks(grid, store, time_of_day_s=_local_s(setup)),
        totals=store.rows("loads"),
        loads=elements.loads(grid, store, ripple_pu=setup.ripple_pu, ripple_tau_s=setup.ripple_tau_s),
        bus_at=bus_nodes(grid, store.names("bus")),
        bus_columns=store.columns("bus"),
        terminals=elements.terminals(grid, store),
        breakers=elements.breakers(grid, store),
        fuses=switching.fuses(grid, store),
        faults=switching.faults(store, setup.fault_library),
        attacks=switching.attacks(store, setup.points),
        change=np.zeros(1),
        relays=protection.relays(grid, store, setup.scheme, apart, setup.clock.dt_ns * 1e-9),
        injections=injections.injections(store, setup.network, setup.scheme, setup.playback),
        waves=no_waves(len(store.names("relay"))),
        regulators=elements.regulators(grid, store),
        capacitors=elements.capacitors(grid, store),
        loop=store.rows("loop"),
        profile_p=np.ascontiguousarray(profile.p_w),
        profile_q=np.ascontiguousarray(profile.q_var),
        times=_times(setup, profile),
        noise=quantile_table(),
        keys=np.array(keys, np.uint64),
        points=point_arrays(setup.points, setup.instruments, setup.unit_factor, store, grid, rng),
        image=image.words,
        values=image.values,
        quality=image.quality,
        status_before=np.zeros(len(setup.points)),
        events=np.zeros(rg.EVENT_BYTES // 8, np.int64)[rg.HEADER_WORDS :],
        group=np.zeros(GROUP_MAX * RECORD_WORDS, np.int64),
        counters=np.zeros(16, np.int64),
    )


def _times(setup: Setup, profile: Profile) -> Words:
    """Return what the step needs to know about time, in the order of the ``T_`` numbers."""
    clock, utc_offset_ns = setup.clock, setup.utc_offset_s * NS_PER_S
    start_ns, step_ns, wraps = profile.start_ns, profile.step_ns, profile.wraps
    return np.array([clock.epoch_ns, clock.dt_ns, start_ns, step_ns, wraps, utc_offset_ns], np.int64)


def _local_s(setup: Setup) -> float:
    """Return the local time of the day at the start [s]."""
    return (setup.clock.epoch_ns // NS_PER_S + setup.utc_offset_s) % 86_400


def _initial_state(store: Store, setup: Setup) -> None:
    for i, source in enumerate(setup.network.sources):
        v_pu = source.v_pu if setup.source_v_pu is None else setup.source_v_pu
        store.rows("source")["v_pu_sp"][i] = v_pu
    store.rows("source")["is_mains_sp"] = 1.0
    store.rows("source")["f_hz_sp"] = setup.network.base_frequency_hz
    machines.initial_state(store, setup.network)
    store.rows("loads")["scale_sp"] = setup.load_scale
    breakers = store.rows("breaker")
    closed = np.array([s.is_closed for s in setup.network.switches if s.kind != "fuse"], bool)
    if len(breakers):
        breaker_module.init(breakers, closed)
    for i, regulator in enumerate(setup.network.regulators):
        store.rows("regulator")["tap"][i] = store.rows("regulator")["tap_sp"][i] = regulator.tap
    store.rows("regulator")["is_manual"] = 1.0
    store.rows("capacitor")["is_closed"] = 1.0


def _constant_profile(network: Network) -> Profile:
    """Return the network's own snapshot demand, for ever."""
    return Profile(
        start_ns=0,
        step_ns=NS_PER_HOUR,
        p_w=np.array([[x.kw * 1e3 for x in network.loads]]),
        q_var=np.array([[x.kvar * 1e3 for x in network.loads]]),
    )
