"""A recorded run done again, and compared with what was recorded of it.

The plant follows from its configuration, its seed and the commands that were done at each step. Points
of the host's health (``is_health``) follow from the wall clock and are left out, as in the digest.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from hil.recorder.images import Recorded
from hil.recorder.soe import Soe
from hil.replay_run import RecordedRun
from rtcore.engine import Engine
from rtcore.ring import E_KIND, E_NEW, E_OLD, E_STEP, E_TARGET, EVENT_STATUS
from rtcore.shared_kernels import PULSE
from rtcore.world import K_COMMANDS

RELATIVE = 1e-9
"""Largest difference where bits need not agree, of the greater value."""
STEPS_AT_ONCE = 500
"""Between two looks at the event ring, which holds 8192: far more than a feeder changes in that time."""

Status = tuple[int, str, float, float]
"""Step, point, old, new."""


@dc.dataclass(frozen=True, slots=True)
class Difference:
    """The first thing that is not as recorded.

    Attributes
    ----------
    what : str
        ``image``, ``digest`` or ``event``.
    recorded, replayed : float, str or None
        None: there is none.
    after_step : int
        Up to this step everything was as recorded.
    n_points : int
        How many points differ in an image.
    """

    what: str
    step: int
    tag: str
    recorded: float | str | None
    replayed: float | str | None
    after_step: int
    n_points: int = 0


@dc.dataclass(frozen=True, slots=True)
class Outcome:
    """What a comparison found; ``difference`` None: nothing that differs."""

    difference: Difference | None
    n_images: int
    n_events: int
    n_commands: int
    last_step: int
    largest_relative: float


class Replay:
    """The engine of a recorded run, fed with its commands.

    Parameters
    ----------
    engine : Engine
        Fresh, of the run's configuration and seed.
    commands : sequence of Soe
        In the order in which the core did them.
    counted : sequence of int
        Steps of commands to points of health: the plant does not follow from what they wrote, but the
        digest takes settings in after every command.
    """

    def __init__(self, engine: Engine, commands: Sequence[Soe], counted: Sequence[int] = ()) -> None:
        self.engine = engine
        self._commands, self._next = commands, 0
        self._counted, self._next_counted = counted, 0
        self._health = np.array([p.is_health for p in engine.points], np.bool_)
        self.statuses: list[Status] = []

    @property
    def n_commands(self) -> int:
        """Commands done so far."""
        return self._next

    def advance(self, step: int) -> None:
        """Run until ``step`` has been done."""
        engine = self.engine
        while engine.n_steps <= step:
            self._do_commands()
            until = min(step + 1, engine.n_steps + STEPS_AT_ONCE)
            if self._next < len(self._commands):
                until = min(until, self._commands[self._next].step)
            if self._next_counted < len(self._counted):
                until = min(until, self._counted[self._next_counted])
            engine.step(until - engine.n_steps)
            self._take_statuses()

    def _do_commands(self) -> None:
        """Apply the commands of the next step.

        They were judged when they were given, in the groups in which they came; here they are known
        to have been done.
        """
        engine = self.engine
        points, counters = engine.world.points, engine.world.counters
        while self._next < len(self._commands) and self._commands[self._next].step <= engine.n_steps:
            command = self._commands[self._next]
            target, value = engine.index[command.tag], float(command.new or 0.0)
            if points.writable[target] != PULSE or value != 0.0:
                instrument = points.instrument[target]
                engine.world.x[instrument["source"]] = value / instrument["factor"]
            counters[K_COMMANDS] += 1
            self._next += 1
        before = self._next_counted
        while self._next_counted < len(self._counted) and self._counted[self._next_counted] <= engine.n_steps:
            self._next_counted += 1
        counters[K_COMMANDS] += self._next_counted - before

    def _take_statuses(self) -> None:
        for event in self.engine.events.take():
            if event[E_KIND] == EVENT_STATUS and not self._health[event[E_TARGET]]:
                tag = self.engine.points[event[E_TARGET]].tag
                self.statuses.append((event[E_STEP], tag, float(event[E_OLD]), float(event[E_NEW])))

    def compare(self, image: Recorded, *, exactly: bool) -> tuple[npt.NDArray[np.int64], float]:
        """Return the points that differ from an image, and the largest relative difference of any."""
        world = self.engine.world
        values = world.values
        scale = np.maximum(np.abs(values), np.abs(image.values))
        with np.errstate(invalid="ignore"):
            apart = np.where(
                scale > 0.0, np.abs(values - image.values) / np.where(scale > 0.0, scale, 1.0), 0.0
            )
        apart[np.isnan(values) & np.isnan(image.values)] = 0.0
        apart[self._health] = 0.0
        if exactly:
            differs = values.view(np.int64) != image.values.view(np.int64)
        else:
            differs = ~(apart <= RELATIVE)
        differs |= world.quality != image.quality
        return (differs & ~self._health).nonzero()[0], float(np.nanmax(apart, initial=0.0))


def replay(
    recorded: RecordedRun, engine: Engine, *, exactly: bool, tick: Callable[[int, int], None]
) -> Outcome:
    """Do a run again up to its first difference, or its last image.

    Parameters
    ----------
    exactly : bool
        Bit for bit, digests and changes of two-state points included; else values within ``RELATIVE``.
    tick : callable
        ``tick(images done, images in all)``.
    """
    again = Replay(engine, recorded.commands, recorded.counted)
    health = {p.tag for p in engine.points if p.is_health}
    statuses = [(s.step, s.tag, s.old, s.new) for s in recorded.statuses if s.tag not in health]
    after, largest, n_same, k = -1, 0.0, 0, 0
    difference: Difference | None = None
    for k, image in enumerate(recorded.images(), 1):
        again.advance(image.step)
        differing, apart = again.compare(image, exactly=exactly)
        largest = max(largest, apart)
        difference = _difference(again, image, differing, after, exactly=exactly)
        if exactly:
            earlier, n_same = _first_event(statuses, again.statuses, n_same, image.step, after)
            difference = earlier or difference
        if difference is not None:
            break
        after = image.step
        tick(k, recorded.n_images)
    return Outcome(difference, k, n_same, again.n_commands, engine.n_steps - 1, largest)


def _difference(
    again: Replay, image: Recorded, differing: npt.NDArray[np.int64], after: int, *, exactly: bool
) -> Difference | None:
    engine = again.engine
    if len(differing):
        at = int(differing[0])
        values: tuple[Any, Any] = float(image.values[at]), float(engine.world.values[at])
        if np.array_equal(*values, equal_nan=True):
            values = f"quality {image.quality[at]}", f"quality {engine.world.quality[at]}"
        return Difference("image", image.step, engine.points[at].tag, *values, after, len(differing))
    if exactly and image.digest != engine.digest:
        return Difference("digest", image.step, "", _hex(image.digest), _hex(engine.digest), after)
    return None


def _first_event(
    recorded: Sequence[Any], replayed: Sequence[Status], n_same: int, until: int, after: int
) -> tuple[Difference | None, int]:
    """Return the first change that is not as recorded, up to a step, and how many are the same."""
    for one, other in zip_longest(recorded[n_same:], replayed[n_same:]):
        steps = [s[0] for s in (one, other) if s is not None]
        if min(steps) > until:
            break
        if one != other:
            if one is None or (other is not None and other[0] < one[0]):
                return Difference("event", other[0], other[1], None, other[3], after), n_same
            same = other is not None and other[:2] == one[:2]
            return Difference("event", one[0], one[1], one[3], other[3] if same else None, after), n_same
        n_same += 1
    return None, n_same


def _hex(digest: int) -> str:
    return f"{digest & (2**64 - 1):016x}"
