"""Tap changers and their history: what belongs together, and when a tap last moved."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from datetime import datetime

from hil.view.model import StationModel

LOW, HIGH = -16, 16
"""Taps of a step-voltage regulator."""


@dc.dataclass(frozen=True, slots=True)
class Regulator:
    """A tap changer of one phase and its voltage relay, empty where it has none."""

    device: str
    control: str
    phase: str


@dc.dataclass(frozen=True, slots=True)
class Bank:
    """A switched capacitor bank and its control, empty where it has none."""

    device: str
    control: str


def regulators_of(model: StationModel) -> tuple[Regulator, ...]:
    """Return the tap changers that have points."""
    return tuple(
        Regulator(str(r["device"]), str(r["control"]), str(r["phase"]))
        for r in model.regulators
        if r["device"]
    )


def banks_of(model: StationModel) -> tuple[Bank, ...]:
    """Return capacitor banks, each with the control that is named as it is."""
    controls = {model.instance(d): d for d in model.of_template("capacitor_control")}
    return tuple(Bank(d, controls.get(model.instance(d), "")) for d in model.of_template("capacitor"))


def history_of(
    recorded: tuple[Sequence[datetime], Sequence[float]],
    live: tuple[Sequence[float], Sequence[float]],
    now: datetime,
    now_s: float,
) -> tuple[list[float], list[float]]:
    """Return a tap over time as stairs, from records and from what came since.

    Parameters
    ----------
    recorded : (times, values)
        Of the station's records.
    live : (times, values)
        Times [s] of the clock that shows ``now_s`` now.

    Returns
    -------
    tuple of list
        Hours before now (negative), taps; both begin and end of every step are in it.
    """
    rows = [((t - now).total_seconds() / 3600.0, v) for t, v in zip(*recorded, strict=True)]
    first_live = (live[0][0] - now_s) / 3600.0 if live[0] else 0.0
    rows = [r for r in rows if r[0] < first_live]
    rows += [((t - now_s) / 3600.0, v) for t, v in zip(*live, strict=True)]
    hours: list[float] = []
    taps: list[float] = []
    for at, tap in rows:
        if taps and tap != taps[-1]:
            hours.append(at)
            taps.append(taps[-1])
        hours.append(at)
        taps.append(tap)
    if taps:
        hours.append(0.0)
        taps.append(taps[-1])
    return hours, taps


def last_change_h(hours: Sequence[float], taps: Sequence[float]) -> float | None:
    """Return how long ago a tap moved last [h], None if it has not in this time."""
    for k in range(len(taps) - 1, 0, -1):
        if taps[k] != taps[k - 1]:
            return -hours[k]
    return None
