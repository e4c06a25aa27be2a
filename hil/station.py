"""From a station file to a plant that can run: reads what it names and ties it together."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hil import profiles
from hil.fault_library import FaultLibrary, empty
from hil.plant_settings import given_values, over, read_plant
from hil.point_files import PointSet, instrument_arrays
from hil.point_units import factors
from hil.settings import Station
from hil.settings_sections import PlantTables
from rtcore.assemble import Profile, Setup
from rtcore.assembly.instances import instances, terminal_names
from rtcore.assembly.loads import Sky
from rtcore.clock import SimClock
from rtcore.errors import Problem, UserInputError
from rtcore.network.model import Network
from rtcore.protection.scheme import Scheme

STEP_FIFO_NS, STEP_OTHER_NS = 1_000_000, 10_000_000
"""Default step where SCHED_FIFO is granted, and where it is not [ns]."""

STEP_MAX_NS = 100_000_000
YEAR_S = 365.0 * 86_400.0
UPSTREAM = {"model": "machine", "s_rated_va": 100e6, "h_s": 5.0}
"""Equivalent machine of an upstream grid, as far as a station says nothing else."""


@dc.dataclass(frozen=True, slots=True)
class Plan:
    """A checked station: its settings, network, points and the parameters of its plant.

    ``plant`` maps kind -> instance -> parameter -> value, as far as the station file speaks of them.
    """

    station: Station
    network: Network
    points: PointSet
    plant: Mapping[str, Mapping[str, Mapping[str, Any]]] = dc.field(default_factory=dict)
    scheme: Scheme | None = None
    faults: FaultLibrary = dc.field(default_factory=empty)


def read_plan(name_or_path: str) -> Plan:
    """Read a station with its network and points; one UserInputError carries every problem of all.

    The tables over time are looked into only where there is a problem already, to report theirs
    with it: who needs them reads them.
    """
    from hil.station_survey import survey  # it reads plant tables by this module

    found = survey(name_or_path)
    if found.problems:
        raise UserInputError(dict.fromkeys(found.problems + found.history_problems()))
    assert found.network is not None and found.points is not None
    return Plan(found.draft.station(), found.network, found.points, found.plant, found.scheme, found.faults)


def read_station_plant(
    tables: PlantTables | None,
    network: Network | None,
    file: str,
    below: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
    scheme: Scheme | None = None,
) -> tuple[dict[str, dict[str, dict[str, Any]]], list[Problem]]:
    """Return the parameters that a station's plant tables give, and every problem in them.

    Where there is a problem (``tables`` is None where they are no tables at all), every instance
    counts as spoken of, so that no point is said to bind to nothing. Without a network kinds,
    parameters and values are still checked. Values of ``below`` hold where the tables say nothing:
    they are checked together, and not returned.
    """
    if tables is not None and not tables:
        return {}, []
    if network is None:
        return {}, read_plant(tables or {}, None, file)[1]
    there = instances(network, scheme)
    _, problems = read_plant(tables or {}, there, file, stated=over(stated(network), below or {}))
    if problems or tables is None:
        return {kind: {name: {} for name in names} for kind, names in there.items()}, problems
    return given_values(tables, there), []


def stated(network: Network) -> dict[str, dict[str, dict[str, float]]]:
    """Return kind -> instance -> required parameters that the network states, so that settings need not."""
    base_v = {b.name: 1e3 * b.base_kv_ln for b in network.buses}
    pv, battery = (
        {d.name: {"s_rated_va": 1e3 * d.kva, "v_base_v": 1e3 * d.kv} for d in network.ders if d.kind == kind}
        for kind in ("pv", "battery")
    )
    buses = {name: {"rated_v": v} for name, v in base_v.items()}
    return {
        "regulator": {r.name: {"step_pu": r.step_pu} for r in network.regulators},
        "thermal": {t.name: {"rated_va": 1e3 * t.windings[0].kva} for t in network.transformers},
        "pv": pv,
        "battery": {name: r | {"e_rated_wh": r["s_rated_va"]} for name, r in battery.items()},
        "harmonic_bus": {name: r | {"individual_pct": 3.0, "total_pct": 5.0} for name, r in buses.items()},
        "harmonic_pcc": {name: {"isc_a": 1e3, "total_pct": 5.0} for name in terminal_names(network)},
        "tuned_filter": buses,
    }


def step_ns(station: Station, *, has_fifo: bool) -> int:
    """Return the step length [ns]; faster than real time stretches it so that the period stays."""
    if station.loop.step_us != "auto":
        return station.loop.step_us * 1000
    step = STEP_FIFO_NS if has_fifo else STEP_OTHER_NS
    speed = station.time.speed
    if speed == "max":
        return STEP_MAX_NS
    return min(STEP_MAX_NS, max(step, round(step * speed / 1000) * 1000))


def period_ns(station: Station, dt_ns: int) -> int:
    """Return the wall-clock period of a step [ns]; 0 is as fast as possible."""
    return 0 if station.time.speed == "max" else round(dt_ns / station.time.speed)


def load_setup(
    name_or_path: str, dt_ns: int, overrides: Mapping[str, Any] | None = None, duration_s: float | None = None
) -> Setup:
    """Return everything an engine or a loop is built from."""
    return make_setup(read_plan(name_or_path), dt_ns, overrides, duration_s)


def make_setup(
    plan: Plan, dt_ns: int, overrides: Mapping[str, Any] | None = None, duration_s: float | None = None
) -> Setup:
    """Return the setup of a checked station.

    Parameters
    ----------
    overrides : mapping, optional
        ``seed`` and ``duration_s`` of this run (from the command line).
    duration_s : float, optional
        Simulated length of the run; None for an open end [s].
    """
    station, network = plan.station, plan.network
    given = overrides or {}
    profile = station.read_profile([x.name for x in network.loads], given.get("duration_s", duration_s))
    plant = with_upstream_machine(network, plan.plant)
    points = plan.points.core
    return Setup(
        network=with_upstream_reactance(network, plant),
        points=points,
        instruments=instrument_arrays(points, plan.points.instruments),
        unit_factor=factors(points),
        clock=SimClock(station.start_utc_ns, dt_ns),
        seed=given.get("seed", station.loop.seed),
        profile=None if profile is None else _for_the_plant(profile),
        load_scale=station.load.scale,
        ripple_pu=station.load.ripple_pct / 100.0,
        ripple_tau_s=station.load.ripple_tau_s,
        source_v_pu=station.source.v_pu,
        sky=_sky(station, given.get("duration_s", duration_s)),
        utc_offset_s=station.utc_offset_s,
        plant=plant,
        scheme=plan.scheme,
        fault_library=plan.faults.rows,
        playback=read_playback(station, dt_ns * 1e-9, network.base_frequency_hz),
    )


def read_playback(station: Station, dt_s: float, f0_hz: float) -> list[npt.NDArray[np.complex128]]:
    """Return the frames of the records that the test set can play; UserInputError with all their faults."""
    if not station.injection.play:
        return []
    from hil.recorder.player import Playback, all_frames

    records = [Playback.of(section, station.path.parent) for section in station.injection.play]
    return all_frames(records, dt_s, f0_hz)


def simulated_s(wall_s: float, station: Station) -> float:
    """Return how much simulated time a run of this length covers [s]."""
    return wall_s if station.time.speed == "max" else wall_s * station.time.speed


def with_upstream_machine(
    network: Network, plant: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Return the plant's parameters with an equivalent machine behind every source they say nothing of.

    Its transient reactance is the source's own, unless the settings give ``xd1_pu`` (see
    ``with_upstream_reactance``). Rating and inertia make the frequency answer
    visibly to the load: 1 MW are 0.06 Hz/s and 30 mHz, which secondary control takes back.
    Its power is what the rest of the grid gives to this feeder, which is negative for a surplus.
    """
    generators, governors = dict(plant.get("generator", {})), dict(plant.get("governor", {}))
    for source in network.sources:
        generators[source.name] = UPSTREAM | dict(generators.get(source.name, {}))
        if generators[source.name]["model"] != "infinite":
            governors.setdefault(source.name, {"model": "tgov1", "ki_per_s": 0.05, "v_min_pu": -1.0})
    return {**plant, "generator": generators, "governor": governors}


def with_upstream_reactance(
    network: Network, plant: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> Network:
    """Return the network with the sources' reactance where the settings give a machine's ``xd1_pu``."""
    sources = []
    for source in network.sources:
        given = plant["generator"][source.name]
        if "xd1_pu" in given:
            x_ohm = given["xd1_pu"] * (1e3 * source.base_kv) ** 2 / given["s_rated_va"]
            source = dc.replace(source, x1_ohm=x_ohm)
        sources.append(source)
    return dc.replace(network, sources=tuple(sources))


def _sky(station: Station, duration_s: float | None) -> Sky | None:
    """Return the prepared weather of a run; an open end repeats a year."""
    if station.weather is None:
        return None
    from hil.weather import prepare

    span_s = YEAR_S if duration_s is None else max(duration_s, 1.0)
    rows = prepare(
        station.weather, station.start_utc_ns, span_s, wraps=duration_s is None, folder=station.path.parent
    )
    return Sky(
        start_ns=rows.start_utc_ns,
        step_ns=rows.step_ns,
        poa_w_m2=rows.poa_w_m2,
        ambient_degc=rows.ambient_degc,
        wraps=rows.wraps,
    )


def _for_the_plant(profile: profiles.Profile) -> Profile:
    return Profile(
        start_ns=profile.start_utc_ns,
        step_ns=profile.step_ns,
        p_w=profile.p_w,
        q_var=profile.q_var,
        wraps=profile.wraps,
    )
