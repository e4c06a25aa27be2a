"""A relay in a few lines, with switchable defects; its formulas are its own."""

from __future__ import annotations

import dataclasses as dc
import math
from typing import NamedTuple

FORMULAS = {"si": (0.14, 0.02), "vi": (13.5, 1.0)}


class Inputs(NamedTuple):
    """What the device reads in one poll; the angle is that of the current of a to the voltage of a."""

    i_a: float
    v_v: float
    f_hz: float
    deg: float
    is_closed: bool


@dc.dataclass
class ToyRelay:
    """51 with reclosing, breaker failure, 27, 81U and a directional sector; scanned once a poll."""

    pickup_a: float = 300.0
    tms: float = 0.1
    formula: str = "si"
    slow: float = 1.0
    pickup_error: float = 1.0
    resets: bool = True
    forgets_trip: bool = True
    n_commands: int = 1
    chatters: bool = False
    is_mute: bool = False
    trips_at_s: float = math.inf
    dead_s: float = 0.0
    """Silence that begins 50 ms after each pickup."""
    dead_times_s: tuple[float, ...] = ()
    retrip_s: float = math.inf
    backup_s: float = math.inf
    under_v: float = 0.0
    under_hz: float = 0.0
    delay_s: float = 0.5
    sector: tuple[float, float] = (-181.0, 181.0)

    x: float = 0.0
    multiple: float = 0.0
    last_s: float = 0.0
    is_picked_up: bool = False
    has_tripped: bool = False
    tripped_s: float = math.inf
    dead_until_s: float = 0.0
    opened_s: float = math.inf
    shot: int = 0
    first_s: float = math.inf
    log: list[tuple[float, float]] = dc.field(default_factory=list)
    """(first seen, tripped) of each operation by its own clock [s]."""
    todo: list[tuple[float, str]] = dc.field(default_factory=list)

    def scan(self, now_s: float, at: Inputs) -> list[str]:
        """Return the outputs given in this pass."""
        out = list[str]()
        self._integrate(now_s)
        self._level(now_s, at, out)
        if self.x >= 1.0 and not self.has_tripped:
            self._trip(now_s, out)
        if now_s >= self.trips_at_s:
            self.trips_at_s = math.inf
            out.append("trip")
        out += [what for when, what in self.todo if when <= now_s]
        self.todo = [(when, what) for when, what in self.todo if when > now_s]
        self._reclose(now_s, at, out)
        return [] if self.is_mute else out

    def _integrate(self, now_s: float) -> None:
        span_s, self.last_s = now_s - self.last_s, now_s
        if self.multiple > 1.0:
            k, alpha = FORMULAS[self.formula]
            self.x += span_s / (self.slow * self.tms * k / (self.multiple**alpha - 1.0))
        elif self.multiple < 0:  # a timer of 27 or 81
            self.x += span_s / self.delay_s

    def _level(self, now_s: float, at: Inputs, out: list[str]) -> None:
        pickup = self.pickup_a * self.pickup_error
        ratio = at.i_a / pickup if self.sector[0] <= at.deg <= self.sector[1] else 0.0
        special = at.v_v < self.under_v or at.f_hz < self.under_hz
        above = special or ratio > (0.95 if self.is_picked_up else 1.0)
        self.multiple = -1.0 if special else ratio
        if above and not self.is_picked_up:
            self.first_s = now_s
            out += ["pickup", *(["dropout", "pickup"] * 3 if self.chatters else [])]
            if self.dead_s:
                self.dead_until_s = now_s + 0.05 + self.dead_s
        if not above:
            if self.is_picked_up and self.resets:
                out.append("dropout")
            if self.resets or (self.has_tripped and self.forgets_trip):
                self.x = 0.0
            self.has_tripped = False
            self.todo = [t for t in self.todo if t[1] == "close"]
        self.is_picked_up = above or (self.is_picked_up and not self.resets)

    def _trip(self, now_s: float, out: list[str]) -> None:
        self.has_tripped = True
        self.log.append((self.first_s, now_s))
        out += ["trip"] * (4 if self.chatters else self.n_commands)
        self.todo += [(now_s + self.retrip_s, "retrip"), (now_s + self.backup_s, "backup")]
        self.todo = [t for t in self.todo if t[0] < math.inf]
        if self.shot >= len(self.dead_times_s):
            self.shot = len(self.dead_times_s) + 1

    def _reclose(self, now_s: float, at: Inputs, out: list[str]) -> None:
        if at.is_closed:
            self.opened_s = math.inf
        elif self.opened_s == math.inf:
            self.opened_s = now_s
            if self.shot < len(self.dead_times_s):
                self.todo.append((now_s + self.dead_times_s[self.shot], "close"))
                self.shot += 1
