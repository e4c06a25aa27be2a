"""A checked scenario: every tag known, every time a step, every limit a number."""

from __future__ import annotations

import dataclasses as dc
import enum
from pathlib import Path

from hil.station import Plan
from rtcore.commands import Reason
from rtcore.points import Point


class Form(enum.StrEnum):
    """Kinds of assertions."""

    AT = "at"
    ALWAYS = "always"
    EVENTUALLY = "eventually"
    STATISTIC = "statistic"
    ORDER = "order"
    COMMAND = "command"


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Commands of one time, applied together at the boundary of ``step``.

    ``at_ns``: the time as written, after the start; the step is the first that is not before it.
    ``said``: what the writes come to, where that says more than their list.
    """

    step: int
    at_ns: int
    name: str = ""
    note: str = ""
    writes: tuple[tuple[str, float], ...] = ()
    said: str = ""
    is_refusal_expected: bool = False
    reason: Reason | None = None


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One point of an assertion (less or plus others) and what its value must be."""

    point: Point
    low: float
    high: float


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """An assertion on values and quality over the steps ``first`` .. ``last``.

    Attributes
    ----------
    since_ns : int
        What the time an ``eventually`` took is counted from, after the start.
    share : float
        Tolerance as a share of the figure of the target alone, without ``plus`` and ``minus``;
        added on both sides of its limits.
    """

    title: str
    form: Form
    targets: tuple[Target, ...]
    first: int
    last: int
    quality: str
    plus: tuple[str, ...] = ()
    minus: tuple[str, ...] = ()
    statistic: str = ""
    since_ns: int = 0
    share: float = 0.0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A status change that a sequence waits for; without a time when ``at_ns`` is None.

    ``is_relative``: ``at_ns`` counts from the change before.
    """

    tag: str
    state: str
    value: int
    at_ns: int | None = None
    is_relative: bool = False
    tolerance_ns: int = 0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Status changes that must happen in this order within the steps ``first`` .. ``last``."""

    title: str
    changes: tuple[Change, ...]
    first: int
    last: int


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Points to keep at every ``every``-th step."""

    points: tuple[Point, ...] = ()
    every: int = 1


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario file, checked against its station.

    Attributes
    ----------
    plan : Plan
        The station, its time starting where the scenario starts.
    dt_ns, n_steps : int
        Step length [ns]; steps 0 .. ``n_steps - 1``, the last one at the end of the run.
    events : tuple of Event
        By step; within one step in the order of the file, the initial values first.
    """

    path: Path
    name: str
    title: str
    description: str
    plan: Plan
    dt_ns: int
    n_steps: int
    seed: int
    events: tuple[Event, ...]
    asserts: tuple[Check | Order, ...]
    record: Record

    @property
    def duration_ns(self) -> int:
        """Simulated time from the first step to the last [ns]."""
        return (self.n_steps - 1) * self.dt_ns

    def utc_ns(self, step: int) -> int:
        """Return the simulated time of a step [ns UTC since 1970]."""
        return self.plan.station.start_utc_ns + step * self.dt_ns
