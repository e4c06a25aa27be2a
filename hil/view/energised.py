"""Which parts of the network have voltage, phase by phase, by what is closed and what feeds.

Pure topology: a bus is live in a phase when closed things lead from a source that feeds to it. What is not
known (a breaker that moves, a contact that does not answer) is taken as open and as closed: where that
makes no difference it does not matter, elsewhere the bus is unknown.
"""

from __future__ import annotations

import dataclasses as dc
import enum
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from hil.view.model import StationModel

PHASE_LETTERS = "abc"
SWITCHING = ("breaker", "recloser", "switch", "fuse")
"""Kinds of branches that open and close."""


def mask_of(phases: str) -> int:
    """Return phases like "ac" as bits: a 1, b 2, c 4."""
    return sum(1 << k for k, p in enumerate(PHASE_LETTERS) if p in phases)


def phases_of(mask: int) -> str:
    """Return bits as phases like "ac"."""
    return "".join(p for k, p in enumerate(PHASE_LETTERS) if mask >> k & 1)


@dc.dataclass(frozen=True, slots=True)
class Conduction:
    """Phases that are closed for sure, and phases that may be closed (those included)."""

    sure: int
    maybe: int

    @classmethod
    def certain(cls, mask: int) -> Conduction:
        """Return what is known in every phase."""
        return cls(mask, mask)


class State(enum.Enum):
    """What a section is, as it is drawn."""

    LIVE = "live"
    PARTLY = "partly live"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dc.dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is there: at a bus, or on a line at a share of its length; a break opens its phases."""

    slot: str
    bus: str = ""
    line: str = ""
    fraction: float = 0.5
    mask: int = 0
    is_break: bool = False
    is_on: bool = True
    has_voltage: bool = False
    is_set_anew: bool = False
    """The slot's settings are others now than when it was applied; what is here is as it was then."""


@dc.dataclass(frozen=True, slots=True)
class Picture:
    """A network at one moment.

    Attributes
    ----------
    sure, maybe : tuple of int
        For each bus the phases that are live, and that may be.
    faulted : frozenset of int
        Buses of sections in which a fault is.
    """

    has: tuple[int, ...]
    sure: tuple[int, ...]
    maybe: tuple[int, ...]
    faulted: frozenset[int]

    def state(self, bus: int, mask: int = 7) -> State:
        """Return what a bus is, in some of its phases."""
        mask &= self.has[bus]
        sure, maybe = self.sure[bus] & mask, self.maybe[bus] & mask
        if sure != maybe:
            return State.UNKNOWN
        if not sure:
            return State.DEAD
        return State.LIVE if sure == mask else State.PARTLY


class Topology:
    """The network of a station's map, ready to be asked again and again.

    Attributes
    ----------
    index : dict
        Bus -> its number in ``model.buses``.
    ends : list of (int, int)
        Buses of each branch of ``model.branches``.
    """

    def __init__(self, model: StationModel) -> None:
        self.model = model
        self.index = {b.name: k for k, b in enumerate(model.buses)}
        self.has = tuple(mask_of(b.phases) for b in model.buses)
        self.ends = [(self.index[b.bus1], self.index[b.bus2]) for b in model.branches]
        self.masks = [mask_of(b.phases) for b in model.branches]
        self.line = {b.name: k for k, b in enumerate(model.branches) if b.kind == "line"}
        self._at: list[list[tuple[int, int]]] = [[] for _ in model.buses]
        for k, (first, second) in enumerate(self.ends):
            self._at[first].append((k, second))
            self._at[second].append((k, first))
        self.section = self._sections()

    def _sections(self) -> list[int]:
        """Number the sections between switching devices; the number of each bus."""
        section = [-1] * len(self.has)
        for begin in range(len(section)):
            if section[begin] >= 0:
                continue
            section[begin] = begin
            waiting = deque([begin])
            while waiting:
                for branch, other in self._at[waiting.popleft()]:
                    if section[other] < 0 and self.model.branches[branch].kind not in SWITCHING:
                        section[other] = begin
                        waiting.append(other)
        return section

    def neighbours(self, bus: int) -> list[int]:
        """Return the buses that are connected to one without a switching device between."""
        return [other for k, other in self._at[bus] if self.model.branches[k].kind not in SWITCHING]

    def picture(
        self,
        conduction: Mapping[int, Conduction],
        feeding: Iterable[tuple[str, Conduction]],
        faults: Sequence[Fault] = (),
    ) -> Picture:
        """Return the state of everything.

        Parameters
        ----------
        conduction : mapping
            Branch number -> what is closed; others are as they are normally.
        feeding : iterable of (bus, Conduction)
            Phases in which something feeds a bus.
        """
        sure, maybe = list(self.masks), list(self.masks)
        for k, branch in enumerate(self.model.branches):
            if k in conduction:
                sure[k] &= conduction[k].sure
                maybe[k] &= conduction[k].maybe
            elif not branch.is_closed:
                sure[k] = maybe[k] = 0
        for fault in faults:
            broken = self.line.get(fault.line)
            if fault.is_break and fault.is_on and broken is not None:
                sure[broken] &= ~fault.mask
                maybe[broken] &= ~fault.mask
        sources = [(self.index[bus], c) for bus, c in feeding if bus in self.index]
        return Picture(
            self.has,
            self._spread([(bus, c.sure) for bus, c in sources], sure),
            self._spread([(bus, c.maybe) for bus, c in sources], maybe),
            self._faulted(faults),
        )

    def _spread(self, sources: Iterable[tuple[int, int]], closed: Sequence[int]) -> tuple[int, ...]:
        live = [0] * len(self.has)
        waiting: deque[int] = deque()
        for bus, mask in sources:
            live[bus] |= mask & self.has[bus]
            waiting.append(bus)
        while waiting:
            bus = waiting.popleft()
            for branch, other in self._at[bus]:
                more = live[bus] & closed[branch] & self.has[other] & ~live[other]
                if more:
                    live[other] |= more
                    waiting.append(other)
        return tuple(live)

    def buses_of(self, fault: Fault) -> tuple[int, ...]:
        """Return the buses at a fault: its own, or both ends of its line."""
        if fault.line in self.line:
            return self.ends[self.line[fault.line]]
        return (self.index[fault.bus],) if fault.bus in self.index else ()

    def _faulted(self, faults: Iterable[Fault]) -> frozenset[int]:
        hit = {self.section[bus] for f in faults if f.is_on for bus in self.buses_of(f)}
        return frozenset(k for k, section in enumerate(self.section) if section in hit)
