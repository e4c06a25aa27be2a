"""Scenario files: one TOML file of timed commands and assertions on a station.

caller      function           files read
scenario    read_scenario      the scenario file, the station it names and all that it names
check       read_scenario      the same

Every problem of the file comes in one report; with a station that cannot be read, those of the
station and those that need no station.
"""

from __future__ import annotations

import dataclasses as dc
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hil import paths
from hil.plant_settings import over
from hil.scenario_faults import FaultDesk, Strike, collisions, preparation
from hil.scenario_forms import Place, Reader
from hil.scenario_model import Check, Event, Order, Record, Scenario
from hil.scenario_sections import (
    REASONS,
    AssertSection,
    EventSection,
    RecordSection,
    ScenarioSection,
    flat_writes,
)
from hil.scenario_times import END, PREVIOUS, START, Times, seconds
from hil.settings_errors import check_model, load_toml
from hil.settings_sections import PlantShape
from hil.station import STEP_FIFO_NS, Plan, read_plan, read_station_plant
from rtcore.commands import GROUP_MAX
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import Kind
from rtcore.shared_kernels import COMMANDS_MAX

OWN_TABLES = ("scenario", "set", "event", "assert", "record")
TABLES = (*OWN_TABLES, "plant")
"""All of a scenario file; a station file has a table [plant] as well."""

RECORD_ROWS = 600
"""About how many rows a record has when the file does not say how far apart they are."""
RECORD_CELLS_MAX = 5_000_000
CHANNELS_MAX = 20_000
"""Most points that all assertions together may look at."""


def is_scenario(raw: Mapping[str, Any]) -> bool:
    """Tell a scenario file by its tables."""
    return any(table in raw for table in OWN_TABLES)


def names() -> list[str]:
    """Return the names of the shipped scenarios, sorted."""
    return sorted(p.stem for p in (paths.config_dir() / "scenarios").glob("*.toml"))


def find(name: str) -> Path:
    """Return the path of a scenario file: a path, or a shipped scenario's name."""
    path, shipped = Path(name).expanduser(), paths.config_dir() / "scenarios" / f"{name}.toml"
    if path.is_file():
        return path
    if path.name == name and not path.suffix and shipped.is_file():
        return shipped
    raise paths.absent(path, "scenario file", names())


def read_scenario(name_or_path: str | Path, seed: int | None = None) -> Scenario:
    """Read and check a scenario with its station.

    Parameters
    ----------
    name_or_path : str or Path
        A scenario file, or the name of a shipped scenario.
    seed : int, optional
        Seed of this run instead of the file's.

    Raises
    ------
    UserInputError
        Every problem of the file and of its station.
    """
    path = find(str(name_or_path))
    raw, problems = load_toml(path)
    if problems:
        raise UserInputError(problems)
    draft = _Draft(path, raw)
    if draft.plan is None or draft.problems:
        raise UserInputError(set(draft.problems))
    return draft.scenario(seed)


class _Draft:
    """A scenario file while its problems are being collected."""

    def __init__(self, path: Path, raw: dict[str, Any]) -> None:
        self.path, self.file, self.problems = path, str(path), list[Problem]()
        for key in raw:
            if key not in TABLES:
                what = f"unknown table; allowed: {', '.join(TABLES)}{did_you_mean(key, TABLES)}"
                self.problems.append(Problem(self.file, key, what))
        self.head = self._head(raw)
        self.given_events = self._sections(raw, "event", EventSection)
        self.unread_names = _names(raw.get("event")) - {e.name for _, e in self.given_events}
        self.given_asserts = self._sections(raw, "assert", AssertSection)
        self.given_record = self._table(raw, "record", RecordSection)
        self.plan = self._with_own_plant(self._plan(), raw)
        if self.head is None or self.plan is None:
            return
        self.dt_ns = self._dt_ns(self.head, self.plan)
        self.times = self._times(self.head, self.plan)
        reader = Reader(self.plan.points.core, self.times, self.dt_ns)
        self.events = tuple(self._events(reader, raw.get("set", {}), FaultDesk(self.plan)))
        self.asserts = tuple(self._asserts(reader))
        self.record = self._record(reader)
        self._check_load()

    def scenario(self, seed: int | None) -> Scenario:
        """Return the checked scenario; only when there is no problem."""
        head, plan = self.head, self.plan
        assert head is not None
        assert plan is not None
        own = plan.station.loop.seed if head.seed is None else head.seed
        return Scenario(
            path=self.path,
            name=head.name,
            title=head.title or head.name,
            description=head.description.strip(),
            plan=plan,
            dt_ns=self.dt_ns,
            n_steps=self.times.duration_ns // self.dt_ns + 1,
            seed=own if seed is None else seed,
            events=self.events,
            asserts=self.asserts,
            record=self.record,
        )

    # ---- tables as such -----------------------------------------------------------------------

    def _head(self, raw: Mapping[str, Any]) -> ScenarioSection | None:
        if "scenario" not in raw:
            self.problems.append(
                Problem(self.file, "scenario", "the table [scenario] is missing and has no default")
            )
        head: ScenarioSection | None = self._table(raw, "scenario", ScenarioSection)
        return head

    def _table(self, raw: Mapping[str, Any], key: str, model: type[Any]) -> Any:
        if key not in raw:
            return None
        section, wrong = check_model(model, raw[key], self.file, key)
        self.problems += wrong
        return section

    def _sections(self, raw: Mapping[str, Any], key: str, model: type[Any]) -> list[tuple[int, Any]]:
        """Return (number, section) of every table of an array that passed its own checks."""
        tables = raw.get(key, [])
        if not isinstance(tables, list):
            what = f"one table; write [[{key}]], there may be several"
            self.problems.append(Problem(self.file, key, what))
            return []
        found = []
        for number, table in enumerate(tables):
            section, wrong = check_model(model, _renamed(table), self.file, f"{key}[{number}]")
            self.problems += [dc.replace(p, place=_said_place(p.place), what=_said(p.what)) for p in wrong]
            if section is not None:
                found.append((number, section))
        return found

    # ---- station and time ---------------------------------------------------------------------

    def _plan(self) -> Plan | None:
        if self.head is None:
            return None
        try:
            station_path = paths.find("stations", self.head.station, self.path.parent)
        except paths.NotFoundError as error:
            self.problems.append(Problem(self.file, "scenario.station", error.what))
            return None
        try:
            plan = read_plan(str(station_path))
        except UserInputError as error:
            self.problems += error.problems
            return None
        if self.head.start is not None:
            time = plan.station.time.model_copy(update={"start": self.head.start})
            plan = dc.replace(plan, station=dc.replace(plan.station, time=time))
        try:
            loads = [x.name for x in plan.network.loads]
            plan.station.read_profile(loads, self.head.duration * 1e-9)
        except UserInputError as error:
            self.problems += error.problems
            return None
        return plan

    def _with_own_plant(self, plan: Plan | None, raw: Mapping[str, Any]) -> Plan | None:
        """Put the file's plant tables over those of the station."""
        if "plant" not in raw:
            return plan
        shape, wrong = check_model(PlantShape, {"plant": raw["plant"]}, self.file)
        self.problems += wrong
        if plan is None or shape is None:
            return plan
        own, wrong = read_station_plant(shape.plant, plan.network, self.file, plan.plant, plan.scheme)
        self.problems += wrong
        return plan if wrong else dc.replace(plan, plant=over(plan.plant, own))

    def _dt_ns(self, head: ScenarioSection, plan: Plan) -> int:
        """Return the step length [ns]; never one that depends on the host."""
        if head.step_ms is not None:
            dt_ns = round(head.step_ms * 1e6)
        elif plan.station.loop.step_us == "auto":
            dt_ns = STEP_FIFO_NS
        else:
            dt_ns = plan.station.loop.step_us * 1000
        if head.duration < dt_ns:
            what = f"{seconds(head.duration)} is less than one step ({seconds(dt_ns)})"
            self.problems.append(Problem(self.file, "scenario.duration", what))
        return dt_ns

    def _times(self, head: ScenarioSection, plan: Plan) -> Times:
        """Resolve the events' times; a name that stays unresolved is a problem of who uses it."""
        station = plan.station
        duration = head.duration - head.duration % self.dt_ns
        known = {START: 0, END: duration} | dict.fromkeys(self.unread_names, 0)
        times = Times(station.start_utc_ns, station.utc_offset_s, duration, known)
        self.event_ns: dict[int, int] = {}
        wanted = dict(self.given_events)
        every_name = [e.name for e in wanted.values() if e.name]
        for number, event in wanted.items():
            if event.name and every_name.count(event.name) > 1:
                what = f"{event.name!r} names {every_name.count(event.name)} events"
                self.problems.append(Problem(self.file, f"event[{number}].name", what))
        while ready := [n for n in wanted if self._is_ready(n, wanted, known, every_name)]:
            for number in ready:
                event = wanted.pop(number)
                try:
                    at_ns = times.resolve(event.at, self.event_ns.get(number - 1))
                except ValueError as error:
                    self.problems.append(Problem(self.file, f"event[{number}].at", str(error)))
                    at_ns = 0
                self.event_ns[number] = at_ns
                if event.name:
                    known[event.name] = at_ns
        for number, event in wanted.items():
            what = f"{event.at.text!r} leads back to this event or to one that could not be read"
            self.problems.append(Problem(self.file, f"event[{number}].at", what))
        return times

    def _is_ready(self, number: int, wanted: Mapping[int, Any], known: Any, every_name: list[str]) -> bool:
        """Tell whether what an event's time refers to is resolved, or never will be."""
        base = wanted[number].at.base
        if base == PREVIOUS:
            return number == 0 or number - 1 in self.event_ns
        return not isinstance(base, str) or base in known or base not in every_name

    # ---- events -------------------------------------------------------------------------------

    def _events(self, reader: Reader, given_set: Any, desk: FaultDesk) -> Iterator[Event]:
        place = Place(self.file, "set", self.problems)
        try:
            initial = flat_writes(given_set)
        except ValueError as error:
            place.problem("", str(error))
            initial = {}
        writes = self._writes(reader, initial, (), place, "", is_refusal_expected=False)
        for k in range(0, len(writes), GROUP_MAX):
            yield Event(step=0, at_ns=0, note="initial values", writes=tuple(writes[k : k + GROUP_MAX]))
        found, strikes, cleared = list[Event](), dict[int, tuple[Event, Strike]](), list[tuple[int, int]]()
        for number, given in self.given_events:
            place = Place(self.file, f"event[{number}]", self.problems)
            strike = desk.strike(given, place)
            clears = None if given.clear_fault is None else desk.clear(given.clear_fault, place)
            faults = tuple(tag for tag in (clears, strike and strike.apply) if tag)
            event = self._event(reader, number, given, faults, place)
            if strike is not None:
                strikes[number] = event, strike
                found.append(preparation(event, strike, self.dt_ns))
            found.append(event)
            cleared += [(slot, event.step) for slot in desk.slots_cleared(event)]
        for number, what in collisions(strikes, cleared, self.dt_ns):
            self.problems.append(Problem(self.file, f"event[{number}].fault", what))
        yield from sorted(found, key=lambda e: e.step)

    def _event(
        self, reader: Reader, number: int, given: EventSection, faults: tuple[str, ...], place: Place
    ) -> Event:
        refused, pulses = given.expect == "refused", given.pulse + faults
        writes = self._writes(reader, given.set, pulses, place, "set", is_refusal_expected=refused)
        is_fault = given.fault is not None or given.clear_fault is not None
        if not (given.set or pulses or is_fault) and (refused or not (given.note or given.name)):
            place.problem("", "does nothing; one of set, pulse, fault is needed (or a note or a name)")
        if is_fault and refused:
            place.problem("expect", "faults are always done; give the commands themselves to be refused")
        if given.reason is not None and not refused:
            place.problem("reason", 'belongs to expect = "refused", which is missing')
        if len(writes) > GROUP_MAX:
            place.problem("", f"{len(writes)} writes in one event; at most {GROUP_MAX}")
        at_ns = self.event_ns.get(number, 0)
        return Event(
            step=-(-at_ns // self.dt_ns),
            at_ns=at_ns,
            name=given.name or "",
            note=given.note,
            writes=tuple(writes),
            is_refusal_expected=refused,
            reason=None if given.reason is None else REASONS[given.reason],
        )

    def _writes(
        self,
        reader: Reader,
        given: Mapping[str, float | str],
        pulses: tuple[str, ...],
        place: Place,
        key: str,
        *,
        is_refusal_expected: bool,
    ) -> list[tuple[str, float]]:
        """Return (tag, value) of an event's commands; what the plant would refuse is a problem."""
        found = []
        for tag, value in given.items():
            at = f"{key}.{tag}" if key else tag
            for point in reader.find([tag], place, at):
                number = reader.value_of(point, value, place, at)
                if not is_refusal_expected and (wrong := _refusal(point, number)):
                    place.problem(at, wrong)
                found.append((point.tag, number))
        for point in reader.find(pulses, place, "pulse"):
            if point.kind is not Kind.CONTROL and not is_refusal_expected:
                what = f"{point.tag} is {_a(point.kind)} point; a momentary command is needed"
                place.problem("pulse", what)
            found.append((point.tag, 1.0))
        return found

    # ---- the rest -----------------------------------------------------------------------------

    def _asserts(self, reader: Reader) -> Iterator[Check | Order]:
        for number, given in self.given_asserts:
            found = reader.read(given, Place(self.file, f"assert[{number}]", self.problems))
            if found is not None:
                yield found

    def _record(self, reader: Reader) -> Record:
        given = self.given_record
        if given is None:
            return Record()
        place = Place(self.file, "record", self.problems)
        points = reader.find(given.tags, place, "tags")
        duration = self.times.duration_ns
        every_ns = given.every_s if given.every_s is not None else duration // RECORD_ROWS
        every = max(1, round(every_ns / self.dt_ns))
        if given.every_s is not None and given.every_s % self.dt_ns:
            what = f"{seconds(given.every_s)} is no multiple of the step, {seconds(self.dt_ns)}"
            place.problem("every_s", what)
        cells = (duration // self.dt_ns // every + 1) * len(points)
        if cells > RECORD_CELLS_MAX:
            what = f"makes {cells} values of {len(points)} points; at most {RECORD_CELLS_MAX}"
            place.problem("every_s", what)
        return Record(points=tuple(points), every=every)

    def _check_load(self) -> None:
        """Refuse what would not be applied in one step, and what would take too much memory."""
        load = Counter(e.step for e in self.events for _ in e.writes)
        for step, n in load.items():
            if n > COMMANDS_MAX:
                at = seconds(step * self.dt_ns)
                what = f"{n} commands in one step, {at} after the start; at most {COMMANDS_MAX}"
                self.problems.append(Problem(self.file, "event", what))
        n = sum(len(a.targets) for a in self.asserts if isinstance(a, Check))
        if n > CHANNELS_MAX:
            what = f"all assertions together look at {n} points; at most {CHANNELS_MAX}"
            self.problems.append(Problem(self.file, "assert", what))


def _refusal(point: Any, value: float) -> str:
    """Return why the plant would refuse a value, else an empty string."""
    if not point.is_writable:
        return f'{point.tag} is {_a(point.kind)} point, which nobody writes (expect = "refused" to try it)'
    if not math.isfinite(value):
        return f"{value!r} is not a finite number"
    if point.kind is Kind.CONTROL and value != 1.0:
        return f"{value:g} is no command; {point.tag} takes 1 (or use pulse)"
    if point.is_two_state and value not in (0.0, 1.0):
        return f"{value:g} is out of range; 0 or 1 ({' or '.join(point.states)})"
    if not point.minimum <= value <= point.maximum:
        unit = f" {point.unit}" if point.unit else ""
        return f"{value:g} is out of range; {point.minimum:g} to {point.maximum:g}{unit}"
    return ""


def _a(kind: Kind) -> str:
    return f"an {kind}" if kind is Kind.ANALOG else f"a {kind}"


def _names(tables: Any) -> set[str]:
    """Return the names that tables give themselves, whatever else is wrong with them."""
    listed = tables if isinstance(tables, list) else []
    found = (t.get("name") for t in listed if isinstance(t, Mapping))
    return {name for name in found if isinstance(name, str)}


def _renamed(table: Any) -> Any:
    """Rename ``from``, which no Python field can be called; keep others from using our name."""
    if not isinstance(table, Mapping):
        return table
    return {{"from": "from_", "from_": "from"}.get(key, key): value for key, value in table.items()}


def _said_place(text: str) -> str:
    """Turn a place back into the user's words."""
    head, dot, last = text.rpartition(".")
    return head + dot + {"from_": "from", "from": "from_"}.get(last, last)


def _said(text: str) -> str:
    return re.sub(r"\bfrom_\b", "from", text)
