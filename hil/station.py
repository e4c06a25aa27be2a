"""From a station file to a plant that can run: reads what it names and ties it together."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Any

from hil import profiles
from hil.network_files import read_network
from hil.point_files import PointSet, instrument_arrays, read_points
from hil.point_units import factors
from hil.settings import Station, read_station
from rtcore.assemble import Profile, Setup, bindable
from rtcore.clock import SimClock
from rtcore.errors import Problem, UserInputError
from rtcore.network.model import Network

STEP_FIFO_NS, STEP_OTHER_NS = 1_000_000, 10_000_000
"""Default step where SCHED_FIFO is granted, and where it is not [ns]."""

STEP_MAX_NS = 100_000_000


@dc.dataclass(frozen=True, slots=True)
class Plan:
    """A checked station: its settings, network and points."""

    station: Station
    network: Network
    points: PointSet


def read_plan(name_or_path: str) -> Plan:
    """Read a station with its network and points; one UserInputError carries every problem of all."""
    station = read_station(name_or_path)
    problems: list[Problem] = []
    network, known = None, None
    try:
        network = read_network(station.network)
        known = bindable(network)
    except UserInputError as error:
        problems += error.problems
    try:
        points = read_points(station.points, known)
    except UserInputError as error:
        problems += error.problems
    if network is None or problems:
        raise UserInputError(problems)
    return Plan(station, network, points)


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
    return Setup(
        network=network,
        points=plan.points.points,
        instruments=instrument_arrays(plan.points.points, plan.points.instruments),
        unit_factor=factors(plan.points.points),
        clock=SimClock(station.start_utc_ns, dt_ns),
        seed=given.get("seed", station.loop.seed),
        profile=None if profile is None else _for_the_plant(profile),
        load_scale=station.load.scale,
        ripple_pu=station.load.ripple_pct / 100.0,
        ripple_tau_s=station.load.ripple_tau_s,
        source_v_pu=station.source.v_pu,
    )


def simulated_s(wall_s: float, station: Station) -> float:
    """Return how much simulated time a run of this length covers [s]."""
    return wall_s if station.time.speed == "max" else wall_s * station.time.speed


def _for_the_plant(profile: profiles.Profile) -> Profile:
    return Profile(
        start_ns=profile.start_utc_ns,
        step_ns=profile.step_ns,
        p_w=profile.p_w,
        q_var=profile.q_var,
        wraps=profile.wraps,
    )
