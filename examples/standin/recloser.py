"""The 79: open intervals, reset time, lockout (states and rules as in SEL and ABB relays).

An open interval begins when the breaker is open and the trip has dropped out. The reset time runs while the
breaker is closed and nothing is picked up. Lockout comes with the trip after the last interval, with a
breaker opened by anybody else, and with a close that fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

CLOSE_FAILURE_S = 1.0
"""A breaker that is not closed so long after the close command has failed."""


class State(Enum):
    """States of the 79."""

    RESET = "reset"
    CYCLE = "cycle"
    LOCKOUT = "lockout"


@dataclass(frozen=True)
class Reclosing:
    """Settings: open intervals [s], none to three; reset time after a reclosure and after a lockout [s]."""

    open_intervals_s: tuple[float, ...] = ()
    reset_s: float = 15.0
    reset_from_lockout_s: float = 5.0


class Recloser79:
    """The function at work; ask it for ``state``, ``shot`` (reclosures so far) and ``is_closing``."""

    def __init__(self, settings: Reclosing) -> None:
        self.settings = settings
        self.state = State.RESET
        self.shot = 0
        self.is_closing = False
        self._was_trip = False
        self._was_closed: bool | None = None
        self._is_open_due = False
        self._since_s: float | None = None
        """Start of what is waited for: open interval, close, or reset time."""

    def step(self, t_s: float, is_trip: bool, is_pickup: bool, is_closed: bool) -> None:
        """Go on to an instant [s], with the relay's trip and pickup and the breaker's 52a."""
        if is_trip and not self._was_trip:
            self._tripped()
        if self._was_closed is not False and not is_closed:
            if not self._is_open_due:
                self._lock_out()  # opened by somebody else; also found open at power-up
            self._is_open_due = False
        if self.is_closing:
            self._wait_for_close(t_s, is_closed)
        elif is_closed:
            self._reset_time(t_s, is_trip or is_pickup)
        elif self.state is State.CYCLE:
            self._open_interval(t_s, is_trip)
        self._was_trip, self._was_closed = is_trip, is_closed

    def _tripped(self) -> None:
        self.is_closing, self._since_s, self._is_open_due = False, None, True
        if self.state is State.LOCKOUT or self.shot >= len(self.settings.open_intervals_s):
            self._lock_out()
        else:
            self.state = State.CYCLE

    def _lock_out(self) -> None:
        self.state, self.is_closing, self._since_s = State.LOCKOUT, False, None

    def _open_interval(self, t_s: float, is_trip: bool) -> None:
        if self._was_closed is not False or is_trip:
            self._since_s = None if is_trip else t_s
        elif self._since_s is None:
            self._since_s = t_s
        elif t_s - self._since_s >= self.settings.open_intervals_s[self.shot]:
            self.shot += 1
            self.is_closing, self._since_s = True, t_s

    def _wait_for_close(self, t_s: float, is_closed: bool) -> None:
        assert self._since_s is not None
        if is_closed:
            self.is_closing, self._since_s = False, None
        elif t_s - self._since_s >= CLOSE_FAILURE_S:
            self._lock_out()

    def _reset_time(self, t_s: float, is_busy: bool) -> None:
        if self.state is State.RESET or is_busy:
            self._since_s = None
            return
        if self._since_s is None or not self._was_closed:
            self._since_s = t_s
        is_locked = self.state is State.LOCKOUT
        wanted_s = self.settings.reset_from_lockout_s if is_locked else self.settings.reset_s
        if t_s - self._since_s >= wanted_s:
            self.state, self.shot, self._since_s, self._is_open_due = State.RESET, 0, None, False
