"""Range plans, ``config/cyberrange/<plan>.toml``: read, and checked before anything runs.

    [range]
    name = "iowa240"
    station = "iowa240"
    telemetry = "sections"

    [clean]
    days = 5                          # give the thresholds
    verify_days = 5                   # other ones, in which false alarms are counted

    [attacked]
    seeds = 20

    [set]                             # setpoints at the start of every run
    "SUB.AVR_A.AUTO" = 1

    [[attack]]
    name = "bias"
    kind = "bias"
    points = ["FDR_B.HEAD.P"]
    offset = 100                      # in the unit of the point; keys as in an attack file (docs/attacks.md)

    [[expect]]
    attack = "bias"
    detector = "innovation_max"
    min_rate = 0.9

Every problem of the plan, its station and its telemetry comes in one report.
"""

from __future__ import annotations

import dataclasses as dc
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from estimation.attacks import Kind, Place, parameter_problems
from estimation.channels import Telemetry
from hil import attack_limits, paths
from hil.attack_files import beyond
from hil.attack_sections import CommandSection
from hil.cyberrange import schema as sc
from hil.settings_errors import Section, check_model, load_toml
from hil.station import Plan, read_plan
from hil.telemetry_files import telemetry_of
from rtcore.errors import Problem, UserInputError, did_you_mean

S = TypeVar("S", bound=Section)
TABLES = ("range", "clean", "attacked", "set", "attack", "expect")
OWN_TABLES = ("range", "clean", "attacked")
"""Those that no other kind of file has."""
MODEL_KINDS = (Kind.STEALTHY, Kind.TOPOLOGY)


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class RangePlan:
    """A checked plan.

    Attributes
    ----------
    sha256 : str
        Of its file.
    channels : mapping
        Attack -> tags of the telemetry that it changes.
    """

    path: Path
    sha256: str
    head: sc.RangeSection
    clean: sc.CleanSection
    attacked: sc.AttackedSection
    settings: Mapping[str, float]
    attacks: tuple[sc.AttackSection, ...]
    channels: Mapping[str, tuple[str, ...]]
    expectations: tuple[sc.ExpectSection, ...]
    station: Plan
    telemetry: Telemetry

    @property
    def steps_per_scan(self) -> int:
        """Steps of the plant from scan to scan."""
        return round(self.head.scan_s / self.head.step_s)

    def scans(self, minutes: float) -> int:
        """Return how many scans a time holds."""
        return round(60.0 * minutes / self.head.scan_s)


def is_range(raw: Mapping[str, Any]) -> bool:
    """Tell a range plan by its tables."""
    return any(table in raw for table in OWN_TABLES)


def find_plan(name: str) -> Path:
    """Return the path of a plan: a file, or the name of a shipped one."""
    path, folder = Path(name).expanduser(), paths.config_dir() / "cyberrange"
    if path.is_file():
        return path
    shipped = sorted(p.stem for p in folder.glob("*.toml"))
    if path.name == name and path.suffix in ("", ".toml") and path.stem in shipped:
        return folder / f"{path.stem}.toml"
    raise paths.absent(path, "range plan", shipped)


def read_plan_file(path: Path) -> RangePlan:
    """Read a plan with its station and telemetry; UserInputError with every problem."""
    raw, problems = load_toml(path)
    if problems:
        raise UserInputError(problems)
    return _Draft(path, raw).plan()


class _Draft:
    """A plan while its problems are being collected."""

    def __init__(self, path: Path, raw: dict[str, Any]) -> None:
        self.path, self.file, self.problems = path, str(path), list[Problem]()
        for key in raw:
            if key not in TABLES:
                what = f"unknown table; allowed: {', '.join(TABLES)}{did_you_mean(key, TABLES)}"
                self._add(key, what)
        self.head = self._table(raw, "range", sc.RangeSection)
        self.clean = self._table(raw, "clean", sc.CleanSection)
        self.attacked = self._table(raw, "attacked", sc.AttackedSection)
        self.attacks = self._list(raw, "attack", sc.AttackSection)
        self.expectations = self._list(raw, "expect", sc.ExpectSection)
        self.settings = self._settings(raw.get("set", {}))
        self.station, self.telemetry = self._station()
        self.channels: dict[str, tuple[str, ...]] = {}
        self._check_head()
        self._check_days()
        self._check_attacks(raw.get("attack"))
        self._check_expectations()

    def plan(self) -> RangePlan:
        """Return the checked plan, or raise what is wrong with it."""
        if self.problems:
            raise UserInputError(dict.fromkeys(self.problems))
        assert self.head is not None and self.clean is not None and self.attacked is not None
        assert self.station is not None and self.telemetry is not None
        return RangePlan(
            path=self.path,
            sha256=hashlib.sha256(self.path.read_bytes()).hexdigest(),
            head=self.head,
            clean=self.clean,
            attacked=self.attacked,
            settings=self.settings,
            attacks=tuple(a for _, a in self.attacks),
            channels=self.channels,
            expectations=tuple(e for _, e in self.expectations),
            station=self.station,
            telemetry=self.telemetry,
        )

    def _add(self, place: str, what: str) -> None:
        self.problems.append(Problem(self.file, place, what))

    def _table(self, raw: Mapping[str, Any], key: str, model: type[S]) -> S | None:
        found, problems = check_model(model, raw.get(key, {}), self.file, key)
        self.problems += problems
        return found

    def _list(self, raw: Mapping[str, Any], key: str, model: type[S]) -> list[tuple[int, S]]:
        rows = raw.get(key, [])
        if not isinstance(rows, list):
            self._add(key, f"is one table; write [[{key}]]")
            return []
        found = []
        for k, row in enumerate(rows):
            section, problems = check_model(model, row, self.file, f"{key}[{k}]")
            self.problems += problems
            found += [] if section is None else [(k, section)]
        return found

    def _settings(self, raw: Any) -> dict[str, float]:
        if not isinstance(raw, dict):
            self._add("set", f"{raw!r} is no table of tags and values")
            return {}
        for tag, value in raw.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                self._add(
                    f'set."{tag}"', f"{value!r} is not a number; write states as 0 and 1, tags in quotes"
                )
        return {t: float(v) for t, v in raw.items() if isinstance(v, int | float) and not isinstance(v, bool)}

    def _station(self) -> tuple[Plan | None, Telemetry | None]:
        if self.head is None:
            return None, None
        near = self.path.parent
        try:
            station = read_plan(str(paths.find("stations", self.head.station, near)))
        except paths.NotFoundError as error:
            self._add("range.station", error.what)
            return None, None
        except UserInputError as error:
            self.problems += error.problems
            return None, None
        try:
            return station, telemetry_of(station, self.head.telemetry, near)
        except paths.NotFoundError as error:
            self._add("range.telemetry", error.what)
        except UserInputError as error:
            self.problems += error.problems
        return station, None

    def _check_head(self) -> None:
        if self.head is not None:
            n = self.head.scan_s / self.head.step_s
            if abs(n - round(n)) > 1e-9 or round(n) < 1:
                what = f"{self.head.scan_s:g} s is no whole number of steps of {self.head.step_s:g} s"
                self._add("range.scan_s", what)
        for tag, value in self.settings.items():
            self._check_write(tag, (value,), f'set."{tag}"', f'set."{tag}"')

    def _check_days(self) -> None:
        """No day of the year is drawn twice: there must be enough of them."""
        if self.clean is None or self.attacked is None:
            return
        n_clean, each = self.clean.days + self.clean.verify_days, self.clean.days_each
        if n_clean * each + self.attacked.seeds > sc.YEAR_DAYS:
            what = (
                f"{n_clean} clean runs of {each} d and {self.attacked.seeds} attacked days are more than the "
            )
            self._add(
                "clean.verify_days", what + f"{sc.YEAR_DAYS} days of a year; every run has days of its own"
            )

    def _check_write(self, tag: str, values: Sequence[float], tag_place: str, value_place: str) -> None:
        if self.station is None:
            return
        points = {p.tag: p for p in self.station.points.core}
        if tag not in points:
            self._add(tag_place, f"no point {tag!r}{did_you_mean(tag, points)}")
        elif not points[tag].is_writable:
            self._add(tag_place, f"{tag} is a {points[tag].kind} point; nobody can write it")
        else:
            for wrong in filter(None, (beyond(points[tag], value) for value in values)):
                self._add(value_place, wrong)

    def _check_attacks(self, raw: Any) -> None:
        if not self.attacks and not raw:
            self._add("attack", "no attack; at least one [[attack]] is needed")
        names = Counter(a.name for _, a in self.attacks)
        for k, attack in self.attacks:
            place = f"attack[{k}]"
            if names[attack.name] > 1:
                self._add(f"{place}.name", f"{attack.name!r} is the name of {names[attack.name]} attacks")
            kind = Kind(attack.kind)
            self._check_parts(attack, kind, place)
            self._check_channels(attack, kind, place)
            wrong = parameter_problems(kind, attack.figures())
            wrong += [(key, what) for key, what in self._limits(attack, kind) if key not in dict(wrong)]
            for name, what in wrong:
                self._add(f"{place}.{name}", what)

    def _limits(self, attack: sc.AttackSection, kind: Kind) -> Iterator[tuple[str, str]]:
        """Yield (figure, what is wrong) of what the centre could not be shown."""
        tags, figures = self.channels[attack.name], attack.figures()
        points = [] if self.station is None else [p for p in self.station.points.core if p.tag in tags]
        yield from attack_limits.too_large(figures, attack.duration_s, points)
        if self.head is None or self.attacked is None:
            return
        old = list(attack_limits.too_old(kind, figures, len(tags), self.head.scan_s))
        warm_s = 60.0 * self.attacked.warm_min
        what = "the warm-up (attacked.warm_min) in which values are seen before it"
        yield from old or attack_limits.not_recorded(kind, figures, warm_s, what)

    def _check_parts(self, attack: sc.AttackSection, kind: Kind, place: str) -> None:
        """Find what an attack of this kind must have and must not have."""
        for has, is_of, key in (
            (bool(attack.command), kind is Kind.COMMAND, "command"),
            (bool(attack.statuses), kind is Kind.TOPOLOGY, "statuses"),
            (attack.model is not None, kind in MODEL_KINDS, "model"),
        ):
            if has and not is_of:
                self._add(f"{place}.{key}", f"an attack of kind {kind} has none")
            elif is_of and not has and not (key == "model" and kind is Kind.TOPOLOGY):
                self._add(f"{place}.{key}", f"an attack of kind {kind} needs it")
        for n, command in enumerate(attack.command):
            values = command.values if command.value is None else (command.value,)
            at = f"{place}.command[{n}]"
            self._check_write(command.tag, values, f"{at}.tag", f"{at}.value")
            self._check_in_time(attack, command, f"{at}.at_s")
            if (command.value is None) == (not command.values):
                self._add(f"{place}.command[{n}].value", "value or values: one of them is needed")
        for key, is_other in (
            ("place", attack.place is not Place.BOARD),
            ("start_s", attack.start_s != 0.0),
            ("writes", attack.writes),
            ("protocol", "protocol" in attack.model_fields_set),
        ):
            if is_other:
                what = "in the range all attacks begin after the warm-up, between plant and centre"
                self._add(f"{place}.{key}", what)
        if attack.model is not None:
            self._check_model(attack.model, f"{place}.model")
        tags = self._read_tags()
        for tag in attack.statuses:
            if tags and tag not in tags:
                self._add(
                    f'{place}.statuses."{tag}"', f"the centre does not read {tag!r}{did_you_mean(tag, tags)}"
                )
        for tag, why in self._no_statuses(attack):
            self._add(f'{place}.statuses."{tag}"', f"{tag} {why}")

    def _no_statuses(self, attack: sc.AttackSection) -> Iterator[tuple[str, str]]:
        """Yield (tag, why it has no status) of the statuses of an attack."""
        for point in () if self.station is None else self.station.points.core:
            if point.tag in attack.statuses and (why := attack_limits.why_no_status(point)):
                yield point.tag, why

    def _check_in_time(self, attack: sc.AttackSection, command: CommandSection, place: str) -> None:
        """A command that comes when the attack is over never comes."""
        if self.attacked is None and attack.duration_s is None:
            return
        last_s = command.at_s + (command.repeat - 1) * command.every_s
        duration_s = attack.duration_s or 60.0 * (self.attacked.duration_min if self.attacked else 0.0)
        if last_s >= duration_s:
            self._add(place, f"the last is given after {last_s:g} s, the attack lasts {duration_s:g} s")

    def _check_model(self, model: sc.ModelSection, place: str) -> None:
        if self.station is None:
            return
        network = self.station.network
        buses, switches = [b.name for b in network.buses], [s.name for s in network.switches]
        for n, pattern in enumerate(model.buses):
            if not any(fnmatchcase(b, pattern) for b in buses):
                self._add(f"{place}.buses[{n}]", f"no bus is like {pattern!r}{did_you_mean(pattern, buses)}")
        for n, name in enumerate(model.flipped):
            if name not in switches:
                self._add(f"{place}.flipped[{n}]", f"no switch {name!r}{did_you_mean(name, switches)}")
        if model.factor == 1.0 and not model.flipped:
            self._add(place, "factor = 1 and nothing flipped: the attack would change nothing")

    def _check_channels(self, attack: sc.AttackSection, kind: Kind, place: str) -> None:
        if kind is Kind.COMMAND:
            if attack.points:
                self._add(f"{place}.points", "a command attack changes no channels")
            self.channels[attack.name] = ()
            return
        if not attack.points and kind is not Kind.TOPOLOGY:
            self._add(f"{place}.points", "no channel: nothing to change")
        tags = self._channel_tags()
        for n, pattern in enumerate(attack.points if tags else ()):
            if not any(fnmatchcase(t, pattern) for t in tags):
                hint = did_you_mean(pattern, tags)
                self._add(f"{place}.points[{n}]", f"no channel of the telemetry is like {pattern!r}{hint}")
        chosen = (t for t in tags if any(fnmatchcase(t, p) for p in attack.points))
        self.channels[attack.name] = tuple(dict.fromkeys((*chosen, *attack.statuses)))

    def _channel_tags(self) -> Sequence[str]:
        if self.telemetry is None:
            return ()
        return [c.measurement.name for c in self.telemetry.channels if c.point >= 0]

    def _read_tags(self) -> Sequence[str]:
        if self.telemetry is None or self.station is None:
            return ()
        points = self.station.points.core
        return [points[i].tag for i in self.telemetry.points]

    def _check_expectations(self) -> None:
        names = [a.name for _, a in self.attacks]
        for k, e in self.expectations:
            place = f"expect[{k}]"
            if e.attack and e.attack not in names:
                self._add(f"{place}.attack", f"no attack {e.attack!r}{did_you_mean(e.attack, names)}")
            for key, what in _contradictions(e):
                self._add(f"{place}.{key}", what)


def _contradictions(e: sc.ExpectSection) -> Iterator[tuple[str, str]]:
    """Yield what an expectation cannot mean."""
    if e.attack and e.max_false_alarms_per_day is not None:
        yield "max_false_alarms_per_day", "is of the clean runs; leave attack out"
    if not e.attack and e.max_false_alarms_per_day is None:
        yield "attack", "without an attack, max_false_alarms_per_day is needed"
    if e.min_rate > e.max_rate:
        yield "min_rate", f"{e.min_rate:g} is more than max_rate = {e.max_rate:g}"
