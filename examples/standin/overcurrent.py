"""The 51 element: an integrating disk fed with samples.

Between two samples the current is taken to be what the earlier one said: that is all a polled device knows.
"""

from __future__ import annotations

from dataclasses import dataclass

from .curves import operate_s

DROPOUT_RATIO = 0.95
RESETS = ("instant", "definite", "never")
"""``never`` is no setting of a sound relay: the defect ``no_reset`` puts it in."""


@dataclass(frozen=True)
class Element:
    """Settings of one 51 element.

    Parameters
    ----------
    pickup_a : float
        Pickup [A], primary.
    tms : float
        Time multiplier setting, or time dial.
    curve : str
        A name in ``CURVES``.
    reset : str
        ``instant``, or ``definite``: the disk stands still for ``reset_delay_s``, then it is back at once.
    reset_delay_s : float
        Delay of the definite reset [s].
    shots : tuple of int
        First and last shot of the reclosing sequence in which it serves.
    """

    pickup_a: float
    tms: float
    curve: str
    reset: str = "instant"
    reset_delay_s: float = 0.0
    shots: tuple[int, int] = (0, 99)


class Overcurrent51:
    """One element at work: ``is_pickup``, ``is_operated``, ``disk`` (0..1), ``operated_at_s``."""

    def __init__(self, settings: Element) -> None:
        self.settings = settings
        self.is_pickup = False
        self.is_operated = False
        self.disk = 0.0
        self.operated_at_s = 0.0
        self._held_m = 0.0
        self._dropped_at_s: float | None = None

    def step(self, t_s: float, dt_s: float, i_a: float) -> None:
        """Take a new sample.

        Parameters
        ----------
        t_s : float
            Instant of the sample [s].
        dt_s : float
            Time since the last sample [s]; 0 when nothing is known about the time between.
        i_a : float
            Current [A].
        """
        crossed_at_s = self._turn(t_s, dt_s)
        m = i_a / self.settings.pickup_a
        if m > 1.0:
            self.is_pickup = True
            self._dropped_at_s = None
        elif m <= DROPOUT_RATIO:
            self._drop(t_s)
        # A full disk trips only when this sample still says fault: the held value may have ended before.
        if self.is_pickup and self.disk >= 1.0 and not self.is_operated:
            self.is_operated = True
            self.operated_at_s = crossed_at_s
        self._held_m = m

    def _turn(self, t_s: float, dt_s: float) -> float:
        """Turn the disk over the time since the last sample; return when it was full, at the latest now."""
        if self.is_pickup and self._held_m > 1.0 and self.disk < 1.0 and dt_s > 0.0:
            turned = dt_s / operate_s(self.settings.curve, self.settings.tms, self._held_m)
            before, self.disk = self.disk, self.disk + turned
            if self.disk >= 1.0:
                over, self.disk = self.disk - 1.0, 1.0
                return t_s - dt_s * over / (over + 1.0 - before)
        return t_s

    def _drop(self, t_s: float) -> None:
        self.is_pickup = False
        if self._dropped_at_s is None:
            self._dropped_at_s = t_s
        held_s = self.settings.reset_delay_s if self.settings.reset == "definite" else 0.0
        # Having operated, it is done: only a disk on its way waits for the delay.
        is_back = self.is_operated or t_s - self._dropped_at_s >= held_s
        self.is_operated = False
        if is_back and self.settings.reset != "never":
            self.disk = 0.0
