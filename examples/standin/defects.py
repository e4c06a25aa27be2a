"""Faults that can be built into the stand-in; each changes one thing.

Some are wrong settings behind a right front, some sit in the trip output, one in the communication.
"""

from __future__ import annotations

from dataclasses import replace

from .overcurrent import Element
from .relay import Settings

DEFECTS = {
    "slow10": "operates 10 % late",
    "wrong_curve": "very inverse in place of standard inverse",
    "pickup5": "picks up 5 % above its setting",
    "no_reset": "the disk never goes back",
    "chatter": "the trip output comes and goes for 0.3 s",
    "dead2s": "says and hears nothing for 2 s, after every 3 s of life",
    "double_command": "gives every trip twice",
}

WRONG_CURVE = {
    "IEC_SI": "IEC_VI",
    "IEC_VI": "IEC_EI",
    "IEC_EI": "IEC_SI",
    "IEEE_MI": "IEEE_VI",
    "IEEE_VI": "IEEE_EI",
    "IEEE_EI": "IEEE_MI",
}
"""What ``wrong_curve`` uses in place of the curve that is set."""

ALIVE_S, DEAD_S = 3.0, 2.0


def _spoilt(element: Element, defect: str | None) -> Element:
    match defect:
        case "slow10":  # the time is proportional to it, on every curve
            return replace(element, tms=element.tms * 1.1)
        case "wrong_curve":
            return replace(element, curve=WRONG_CURVE[element.curve])
        case "pickup5":
            return replace(element, pickup_a=element.pickup_a * 1.05)
        case "no_reset":
            return replace(element, reset="never")
    return element


def spoilt(settings: Settings, defect: str | None) -> Settings:
    """Return the settings that a relay with a defect works by."""
    return replace(
        settings,
        phase=_spoilt(settings.phase, defect),
        ground=_spoilt(settings.ground, defect) if settings.ground else None,
        fast=_spoilt(settings.fast, defect) if settings.fast else None,
    )


def dead_for_s(defect: str | None, age_s: float) -> float:
    """Return how long the device stays dead [s] from now on, ``age_s`` after its start; 0 when alive."""
    into_s = age_s % (ALIVE_S + DEAD_S)
    return ALIVE_S + DEAD_S - into_s if defect == "dead2s" and into_s >= ALIVE_S else 0.0


class TripOutput:
    """The trip contact: follows the relay, stays for a shortest time, and has its own defects.

    It runs through phases of a level and its shortest duration, one a scan at most, and stays in the last
    for as long as the relay trips. So a slow scan stretches a defect and never hides it.
    """

    PHASES: dict[str | None, list[tuple[bool, float]]] = {
        None: [(True, 0.1)],
        "double_command": [(True, 0.1), (False, 0.05), (True, 0.1)],
        "chatter": [(k % 2 == 0, 0.02) for k in range(15)],
    }

    def __init__(self, defect: str | None) -> None:
        self._phases = self.PHASES.get(defect, self.PHASES[None])
        self._phase: int | None = None
        self._since_s = 0.0

    def step(self, t_s: float, is_trip: bool) -> bool:
        """Return the contact at an instant [s]."""
        if self._phase is None:
            if not is_trip:
                return False
            self._phase, self._since_s = 0, t_s
        elif t_s - self._since_s >= self._phases[self._phase][1]:
            if self._phase + 1 < len(self._phases):
                self._phase, self._since_s = self._phase + 1, t_s
            elif not is_trip:
                self._phase = None
                return False
        return self._phases[self._phase][0]
