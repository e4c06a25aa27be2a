"""What the dispatcher knows of a station: its network and what can be commanded in it.

Everything here is known before the first plan and stays: ratings, places, limits, and what demand is
typical of each load at each time of day.
"""

from __future__ import annotations

import dataclasses as dc
from functools import cached_property

import numpy as np
import numpy.typing as npt

from forecasting.series import Floats, Ints
from rtcore.network.model import Network

Complex = npt.NDArray[np.complex128]


@dc.dataclass(frozen=True)
class Battery:
    """One storage unit.

    Parameters
    ----------
    name : str
    e_rated_wh : float
        Energy between empty and full [Wh].
    p_charge_max_w, p_discharge_max_w : float
        Limits at the terminals [W].
    eta_charge, eta_discharge : float
        Efficiencies, terminals to cells and back.
    soc_min_pct, soc_max_pct : float
        What may be used of it [%].
    standby_w : float
        Its own supply, from the cells [W].
    """

    name: str
    e_rated_wh: float
    p_charge_max_w: float
    p_discharge_max_w: float
    eta_charge: float = 0.95
    eta_discharge: float = 0.95
    soc_min_pct: float = 20.0
    soc_max_pct: float = 95.0
    standby_w: float = 0.0


@dc.dataclass(frozen=True)
class Regulator:
    """One regulator with its voltage relay.

    Parameters
    ----------
    name : str
    tap_max : int
        Highest tap; the lowest is its negative.
    tap_v : float
        What a tap changes at the relay [V].
    vreg_v, band_v : float
        The relay's own set value and bandwidth [V]: what it goes back to.
    """

    name: str
    tap_max: int
    tap_v: float
    vreg_v: float
    band_v: float


@dc.dataclass(frozen=True)
class PvSite:
    """One photovoltaic site; ``feeder`` is where its power goes."""

    name: str
    rated_w: float
    feeder: str


@dc.dataclass(frozen=True)
class VoltVar:
    """Reactive power of the sites by their voltage: a curve through four points, and the cut of active power.

    All in per unit of the site's voltage and rating; volt-watt goes from ``vw_v1_pu`` to nothing at
    ``vw_v2_pu``, and is off where they are no numbers (IEEE 1547-2018, 5.3.3 and 5.4.2).
    """

    v_pu: tuple[float, float, float, float] = (0.92, 0.98, 1.02, 1.08)
    q_pu: tuple[float, float, float, float] = (0.44, 0.0, 0.0, -0.44)
    vw_v1_pu: float = float("nan")
    vw_v2_pu: float = float("nan")


@dc.dataclass(frozen=True)
class Site:
    """One station as the dispatcher sees it.

    Parameters
    ----------
    network : Network
        Its resources of kind ``pv`` and ``battery`` are those of ``pv`` and ``batteries``, in this order.
    batteries, regulators, pv : tuple
        Regulators in network order.
    feeders : tuple of str
    feeder_of : ndarray, shape (n_load,)
        Number of the feeder of each load.
    typical_va : ndarray, shape (n_slot, n_load)
        Typical demand of each load by time of day, the day in equal slots from midnight [VA].
    utc_offset_s : int
        Local clock of the slots.
    volt_var : VoltVar
    source_pu : float or None
        EMF of the upstream grid; None as the network says [pu].
    """

    network: Network
    batteries: tuple[Battery, ...]
    regulators: tuple[Regulator, ...]
    pv: tuple[PvSite, ...]
    feeders: tuple[str, ...]
    feeder_of: Ints
    typical_va: Complex
    utc_offset_s: int = 0
    volt_var: VoltVar = VoltVar()
    source_pu: float | None = None

    @cached_property
    def pv_rated_w(self) -> Floats:
        """Ratings of the sites, shape (n_pv,) [W]."""
        return np.array([p.rated_w for p in self.pv])

    def slot(self, utc_ns: int) -> int:
        """Return the slot of the day of a moment."""
        local_s = utc_ns // 1_000_000_000 + self.utc_offset_s
        return int(local_s % 86_400 * len(self.typical_va) // 86_400)

    def demand_va(self, utc_ns: int, feeder_w: Floats) -> Complex:
        """Return the demand of every load, its feeder's total shared as is typical of that time of day.

        Parameters
        ----------
        utc_ns : int
        feeder_w : ndarray, shape (n_feeder,)
            Active power of all loads of a feeder [W].

        Returns
        -------
        ndarray, shape (n_load,) [VA]
        """
        typical = self.typical_va[self.slot(utc_ns)]
        total = np.bincount(self.feeder_of, typical.real, len(self.feeders))
        scale = feeder_w / np.maximum(total, 1.0)
        return np.asarray(typical * scale[self.feeder_of])
