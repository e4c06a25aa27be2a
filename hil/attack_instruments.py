"""Attacks at the instruments of a running station: sets up, arms and applies the slots LAB.ATK_n."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from estimation.attacks import Attack, Kind
from estimation.tamper import Falsehood, Span
from rtcore.assembly.instances import ATTACK_COUNT
from rtcore.errors import HostError
from rtcore.plant.attack import BIAS, DELAY, DROPOUT, FREEZE, RAMP, RANDOM, SCALE

ARM = "LAB.ARM"
SLOT = "LAB.ATK_{}"
REFUSALS = {
    1: "no such point",
    2: "not a measured point of the plant",
    3: "no such kind of attack",
    4: "the figures are beyond what a slot can do",
    5: "another slot is at the point already",
}
"""What the point REFUSAL of a slot says."""


class Bench(Protocol):
    """Commands and values of a running station."""

    def command(self, writes: Mapping[str, float]) -> object:
        """Write points by tag, all at one step; HostError when the plant refuses."""

    def value(self, tag: str) -> float:
        """Return a point's value in the newest image."""


@dc.dataclass(frozen=True, slots=True)
class Setting:
    """What one slot is set to."""

    tag: str
    mode: int
    a: float = 0.0
    b: float = 0.0


def settings(attack: Attack) -> list[Setting]:
    """Return what the slots of an attack are set to, one for each tag."""
    if attack.kind is Kind.TOPOLOGY:
        shown = attack.statuses.items()
        return [Setting(tag, BIAS, 1.0) if value else Setting(tag, SCALE, 0.0) for tag, value in shown]
    mode, a, b = _mode(attack)
    return [Setting(tag, mode, a, b) for tag in attack.channels]


def _mode(attack: Attack) -> tuple[int, float, float]:
    match attack.kind:
        case Kind.BIAS:
            return BIAS, attack.figure("offset"), 0.0
        case Kind.SCALE:
            return SCALE, attack.figure("factor"), 0.0
        case Kind.RAMP:
            limit = attack.figure("limit")
            return RAMP, attack.figure("per_s"), limit if math.isfinite(limit) else 0.0
        case Kind.RANDOM:
            return RANDOM, attack.figure("sigma"), 0.0
        case Kind.DELAY:
            return DELAY, attack.figure("delay_s"), 0.0
        case Kind.FREEZE:
            return FREEZE, 0.0, 0.0
        case Kind.DROPOUT:
            return DROPOUT, 0.0, 0.0
    raise AssertionError(attack.kind)


class Instruments:
    """Carries attacks out in the slots of a station.

    Parameters
    ----------
    bench : Bench
    numbers : mapping
        Tag -> number of the point in the station's list, from 1.
    attacks : sequence of Attack
        With ``ATTACK_COUNT`` tags at most.
    """

    def __init__(self, bench: Bench, numbers: Mapping[str, int], attacks: Sequence[Attack]) -> None:
        self._bench, self._numbers = bench, numbers
        self._waiting = sorted(attacks, key=lambda a: a.start_s)
        self._slots: dict[str, tuple[Attack, Setting, Span]] = {}
        self.spans: list[Span] = []

    @property
    def is_over(self) -> bool:
        """Tell whether every attack has been and gone."""
        return not self._waiting and not self._slots

    def go(self, t_s: float) -> list[str]:
        """Begin what is due and see what has ended; return what happened, a line each.

        Raises
        ------
        HostError
            The plant refused.
        """
        said = []
        while self._waiting and self._waiting[0].start_s <= t_s:
            said += self._begin(self._waiting.pop(0), t_s)
        for slot, (attack, setting, span) in list(self._slots.items()):
            span.last_s = t_s
            if self._bench.value(f"{slot}.ACTIVE") == 0.0:
                del self._slots[slot]
                said.append(f"{attack.name}: {setting.tag} shows the truth again ({slot})")
        return said

    def rows(self, t_s: float) -> list[Falsehood]:
        """Return true and false value of every attacked point now; qualities are not known here (-1)."""
        found = []
        for slot, (attack, setting, span) in self._slots.items():
            span.scans += 1
            true, false = self._bench.value(f"{slot}.TRUE_VALUE"), self._bench.value(setting.tag)
            found.append(Falsehood(t_s, attack.name, setting.tag, true, false, -1, -1))
        return found

    def active(self) -> list[str]:
        """Return the slots that falsify a point now, whoever began it."""
        slots = [SLOT.format(k) for k in range(1, ATTACK_COUNT + 1)]
        return [slot for slot in slots if self._bench.value(f"{slot}.ACTIVE") != 0.0]

    def clear(self) -> None:
        """End every attack and close the window of arming."""
        if on := [slot for slot in self.active() if slot in self._slots]:
            self._bench.command({f"{slot}.CLEAR": 1 for slot in on})
        self._slots.clear()
        if self._bench.value(f"{ARM}.ARMED") != 0.0:
            self._bench.command({f"{ARM}.DISARM": 1})

    def _begin(self, attack: Attack, t_s: float) -> list[str]:
        wanted = settings(attack)
        taken = self.active()
        free = [s for k in range(1, ATTACK_COUNT + 1) if (s := SLOT.format(k)) not in taken]
        if len(free) < len(wanted):
            raise HostError(f"{attack.name}: {len(wanted)} slots are needed, {len(free)} are free")
        used = dict(zip(free, wanted, strict=False))
        duration_s = attack.duration_s if math.isfinite(attack.duration_s) else 0.0
        for slot, setting in used.items():
            values = {
                "TARGET": self._numbers[setting.tag],
                "MODE": setting.mode,
                "A": setting.a,
                "B": setting.b,
                "DURATION_S": duration_s,
            }
            self._bench.command({f"{slot}.{name}": float(v) for name, v in values.items()})
        self._bench.command({f"{ARM}.ARM": 1})
        for slot, setting in used.items():  # before: what was not answered may be on all the same
            span = Span(attack.name, attack.kind.value, (setting.tag,), t_s, t_s)
            self._slots[slot] = attack, setting, span
        try:
            self._bench.command({f"{slot}.APPLY": 1 for slot in used})
        except HostError as error:
            raise HostError(f"{attack.name}: {self._why_not(used) or error}") from None
        self.spans += [self._slots[slot][2] for slot in used]
        return [
            f"{attack.name}: {setting.tag} is falsified ({slot}, point {self._numbers[setting.tag]})"
            for slot, setting in used.items()
        ]

    def _why_not(self, used: Mapping[str, Setting]) -> str:
        """Return what the plant has against these settings, empty where nothing."""
        codes = {s.tag: int(self._bench.value(f"{slot}.REFUSAL")) for slot, s in used.items()}
        return "; ".join(f"{tag}: {REFUSALS.get(c, f'refusal {c}')}" for tag, c in codes.items() if c)
