"""The stand-in relay on a bench of its own: a virtual clock, a breaker, a fault that is there or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from examples.standin.defects import TripOutput, spoilt
from examples.standin.overcurrent import Element
from examples.standin.relay import Relay, Settings

PICKUP_A = 100.0
FROM_OPEN_S, FROM_CLOSE_S = 0.050, 0.060
"""Opening and closing time of the breaker."""


def element(**other: Any) -> Element:
    """Return IEC SI, TMS 0.1, pickup 100 A, unless told otherwise."""
    return replace(Element(PICKUP_A, 0.1, "IEC_SI"), **other)


def first_trip_s(
    settings: Settings,
    multiple: Callable[[float], float],
    step_s: float = 0.001,
    until_s: float = 20.0,
    max_gap_s: float = 0.5,
) -> float | None:
    """Return when the disk was full at the first trip, the breaker staying closed."""
    relay = Relay(settings, max_gap_s)
    for k in range(round(until_s / step_s)):
        t_s = k * step_s
        out = relay.step(t_s, (multiple(t_s) * PICKUP_A, 0.0, 0.0, 0.0), True)
        if out.is_trip:
            return out.trip_at_s
    return None


def shot_s(m: float, defect: str | None = None, **other: Any) -> float | None:
    """Return the operating time at a constant multiple of the pickup that is set."""
    return first_trip_s(spoilt(Settings(element(**other)), defect), lambda t_s: m)


def contact(defect: str | None, tripping_s: float, step_s: float = 0.001) -> list[tuple[float, bool]]:
    """Return the changes of the trip contact when the relay trips for a time from 0."""
    output = TripOutput(defect)
    changes: list[tuple[float, bool]] = []
    for k in range(round(1.0 / step_s)):
        now = output.step(k * step_s, k * step_s < tripping_s)
        if now is not (changes[-1][1] if changes else False):
            changes.append((k * step_s, now))
    return changes


class Sequence:
    """Relay and breaker through a reclosing sequence; ``events`` holds what happened."""

    def __init__(self, settings: Settings) -> None:
        self.relay = Relay(settings)
        self.is_closed = True
        self.events: list[tuple[str, float]] = []
        self.t_s = 0.0
        self.refuses_close = False
        self._opens_at_s: float | None = None
        self._closes_at_s: float | None = None
        self._was_trip = self._was_close = False

    def of(self, what: str) -> list[float]:
        """Return the instants of one kind of event."""
        return [t_s for event, t_s in self.events if event == what]

    def move(self, is_closed: bool) -> None:
        """Move the breaker by hand."""
        self.is_closed = is_closed

    def run(self, until_s: float, multiple: Callable[[float], float], step_s: float = 0.001) -> None:
        """Go on to an instant, with the fault current as a multiple of the pickup by time."""
        while self.t_s < until_s - step_s / 2:
            self._breaker()
            m = multiple(self.t_s) if self.is_closed else 0.0
            out = self.relay.step(self.t_s, (m * PICKUP_A, 0.0, 0.0, 0.0), self.is_closed)
            if out.is_trip and not self._was_trip:
                self.events.append(("trip", out.trip_at_s))
                self._opens_at_s = out.trip_at_s + FROM_OPEN_S
            if out.is_close and not self._was_close:
                self.events.append(("close", self.t_s))
                self._closes_at_s = None if self.refuses_close else self.t_s + FROM_CLOSE_S
            self._was_trip, self._was_close = out.is_trip, out.is_close
            self.t_s += step_s

    def _breaker(self) -> None:
        if self._opens_at_s is not None and self.t_s >= self._opens_at_s:
            self.is_closed, self._opens_at_s = False, None
            self.events.append(("open", self.t_s))
        if self._closes_at_s is not None and self.t_s >= self._closes_at_s:
            self.is_closed, self._closes_at_s = True, None
            self.events.append(("closed", self.t_s))
