"""Nominal loads as pseudo-measurements where a measurement file has none."""

from __future__ import annotations

import math

import numpy as np

from estimation.channels import Floats
from estimation.measurements import Kind, Measurement
from estimation.pseudo import FLOOR_VA, Pseudo
from hil.measurement_files import MeasurementSet
from hil.measurement_places import letters
from rtcore.network.model import Network


def with_loads(
    network: Network, measured: MeasurementSet, sigma_pct: float | None
) -> tuple[list[Measurement], Floats, Floats]:
    """Return a file's measurements and, if asked for, nominal loads where it measures none.

    Parameters
    ----------
    sigma_pct : float or None
        Standard deviation of P and of Q, of the nominal apparent power [%]; None: nothing is added.
    """
    if sigma_pct is None:
        return list(measured.measurements), measured.z, measured.sigma
    pseudo = Pseudo(network, None)
    p_w, q_var = pseudo.injections(pseudo.at(0)[0]).reshape(2, -1)
    known = {(m.kind, m.element, m.nodes) for m in measured.measurements}
    added, z, sigma = [], [], []
    for place, p, q in zip(pseudo.places, p_w.tolist(), q_var.tolist(), strict=True):
        # What a resource delivers is not in the nominal load: anything up to its rating.
        spread = math.hypot(sigma_pct / 100.0 * math.hypot(p, q), place.rating_va)
        for kind, value in ((Kind.P_INJ, p), (Kind.Q_INJ, q)):
            if (kind, place.bus, place.nodes) in known or all(
                (kind, place.bus, (k,)) in known for k in place.nodes
            ):
                continue
            name = f"{kind} {place.bus} {letters(place.nodes)} (load)"
            added.append(
                Measurement(name=name, kind=kind, element=place.bus, nodes=place.nodes, is_pseudo=True)
            )
            z.append(value)
            sigma.append(max(spread, FLOOR_VA))
    return (
        [*measured.measurements, *added],
        np.concatenate([measured.z, z]),
        np.concatenate([measured.sigma, sigma]),
    )
