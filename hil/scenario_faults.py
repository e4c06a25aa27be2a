"""Faults in scenarios: ``fault`` and ``clear_fault`` of an event, as the commands of an instructor.

A fault of an event at step S is two requests: arming and the setpoints of its slot at step S - 1,
the apply at step S with whatever else the event does. What the network cannot have and what the
plant would refuse is a problem of the file.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hil.fault_library import (
    DEFAULT_S,
    TIMES_OF_LIFE,
    FaultSection,
    place_table,
    row,
    wrong,
)
from hil.point_units import factor_of
from hil.scenario_forms import Place
from hil.scenario_model import Event
from hil.scenario_sections import EventSection
from hil.scenario_times import seconds
from hil.settings_errors import check_model
from hil.station import Plan
from rtcore.errors import did_you_mean
from rtcore.plant.fault import SETUP
from rtcore.points import Point

ARM = ("arming.station", "arm")
ENDLESS = ("permanent", "intermittent")
"""Lives of faults that stay until they are cleared."""


@dc.dataclass(frozen=True, slots=True)
class Strike:
    """A fault that an event puts into a slot.

    ``setup``: writes of the step before; ``apply``: tag of the pulse; ``text``: what it is, for people.
    """

    slot: int
    setup: tuple[tuple[str, float], ...]
    apply: str
    text: str
    is_endless: bool


class FaultDesk:
    """Turns the faults of events into commands on one station."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.points: dict[tuple[str, str], Point] = {}
        for point in plan.points.points:
            if point.is_writable:
                self.points.setdefault((point.source, point.attr), point)
        needed = (*SETUP, "apply")
        found = (s.partition(".")[2] for s, attr in self.points if attr == "apply" and s.startswith("fault."))
        self.slots = [
            int(k) for k in found if all((f"fault.{k}", attr) in self.points for attr in needed)
        ] * (ARM in self.points)

    def strike(self, given: EventSection, place: Place) -> Strike | None:
        """Return the fault of an event, or None with its problems reported (or without a fault)."""
        if given.fault is None:
            if given.slot is not None:
                place.problem("slot", "belongs to fault, which is missing")
            return None
        fault, name = self._fault(given.fault, place)
        slot = given.slot or 1
        if not self._has_slot(slot, place, "slot" if given.slot else "fault") or fault is None:
            return None
        values = dict(zip(SETUP, row(fault, place_table(self.plan.network)), strict=True))
        points = {attr: self.points[f"fault.{slot}", attr] for attr in SETUP}
        writes = [(p.tag, values[attr] * factor_of(attr, p.unit)) for attr, p in points.items()]
        return Strike(
            slot=slot,
            setup=((self.points[ARM].tag, 1.0), *writes),
            apply=self.points[f"fault.{slot}", "apply"].tag,
            text=(f"{name}: " if name else "") + said(fault),
            is_endless=fault.life in ENDLESS,
        )

    def clear(self, slot: int, place: Place) -> str | None:
        """Return the tag that clears a slot."""
        if not self._has_slot(slot, place, "clear_fault"):
            return None
        point = self.points.get((f"fault.{slot}", "clear"))
        if point is None:
            place.problem("clear_fault", f"the station has no point that clears slot {slot}")
        return None if point is None else point.tag

    def slots_cleared(self, event: Event) -> list[int]:
        """Return the slots that an event clears, however it says so."""
        tags = {tag for tag, _ in event.writes}
        clears = ((k, self.points.get((f"fault.{k}", "clear"))) for k in self.slots)
        return [k for k, point in clears if point is not None and point.tag in tags]

    def _has_slot(self, slot: int, place: Place, key: str) -> bool:
        if slot in self.slots:
            return True
        there = ", ".join(map(str, self.slots))
        what = f"the station has no fault slot {slot}; slots: {there}"
        place.problem(key, what if there else "the station has no points to arm, set up and apply faults")
        return False

    def _fault(self, given: str | Mapping[str, Any], place: Place) -> tuple[FaultSection | None, str]:
        """Return (fault, its name in the library), reporting its problems."""
        if isinstance(given, str):
            library = self.plan.faults
            if given in library.names:
                return library.faults[library.names.index(given)], given
            hint = did_you_mean(given, library.names)
            known = ", ".join(library.names)
            what = f"no fault {given!r} in the station's library{hint}; there: {known}"
            place.problem("fault", what if known else f"{given!r}: the station names no library of faults")
            return None, ""
        fault, problems = check_model(FaultSection, given, "", "fault")
        for p in problems:
            place.problem(p.place, p.what)
        if fault is None:
            return None, ""
        found = wrong(fault, self.plan.network, place_table(self.plan.network))
        for key, what in found:
            place.problem(f"fault.{key}", what)
        return (None if found else fault), ""


def said(fault: FaultSection) -> str:
    """Return what a fault is: ``slg c on line l_1008_1009 at 0.4, 1 ohm, temporary, deionise_s 0.2``."""
    where = f"at bus {fault.bus}" if fault.line is None else f"on line {fault.line} at {fault.at:g}"
    what = " ".join(filter(None, (fault.type, fault.phases, where)))
    times = [f"{key} {getattr(fault, key) or DEFAULT_S[key]:g}" for key in TIMES_OF_LIFE[fault.life]]
    return ", ".join([what, f"{fault.r_ohm:g} ohm", fault.life, *times])


def preparation(event: Event, strike: Strike, dt_ns: int) -> Event:
    """Return the request of the step before the one at which a fault is applied."""
    step = event.step - 1
    title = event.note or event.name or f"fault in slot {strike.slot}"
    return Event(
        step=step,
        at_ns=step * dt_ns,
        note=f"arm and set up: {title}",
        writes=strike.setup,
        said=f"armed, slot {strike.slot}: {strike.text}",
    )


def collisions(
    strikes: Mapping[int, tuple[Event, Strike]], cleared: Sequence[tuple[int, int]], dt_ns: int
) -> Iterator[tuple[int, str]]:
    """Yield (number of an event, why its fault cannot be) where faults get in each other's way.

    Parameters
    ----------
    strikes : mapping
        Number of the event in the file -> event and its fault.
    cleared : sequence of (slot, step)
    """
    ordered = sorted(strikes.items(), key=lambda item: item[1][0].step)
    for k, (number, (event, strike)) in enumerate(ordered):
        step = event.step
        if step < 1:
            what = f"the step before it arms and sets up the slot; {seconds(dt_ns)} at the earliest"
            yield number, f"a fault cannot come at step 0: {what}"
        for other, (earlier, its) in ordered[:k]:
            if step == earlier.step and strike.slot == its.slot:
                yield number, f"event[{other}] uses slot {its.slot} at the same time; give one another slot"
            elif step == earlier.step + 1:
                what = f"one step after that of event[{other}], which uses up the arming"
                yield number, f"{what}; give both the same time, or let {seconds(2 * dt_ns)} lie between"
        before = [(n, e, s) for n, (e, s) in ordered[:k] if s.slot == strike.slot and e.step < step]
        if before:
            other, earlier, its = before[-1]
            is_cleared = any(s == strike.slot and earlier.step < at <= step for s, at in cleared)
            if its.is_endless and not is_cleared:
                what = f"slot {its.slot} still holds the fault of event[{other}]"
                yield number, f"{what}; clear it before (clear_fault = {its.slot}), or take another slot"
