"""Measurements in units that are probably not meant: per unit, kV, line to line, radians, kW, signs of loads.

A gross error is for the estimator to find. Here is caught what no instrument shows: a voltage of 1.02 V at a
bus of 7200 V, phases 2.09 degrees apart, every load a thousandth of what it is rated.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Iterator, Sequence

from estimation.measurements import POWERS, UNIT, Kind, Measurement
from estimation.pseudo import Pseudo
from rtcore.network.model import Network

PU_MAX = 1.5
"""Voltages are below this in per unit, and in kV over the base [of the base]."""
PU_MIN = 0.5
BASE_MIN_V = 50.0
"""Below this base a voltage per unit cannot be told from one in volts."""
LINE_TO_LINE_PU = (1.6, 1.85)
"""Around sqrt(3): nothing but a line-to-line voltage is so much too high [of the line-to-neutral base]."""
THOUSANDTH = (2e-4, 5e-3)
"""Powers over rated power that are in kW: a twentieth to five times of the rating after conversion."""
VOLTAGE_MAX, POWER_MAX = 10.0, 1e4
"""What no instrument shows: voltages [of the base], powers [of all that is rated, together]."""
SIGMA_MIN = 1e-8
"""Nothing is measured more exactly [of the value]; what holds exactly need not be written."""
LOAD_MIN_W, LOADS_MIN = 1e3, 2
"""Loads that count, and how many of them must agree before units or signs are doubted."""

Suspicion = tuple[int, str, str]


@dc.dataclass(frozen=True, slots=True)
class Reading:
    """One row of a file: its line, what it measures, value and standard deviation [SI]."""

    line: int
    measurement: Measurement
    value: float
    sigma: float


def suspicions(network: Network, readings: Sequence[Reading]) -> Iterator[Suspicion]:
    """Yield (line, column, what) of values that are probably in another unit."""
    base_v = {b.name: 1e3 * b.base_kv_ln for b in network.buses}
    rated_w = sum(abs(w) for w in _load_w(network).values()) + sum(1e3 * d.kva for d in network.ders)
    for r in readings:
        kind = r.measurement.kind
        what = ""
        if kind is Kind.V_MAG:
            what = _of_voltage(r.value, base_v[r.measurement.element])
        elif kind in POWERS and abs(r.value) > POWER_MAX * rated_w > 0.0:
            rated = f"all that is rated is {rated_w:.4g} W"
            what = f"{r.value:g} {UNIT[kind]} where {rated}: no instrument shows that"
        if what:
            yield r.line, "value", what
        elif r.sigma < SIGMA_MIN * abs(r.value):
            yield r.line, "sigma", f"{r.sigma:g} at a value of {r.value:g}: nothing is measured so exactly"
    yield from _radians(readings)
    yield from _of_loads(network, readings)


def _of_voltage(value: float, base_v: float) -> str:
    if base_v < BASE_MIN_V or value == 0.0:
        return ""
    if abs(value) > VOLTAGE_MAX * base_v:
        return f"{value:g} V where {base_v:.6g} V is nominal: no instrument shows that"
    if PU_MIN < value < PU_MAX:
        return f"{value:g} V where {base_v:.6g} V is nominal: per unit? Voltages are in V, line to neutral"
    if PU_MIN < 1e3 * value / base_v < PU_MAX:
        return f"{value:g} V where {base_v:.6g} V is nominal: kV? Voltages are in V, line to neutral"
    if LINE_TO_LINE_PU[0] < value / base_v < LINE_TO_LINE_PU[1]:
        return f"{value:g} V where {base_v:.6g} V is nominal: line to line? Voltages are line to neutral"
    return ""


def _radians(readings: Sequence[Reading]) -> Iterator[Suspicion]:
    """Phases of one bus are about 120 degrees apart: a spread of 1 to 2 pi within two pi is in radians."""
    at: dict[str, list[Reading]] = {}
    for r in readings:
        if r.measurement.kind is Kind.V_ANG:
            at.setdefault(r.measurement.element, []).append(r)
    for bus, found in at.items():
        values = [r.value for r in found]
        if 1.0 < max(values) - min(values) < 2.0 * math.pi and max(map(abs, values)) <= 2.0 * math.pi:
            spread = max(values) - min(values)
            what = f"phases of {bus} only {spread:.3g} degrees apart: radians? Angles are in degrees"
            yield found[0].line, "value", what


def _of_loads(network: Network, readings: Sequence[Reading]) -> Iterator[Suspicion]:
    """Doubt units and signs where all measured loads agree in being wrong."""
    nominal = _load_w(network)
    loads = []
    for r in readings:
        m = r.measurement
        rated = sum(nominal.get((m.element, k), 0.0) for k in m.nodes)
        if m.kind is Kind.P_INJ and abs(rated) >= LOAD_MIN_W and r.value != 0.0 and not m.is_pseudo:
            loads.append((r, r.value / rated))
    if len(loads) < LOADS_MIN:
        return
    line = loads[0][0].line
    if all(ratio < 0.0 for _, ratio in loads):
        yield (
            line,
            "value",
            "every load is positive: injections are positive into the network, loads negative",
        )
    if all(THOUSANDTH[0] < abs(ratio) < THOUSANDTH[1] for _, ratio in loads):
        yield line, "value", "every load is about a thousandth of its rating: kW? Powers are in W and var"


def _load_w(network: Network) -> dict[tuple[str, int], float]:
    """Return (bus, node) -> nominal injection where only loads inject [W]."""
    others = {s.bus for s in network.sources} | {d.bus for d in network.ders}
    pseudo = Pseudo(network, None)
    p_w, _ = pseudo.injections(pseudo.at(0)[0]).reshape(2, -1)
    found: dict[tuple[str, int], float] = {}
    for place, value in zip(pseudo.places, p_w.tolist(), strict=True):
        if place.bus not in others:
            for k in place.nodes:
                found[place.bus, k] = value / len(place.nodes)
    return found
