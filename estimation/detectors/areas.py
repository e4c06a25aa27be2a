"""Channels by groups and by areas of balance, from what they measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from estimation.channels import Channel
from estimation.detectors.balance import Area
from estimation.detectors.scan import Layout
from estimation.measurements import Kind

FLOWS = (Kind.P_FLOW, Kind.Q_FLOW)
MAIN = "SUB.T1"
"""Device of the meter that everything flows through; one with the most power where there is no such tag."""


def layout_of(channels: Sequence[Channel]) -> Layout:
    """Return names, resolution and groups: one group for each kind of quantity of each device."""
    groups: dict[str, list[int]] = {}
    for i, c in enumerate(channels):
        device = c.measurement.name.rpartition(".")[0]
        groups.setdefault(f"{device} {c.measurement.kind}", []).append(i)
    return Layout(
        names=[c.measurement.name for c in channels],
        groups={name: np.array(at, np.int64) for name, at in groups.items()},
        quantum=np.array([max(c.accuracy.quantum, 2.0 * c.accuracy.cutoff) for c in channels]),
        period_s=np.array([c.period_s for c in channels]),
    )


def areas_of(channels: Sequence[Channel]) -> list[Area]:
    """Return the areas that are balanced.

    For P and for Q: the substation, its meter against the sum of all feeder heads; each head and the
    section meters of its feeder, an area each, whose imbalance is what the loads between them draw; and
    two meters of the same flow, one against the other. Only channels of every scan count.
    """
    found = []
    for kind in FLOWS:
        at = _totals(channels, kind)
        heads = {d: i for d, i in at.items() if d.endswith(".HEAD")}
        if MAIN in at and heads:
            # The transformer's flow is positive into it at its secondary side: negative for load.
            found.append(
                _area(
                    f"{MAIN} {kind}",
                    [*at[MAIN], *(i for h in heads.values() for i in h)],
                    -1.0,
                    len(at[MAIN]),
                )
            )
        for head, own in heads.items():
            feeder = head.rpartition(".")[0]
            sections = [d for d in at if d.startswith(f"{feeder}.") and d != head]
            found += [_area(f"{head} {d} {kind}", [*own, *at[d]], 1.0, len(own)) for d in sections]
    return found


def _totals(channels: Sequence[Channel], kind: Kind) -> dict[str, list[int]]:
    """Return device -> the channels that make its whole flow: the sum of all phases, or one each."""
    found: dict[str, list[int]] = {}
    for i, c in enumerate(channels):
        if c.measurement.kind is kind and c.period_s == 0.0:
            found.setdefault(c.measurement.name.rpartition(".")[0], []).append(i)
    chosen = {}
    for device, at in found.items():
        whole = [i for i in at if len(channels[i].measurement.nodes) > 1]
        chosen[device] = whole[:1] or at
    return chosen


def _area(name: str, channels: list[int], sign: float, n_in: int) -> Area:
    signs = np.full(len(channels), -1.0)
    signs[:n_in] = sign
    return Area(name, np.array(channels, np.int64), signs)
