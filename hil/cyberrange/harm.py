"""What an attack does to the load: two runs of one plant that differ by nothing else, scan by scan.

A branch of a load is de-energised by the attack when its voltage is below a tenth of its base voltage and
was not in the undisturbed run. It then lacks the power that it draws at that scan in the undisturbed run;
in sum that is the load lost by switching, in time the energy not supplied. What all others draw more or
less is their demand at another voltage (and that of loads which the attack energised): no load is lost
there. Loads of constant power have none.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np

from hil.cyberrange.plant import PlantScan


@dc.dataclass(frozen=True, slots=True)
class Harm:
    """Difference between an attacked run and the undisturbed one.

    Attributes
    ----------
    deenergised_mw : float
        Largest power of the loads that the attack left without voltage [MW].
    not_supplied_kwh : float
        Energy that these would have drawn [kWh].
    demand_change_kwh : float
        Energy that all others drew more than undisturbed; negative: less [kWh].
    """

    deenergised_mw: float
    not_supplied_kwh: float
    demand_change_kwh: float


def harm(attacked: Sequence[PlantScan], undisturbed: Sequence[PlantScan], scan_s: float) -> Harm:
    """Return what the load lost and what it drew more or less, over the same scans of both runs."""
    deenergised_w, change_w = np.zeros(len(attacked)), np.zeros(len(attacked))
    for k, (a, u) in enumerate(zip(attacked, undisturbed, strict=True)):
        more_w, is_lost = a.branch_w - u.branch_w, a.is_dead & ~u.is_dead
        deenergised_w[k], change_w[k] = 0.0 - more_w[is_lost].sum(), more_w[~is_lost].sum()
    kwh = scan_s / 3.6e6
    return Harm(
        float(deenergised_w.max()) / 1e6, float(deenergised_w.sum()) * kwh, float(change_w.sum()) * kwh
    )
