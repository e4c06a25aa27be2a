"""What a point measures: from component and attribute to a channel of the estimator.

=================  ==================  =============================================================
source             attribute           measurement
=================  ==================  =============================================================
bus.B              v1_v .. v3_v        voltage of node 1 .. 3 (phase a .. c) of B to ground
terminal.E@t       i1_a .. i3_a        current magnitude in phase a .. c of element E at its terminal t
terminal.E@t       p1_w .., q1_var ..  power in that phase, positive into the element
terminal.E@t       p_w, q_var          the same, sum over the phases that the terminal has
load.L (wye)       v1_v .. v3_v        voltage of the load's first .. third leg to its grounded neutral
load.L (wye)       p1_w .., q1_var ..  power drawn by that leg: the injection with its sign turned
load.L (2 nodes)   p1_w, q1_var        of a load between two nodes: sum of both nodes, sign turned
generator, source  p_w, q_var          power delivered: injection, sum over the machine's nodes
battery.D, pv.D    p_w, q_var          the same
capacitor.C        q_var               reactive power supplied: flow into the bank, sign turned
relay_inputs.R     ia_a .. ic_a        current at the terminal of the relay's CTs
relay_inputs.R     va_v .. vc_v        voltage to ground at the bus of its VTs
=================  ==================  =============================================================

A leading ``-`` of the attribute is in the point's value and is taken out again. The legs of a load are the
nodes that it names, in that order; phases are node numbers. What a load or a resource draws or delivers is
the injection of its nodes only where nothing else injects there. No measurements are: the voltage across a
delta load and powers of the branches of a larger one (the estimator knows nodes, not differences), ``i_a``
and ``v_pu`` of resources (largest, mean), demands, angles of relay inputs (they refer to their own voltage).

Instruments: as declared for the point. Relay inputs have their errors in the relay's own transformers, of
which the class limits count; their phase errors do not move a magnitude.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from estimation.channels import Accuracy, Channel, Contacts
from estimation.measurements import Kind, Measurement
from hil.point_files import PointSet, instrument_arrays
from hil.point_units import factor_of
from hil.station import Plan
from rtcore.assembly.places import terminal_named
from rtcore.network import admittance as adm
from rtcore.network.model import Der, Load, Network
from rtcore.points import Kind as PointKind
from rtcore.points import Point

FLOOR_FRAC = 1e-5
"""Least sigma over the largest value that an instrument shows: well below every class, so that it only keeps
"exact" instruments from weighing without bound."""

PHASES = (1, 2, 3)
PHASE_ATTR = re.compile(r"([vipq])([123])_(v|a|w|var)")
RELAY_ATTR = re.compile(r"([iv])([abc])_([av])")
LINK_ATTR = re.compile(r"is_blown_([abc])")
FLOWS = {"i": Kind.I_MAG, "p": Kind.P_FLOW, "q": Kind.Q_FLOW}
INJECTIONS = {"p": Kind.P_INJ, "q": Kind.Q_INJ}
RESOURCES = ("source", "generator", "battery", "pv")


MEASURED = {
    "bus": PHASE_ATTR,
    "terminal": re.compile(".*"),
    "load": PHASE_ATTR,
    "capacitor": re.compile("q_var"),
    "relay_inputs": RELAY_ATTR,
    **dict.fromkeys(RESOURCES, re.compile("p_w|q_var")),
}
"""Sources of points, and which of their attributes are measurements."""


class NoMeasurementError(Exception):
    """Says why a point is no measurement."""


def why_not_measured(point: Point) -> str:
    """Return why a point is no measurement in any network; empty where it may be one."""
    if point.kind is not PointKind.ANALOG:
        return f"is a {point.kind} point, not a measured one"
    attr = point.attr.removeprefix("-")
    form = MEASURED.get(point.source.partition(".")[0])
    if form is None or not form.fullmatch(attr):
        return f"{point.source} {attr} is nothing that the estimator can use"
    return ""


class Binder:
    """Makes channels of the points of one station."""

    def __init__(self, plan: Plan) -> None:
        self.network, self.points, self.scheme = plan.network, plan.points, plan.scheme
        self._nodes = adm.node_table(plan.network)
        self._arrays = instrument_arrays(plan.points.points, plan.points.instruments)

    def channel(self, index: int, period_s: float) -> Channel:
        """Return the channel of a point; NoMeasurementError where it is none."""
        point = self.points.points[index]
        if why := why_not_measured(point):
            raise NoMeasurementError(why)
        kind, element, terminal, nodes, sign = self._meaning(point)
        factor = sign / factor_of(point.attr, point.unit)
        measurement = Measurement(
            name=point.tag, kind=kind, element=element, terminal=terminal, nodes=nodes, is_pseudo=False
        )
        accuracy = self._accuracy(index, abs(factor), factor)
        return Channel(
            measurement=measurement, point=index, factor=factor, accuracy=accuracy, period_s=period_s
        )

    def _meaning(self, point: Point) -> tuple[Kind, str, int, tuple[int, ...], float]:
        """Return kind, element, terminal, nodes, and the sign of SI value over attribute."""
        source, _, name = point.source.partition(".")
        attr = point.attr.removeprefix("-")
        if source == "bus" and (found := PHASE_ATTR.fullmatch(attr)):
            return Kind.V_MAG, name, 0, self._at_bus(name, (int(found[2]),)), 1.0
        if source == "terminal":
            return self._flow(name, attr)
        if source == "load" and (found := PHASE_ATTR.fullmatch(attr)):
            return self._load(name, found[1], int(found[2]))
        if source in RESOURCES and attr in ("p_w", "q_var"):
            return self._resource(source, name, attr[0])
        if source == "capacitor" and attr == "q_var":
            element = f"capacitor.{name}"
            return Kind.Q_FLOW, element, 1, self._at_terminal(element, 1), -1.0
        found = RELAY_ATTR.fullmatch(attr)
        assert found is not None, point.source  # the last of what is measured
        return self._relay(name, found[1], "abc".index(found[2]) + 1)

    def _flow(self, name: str, attr: str) -> tuple[Kind, str, int, tuple[int, ...], float]:
        element, terminal = terminal_named(name)
        there = self._at_terminal(element, terminal)
        if attr in ("p_w", "q_var"):
            return FLOWS[attr[0]], element, terminal, there, 1.0
        found = PHASE_ATTR.fullmatch(attr)
        assert found is not None, attr  # a terminal has nothing else
        if int(found[2]) not in there:
            raise NoMeasurementError(f"{name} has no phase {found[2]}")
        return FLOWS[found[1]], element, terminal, (int(found[2]),), 1.0

    def _load(self, name: str, letter: str, leg: int) -> tuple[Kind, str, int, tuple[int, ...], float]:
        load = next(x for x in self.network.loads if x.name == name)
        pairs = self._load_pairs[name]
        if leg > len(pairs):
            raise NoMeasurementError(f"load.{name} has no leg {leg}")
        a, b = pairs[leg - 1]
        if letter == "v" and b == 0:
            return Kind.V_MAG, load.bus, 0, (a,), 1.0
        if letter == "v":
            raise NoMeasurementError(f"is a voltage between two nodes of {load.bus}")
        if b and len(pairs) > 1:
            raise NoMeasurementError(f"is the power of one branch of the delta load {name}")
        nodes = (a, b) if b else (a,)
        self._check_alone(f"load.{name}", load.bus, nodes)
        return INJECTIONS[letter], load.bus, 0, nodes, -1.0

    def _resource(self, kind: str, name: str, letter: str) -> tuple[Kind, str, int, tuple[int, ...], float]:
        place = self._resource_places.get(name)
        if place is None:
            raise NoMeasurementError(f"{kind}.{name} is not in the network")
        element, bus, nodes = place
        self._check_alone(element, bus, nodes)
        return INJECTIONS[letter], bus, 0, nodes, 1.0

    def _relay(self, name: str, letter: str, phase: int) -> tuple[Kind, str, int, tuple[int, ...], float]:
        assert self.scheme is not None  # points bind to relays of a scheme only
        relay = next(r for r in self.scheme.relays if r.name == name)
        if letter == "v":
            if not relay.vt_bus:
                raise NoMeasurementError(f"relay {name} has no voltage transformers")
            return Kind.V_MAG, relay.vt_bus, 0, self._at_bus(relay.vt_bus, (phase,)), 1.0
        if not relay.terminal:
            raise NoMeasurementError(f"relay {name} has no current transformers")
        return self._flow(relay.terminal, f"i{phase}_a")

    def _accuracy(self, index: int, size: float, factor: float) -> Accuracy:
        point, a = self.points.points[index], {k: x[index] for k, x in self._arrays.items()}
        ends = sorted((factor * point.minimum, factor * point.maximum))
        if point.source.startswith("relay_inputs."):
            return self._relay_accuracy(point)
        return Accuracy(
            class_frac=a["class_frac"],
            noise_frac=a["noise_frac"],
            noise_abs=a["noise_abs"] * size,
            quantum=a["quantum_abs"] * size,
            cutoff=a["cutoff_abs"] * size,
            low=ends[0],
            high=ends[1],
            floor=FLOOR_FRAC * max(abs(x) for x in ends),
        )

    def _relay_accuracy(self, point: Point) -> Accuracy:
        assert self.scheme is not None
        relay = next(r for r in self.scheme.relays if r.name == point.source.partition(".")[2])
        which = "ct" if point.attr.endswith("_a") else "vt"
        rated = relay.inputs.ct_primary_a if which == "ct" else self._base_v[relay.vt_bus]
        # The noise is added to the phasor, each of real and imaginary part has it: what moves a magnitude
        # is the part in line with it.
        return Accuracy(
            class_frac=getattr(relay.inputs, f"{which}_class_pct") / 100.0,
            noise_frac=getattr(relay.inputs, f"{which}_noise_pct") / 100.0,
            floor=FLOOR_FRAC * rated,
        )

    # -- where things are ----------------------------------------------------------------

    def _at_bus(self, bus: str, nodes: tuple[int, ...]) -> tuple[int, ...]:
        for k in nodes:
            if f"{bus}.{k}" not in self._nodes.index:
                raise NoMeasurementError(f"bus {bus} has no phase {k}")
        return nodes

    def _at_terminal(self, element: str, terminal: int) -> tuple[int, ...]:
        """Return the phases that a terminal has, in the order of its conductors."""
        block = self._blocks[element]
        at = block.nodes[block.terminal == terminal].tolist()
        numbers = [int(self._nodes.names[i].rpartition(".")[2]) for i in at if i >= 0]
        return tuple(k for k in numbers if k in PHASES)

    def _check_alone(self, element: str, bus: str, nodes: Sequence[int]) -> None:
        """Refuse a meter of one of several elements at a node: none of them is what is injected there."""
        others = sorted({e for k in nodes for e in self._injecting.get(f"{bus}.{k}", ()) if e != element})
        if others:
            raise NoMeasurementError(f"{element} is not alone at {bus}: {', '.join(others)} is there, too")

    @cached_property
    def _blocks(self) -> dict[str, adm.Block]:
        return {b.element: b for b in adm.blocks(self.network, self._nodes)}

    @cached_property
    def _base_v(self) -> dict[str, float]:
        return {b.name: 1e3 * b.base_kv_ln for b in self.network.buses}

    @cached_property
    def _load_pairs(self) -> dict[str, list[tuple[int, int]]]:
        """Node numbers at both ends of every branch of every load; 0 is ground."""
        branches, names = adm.load_branches(self.network, self._nodes), self._nodes.names

        def number(node: int) -> int:
            return int(names[node].rpartition(".")[2]) if node >= 0 else 0

        found: dict[str, list[tuple[int, int]]] = {x.name: [] for x in self.network.loads}
        for i, a, b in zip(branches.load.tolist(), branches.a.tolist(), branches.b.tolist(), strict=True):
            found[self.network.loads[i].name].append((number(a), number(b)))
        return found

    @cached_property
    def _resource_places(self) -> dict[str, tuple[str, str, tuple[int, ...]]]:
        """Name -> element, bus and phases of sources and resources; a generator may be a source's machine."""
        found = {s.name: (f"source.{s.name}", s.bus, s.nodes) for s in self.network.sources}
        return found | {d.name: (f"der.{d.name}", d.bus, live_nodes(d)) for d in self.network.ders}

    @cached_property
    def _injecting(self) -> dict[str, list[str]]:
        """Node -> elements that inject there: loads, sources, resources."""
        found: dict[str, list[str]] = {}
        places = [(f"load.{x.name}", x.bus, live_nodes(x)) for x in self.network.loads]
        for element, bus, nodes in (*places, *self._resource_places.values()):
            for k in nodes:
                found.setdefault(f"{bus}.{k}", []).append(element)
        return found


def live_nodes(element: Load | Der) -> tuple[int, ...]:
    """Return the nodes of a load or resource without ground and neutral."""
    last = element.phases if element.conn == "wye" else len(element.nodes)
    return tuple(k for k in element.nodes[:last] if k)


# -- how things are switched ------------------------------------------------------------------


def poles_of(network: Network) -> dict[str, tuple[int, ...]]:
    """Return the phases of every switch."""
    return {s.name: tuple(k for k in s.nodes1 if k in PHASES) for s in network.switches}


def poles_listed(points: PointSet) -> dict[str, tuple[int, ...]]:
    """Return the phases of every fuse whose links a point list has."""
    found: dict[str, tuple[int, ...]] = {}
    for point in points.core:
        kind, _, name = point.source.partition(".")
        if kind == "fuse" and (link := LINK_ATTR.fullmatch(point.attr)):
            found[name] = tuple(sorted({*found.get(name, ()), "abc".index(link[1]) + 1}))
    return found


def contacts_of(
    poles: Mapping[str, tuple[int, ...]], points: PointSet, chosen: Sequence[int]
) -> tuple[dict[str, Contacts], dict[str, int], dict[str, int], list[tuple[int, str]]]:
    """Return switch -> contacts, regulator -> tap point, capacitor -> point, and (point, why it is none).

    Breakers tell by ``is_52a``, or by ``is_52b`` where that is chosen; fuses by the links of their poles
    (``poles``: phases by switch).
    """
    links: dict[str, dict[int, int]] = {}
    switches, taps, capacitors, wrong = {}, {}, {}, []
    for i in chosen:
        point = points.points[i]
        kind, _, name = point.source.partition(".")
        if kind == "breaker" and point.attr in ("is_52a", "is_52b"):
            at = 1.0 if point.attr == "is_52a" else 0.0
            if name in switches:
                wrong.append((i, f"breaker {name} has a contact already; choose 52a or 52b"))
            else:
                switches[name] = Contacts(points=(i,), closed_at=at)
        elif kind == "fuse" and (found := LINK_ATTR.fullmatch(point.attr)):
            links.setdefault(name, {})["abc".index(found[1]) + 1] = i
        elif kind == "regulator" and point.attr == "tap":
            taps[name] = i
        elif kind == "capacitor" and point.attr == "is_closed":
            capacitors[name] = i
        else:
            wrong.append((i, f"{point.source} {point.attr} tells of no switch, tap or capacitor"))
    for name, of_phase in links.items():
        missing = [k for k in poles[name] if k not in of_phase]
        if missing:
            wrong += [
                (i, f"no point for the link of phase {missing[0]} of fuse {name}") for i in of_phase.values()
            ]
            continue
        switches[name] = Contacts(points=tuple(of_phase[k] for k in poles[name]), closed_at=0.0)
    return switches, taps, capacitors, wrong


def repeated(channels: Sequence[Channel]) -> list[str]:
    """Return the tags that are read more than once."""
    return repeated_tags(c.measurement.name for c in channels)


def repeated_tags(tags: Iterable[str]) -> list[str]:
    """Return what is there more than once."""
    return [tag for tag, n in Counter(tags).items() if n > 1]


def readings(channels: Sequence[Channel], values: Any) -> Any:
    """Return what the channels read in SI units, from the values of all points."""
    at = np.array([c.point for c in channels], np.int64)
    return np.asarray(values, float)[at] * np.array([c.factor for c in channels])
