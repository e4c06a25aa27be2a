"""Switches that measured voltages speak against: none where the status feeds, or some where it does not.

The cheapest test of a status, by islands alone, without any estimate. It comes first where the contradiction
leaves no state to test by residuals: nobody finds a state with zero volts in a fed section.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from estimation.channels import Floats
from estimation.measurements import Kind
from estimation.network_model import Status
from estimation.supply import Supply
from estimation.topology_errors import flipped
from estimation.wls import Estimator

DEAD_PU, ALIVE_PU = 0.1, 0.5
"""A measured voltage below is none, one above is one [pu]; between is neither (a fault, an open phase)."""


def contradictions(estimator: Estimator, z: Floats) -> npt.NDArray[np.bool_]:
    """Tell of every measurement whether it is a voltage that the status in force rules out, shape (m,).

    Parameters
    ----------
    z : ndarray, shape (m,)
        Values [SI], NaN where there are none.
    """
    is_voltage = np.array([m.kind is Kind.V_MAG for m in estimator.measurements], np.bool_)
    functionals = estimator.functionals
    v_pu = z / functionals.scale
    with np.errstate(invalid="ignore"):
        return np.asarray(is_voltage & np.where(functionals.is_dead, v_pu > ALIVE_PU, v_pu < DEAD_PU))


def contradicted(estimator: Estimator, z: Floats, most: int) -> list[str]:
    """Return the switches that would take away most contradictions in their other position, best first.

    Parameters
    ----------
    z : ndarray, shape (m,)
        Values [SI], NaN where there are none.
    most : int
        Longest list; empty where nothing contradicts or no single switch helps.
    """
    is_voltage = np.array([m.kind is Kind.V_MAG for m in estimator.measurements], np.bool_)
    v_pu = z / estimator.functionals.scale
    dead = np.flatnonzero(is_voltage & (v_pu < DEAD_PU))
    alive = np.flatnonzero(is_voltage & (v_pu > ALIVE_PU))

    def nodes(which: npt.NDArray[np.int64]) -> list[int]:
        at = [estimator.measurements[i] for i in which.tolist()]
        return [estimator.frame.nodes.of(m.element, m.nodes)[0] for m in at]

    dead_at, alive_at = nodes(dead), nodes(alive)

    supply = Supply(estimator.frame)

    def count(status: Status) -> int:
        live = supply.live(status)
        return int(np.count_nonzero(live[dead_at]) + np.count_nonzero(~live[alive_at]))

    present = count(estimator.status)
    if not present:
        return []
    names = [s.name for s in estimator.network.switches]
    counts = {name: count(flipped(estimator, name)) for name in names}
    better = [name for name in names if counts[name] < present]
    return sorted(better, key=lambda name: counts[name])[:most]
