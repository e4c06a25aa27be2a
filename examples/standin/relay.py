"""The relay: 51 phase and ground, optionally a fast 51 for the first shots, and the 79."""

from __future__ import annotations

from dataclasses import dataclass, field

from .overcurrent import Element, Overcurrent51
from .recloser import Recloser79, Reclosing, State


@dataclass(frozen=True)
class Settings:
    """Settings of the relay; ``ground`` and ``fast`` are out of service when None."""

    phase: Element
    ground: Element | None = None
    fast: Element | None = None
    reclosing: Reclosing = field(default_factory=Reclosing)


@dataclass(frozen=True)
class Outputs:
    """What the relay says after a sample.

    ``trip_at_s`` is the instant the disk was full, interpolated between the samples that it trips by.
    """

    is_pickup: bool
    is_trip: bool
    is_close: bool
    is_lockout: bool
    shot: int
    state: State
    disk: float
    trip_at_s: float


class Relay:
    """Pure logic: the same samples give the same outputs.

    Parameters
    ----------
    settings : Settings
        What it works by.
    max_gap_s : float
        After a longer silence [s] nothing is known about the time between: the disk stands still over it.
    """

    def __init__(self, settings: Settings, max_gap_s: float = 0.5) -> None:
        self.settings = settings
        self.max_gap_s = max_gap_s
        self.elements = [Overcurrent51(e) for e in (settings.phase, settings.fast) if e is not None]
        self.ground = Overcurrent51(settings.ground) if settings.ground else None
        self.recloser = Recloser79(settings.reclosing)
        self._last_s: float | None = None

    def step(self, t_s: float, i_a: tuple[float, float, float, float], is_closed: bool) -> Outputs:
        """Take a sample.

        Parameters
        ----------
        t_s : float
            Instant of the sample [s]; must not go back.
        i_a : tuple of float
            Currents of the phases a, b, c and the residual current, primary [A].
        is_closed : bool
            52a of the breaker.
        """
        gap_s = 0.0 if self._last_s is None else t_s - self._last_s
        dt_s = gap_s if gap_s <= self.max_gap_s else 0.0
        self._last_s = t_s
        fed = [(e, max(i_a[:3])) for e in self.elements]
        if self.ground:
            fed.append((self.ground, i_a[3]))
        for element, current_a in fed:
            first, last = element.settings.shots
            is_serving = first <= self.recloser.shot <= last
            element.step(t_s, dt_s, current_a if is_serving else 0.0)
        at_work = [element for element, _ in fed]
        is_trip = any(e.is_operated for e in at_work)
        is_pickup = any(e.is_pickup for e in at_work)
        self.recloser.step(t_s, is_trip, is_pickup, is_closed)
        return Outputs(
            is_pickup=is_pickup,
            is_trip=is_trip,
            is_close=self.recloser.is_closing,
            is_lockout=self.recloser.state is State.LOCKOUT,
            shot=self.recloser.shot,
            state=self.recloser.state,
            disk=max(e.disk for e in at_work),
            trip_at_s=min((e.operated_at_s for e in at_work if e.is_operated), default=t_s),
        )
