"""A feeder, or the substation, phase by phase: what is measured, and what follows from it."""

from __future__ import annotations

import cmath
import dataclasses as dc
import math
from collections.abc import Callable, Iterable, Sequence

from hil.view.energised import PHASE_LETTERS
from hil.view.model import PointInfo, StationModel
from hil.view.reading import BAD, GOOD, MISSING, WAITING, Reading
from hil.view.sequence import phasor, power_factor, power_kva
from hil.view.voltages import profile

Read = Callable[[str], Reading]
SUBSTATION = "Substation"
HARMONIC = ("harmonic_bus", "harmonic_pcc")
_LETTERS = PHASE_LETTERS.upper()


@dc.dataclass(frozen=True, slots=True)
class Place:
    """Where a feeder, or the substation, is measured; devices are "" where there are none.

    Attributes
    ----------
    volts, amperes : str
        Devices with VA .., IA ..; the latter with P and Q, of phases or sums.
    inputs : str
        What its relay sees, as phasors.
    is_elsewhere : bool
        The relay is not where voltages and currents are measured: its phasors are shown, nothing is
        computed from them.
    profiles : tuple of str
        Feeders whose voltages belong to it.
    """

    name: str
    volts: str
    amperes: str
    breaker: str
    inputs: str
    is_elsewhere: bool
    kv: float
    profiles: tuple[str, ...]
    harmonics: tuple[str, ...]


@dc.dataclass(frozen=True, slots=True)
class Number:
    """A number with the reading that is worst of those it comes from; None where one is missing."""

    value: float | None
    worst: Reading
    is_computed: bool = False


@dc.dataclass(frozen=True, slots=True)
class Row:
    """One phase, or all: V [V], V [pu], I [A], P [kW], Q [kvar], S [kVA], power factor."""

    name: str
    cells: tuple[Number, ...]


def places(model: StationModel) -> list[Place]:
    """Return the substation, then every feeder."""
    kv = {b.name: b.kv for b in model.buses}
    bus = {i.device: i.bus for i in model.items if i.kind == "meter"}
    relay = {r.breaker: r.inputs for r in model.relays if r.breaker}
    of = _harmonics(model)
    found = []
    apart = next((d for d in model.of_template("bus")), "")
    transformer = next((str(t["device"]) for t in model.transformers), "")
    if apart or transformer:
        breakers = {f.breaker for f in model.feeders}
        above = next((b for b in relay if b.partition(".")[0] == "SUB" and b not in breakers), "")
        names = tuple(f.name for f in model.feeders)
        nominal = kv.get(bus.get(apart, ""), 0.0)
        found.append(
            Place(
                SUBSTATION,
                apart,
                transformer,
                above,
                relay.get(above, ""),
                True,
                nominal,
                names,
                of.get("", ()),
            )
        )
    for f in model.feeders:
        nominal = kv.get(bus.get(f.head, ""), 0.0)
        harmonics = of.get(f.name, ())
        inputs = relay.get(f.breaker, "")
        found.append(Place(f.name, f.head, f.head, f.breaker, inputs, False, nominal, (f.name,), harmonics))
    return found


def _harmonics(model: StationModel) -> dict[str, tuple[str, ...]]:
    """Return feeder ("" for the substation) -> devices that measure harmonics."""
    feeder = {b.name: b.feeder for b in model.buses}
    at = {b.name: feeder.get(b.bus2, "") for b in model.branches}
    found: dict[str, tuple[str, ...]] = {}
    for device in model.of_template(*HARMONIC):
        where = model.devices[device][0].source.split(".")[1:]
        name = where[-1].partition("@")[0] if where else ""
        of = feeder.get(name, at.get(name, ""))
        found[of] = (*found.get(of, ()), device)
    return found


def place_tags(model: StationModel, place: Place) -> list[str]:
    """Return everything that is read of a place."""
    found = list(model.tags_of(place.volts, *(f"V{x}" for x in _LETTERS)))
    names = [f"{q}{x}" for q in "IPQ" for x in _LETTERS]
    found += model.tags_of(place.amperes, *names, "P", "Q")
    found += model.tags_of(place.breaker, "ST_52A", "ST_52B")
    found += model.tags_of(
        place.inputs,
        *(f"{q}{x}_{u}" for q, unit in (("V", "V"), ("I", "A")) for x in _LETTERS for u in (unit, "DEG")),
    )
    for device in place.harmonics:
        found += model.tags_of(device)
    found += [t for feeder in place.profiles for p in PHASE_LETTERS for t in profile(feeder, p)]
    return list(dict.fromkeys(found))


def phasors(place: Place, read: Read) -> tuple[list[complex | None], list[complex | None]]:
    """Return voltages [V] and currents [A] of the phases as the relay sees them; None: not known."""
    return (
        [_phasor(read, place.inputs, f"V{x}", "V") for x in _LETTERS],
        [_phasor(read, place.inputs, f"I{x}", "A") for x in _LETTERS],
    )


def _phasor(read: Read, device: str, name: str, unit: str) -> complex | None:
    size, angle = read(f"{device}.{name}_{unit}"), read(f"{device}.{name}_DEG")
    if not (_holds(size) and _holds(angle)):
        return None
    return phasor(size.number or 0.0, angle.number or 0.0)


def rows(model: StationModel, place: Place, read: Read) -> list[Row]:
    """Return the phases of a place, and all of them together."""
    volts, amperes = phasors(place, read)
    phases = [_phase(model, place, read, x, volts[k], amperes[k]) for k, x in enumerate(_LETTERS)]
    return [*phases, _sum(model, place, read, phases)]


def _phase(
    model: StationModel, place: Place, read: Read, x: str, volt: complex | None, ampere: complex | None
) -> Row:
    v, i = _measured(read, f"{place.volts}.V{x}"), _measured(read, f"{place.amperes}.I{x}")
    if model.has(f"{place.amperes}.P{x}"):
        p, q = _measured(read, f"{place.amperes}.P{x}"), _measured(read, f"{place.amperes}.Q{x}")
    elif place.is_elsewhere or not place.inputs:
        p = q = Number(None, Reading(is_missing=True), is_computed=True)
    else:
        worst = _worst(read(f"{place.inputs}.{n}") for n in (f"V{x}_V", f"V{x}_DEG", f"I{x}_A", f"I{x}_DEG"))
        power = power_kva(volt, ampere) if volt is not None and ampere is not None else None
        p = Number(power.real if power is not None else None, worst, is_computed=True)
        q = Number(power.imag if power is not None else None, worst, is_computed=True)
    per_unit = dc.replace(v, value=v.value / (1e3 * place.kv) if v.value is not None and place.kv else None)
    return Row(x.lower(), (v, per_unit, i, p, q, *_apparent(p, q)))


def _sum(model: StationModel, place: Place, read: Read, phases: Sequence[Row]) -> Row:
    none = Number(None, Reading(is_missing=True))
    if model.has(f"{place.amperes}.P"):
        p, q = _measured(read, f"{place.amperes}.P"), _measured(read, f"{place.amperes}.Q")
    else:
        p, q = (_total([row.cells[k] for row in phases]) for k in (3, 4))
    return Row("all", (none, none, none, p, q, *_apparent(p, q)))


def _total(numbers: Sequence[Number]) -> Number:
    worst = _worst(n.worst for n in numbers)
    values = [n.value for n in numbers if n.value is not None]
    return Number(math.fsum(values) if len(values) == len(numbers) else None, worst, is_computed=True)


def _apparent(p: Number, q: Number) -> tuple[Number, Number]:
    """Return apparent power and power factor."""
    worst = _worst((p.worst, q.worst))
    if p.value is None or q.value is None:
        return Number(None, worst, is_computed=True), Number(None, worst, is_computed=True)
    size = Number(math.hypot(p.value, q.value), worst, is_computed=True)
    return size, Number(power_factor(p.value, q.value), worst, is_computed=True)


def _measured(read: Read, tag: str) -> Number:
    reading = read(tag)
    return Number(reading.number, reading)


def _holds(reading: Reading) -> bool:
    return reading.number is not None and reading.grade not in (BAD, WAITING, MISSING)


_GRADES = (GOOD, "uncertain", WAITING, BAD, MISSING)


def _worst(readings: Iterable[Reading]) -> Reading:
    return max(readings, key=lambda r: (r.is_stale, _GRADES.index(r.grade)))


# ---- profiles


@dc.dataclass(frozen=True, slots=True)
class Voltage:
    """A voltage along a feeder."""

    km: float
    pu: float
    tag: str
    phase: int


def along(place: Place, read: Read) -> list[Voltage]:
    """Return the voltages of a place's feeders that are measured well, each with its distance [km]."""
    found = []
    for feeder in place.profiles:
        for k, phase in enumerate(PHASE_LETTERS):
            values, tags, kms = (read(t).value for t in profile(feeder, phase))
            if isinstance(values, list) and isinstance(tags, list) and isinstance(kms, list):
                rows = zip(values, tags, kms, strict=False)
                found += [Voltage(km, pu, tag, k) for pu, tag, km in rows if math.isfinite(pu)]
    return found


def harmonic_points(model: StationModel, device: str) -> tuple[PointInfo, ...]:
    """Return the points of a device that measures harmonics."""
    return model.devices.get(device, ())


def turned(values: Sequence[complex | None], by: complex | None) -> list[complex | None]:
    """Return phasors against the angle of one of them."""
    if by is None or by == 0:
        return list(values)
    back = cmath.rect(1.0, -cmath.phase(by))
    return [None if v is None else v * back for v in values]
