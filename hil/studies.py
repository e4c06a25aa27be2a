"""Steady-state studies on a network or a station: power flow, fault, year."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hil import paths
from hil.network_files import read_network
from hil.paths import NotFoundError
from hil.profiles import Profile, interval_at, read_profile
from hil.regulator_settling import Settling
from hil.settings import Station, read_station
from hil.settings_types import iso
from rtcore.clock import NS_PER_HOUR
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.network import faults as ft
from rtcore.network.grid import Grid
from rtcore.network.model import Network

HOUR_S = 3600.0
NODE_COLUMNS = ("node", "v_re", "v_im", "v_pu")


@dc.dataclass(frozen=True, slots=True)
class Case:
    """What a study is about: a network, and the station it came from if it was one."""

    network: Network
    station: Station | None


def read_case(name: str, *, station_first: bool = False, wish: str = "this study") -> Case:
    """Find a network or a station by name or path.

    With ``station_first`` it is a station although a network may bear the name; a network alone is
    refused, for what ``wish`` names.
    """
    if station_first:
        return _only_a_station(name, wish)
    try:
        return Case(read_network(paths.find("networks", name)), None)
    except NotFoundError as as_network:
        try:
            return _station_case(name)
        except NotFoundError:
            raise as_network from None


def _only_a_station(name: str, wish: str) -> Case:
    try:
        return _station_case(name)
    except NotFoundError as error:
        try:
            paths.find("networks", name)
        except NotFoundError:
            raise error from None
        what = f"is a network; {wish} needs a station with a profile"
        raise UserInputError([Problem(name, "", what)]) from None


def _station_case(name: str) -> Case:
    station = read_station(name)
    return Case(read_network(station.network), station)


def check_bus(case: Case, bus: str) -> None:
    """Refuse a bus the network does not have."""
    names = [b.name for b in case.network.buses]
    if bus not in names:
        what = f"no bus {bus!r} in this network{did_you_mean(bus, names)}"
        raise UserInputError([Problem(case.network.name, "", what)])


def check_line(case: Case, line: str) -> None:
    """Refuse a line the network does not have."""
    names = [x.name for x in case.network.lines]
    if line not in names:
        what = f"no line {line!r} in this network{did_you_mean(line, names)}"
        raise UserInputError([Problem(case.network.name, "", what)])


def profile_of(case: Case) -> Profile:
    """Return the station's profile; a network alone has none, which is the user's mistake."""
    if case.station is None or case.station.profile is None:
        name = case.network.name if case.station is None else case.station.name
        what = "has no load profile; give a station whose file has a [profile] table"
        raise UserInputError([Problem(name, "", what)])
    names = [x.name for x in case.network.loads]
    return read_profile(case.station.profile, names, folder=case.station.path.parent)


def demand_at(profile: Profile, utc_ns: int) -> np.ndarray[Any, np.dtype[np.complex128]]:
    """Return the demand of every load at a moment, shape (n_loads,) [VA]."""
    if not profile.wraps and not profile.start_utc_ns <= utc_ns < profile.end_utc_ns:
        begin, end = (iso(t, profile.utc_offset_s) for t in (profile.start_utc_ns, profile.end_utc_ns))
        asked = iso(utc_ns, profile.utc_offset_s)
        raise UserInputError([Problem(profile.name, "", f"no load at {asked}; it covers {begin} to {end}")])
    row, following, f = interval_at(profile, utc_ns)
    p = (1.0 - f) * profile.p_w[row] + f * profile.p_w[following]
    q = (1.0 - f) * profile.q_var[row] + f * profile.q_var[following]
    return np.asarray(p + 1j * q)


def solved_grid(case: Case, at_utc_ns: int | None = None) -> Grid:
    """Return the case's grid, solved for its snapshot loads or for a moment of its profile."""
    grid = Grid(case.network)
    if case.station is not None and case.station.source.v_pu is not None:
        grid.set_source(case.station.source.v_pu)
    if at_utc_ns is not None:
        scale = 1.0 if case.station is None else case.station.load.scale
        grid.set_loads(demand_at(profile_of(case), at_utc_ns) * scale)
    grid.solve()
    return grid


def node_rows(grid: Grid) -> list[tuple[str, float, float, float]]:
    """Return (node, v_re, v_im, v_pu) of every node [V], [pu of its line-to-neutral base]."""
    v = grid.voltages
    pu = np.abs(v) / grid.nodes.base_v
    return [
        (name, float(v[i].real), float(v[i].imag), float(pu[i])) for i, name in enumerate(grid.nodes.names)
    ]


def powerflow_report(grid: Grid) -> dict[str, Any]:
    """Return node voltages and the totals of a solved grid, JSON-ready."""
    losses, load = grid.losses(), grid.load_power()
    return {
        "nodes": {n: {"v_re": re, "v_im": im, "v_pu": pu} for n, re, im, pu in node_rows(grid)},
        "iterations": grid.iterations,
        "load_kw": load.real / 1e3,
        "load_kvar": load.imag / 1e3,
        "losses_kw": losses.real / 1e3,
        "losses_kvar": losses.imag / 1e3,
        "dead_nodes": [n for n, alive in zip(grid.nodes.names, grid.live, strict=True) if not alive],
    }


def fault_report(grid: Grid, fault: ft.Fault) -> dict[str, Any]:
    """Put a fault on a solved grid and return its currents and all voltages, JSON-ready.

    On a line, ``place`` has the voltages there, and for broken conductors those beyond the break.
    """
    iterations = ft.apply(grid, [fault])
    currents = ft.fault_currents(grid, fault)
    report: dict[str, Any] = {"line": fault.line, "at": fault.at} if fault.line else {"bus": fault.bus}
    report |= {
        "type": fault.kind,
        "r_ohm": fault.r_ohm,
        "iterations": iterations,
        "i_fault_a": {
            phase: {"mag": float(abs(i)), "deg": float(np.degrees(np.angle(i)))}
            for phase, i in zip(fault.phases, currents, strict=True)
        },
        "nodes": {n: {"v_re": re, "v_im": im, "v_pu": pu} for n, re, im, pu in node_rows(grid)},
    }
    if fault.line:
        report["place"] = _place_report(grid, fault)
    return report


def _place_report(grid: Grid, fault: ft.Fault) -> dict[str, Any]:
    near, far = ft.line_voltages(grid, fault)
    line = next(x for x in grid.network.lines if x.name == fault.line)
    base_v = 1e3 * next(b.base_kv_ln for b in grid.network.buses if b.name == line.bus1)
    sides = {"v": near, "v_beyond": far} if fault.kind.startswith("open") else {"v": near}
    return {
        phase: {
            f"{side}{part}": float(value)
            for side, v in sides.items()
            for part, value in (("_re", v[k].real), ("_im", v[k].imag), ("_pu", abs(v[k]) / base_v))
        }
        for k, phase in enumerate(fault.phases)
    }


def year(
    case: Case, days: int | None = None, tick: Callable[[int, int], None] = lambda _done, _all: None
) -> Iterator[dict[str, float]]:
    """Run the profile hour by hour, loads held; regulators come to rest by their own relays and timers.

    Yields
    ------
    dict
        hour, p_kw and q_kvar from the sources, losses_kw, and tap_a, tap_b, tap_c (regulators
        in network order; a fourth is tap_d and so on).
    """
    profile = profile_of(case)
    grid = Grid(case.network)
    regulators = Settling(grid)
    available = profile.n_t * profile.step_ns // NS_PER_HOUR
    hours = available if days is None else 24 * days
    if hours > available:
        what = f"covers {available / 24:g} days, {days} were asked for"
        raise UserInputError([Problem(profile.name, "", what)])
    scale = 1.0 if case.station is None else case.station.load.scale
    for hour in range(hours):
        grid.set_loads(demand_at(profile, profile.start_utc_ns + hour * NS_PER_HOUR) * scale)
        regulators.hold(HOUR_S)
        power, losses = grid.power_from_sources(), grid.losses()
        taps = regulators.taps.values()
        named = {f"tap_{'abcdefghijklmnopqrstuvwxyz'[k]}": t for k, t in enumerate(taps)}
        yield {
            "hour": hour,
            "p_kw": power.real / 1e3,
            "q_kvar": power.imag / 1e3,
            "losses_kw": losses.real / 1e3,
        } | named
        tick(hour + 1, hours)
