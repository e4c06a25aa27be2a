"""A shot carried out: states entered one after the other, everything seen written down."""

from __future__ import annotations

import dataclasses as dc

from hil.relaytest.bench import ALL_EVENTS, Bench, Injection
from hil.relaytest.recording import recording
from hil.relaytest.shot_model import Mark, ShotPlan, ShotRecord, State, mark_of, split

SHADOW_TRIP = "shadow_trip"
AFTER_S = 0.05
"""Recorded after the last event [s]."""


def shoot(bench: Bench, plan: ShotPlan, slack_s: float) -> ShotRecord:
    """Carry out a shot of given states.

    Parameters
    ----------
    slack_s : float
        Added to states that wait for the device: its slowest answer [s].
    """
    shooter = Shooter(bench, plan, slack_s)
    for state in plan.states:
        shooter.hold(state)
    return shooter.finish()


class Shooter:
    """A shot in progress; the breaker at the location is closed when it begins."""

    def __init__(self, bench: Bench, plan: ShotPlan, slack_s: float) -> None:
        self.bench, self.slack_s = bench, slack_s
        self.record = ShotRecord(plan)
        self.fault: str | None = None
        bench.close_breaker()
        bench.drain()

    def hold(self, state: State) -> set[str]:
        """Enter a state, wait until it ends and return the kinds of events seen in it."""
        begun_ns = now_ns = self._enter(state)
        slack_s = self.slack_s if state.until else 0.0
        end_ns = begun_ns + round((state.duration_s + slack_s) * 1e9)
        shadow_ns = begun_ns + round(state.shadow_s * 1e9)
        seen, n_changes = set[str](), 0
        while now_ns < end_ns:
            if state.until and all(self._has_come(r, seen) for r in state.until):
                if SHADOW_TRIP in seen or now_ns >= shadow_ns:
                    break
                end_ns = min(end_ns, shadow_ns)
            until_ns = end_ns
            if state.wobble is not None and n_changes + 1 < len(state.wobble.factors):
                until_ns = min(until_ns, begun_ns + round((n_changes + 1) * state.wobble.every_s * 1e9))
            if now_ns >= until_ns and until_ns < end_ns:
                n_changes += 1
                assert state.wobble is not None
                self._scale(state, state.wobble.factors[n_changes])
                continue
            event = self.bench.wait(ALL_EVENTS, (until_ns - now_ns) / 1e9)
            if event is None:
                now_ns = until_ns
                continue
            mark = mark_of(event)
            now_ns = max(now_ns, mark.mono_ns)
            self.record.marks.append(mark)
            seen.add(mark.what)
        self._collect(seen)
        return seen

    def finish(self) -> ShotRecord:
        """Return the record with the health of the shot until the beginning of the last state."""
        if self.fault is not None:
            self.bench.apply_fault(None)
        steps = [m.step for m in self.record.marks if m.what.startswith("state:")]
        zero = self.record.state(self.record.plan.zero) or self.record.marks[0]
        self.record.health = self.bench.health(steps[0], zero.step, steps[-1])
        self.record.signs = list(self.bench.signs(steps[0], steps[-1]))
        self.record.marks.sort(key=lambda m: m.instant_ns)
        self._record(steps[0])
        return self.record

    def _record(self, first_step: int) -> None:
        """Keep what the relay saw from the first state to a little after the last event."""
        r, facts = self.record, self.bench.facts
        last_step = max(m.step for m in r.marks) + round(AFTER_S / facts.dt_s)
        zero = r.state(r.plan.zero) or r.marks[0]
        f0_hz = next(iter(facts.locations.values())).f_nominal_hz  # a station has one
        traces = self.bench.traces(first_step, last_step)
        r.recording = recording(traces, zero.step, r.heart.step, facts.dt_s, f0_hz)

    def _enter(self, state: State) -> int:
        self._collect(set())
        if isinstance(state.source, str):
            self.bench.inject(None)
            applied = self.bench.apply_fault(state.source)
            self.fault = state.source
        else:
            if self.fault is not None:
                self.bench.apply_fault(None)
                self.fault = None
            source = state.source
            if source is not None and state.wobble is not None:
                source = scaled(source, state.wobble.factors[0])
            applied = self.bench.inject(source)
        at = applied.mono_ns
        self.record.marks.append(Mark(f"state:{state.name}", applied.step, at, at))
        return at

    def _has_come(self, reference: str, seen: set[str]) -> bool:
        """Tell whether an event came in this state; a numbered one, whether it came in the shot."""
        name, nth = split(reference)
        return name in seen if nth == 1 else self.record.find(reference) is not None

    def _scale(self, state: State, factor: float) -> None:
        assert isinstance(state.source, Injection)
        self.bench.inject(scaled(state.source, factor))

    def _collect(self, seen: set[str]) -> None:
        for event in self.bench.drain():
            mark = mark_of(event)
            self.record.marks.append(mark)
            seen.add(mark.what)


def scaled(injection: Injection, factor: float) -> Injection:
    """Return an injection with its currents times a factor."""
    a, b, c = injection.i_a
    return dc.replace(injection, i_a=(a * factor, b * factor, c * factor))
