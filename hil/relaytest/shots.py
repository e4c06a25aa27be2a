"""From the tests of a plan to shots: states and the times to measure in them.

Searches (pickup, direction) are adaptive and in ``searches``; their extremes are here, so that they
can be checked before anything is energised.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Iterator

import numpy as np

from hil.relaytest import schema as sc
from hil.relaytest.bench import ZERO, Injection, Phasors, RelayFacts, balanced, polar
from hil.relaytest.element import Element
from hil.relaytest.quantities import Quantity
from hil.relaytest.shot_model import Measure, ShotPlan, State, Wobble
from hil.relaytest.tolerance import Tolerance
from rtcore.protection.ct_saturation import END_T1, PER_CYCLE, fundamental, time_constant_s

WAIT = 1.5
"""A shot waits so many times the longest allowed time."""
WAIT_LEAST_S = 0.3
PAUSE_S = 0.5
"""Rest after a shot without memory of its own."""
TRIP = frozenset({"trip"})
PHASE = {"a": 0, "b": 1, "c": 2}
NO_TIME = Measure("", "", "", 0.0, 0.0, 0.0)


@dc.dataclass(frozen=True, slots=True)
class Context:
    """What the shots of a test follow from."""

    test: sc.TestSection
    relay: RelayFacts
    element: Element | None
    tolerance: Tolerance
    seed: int

    # ---- sources ------------------------------------------------------------------------------

    def current_a(self, quantity: Quantity) -> float:
        """Return primary amperes."""
        return quantity.current_a(self.relay, None if self.element is None else self.element.pickup_a)

    @property
    def healthy(self) -> Injection:
        """What is applied before and between faults."""
        t = self.test
        i_a = 0.0 if t.prefault_i is None else self.current_a(t.prefault_i)
        v_v = self.relay.v_nominal_v if t.prefault_v is None else t.prefault_v.voltage_v(self.relay)
        return Injection(balanced(i_a), balanced(v_v), self.relay.f_nominal_hz)

    def fault(self, i_a: float, loop: str, i_deg: float | None = None) -> Injection:
        """Return fault currents of a loop; the voltages of its phases are ``fault_v``."""
        t = self.test
        deg = t.i_deg if i_deg is None else i_deg
        v_v = self.healthy.v_v
        if t.fault_v is not None:
            v_v = faulted_voltages(v_v, t.fault_v.voltage_v(self.relay), loop)
        return Injection(loop_currents(i_a, loop, deg), v_v, self.relay.f_nominal_hz)

    # ---- states -------------------------------------------------------------------------------

    @property
    def prefault(self) -> State:
        """The state before the fault."""
        return State("prefault", self.healthy, self.test.prefault_s)

    @property
    def off(self) -> State:
        """The rest after the shot."""
        memory_s = 0.0 if self.element is None else self.element.reset_s
        return State("off", self.healthy, self.test.pause_s or max(PAUSE_S, memory_s))

    def timed_fault(
        self, source: Injection, low_high_s: tuple[float, float], wobble: Wobble | None = None
    ) -> State:
        """Return a fault that lasts until the trip, at most half as long again as allowed."""
        high_s = low_high_s[1]
        wait_s = max(WAIT * high_s, high_s + WAIT_LEAST_S)
        return State("fault", source, wait_s, TRIP, shadow_s=high_s, wobble=wobble)

    def operate(self, multiple: float, start: str = "fault", stop: str = "trip") -> Measure:
        """Return the operate time by the curve."""
        assert self.element is not None
        low_s, high_s = self.element.tube_s(multiple, self.tolerance)
        return Measure("operate time", start, stop, self.element.operate_s(multiple), low_s, high_s)

    def timed(
        self, name: str, start: str, stop: str, expected_s: float | None, tol_s: float | None = None
    ) -> Measure:
        """Return a time with its tolerance; without an expected one that of the internal relay."""
        if expected_s is None:
            tol_s = tol_s or self.tolerance.time_s
            return Measure(name, start, stop, None, -tol_s, tol_s)
        tol_s = tol_s or self.tolerance.time_tolerance_s(expected_s)
        return Measure(name, start, stop, expected_s, max(expected_s - tol_s, 0.0), expected_s + tol_s)

    def multiple_of(self, i_a: float) -> float:
        """Return a current in multiples of pickup."""
        assert self.element is not None
        return i_a / self.element.pickup_a


def loop_currents(i_a: float, loop: str, deg: float) -> Phasors:
    """Return currents of a loop: abc balanced, one phase, or two phases against each other.

    ``deg`` is the angle to the voltage that drives it: of phase a, of the phase, of the two phases.
    """
    if loop == "abc":
        return balanced(i_a, deg)
    found = list(ZERO)
    angle = {0: 0.0, 1: -120.0, 2: 120.0}[PHASE[loop[0]]]
    if len(loop) == 1:
        found[PHASE[loop]] = polar(i_a, angle + deg)
    else:
        found[PHASE[loop[0]]] = polar(i_a, angle + 30.0 + deg)
        found[PHASE[loop[1]]] = -found[PHASE[loop[0]]]
    return found[0], found[1], found[2]


def faulted_voltages(v_v: Phasors, fault_v: float, loop: str) -> Phasors:
    """Return voltages with those of the loop's phases at another size, angles as they were."""
    found = [fault_v * v / abs(v) if v and "abc"[k] in loop else v for k, v in enumerate(v_v)]
    return found[0], found[1], found[2]


def shots(c: Context) -> list[ShotPlan]:
    """Return the shots of a test that is no search; ValueError says what is impossible."""
    makers = {
        sc.TripTime: _trip_time,
        sc.Sequence: _sequence,
        sc.Recloser: _recloser,
        sc.BreakerFailure: _breaker_failure,
        sc.Step: _step,
        sc.ResetTime: _reset_time,
        sc.Sensitivity: _sensitivity,
        sc.NetworkFault: _network_fault,
    }
    maker = makers.get(type(c.test))
    return [] if maker is None else list(maker(c, c.test))  # type: ignore[operator]


def _need_element(c: Context) -> Element:
    if c.element is None:
        raise ValueError("needs [settings]: the expected times follow from them")
    return c.element


def _trip_time(c: Context, t: sc.TripTime) -> Iterator[ShotPlan]:
    element = _need_element(c)
    multiples = [*(t.multiples or ()), *(t.grid.multiples if t.grid else ())]
    if not multiples:
        raise ValueError("no multiple; one of multiples, grid is needed")
    for loop in t.loops:
        for multiple in multiples:
            source = c.fault(multiple * element.pickup_a, loop)
            if multiple <= 1.0:
                fault = State("fault", source, t.hold_s, TRIP)
                measure = dc.replace(
                    NO_TIME, name="no trip below pickup", start="fault", stop="trip", is_absent=True
                )
            else:
                measure = _clear_of_pickup(c, multiple)
                fault = c.timed_fault(source, (measure.low_s, measure.high_s))
            plan = ShotPlan(
                f"{loop} {multiple:g} x", (c.prefault, fault, c.off), (measure,), multiple=multiple, loop=loop
            )
            yield from [plan] * t.repeats


def _clear_of_pickup(c: Context, multiple: float) -> Measure:
    """Return the operate time at a multiple; ValueError where there is no latest one."""
    measure = c.operate(multiple)
    if not math.isfinite(measure.high_s):
        g = c.tolerance.current_pct
        raise ValueError(
            f"multiple {multiple:g} is within the accuracy of current ({g:g} %) of pickup: "
            "any time would be right"
        )
    return measure


def _sequence(c: Context, t: sc.Sequence) -> Iterator[ShotPlan]:
    healthy, states = c.healthy, []
    for s in t.state:
        i = ZERO if s.i is None else loop_currents(c.current_a(s.i), s.loop, s.i_deg)
        v = healthy.v_v
        if s.v is not None:
            v = faulted_voltages(v, s.v.voltage_v(c.relay), s.loop)
        source = Injection(i, v, s.f_hz or c.relay.f_nominal_hz, s.df_hz_s, s.follow_52a)
        states.append(State(s.name, source, s.duration_s, frozenset(s.until)))
    measures = tuple(
        c.timed(m.name, m.start, m.stop, m.expected_s, None if m.tol_ms is None else m.tol_ms / 1e3)
        for m in t.measure
    )
    plan = ShotPlan(
        t.title or t.name, (*states, c.off), measures, tuple(t.never), zero=states[0].name, is_single=False
    )
    yield from [plan] * t.repeats


def _recloser(c: Context, t: sc.Recloser) -> Iterator[ShotPlan]:
    i_a = c.current_a(t.i)
    n = len(t.dead_times_s)
    if t.fast_trips > n + 1:
        raise ValueError(f"fast_trips = {t.fast_trips}, but with {n} dead times there are {n + 1} trips")
    measures = list[Measure]()
    total_s = 0.0
    for k in range(n + 1):
        start = "fault" if k == 0 else f"52a_closed#{k}"
        if k >= t.fast_trips:
            _need_element(c)
            measure = dc.replace(c.operate(c.multiple_of(i_a), start, f"trip#{k + 1}"), name=f"trip {k + 1}")
            if not math.isfinite(measure.high_s):
                raise ValueError(f"{t.i.text!r} is not clearly above pickup: it need not trip")
            measures.append(measure)
            total_s += WAIT * measure.high_s + WAIT_LEAST_S
        else:
            total_s += 1.0
        if k < n:
            dead_s = t.dead_times_s[k]
            tol_s = max(t.dead_tol_ms / 1e3, t.dead_tol_pct / 100.0 * dead_s)
            measures.append(
                c.timed(f"dead time {k + 1}", f"52a_open#{k + 1}", f"close#{k + 1}", dead_s, tol_s)
            )
            total_s += dead_s + tol_s + WAIT_LEAST_S
    measures.append(
        dc.replace(NO_TIME, name="locked out", start=f"trip#{n + 1}", stop=f"close#{n + 1}", is_absent=True)
    )
    source = dc.replace(c.fault(i_a, t.loop), follow_52a=True)
    fault = State("fault", source, total_s, frozenset({f"trip#{n + 1}"}))
    dead = State("dead", source, t.lockout_s)
    plan = ShotPlan(f"{t.loop} {t.i.text}", (c.prefault, fault, dead, c.off), tuple(measures), loop=t.loop)
    yield from [plan] * t.repeats


def _breaker_failure(c: Context, t: sc.BreakerFailure) -> Iterator[ShotPlan]:
    _need_element(c)
    i_a = c.current_a(t.i)
    operate = c.operate(c.multiple_of(i_a))
    measures = [operate, c.timed("backup trip", "trip", "backup", t.backup_s)]
    if t.retrip_s is not None:
        measures.append(c.timed("retrip", "trip", "retrip", t.retrip_s))
    wait_s = WAIT * operate.high_s + WAIT * t.backup_s + WAIT_LEAST_S
    fault = State("fault", c.fault(i_a, t.loop), wait_s, frozenset({"trip", "backup"}))
    plan = ShotPlan(f"{t.loop} {t.i.text}", (c.prefault, fault, c.off), tuple(measures), loop=t.loop)
    yield from [plan] * t.repeats


def _step(c: Context, t: sc.Step) -> Iterator[ShotPlan]:
    healthy = c.healthy
    v = healthy.v_v if t.v is None else faulted_voltages(healthy.v_v, t.v.voltage_v(c.relay), t.loop)
    source = Injection(healthy.i_a, v, t.f_hz or healthy.f_hz, t.df_hz_s)
    if source == healthy:
        raise ValueError("nothing steps; one of v, f_hz, df_hz_s is needed")
    if t.expect == "no_trip":
        measure = dc.replace(NO_TIME, name="no trip", start="fault", stop="trip", is_absent=True)
        fault = State("fault", source, t.hold_s, TRIP)
    else:
        measure = c.timed("operate time", "fault", "trip", t.expected_s)
        fault = (
            State("fault", source, t.hold_s, TRIP, shadow_s=t.hold_s)
            if t.expected_s is None
            else c.timed_fault(source, (measure.low_s, measure.high_s))
        )
    yield from [ShotPlan(t.title or t.name, (c.prefault, fault, c.off), (measure,), loop=t.loop)] * t.repeats


def _reset_time(c: Context, t: sc.ResetTime) -> Iterator[ShotPlan]:
    element = _need_element(c)
    source = c.fault(t.multiple * element.pickup_a, t.loop)
    full = c.operate(t.multiple)
    assert full.expected_s is not None
    for off_s in t.off_s:
        left = element.remembered(t.share, off_s)
        expected_s = (1.0 - left) * full.expected_s
        measure = Measure(
            "operate time after the pause",
            "fault2",
            "trip",
            expected_s,
            max(expected_s - (full.expected_s - full.low_s), 0.0),
            expected_s + (full.high_s - full.expected_s),
            n_edges=2,
        )
        states = (
            c.prefault,
            State("fault", source, t.share * full.expected_s),
            State("pause", c.healthy, off_s),
            dc.replace(c.timed_fault(source, (0.0, full.high_s)), name="fault2"),
            c.off,
        )
        plan = ShotPlan(f"pause {off_s:g} s", states, (measure,), multiple=t.multiple, loop=t.loop)
        yield from [plan] * t.repeats


def _sensitivity(c: Context, t: sc.Sensitivity) -> Iterator[ShotPlan]:
    element = _need_element(c)
    if t.noise_pct == 0 and t.ct_ks is None:
        raise ValueError("nothing disturbs; noise_pct or ct_ks is needed")
    source = c.fault(t.multiple * element.pickup_a, t.loop)
    measure = _clear_of_pickup(c, t.multiple)
    for k in range(t.repeats):
        wobble = _wobble(t, c, np.random.default_rng([c.seed, k]), WAIT * measure.high_s + WAIT_LEAST_S)
        fault = c.timed_fault(source, (measure.low_s, measure.high_s), wobble)
        yield ShotPlan(
            f"{t.multiple:g} x disturbed",
            (c.prefault, fault, c.off),
            (measure,),
            multiple=t.multiple,
            loop=t.loop,
        )


def _wobble(t: sc.Sensitivity, c: Context, rng: np.random.Generator, duration_s: float) -> Wobble:
    n = math.ceil(duration_s / t.every_s)
    factors = np.ones(n)
    if t.ct_ks is not None:
        f_hz = c.relay.f_nominal_hz
        n_cycles = END_T1 * time_constant_s(t.x_over_r, f_hz) * f_hz + 2.0
        secondary, primary = fundamental(t.x_over_r, np.array([t.ct_ks]), f_hz, n_cycles)
        ratio = np.minimum(secondary[0, 1:] / np.maximum(primary[1:], 1e-9), 1.0)
        times_s = np.arange(1, len(ratio) + 1) / (PER_CYCLE * f_hz)
        factors *= np.interp(np.arange(n) * t.every_s, times_s, ratio, right=1.0)
    if t.noise_pct:
        factors *= 1.0 + rng.normal(0.0, t.noise_pct / 100.0, n)
    return Wobble(t.every_s, tuple(np.maximum(factors, 0.0).tolist()))


def _network_fault(c: Context, t: sc.NetworkFault) -> Iterator[ShotPlan]:
    prefault, off = State("prefault", None, t.prefault_s), dc.replace(c.off, source=None)
    if t.expect == "no_trip":
        measure = dc.replace(NO_TIME, name="no trip", start="fault", stop="trip", is_absent=True)
        fault = State("fault", t.fault, t.hold_s, TRIP)
    else:
        measure = c.timed("operate time", "fault", "trip", t.expected_s)
        if t.expected_s is not None and measure.high_s > t.hold_s:
            raise ValueError(
                f"hold_s = {t.hold_s:g} is too short: with expected_s = {t.expected_s:g} "
                f"a trip is right until {measure.high_s:.4g} s"
            )
        fault = State("fault", t.fault, t.hold_s, TRIP, shadow_s=t.hold_s if t.expected_s is None else 0.0)
    yield from [ShotPlan(f"fault {t.fault}", (prefault, fault, off), (measure,))] * t.repeats
