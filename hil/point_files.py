"""Point list folders: devices.csv + shared templates + instrument classes -> points and stamps.

The one place that turns files into ``rtcore.points.Point``. Templates and instruments are looked
for in the list's own folder, then in its parent, then among those shipped in ``config/points``.
"""

from __future__ import annotations

import dataclasses as dc
import string
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from estimation.outputs import is_residual
from hil import paths, publishers
from hil import point_addresses as pa
from hil.plant_settings import declare_all
from hil.point_instruments import Instrument, instrument_arrays
from hil.point_schema import (
    BASES,
    PARAMETERS,
    DeviceRow,
    PointRow,
    Template,
    read_devices,
    read_instruments,
    read_template,
)
from hil.point_units import factor_of
from protocols.modbus_codec import ORDERS
from protocols.modbus_map import STAMP_REGISTERS
from protocols.roles import OPERATOR
from rtcore.component import REGISTRY
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import TAG_LEVEL, Kind, Point
from rtcore.published import instance_of
from rtcore.units import UNITS

__all__ = ["PointSet", "instrument_arrays", "read_points"]


@dc.dataclass(frozen=True, slots=True)
class PointSet:
    """A station's whole point list: board order is the order of ``points``.

    The core's points come first, those of other processes behind them (``hil.publishers``).

    An ``attr`` that starts with ``-`` binds the attribute with its sign turned; see
    ``hil.point_units.factors``.
    """

    points: list[Point]
    stamps: list[dict[str, Any]]
    """Modbus stamp blocks: unit, address, device ("" for the whole unit)."""
    instruments: dict[str, Instrument]

    @property
    def core(self) -> list[Point]:
        """The points that the core publishes."""
        return self.of(publishers.CORE)

    def of(self, publisher: str) -> list[Point]:
        """Return the points that a process publishes."""
        return [p for p in self.points if publishers.publisher_of(p) == publisher]

    def without(self, *absent: str) -> PointSet:
        """Return the list of a station without some of the processes: none of their points and stamps."""
        return self._left([p for p in self.points if publishers.publisher_of(p) not in absent])

    def with_residuals(self, channels: Collection[str]) -> PointSet:
        """Return the list without the residuals of points that are no channels of the telemetry set."""
        unread = [p for p in self.points if is_residual(p) and instance_of(p) not in channels]
        return self.without_devices({p.device for p in unread})

    def without_devices(self, devices: Collection[str]) -> PointSet:
        """Return the list without some devices."""
        return self._left([p for p in self.points if p.device not in devices])

    def _left(self, points: list[Point]) -> PointSet:
        gone = {p.device for p in self.points} - {p.device for p in points}
        units = {pa.unit_of(p.wire["modbus"]) for p in points}
        stamps = [s for s in self.stamps if s["unit"] in units and s["device"] not in gone]
        return dc.replace(self, points=points, stamps=stamps)


def read_points(folder: Path, known: Mapping[str, Collection[str]] | None) -> PointSet:
    """Read and check one point list.

    Parameters
    ----------
    folder : Path
        Folder with devices.csv.
    known : mapping or None
        Component instance -> attributes that points may bind to; None skips that check.

    Raises
    ------
    UserInputError
        With every problem of every file.
    """
    points, problems = survey_points(folder, known)
    if problems:
        raise UserInputError(problems)
    return points


def survey_points(
    folder: Path, known: Mapping[str, Collection[str]] | None
) -> tuple[PointSet, list[Problem]]:
    """Read a point list as far as it goes: the points without a mistake, and every problem."""
    declare_all()
    problems: list[Problem] = []
    instruments = read_instruments(_find(folder, "instruments.toml"), problems)
    devices = read_devices(folder / "devices.csv", problems)
    templates = _read_templates(folder, devices, problems)
    parsed = {name: _check_rows(t, instruments, problems) for name, t in templates.items()}
    if known is not None:
        known = {**known, **_residuals(devices, templates), **_forecasts(devices)}
    builder = _Builder(str(folder / "devices.csv"), known, problems)
    for device in devices:
        builder.add(device, templates.get(device.cells["template"]), parsed.get(device.cells["template"], []))
    in_order = sorted(builder.points, key=publishers.order)  # stable: each kind of point in its order
    points = PointSet(in_order, builder.all_stamps(), instruments)
    return points, list(dict.fromkeys(problems))


def _residuals(devices: Sequence[DeviceRow], templates: Mapping[str, Template]) -> dict[str, Collection[str]]:
    """Return the residuals that points may bind to: one for each point that can be telemetered."""
    attrs = [a.name for a in REGISTRY["residual"].attrs]
    found: dict[str, Collection[str]] = {}
    for device in devices:
        template = templates.get(device.cells["template"])
        if template is not None and not publishers.rank(device.cells["component"].partition(".")[0]):
            tags = [f"{device.cells['device']}.{r.name}" for _, r in template.rows if r.kind is Kind.ANALOG]
            found |= {f"residual.{tag}": attrs for tag in tags}
    return found


def _forecasts(devices: Sequence[DeviceRow]) -> dict[str, Collection[str]]:
    """Return the forecasts and plans that points may bind to: any; a station names those that it makes."""
    kinds = (*publishers.KINDS[publishers.FORECASTER], *publishers.KINDS[publishers.DISPATCHER])
    components = [d.cells["component"] for d in devices]
    named = [c for c in components if c.partition(".")[0] in kinds]
    return {c: [a.name for a in REGISTRY[c.partition(".")[0]].attrs] for c in named}


def _places(folder: Path) -> tuple[Path, Path, Path]:
    """Return where templates and instruments are looked for, the nearest first."""
    return folder, folder.parent, paths.config_dir() / "points"


def _find(folder: Path, name: str) -> Path:
    places = [place / name for place in _places(folder)]
    return next((path for path in places if path.exists()), places[0])


def _read_templates(
    folder: Path, devices: Sequence[DeviceRow], problems: list[Problem]
) -> dict[str, Template]:
    places = [place / "templates" for place in _places(folder)]
    available = {path.stem: path for place in reversed(places) for path in sorted(place.glob("*.toml"))}
    templates = {}
    for name in dict.fromkeys(d.cells["template"] for d in devices):
        if name in available:
            template = read_template(available[name], name, problems)
            if template is not None:
                templates[name] = template
    for device in devices:
        name = device.cells["template"]
        if name not in available:
            allowed = f"available are {', '.join(sorted(available)) or 'none'}{did_you_mean(name, available)}"
            place = f"{device.place}, column template"
            problems.append(Problem(str(folder / "devices.csv"), place, f"no template {name!r}; {allowed}"))
    return templates


def _check_rows(
    template: Template, instruments: Mapping[str, Instrument], problems: list[Problem]
) -> list[_Row]:
    """Check what does not depend on the device; tell of each row what may be done with it there."""
    rows, names = [], set[str]()
    offsets = pa.AddressBook(is_unit=False)
    if template.stamp is not None and (
        wrong := offsets.take(0, "ir", template.stamp, STAMP_REGISTERS, "the stamp block")
    ):
        problems.append(Problem(template.file, "stamp", wrong))
    for place, row in template.rows:
        found = _row_problems(row, instruments)
        if row.name in names:
            found.append(("name", f"{row.name!r} is declared twice"))
        names.add(row.name)
        ref = _reference(row, offsets, found)
        rows.append(_Row(row, ref, "source" not in dict(found), not found))
        problems.extend(Problem(template.file, f"{place}.{key}", what) for key, what in found)
    return rows


def _reference(row: PointRow, offsets: pa.AddressBook, found: list[tuple[str, str]]) -> pa.Reference | None:
    """Return a row's Modbus reference, None where it cannot be placed at a device."""
    try:
        ref = pa.parse(row.modbus)
    except ValueError as error:
        found.append(("modbus", str(error)))
        return None
    has_range = not {"min", "max"} & dict(found).keys()
    kind = pa.kind_problem(row.kind, row.states is not None, ref.table)
    room = pa.range_problem(ref, *_limits(row)) if has_range else ""
    clash = offsets.take(0, ref.table, ref.address, ref.width, row.name)
    found += [("modbus", wrong) for wrong in (kind, room, clash) if wrong]
    return None if kind or clash else ref


def _row_problems(row: PointRow, instruments: Mapping[str, Instrument]) -> list[tuple[str, str]]:
    found = []
    if not TAG_LEVEL.fullmatch(row.name):
        found.append(("name", f"{row.name!r} is not 1 to 32 characters of A-Z, 0-9 and _"))
    if row.unit not in UNITS:
        allowed = ", ".join(u for u in UNITS if u)
        found.append(
            ("unit", f"unknown unit {row.unit!r}; allowed are {allowed}{did_you_mean(row.unit, UNITS)}")
        )
    else:
        try:
            factor_of(row.attr, row.unit)
        except ValueError as error:
            found.append(("unit", str(error)))
    if row.attr.startswith("-") and row.kind is not Kind.ANALOG:
        found.append(("attr", f"{row.attr!r}: only an analog point may turn the sign"))
    if row.kind is Kind.STATUS and row.states is None:
        found.append(("states", 'a status point names its two states, e.g. ["OPEN", "CLOSED"]'))
    if row.states is not None and row.kind not in (Kind.STATUS, Kind.SETPOINT):
        found.append(("states", f"{row.kind} points have no states"))
    found += _limit_problems(row)
    if row.kind is Kind.ANALOG and instruments and row.instrument not in instruments:
        allowed = f"allowed are {', '.join(instruments)}{did_you_mean(row.instrument, instruments)}"
        found.append(("instrument", f"no instrument {row.instrument!r} for an analog point; {allowed}"))
    if row.kind is not Kind.ANALOG and row.instrument:
        found.append(("instrument", f"{row.kind} points have no instrument"))
    for key in ("source", "description"):
        for name in (n for n in _fields(getattr(row, key)) if n not in PARAMETERS):
            allowed = f"allowed are {', '.join(PARAMETERS)}{did_you_mean(name, PARAMETERS)}"
            found.append((key, f"unknown parameter {{{name}}}; {allowed}"))
    return found


def _limit_problems(row: PointRow) -> list[tuple[str, str]]:
    if _is_two_state(row):
        given = [k for k in ("min", "max") if getattr(row, k) is not None]
        return [(k, "two-state points have no range") for k in given]
    missing = [k for k in ("min", "max") if getattr(row, k) is None]
    if missing:
        return [(k, f"is missing; {row.kind} points have a range") for k in missing]
    minimum, maximum = _limits(row)
    if minimum >= maximum:
        return [("min", f"{minimum:g} is not below max {maximum:g}")]
    if row.deadband > maximum - minimum:
        return [("deadband", f"{row.deadband:g} is wider than the range {minimum:g}..{maximum:g}")]
    return []


def _is_two_state(row: PointRow) -> bool:
    return row.states is not None or row.kind is Kind.CONTROL


def _limits(row: PointRow) -> tuple[float, float]:
    if _is_two_state(row):
        return 0.0, 1.0
    return row.min if row.min is not None else 0.0, row.max if row.max is not None else 0.0


def _fields(text: str) -> list[str]:
    """Return the parameter names in ``{}``; an unbalanced brace counts as an unknown one."""
    try:
        return [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    except ValueError:
        return ["..."]


@dc.dataclass(frozen=True, slots=True)
class _Row:
    """One point of a template and what its own mistakes leave to be checked at a device."""

    row: PointRow
    ref: pa.Reference | None
    """None where it has no place of its own."""
    has_source: bool
    is_good: bool


class _Builder:
    """Places templates at devices, checking what only shows there."""

    def __init__(
        self, file: str, known: Mapping[str, Collection[str]] | None, problems: list[Problem]
    ) -> None:
        self.file, self.known, self.problems = file, known, problems
        self.points: list[Point] = []
        self.stamps: list[dict[str, Any]] = []
        self._book = pa.AddressBook()
        self._devices: dict[str, str] = {}
        self._units: dict[int, None] = {}

    def add(self, device: DeviceRow, template: Template | None, rows: list[_Row]) -> None:
        name = device.cells["device"]
        self._check_name(device, name)
        self._check_order(device)
        if device.is_placed:
            self._units[device.unit] = None
        if template is None:
            return
        self._check_cells(device, template, rows)
        if template.stamp is not None and "ir" in device.bases:
            address = device.bases["ir"] + template.stamp
            if self._take(device, "ir", address, STAMP_REGISTERS, f"the stamp block of {name}"):
                self.stamps.append({"unit": device.unit, "address": address, "device": name})
        texts = dict.fromkeys(r.row.source for r in rows if r.has_source)
        sources = {text: self._fill(device, text) for text in texts}
        for r in rows:
            source = sources.get(r.row.source)
            if source is None:
                continue
            self._check_attr(device, template, source, r.row)
            if r.ref is not None and r.ref.table in device.bases:
                self._place(device, template, r, r.ref, source)

    def _place(self, device: DeviceRow, template: Template, r: _Row, ref: pa.Reference, source: str) -> None:
        base, tag = device.bases[ref.table], f"{device.cells['device']}.{r.row.name}"
        if self._take(device, ref.table, base + ref.address, ref.width, tag) and r.is_good:
            self.points.append(_point(device, template, r.row, ref, source, base))

    def all_stamps(self) -> list[dict[str, Any]]:
        """One stamp at input address 0 of every unit, then the devices' own."""
        units = [{"unit": unit, "address": 0, "device": ""} for unit in sorted(self._units)]
        return units + self.stamps

    def _problem(self, device: DeviceRow, column: str, what: str) -> None:
        place = f"{device.place}, column {column}" if column else device.place
        self.problems.append(Problem(self.file, place, what))

    def _check_name(self, device: DeviceRow, name: str) -> None:
        if not all(TAG_LEVEL.fullmatch(level) for level in name.split(".")):
            what = f"{name!r} is not a dotted name with levels of 1 to 32 characters of A-Z, 0-9 and _"
            self._problem(device, "device", what)
        elif name in self._devices:
            self._problem(device, "device", f"{name!r} is already declared in {self._devices[name]}")
        else:
            self._devices[name] = device.place

    def _check_order(self, device: DeviceRow) -> None:
        order = device.cells.get("word_order", "")
        if order and order not in ORDERS:
            allowed = f"allowed are {', '.join(ORDERS)}{did_you_mean(order, ORDERS)}"
            self._problem(device, "word_order", f"unknown word order {order!r}; {allowed}")

    def _check_cells(self, device: DeviceRow, template: Template, rows: list[_Row]) -> None:
        placed = {r.ref.table for r in rows if r.ref is not None}
        tables = placed | ({"ir"} if template.stamp is not None else set())
        is_whole = template.is_whole and len(rows) == template.size and all(r.ref for r in rows)
        given = {t for t in BASES if t in device.bases or BASES[t] in device.bad}
        for table in (t for t in BASES if t in tables and t not in given):
            what = f"is empty, but template {template.name!r} has {pa.TABLES[table]}s"
            self._problem(device, BASES[table], what)
        for table in (t for t in BASES if t in given and t not in tables and is_whole):
            what = f"is given, but template {template.name!r} has no {pa.TABLES[table]}s"
            self._problem(device, BASES[table], what)

    def _fill(self, device: DeviceRow, text: str) -> str | None:
        """Insert the device's cells; report the empty ones and an unknown component."""
        empty = [n for n in dict.fromkeys(_fields(text)) if not device.cells.get(n)]
        for name in empty:
            what = f"is empty, but template {device.cells['template']!r} binds points to {text!r}"
            self._problem(device, name, what)
        if empty:
            return None
        source = text.format_map(device.cells)
        if self.known is not None and source not in self.known:
            column = next(iter(_fields(text)), "template")
            self._problem(device, column, f"no component {source!r}{did_you_mean(source, self.known)}")
            return None
        return source

    def _check_attr(self, device: DeviceRow, template: Template, source: str, row: PointRow) -> None:
        if self.known is None:
            return
        allowed, attr = self.known[source], row.attr.removeprefix("-")
        if attr not in allowed:
            names = f"allowed are {', '.join(sorted(allowed))}{did_you_mean(attr, allowed)}"
            what = f"point {row.name}: {source!r} has no attribute {attr!r}; {names} ({template.file})"
            self._problem(device, "template", what)

    def _take(self, device: DeviceRow, table: str, address: int, width: int, owner: str) -> bool:
        """Enter an item at its place; tell whether it can be there."""
        if not device.is_placed:
            return False
        if wrong := self._book.take(device.unit, table, address, width, owner):
            self._problem(device, BASES[table], wrong)
        return not wrong


def _point(
    device: DeviceRow, template: Template, row: PointRow, ref: pa.Reference, source: str, base: int
) -> Point:
    name = device.cells["device"]
    minimum, maximum = _limits(row)
    return Point(
        tag=f"{name}.{row.name}",
        device=name,
        template=template.name,
        source=source,
        attr=row.attr,
        kind=row.kind,
        unit=row.unit,
        minimum=minimum,
        maximum=maximum,
        deadband=row.deadband,
        instrument=row.instrument,
        description=row.description.format_map(device.cells),
        wire={
            "modbus": ref.placed(device.unit, base, device.cells.get("word_order", "")),
            "opcua": "Boolean" if _is_two_state(row) else "Double",
        },
        states=(row.states[0], row.states[1]) if row.states else None,
        is_health=template.is_health or row.is_health,
        role=role_of(source, row.attr),
    )


def role_of(source: str, attr: str) -> str:
    """Return the least role that may command a component's attribute, as its declaration says.

    What is not declared is for others to report; an operator may command it.
    """
    spec = REGISTRY.get(source.partition(".")[0])
    declared = {} if spec is None else {a.name: a.role for a in spec.attrs}
    return declared.get(attr) or OPERATOR
