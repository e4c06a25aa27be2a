"""A recloser on one line at kernel level: breaker, constant-current relay and the real 79.

The breaker (opening 50 ms, closing 60 ms, trip-free) and the relay (pickup while fault current flows,
trip after a time that depends on the shot) are exact between the steps; the order within a step is
the plant's: breaker, network, relay, 79.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rtcore.component import REGISTRY, rows_of
from rtcore.protection import recloser_79 as k79

SPEC = REGISTRY["recloser_79"]
BREAKER = np.dtype(
    [
        (name, "f8")
        for name in (
            "is_52a",
            "is_52b",
            "moved_ago_s",
            "close_coil",
            "close_ago_s",
            "is_tagged_sp",
            "is_remote_sp",
        )
    ]
)
OPEN_TIME_S, CLOSE_TIME_S = 0.05, 0.06
FAST_S, SLOW_S = 0.64835, 2.6161666666666665
"""IEEE EI, time dial 0.5, and IEEE VI, time dial 2, at 5 times pickup."""

OPEN, CLOSED, OPENING, CLOSING = range(4)


def two_fast(shot: float) -> float:
    """Return the time to trip: fast on shots 0 and 1, slow afterwards."""
    return FAST_S if k79.shot_allows(3.0, shot) else SLOW_S


class Line:
    """One recloser; time in seconds, events as (what, when)."""

    def __init__(self, *, dt_s: float = 1e-3, is_settled: bool = True, is_closed: bool = True, **settings):  # type: ignore[no-untyped-def]
        self.dt_s, self.n = dt_s, 0
        self.p = rows_of([k79.Recloser79(**settings)], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        self.breaker, self.of = np.zeros(1, BREAKER), np.zeros(1, np.int32)
        self.mechanism, self.travel_s = (CLOSED if is_closed else OPEN), 0.0
        self._contacts()
        k79.init(self.p, self.s, self.of, self.breaker, is_settled=is_settled)
        self.faults: list[tuple[float, float]] = []
        self.trip_time: Callable[[float], float] = two_fast
        self.refuses = self.is_stuck = False  # to close, to open
        self.permitted, self.driven, self.told = np.ones(1), np.zeros(1), np.zeros(1)
        self.trip, self.trip_ago_s, self.pickup = np.zeros(1), np.zeros(1), np.zeros(1)
        self.events: list[tuple[str, float]] = []
        self._timer_s = 0.0
        self._trip_demand_s = self._close_demand_s = -1.0  # before the beginning of this step; -1 none

    @property
    def t(self) -> float:
        return self.n * self.dt_s

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def times(self, what: str) -> list[float]:
        return [when for name, when in self.events if name == what]

    def open_by_hand(self) -> None:
        """Trip from elsewhere, at the present time."""
        self._trip_demand_s = 0.0

    def close_by_hand(self) -> None:
        self._close_demand_s = 0.0

    def run_to(self, t_s: float) -> None:
        while self.n < round(t_s / self.dt_s):
            self.step()

    def run(self, span_s: float) -> None:
        self.run_to(self.t + span_s)

    def step(self) -> None:
        self.n += 1
        moved_s = self._move()
        change_s = self._flow(moved_s)
        before = self.state, self.shot
        self.breaker["close_coil"] = 0.0
        k79.step(
            self.p, self.s, self.of, self.breaker, self.trip, self.trip_ago_s, self.pickup, self.pickup,
            self.driven, self.told, self.permitted, change_s, self.dt_s,
        )  # fmt: skip
        self.told[:] = 0.0
        if self.state != before[0]:
            name = ("reset", "cycle", "lockout")[int(self.state)]
            self.events.append((name, self.t - self.state_ago_s))
        if self.shot != before[1]:
            self.events.append((f"shot {self.shot:g}", self.t - self.shot_ago_s))
        if self.breaker["close_coil"][0]:
            self._close_demand_s = float(self.breaker["close_ago_s"][0])
            self.events.append(("close", self.t - self._close_demand_s))

    def _move(self) -> float:
        """Take the demands of the previous step and travel; returns the ago of the last change."""
        dt_s, ago_s = self.dt_s, dt_none
        if self._trip_demand_s >= 0.0 and self.mechanism in (CLOSED, CLOSING) and not self.is_stuck:
            self.mechanism, self.travel_s, ago_s = OPENING, OPEN_TIME_S - self._trip_demand_s, dt_s
        elif self._close_demand_s >= 0.0 and self.mechanism == OPEN and not self.refuses:
            self.mechanism, self.travel_s, ago_s = CLOSING, CLOSE_TIME_S - self._close_demand_s, dt_s
        self._trip_demand_s = self._close_demand_s = -1.0
        if self.mechanism in (OPENING, CLOSING):
            self.travel_s -= dt_s
            if self.travel_s <= 1e-12:  # a demand at a whole step falls short of it by rounding
                self.mechanism = OPEN if self.mechanism == OPENING else CLOSED
                ago_s = min(max(-self.travel_s, 0.0), dt_s)
                self.events.append(("closed" if self.mechanism == CLOSED else "open", self.t - ago_s))
        if ago_s != dt_none:
            self._contacts()
            self.breaker["moved_ago_s"] = ago_s
        return ago_s

    def _contacts(self) -> None:
        self.breaker["is_52a"], self.breaker["is_52b"] = self.mechanism == CLOSED, self.mechanism == OPEN

    def _flow(self, moved_s: float) -> float:
        """Fault current, pickup and trip; returns the ago of the network's last change."""
        dt_s, t = self.dt_s, self.t
        edges = [t - edge for fault in self.faults for edge in fault if t - dt_s < edge <= t + 1e-12]
        change_s = max(min([*edges, moved_s if moved_s != dt_none else dt_s]), 0.0)
        is_made = self.mechanism in (CLOSED, OPENING)
        flows = is_made and any(on <= t - 1e-12 and t + 1e-12 < off for on, off in self.faults)
        if not flows:
            if self.trip[0]:
                self.trip[:], self.trip_ago_s[:] = 0.0, change_s
            self.pickup[:] = self._timer_s = 0.0
            return change_s
        self._timer_s = self._timer_s + dt_s if self.pickup[0] else change_s
        self.pickup[:] = 1.0
        past_s = self._timer_s - self.trip_time(self.shot)
        if past_s >= -1e-12 and not self.trip[0]:
            self.trip[:], self.trip_ago_s[:] = 1.0, min(max(past_s, 0.0), dt_s)
            self.events.append(("trip", t - float(self.trip_ago_s[0])))
            self._trip_demand_s = float(self.trip_ago_s[0])
        elif self.trip[0]:
            self._trip_demand_s = 0.0
        return change_s


dt_none = -1.0
"""No change of the contacts in this step."""
