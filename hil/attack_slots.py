"""Slots of attacks at instruments, LAB.ATK_n: what they are set to, how long for, and what they refuse.

A slot that ends by itself needs nobody who clears it, even when its command is killed. So one is set up for
``HOLD_S`` at a time where it can be set up again without a reader noticing: a bias, a scale, noise, a loss,
and a ramp once it is held at its limit, which is a bias then. A freeze, a delay and a ramp under way would
begin anew; they are set up for as long as they are to last, which has to be said.
"""

from __future__ import annotations

import dataclasses as dc
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from estimation.attacks import Attack, Kind
from rtcore.assembly.instances import ATTACK_COUNT
from rtcore.plant.attack import (
    BIAS,
    DELAY,
    DELAY_MAX_S,
    DROPOUT,
    FREEZE,
    MODES,
    RAMP,
    RANDOM,
    SCALE,
    TIME_MAX_S,
)
from rtcore.points import Point

ARM = "LAB.ARM"
SLOT = "LAB.ATK_{}"
SLOTS = tuple(SLOT.format(k) for k in range(1, ATTACK_COUNT + 1))
HOLD_S = 30.0
"""How long a slot lasts that nobody renews [s of wall clock]."""
SPEED_MAX = 100.0
"""What a station that runs as fast as it can is taken to reach at most [s of simulated time per s]."""
RENEWABLE = (BIAS, SCALE, RANDOM, DROPOUT)

Problems = Iterator[tuple[str, str]]
"""(key of the attack, what is wrong with it)."""


@dc.dataclass(frozen=True, slots=True)
class Setting:
    """What one slot is set to, and how long the attack lasts [s of simulated time]; inf: to the end."""

    tag: str
    mode: int
    a: float = 0.0
    b: float = 0.0
    duration_s: float = math.inf

    def grant_s(self, hold_s: float) -> float:
        """Return how long the slot is to last unless it is renewed [s of simulated time]."""
        if self.mode in RENEWABLE:
            return min(self.duration_s, hold_s)
        if self.mode == RAMP and self.b > 0.0:
            return min(self.duration_s, self.b / abs(self.a) + hold_s)
        return self.duration_s

    def renewed(self, duration_s: float) -> Setting:
        """Return what goes on for another duration as if nothing had happened [s of simulated time]."""
        if self.mode == RAMP:  # it is renewed when it is held at its size
            return Setting(self.tag, BIAS, math.copysign(self.b, self.a), 0.0, duration_s)
        return dc.replace(self, duration_s=duration_s)


def hold_s(dt_ns: int, period_ns: int) -> float:
    """Return how long slots last that nobody renews [s of simulated time].

    Parameters
    ----------
    dt_ns, period_ns : int
        A step in simulated time and by the wall clock, 0: as fast as it can [ns].
    """
    return HOLD_S * (max(dt_ns / period_ns, 1.0) if period_ns else SPEED_MAX)


def settings(attack: Attack) -> list[Setting]:
    """Return what the slots of an attack are set to, one for each tag."""
    s = attack.duration_s
    if attack.kind is Kind.TOPOLOGY:
        shown = attack.statuses.items()
        return [
            Setting(tag, BIAS, 1.0, 0.0, s) if value else Setting(tag, SCALE, 0.0, 0.0, s)
            for tag, value in shown
        ]
    mode, a, b = _mode(attack)
    return [Setting(tag, mode, a, b, s) for tag in attack.channels]


def _mode(attack: Attack) -> tuple[int, float, float]:
    match attack.kind:
        case Kind.BIAS:
            return BIAS, attack.figure("offset"), 0.0
        case Kind.SCALE:
            return SCALE, attack.figure("factor"), 0.0
        case Kind.RAMP:
            per_s, limit = attack.figure("per_s"), attack.figure("limit")
            if per_s == 0.0:
                return BIAS, 0.0, 0.0
            return RAMP, per_s, limit if math.isfinite(limit) else 0.0
        case Kind.RANDOM:
            return RANDOM, attack.figure("sigma"), 0.0
        case Kind.DELAY:
            return DELAY, attack.figure("delay_s"), 0.0
        case Kind.FREEZE:
            return FREEZE, 0.0, 0.0
        case Kind.DROPOUT:
            return DROPOUT, 0.0, 0.0
    raise AssertionError(attack.kind)


# ---- what slots refuse ----------------------------------------------------------------------------

FIGURE_A = {BIAS: "offset", SCALE: "factor", RAMP: "per_s", RANDOM: "sigma", DELAY: "delay_s"}


def refusals(attack: Attack, points: Mapping[str, Point], dt_s: float) -> Problems:
    """Say what the slots of a station would refuse of one attack.

    Parameters
    ----------
    points : mapping
        The station's, by tag.
    dt_s : float
        Longest step that the station may be run with [s].
    """
    (setting,) = settings(attack)[:1] or (None,)
    if setting is None or f"{SLOTS[0]}.TARGET" not in points:
        return
    mode, a, b = setting.mode, setting.a, setting.b
    if mode == DELAY and not dt_s <= a <= DELAY_MAX_S:
        limits = f"must be in {dt_s:g} .. {DELAY_MAX_S:g} s, from a step of the station on"
        yield "delay_s", f"{a:g} s: {limits}, at an instrument"
    figures = [] if mode == DELAY or attack.kind is Kind.TOPOLOGY else [("A", FIGURE_A.get(mode, ""), a)]
    if mode == RAMP and b > 0.0:
        figures += [("B", "limit", b), ("A", "limit", math.copysign(b, a))]
    for name, key, value in figures:
        low, high = points[f"{SLOTS[0]}.{name}"].minimum, points[f"{SLOTS[0]}.{name}"].maximum
        if not low <= value <= high:
            yield key, f"{value:g}: a slot at an instrument takes {low:g} .. {high:g}"
            break
    longest_s = min(TIME_MAX_S, points[f"{SLOTS[0]}.DURATION_S"].maximum)
    grant_s = setting.grant_s(HOLD_S)
    if math.isinf(grant_s):
        what = f"{MODES[mode]} at an instrument" + (" without a limit" if mode == RAMP else "")
        yield (
            "duration_s",
            f"{what} needs an end: it cannot be renewed unnoticed, and would outlive its command",
        )
    elif grant_s > longest_s:
        why = "it is held at its limit only then" if grant_s < attack.duration_s else "at an instrument"
        yield "duration_s", f"a slot would have to last {grant_s:g} s, at most {longest_s:g} s; {why}"


def clashes(attacks: Sequence[Attack], n_slots: int) -> Iterator[tuple[Attack | None, str]]:
    """Say what slots would refuse of attacks together; None: of all of them.

    Ends are reckoned by the clock of the command; one that begins when another ends waits for it.
    """
    for first, second in itertools.combinations(sorted(attacks, key=lambda x: x.start_s), 2):
        if both := [t for t in first.tags if t in second.tags] if second.start_s < first.end_s else []:
            what = f"is attacked at its instrument by {first.name!r} at the same time"
            yield second, f"{', '.join(both)} {what}"
    found, n_most, at_s = Counter[float](), 0, 0.0
    for attack in attacks:
        found[attack.start_s] += len(attack.tags)
        found[attack.end_s] -= len(attack.tags)
    times_s = sorted(found)
    for t_s, n in zip(times_s, itertools.accumulate(found[t_s] for t_s in times_s), strict=True):
        if n > n_most:
            n_most, at_s = n, t_s
    if n_most > n_slots:
        what = f"{n_most} points are attacked at their instruments at once, from {at_s:g} s on"
        yield None, f"{what}; at most {n_slots}"


def count(tags: Iterable[str]) -> int:
    """Return how many slots a station has."""
    there = set(tags)
    return sum(f"{slot}.TARGET" in there for slot in SLOTS)
