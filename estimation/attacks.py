"""False data: what an attacker makes of the values that a reader gets, and the truth about it.

``Tamper`` stands between the points of a station and whoever reads them: in the range, between a board and
its readers, on the wire. It changes values and qualities as its attacks say, remembers what replay and delay
need, and keeps the ground truth. Values are in the units of the points.

========== ============================================================================ ==================
kind       what the channels show                                                       parameters
========== ============================================================================ ==================
random     true value + sigma n, n standard normal, new in every scan                   sigma [unit]
bias       true value + offset                                                          offset [unit]
scale      true value * factor                                                          factor
ramp       true value + per_s t, held at the size limit                                 per_s [unit/s], limit
freeze     value and quality of the scan before the start                               none
replay     the window before the start, over and over, with its qualities               window_s
delay      the scan of delay_s ago, the oldest known until then                         delay_s
dropout    the last value, no communication, in a scan with that probability            probability
stealthy   true value + gain * delta, from the estimator's own model (``stealth``)      gain
topology   as stealthy; statuses show what ``statuses`` says                            gain
command    nothing: it sends what ``commands`` says                                     none
========== ============================================================================ ==================

The catalogue follows Liu, Ning and Reiter (2011) for stealthy attacks and Kim and Tong (2013) for those
coordinated with a breaker status; the others are the usual ones of the literature.
"""

from __future__ import annotations

import dataclasses as dc
import enum
import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Delta = Callable[[float, Floats], Floats]
"""(time [s], true values of the attack's channels) -> what to add to each of them."""


class Kind(enum.StrEnum):
    """What an attack does."""

    RANDOM = "random"
    BIAS = "bias"
    SCALE = "scale"
    RAMP = "ramp"
    FREEZE = "freeze"
    REPLAY = "replay"
    DELAY = "delay"
    DROPOUT = "dropout"
    STEALTHY = "stealthy"
    TOPOLOGY = "topology"
    COMMAND = "command"


class Place(enum.StrEnum):
    """Where values are changed: at the point's instrument, between the board and its readers, on the wire."""

    INSTRUMENT = "instrument"
    BOARD = "board"
    WIRE = "wire"


@dc.dataclass(frozen=True, slots=True)
class Parameter:
    """A figure of an attack; without a default it must be given."""

    unit: str
    doc: str
    default: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    is_low_allowed: bool = True


AGE_MAX_S = 1e7
"""Oldest that anything shown may be [s]: as long as any attack lasts."""

PARAMETERS: dict[Kind, dict[str, Parameter]] = {
    Kind.RANDOM: {"sigma": Parameter("unit", "standard deviation", low=0.0, is_low_allowed=False)},
    Kind.BIAS: {"offset": Parameter("unit", "what is added")},
    Kind.SCALE: {"factor": Parameter("", "what is multiplied by")},
    Kind.RAMP: {
        "per_s": Parameter("unit/s", "what is added each second"),
        "limit": Parameter("unit", "size at which it is held", math.inf, low=0.0, is_low_allowed=False),
    },
    Kind.FREEZE: {},
    Kind.REPLAY: {
        "window_s": Parameter(
            "s", "what is played again and again", math.nan, 0.0, AGE_MAX_S, is_low_allowed=False
        )
    },
    Kind.DELAY: {
        "delay_s": Parameter("s", "age of what is shown", math.nan, 0.0, AGE_MAX_S, is_low_allowed=False)
    },
    Kind.DROPOUT: {
        "probability": Parameter("", "share of the scans that are lost", 1.0, 0.0, 1.0, is_low_allowed=False)
    },
    Kind.STEALTHY: {"gain": Parameter("", "share of the computed change", 1.0)},
    Kind.TOPOLOGY: {"gain": Parameter("", "share of the computed change", 1.0)},
    Kind.COMMAND: {},
}


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One unauthorised write: ``at_s`` after the start of its attack."""

    tag: str
    value: float
    at_s: float = 0.0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack.

    Attributes
    ----------
    channels : tuple of str
        Tags of the points whose values it changes.
    start_s : float
        When it begins, on the reader's clock [s].
    duration_s : float
        How long it lasts; inf: to the end [s].
    parameters : mapping
        Figures of ``PARAMETERS``; those left out have their defaults.
    delta : callable or None
        Of stealthy and topology attacks.
    statuses : mapping
        Of topology attacks: tag -> value shown.
    commands : tuple of Command
        Of command attacks.

    Raises
    ------
    ValueError
        With everything wrong, a line each.
    """

    name: str
    kind: Kind
    place: Place = Place.BOARD
    channels: tuple[str, ...] = ()
    start_s: float = 0.0
    duration_s: float = math.inf
    parameters: Mapping[str, float] = dc.field(default_factory=dict)
    delta: Delta | None = None
    statuses: Mapping[str, float] = dc.field(default_factory=dict)
    commands: tuple[Command, ...] = ()

    def __post_init__(self) -> None:
        wrong = [what for _, what in problems(self)]
        if wrong:
            raise ValueError("\n".join(f"attack {self.name}: {what}" for what in wrong))

    @property
    def end_s(self) -> float:
        """First instant at which it is over [s]."""
        return self.start_s + self.duration_s

    @property
    def tags(self) -> tuple[str, ...]:
        """Every tag whose shown value it may change."""
        return tuple(dict.fromkeys((*self.channels, *self.statuses)))

    def figure(self, name: str) -> float:
        """Return a parameter, or its default."""
        return float(self.parameters.get(name, PARAMETERS[self.kind][name].default))

    def is_on(self, t_s: float) -> bool:
        """Tell whether it lasts at a time [s]."""
        return self.start_s <= t_s < self.end_s


def problems(attack: Attack) -> list[tuple[str, str]]:
    """Return (what of the attack, what is wrong with it)."""
    found = parameter_problems(attack.kind, attack.parameters)
    if not attack.duration_s > 0.0:
        found.append(("duration_s", f"duration_s = {attack.duration_s:g} s: must be > 0 s"))
    if not math.isfinite(attack.start_s):
        found.append(("start_s", f"start_s = {attack.start_s:g} s: must be finite"))
    if attack.kind is Kind.COMMAND:
        if not attack.commands:
            found.append(("commands", "a command attack needs commands"))
        if attack.channels:
            found.append(("channels", "a command attack changes no channels"))
    elif attack.kind is Kind.TOPOLOGY:
        if not attack.statuses:
            found.append(("statuses", "a topology attack needs statuses"))
    elif not attack.channels:
        found.append(("channels", "no channel: nothing to change"))
    if attack.kind is Kind.STEALTHY and attack.delta is None:
        found.append(("delta", "a stealthy attack needs the attacker's model"))
    if attack.kind is Kind.TOPOLOGY and attack.channels and attack.delta is None:
        found.append(("delta", "channels of a topology attack need the attacker's model"))
    return found


def parameter_problems(kind: Kind, given: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return (parameter, what is wrong) of the figures of an attack of this kind."""
    known, found = PARAMETERS[kind], []
    for name in given.keys() - known.keys():
        allowed = ", ".join(known) or "none"
        found.append((name, f"unknown parameter {name!r} of kind {kind}; allowed: {allowed}"))
    for name, p in known.items():
        value = given.get(name, p.default)
        if name not in given and math.isnan(p.default):
            found.append((name, f"parameter {name} is missing and has no default ({p.doc})"))
            continue
        is_low_enough = value >= p.low if p.is_low_allowed else value > p.low
        if math.isnan(value) or not (is_low_enough and value <= p.high):
            sign = ">=" if p.is_low_allowed else ">"
            limits = f"must be a number {sign} {p.low:g}" + (
                f" and <= {p.high:g}" if p.high < math.inf else ""
            )
            found.append((name, f"{name} = {value:g}: {limits} ({p.doc})"))
    return found
