"""What a relay test needs of the station it runs on: ideal sources, a clock, what was seen.

A test knows nothing of boards, rings or protocols; it talks to a ``Bench``. All instants are those of
one monotonic clock [ns]; a step's instant is the deadline that it was computed for.
"""

from __future__ import annotations

import cmath
import dataclasses as dc
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Phasors = tuple[complex, complex, complex]
"""Of phases a, b, c (RMS)."""

ZERO: Phasors = (0j, 0j, 0j)

TRIP, CLOSE, PICKUP, DROPOUT = "trip", "close", "pickup", "dropout"
DEVICE_EVENTS = (TRIP, CLOSE, PICKUP, DROPOUT, "retrip", "backup")
"""Outputs of the device under test, as the plant received them; ``retrip`` and ``backup`` are the two
stages of its breaker failure protection where they have outputs of their own."""
SHADOW_EVENTS = ("shadow_trip", "shadow_pickup", "shadow_dropout", "shadow_close")
"""The internal relay at the same place and on the same quantities, its trips blocked."""
PLANT_EVENTS = ("52a", *SHADOW_EVENTS)
"""Happen in the plant. 52a has the value 1 closed, 0 open."""
ALL_EVENTS = frozenset((*DEVICE_EVENTS, *PLANT_EVENTS))


@dc.dataclass(frozen=True, slots=True)
class Injection:
    """Ideal sources at the location of the relay.

    Attributes
    ----------
    i_a : tuple of complex
        Primary currents of phases a, b, c [A].
    v_v : tuple of complex
        Primary voltages of phases a, b, c to ground [V].
    f_hz : float
        Frequency at the moment the injection takes effect [Hz].
    df_hz_s : float
        From then on its rate of change [Hz/s].
    follow_52a : bool
        Current flows only while the breaker at the location is closed.
    """

    i_a: Phasors
    v_v: Phasors
    f_hz: float
    df_hz_s: float = 0.0
    follow_52a: bool = False


@dc.dataclass(frozen=True, slots=True)
class Applied:
    """When something took effect: the step whose image shows it first."""

    step: int
    mono_ns: int


@dc.dataclass(frozen=True, slots=True)
class Seen:
    """Something that happened.

    Attributes
    ----------
    step, mono_ns : int
        The step in which it happened, and the instant of that step.
    what : str
        One of ``ALL_EVENTS``.
    value : float
        Its value; of 52a 1 closed, 0 open.
    at_ns : int
        Instant within the step where it is known (internal relay), else ``mono_ns``.
    """

    step: int
    mono_ns: int
    what: str
    value: float
    at_ns: int


@dc.dataclass(frozen=True, slots=True)
class Health:
    """What could spoil a measurement, of the steps of one shot."""

    late_max_s: float = 0.0
    slipped_s: float = 0.0
    n_overruns: int = 0
    device_silent_s: float = 0.0
    """Longest time without a sign of life of the device."""


@dc.dataclass(frozen=True, slots=True)
class Traces:
    """What the relay at the location saw, step by step.

    Attributes
    ----------
    step : int64[n]
        Ascending; steps may be missing.
    i_a, v_v : complex128[n, 3]
        Primary phasors of phases a, b, c (RMS) [A], [V], against the frame that turns with nominal
        frequency.
    """

    step: npt.NDArray[np.int64]
    i_a: npt.NDArray[np.complex128]
    v_v: npt.NDArray[np.complex128]

    @classmethod
    def none(cls) -> Traces:
        """Return traces of no step."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 3), complex), np.zeros((0, 3), complex))


@dc.dataclass(frozen=True, slots=True)
class RelayFacts:
    """A place where a test set can be put.

    Attributes
    ----------
    ct_ratio, vt_ratio : float
        Primary over secondary; 1 where there is no such transformer, or its ratio is not known.
    v_nominal_v : float
        Nominal voltage, phase to ground, primary [V].
    """

    ct_ratio: float
    vt_ratio: float
    v_nominal_v: float
    f_nominal_hz: float


@dc.dataclass(frozen=True, slots=True)
class Facts:
    """What a plan is checked against before anything is energised.

    Attributes
    ----------
    i_max_a, v_max_v : float
        Largest current and voltage of a source, primary, RMS.
    f_min_hz, f_max_hz, df_max_hz_s : float
        Range of the sources' frequency and of its rate of change.
    faults : tuple of str
        Names of the station's fault library.
    tags : frozenset of str
        Tags of the points that a device may write.
    """

    dt_s: float
    locations: Mapping[str, RelayFacts]
    i_max_a: float
    v_max_v: float
    f_min_hz: float
    f_max_hz: float
    df_max_hz_s: float
    faults: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()


class Bench(Protocol):
    """A station with a test set in it and a device under test connected to it."""

    facts: Facts

    def connect(self, location: str, *, through_ct: bool = False) -> None:
        """Put the test set at a relay: its trips are blocked, it measures as a shadow from now on.

        Parameters
        ----------
        through_ct : bool
            The sources stand at the primary side: the location's CTs and VTs add their errors, noise
            and saturation. Otherwise they stand at the relay's terminals, where there are none.
        """

    def inject(self, injection: Injection | None) -> Applied:
        """Set the sources; with None the location sees the feeder again."""

    def apply_fault(self, name: str | None) -> Applied:
        """Put a fault of the library on the feeder; with None clear it."""

    def close_breaker(self) -> None:
        """Close the breaker at the location and wait until it is closed (no event is drained)."""

    def wait(self, what: frozenset[str], timeout_s: float) -> Seen | None:
        """Return the next event of these kinds, or None after ``timeout_s``; others stay for ``drain``."""

    def drain(self) -> list[Seen]:
        """Return every event not yet returned, in order, without waiting."""

    def health(self, first_step: int, zero_step: int, last_step: int) -> Health:
        """Return the worst of these steps, both ends included.

        The loop's health is that from time 0 on, as what happens before, in the healthy state, is in no
        measured time; the device's silence also counts where it began before.
        """

    def signs(self, first_step: int, last_step: int) -> Sequence[int]:
        """Return the steps of these in which the device gave a sign of life, ascending."""

    def traces(self, first_step: int, last_step: int) -> Traces:
        """Return what the relay at the location saw, of these steps; both included, some may be lost."""

    def calibrate(self, seconds: float) -> list[float]:
        """Return how long the device took to answer [s]; empty when no token came back.

        One value for every *step* of the time, not for every echo: from the step whose image shows
        token k first to the step in which the first echo of k or of a later token arrived
        (``uncertainty.delays_s``). So the wait for the device's next poll is in it, as it is in a shot.
        """

    def sleep(self, s: float) -> None:
        """Let time pass."""


def balanced(magnitude: float, deg: float = 0.0) -> Phasors:
    """Return three phasors of one size, 120 degrees apart, phase a at ``deg``."""
    return polar(magnitude, deg), polar(magnitude, deg - 120.0), polar(magnitude, deg + 120.0)


def polar(magnitude: float, deg: float) -> complex:
    """Return a phasor from its size and angle [degrees]."""
    return cmath.rect(magnitude, math.radians(deg))


def largest(phasors: Sequence[complex]) -> float:
    """Return the largest magnitude."""
    return max(abs(p) for p in phasors)
