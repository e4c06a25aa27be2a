"""Headless run of a scenario: the engine under its virtual clock, commands in time, points watched.

The run is cut only where something happens (an event, the begin or end of a window), so that
between those steps nothing but compiled code runs. Same file and seed: same plant, bit for bit.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from hil.scenario_hash import config_hash
from hil.scenario_model import Check, Event, Order, Scenario
from hil.scenario_sections import QUALITIES
from hil.station import make_setup
from protocols.setpoint_steps import is_on_step, step_of
from rtcore.commands import Reason, Verdict
from rtcore.engine import Engine
from rtcore.points import index_of
from rtcore.ring import E_CAUSE, E_KIND, E_NEW, E_OLD, E_STEP, E_TARGET, EVENT_STATUS
from rtcore.sampler import Channel, Sample, Sampler
from rtcore.world import K_FP_EVENTS, K_NOT_CONVERGED

CHUNK_S = 0.2
"""Wall time after which progress is shown and the event ring is emptied [s]."""
CHUNK_STEPS_MAX = 2000
"""Most steps between two looks at the event ring, which holds 8192 records."""
HAPPENINGS_MAX = 100_000
"""Most happenings kept that are not status changes; the rest is counted."""


@dc.dataclass(frozen=True, slots=True)
class Happening:
    """One record of the plant's event ring; ``tag`` is empty where it concerns no point."""

    step: int
    kind: int
    tag: str
    old: int
    new: int
    cause: int


@dc.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an event's commands: one verdict per write."""

    event: Event
    verdicts: tuple[Verdict, ...]

    @property
    def reason(self) -> Reason:
        """Why it was refused, DONE when it was not."""
        refusals = [v.reason for v in self.verdicts if not v.is_done]
        own = [r for r in refusals if r is not Reason.GROUP_REFUSED]
        return next(iter(own or refusals), Reason.DONE)

    @property
    def is_as_expected(self) -> bool:
        """Tell whether the plant answered as the scenario says."""
        event, reason = self.event, self.reason
        if not event.is_refusal_expected:
            return reason is Reason.DONE
        return reason is not Reason.DONE and event.reason in (None, reason)


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything one run of a scenario has shown.

    Attributes
    ----------
    samples : tuple
        Per assertion, per target: the samples of the target (with ``plus`` and ``minus``) and of
        the target alone; none for a sequence.
    trace : ndarray, shape (rows, n_recorded)
        Recorded points; row r is step ``r * record.every``.
    happenings_left_out, happenings_lost : int
        Not kept; overwritten in the ring before they could be read.
    digest : int
        Chained digest of every image: equal digests, equal histories.
    """

    scenario: Scenario
    config_hash: str
    outcomes: tuple[Outcome, ...]
    samples: tuple[tuple[tuple[Sample, Sample], ...], ...]
    trace: npt.NDArray[np.float64]
    happenings: tuple[Happening, ...]
    happenings_left_out: int
    happenings_lost: int
    not_converged: int
    fp_events: int
    digest: int
    wall_s: float
    started_utc_s: float

    @property
    def simulated_s(self) -> float:
        """Simulated time covered [s]."""
        return self.scenario.n_steps * self.scenario.dt_ns / 1e9

    @property
    def realtime_factor(self) -> float:
        """Simulated seconds per second."""
        return self.simulated_s / max(self.wall_s, 1e-9)


def run(scenario: Scenario, tick: Callable[[int, int], None] = lambda _done, _all: None) -> Run:
    """Run a scenario to its end; ``tick(steps done, steps in all)`` shows progress."""
    setup = make_setup(scenario.plan, scenario.dt_ns, {"seed": scenario.seed}, scenario.duration_ns * 1e-9)
    return _Runner(scenario, Engine(setup)).run(tick)


class _Runner:
    """One run under way."""

    def __init__(self, scenario: Scenario, engine: Engine) -> None:
        self.scenario, self.engine = scenario, engine
        self.index = index = index_of(engine.points)
        channels: list[Channel] = []
        self.windows: list[tuple[int, int]] = []
        self.rows: list[list[tuple[int, int]]] = []
        for given in scenario.asserts:
            rows = []
            for pair in _channels(given, index):
                rows.append((len(channels), len(channels) + len(pair) - 1))
                channels += pair
                self.windows += [(given.first, given.last)] * len(pair)
            self.rows.append(rows)
        points = [index[p.tag] for p in scenario.record.points]
        every = scenario.record.every
        self.sampler = Sampler(channels, points, every, (scenario.n_steps - 1) // every + 1)
        self.outcomes: list[Outcome] = []
        self.happenings: list[Happening] = []
        self.n_left_out = self.n_others = 0
        self._chunk = 50

    def run(self, tick: Callable[[int, int], None]) -> Run:
        scenario, engine = self.scenario, self.engine
        self.sampler.compile(engine)
        started_utc_s, started = time.time(), time.perf_counter()
        cuts = self._cuts()
        for begin, end in itertools.pairwise(cuts):
            pending = [(e, engine.command(e.writes)) for e in self._takeable(begin)]
            opening = [c for c, (first, _) in enumerate(self.windows) if first == begin]
            self.sampler.prime(engine, opening)
            active = [c for c, (first, last) in enumerate(self.windows) if first <= begin and end - 1 <= last]
            self._advance(end, np.array(active, np.int64), tick)
            verdicts = engine.verdicts()
            self.outcomes += [Outcome(e, tuple(verdicts[i] for i in ids)) for e, ids in pending]
        wall_s = time.perf_counter() - started
        counters = engine.world.counters
        return Run(
            scenario=scenario,
            config_hash=config_hash(scenario, engine.setup),
            outcomes=tuple(self.outcomes),
            samples=tuple(
                tuple((self.sampler.sample(a), self.sampler.sample(b)) for a, b in rows) for rows in self.rows
            ),
            trace=self.sampler.trace,
            happenings=tuple(self.happenings),
            happenings_left_out=self.n_left_out,
            happenings_lost=engine.events.n_lost,
            not_converged=int(counters[K_NOT_CONVERGED]),
            fp_events=int(counters[K_FP_EVENTS]),
            digest=engine.digest,
            wall_s=wall_s,
            started_utc_s=started_utc_s,
        )

    def _cuts(self) -> list[int]:
        """Return the steps at which something begins or ends, first and last included."""
        cuts = {0, self.scenario.n_steps} | {e.step for e in self.scenario.events}
        for first, last in self.windows:
            cuts |= {first, last + 1}
        return sorted(cuts)

    def _events_of(self, step: int) -> list[Event]:
        return [e for e in self.scenario.events if e.step == step]

    def _advance(self, end: int, active: npt.NDArray[np.int64], tick: Callable[[int, int], None]) -> None:
        """Run to a step in chunks of about CHUNK_S."""
        while self.engine.n_steps < end:
            n = min(self._chunk, end - self.engine.n_steps)
            started = time.perf_counter()
            self.sampler.step(self.engine, n, active)
            self._take_happenings()
            tick(self.engine.n_steps, self.scenario.n_steps)
            pace_s = max((time.perf_counter() - started) / n, 1e-9)
            self._chunk = max(1, min(CHUNK_STEPS_MAX, int(CHUNK_S / pace_s)))

    def _takeable(self, step: int) -> Iterator[Event]:
        """Yield the events of a step whose commands go to the plant.

        A setpoint that masters can write in whole steps only (a word's number, a flag) is refused
        anything between, as gateways do.
        """
        points, index = self.engine.points, self.index
        for event in self._events_of(step):
            off = [not is_on_step(value, step_of(points[index[tag]])) for tag, value in event.writes]
            if any(off):
                reasons = (Reason.OUT_OF_RANGE if is_off else Reason.GROUP_REFUSED for is_off in off)
                self.outcomes.append(Outcome(event, tuple(Verdict(reason) for reason in reasons)))
            elif event.writes:
                yield event

    def _take_happenings(self) -> None:
        for record in self.engine.events.take():
            target = record[E_TARGET]
            tag = self.engine.points[target].tag if 0 <= target < len(self.engine.points) else ""
            if record[E_KIND] != EVENT_STATUS:
                self.n_others += 1
                if self.n_others > HAPPENINGS_MAX:
                    self.n_left_out += 1
                    continue
            self.happenings.append(
                Happening(record[E_STEP], record[E_KIND], tag, record[E_OLD], record[E_NEW], record[E_CAUSE])
            )


def _channels(given: Check | Order, index: dict[str, int]) -> list[list[Channel]]:
    """Return, per target, the channel of what is asserted and that of the target alone if need be."""
    if isinstance(given, Order):
        return []
    others = tuple((index[t], 1.0) for t in given.plus) + tuple((index[t], -1.0) for t in given.minus)
    low, high = QUALITIES[given.quality]
    found = []
    for target in given.targets:
        terms = ((index[target.point.tag], 1.0), *others)
        # Limits of a statistic are for the statistic; every value of the window passes.
        limits = {} if given.statistic or given.share else {"low": target.low, "high": target.high}
        pair = [Channel(terms=terms, quality_low=low, quality_high=high, **limits)]
        if given.share:
            pair.append(Channel(terms=terms[:1], quality_low=low, quality_high=high))
        found.append(pair)
    return found
