"""What can be measured, in the words that network, telemetry and estimator share.

Units and signs, once for the whole package: V, A, W, var and degrees. An injection is positive INTO the
network (a load of 5 kW is -5000 W), a flow positive INTO the element at the terminal that is named.
Values and standard deviations lie in arrays of their own, in the order of a list of measurements.
"""

from __future__ import annotations

import dataclasses as dc
import enum


class Kind(enum.StrEnum):
    """Quantity of a measurement."""

    V_MAG = "v_mag"
    V_ANG = "v_ang"
    P_INJ = "p_inj"
    Q_INJ = "q_inj"
    P_FLOW = "p_flow"
    Q_FLOW = "q_flow"
    I_MAG = "i_mag"


POWERS = (Kind.P_INJ, Kind.Q_INJ, Kind.P_FLOW, Kind.Q_FLOW)
OF_BRANCH = (Kind.P_FLOW, Kind.Q_FLOW, Kind.I_MAG)
UNIT = {
    Kind.V_MAG: "V",
    Kind.V_ANG: "deg",
    Kind.P_INJ: "W",
    Kind.Q_INJ: "var",
    Kind.P_FLOW: "W",
    Kind.Q_FLOW: "var",
    Kind.I_MAG: "A",
}


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured quantity.

    Attributes
    ----------
    name : str
        Unique in its list; the tag of a point, or what a file calls it.
    kind : Kind
    element : str
        A bus (``bus1001``) or a branch (``line.l1``, ``switch.cb_101``, ``transformer.t``,
        ``regulator.r``).
    terminal : int
        1, 2, .. of a branch, 0 of a bus.
    nodes : tuple of int
        Numbers of the nodes at that terminal; several mean the sum over them (powers only).
    weights : tuple of float
        Factors of the nodes in that sum; empty: 1.
    is_pseudo : bool
        Not telemetered: history, a forecast, a nominal value.
    """

    name: str
    kind: Kind
    element: str
    terminal: int = 0
    nodes: tuple[int, ...]
    weights: tuple[float, ...] = ()
    is_pseudo: bool = False
