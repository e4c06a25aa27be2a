"""Selectivity sweep: a fault at every place of a station, run through the whole plant and judged.

One engine is built and settled; every case begins from that moment (``engine_snapshot``), so it costs
only its steps. Faults and breaker failures are put into the plant's state as the commands of an
instructor would. A case ends when the fault is not fed and every timer that could trip or close is
quiet for a while, or when it is fed and nobody is about to do anything.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import numpy.typing as npt

from hil.engine_snapshot import Snapshot
from hil.fault_library import PHASES, TYPES
from hil.selectivity_cases import FAILURE, MIDDLE, TEMPORARY, Case
from hil.selectivity_judge import Event, Judged, judge
from hil.station import Plan, make_setup
from rtcore.engine import Engine
from rtcore.errors import GridhilError, Problem, UserInputError
from rtcore.network.fault_table import place_table
from rtcore.plant import fault
from rtcore.plant.breaker import CLOSING, OPENING
from rtcore.points import Kind
from rtcore.protection.recloser_79 import QUIET
from rtcore.protection.relay import PICKUP
from rtcore.protection.scheme import Scheme
from rtcore.ring import E_KIND, E_NEW, E_TARGET, E_UTC_NS, EVENT_STATUS
from rtcore.world import K_NOT_CONVERGED

Rows = npt.NDArray[np.int64]

FRACTION = 1
"""Column of an element's row; see ``element.ELEMENT``."""

ARMED_S = 1.0
SETTLE_S = 2.0
"""Before the first fault: controls and measuring elements are then where they stay."""
LOOK_S = 0.05
"""How often a dead fault is looked at; below any time in which somebody can trip and clear after a close."""
QUIET_S = 0.5
"""Nothing under way for this long is the end; a load that picks up after a reclosure shows within it."""
STUCK_S = 2.0
"""A fed fault at which nobody has been picked up for this long stays fed."""
LIMIT_S = 90.0
"""Above every sequence of open intervals of the shipped schemes."""
LIMIT_FAILURE_S = 5.0
"""Breaker failure is a matter of tenths of a second."""
JAMMED = 2.0
"""Value of a breaker's ``fail_trip_sp``."""

SLOW = ("thermal_49",)
"""Functions whose pickup says nothing about the present fault: they integrate over minutes."""

WATCHED = (
    ("breaker", "is_52a"),
    ("fuse", "is_blown"),
    ("relay", "is_trip"),
    ("relay", "is_locked_out"),
    ("recloser_79", "is_lockout"),
    ("breaker_failure_50bf", "is_operated"),
    ("fault", "is_on"),
    ("fault", "is_live"),
)
"""Statuses (kind, attribute) that the verdict needs as points."""


@dc.dataclass(frozen=True, slots=True)
class Result:
    """One case and what came of it.

    ``spent`` and ``margin_s`` are of the upstream relay, see ``Backup``; None when it was not picked up,
    or is not there.
    """

    case: Case
    judged: Judged
    spent: float
    margin_s: float | None
    seconds: float
    """Simulated time that the case took [s]."""


class Rig:
    """A settled engine that runs cases."""

    def __init__(self, plan: Plan, dt_ns: int) -> None:
        assert plan.scheme is not None, "only a station with a protection scheme"
        self.scheme: Scheme = plan.scheme
        self.dt_s = dt_ns * 1e-9
        self.places = {name: k for k, name in enumerate(place_table(plan.network))}
        self.engine = Engine(make_setup(plan, dt_ns))
        self.watched = _watched(plan)
        self.engine.step(round(SETTLE_S / self.dt_s))
        self.snapshot = Snapshot(self.engine)
        matrix = self.engine.world.relays.matrix
        functions = [
            e.function
            for r in self.scheme.relays
            for e in r.elements
            if e.function not in ("recloser_79", "directional_67")
        ]
        is_counted = np.array([f not in SLOW for f in functions], bool) & (matrix.trips != 0)
        self._tripping = matrix.rows[is_counted]
        self._of_relay = {
            r.name: matrix.rows[a:b][is_counted[a:b]]
            for r, a, b in zip(self.scheme.relays, matrix.first, matrix.first[1:], strict=False)
        }

    def run(self, case: Case) -> Result:
        """Run one case from the snapshot."""
        self.snapshot.restore()
        engine, world = self.engine, self.engine.world
        self._strike(case)
        begin_s = (engine.n_steps - 1) * self.dt_s  # the fault begins with the step that takes it
        backup = Backup(self._of_relay.get(case.expected.upstream_relay, self._tripping[:0]), self.dt_s)
        events: list[Event] = []
        still_s, strikes = 0.0, world.faults.s["strikes"][0]
        troubles = int(world.counters[K_NOT_CONVERGED])
        is_live = True
        while True:
            n = 1 if is_live else max(1, round(LOOK_S / self.dt_s))
            engine.step(n)
            if world.faults.s["strikes"][0] == strikes:
                raise GridhilError(f"{case.kind} at {case.place}: the plant did not take the fault")
            events += self._events(begin_s)
            was_live, is_live = is_live, world.faults.s["is_live"][0] != 0.0
            if is_live:
                backup.look(world.x)
            elif was_live:
                backup.clear(self.dt_s - min(max(float(world.faults.s["dead_s"][0]), 0.0), self.dt_s))
            still_s = 0.0 if self._is_busy() else still_s + n * self.dt_s
            is_over = still_s >= (STUCK_S if is_live else QUIET_S)
            seconds = engine.n_steps * self.dt_s - begin_s
            if is_over or seconds > (LIMIT_FAILURE_S if case.life == FAILURE else LIMIT_S):
                break
        if is_live:
            backup.clear(0.0)
        judged = judge(
            case, events, is_over=is_over, troubles=int(world.counters[K_NOT_CONVERGED]) - troubles
        )
        return Result(case, judged, backup.spent, backup.left_s, seconds)

    def _strike(self, case: Case) -> None:
        """Set the fault up for the next step, and the failure."""
        world, s = self.engine.world, self.engine.world.faults.s
        s["place_sp"][0] = self.places[case.place]
        s["fraction_sp"][0] = MIDDLE
        s["type_sp"][0] = TYPES[case.kind][0]
        s["phases_sp"][0] = sum(1 << PHASES.index(p) for p in case.phases)
        s["life_sp"][0] = fault.TEMPORARY if case.life == TEMPORARY else fault.PERMANENT
        s["apply"][0] = 1.0
        world.faults.arming["is_armed"][0], world.faults.arming["time_left_s"][0] = 1.0, ARMED_S
        if case.life == FAILURE:
            relay = [r.name for r in self.scheme.relays].index(case.expected.relay)
            world.breakers.s["fail_trip_sp"][world.relays.own[relay]] = JAMMED

    def _events(self, begin_s: float) -> list[Event]:
        epoch_ns, found = self.engine.setup.clock.epoch_ns, []
        for record in self.engine.events.take():
            if record[E_KIND] == EVENT_STATUS and record[E_TARGET] in self.watched:
                t_s = (record[E_UTC_NS] - epoch_ns) * 1e-9 - begin_s
                found.append(Event(t_s, *self.watched[record[E_TARGET]], record[E_NEW] != 0))
        return found

    def _is_busy(self) -> bool:
        """Tell whether somebody is about to trip, to open, to close or to melt."""
        w = self.engine.world
        states, fuses = w.breakers.s["state"], w.fuses.s
        return bool(
            np.any(w.x[self._tripping + PICKUP] != 0.0)
            or np.any(w.relays.s["sealed"] != 0.0)
            or np.any(w.relays.recloser_79.s["phase"] != QUIET)
            or np.any((states == OPENING) | (states == CLOSING))
            or any(np.any((fuses[m] > 0.05) & (fuses[m] < 1.0)) for m in ("melt_1", "melt_2", "melt_3"))
        )


class Backup:
    """Travel of the elements of the upstream relay while the fault is fed.

    ``spent`` and ``left_s`` are of the instants at which the fault was cleared: the largest share of its
    operating time that an element had spent, and the least time that one still had to go.
    """

    def __init__(self, rows: Rows, dt_s: float) -> None:
        self._at, self._dt_s = rows + FRACTION, dt_s
        self._last = self._rate_per_s = np.zeros(len(rows))
        self.spent: float = 0.0
        self.left_s: float | None = None

    def look(self, x: npt.NDArray[np.float64]) -> None:
        """Take the travel at the end of a step with the fault fed."""
        now = x[self._at]
        self._rate_per_s = np.maximum(now - self._last, 0.0) / self._dt_s
        self._last = now

    def clear(self, part_s: float) -> None:
        """Note the clearing, ``part_s`` into the step after the one looked at last."""
        for at, per_s in zip(self._last, self._rate_per_s, strict=True):
            if per_s > 0.0:
                spent = min(at + part_s * per_s, 1.0)
                left_s = float((1.0 - spent) / per_s)
                self.spent = max(self.spent, float(spent))
                self.left_s = left_s if self.left_s is None else min(self.left_s, left_s)
        self._last = self._rate_per_s = np.zeros(len(self._at))


def _watched(plan: Plan) -> dict[int, tuple[str, str, str]]:
    """Return point number -> (kind, instance, attribute) of the statuses that are needed."""
    found: dict[int, tuple[str, str, str]] = {}
    for k, p in enumerate(plan.points.points):
        kind, _, name = p.source.partition(".")
        if p.kind is Kind.STATUS and (kind, p.attr) in WATCHED and (kind != "fault" or name == "1"):
            found[k] = (kind, name, p.attr)
    missing = sorted(_needed(plan) - set(found.values()))
    if missing:
        file = plan.station.name
        raise UserInputError(
            [
                Problem(file, f"{kind}.{name}", f"no status point shows its {attr}")
                for kind, name, attr in missing
            ]
        )
    return found


def _needed(plan: Plan) -> set[tuple[str, str, str]]:
    scheme = plan.scheme
    assert scheme is not None
    names: dict[str, list[str]] = {
        "breaker": [r.breaker for r in scheme.relays if r.breaker],
        "relay": [r.name for r in scheme.relays],
        "fuse": [s.name for s in plan.network.switches if s.kind == "fuse"],
        "fault": ["1"],
    }
    for kind in ("recloser_79", "breaker_failure_50bf"):
        names[kind] = [f"{r.name}.{e.name}" for r in scheme.relays for e in r.of(kind)]
    return {(kind, name, attr) for kind, attr in WATCHED for name in names[kind]}
