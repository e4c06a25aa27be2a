"""What a shot is made of: states that follow one another, times to measure in it, what was seen.

References in measures and triggers name a state (its start) or an event: ``trip``, ``trip#2`` for the
second one since the state ``zero`` began. The event 52a is ``52a_open`` and ``52a_closed`` here.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
import re

from hil.relaytest.bench import ALL_EVENTS, DEVICE_EVENTS, Health, Injection, Seen
from hil.relaytest.recording import Recording

REFERENCE = re.compile(r"([a-z0-9_]+)(?:#([1-9]\d*))?")
EVENT_NAMES = frozenset(ALL_EVENTS - {"52a"} | {"52a_open", "52a_closed"})
"""Events as plans and reports call them."""


@dc.dataclass(frozen=True, slots=True)
class Wobble:
    """Factors on the current of a state, one after the other, each for ``every_s``; the last one stays."""

    every_s: float
    factors: tuple[float, ...]


@dc.dataclass(frozen=True, slots=True)
class State:
    """Sources for a time.

    Attributes
    ----------
    source : Injection, str or None
        Ideal sources; the name of a fault on the feeder; the feeder as it is.
    duration_s : float
        At most.
    until : frozenset of str
        The state ends when all of these events have come.
    shadow_s : float
        So long from its beginning the state goes on for the internal relay's trip, too.
    """

    name: str
    source: Injection | str | None
    duration_s: float
    until: frozenset[str] = frozenset()
    shadow_s: float = 0.0
    wobble: Wobble | None = None


@dc.dataclass(frozen=True, slots=True)
class Measure:
    """A time to be measured.

    Attributes
    ----------
    expected_s : float or None
        None: what the internal relay does in this very shot.
    low_s, high_s : float
        Limits of what is allowed; with ``expected_s`` None they are deviations from it.
    is_absent : bool
        The stop must not come; the start must.
    n_edges : int
        Ends of earlier states that count as the device saw them: each adds uncertainty.
    """

    name: str
    start: str
    stop: str
    expected_s: float | None
    low_s: float
    high_s: float
    is_absent: bool = False
    n_edges: int = 0

    @property
    def tolerance_s(self) -> float:
        """Half the width of what is allowed [s]."""
        return (self.high_s - self.low_s) / 2.0


@dc.dataclass(frozen=True, slots=True)
class ShotPlan:
    """One shot.

    Attributes
    ----------
    zero : str
        State whose start is the time 0 of the shot.
    is_single : bool
        One operation, one command: a second trip in it is a fault of the device.
    """

    label: str
    states: tuple[State, ...]
    measures: tuple[Measure, ...] = ()
    never: tuple[str, ...] = ()
    zero: str = "fault"
    multiple: float | None = None
    loop: str = ""
    is_single: bool = True

    @property
    def tolerance_s(self) -> float:
        """Smallest tolerance of a time in this shot [s]; infinite when none is measured."""
        return min((m.tolerance_s for m in self.measures if not m.is_absent), default=float("inf"))


@dc.dataclass(frozen=True, slots=True)
class Mark:
    """An event, or the start of a state (``state:fault``)."""

    what: str
    step: int
    mono_ns: int
    at_ns: int
    value: float = 1.0

    @property
    def instant_ns(self) -> int:
        """Return when it happened: within the step for the internal relay, else the step's instant."""
        return self.at_ns if self.what.startswith("shadow_") else self.mono_ns

    @property
    def is_device(self) -> bool:
        """Tell whether it came from the device, over the connection."""
        return self.what in DEVICE_EVENTS


@dc.dataclass(slots=True)
class ShotRecord:
    """What happened in a shot, in the order of seeing; nothing is judged here."""

    plan: ShotPlan
    marks: list[Mark] = dc.field(default_factory=list)
    health: Health = dc.field(default_factory=Health)
    recording: Recording | None = None
    signs: list[int] = dc.field(default_factory=list)
    """Steps in which the device gave a sign of life."""

    @property
    def zero_ns(self) -> int:
        """Return the instant of time 0."""
        mark = self.state(self.plan.zero) or self.marks[0]
        return mark.mono_ns

    @property
    def heart(self) -> Mark:
        """Return the mark about which waveforms tell most: time 0; in a search, what the device did first."""
        begun = self.state(self.plan.zero)
        if begun is not None and begun.what != f"state:{self.plan.states[0].name}":
            return begun
        return next((m for m in self.marks if m.is_device), begun or self.marks[0])

    def state(self, name: str) -> Mark | None:
        """Return the start of a state."""
        return next((m for m in self.marks if m.what == f"state:{name}"), None)

    def find(self, reference: str) -> Mark | None:
        """Return the mark that a reference names, None when it did not happen."""
        state = self.state(reference)
        if state is not None:
            return state
        name, nth = split(reference)
        found = [m for m in self.marks if m.what == name and m.instant_ns >= self.zero_ns]
        return found[nth - 1] if len(found) >= nth else None

    @property
    def is_heard(self) -> bool:
        """Tell whether anything of the device was seen in the shot."""
        return bool(self.signs) or any(m.is_device for m in self.marks)

    def silence_steps(self, first: Mark, last: Mark) -> int:
        """Return the longest silence of the device that touches the time between two marks; 0 unknown."""
        gaps = itertools.pairwise(self.signs)
        return max((b - a for a, b in gaps if b > first.step and a < last.step), default=0)

    def since(self, name: str) -> list[Mark]:
        """Return the events from the start of a state on."""
        start = self.state(name)
        return [] if start is None else [m for m in self.marks if m.mono_ns >= start.mono_ns]


def split(reference: str) -> tuple[str, int]:
    """Return name and ordinal of a reference.

    >>> split("trip#2")
    ('trip', 2)
    """
    match = REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError(f"{reference!r} is no reference; write a state's name, or trip, or trip#2")
    return match[1], int(match[2] or 1)


def mark_of(seen: Seen) -> Mark:
    """Return a bench's event as a mark."""
    what = seen.what
    if what == "52a":
        what = "52a_closed" if seen.value else "52a_open"
    return Mark(what, seen.step, seen.mono_ns, seen.at_ns, seen.value)
