"""Slots of the laboratory: what is written, in which order, to put a fault or an attack on the plant."""

from __future__ import annotations

import dataclasses as dc

from hil.view.model import ANALOG, StationModel

FAULT_TYPES = (
    "", "3ph, three phases", "3phg, three phases to ground", "slg, one phase to ground", "ll, two phases",
    "llg, two phases to ground", "open conductor", "open conductor, source side grounded",
)  # fmt: skip
LIVES = ("permanent", "temporary", "self-clearing", "intermittent")
SELF_CLEARING = 2
FAULT_REFUSALS = (
    "it can be applied", "there is no such place", "the place has not this phase", "the fraction of the line",
    "the type", "the phases do not fit the type", "an open conductor needs a line", "the resistance",
    "its life, or its times",
)  # fmt: skip
ATTACK_MODES = ("", "bias", "scale", "ramp", "freeze", "random", "dropout", "delay")
ATTACK_REFUSALS = (
    "it can be applied", "there is no such point", "it is no measured point of the plant", "the mode",
    "the figures", "another slot is at this point",
)  # fmt: skip


@dc.dataclass(frozen=True, slots=True)
class Step:
    """One command of a sequence; ``value`` None carries out a control."""

    tag: str
    value: float | None = None


@dc.dataclass(frozen=True, slots=True)
class FaultWish:
    """A fault as it is asked for; None leaves what the library says.

    Attributes
    ----------
    entry : int
        Number in the station's library; 0: place and type are given.
    r_ohm, duration_s : float, optional
        [ohm], [s]; a duration makes it self-clearing.
    """

    entry: int
    place: int | None = None
    fraction: float | None = None
    type: int | None = None
    r_ohm: float | None = None
    duration_s: float | None = None

    def problem(self) -> str:
        """Return what is missing, empty for nothing."""
        if self.place is not None and self.place < 0:
            return "the station has no bus and no line of this name"
        if self.entry == 0 and (self.place is None or self.type is None):
            return "choose a fault of the library, or give place and type"
        return ""

    def steps(self, slot: str) -> list[Step]:
        """Return the writes that set a slot up: the library's entry, then what differs from it."""
        found = [Step(f"{slot}.ENTRY", 0.0)]
        if self.entry:
            found.append(Step(f"{slot}.ENTRY", float(self.entry)))
        else:
            found += [Step(f"{slot}.PHASES", 0.0), Step(f"{slot}.LIFE", 0.0), Step(f"{slot}.R_OHM", 0.0)]
        named = {"PLACE": self.place, "FRACTION": self.fraction, "TYPE": self.type, "R_OHM": self.r_ohm}
        found += [Step(f"{slot}.{name}", float(v)) for name, v in named.items() if v is not None]
        if self.duration_s is not None:
            found.append(Step(f"{slot}.DURATION_S", self.duration_s))
            found.append(Step(f"{slot}.LIFE", float(SELF_CLEARING)))
        return found


@dc.dataclass(frozen=True, slots=True)
class AttackWish:
    """A falsified instrument as it is asked for; a duration of 0 is without end."""

    target: str
    mode: int
    a: float
    b: float
    duration_s: float

    def problem(self, model: StationModel) -> str:
        """Return what is missing, empty for nothing."""
        point = model.points.get(self.target)
        if point is None:
            return f"the station has no point {self.target!r}" if self.target else "name the point to falsify"
        if point.kind != ANALOG and point.states is None:
            return f"{self.target} is no measurement"
        return "" if self.mode else "choose a mode"

    def steps(self, model: StationModel, slot: str) -> list[Step]:
        """Return the writes that set a slot up."""
        number = list(model.points).index(self.target) + 1
        values = {
            "TARGET": number,
            "MODE": self.mode,
            "A": self.a,
            "B": self.b,
            "DURATION_S": self.duration_s,
        }
        return [Step(f"{slot}.{name}", float(value)) for name, value in values.items()]


def place_number(model: StationModel, text: str) -> int | None:
    """Return the number of a place by number or name of bus or line; None for nothing, -1 for none such."""
    wanted = text.strip().lower()
    if not wanted:
        return None
    if wanted.isdigit():
        return int(wanted)
    names = [place.lower() for place in model.places]
    found = (k for k, name in enumerate(names) if wanted in (name, name.partition(".")[2]))
    return next(found, -1)
