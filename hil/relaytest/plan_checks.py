"""What is impossible with the station in the tests of a plan, found before anything is energised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from hil.relaytest import schema as sc
from hil.relaytest.bench import Facts, Injection, RelayFacts, largest
from hil.relaytest.quantities import Quantity
from hil.relaytest.searches import extremes
from hil.relaytest.shot_model import EVENT_NAMES, ShotPlan, split
from hil.relaytest.shots import Context, shots
from hil.settings_errors import Section
from rtcore.errors import did_you_mean

Tell = Callable[[str, str], None]
"""Takes a problem: its place in the file, and what is wrong."""


class TestChecks:
    """What is impossible in the shots of a test; every problem is told by place and words."""

    __test__ = False

    def __init__(
        self, tell: Tell, facts: Facts, device: sc.DeviceSection, outputs: Mapping[str, str]
    ) -> None:
        self.problem, self.facts, self.device, self.outputs = tell, facts, device, outputs

    def shots(self, number: int, context: Context) -> tuple[ShotPlan, ...]:
        """Return the shots of a test, with a problem for all that cannot be done."""
        place, test = f"test[{number}]", context.test
        self.fault_name(place, test)
        self.references(place, test)
        check_secondaries(self.problem, place, test, context.relay)
        self.lengths(place, test)
        try:
            plans = tuple(shots(context))
            injections = [context.healthy, *extremes(context)]
        except ValueError as error:
            self.problem(place, str(error))
            return ()
        for plan in dict.fromkeys(plans):
            self.times(place, plan)
            self.ramps(place, plan)
            self.wiring(place, plan)
            injections += [s.source for s in plan.states if isinstance(s.source, Injection)]
        self.sources(place, injections)
        if getattr(test, "observe", "") == "pickup" and not self.device.pickup_signal:
            what = 'the device reports no pickup (device.pickup_signal); observe = "trip"'
            self.problem(f"{place}.observe", what)
        return plans

    def sources(self, place: str, injections: list[Injection]) -> None:
        """Check what the sources must give."""
        f = self.facts
        limits = (
            (max(largest(i.i_a) for i in injections), f.i_max_a, "A"),
            (max(largest(i.v_v) for i in injections), f.v_max_v, "V"),
        )
        for value, limit, unit in limits:
            if value > limit:
                self.problem(place, f"needs {value:.6g} {unit}; the sources give {limit:.6g} {unit} at most")
        for i in injections:
            if not f.f_min_hz <= i.f_hz <= f.f_max_hz:
                what = f"{i.f_hz:g} Hz is out of range; {f.f_min_hz:g} to {f.f_max_hz:g} Hz"
                self.problem(place, what)
            if abs(i.df_hz_s) > f.df_max_hz_s:
                self.problem(place, f"{i.df_hz_s:g} Hz/s is out of range; {f.df_max_hz_s:g} Hz/s at most")

    def times(self, place: str, plan: ShotPlan) -> None:
        """Check that nothing is shorter than a step."""
        dt_s = self.facts.dt_s
        for state in plan.states:
            if state.duration_s < dt_s:
                what = f"{plan.label}: state {state.name} lasts {state.duration_s:.3g} s, less than a step"
                self.problem(place, f"{what} ({dt_s:.3g} s)")
        for m in plan.measures:
            if m.expected_s is not None and not m.is_absent and 0 < m.expected_s < dt_s:
                what = f"{plan.label}: {m.name} of {m.expected_s:.3g} s is less than a step ({dt_s:.3g} s)"
                self.problem(place, what)
            if not m.is_absent and not (m.tolerance_s > 0 and math.isfinite(m.tolerance_s)):
                self.problem(place, f"{plan.label}: {m.name} has no tolerance")

    def lengths(self, place: str, test: sc.TestSection) -> None:
        """Check that what is repeated within a shot is no shorter than a step."""
        in_search = ("prefault_s", "dwell_s") if hasattr(test, "dwell_s") else ()
        for key in (*in_search, "every_s"):
            value = getattr(test, key, None)
            if value is not None and value < self.facts.dt_s:
                what = f"{value:.3g} s is less than a step ({self.facts.dt_s:.3g} s)"
                self.problem(f"{place}.{key}", what)

    def ramps(self, place: str, plan: ShotPlan) -> None:
        """Check that no ramp of the frequency leaves the range of the sources while its state may last."""
        f = self.facts
        for s in plan.states:
            if not isinstance(s.source, Injection) or not s.source.df_hz_s:
                continue
            end_hz = s.source.f_hz + s.source.df_hz_s * s.duration_s
            if not f.f_min_hz <= end_hz <= f.f_max_hz:
                what = (
                    f"{plan.label}: state {s.name} may last {s.duration_s:.3g} s and ramps to {end_hz:.3g} Hz"
                )
                self.problem(place, f"{what}; {f.f_min_hz:g} to {f.f_max_hz:g} Hz")

    def wiring(self, place: str, plan: ShotPlan) -> None:
        """Check that outputs that have no point by default are named where a shot waits for them."""
        named = [m.start for m in plan.measures] + [m.stop for m in plan.measures]
        named += [*plan.never, *(r for s in plan.states for r in s.until)]
        for output in ("retrip", "backup"):
            if output not in self.outputs and any(r.partition("#")[0] == output for r in named):
                self.problem(
                    f"outputs.{output}", f"{place} needs the point that the device's {output} is written to"
                )

    def fault_name(self, place: str, test: sc.TestSection) -> None:
        """Check the name of a fault of the library."""
        if isinstance(test, sc.NetworkFault) and test.fault not in self.facts.faults:
            hint = did_you_mean(test.fault, self.facts.faults)
            known = ", ".join(self.facts.faults) or "none"
            self.problem(f"{place}.fault", f"no fault {test.fault!r}{hint}; the library has: {known}")

    def references(self, place: str, test: sc.TestSection) -> None:
        """Check the events and states that a sequence names."""
        if not isinstance(test, sc.Sequence):
            return
        names = [s.name for s in test.state]
        for k, state in enumerate(test.state):
            if names.count(state.name) > 1 or state.name in (*EVENT_NAMES, "off"):
                self.problem(f"{place}.state[{k}].name", f"{state.name!r} is taken")
            for reference in state.until:
                self.reference(f"{place}.state[{k}].until", reference, EVENT_NAMES)
        for k, m in enumerate(test.measure):
            for key, reference in (("start", m.start), ("stop", m.stop)):
                self.reference(f"{place}.measure[{k}].{key}", reference, {*EVENT_NAMES, *names, "off"})
        if not test.measure and not test.never:
            self.problem(place, "nothing is judged; one of measure, never is needed")
        for reference in test.never:
            self.reference(f"{place}.never", reference, EVENT_NAMES)

    def reference(self, place: str, reference: str, allowed: Any) -> None:
        """Check one reference."""
        try:
            name, _ = split(reference)
        except ValueError as error:
            self.problem(place, str(error))
            return
        if name not in allowed:
            hint = did_you_mean(name, allowed)
            self.problem(place, f"nothing is called {name!r}{hint}; one of {', '.join(sorted(allowed))}")


def check_secondaries(tell: Tell, place: str, section: Section, relay: RelayFacts) -> None:
    """Check that there is a transformer for every secondary quantity of a table and its tables."""
    for key in type(section).model_fields:
        value = getattr(section, key)
        for k, item in enumerate(value if isinstance(value, tuple) else ()):
            if isinstance(item, Section):
                check_secondaries(tell, f"{place}.{key}[{k}]", item, relay)
        if isinstance(value, Quantity) and value.is_secondary:
            name, ratio = ("CT", relay.ct_ratio) if value.of == "i" else ("VT", relay.vt_ratio)
            if ratio == 1.0:
                remedy = "write it in primary values" + (" or give plan.vt_ratio" if name == "VT" else "")
                what = f"{value.text!r} is secondary, and the ratio of the location's {name}s is not known"
                tell(f"{place}.{key}", f"{what}; {remedy}")
