"""Attack files, ``config/attacks/<name>.toml``: which points are falsified how, where and when.

    [attacks]
    name = "bias_head"
    station = "iowa240"

    [[attack]]
    name = "p_high"
    kind = "bias"
    place = "instrument"
    points = ["FDR_B.HEAD.P"]
    start_s = 2
    duration_s = 20
    offset = 300.0          # unit of the point, here kW

Read by ``gridhil attack``, by a station whose table [attack] names one, and by ``gridhil check``. Every
problem comes in one report.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from estimation.attacks import Attack, Command, Delta, Kind, Place, parameter_problems
from hil import attack_limits, attack_slots, paths
from hil.attack_sections import AttackSection, AttacksSection, CommandSection, WireProtocol
from hil.settings_errors import check_model, load_toml
from hil.station import Plan, read_plan, step_ns
from rtcore.assembly.switching import LAB_KINDS, is_attackable
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import Kind as PointKind
from rtcore.points import Point, index_of

TABLES = ("attacks", "attack")
MODELLED = (Kind.STEALTHY, Kind.TOPOLOGY)
AT_INSTRUMENTS = (Kind.BIAS, Kind.SCALE, Kind.RAMP, Kind.FREEZE, Kind.RANDOM, Kind.DROPOUT, Kind.DELAY)
ON_WRITES = (Kind.BIAS, Kind.SCALE, Kind.RAMP, Kind.RANDOM)

Channels = tuple[tuple[str, ...], Delta]
ModelOf = Callable[[Plan, AttackSection, int, Path], Channels]
"""(station, attack, seed, folder of the file) -> the channels that the attacker reads, and its ``delta``."""


@dc.dataclass(frozen=True, slots=True)
class AttackFile:
    """A checked attack file.

    Attributes
    ----------
    on_writes : frozenset of str
        Names of the attacks that change what masters write.
    protocols : mapping
        Attack -> whose frames it changes on the wire.
    """

    path: Path
    name: str
    title: str
    plan: Plan
    seed: int
    attacks: tuple[Attack, ...]
    on_writes: frozenset[str] = frozenset()
    protocols: Mapping[str, WireProtocol] = dc.field(default_factory=dict)

    def at(self, place: Place) -> list[Attack]:
        """Return the attacks at one place, commands left out."""
        return [a for a in self.attacks if a.place is place and a.kind is not Kind.COMMAND]

    def on_wire(self, protocol: WireProtocol) -> list[Attack]:
        """Return the attacks on the wire that change a protocol's frames."""
        return [a for a in self.at(Place.WIRE) if self.protocols[a.name] in (protocol, "both")]

    @property
    def commands(self) -> list[Attack]:
        """The attacks that send commands."""
        return [a for a in self.attacks if a.kind is Kind.COMMAND]


def is_attacks(raw: dict[str, Any]) -> bool:
    """Tell an attack file by its tables."""
    return "attacks" in raw or isinstance(raw.get("attack"), list)


def read_attacks(
    name_or_path: str,
    near: Path | None = None,
    *,
    plan: Plan | None = None,
    model_of: ModelOf | None = None,
) -> AttackFile:
    """Read and check an attack file with its station.

    Parameters
    ----------
    name_or_path : str
        A file, or the name of a shipped one.
    near : Path, optional
        Folder that a path is relative to; default the working directory.
    plan : Plan, optional
        Station that is attacked instead of the one that the file names.
    model_of : callable, optional
        Makes the attacker's model; ``hil.attack_models.channels_of`` by default.

    Raises
    ------
    UserInputError
        With every problem of the file and of its station.
    """
    path = paths.find("attacks", name_or_path, near)
    raw, problems = load_toml(path)
    if problems:
        raise UserInputError(problems)
    if model_of is None:
        from hil.attack_models import channels_of  # it builds an estimator: only where one is needed

        model_of = channels_of
    draft = _Draft(path, raw, model_of, plan)
    if draft.problems or draft.plan is None or draft.head is None:
        raise UserInputError(dict.fromkeys(draft.problems))
    head = draft.head
    writers = frozenset(s.name for _, s in draft.sections if s.writes)
    return AttackFile(
        path=path,
        name=head.name,
        title=head.title or head.name,
        plan=draft.plan,
        seed=head.seed,
        attacks=tuple(draft.attacks),
        on_writes=writers,
        protocols={s.name: s.protocol for _, s in draft.sections},
    )


class _Draft:
    """An attack file while its problems are being collected."""

    def __init__(self, path: Path, raw: dict[str, Any], model_of: ModelOf, plan: Plan | None) -> None:
        self.path, self.file, self.problems = path, str(path), list[Problem]()
        self._model_of = model_of
        for key in raw:
            if key not in TABLES:
                self._add(key, f"unknown table; allowed: {', '.join(TABLES)}{did_you_mean(key, TABLES)}")
        self.head = self._head(raw)
        self.sections = list(self._sections(raw))
        self.plan = plan or self._plan()
        self.attacks: list[Attack] = []
        names = Counter(s.name for _, s in self.sections)
        for k, section in self.sections:
            if names[section.name] > 1:
                self._add(f"attack[{k}].name", f"{section.name!r} names {names[section.name]} attacks")
        if self.plan is None:
            return
        self._points = self.plan.points.core
        self._index = index_of(self._points)
        for k, section in self.sections:
            if (attack := self._attack(section, f"attack[{k}]")) is not None:
                self.attacks.append(attack)
        self._check_slots()

    def _add(self, place: str, what: str) -> None:
        self.problems.append(Problem(self.file, place, what))

    def _head(self, raw: dict[str, Any]) -> AttacksSection | None:
        if "attacks" not in raw:
            self._add("attacks", "the table [attacks] is missing and has no default")
            return None
        head, wrong = check_model(AttacksSection, raw["attacks"], self.file, "attacks")
        self.problems += wrong
        return head

    def _sections(self, raw: dict[str, Any]) -> Iterator[tuple[int, AttackSection]]:
        tables = raw.get("attack", [])
        if not isinstance(tables, list) or not tables:
            self._add("attack", "no attack; write [[attack]], there may be several")
            return
        for k, table in enumerate(tables):
            section, wrong = check_model(AttackSection, table, self.file, f"attack[{k}]")
            self.problems += wrong
            if section is not None:
                yield k, section

    def _plan(self) -> Plan | None:
        if self.head is None:
            return None
        try:
            return read_plan(str(paths.find("stations", self.head.station, self.path.parent)))
        except paths.NotFoundError as error:
            self._add("attacks.station", error.what)
        except UserInputError as error:
            self.problems += error.problems
        return None

    # ---- one attack ---------------------------------------------------------------------------

    def _attack(self, s: AttackSection, at: str) -> Attack | None:
        before = len(self.problems)
        wrong = parameter_problems(s.kind, s.figures())
        self._check_keys(s, at)
        tags = self._tags(s, at)
        wrong += [(k, what) for k, what in self._limits(s, tags) if k not in dict(wrong)]
        for name, what in wrong:
            self._add(f"{at}.{name}", what)
        for tag in s.statuses:
            is_one = self._point(tag, s, f"{at}.statuses")
            if is_one and (why := attack_limits.why_no_status(self._points[self._index[tag]])):
                self._add(f"{at}.statuses", f"{tag} {why}")
        commands = tuple(
            c for k, row in enumerate(s.command) for c in self._commands(row, f"{at}.command[{k}]")
        )
        delta = None
        if len(self.problems) == before and s.kind in MODELLED and (s.kind is Kind.STEALTHY or s.model):
            tags, delta = self._modelled(s, at)
        if len(self.problems) > before:
            return None
        return Attack(
            name=s.name,
            kind=s.kind,
            place=s.place,
            channels=tags,
            start_s=s.start_s,
            duration_s=math.inf if s.duration_s is None else s.duration_s,
            parameters=s.figures(),
            delta=delta,
            statuses={tag: float(v) for tag, v in s.statuses.items()},
            commands=commands,
        )

    def _limits(self, s: AttackSection, tags: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Yield (figure, what is wrong) of what no reader could be shown, away from instruments."""
        assert self.plan is not None
        if s.place is Place.INSTRUMENT:
            return
        figures = s.figures()
        yield from attack_limits.too_large(
            figures, s.duration_s, [self._points[self._index[t]] for t in tags]
        )
        if s.place is Place.BOARD:
            step_s = step_ns(self.plan.station, has_fifo=True) * 1e-9  # the shortest one that it may run with
            yield from attack_limits.too_old(s.kind, figures, len(tags), step_s)
        elif s.kind is Kind.REPLAY:
            what = "the start_s before it in which values pass through the proxy"
            yield from attack_limits.not_recorded(s.kind, figures, s.start_s, what)

    def _check_keys(self, s: AttackSection, at: str) -> None:
        """Report keys that are missing for the kind and place, and those that mean nothing there."""
        is_modelled, is_command = s.kind in MODELLED, s.kind is Kind.COMMAND
        if s.statuses and s.kind is not Kind.TOPOLOGY:
            self._add(f"{at}.statuses", "belongs to kind topology")
        if s.kind is Kind.TOPOLOGY and not s.statuses:
            self._add(f"{at}.statuses", "this key is missing and has no default")
        if s.model is not None and not is_modelled:
            self._add(f"{at}.model", "belongs to kinds stealthy and topology")
        if s.command and not is_command:
            self._add(f"{at}.command", "belongs to kind command")
        if is_command and not s.command:
            self._add(f"{at}.command", "no command; write [[attack.command]]")
        if is_command and s.place is not Place.WIRE:
            self._add(f"{at}.place", 'commands are sent by Modbus: place = "wire"')
        if not s.points and not is_modelled and not is_command:
            self._add(f"{at}.points", "this key is missing and has no default")
        if "protocol" in s.model_fields_set and (s.place is not Place.WIRE or is_command):
            self._add(f"{at}.protocol", 'belongs to place = "wire"; commands are sent by Modbus')
        if s.writes and (s.place is not Place.WIRE or s.kind not in ON_WRITES):
            kinds = ", ".join(k.value for k in ON_WRITES)
            self._add(f"{at}.writes", f'belongs to place = "wire" and kinds {kinds}')
        if s.writes and s.protocol != "modbus":
            self._add(f"{at}.writes", 'only Modbus writes are changed: protocol = "modbus"')
        if s.place is Place.INSTRUMENT:
            is_spoof = s.kind is Kind.TOPOLOGY and s.model is None and not s.points
            if not is_spoof and s.kind not in AT_INSTRUMENTS:
                kinds = ", ".join(k.value for k in AT_INSTRUMENTS)
                what = f"kind {s.kind} is not possible there; {kinds}, or topology with statuses alone"
                self._add(f"{at}.place", what)
            elif s.kind is Kind.DROPOUT and s.probability not in (None, 1.0):
                self._add(f"{at}.probability", "an instrument is lost altogether; 1 or left out")

    def _modelled(self, s: AttackSection, at: str) -> tuple[tuple[str, ...], Delta | None]:
        assert self.plan is not None
        assert self.head is not None
        try:
            return self._model_of(self.plan, s, self.head.seed, self.path.parent)
        except ValueError as error:
            self._add(f"{at}.model", str(error))
        except UserInputError as error:
            self.problems += error.problems
        return (), None

    def _tags(self, s: AttackSection, at: str) -> tuple[str, ...]:
        """Return the tags that the patterns match, in the order of the station."""
        found = dict[str, None]()
        for k, pattern in enumerate(s.points):
            place = f"{at}.points[{k}]"
            if pattern in self._index:
                matched = [pattern]
            else:
                matched = [p.tag for p in self._points if fnmatchcase(p.tag, pattern)]
                is_pattern = any(c in pattern for c in "*?[")
                matched = [t for t in matched if self._why_not(t, s) is None] if is_pattern else matched
            if not matched:
                self._add(place, f"no point {pattern!r} to attack{did_you_mean(pattern, self._index)}")
            found |= dict.fromkeys(t for t in matched if self._point(t, s, place))
        return tuple(sorted(found, key=lambda t: self._index[t]))

    def _point(self, tag: str, s: AttackSection, place: str) -> bool:
        if tag not in self._index:
            self._add(place, f"no point {tag!r}{did_you_mean(tag, self._index)}")
            return False
        why = self._why_not(tag, s)
        if why is not None:
            self._add(place, f"{tag} {why}")
        return why is None

    def _why_not(self, tag: str, s: AttackSection) -> str | None:
        """Say why a point cannot be attacked in this way."""
        point = self._points[self._index[tag]]
        if s.place is Place.INSTRUMENT:
            if not is_attackable(point):
                return "is no measured point of the plant"
            return attack_limits.why_no_state(point, s.kind, s.figures())
        if point.is_health or point.source.partition(".")[0] in LAB_KINDS:
            return "belongs to the lab or to the loop's health"
        if s.place is Place.WIRE and s.protocol != "opcua" and "modbus" not in point.wire:
            return "is not on Modbus"
        if s.place is Place.WIRE and s.protocol != "modbus" and point.kind is PointKind.CONTROL:
            return "is a method in OPC UA, it has no value there"
        if s.writes and not point.is_writable:
            return "cannot be written"
        return attack_limits.why_no_state(point, s.kind, s.figures())

    def _commands(self, row: CommandSection, at: str) -> Iterator[Command]:
        point = self._points[self._index[row.tag]] if row.tag in self._index else None
        if point is None:
            self._add(f"{at}.tag", f"no point {row.tag!r}{did_you_mean(row.tag, self._index)}")
        elif not point.is_writable or "modbus" not in point.wire:
            self._add(f"{at}.tag", f"{row.tag} cannot be written by Modbus")
        if (row.value is None) == (not row.values):
            self._add(at, "one of value and values is needed")
            return
        values = row.values if row.value is None else (row.value,)
        for k, value in enumerate(values):
            if point is not None and (wrong := beyond(point, value)):
                self._add(f"{at}.values[{k}]" if row.values else f"{at}.value", wrong)
        for k in range(row.repeat):
            yield Command(tag=row.tag, value=values[k % len(values)], at_s=row.at_s + k * row.every_s)

    def _check_slots(self) -> None:
        """Report what the slots at instruments would refuse, of each attack and of all together."""
        assert self.plan is not None
        if {Place.INSTRUMENT, Place.BOARD} <= {a.place for a in self.attacks}:
            what = "attacks at instruments use up the arming that those on the board live on; one of the two"
            self._add("attack", what)
        own = [a for a in self.attacks if a.place is Place.INSTRUMENT]
        if not own:
            return
        n_slots = attack_slots.count(self._index)
        if not n_slots or f"{attack_slots.ARM}.ARM" not in self._index:
            self._add("attack", "the station has no slots for attacks at instruments (LAB.ATK_1 .., LAB.ARM)")
            return
        place_of = {section.name: f"attack[{k}]" for k, section in self.sections}
        points = {tag: self._points[k] for tag, k in self._index.items()}
        dt_s = step_ns(self.plan.station, has_fifo=False) * 1e-9
        for attack in own:
            for key, what in attack_slots.refusals(attack, points, dt_s):
                self._add(f"{place_of[attack.name]}.{key}", what)
        for second, what in attack_slots.clashes(own, n_slots):
            self._add("attack" if second is None else f"{place_of[second.name]}.points", what)


def beyond(point: Point, value: float) -> str:
    """Return why a value cannot be written to a point, empty when it can."""
    if point.is_two_state and value not in (0.0, 1.0):
        return f"{value:g}: must be 0 or 1"
    if not point.minimum <= value <= point.maximum:
        unit = f" {point.unit}" if point.unit else ""
        return f"{value:g}: must be in {point.minimum:g} .. {point.maximum:g}{unit}"
    return ""
