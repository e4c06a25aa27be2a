"""What an attack cannot do to a point, whatever its file says: states, numbers, memory.

Of two-state points, 0 and 1 are all that a master can be shown, of others what a float32 of Modbus holds.
What was not remembered cannot be shown again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from estimation.attacks import Kind
from estimation.tamper import n_remembered
from protocols.modbus_codec import FLOAT32_MAX
from rtcore.points import Point

Problems = Iterator[tuple[str, str]]
"""(key of the attack, what is wrong with it)."""
TURNS: Mapping[Kind, tuple[str, tuple[float, ...]]] = {
    Kind.BIAS: ("offset", (-1.0, 1.0)),
    Kind.SCALE: ("factor", (0.0,)),
}
"""Kinds that turn a state, with the figures that do."""
NOT_OF_STATES = (Kind.RANDOM, Kind.RAMP)
NOISE_SIGMAS = 10.0
"""Normal noise that nobody ever sees more of."""
TIME_MAX_S = 1e7
"""Longest duration of an attack [s]."""
AGES = {Kind.REPLAY: "window_s", Kind.DELAY: "delay_s"}
"""Kinds that show what was, with how old it is [s]."""


def why_no_state(point: Point, kind: Kind, figures: Mapping[str, float]) -> str | None:
    """Say why a two-state point cannot be attacked in this way; None when it can, or is no such point."""
    if not point.is_two_state:
        return None
    if kind in NOT_OF_STATES:
        return f"has two states: kind {kind} is not possible there, kind topology shows one"
    key, allowed = TURNS.get(kind, ("", ()))
    if key in figures and figures[key] not in allowed:
        return f"has two states: {key} must be {' or '.join(f'{x:g}' for x in allowed)} there"
    return None


def why_no_status(point: Point) -> str | None:
    """Say why a point has no status that a topology attack could show."""
    if point.is_two_state:
        return None
    return f"is no two-state point but {point.kind}: statuses are 0 or 1; kind bias or scale changes values"


def too_large(figures: Mapping[str, float], duration_s: float | None, points: Sequence[Point]) -> Problems:
    """Say which figure makes values that cannot be represented, of the point with the widest range."""
    widest = max((p for p in points if not p.is_two_state), key=_size, default=None)
    if widest is None:
        return
    size = _size(widest)
    lasts_s = TIME_MAX_S if duration_s is None else duration_s
    most: dict[str, Callable[[float], float]] = {  # size of what is shown at most
        "offset": lambda x: size + x,
        "factor": lambda x: size * x,
        "sigma": lambda x: size + NOISE_SIGMAS * x,
        "per_s": lambda x: size + min(lasts_s * x, figures.get("limit", math.inf)),
        "gain": lambda x: size + size * x,  # a change is no wider than the range
    }
    for key, value in figures.items():
        if key in most and most[key](abs(value)) > FLOAT32_MAX:
            what = f"with the range of {widest.tag}, up to {size:g}, it makes numbers beyond {FLOAT32_MAX:g}"
            yield key, f"{key} = {value:g}: {what}, which nobody can be shown"


def too_old(kind: Kind, figures: Mapping[str, float], n_channels: int, scan_s: float) -> Problems:
    """Say which age is beyond what an attack on so many channels remembers, a scan every ``scan_s`` [s]."""
    key, n = AGES.get(kind, ""), n_remembered(n_channels)
    if key and figures.get(key, 0.0) > n * scan_s:
        what = f"{n} scans of {n_channels} points are remembered, one every {scan_s:g} s"
        yield key, f"{figures[key]:g} s: at most {n * scan_s:g} s; {what}"


def not_recorded(kind: Kind, figures: Mapping[str, float], recorded_s: float, what: str) -> Problems:
    """Say which age is longer than the time before the attack in which values are seen [s]."""
    key = AGES.get(kind, "")
    if key and figures.get(key, 0.0) > recorded_s:
        yield key, f"{figures[key]:g} s: at most {recorded_s:g} s, {what}"


def _size(point: Point) -> float:
    return max(abs(point.minimum), abs(point.maximum))
