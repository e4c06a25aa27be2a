"""Coordination of a protection scheme: every device against the one behind it, at the faults of its zone.

For each bus of a device's zone and each bolted fault there (3ph, ll, slg on every choice of phases), the
currents through both devices come from a fault study on the network as the station has it, with its
loads. The device nearer to the fault counts with the time by which it has cleared in its slowest
shot (a relay's time plus its breaker's, a fuse's total clearing), the other with the earliest
instant at which it is bound to trip (its fastest shot; a fuse's least melting). The margin is what
lies between; it suffices when it is at least ``MARGIN_S`` between two relays, and 0 where a fuse is one
of them.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hil import coordination_devices as devices
from hil.coordination_devices import Complex, Device, FuseDevice, RelayDevice, Settings
from hil.coordination_walk import Position, walk
from hil.studies import Case, solved_grid
from rtcore.assembly.places import terminal_named, terminal_rows_of
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.network import faults as ft
from rtcore.network import powerflow as pf
from rtcore.network.grid import Grid
from rtcore.network.model import Network
from rtcore.protection.scheme import Scheme

MARGIN_S = 0.2
"""Between two relays: overtravel, errors of relays and instrument transformers, safety."""

PHASES = {"3ph": ("abc",), "ll": ("ab", "bc", "ac"), "slg": ("a", "b", "c")}
"""Fault types, each with the choices of phases."""

LARGEST, SMALLEST, TIGHTEST = "largest", "smallest", "tightest"
NOTABLE_S = 0.005
"""The tightest margin is shown where it is less than the others by more than this."""


@dc.dataclass(frozen=True, slots=True)
class Protected:
    """A device in its place."""

    device: Device
    position: Position


@dc.dataclass(frozen=True, slots=True)
class Margin:
    """Two devices at one fault; times [s] and currents [A] (largest phase), infinite: does not act.

    ``place`` is "largest", "smallest" (fault current of the downstream device among the faults of this
    type in its zone) or "tightest" where the least margin is at neither.
    """

    downstream: str
    upstream: str
    kind: str
    place: str
    bus: str
    phases: str
    i_downstream_a: float
    i_upstream_a: float
    downstream_s: float
    downstream_by: str
    upstream_s: float
    upstream_by: str
    needed_s: float

    @property
    def margin_s(self) -> float:
        """Time between; infinite when the upstream device does not act, minus infinite when only it does."""
        if math.isinf(self.downstream_s):
            return -math.inf
        return self.upstream_s - self.downstream_s

    @property
    def verdict(self) -> str:
        """Say "ok", "too small", or "blind" when the downstream device does not see the fault."""
        if math.isinf(self.downstream_s):
            return "blind"
        return "ok" if self.margin_s >= self.needed_s else "too small"


@dc.dataclass(frozen=True, slots=True)
class Fault:
    """A fault that was studied: largest phase current through the device in whose zone it is [A]."""

    bus: str
    kind: str
    phases: str
    i_a: float


@dc.dataclass(frozen=True, slots=True)
class Coordination:
    """What was found.

    Attributes
    ----------
    scheme : str
        Its title.
    network : Network
        With the switches as they were studied.
    protected : dict of str to Protected
        Devices by switch, from the source outwards.
    idle : tuple of str
        Devices that are open or not fed.
    margins : tuple of Margin
    levels : dict of str to dict of str to tuple of Fault
        Switch -> fault type -> faults with the largest and the smallest current in its zone.
    """

    scheme: str
    network: Network
    protected: Mapping[str, Protected]
    idle: tuple[str, ...]
    margins: tuple[Margin, ...]
    levels: Mapping[str, Mapping[str, tuple[Fault, Fault]]]

    @property
    def is_coordinated(self) -> bool:
        """Whether every margin suffices."""
        return all(m.verdict == "ok" for m in self.margins)


class Currents:
    """Phase currents through devices on one grid."""

    def __init__(self, grid: Grid, terminals: Sequence[str]) -> None:
        self.grid, self.n = grid, len(terminals)
        self.rows, self.of, self.phase = terminal_rows_of(grid, [terminal_named(t) for t in terminals])

    def at(self, fault: ft.Fault) -> Complex:
        """Put a fault on the grid and return the currents of every device, shape (n, 3) [A]."""
        ft.apply(self.grid, [fault])
        i = np.zeros((self.n, 3), np.complex128)
        pf.row_currents(self.grid.arrays.v, self.grid.arrays.unit, self.rows, 0, len(self.of))
        i[self.of, self.phase] = self.rows.i_a
        return i


def study(
    case: Case,
    scheme: Scheme,
    plant: Mapping[str, Settings],
    *,
    margin_s: float = MARGIN_S,
    opened: Collection[str] = (),
    closed: Collection[str] = (),
    groups: Mapping[str, int] | None = None,
) -> Coordination:
    """Study a scheme on a network.

    Parameters
    ----------
    plant : mapping
        Kind -> instance -> parameter -> value; of it the fuses' links and the breakers' times count.
    margin_s : float
        What two relays need between them [s].
    opened, closed : collection of str
        Switches that stand otherwise than the network says.
    groups : mapping, optional
        Relay -> settings group in force instead of the scheme's.
    """
    scheme = _in_groups(scheme, groups or {})
    case = dc.replace(case, network=_switched(case.network, opened, closed))
    grid, network = solved_grid(case), case.network
    relays = devices.relays(scheme, plant.get("breaker", {}), network.base_frequency_hz)
    known: dict[str, Device] = {r.switch: r for r in relays}
    known |= {
        s.name: devices.fuse(s.name, plant.get("fuse", {})) for s in network.switches if s.kind == "fuse"
    }
    positions = walk(network, known)
    if not positions:
        what = "no relay with overcurrent elements and no fuse is in service"
        raise UserInputError([Problem(scheme.name, "", what)])
    protected = {name: Protected(_facing(known[name], p), p) for name, p in positions.items()}
    idle = tuple(known[name].name for name in known if name not in positions)
    margins: list[Margin] = []
    levels: dict[str, dict[str, tuple[Fault, Fault]]] = {}
    names = list(protected)
    currents = Currents(grid, [protected[n].device.terminal for n in names])
    for name, there in protected.items():
        up = protected.get(there.position.upstream)
        levels[name] = {}
        for kind, found in _faults(currents, there, names).items():
            levels[name][kind] = _extremes([f for f, _ in found])
            if up is not None:
                at = [names.index(name), names.index(there.position.upstream)]
                seen = [_margin(there.device, up.device, f, i[at], margin_s) for f, i in found]
                margins += _chosen(seen)
    return Coordination(scheme.title or scheme.name, network, protected, idle, tuple(margins), levels)


def _switched(network: Network, opened: Collection[str], closed: Collection[str]) -> Network:
    """Return the network with some switches in another position."""
    known = [s.name for s in network.switches]
    problems = [
        Problem(network.name, "", f"no switch {name!r} in this network{did_you_mean(name, known)}")
        for name in (*opened, *closed)
        if name not in known
    ]
    if problems:
        raise UserInputError(problems)
    switches = tuple(
        dc.replace(s, is_closed=s.name not in opened and (s.is_closed or s.name in closed))
        for s in network.switches
    )
    return dc.replace(network, switches=switches)


def _in_groups(scheme: Scheme, groups: Mapping[str, int]) -> Scheme:
    """Return the scheme with other settings groups in force."""
    known = {r.name: r for r in scheme.relays}
    problems = []
    for name, group in groups.items():
        if name not in known:
            what = f"no relay {name!r} in this scheme{did_you_mean(name, known)}"
            problems.append(Problem(scheme.name, "", what))
        elif not 1 <= group <= known[name].n_groups:
            there = f"1..{known[name].n_groups}" if known[name].n_groups > 1 else "1"
            what = f"relay {name!r} has no settings group {group}; groups: {there}"
            problems.append(Problem(scheme.name, "", what))
    if problems:
        raise UserInputError(problems)
    relays = tuple(dc.replace(r, group=groups.get(r.name, r.group)) for r in scheme.relays)
    return dc.replace(scheme, relays=relays)


def _facing(device: Device, position: Position) -> Device:
    if isinstance(device, RelayDevice):
        return devices.facing(device, is_forward=position.is_forward)
    return device


def _faults(
    currents: Currents, there: Protected, names: Sequence[str]
) -> dict[str, list[tuple[Fault, Complex]]]:
    """Return the faults in a device's zone by type, each with the currents of all devices."""
    grid, k = currents.grid, names.index(there.position.switch)
    switch = next(s for s in grid.network.switches if s.name == there.position.switch)
    own = {"abc"[n - 1] for n in switch.nodes1 if 1 <= n <= 3}
    found: dict[str, list[tuple[Fault, Complex]]] = {}
    for bus, kind, phases in _bolted(grid, there.position.zone, own):
        i = currents.at(ft.Fault(bus, kind, phases))
        found.setdefault(kind, []).append((Fault(bus, kind, phases, float(np.max(np.abs(i[k])))), i))
    return found


def _bolted(grid: Grid, buses: Sequence[str], own: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Return (bus, type, phases) of every fault on phases that both the device and the bus have."""
    for bus in buses:
        there = {p for p in own if f"{bus}.{'abc'.index(p) + 1}" in grid.nodes.index}
        for kind, choices in PHASES.items():
            yield from ((bus, kind, phases) for phases in choices if set(phases) <= there)


def _extremes(faults: Sequence[Fault]) -> tuple[Fault, Fault]:
    return max(faults, key=lambda f: f.i_a), min(faults, key=lambda f: f.i_a)


def _margin(down: Device, up: Device, fault: Fault, i: Complex, margin_s: float) -> Margin:
    cleared, first = down.cleared(i[0]), up.first(i[1])
    return Margin(
        downstream=down.name,
        upstream=up.name,
        kind=fault.kind,
        place="",
        bus=fault.bus,
        phases=fault.phases,
        i_downstream_a=fault.i_a,
        i_upstream_a=float(np.max(np.abs(i[1]))),
        downstream_s=cleared.time_s,
        downstream_by=cleared.by,
        upstream_s=first.time_s,
        upstream_by=first.by,
        needed_s=margin_s if down.is_relay and up.is_relay else 0.0,
    )


def _chosen(seen: Sequence[Margin]) -> list[Margin]:
    """Return the margins at the largest and the smallest current, and the least if it is another one."""
    most = max(seen, key=lambda m: m.i_downstream_a)
    least = min(seen, key=lambda m: m.i_downstream_a)
    tight = min(seen, key=lambda m: m.margin_s)
    rows = [dc.replace(most, place=LARGEST), dc.replace(least, place=SMALLEST)]
    if tight.margin_s < min(most.margin_s, least.margin_s) - NOTABLE_S:
        rows.append(dc.replace(tight, place=TIGHTEST))
    return rows


# ------------------------------------------------------------------------------------- to be shown

COLUMNS = (
    "downstream",
    "upstream",
    "fault",
    "current",
    "bus",
    "phases",
    "i_downstream_a",
    "i_upstream_a",
    "downstream_s",
    "downstream_by",
    "upstream_s",
    "upstream_by",
    "margin_s",
    "needed_s",
    "verdict",
)


def rows(found: Coordination) -> list[dict[str, Any]]:
    """Return every margin by column name, JSON-ready: None is a device that does not act."""
    return [dict(zip(COLUMNS, _row(m), strict=True)) for m in found.margins]


def _row(m: Margin) -> list[Any]:
    return [
        m.downstream,
        m.upstream,
        m.kind,
        m.place,
        m.bus,
        m.phases,
        round(m.i_downstream_a, 3),
        round(m.i_upstream_a, 3),
        _time(m.downstream_s),
        m.downstream_by,
        _time(m.upstream_s),
        m.upstream_by,
        _time(m.margin_s),
        m.needed_s,
        m.verdict,
    ]


def _time(t_s: float) -> float | None:
    return round(t_s, 6) if math.isfinite(t_s) else None


def document(found: Coordination) -> dict[str, Any]:
    """Return everything that was found, JSON-ready."""
    return {
        "is_coordinated": found.is_coordinated,
        "devices": [_device(p) for p in found.protected.values()],
        "idle": list(found.idle),
        "levels": {
            name: {
                kind: {
                    word: {"bus": f.bus, "phases": f.phases, "i_a": round(f.i_a, 3)}
                    for word, f in zip((LARGEST, SMALLEST), pair, strict=True)
                }
                for kind, pair in kinds.items()
            }
            for name, kinds in found.levels.items()
        },
        "margins": rows(found),
    }


def _device(p: Protected) -> dict[str, Any]:
    told = {"name": p.device.name, "kind": "relay" if p.device.is_relay else "fuse"}
    if isinstance(p.device, FuseDevice):
        told["link"] = p.device.link_name
    return told | {
        "switch": p.position.switch,
        "upstream": p.position.upstream,
        "zone": list(p.position.zone),
    }
