"""Operating times of protective devices at constant currents: relays by their elements, fuses.

The curves are those of the kernels that run in the plant. Left out: errors and saturation of the
instrument transformers, the travel that a disc keeps between two shots, the heat that a link keeps.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rtcore.component import REGISTRY, rows_of
from rtcore.plant import fuse_curves
from rtcore.plant.breaker import Breaker
from rtcore.plant.fuse import Fuse
from rtcore.protection import instantaneous_50, negative_sequence_46, overcurrent_51
from rtcore.protection.quantities import current_a
from rtcore.protection.recloser_79 import last_shot, shot_allows
from rtcore.protection.scheme import Element, Relay, Scheme

Complex = npt.NDArray[np.complex128]
Settings = Mapping[str, Mapping[str, Any]]
"""Instance -> parameter -> value, as far as the station file speaks of them."""

NEVER_S = math.inf
SCATTER_MOST = 2.0 * math.sqrt(3.0)
"""Most standard deviations that a breaker's travel scatters by."""
LINKS = {number: name for name, number in fuse_curves.LINKS.items()}
TURN = np.exp(2j * np.pi / 3.0)
TO_SEQUENCE = np.array([[1, 1, 1], [1, TURN, TURN**2], [1, TURN**2, TURN]]) / 3.0

_REGISTERED = (instantaneous_50, negative_sequence_46, overcurrent_51)


@dc.dataclass(frozen=True, slots=True, order=True)
class Operation:
    """When a device acts [s], and what of it does: an element's name, or a link."""

    time_s: float
    by: str = ""


class Device(Protocol):
    """What relays and fuses have in common; currents are those of phases a, b, c, shape (3,) [A]."""

    @property
    def name(self) -> str:
        """Name of the relay, or of the fuse."""

    @property
    def switch(self) -> str:
        """The switch that interrupts for it."""

    @property
    def terminal(self) -> str:
        """Where it measures, "switch.cb_201@1"."""

    @property
    def is_relay(self) -> bool:
        """Tell a relay from a fuse."""

    def first(self, i: Complex) -> Operation:
        """Return the earliest instant at which it is bound to interrupt."""

    def cleared(self, i: Complex) -> Operation:
        """Return the latest instant by which it has interrupted."""


@dc.dataclass(frozen=True, slots=True)
class FuseDevice:
    """Links of one fuse."""

    name: str
    link: float
    is_relay: bool = False

    @property
    def switch(self) -> str:
        """The switch that interrupts for it."""
        return self.name

    @property
    def terminal(self) -> str:
        """Where its current flows."""
        return f"switch.{self.name}@1"

    @property
    def link_name(self) -> str:
        """Rating and type, "65K"."""
        return LINKS[self.link]

    def first(self, i: Complex) -> Operation:
        """Return the least melting time."""
        return Operation(float(fuse_curves.melt_s(self.link, float(np.max(np.abs(i))))), self.link_name)

    def cleared(self, i: Complex) -> Operation:
        """Return the total clearing time; the slowest of the phases that carry the fault counts."""
        size = np.abs(i)
        in_fault = size[size >= 0.5 * np.max(size)]
        slowest = max(float(fuse_curves.clear_s(self.link, float(a))) for a in in_fault)
        return Operation(slowest, self.link_name)


@dc.dataclass(frozen=True, slots=True)
class RelayDevice:
    """Overcurrent elements of one relay that trip its own breaker for a fault behind it.

    ``opening_s`` is the longest time from the trip to the last pole's arc going out.
    """

    name: str
    switch: str
    terminal: str
    shots: tuple[tuple[Element, ...], ...]
    """Elements in service in each shot of the recloser; without one there is a single shot."""
    group: int
    opening_s: float
    is_relay: bool = True

    def trips(self, i: Complex) -> list[Operation]:
        """Return for every shot which element trips first, and when."""
        times = {
            e.name: element_s(e.function, e.settings[self.group - 1], i) for shot in self.shots for e in shot
        }
        return [
            min((Operation(times[e.name], e.name) for e in shot), default=Operation(NEVER_S))
            for shot in self.shots
        ]

    def first(self, i: Complex) -> Operation:
        """Return the trip of the fastest shot."""
        return _named(min(self.trips(i)))

    def cleared(self, i: Complex) -> Operation:
        """Return the interruption in the slowest shot."""
        slowest = _named(max(self.trips(i)))
        return dc.replace(slowest, time_s=slowest.time_s + self.opening_s)


def _named(operation: Operation) -> Operation:
    return operation if operation.time_s < NEVER_S else Operation(NEVER_S)


def fuse(name: str, settings: Settings) -> FuseDevice:
    """Return the fuse of a switch with its settings."""
    return FuseDevice(name, Fuse(**settings.get(name, {})).link)


def relays(scheme: Scheme, breakers: Settings, f_hz: float) -> list[RelayDevice]:
    """Return the relays of a scheme that have overcurrent elements and a breaker of their own."""
    made = []
    for relay in scheme.relays:
        own = [e for e in relay.elements if _counts(e, relay)]
        if own and relay.breaker and relay.terminal:
            breaker = Breaker(**breakers.get(relay.breaker, {}))
            made.append(
                RelayDevice(
                    relay.name,
                    relay.breaker,
                    relay.terminal,
                    _shots(relay, own),
                    relay.group,
                    opening_s(breaker, f_hz),
                )
            )
    return made


def opening_s(breaker: Breaker, f_hz: float) -> float:
    """Return the longest time from trip to interruption: travel, its scatter, half a cycle of arc [s]."""
    scatter_s = SCATTER_MOST * breaker.scatter_s
    return breaker.open_time_s + scatter_s + (0.5 / f_hz if breaker.has_arc else 0.0)


def facing(relay: RelayDevice, *, is_forward: bool) -> RelayDevice:
    """Return a relay without the elements that look away from the fault.

    Forward of a directional element is out of its CT's terminal, as far as that is the switch's own.
    """
    element, _, terminal = relay.terminal.rpartition("@")
    if element == f"switch.{relay.switch}":
        is_forward = is_forward == (terminal == "1")
    keep = tuple(
        tuple(e for e in shot if not e.direction or e.direction.startswith("-") != is_forward)
        for shot in relay.shots
    )
    return dc.replace(relay, shots=keep)


def _counts(element: Element, relay: Relay) -> bool:
    if element.function not in TIMES or relay.breaker not in element.trips:
        return False
    return bool(element.settings[relay.group - 1].is_enabled)


def _shots(relay: Relay, own: Iterable[Element]) -> tuple[tuple[Element, ...], ...]:
    """Return the elements that serve in each shot."""
    recloser = next(iter(relay.of("recloser_79")), None)
    if recloser is None:
        return (tuple(own),)
    rows = rows_of([recloser.settings[relay.group - 1]], REGISTRY["recloser_79"])
    last = int(last_shot(rows, 0)) if rows["is_enabled"][0] else 0
    return tuple(
        tuple(e for e in own if shot_allows(_mask(e, relay.group), float(shot))) for shot in range(last + 1)
    )


def _mask(element: Element, group: int) -> float:
    return float(getattr(element.settings[group - 1], "shots", 31.0))


# ------------------------------------------------------------------------------- times of elements


def element_s(function: str, settings: Any, i: Complex) -> float:
    """Return the operating time of one element at constant phase currents [s]."""
    phases = np.asarray(i, np.complex128).reshape(1, 3)
    return TIMES[function](settings, rows_of([settings], REGISTRY[function]), phases, phases @ TO_SEQUENCE.T)


def _overcurrent_51(settings: Any, rows: Any, i: Complex, i_seq: Complex) -> float:
    m = current_a(settings.quantity, i, i_seq, 0) / settings.pickup_a
    return float(overcurrent_51.time_s(rows, 0, m)) if m > 1.0 else NEVER_S


def _instantaneous_50(settings: Any, _rows: Any, i: Complex, i_seq: Complex) -> float:
    is_beyond = current_a(settings.quantity, i, i_seq, 0) > settings.pickup_a
    return max(settings.delay_s, settings.minimum_s) if is_beyond else NEVER_S


def _negative_sequence_46(settings: Any, rows: Any, _i: Complex, i_seq: Complex) -> float:
    i1_pu, i2_pu = (float(abs(i_seq[0, k])) / settings.rated_a for k in (1, 2))
    if settings.characteristic == negative_sequence_46.BROKEN:
        is_beyond = i1_pu > settings.i1_min_pu and i2_pu > settings.ratio * i1_pu
    else:
        is_beyond = i2_pu > settings.i2_pu
    if not is_beyond:
        return NEVER_S
    if settings.characteristic == negative_sequence_46.I2T:
        return float(negative_sequence_46.i2t_s(rows, 0, i2_pu))
    return max(float(settings.delay_s), float(settings.minimum_s))


TIMES: dict[str, Callable[[Any, Any, Complex, Complex], float]] = {
    "overcurrent_51": _overcurrent_51,
    "instantaneous_50": _instantaneous_50,
    "negative_sequence_46": _negative_sequence_46,
}
"""Functions that grade by current, and the operating time of each."""
