"""A bench under a virtual clock: a toy relay behind a connection with a poll and latencies."""

from __future__ import annotations

import cmath
import heapq
import itertools
import math
from collections.abc import Callable

import numpy as np

from hil.relaytest.bench import (
    Applied,
    Facts,
    Health,
    Injection,
    Phasors,
    RelayFacts,
    Seen,
    Traces,
    balanced,
)
from hil.relaytest.uncertainty import delays_s
from tests.unit.hil.relaytest.toy_relay import Inputs, ToyRelay

V_NOMINAL = 7967.0
FACTS = Facts(
    dt_s=0.001,
    locations={"cb_203": RelayFacts(ct_ratio=80.0, vt_ratio=120.0, v_nominal_v=V_NOMINAL, f_nominal_hz=60.0)},
    i_max_a=20e3,
    v_max_v=20e3,
    f_min_hz=45.0,
    f_max_hz=65.0,
    df_max_hz_s=10.0,
    faults=("head", "far"),
    tags=frozenset(("BF.RETRIP", "BF.BACKUP")),
)
STEP_NS = 1_000_000
OPEN_S, CLOSE_S = 0.05, 0.06
FAULT_A = {"head": 1500.0, "far": 100.0}


class SimBench:
    """Implements ``hil.relaytest.bench.Bench``; every time is virtual."""

    def __init__(
        self,
        relay: ToyRelay,
        poll_s: float = 0.005,
        seed: int = 1,
        rtt_s: float = 0.0005,
        shadow: bool = True,
        tokens: bool = True,
    ) -> None:
        self.facts, self.relay, self.poll_s, self.rtt_s = FACTS, relay, poll_s, rtt_s
        self.rng = np.random.default_rng(seed)
        self.now_s, self.count = 0.0, itertools.count()
        self.heap: list[tuple[float, int, Callable[[], None]]] = []
        self.queue: list[Seen] = []
        self.source: Injection | None = None
        self.since_s, self.fault = 0.0, None
        self.is_closed, self.has_shadow = True, shadow
        self.shadow_x, self.shadow_s, self.shadow_version = 0.0, 0.0, 0
        self.echoes: list[tuple[int, int]] = []
        self.has_tokens = tokens
        self.heard: list[int] = []
        """Steps in which anything of the device arrived."""
        self.log: list[str] = []
        self.history: list[tuple[int, Phasors, Phasors, float, float]] = []
        """Currents, voltages, frequency and its rate of change from each step on in which they changed."""
        self.healths: list[Health] = []
        """Of the next shots, instead of good health."""
        self.extra_s = 0.0
        """Added to every answer: a connection that has become slower."""
        self.at(self.rng.uniform(0.0, poll_s), self._poll)

    # ---- Bench --------------------------------------------------------------------------------

    def connect(self, location: str, *, through_ct: bool = False) -> None:
        self.log.append(f"connect {location} {'through its CTs' if through_ct else 'at its terminals'}")

    def inject(self, injection: Injection | None) -> Applied:
        return self._applied(lambda: self._set(injection))

    def apply_fault(self, name: str | None) -> Applied:
        def do() -> None:
            self.fault = name
            self._changed()

        return self._applied(do)

    def close_breaker(self) -> None:
        if not self.is_closed:
            self._move(True)
            self.advance(CLOSE_S)

    def wait(self, what: frozenset[str], timeout_s: float) -> Seen | None:
        end_s = self.now_s + timeout_s
        while True:
            for k, seen in enumerate(self.queue):
                if seen.what in what:
                    return self.queue.pop(k)
            if not self._next(end_s):
                return None

    def drain(self) -> list[Seen]:
        found, self.queue = self.queue, []
        return found

    def health(self, first_step: int, zero_step: int, last_step: int) -> Health:
        if self.healths:
            return self.healths.pop(0)
        arrivals = [first_step, *self.signs(first_step, last_step), last_step]
        silent = max(b - a for a, b in itertools.pairwise(arrivals)) * FACTS.dt_s
        return Health(late_max_s=2e-4, device_silent_s=silent if self.heard else 0.0)

    def signs(self, first_step: int, last_step: int) -> list[int]:
        return [a for a in self.heard if first_step <= a <= last_step]

    def traces(self, first_step: int, last_step: int) -> Traces:
        begun = np.array([h[0] for h in self.history])
        steps = np.arange(begun[0], min(last_step, self._step(self.now_s)) + 1)
        at = np.searchsorted(begun, steps, side="right") - 1
        i_a, v_v, f_hz, df_hz_s = (np.array([h[k] for h in self.history])[at] for k in (1, 2, 3, 4))
        slip_hz = f_hz + df_hz_s * (steps - begun[at]) * FACTS.dt_s - 60.0
        turn = np.exp(2j * np.pi * np.cumsum(slip_hz) * FACTS.dt_s)[:, None]
        wanted = steps >= first_step
        return Traces(steps[wanted], (i_a * turn)[wanted], (v_v * turn)[wanted])

    def calibrate(self, seconds: float) -> list[float]:
        first, n = len(self.echoes), round(seconds / FACTS.dt_s)
        step = self._step(self.now_s)
        self.advance(seconds)
        pairs = [(t - step, a - step) for t, a in self.echoes[first:] if t >= step]
        return delays_s(pairs, FACTS.dt_s, n)

    def sleep(self, s: float) -> None:
        self.advance(s)

    # ---- the plant ----------------------------------------------------------------------------

    def at(self, when_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self.heap, (when_s, next(self.count), do))

    def advance(self, s: float) -> None:
        end_s = self.now_s + s
        while self._next(end_s):
            pass

    def _next(self, end_s: float) -> bool:
        if not self.heap or self.heap[0][0] > end_s:
            self.now_s = end_s
            return False
        self.now_s, _, do = heapq.heappop(self.heap)
        do()
        return True

    def _step(self, at_s: float) -> int:
        """Return the step whose instant is the first not before a time."""
        return math.ceil(round(at_s / FACTS.dt_s, 6))

    def _applied(self, do: Callable[[], None]) -> Applied:
        step = self._step(self.now_s) + 1
        self.at(step * FACTS.dt_s, do)
        self.advance(step * FACTS.dt_s - self.now_s)
        return Applied(step, step * STEP_NS)

    def _emit(self, what: str, value: float = 1.0, at_s: float | None = None) -> None:
        step = self._step(self.now_s)
        at_ns = step * STEP_NS if at_s is None else round(at_s * 1e9)
        self.queue.append(Seen(step, step * STEP_NS, what, value, at_ns))

    def _set(self, injection: Injection | None) -> None:
        self.source, self.since_s = injection, self.now_s
        self._changed()

    def _move(self, is_closing: bool) -> None:
        def done() -> None:
            if self.is_closed != is_closing:
                self.is_closed = is_closing
                self._emit("52a", float(is_closing))
                self._changed()

        self.at(self._step(self.now_s + (CLOSE_S if is_closing else OPEN_S)) * FACTS.dt_s, done)

    def inputs(self) -> Inputs:
        s = self.source
        if s is None:
            i = FAULT_A.get(self.fault or "", 20.0) if self.is_closed else 0.0
            return Inputs(i, V_NOMINAL, 60.0, 0.0, self.is_closed)
        i = max(map(abs, s.i_a)) if self.is_closed or not s.follow_52a else 0.0
        deg = math.degrees(cmath.phase(s.i_a[0] / s.v_v[0])) if s.v_v[0] else 0.0
        f_hz = s.f_hz + s.df_hz_s * (self.now_s - self.since_s)
        return Inputs(i, min(map(abs, s.v_v)), f_hz, deg, self.is_closed)

    # ---- the internal relay: SI, TMS 0.1, 300 A, whatever the device does -----------------------

    def _changed(self) -> None:
        s, is_live = self.source, self.is_closed or (self.source is not None and not self.source.follow_52a)
        i_a = balanced(self.inputs().i_a) if s is None else s.i_a
        v_v = balanced(V_NOMINAL) if s is None else s.v_v
        f_hz, df_hz_s = (60.0, 0.0) if s is None else (s.f_hz, s.df_hz_s)
        if s is not None and self.now_s > self.since_s:  # a breaker moved during a ramp
            f_hz += df_hz_s * (self.now_s - self.since_s)
        self.history.append((self._step(self.now_s), i_a if is_live else (0j, 0j, 0j), v_v, f_hz, df_hz_s))
        if not self.has_shadow:
            return
        self._shadow_to_now()
        m = self.inputs().i_a / 300.0
        self.shadow_m = m
        self.shadow_version += 1
        if m <= 1.0:
            self.shadow_x = 0.0
        elif self.shadow_x < 1.0:
            version = self.shadow_version
            when_s = self.now_s + (1.0 - self.shadow_x) * 0.014 / (m**0.02 - 1.0)
            self.at(when_s, lambda: self._shadow_trip(version, when_s))

    def _shadow_to_now(self) -> None:
        m = getattr(self, "shadow_m", 0.0)
        if m > 1.0:
            self.shadow_x += (self.now_s - self.shadow_s) * (m**0.02 - 1.0) / 0.014
        self.shadow_s = self.now_s

    def _shadow_trip(self, version: int, when_s: float) -> None:
        if version == self.shadow_version:
            self.shadow_x = 1.0
            self._emit("shadow_trip", at_s=when_s)

    # ---- the connection -----------------------------------------------------------------------

    def _poll(self) -> None:
        if self.now_s < self.relay.dead_until_s - self.relay.dead_s or self.now_s >= self.relay.dead_until_s:
            out_s, back_s = self.rng.lognormal(math.log(self.rtt_s / 2), 0.8, 2) + self.extra_s / 2.0
            self.at(self.now_s + out_s, lambda: self._read(back_s))
        self.at(self.now_s + self.poll_s, self._poll)

    def _read(self, back_s: float) -> None:
        step = math.floor(round(self.now_s / FACTS.dt_s, 6))
        outputs = self.relay.scan(self.now_s, self.inputs())
        arrival = self._step(self.now_s + back_s)
        self.at(arrival * FACTS.dt_s, lambda: self._arrive(outputs, step, arrival))

    def _arrive(self, outputs: list[str], token: int, arrival: int) -> None:
        if self.has_tokens and not self.relay.is_mute:
            self.echoes.append((token, arrival))
            self.heard.append(arrival)
        elif outputs:
            self.heard.append(arrival)
        for what in outputs:
            self._emit(what)
            if what in ("trip", "close"):
                self._move(what == "close")


def healthy_source(i_a: float) -> Injection:
    """Return balanced currents at nominal voltage."""
    return Injection(balanced(i_a), balanced(V_NOMINAL), 60.0)
