"""What the estimator publishes: kinds, attributes, and where each stands on the estimator's board.

Points bind to these attributes as they bind to those of the plant, but another process than the core writes
them: they stand behind all core points in a station's list and on a board of their own.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from rtcore.component import Attr, component
from rtcore.points import Point
from rtcore.published import kind_of

KINDS = ("estimator", "detector", "estimate", "residual")
"""Component kinds whose points the estimator's process publishes."""

DETECTORS = ("innovation", "cusum", "ewma", "balance", "freshness", "command", "innovation_max")
"""Instances of the kind ``detector``."""

SUSPECTS = 3
"""Channels named at once."""


class Why(enum.IntEnum):
    """Why the estimator's result is what it is; the number is the point ``reason``."""

    OK = 0
    NO_TELEMETRY = 2
    NOT_OBSERVABLE = 3
    NOT_CONVERGED = 4
    SINGULAR = 5
    CONTRADICTION = 6
    FAILED = 7
    STATUS_UNKNOWN = 8
    UNEXPLAINED = 9
    OTHER_STATUS = 10


WHY_TEXT = {
    Why.OK: "estimated",
    Why.NO_TELEMETRY: "no telemetry: less than half of what is read in every scan",
    Why.NOT_OBSERVABLE: "parts not observable, the rest is published",
    Why.NOT_CONVERGED: "not converged",
    Why.SINGULAR: "gain matrix singular",
    Why.CONTRADICTION: "statuses contradict the measurements",
    Why.FAILED: "the estimator failed, see its log",
    Why.STATUS_UNKNOWN: "positions of switches are not known, the last ones are taken",
    Why.UNEXPLAINED: "measurements disagree, and no single ones nor a switch or tap explain it",
    Why.OTHER_STATUS: "estimated with a switch or tap in another position than it tells",
}


class State(enum.IntEnum):
    """What a channel counts for in the newest estimate; the number is the point ``state``."""

    USED = 0
    NOT_USED = 1
    CRITICAL = 2
    SUSPECT = 3
    REMOVED = 4


def _table(words: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"{int(number)} {text}" for number, text in words)


STATE_TABLE = _table((s, s.name.lower().replace("_", " ")) for s in State)
WHY_TABLE = _table(WHY_TEXT.items())


def _suspects() -> Iterable[Attr]:
    for k in range(1, SUSPECTS + 1):
        yield Attr(f"suspect_{k}", "", f"suspected channel {k}: its number among the residuals, 0 none")
    for k in range(1, SUSPECTS + 1):
        yield Attr(f"suspect_{k}_rn", "", f"normalised residual of suspected channel {k}")


@component(
    "estimator",
    attrs=(
        Attr("j", "", "weighted sum of squared residuals J(x)"),
        Attr("dof", "", "degrees of freedom of J"),
        Attr("threshold", "", "99 % quantile of chi-square with so many degrees of freedom"),
        Attr("is_bad_data", "", "J above its threshold, or a reading wrongly at its end, in 3 of 5 scans"),
        Attr("j_centred", "", "J of residuals less their learned offsets"),
        Attr("threshold_centred", "", "threshold of the centred J"),
        Attr("is_bad_data_centred", "", "centred J above its threshold in 3 of 5 scans"),
        Attr("learned_h", "h", "clean simulated time that the offsets of residuals were learned from"),
        Attr("is_converged", "", "the newest estimate converged"),
        Attr("iterations", "", "iterations of the newest estimate"),
        Attr("solve_ms", "ms", "time that the newest estimate took"),
        Attr("scans", "", "scans since the estimator's start"),
        Attr("rate_hz", "Hz", "scans a second, as set"),
        Attr("n_measurements", "", "measurements used"),
        Attr("n_unobservable", "", "nodes whose voltage does not follow from the measurements"),
        *_suspects(),
        Attr("switch_suspect", "", "switch whose status is suspected: its number in the network, 0 none"),
        Attr("reason", "", f"why the result is what it is: {WHY_TABLE}"),
        Attr("age_s", "s", "age of the last good state"),
        Attr("tap_suspect", "", "regulator whose tap is suspected: its number in the network, 0 none"),
    ),
)
class Estimator:
    """State estimator."""


@component(
    "detector",
    attrs=(
        Attr("value", "", "statistic of the detector"),
        Attr("threshold", "", "the statistic above it is an alarm"),
        Attr("is_alarm", "", "the detector raises an alarm"),
        Attr("alarms", "", "alarms since the estimator's start"),
    ),
)
class Detector:
    """Detector of false data beside the residual test."""


@component(
    "estimate",
    attrs=(
        *(Attr(f"v{k}_v", "V", f"estimated voltage of phase {k} to ground") for k in "abc"),
        *(Attr(f"a{k}_deg", "deg", f"estimated voltage angle of phase {k}") for k in "abc"),
    ),
)
class EstimatedBus:
    """Estimated state of one bus."""


@component(
    "residual",
    attrs=(
        Attr("rn", "", "normalised residual, measured less estimated"),
        Attr("state", "", f"what the channel counts for: {STATE_TABLE}"),
    ),
)
class Residual:
    """Residual of one telemetered channel; an instance is named by the tag of the channel's point."""


def is_estimators(point: Point) -> bool:
    """Tell whether the estimator's process publishes a point."""
    return kind_of(point) in KINDS


def is_residual(point: Point) -> bool:
    """Tell whether a point shows something of one channel."""
    return kind_of(point) == "residual"
