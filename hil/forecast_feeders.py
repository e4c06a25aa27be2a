"""Loads that a forecast is of: those behind the branches that it is measured at; and their level now."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from estimation.pseudo_levels import Level, Levels
from forecasting.outputs import AHEAD
from hil.forecast_targets import Target
from hil.point_units import split_unit
from rtcore.clock import NS_PER_S
from rtcore.network.model import GROUND, Capacitor, Line, Network, Reactor, Switch, Transformer
from rtcore.points import Point
from rtcore.published import Layout, instance_of, kind_of
from rtcore.quality import BAD_FROM

Floats = npt.NDArray[np.float64]

SIGMAS_OF_80 = 2.0 * 1.2816
"""Width of an interval that holds 80 % of a normal variable [standard deviations]."""
S_PER_H = 3600.0
WHOLE, PHASES = "p_w", frozenset(("p1_w", "p2_w", "p3_w"))
"""Attributes that are the power through a terminal: of all phases, or those of each."""
FLEET = "pv_fleet"
"""Kind whose power is that of all photovoltaic sites."""

Nodes = frozenset[str]


@dc.dataclass(frozen=True, slots=True)
class Feeder:
    """A target and its loads, as positions among those of the network."""

    name: str
    loads: tuple[int, ...]


def feeders_of(
    targets: Sequence[Target], core: Sequence[Point], network: Network, say: Callable[[str], None]
) -> list[Feeder]:
    """Return the targets that loads can be brought to the level of; no load is in two of them.

    The loads of a target are those supplied through the branches that it is measured at, in the network as
    built. Where targets overlap the one with fewer loads counts. A target is left out, with a word to
    ``say``, where it is no sum of loads: its branches supply nothing by themselves, count loads twice, or a
    resource behind them is not added.
    """
    points = {p.tag: p for p in core}
    found = list[Feeder]()
    for target in targets:
        if target.is_sun:
            continue
        feeder, why = _feeder(target, points, network)
        if why:
            say(f"forecast {target.name!r} is no level for loads: {why}")
        elif feeder is not None:
            found.append(feeder)
    kept, taken = list[Feeder](), set[int]()
    for feeder in sorted(found, key=lambda x: len(x.loads)):
        if taken.isdisjoint(feeder.loads):
            kept.append(feeder)
            taken.update(feeder.loads)
    return kept


class ForecastLevels:
    """Levels of feeders from the points of the forecaster.

    Parameters
    ----------
    feeders : sequence of Feeder
    points : sequence of Point
        Those of the forecaster.
    step_ns : int
        Length of a step of the forecasts [ns].
    read : callable
        Gives their values, in the points' units, and qualities.
    say : callable
        Hears of every feeder without a forecast, once for each reason.
    """

    def __init__(
        self,
        feeders: Sequence[Feeder],
        points: Sequence[Point],
        step_ns: int,
        read: Callable[[], tuple[Floats, npt.NDArray[np.uint8]]],
        say: Callable[[str], None],
    ) -> None:
        self.feeders = tuple(feeders)
        self._step_ns, self._read, self._say = step_ns, read, say
        self._layout = Layout(points)
        self._factor = np.array([split_unit(p.unit)[0] for p in points])
        self._seen: set[str] = set()
        self._said: set[tuple[str, str]] = set()

    def at(self, sim_ns: int) -> Levels:
        """Return the forecast of the step that holds a moment, for each feeder that there is one for.

        It is the newest, made when the step began or, while that one is not there yet, a step or more sooner
        and less certain.
        """
        values, quality = self._read()
        known = np.where(quality < BAD_FROM, values * self._factor, np.nan)
        found = list[Level]()
        for feeder in self.feeders:
            level = self._level(feeder, known, sim_ns)
            if isinstance(level, Level):
                found.append(level)
                self._seen.add(feeder.name)
            else:
                self._tell(feeder.name, level if feeder.name in self._seen else "there has been none yet")
        return tuple(found)

    def _tell(self, name: str, why: str) -> None:
        if (name, why) not in self._said:
            self._said.add((name, why))
            self._say(f"no forecast of {name!r} ({why}): its loads follow their history meanwhile")

    def _level(self, feeder: Feeder, known: Floats, sim_ns: int) -> Level | str:
        """Return the level of a feeder, or why there is none."""
        end_h = self._value(known, feeder.name, "end_h")
        if not np.isfinite(end_h):
            return "there is none that is good"
        end_ns = round(end_h * S_PER_H) * NS_PER_S
        ahead = (sim_ns - end_ns) // self._step_ns
        if not 0 <= ahead < AHEAD:
            return "the newest is of another time"
        attrs = (f"{x}{ahead + 1}_w" for x in ("h", "low", "high"))
        p_w, low_w, high_w = (self._value(known, feeder.name, attr) for attr in attrs)
        if not (np.isfinite([p_w, low_w, high_w]).all() and low_w <= high_w):
            return "that of this step is not good"
        begin_ns = end_ns + ahead * self._step_ns
        sigma_w = (high_w - low_w) / SIGMAS_OF_80
        return Level(feeder.loads, begin_ns, begin_ns + self._step_ns, p_w, sigma_w)

    def _value(self, known: Floats, name: str, attr: str) -> float:
        at = self._layout.place("forecast", name, attr)
        return float(known[at]) if at >= 0 else np.nan


def _feeder(target: Target, points: dict[str, Point], network: Network) -> tuple[Feeder | None, str]:
    """Return the loads of a target, or why they are not known."""
    at: dict[tuple[str, float], set[str]] = {}
    added = set[str]()
    for tag, sign in zip(target.tags, target.signs, strict=True):
        point = points[tag]
        attr, own = point.attr.removeprefix("-"), -sign if point.attr.startswith("-") else sign
        if kind_of(point) == "terminal":
            at.setdefault((instance_of(point), own), set()).add(attr)
        elif kind_of(point) == FLEET:
            added.update(d.name for d in network.ders if d.kind == "pv")
        else:
            added.add(instance_of(point))
    count, resources = np.zeros(len(network.loads)), np.zeros(len(network.ders))
    for (terminal, sign), attrs in at.items():
        if not (WHOLE in attrs or attrs >= PHASES):
            return None, f"of {terminal} it is not measured by all phases"
        element, _, number = terminal.rpartition("@")
        behind, is_inside = supplied_through(network, element, int(number))
        toward = -sign if is_inside else sign
        count += toward * np.array([_ends(x.bus, x.nodes) <= behind for x in network.loads], bool)
        resources += toward * np.array([_ends(x.bus, x.nodes) <= behind for x in network.ders], bool)
    if not np.isin(count, (0.0, 1.0)).all():
        return None, "some loads count twice, or negatively"
    if not count.any():
        return None, "no load is supplied through what it is measured at alone"
    for der, n in zip(network.ders, resources, strict=True):
        if n and der.name not in added:
            return None, f"what {der.name} gives is not added"
    return Feeder(target.name, tuple(np.flatnonzero(count).tolist())), ""


def supplied_through(network: Network, element: str, terminal: int) -> tuple[Nodes, bool]:
    """Return the nodes that lose supply without a branch, and whether a terminal of it is among them.

    Switches are in their normal positions; resources supply nothing.
    """
    branches = dict(_branches(network))
    fed = _fed(network, branches.values())
    left = _fed(network, [ends for name, ends in branches.items() if name != element])
    lost = frozenset(fed - left)
    terminals = [_ends(bus, nodes) for name, bus, nodes in network.terminals() if name == element]
    return lost, bool(terminals[terminal - 1] & lost)


def _ends(bus: str, nodes: Iterable[int]) -> Nodes:
    return frozenset(f"{bus}.{n}" for n in nodes if n != GROUND)


def _branches(network: Network) -> Iterator[tuple[str, list[Nodes]]]:
    """Return what each element that is in service joins: nodes that one supplies the others of."""
    pairs: list[tuple[str, Line | Switch | Reactor | Capacitor]] = []
    pairs += [(f"line.{x.name}", x) for x in network.lines]
    pairs += [(f"switch.{x.name}", x) for x in network.switches if x.is_closed]
    pairs += [(f"reactor.{x.name}", x) for x in network.reactors if x.bus2]
    pairs += [(f"capacitor.{x.name}", x) for x in network.capacitors if x.bus2]
    for name, x in pairs:
        both = zip(x.nodes1, x.nodes2, strict=True)
        yield name, [_ends(x.bus1, [a]) | _ends(x.bus2, [b]) for a, b in both if GROUND not in (a, b)]
    wound: list[tuple[str, Transformer]] = [(f"transformer.{x.name}", x) for x in network.transformers]
    wound += [(f"regulator.{x.name}", x.transformer) for x in network.regulators]
    for name, t in wound:
        yield name, [frozenset[str]().union(*(_ends(w.bus, w.nodes) for w in t.windings))]


def _fed(network: Network, branches: Iterable[list[Nodes]]) -> set[str]:
    """Return the nodes that hang together with a source."""
    beside: dict[str, list[Nodes]] = {}
    for joined in branches:
        for nodes in joined:
            for node in nodes:
                beside.setdefault(node, []).append(nodes)
    ahead = [n for s in network.sources for n in _ends(s.bus, s.nodes)]
    fed = set(ahead)
    while ahead:
        for nodes in beside.get(ahead.pop(), ()):
            ahead += nodes - fed
            fed |= nodes
    return fed
