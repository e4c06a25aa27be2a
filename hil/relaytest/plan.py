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
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from hil.paths import absent, config_dir
from hil.relaytest import schema as sc
from hil.relaytest.bench import Facts, RelayFacts
from hil.relaytest.element import Element
from hil.relaytest.plan_checks import TestChecks, check_secondaries
from hil.relaytest.shot_model import ShotPlan
from hil.relaytest.shots import Context
from hil.relaytest.tolerance import NAMED, Tolerance
from hil.settings_errors import Section, check_model, load_toml
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.protection.curves import CURVES

S = TypeVar("S", bound=Section)
TABLES = ("plan", "device", "outputs", "settings", "tolerance", "connection", "test")
UNKNOWN_ELEMENT = Element(1.0, "iec_si_a", 1.0)
UNKNOWN_TOLERANCE = NAMED["iec60255-151"]
"""Stand in for what is wrong in a plan, so that the rest of it can be checked."""
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
    raise absent(path, "relay test plan", sorted(p.stem for p in folder.glob("*.toml")))


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


def _stand_in(raw: object) -> sc.PlanSection | None:
    """Return as much of a wrong [plan] as the tests can be checked with; None when that is too little."""
    given = raw if isinstance(raw, Mapping) else {}
    station, location = given.get("station"), given.get("location")
    if not isinstance(station, str) or not isinstance(location, str):
        return None
    return sc.PlanSection(name="unknown", station=station, location=location)


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
        self.settings_file(device)
        outputs = self.section(sc.OutputsSection, raw, "outputs") or sc.OutputsSection()
        settings = self.section(sc.SettingsSection, raw, "settings")
        connection = self.section(sc.ConnectionSection, raw, "connection") or sc.ConnectionSection()
        given = self.section(sc.ToleranceSection, raw, "tolerance", is_needed=True)
        tolerance = None if given is None else self.tolerance(given, "tolerance")
        sections = self.tests(raw)
        head = head or _stand_in(raw.get("plan"))
        facts = None if head is None else self.facts(head)
        if head is None or facts is None or not facts.locations:
            return None
        # where something that the tests rest on is wrong, they are checked with a stand-in for it
        relay = facts.locations.get(head.location) or next(iter(facts.locations.values()))
        tolerance = tolerance or UNKNOWN_TOLERANCE
        element = None
        if settings is not None:
            element = self.element(settings, relay)
        elif "settings" in raw:
            element = UNKNOWN_ELEMENT
        tags = {k: v for k, v in outputs.model_dump().items() if v is not None}
        for output, tag in tags.items():
            if tag not in facts.tags:
                hint = did_you_mean(tag, facts.tags)
                self.problem(
                    f"outputs.{output}", f"no point {tag!r} in the station that can be written{hint}"
                )
            if list(tags.values()).count(tag) > 1:
                self.problem(f"outputs.{output}", f"{tag!r} is named twice; each output needs its own")
        checker = TestChecks(self.problem, facts, device, tags)
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

    def settings_file(self, device: sc.DeviceSection) -> None:
        """Check that the file of the device's settings is there: the report states its hash."""
        if not device.settings_file:
            return
        try:
            if (self.path.parent / Path(device.settings_file).expanduser()).is_file():
                return
        except (OSError, RuntimeError):  # a name too long; a home of nobody
            pass
        self.problem("device.settings_file", f"no file {device.settings_file!r} beside the plan")

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
            if not isinstance(kind, str) or kind not in sc.KINDS:
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
        elif head.vt_ratio is not None:
            relay = dc.replace(facts.locations[head.location], vt_ratio=head.vt_ratio)
            facts = dc.replace(facts, locations={**facts.locations, head.location: relay})
        return facts

    def element(self, settings: sc.SettingsSection, relay: RelayFacts) -> Element:
        """Return the element under test; one that stands for it, with a problem, when there is none."""
        given = settings.model_dump(exclude={"pickup"})
        if settings.curve not in CURVES:
            hint = did_you_mean(settings.curve, CURVES)
            self.problem("settings.curve", f"no curve {settings.curve!r}{hint}; one of {', '.join(CURVES)}")
            given["curve"] = UNKNOWN_ELEMENT.curve
        pickup_a = 0.0
        try:
            pickup_a = settings.pickup.current_a(relay, None)
            if pickup_a <= 0:
                self.problem("settings.pickup", "must be more than 0")
        except ValueError as error:
            self.problem("settings.pickup", str(error))
        check_secondaries(self.problem, "settings", settings, relay)
        return Element(pickup_a=pickup_a or UNKNOWN_ELEMENT.pickup_a, **given)

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
