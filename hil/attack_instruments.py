"""Attacks at the instruments of a running station: sets up, arms, applies and renews the slots LAB.ATK_n."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from estimation.attacks import Attack
from estimation.tamper import Span
from estimation.tamper_rows import Falsehood
from hil.attack_images import Images
from hil.attack_slots import ARM, HOLD_S, SLOTS, Setting, settings
from rtcore.board import Snapshot
from rtcore.errors import HostError
from rtcore.plant.attack import DROPOUT, FREEZE
from rtcore.quality import BAD_FROM

REFUSALS = {
    1: "no such point",
    2: "not a measured point of the plant",
    3: "no such kind of attack",
    4: "the figures are beyond what a slot can do",
    5: "another slot is at the point already",
}
"""What the point REFUSAL of a slot says."""
RENEWED_AT = 0.5
"""A slot is renewed when this share of the time is left for which it is held."""
EARLY_S = 1.0
"""A slot that ends so long before its attack does was ended by somebody else [s of simulated time]."""


class Bench(Protocol):
    """Commands and values of a running station."""

    def command(self, writes: Mapping[str, float]) -> object:
        """Write points by tag, all at one step; HostError when the plant refuses."""

    def value(self, tag: str) -> float:
        """Return a point's value in the newest image."""


@dc.dataclass(slots=True)
class _Held:
    """A slot in use.

    Attributes
    ----------
    end_ns : float
        Simulated time at which its attack is over; inf: at the end of the command.
    """

    attack: Attack
    setting: Setting
    span: Span
    end_ns: float = math.inf


class Instruments:
    """Carries attacks out in the slots of a station.

    Parameters
    ----------
    bench : Bench
    images : Images
        The station's.
    numbers : mapping
        Tag -> number of the point in the station's list, from 1.
    attacks : sequence of Attack
        That ``attack_slots`` has nothing against.
    hold_s : float
        How long a slot lasts that is not renewed [s of simulated time].
    """

    def __init__(
        self,
        bench: Bench,
        images: Images,
        numbers: Mapping[str, int],
        attacks: Sequence[Attack],
        hold_s: float = HOLD_S,
    ) -> None:
        self._bench, self._images, self._numbers, self._hold_s = bench, images, numbers, hold_s
        self._waiting = sorted(attacks, key=lambda a: a.start_s)
        self._slots: dict[str, _Held] = {}
        self.spans: list[Span] = []

    @property
    def is_over(self) -> bool:
        """Tell whether every attack has been and gone."""
        return not self._waiting and not self._slots

    def go(self, t_s: float) -> list[str]:
        """Begin what is due, renew what is to go on, see what has ended; return what happened, a line each.

        Raises
        ------
        HostError
            The plant refused.
        """
        said = self._ended(t_s)
        while (
            self._waiting and self._waiting[0].start_s <= t_s and not self._must_wait(self._waiting[0], t_s)
        ):
            said += self._begin(self._waiting.pop(0), t_s)
        self._renew()
        return said

    def rows(self, t0_s: float) -> list[Falsehood]:
        """Return the truth about what the attacked points showed in the newest step that is over.

        None of it where the step's image is gone already, or the true value is not known.

        Parameters
        ----------
        t0_s : float
            Monotonic clock at the start of the command [s]; times count from it.
        """
        after = self._images.newest()
        shown = self._images.before(after)
        if shown is None:
            return []
        found = []
        for slot, held in self._slots.items():
            true_at, at = self._at(f"{slot}.TRUE_VALUE"), self._at(held.setting.tag)
            if shown.values[self._at(f"{slot}.ACTIVE")] == 0.0 or after.quality[true_at] >= BAD_FROM:
                continue
            held.span.scans += 1
            quality = int(shown.quality[at])
            is_kept = held.setting.mode not in (FREEZE, DROPOUT)  # else nothing says what it was
            figures = float(after.values[true_at]), float(shown.values[at]), quality if is_kept else None
            if figures[0] != figures[1] or not is_kept:
                t_s = shown.mono_ns * 1e-9 - t0_s
                found.append(Falsehood(t_s, held.attack.name, held.setting.tag, *figures, quality))
        return found

    def active(self) -> list[str]:
        """Return the slots that falsify a point now, whoever began it."""
        there = [slot for slot in SLOTS if f"{slot}.ACTIVE" in self._numbers]
        return [slot for slot in there if self._bench.value(f"{slot}.ACTIVE") != 0.0]

    def clear(self) -> None:
        """End every attack and close the window of arming."""
        if on := [slot for slot in self.active() if slot in self._slots]:
            self._bench.command({f"{slot}.CLEAR": 1 for slot in on})
        self._slots.clear()
        if self._bench.value(f"{ARM}.ARMED") != 0.0:
            self._bench.command({f"{ARM}.DISARM": 1})

    def _at(self, tag: str) -> int:
        return self._numbers[tag] - 1

    def _ended(self, t_s: float) -> list[str]:
        if not self._slots:
            return []
        said, now = [], self._images.newest()
        for slot, held in list(self._slots.items()):
            held.span.last_s = t_s
            if self._bench.value(f"{slot}.ACTIVE") == 0.0:
                del self._slots[slot]
                early = now.sim_ns < held.end_ns - EARLY_S * 1e9
                why = ", before its time: somebody cleared it, or it was not renewed" if early else ""
                said.append(f"{held.attack.name}: {held.setting.tag} shows the truth again ({slot}){why}")
        return said

    def _must_wait(self, attack: Attack, t_s: float) -> bool:
        """Tell whether its points or slots are about to be given free by attacks that are over."""
        over = [h for h in self._slots.values() if h.attack.end_s <= t_s]
        is_full = self._n_free() < len(attack.tags)
        return any(h.setting.tag in attack.tags for h in over) or bool(over and is_full)

    def _n_free(self) -> int:
        return sum(f"{slot}.ACTIVE" in self._numbers for slot in SLOTS) - len(self.active())

    def _begin(self, attack: Attack, t_s: float) -> list[str]:
        wanted = settings(attack)
        taken = self.active()
        free = [slot for slot in SLOTS if f"{slot}.ACTIVE" in self._numbers and slot not in taken]
        if len(free) < len(wanted):
            raise HostError(f"{attack.name}: {len(wanted)} slots are needed, {len(free)} are free")
        used = dict(zip(free, wanted, strict=False))
        for slot, setting in used.items():  # before: what was not answered may be on all the same
            span = Span(attack.name, attack.kind.value, (setting.tag,), t_s, t_s)
            self._slots[slot] = _Held(attack, setting, span)
        try:
            self._apply(used)
        except HostError as error:
            raise HostError(f"{attack.name}: {self._why_not(used) or error}") from None
        self.spans += [self._slots[slot].span for slot in used]
        now = self._images.newest()
        for slot, setting in used.items():
            spent_s = setting.grant_s(self._hold_s) - self._value(now, f"{slot}.LEFT_S")
            self._slots[slot].end_ns = now.sim_ns + (setting.duration_s - spent_s) * 1e9
        return [
            f"{attack.name}: {setting.tag} is falsified ({slot}, point {self._numbers[setting.tag]})"
            for slot, setting in used.items()
        ]

    def _renew(self) -> None:
        """Set slots up again that would end before their attacks do."""
        if not self._slots:
            return
        now, due = self._images.newest(), dict[str, Setting]()
        for slot, held in self._slots.items():
            left_s, rest_s = self._value(now, f"{slot}.LEFT_S"), (held.end_ns - now.sim_ns) * 1e-9
            ends_before = left_s + now.dt_ns * 1e-9 < rest_s
            if left_s <= RENEWED_AT * self._hold_s and ends_before:
                due[slot] = held.setting.renewed(rest_s)
        if not due:
            return
        self._apply(due)
        for slot, setting in due.items():
            self._slots[slot].setting = setting

    def _apply(self, used: Mapping[str, Setting]) -> None:
        for slot, setting in used.items():
            values = {
                "TARGET": self._numbers[setting.tag],
                "MODE": setting.mode,
                "A": setting.a,
                "B": setting.b,
                "DURATION_S": setting.grant_s(self._hold_s),
            }
            self._bench.command({f"{slot}.{name}": float(v) for name, v in values.items()})
        self._bench.command({f"{ARM}.ARM": 1})
        self._bench.command({f"{slot}.APPLY": 1 for slot in used})

    def _value(self, image: Snapshot, tag: str) -> float:
        return float(image.values[self._at(tag)])

    def _why_not(self, used: Mapping[str, Setting]) -> str:
        """Return what the plant has against these settings, empty where nothing."""
        codes = {s.tag: int(self._bench.value(f"{slot}.REFUSAL")) for slot, s in used.items()}
        return "; ".join(f"{tag}: {REFUSALS.get(c, f'refusal {c}')}" for tag, c in codes.items() if c)
