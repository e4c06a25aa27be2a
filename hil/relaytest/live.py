"""The bench of a running station: commands through a ring of its own, events as they come.

Operate times are counted in steps, from the step whose image shows an injection first to the step in
which the device's command was applied; both belong to the loop, so no clock of this process is in them.
"""

from __future__ import annotations

import cmath
import contextlib
import dataclasses as dc
import fcntl
import itertools
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from hil import joined_board, segment
from hil.relaytest.bench import Applied, Facts, Health, Injection, Seen, Traces
from hil.relaytest.live_traces import TraceTail
from hil.relaytest.station_facts import facts
from hil.relaytest.uncertainty import delays_s
from hil.runspec import PRODUCERS, RunSpec
from hil.station import Plan, read_plan
from rtcore.board import CTL_ENDED, Snapshot
from rtcore.commands import REASON_TEXT, Reason, Verdict
from rtcore.errors import HostError
from rtcore.points import index_of
from rtcore.protection.injection import TOKENS
from rtcore.protection.scheme import Relay
from rtcore.ring import (
    E_CAUSE,
    E_KIND,
    E_NEW,
    E_OLD,
    E_STEP,
    E_TARGET,
    E_UTC_NS,
    EVENT_COMMAND,
    EVENT_OVERRUN,
    EVENT_SLIP,
    EVENT_STATUS,
    EventReader,
    Producer,
    RingPair,
    bits_float,
)

SET = "LAB.INJECT"
PRODUCER = "bench"
POLL_S = 0.001
VERDICT_S = 5.0
DEAD_S = 4.0
"""A loop whose heartbeat is older than this has died [s]; one that is held up for a second has not."""
DEAD_PERIODS = 4
AGAIN_S = 0.2
KEPT_MAX = 1_000_000
"""Most signs of life, tokens, overruns and slips that are kept of a shot, the latest ones."""
CLOSE_S = 60.0
"""How long a breaker is asked to close [s]."""
HELD_UP = "the bench was held up: events of the plant were lost"


@dc.dataclass(frozen=True, slots=True)
class Outputs:
    """Points that the device writes: what a write of something other than 0 means, and of 0.

    By default binary input 1 of the test set is the trip, 2 the close, 3 the pickup; a command of the
    breaker at the location is a trip or close as well.
    """

    tags: Mapping[str, str] = dc.field(default_factory=dict)
    """What ("trip", "close", "pickup", "retrip", "backup") -> tag."""


class LiveBench:
    """A test set in a running station; implements ``bench.Bench``.

    Parameters
    ----------
    spec : RunSpec
        Of the run.
    outputs : Outputs
        Where the device's outputs arrive.

    Raises
    ------
    HostError
        Another bench is connected to this run, or the station has no test set.
    """

    def __init__(self, spec: RunSpec, outputs: Outputs | None = None) -> None:
        self.spec = spec
        self.plan: Plan = read_plan(spec.core["station"])
        self._index = index_of(spec.points)
        if f"{SET}.ACTIVE" not in self._index:
            raise HostError(f"station {spec.name} has no test set: no device with the points {SET}.*")
        self._lock = _lock(spec.run_dir / "bench.lock")
        self._board = joined_board.attach(spec)
        self._events = EventReader(segment.attach(spec.events_path))
        pair = RingPair(segment.attach(spec.ring_path(PRODUCER), writable=True))
        pair.check()
        self._producer = Producer(pair, os.getpid() & 0x7FFFFFFF)
        self._verdicts: dict[int, Verdict] = {}
        self.dt_s = spec.core["dt_ns"] * 1e-9
        self._outputs = outputs or Outputs()
        self._relay: Relay | None = None
        self._meaning: dict[tuple[int, int], Callable[[float], str]] = {}
        self._seen: deque[Seen] = deque()
        self._tokens: deque[tuple[int, int]] = deque(maxlen=KEPT_MAX)
        self._signs: deque[int] = deque(maxlen=KEPT_MAX)
        self._late: deque[tuple[int, float]] = deque(maxlen=KEPT_MAX)
        self._slips: deque[tuple[int, float]] = deque(maxlen=KEPT_MAX)
        self._is_measuring = False
        self._has_fault = False
        self._n_lost = 0
        self._lost: list[tuple[int, int]] = []
        self._taken_step = 0
        self._device_points = self._written_by_device()
        self._tail: TraceTail | None = None
        self.facts: Facts = facts(self.plan, self.dt_s)

    # ---- commands -----------------------------------------------------------------------------

    def command(self, writes: Mapping[str, float]) -> Applied:
        """Write points by tag, all at one step; returns that step.

        Raises
        ------
        HostError
            The plant refused, with the reason of each point; or gave no answer.
        """
        group = [(self._index[tag], float(value)) for tag, value in writes.items()]
        ids = self._producer.push(group, time.monotonic_ns())
        if ids is None:
            raise HostError("the plant takes no commands: the queue is full")
        deadline = time.monotonic() + VERDICT_S
        while not all(i in self._verdicts for i in ids):
            self._verdicts |= self._producer.poll()
            self._check_alive()
            if time.monotonic() > deadline:
                raise HostError("the plant gave no verdict in time")
            time.sleep(POLL_S / 2)
        verdicts = [self._verdicts.pop(i) for i in ids]
        refused = [
            f"{tag}: {REASON_TEXT[v.reason]}"
            for tag, v in zip(writes, verdicts, strict=True)
            if not v.is_done and v.reason is not Reason.GROUP_REFUSED
        ]
        if refused:
            raise HostError("; ".join(refused))
        step = verdicts[0].step
        return Applied(step, self._instant(step))

    def value(self, tag: str) -> float:
        """Return a point's value in the newest image."""
        return float(self._snapshot().values[self._index[tag]])

    def _check_alive(self) -> None:
        """Raise HostError when the station has ended, or its loop has died: nothing comes any more."""
        if self._board.ctl[CTL_ENDED]:
            raise HostError(f"station {self.spec.name} has ended")
        if self._board.published < 0 or self._silent_s() <= self._dead_s:
            return
        time.sleep(AGAIN_S)  # whoever stopped both of us may have let us go on first
        if (age_s := self._silent_s()) > self._dead_s:
            raise HostError(f"station {self.spec.name} has ended: no sign of life of it for {age_s:.0f} s")

    def _silent_s(self) -> float:
        return self._board.beat_age_ns(time.monotonic_ns()) * 1e-9

    @property
    def _dead_s(self) -> float:
        return max(DEAD_S, DEAD_PERIODS * float(self.spec.core["period_ns"]) * 1e-9)

    def _snapshot(self) -> Snapshot:
        self._check_alive()
        found = self._board.read()
        if found is None:
            raise HostError("the plant publishes nothing")
        return found

    def _instant(self, step: int) -> int:
        """Return the deadline of a step [monotonic ns]; time that slips meanwhile is told by ``health``."""
        s = self._snapshot()
        return s.mono_ns + (step - s.step) * int(self.spec.core["period_ns"])

    # ---- the bench ----------------------------------------------------------------------------

    def connect(self, location: str, *, through_ct: bool = False) -> None:
        """Put the test set at a relay: its trips are blocked, it measures as a shadow from now on."""
        scheme = self.plan.scheme
        assert scheme is not None
        number = [r.name for r in scheme.relays].index(location) + 1
        self.restore()
        self.disconnect()
        self._relay = scheme.relays[number - 1]
        blocked = f"{self._relay_tag()}.BLOCKED"
        self.command({f"{SET}.LOCATION": number, f"{SET}.THROUGH_CT": through_ct, blocked: 1})
        self._meaning = self._meanings()
        self._device_points = self._written_by_device()
        self._tail = TraceTail(segment.attach(self.spec.waves_path), number - 1)
        self.drain()
        self._forget()

    def restore(self) -> str:
        """Clear away what a bench left that was killed; return what that was, nothing when there is none.

        A bench enters its location and blocks the relay there at one step, and undoes both at one step.
        """
        if self._relay is not None:
            return ""
        scheme = self.plan.scheme
        number, is_on = int(self.value(f"{SET}.LOCATION")), self.value(f"{SET}.ACTIVE") != 0.0
        left = ["the sources of the test set were on"] if is_on else []
        writes = {f"{SET}.ACTIVE": 0.0, f"{SET}.LOCATION": 0.0, f"{SET}.THROUGH_CT": 0.0}
        if scheme is not None and 0 < number <= len(scheme.relays):
            relay = self._device_of(f"relay.{scheme.relays[number - 1].name}")
            if self.value(f"{relay}.BLOCKED") != 0.0:
                writes[f"{relay}.BLOCKED"] = 0.0
                left.append(f"relay {relay} was blocked")
        if left:
            self.command(writes)
        return "; ".join(left)

    def disconnect(self) -> None:
        """Take the sources and a fault of ours away and let the relay trip again."""
        self._is_measuring = False
        if self._has_fault:  # before the relay, or it would see it
            with contextlib.suppress(HostError):  # the sources have to go in any case
                self.apply_fault(None)
            self._has_fault = False
        if self._relay is not None:
            blocked = f"{self._relay_tag()}.BLOCKED"
            self.command({f"{SET}.ACTIVE": 0, blocked: 0, f"{SET}.LOCATION": 0, f"{SET}.THROUGH_CT": 0})
            self._relay = None

    def close(self) -> None:
        """Disconnect and give the station free for another bench."""
        with contextlib.suppress(HostError):  # a station that ended needs nothing
            self.disconnect()
        os.close(self._lock)

    def inject(self, injection: Injection | None) -> Applied:
        """Set the sources; with None the location sees the feeder again."""
        if injection is None:
            self._is_measuring = False
            return self.command({f"{SET}.ACTIVE": 0})
        self._measure()
        writes: dict[str, float] = {
            "ACTIVE": 1,
            "FOLLOWING": float(injection.follow_52a),
            "F_HZ_SP": injection.f_hz,
            "DF_HZ_S": injection.df_hz_s,
            "PLAY": 0,
        }
        for quantity, unit, phasors in (("I", "A", injection.i_a), ("V", "V", injection.v_v)):
            for k, phasor in zip("ABC", phasors, strict=True):
                writes[f"{quantity}{k}_{unit}"] = abs(phasor)
                writes[f"{quantity}{k}_DEG"] = _degrees(phasor)
        return self.command({f"{SET}.{name}": value for name, value in writes.items()})

    def apply_fault(self, name: str | None) -> Applied:
        """Put a fault of the library on the feeder; with None clear it."""
        if name is None:
            applied = self.command({"LAB.FAULT_1.CLEAR": 1})
            self._has_fault = False
            return applied
        number = self.plan.faults.names.index(name) + 1
        self.command({"LAB.FAULT_1.ENTRY": 0})
        self.command({"LAB.FAULT_1.ENTRY": number})
        self.command({"LAB.ARM.ARM": 1})
        self._has_fault = True  # before it is: a signal may come in between
        return self.command({"LAB.FAULT_1.APPLY": 1})

    def close_breaker(self) -> None:
        """Close the breaker at the location and wait until it is closed (no event is drained).

        A shot begins with it: what was kept of earlier ones for ``health`` and ``signs`` is forgotten.
        """
        self._forget()
        tag = self._breaker_tag()
        if tag is None:
            return
        deadline, why = time.monotonic() + CLOSE_S, ""
        while self.value(f"{tag}.ST_52A") == 0.0:
            try:
                self.command({f"{tag}.CLOSE": 1})
                why = "the plant takes the command, but something opens it again; is a trip held?"
            except HostError as refused:  # its spring may have to be wound first
                why = str(refused)
            if time.monotonic() > deadline:
                raise HostError(f"breaker {tag} does not close within {CLOSE_S:g} s: {why}")
            self._pause(0.2)

    def wait(self, what: frozenset[str], timeout_s: float) -> Seen | None:
        """Return the next event of these kinds, or None after ``timeout_s``; others stay for ``drain``."""
        end_step = self._snapshot().step + round(timeout_s / self.dt_s)
        while True:
            is_over = self._take() > end_step
            for seen in self._seen:
                if seen.what in what:
                    self._seen.remove(seen)
                    return seen
            if is_over:
                return None
            time.sleep(POLL_S)

    def drain(self) -> list[Seen]:
        """Return every event not yet returned, in order, without waiting."""
        self._take()
        found, self._seen = list(self._seen), deque()
        return found

    def health(self, first_step: int, zero_step: int, last_step: int) -> Health:
        """Return the worst of these steps; see ``Bench``."""
        while self._take() < last_step:
            time.sleep(POLL_S)
        self._is_measuring = False
        self._check_whole(first_step, last_step)
        late = [s for step, s in self._late if zero_step <= step <= last_step]
        marks = [first_step, *self.signs(first_step, last_step), last_step]
        silent = max(b - a for a, b in itertools.pairwise(marks)) * self.dt_s
        return Health(
            late_max_s=max(late, default=0.0),
            slipped_s=sum(s for step, s in self._slips if zero_step <= step <= last_step),
            n_overruns=len(late),
            device_silent_s=silent,
        )

    def signs(self, first_step: int, last_step: int) -> list[int]:
        """Return the steps in which the device wrote what a device writes (``_written_by_device``)."""
        return [s for s in self._signs if first_step <= s <= last_step]

    def traces(self, first_step: int, last_step: int) -> Traces:
        """Return what the relay at the location saw, of these steps; both included, some may be lost."""
        return Traces.none() if self._tail is None else self._tail.between(first_step, last_step)

    def calibrate(self, seconds: float) -> list[float]:
        """Return how long the device took to answer [s], of every step of the time; see ``Bench``."""
        self._take()
        self._forget()
        first = self._snapshot().step
        last = first + round(seconds / self.dt_s)
        while self._take() < last:
            time.sleep(POLL_S)
        self._check_whole(first, last)
        echoes = [
            (step - (step - token) % TOKENS - first, step - first)
            for step, token in self._tokens
            if step >= first
        ]
        return delays_s([e for e in echoes if e[0] >= 0], self.dt_s, last - first)

    def sleep(self, s: float) -> None:
        """Let time pass, in steps of the plant."""
        end = self._snapshot().step + round(s / self.dt_s)
        while self._take() < end:
            time.sleep(POLL_S)

    # ---- events -------------------------------------------------------------------------------

    def _pause(self, s: float) -> None:
        end = time.monotonic() + s
        while time.monotonic() < end:
            self._take()
            time.sleep(POLL_S)

    def _take(self) -> int:
        """Sort new events; returns the newest step."""
        if self._tail is not None:
            self._tail.follow()
        s = self._snapshot()
        for e in self._events.take():
            self._sort(e, s)
        if self._events.n_lost > self._n_lost:
            self._n_lost = self._events.n_lost
            self._lost.append((self._taken_step, s.step))
            if self._is_measuring:
                raise HostError(HELD_UP)
        self._taken_step = s.step
        return s.step

    def _measure(self) -> None:
        """Begin to measure: a loss before is told by ``health`` of a shot that it belongs to, by no wait."""
        self._is_measuring = False
        self._take()
        self._is_measuring = True

    def _check_whole(self, first_step: int, last_step: int) -> None:
        """Raise HostError when events of these steps were lost."""
        if any(a <= last_step and first_step < b for a, b in self._lost):
            raise HostError(HELD_UP)

    def _forget(self) -> None:
        """Drop what was kept for ``health``, ``signs`` and ``calibrate``: a shot or a calibration begins."""
        self._lost.clear()
        for kept in (self._tokens, self._signs, self._late, self._slips):
            kept.clear()

    def _sort(self, e: tuple[int, ...], s: Snapshot) -> None:
        step, kind, target = e[E_STEP], e[E_KIND], e[E_TARGET]
        if kind == EVENT_OVERRUN:
            self._late.append((step, (e[E_OLD] + e[E_NEW]) * 1e-9))
        elif kind == EVENT_SLIP:
            self._slips.append((step, e[E_NEW] * 1e-9))
        elif kind == EVENT_COMMAND and e[E_CAUSE] != self._cause:
            if e[E_CAUSE] != self._player and target in self._device_points:
                self._signs.append(step)
            if e[E_OLD] == 0 and target == self._index[f"{SET}.TOKEN_IN"]:
                self._tokens.append((step, int(bits_float(e[E_NEW]))))
        meaning = self._meaning.get((kind, target))
        if meaning is None or (kind == EVENT_COMMAND and e[E_CAUSE] == self._cause):
            return
        value = bits_float(e[E_NEW]) if kind == EVENT_COMMAND else float(e[E_NEW])
        what = meaning(value)
        if not what:
            return
        mono_ns = s.mono_ns + (step - s.step) * int(self.spec.core["period_ns"])
        at_ns = mono_ns
        if what.startswith("shadow"):
            # the internal relay has a current from the beginning of its step on, an image shows it at the end
            at_ns = e[E_UTC_NS] - (s.utc_ns - s.mono_ns) + int(self.spec.core["period_ns"])
        self._seen.append(Seen(step, mono_ns, what, value, at_ns))

    def _meanings(self) -> dict[tuple[int, int], Callable[[float], str]]:
        """Return what events of the location's points mean."""
        outputs = {"trip": f"{SET}.INPUT_1", "close": f"{SET}.INPUT_2", "pickup": f"{SET}.INPUT_3"}
        outputs |= self._outputs.tags
        found: dict[tuple[int, int], Callable[[float], str]] = {}
        for what, tag in outputs.items():
            on, off = (what, "dropout") if what == "pickup" else (what, "")
            found[EVENT_COMMAND, self._index[tag]] = _edge(on, off)
        breaker, relay = self._breaker_tag(), self._relay_tag()
        if breaker is not None:
            for what, name in (("trip", "TRIP"), ("close", "CLOSE")):
                found.setdefault((EVENT_COMMAND, self._index[f"{breaker}.{name}"]), _edge(what, ""))
            found[EVENT_STATUS, self._index[f"{breaker}.ST_52A"]] = lambda _: "52a"
        for name, on, off in (("TRIP", "shadow_trip", ""), ("PICKUP", "shadow_pickup", "shadow_dropout")):
            found[EVENT_STATUS, self._index[f"{relay}.{name}"]] = _edge(on, off)
        return found

    def _written_by_device(self) -> frozenset[int]:
        """Return the points that a device writes: token, inputs, named outputs, the location's breaker."""
        inputs = f"{SET}.INPUT_"
        tags = {p.tag for p in self.spec.points if p.tag.startswith(inputs)} | {f"{SET}.TOKEN_IN"}
        tags |= set(self._outputs.tags.values())
        breaker = None if self._relay is None else self._breaker_tag()
        if breaker is not None:
            tags |= {f"{breaker}.TRIP", f"{breaker}.CLOSE"}
        return frozenset(self._index[tag] for tag in tags)

    @property
    def _cause(self) -> int:
        return PRODUCERS.index(PRODUCER) + 1

    @property
    def _player(self) -> int:
        return PRODUCERS.index("recorder") + 1

    def _relay_tag(self) -> str:
        assert self._relay is not None
        return self._device_of(f"relay.{self._relay.name}")

    def _breaker_tag(self) -> str | None:
        assert self._relay is not None
        return self._device_of(f"breaker.{self._relay.breaker}") if self._relay.breaker else None

    def _device_of(self, source: str) -> str:
        """Return the first two levels of the tags of a component's device."""
        for p in self.spec.points:
            if p.source == source:
                return p.tag.rpartition(".")[0]
        raise HostError(f"no points of {source} in station {self.spec.name}")


def _edge(on: str, off: str) -> Callable[[float], str]:
    return lambda value: on if value != 0.0 else off


def _degrees(phasor: complex) -> float:
    return math.degrees(cmath.phase(phasor))


def _lock(path: Path) -> int:
    """Take the bench of a run; the kernel gives it back whatever way this process ends."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise HostError("another relay test or attack runs on this station; wait, or stop it") from None
    return fd


@contextlib.contextmanager
def bench_of(spec: RunSpec, outputs: Outputs | None = None) -> Iterator[LiveBench]:
    """Give the bench of a running station and clear everything away at the end."""
    bench = LiveBench(spec, outputs)
    try:
        yield bench
    finally:
        bench.close()
