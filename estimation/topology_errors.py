"""Topology errors: is a switch not where its contact says, or a tap not where its indicator says?

A wrong status gives large residuals on both sides that no single measurement explains. Every hypothesis
"this one is in the other position" is estimated with the same measurements; the one that brings J down to
what it should be is named (generalised state estimation by enumeration: with exact relations as constraints
each costs one estimate).
"""

from __future__ import annotations

import copy
import dataclasses as dc
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from estimation.network_model import Status
from estimation.wls import Estimate, Estimator

Floats = npt.NDArray[np.float64]

LEFT_MAX = 0.1
"""A hypothesis that leaves a tenth or more of what J has over its degrees of freedom is not the cause."""
TAP_MOVES_MAX = 32
ITERATIONS_MAX = 15
"""Of a hypothesis: what holds is at rest after 5 to 11, most of what does not hold never is."""


@dc.dataclass(frozen=True, slots=True)
class Hypothesis:
    """One other status and what it makes of the measurements."""

    element: str
    """``switch.NAME`` or ``regulator.NAME``."""
    position: tuple[bool, ...] | bool | int
    status: Status
    estimate: Estimate


def flipped(estimator: Estimator, switch: str) -> Status:
    """Return the status with all poles of a switch in the position that its first pole has not."""
    at = next(s for s in estimator.network.switches if s.name == switch)
    poles = estimator.status.poles(switch, len(at.nodes1))
    return estimator.status.with_switch(switch, not poles[0])


def try_switches(
    estimator: Estimator, z: Floats, sigma: Floats, switches: Sequence[str]
) -> Iterator[Hypothesis]:
    """Estimate with each of these switches in its other position; the estimator itself is left as it is."""
    for name in switches:
        status = flipped(estimator, name)
        yield Hypothesis(f"switch.{name}", status.switches[name], status, _under(estimator, status, z, sigma))


def _under(estimator: Estimator, status: Status, z: Floats, sigma: Floats) -> Estimate:
    return estimator_under(estimator, status).estimate(z, sigma)


def estimator_under(estimator: Estimator, status: Status) -> Estimator:
    """Return an estimator under another status: a shallow copy, what a status changes it has for itself."""
    other = copy.copy(estimator)
    other.iterations_max = ITERATIONS_MAX
    other.set_status(status)
    return other


def explains(hypothesis: Hypothesis, present: Estimate) -> bool:
    """Tell whether a hypothesis explains the residuals.

    It does when J is then within its 99 % quantile, or when what J has over its degrees of freedom falls to
    less than a tenth: a second, smaller error may be there as well. One that takes away half is only near
    the right one.

    Parameters
    ----------
    present : Estimate
        Of the same measurements, under the status as it is told.
    """
    other = hypothesis.estimate
    if not other.converged or other.dof <= 0:
        return False
    excess, left = present.j - present.dof, other.j - other.dof
    return other.j <= other.threshold or left < LEFT_MAX * excess


def find_switch(
    estimator: Estimator, z: Floats, sigma: Floats, present: Estimate, switches: Sequence[str]
) -> Hypothesis | None:
    """Return the best hypothesis of one wrong switch that explains the residuals, None when none does."""
    tried = [h for h in try_switches(estimator, z, sigma, switches) if explains(h, present)]
    return min(tried, key=lambda h: (h.estimate.j - h.estimate.dof, h.element), default=None)


def find_tap(
    estimator: Estimator, z: Floats, sigma: Floats, present: Estimate, regulator: str
) -> Hypothesis | None:
    """Return the tap of a regulator with the least J, None when it is where it is said to be.

    J has one minimum over the tap: from the indicated one downhill, step by step.
    """
    before = estimator.status
    highest = next(r for r in estimator.network.regulators if r.name == regulator).tap_highest
    best: Hypothesis | None = None
    least, tap = present.j, before.taps[regulator]
    for direction in (1, -1):
        for k in range(1, TAP_MOVES_MAX + 1):
            at = tap + direction * k
            if abs(at) > highest:
                break
            status = before.with_tap(regulator, at)
            found = _under(estimator, status, z, sigma)
            if not found.converged or found.j >= least:
                break
            least = found.j
            best = Hypothesis(f"regulator.{regulator}", at, status, found)
        if best is not None:
            break
    return best
