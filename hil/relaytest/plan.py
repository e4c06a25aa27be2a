"""Relay test plans, ``config/relaytests/<plan>.toml``: read, and checked before anything is energised.

    [plan]
    name = "si_51"
    station = "iowa240-prot"
    location = "cb_203"                # relay in whose place the device under test stands

    [device]                           # for the report
    make = "..."

    [settings]                         # of the element under test
    pickup = "300 A"                   # or secondary: "3.75 A sec"
    curve = "iec_si_a"
    time_dial = 0.1

    [tolerance]
    standard = "abb_ref615"            # or class_pct and time_ms of your own

    [[test]]
    kind = "trip_time"
    name = "characteristic"
    multiples = [2, 3, 5, 10]
    repeats = 3

Every problem comes in one report: what is wrong in the file, and, as the facts of the station are
known, what is impossible with it.
"""

from __future__ import annotations

import dataclasses as dc
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hil.paths import config_dir
from hil.relaytest import schema as sc
from hil.relaytest.bench import Facts, Injection, largest
from hil.relaytest.element import Element
from hil.relaytest.searches import extremes
from hil.relaytest.shot_model import EVENT_NAMES, ShotPlan, split
from hil.relaytest.shots import Context, shots
from hil.relaytest.tolerance import NAMED, Tolerance
from hil.settings_errors import Section, check_model, load_toml
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.protection.curves import CURVES

S = TypeVar("S", bound=Section)
TABLES = ("plan", "device", "outputs", "settings", "tolerance", "connection", "test")
FactsOf = Callable[[str, Path], Facts]
"""Facts of a station from its name and the folder of the file that names it; raises UserInputError."""


@dc.dataclass(frozen=True, slots=True)
class Test:
    """A test with its shots; of a search there are none yet."""

    __test__ = False
    section: sc.TestSection
    context: Context
    shots: tuple[ShotPlan, ...]


@dc.dataclass(frozen=True, slots=True)
class Plan:
    """A checked plan; ``sha256`` is that of its file, ``outputs`` the tag of each output that has one."""

    path: Path
    sha256: str
    head: sc.PlanSection
    device: sc.DeviceSection
    outputs: dict[str, str]
    settings: sc.SettingsSection | None
    connection: sc.ConnectionSection
    element: Element | None
    tolerance: Tolerance
    facts: Facts
    tests: tuple[Test, ...]


def find_plan(name: str) -> Path:
    """Return the path of a plan from a path or the name of a shipped one."""
    path, folder = Path(name).expanduser(), config_dir() / "relaytests"
    shipped = folder / f"{path.name.removesuffix('.toml')}.toml"
    if path.is_file():
        return path
    if path.name == name and shipped.is_file():
        return shipped
    names = sorted(p.stem for p in folder.glob("*.toml"))
    hint = did_you_mean(path.stem, names)
    what = f"no such file, and no shipped plan{hint}; shipped: {', '.join(names) or 'none'}"
    raise UserInputError([Problem(name, "", what)])


def read_plan(path: Path, facts_of: FactsOf) -> Plan:
    """Read a plan and check everything in it.

    Raises
    ------
    UserInputError
        Every problem of the file.
    """
    raw, problems = load_toml(path)
    if problems:
        raise UserInputError(problems)
    draft = _Draft(path, facts_of)
    plan = draft.read(raw)
    if plan is None or draft.problems:
        raise UserInputError(dict.fromkeys(draft.problems))
    return plan


class _Draft:
    """A plan while its problems are being collected."""

    def __init__(self, path: Path, facts_of: FactsOf) -> None:
        self.path, self.facts_of, self.problems = path, facts_of, list[Problem]()

    def problem(self, place: str, what: str) -> None:
        self.problems.append(Problem(str(self.path), place, what))

    def read(self, raw: Mapping[str, Any]) -> Plan | None:
        """Return the plan; None where a part could not be read at all."""
        for key in raw:
            if key not in TABLES:
                hint = did_you_mean(key, TABLES)
                self.problem(key, f"unknown table; allowed: {', '.join(TABLES)}{hint}")
        head = self.section(sc.PlanSection, raw, "plan", is_needed=True)
        device = self.section(sc.DeviceSection, raw, "device") or sc.DeviceSection()
        outputs = self.section(sc.OutputsSection, raw, "outputs") or sc.OutputsSection()
        settings = self.section(sc.SettingsSection, raw, "settings")
        connection = self.section(sc.ConnectionSection, raw, "connection") or sc.ConnectionSection()
        given = self.section(sc.ToleranceSection, raw, "tolerance", is_needed=True)
        tolerance = None if given is None else self.tolerance(given, "tolerance")
        sections = self.tests(raw)
        facts = None if head is None else self.facts(head)
        relay = None if facts is None or head is None else facts.locations.get(head.location)
        element = None
        if settings is not None and relay is not None and facts is not None:
            element = self.element(settings, relay)
        if head is None or facts is None or relay is None or tolerance is None:
            return None
        if settings is not None and element is None:
            return None
        tags = {k: v for k, v in outputs.model_dump().items() if v is not None}
        for output, tag in tags.items():
            if tag not in facts.tags:
                hint = did_you_mean(tag, facts.tags)
                self.problem(f"outputs.{output}", f"no point {tag!r} in the station{hint}")
        checker = _TestChecks(self, facts, device)
        tests = []
        for number, section in sections:
            own = tolerance
            if section.tolerance is not None:
                own = self.tolerance(section.tolerance, f"test[{number}].tolerance", tolerance) or tolerance
            context = Context(section, relay, element, own, head.seed)
            tests.append(Test(section, context, checker.shots(number, context)))
        return Plan(
            self.path,
            hashlib.sha256(self.path.read_bytes()).hexdigest(),
            head,
            device,
            tags,
            settings,
            connection,
            element,
            tolerance,
            facts,
            tuple(tests),
        )

    def section(
        self, model: type[S], raw: Mapping[str, Any], key: str, *, is_needed: bool = False
    ) -> S | None:
        """Return one table, None when it is missing or wrong."""
        if key not in raw:
            if is_needed:
                self.problem(key, f"the table [{key}] is missing and has no default")
            return None
        section, wrong = check_model(model, raw[key], str(self.path), key)
        self.problems += wrong
        return section

    def tests(self, raw: Mapping[str, Any]) -> list[tuple[int, sc.TestSection]]:
        """Return (number, section) of every test that passed its own checks."""
        tables = raw.get("test", [])
        if not isinstance(tables, list) or not tables:
            self.problem("test", "no test; write at least one [[test]]")
            return []
        found = []
        for number, table in enumerate(tables):
            place = f"test[{number}]"
            kind = table.get("kind") if isinstance(table, Mapping) else None
            if kind not in sc.KINDS:
                hint = did_you_mean(str(kind), sc.KINDS)
                self.problem(
                    f"{place}.kind", f"{kind!r} is no kind of test; one of {', '.join(sc.KINDS)}{hint}"
                )
                continue
            section, wrong = check_model(sc.KINDS[kind], table, str(self.path), place)
            self.problems += wrong
            if section is not None:
                found.append((number, section))
        names = Counter(s.name for _, s in found)
        for number, section in found:
            if names[section.name] > 1:
                self.problem(
                    f"test[{number}].name", f"{section.name!r} is the name of {names[section.name]} tests"
                )
        return found

    def facts(self, head: sc.PlanSection) -> Facts | None:
        """Return the facts of the station, None with a problem."""
        try:
            facts = self.facts_of(head.station, self.path.parent)
        except UserInputError as error:
            self.problems += [Problem(str(self.path), "plan.station", str(p)) for p in error.problems]
            return None
        if head.location not in facts.locations:
            known = ", ".join(sorted(facts.locations))
            hint = did_you_mean(head.location, facts.locations)
            self.problem("plan.location", f"no relay {head.location!r}{hint}; there are: {known or 'none'}")
        return facts

    def element(self, settings: sc.SettingsSection, relay: Any) -> Element | None:
        """Return the element under test."""
        if settings.curve not in CURVES:
            hint = did_you_mean(settings.curve, CURVES)
            self.problem("settings.curve", f"no curve {settings.curve!r}{hint}; one of {', '.join(CURVES)}")
            return None
        try:
            pickup_a = settings.pickup.current_a(relay, None)
        except ValueError as error:
            self.problem("settings.pickup", str(error))
            return None
        if pickup_a <= 0:
            self.problem("settings.pickup", "must be more than 0")
            return None
        given = settings.model_dump(exclude={"pickup"})
        return Element(pickup_a=pickup_a, **given)

    def tolerance(
        self, given: sc.ToleranceSection, place: str, base: Tolerance | None = None
    ) -> Tolerance | None:
        """Return a tolerance: the named one, or the plan's, with the numbers given over it."""
        if given.standard is not None:
            if given.standard not in NAMED:
                hint = did_you_mean(given.standard, NAMED)
                self.problem(
                    f"{place}.standard", f"no tolerance {given.standard!r}{hint}; one of {', '.join(NAMED)}"
                )
                return None
            base = NAMED[given.standard]
        if base is None:
            if given.class_pct is None and given.time_ms is None:
                self.problem(place, "needs a standard, or class_pct and time_ms")
                return None
            base = Tolerance("own", 0.0, 0.0)
        own = {
            "time_pct": given.class_pct,
            "time_s": None if given.time_ms is None else given.time_ms / 1e3,
            "current_pct": given.current_pct,
            "level_pct": given.level_pct,
            "level_abs": given.level_abs,
        }
        changed: dict[str, Any] = {k: v for k, v in own.items() if v is not None}
        name = base.name if not changed or base.name == "own" else f"{base.name}, changed"
        return dc.replace(base, name=name, **changed)


class _TestChecks:
    """What is impossible in the shots of a test."""

    def __init__(self, draft: _Draft, facts: Facts, device: sc.DeviceSection) -> None:
        self.draft, self.facts, self.device = draft, facts, device

    def shots(self, number: int, context: Context) -> tuple[ShotPlan, ...]:
        """Return the shots of a test, with a problem for all that cannot be done."""
        place, test = f"test[{number}]", context.test
        self.fault_name(place, test)
        self.references(place, test)
        try:
            plans = tuple(shots(context))
            injections = extremes(context)
        except ValueError as error:
            self.draft.problem(place, str(error))
            return ()
        for plan in dict.fromkeys(plans):
            self.times(place, plan)
            injections += [s.source for s in plan.states if isinstance(s.source, Injection)]
        self.sources(place, injections)
        if getattr(test, "observe", "") == "pickup" and not self.device.pickup_signal:
            what = 'the device reports no pickup (device.pickup_signal); observe = "trip"'
            self.draft.problem(f"{place}.observe", what)
        return plans

    def sources(self, place: str, injections: list[Injection]) -> None:
        """Check what the sources must give."""
        f = self.facts
        limits = (
            (max(largest(i.i_a) for i in injections), f.i_max_a, "A") if injections else (0.0, 1.0, "A"),
            (max(largest(i.v_v) for i in injections), f.v_max_v, "V") if injections else (0.0, 1.0, "V"),
        )
        for value, limit, unit in limits:
            if value > limit:
                self.draft.problem(
                    place, f"needs {value:.6g} {unit}; the sources give {limit:.6g} {unit} at most"
                )
        for i in injections:
            if not f.f_min_hz <= i.f_hz <= f.f_max_hz:
                what = f"{i.f_hz:g} Hz is out of range; {f.f_min_hz:g} to {f.f_max_hz:g} Hz"
                self.draft.problem(place, what)
            if abs(i.df_hz_s) > f.df_max_hz_s:
                self.draft.problem(
                    place, f"{i.df_hz_s:g} Hz/s is out of range; {f.df_max_hz_s:g} Hz/s at most"
                )

    def times(self, place: str, plan: ShotPlan) -> None:
        """Check that nothing is shorter than a step."""
        dt_s = self.facts.dt_s
        for state in plan.states:
            if state.duration_s < dt_s:
                what = f"{plan.label}: state {state.name} lasts {state.duration_s:.3g} s, less than a step"
                self.draft.problem(place, f"{what} ({dt_s:.3g} s)")
        for m in plan.measures:
            if m.expected_s is not None and not m.is_absent and 0 < m.expected_s < dt_s:
                what = f"{plan.label}: {m.name} of {m.expected_s:.3g} s is less than a step ({dt_s:.3g} s)"
                self.draft.problem(place, what)
            if not m.is_absent and not (m.tolerance_s > 0 and math.isfinite(m.tolerance_s)):
                self.draft.problem(place, f"{plan.label}: {m.name} has no tolerance")

    def fault_name(self, place: str, test: sc.TestSection) -> None:
        """Check the name of a fault of the library."""
        if isinstance(test, sc.NetworkFault) and test.fault not in self.facts.faults:
            hint = did_you_mean(test.fault, self.facts.faults)
            known = ", ".join(self.facts.faults) or "none"
            self.draft.problem(f"{place}.fault", f"no fault {test.fault!r}{hint}; the library has: {known}")

    def references(self, place: str, test: sc.TestSection) -> None:
        """Check the events and states that a sequence names."""
        if not isinstance(test, sc.Sequence):
            return
        names = [s.name for s in test.state]
        for k, state in enumerate(test.state):
            if names.count(state.name) > 1 or state.name in (*EVENT_NAMES, "off"):
                self.draft.problem(f"{place}.state[{k}].name", f"{state.name!r} is taken")
            for reference in state.until:
                self.reference(f"{place}.state[{k}].until", reference, EVENT_NAMES)
        for k, m in enumerate(test.measure):
            for key, reference in (("start", m.start), ("stop", m.stop)):
                self.reference(f"{place}.measure[{k}].{key}", reference, {*EVENT_NAMES, *names, "off"})
        for reference in test.never:
            self.reference(f"{place}.never", reference, EVENT_NAMES)

    def reference(self, place: str, reference: str, allowed: Any) -> None:
        """Check one reference."""
        try:
            name, _ = split(reference)
        except ValueError as error:
            self.draft.problem(place, str(error))
            return
        if name not in allowed:
            hint = did_you_mean(name, allowed)
            self.draft.problem(
                place, f"nothing is called {name!r}{hint}; one of {', '.join(sorted(allowed))}"
            )
