"""What the estimation bench measures: telemetry of a feeder, its true values, noisy scans."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from estimation.measurements import POWERS, Kind, Measurement
from estimation.wls import Estimate, Estimator
from rtcore.network.model import Load, Network

Floats = npt.NDArray[np.float64]

V_FRAC, FLOW_FRAC, LOAD_FRAC = 0.002, 0.01, 0.30
"""Standard deviations: of a voltage, of a flow, of a pseudo-measurement of a load."""
SIGMA_MIN_W = 100.0
"""Least standard deviation of a power [W, var]; with 1 W power-grid-model finds its matrix singular."""
V_EVERY, FLOW_EVERY = 10, 12
"""Every tenth bus of the primary has voltage transformers, every twelfth line section a flow."""
PRIMARY_KV_LN = 1.0


@dc.dataclass(frozen=True)
class Case:
    """An estimator, and what its measurements would show without noise [SI]."""

    estimator: Estimator
    true: Floats
    sigma: Floats

    def scan(self, rng: np.random.Generator) -> Floats:
        """Return one noisy reading of every measurement [SI]."""
        return self.true + self.sigma * rng.standard_normal(len(self.true))

    def run(self, rng: np.random.Generator) -> Estimate:
        """Estimate from one scan."""
        return self.estimator.estimate(self.scan(rng), self.sigma)


def measurements_of(network: Network) -> list[Measurement]:
    """Return telemetry as of a control centre: heads, sections, some voltages; all loads as pseudo.

    Every closed breaker has P and Q of each phase.
    """
    rows = [m for s in network.switches if s.is_closed for m in _flows(f"switch.{s.name}", s.nodes1)]
    rows += [
        m for e in network.lines[FLOW_EVERY - 1 :: FLOW_EVERY] for m in _flows(f"line.{e.name}", e.nodes1)
    ]
    primary = {b.name for b in network.buses if b.base_kv_ln > PRIMARY_KV_LN}
    primary &= {bus for s in network.sources for bus in (s.bus,)} | {e.bus2 for e in network.lines}
    nodes: dict[str, set[int]] = {}
    for _, bus, numbers in network.terminals():
        nodes.setdefault(bus, set()).update(k for k in numbers if 0 < k <= 3)
    sources = [s.bus for s in network.sources]
    measured = sources + [b.name for b in network.buses if b.name in primary - set(sources)][::V_EVERY]
    rows += [_measurement(Kind.V_MAG, bus, (k,)) for bus in measured for k in sorted(nodes[bus])]
    return rows + [
        _measurement(kind, *where) for where in _loads(network) for kind in (Kind.P_INJ, Kind.Q_INJ)
    ]


def _flows(element: str, nodes: tuple[int, ...]) -> list[Measurement]:
    return [_measurement(k, element, (n,), 1) for n in nodes for k in (Kind.P_FLOW, Kind.Q_FLOW)]


def _measurement(kind: Kind, element: str, nodes: tuple[int, ...], terminal: int = 0) -> Measurement:
    where = " ".join(str(n) for n in nodes)
    return Measurement(
        name=f"{kind} {element} {where}",
        kind=kind,
        element=element,
        terminal=terminal,
        nodes=nodes,
        is_pseudo=kind in (Kind.P_INJ, Kind.Q_INJ),
    )


def _loads(network: Network) -> dict[tuple[str, tuple[int, ...]], complex]:
    """Return bus and nodes -> nominal power injected [VA].

    The sum over both nodes where a bus has one load between two phases and nothing else, otherwise node by
    node; a load between phases is shared as it would be at balanced voltages, V_a / (V_a - V_b).
    """
    at_bus: dict[str, list[Load]] = {}
    for load in network.loads:
        at_bus.setdefault(load.bus, []).append(load)
    found: dict[tuple[str, tuple[int, ...]], complex] = {}
    for bus, loads in at_bus.items():
        for load in loads:
            for nodes, s_va in _shares(load, is_alone=len(loads) == 1):
                found[bus, nodes] = found.get((bus, nodes), 0.0) - s_va
    return found


def _shares(load: Load, *, is_alone: bool) -> Iterator[tuple[tuple[int, ...], complex]]:
    total = 1e3 * complex(load.kw, load.kvar)
    live = [n for n in load.nodes if n]
    if load.conn == "wye":
        for n in live:
            yield (n,), total / len(live)
    elif len(live) == 2 and is_alone:
        yield tuple(live), total
    else:
        branches = list(zip(live, live[1:] + live[:1], strict=True))[: max(1, load.phases)]
        for a, b in branches:
            va, vb = np.exp(-2j * np.pi / 3.0 * np.array([a, b]))
            yield (a,), complex(total / len(branches) * va / (va - vb))
            yield (b,), complex(total / len(branches) * vb / (vb - va))


def case_of(network: Network) -> Case:
    """Return a network with its telemetry; the true state is that of nominal loads and source voltage.

    The estimator itself finds that state, from pseudo-measurements without noise and nothing else
    measured but the source: what it then says of every measurement is consistent by construction.
    """
    measurements = measurements_of(network)
    estimator = Estimator(network, measurements)
    nominal = _loads(network)
    base_v = {b.name: 1e3 * b.base_kv_ln for b in network.buses}
    sources = {s.bus: s.v_pu for s in network.sources}
    z, sigma = np.full(len(measurements), np.nan), np.full(len(measurements), np.nan)
    for k, m in enumerate(measurements):
        if m.is_pseudo:
            s_va = nominal[m.element, m.nodes]
            z[k] = s_va.real if m.kind is Kind.P_INJ else s_va.imag
            sigma[k] = max(LOAD_FRAC * abs(z[k]), SIGMA_MIN_W)
        elif m.kind is Kind.V_MAG and m.element in sources:
            z[k] = base_v[m.element] * sources[m.element]
            sigma[k] = V_FRAC * z[k]
    found = estimator.estimate(z, sigma)
    if not found.converged:
        raise ArithmeticError(f"{network.name}: no state for the nominal loads: {found.reason}")
    return Case(Estimator(network, measurements), found.fitted, _sigma(measurements, found.fitted))


def _sigma(measurements: list[Measurement], true: Floats) -> Floats:
    share = np.array(
        [LOAD_FRAC if m.is_pseudo else FLOW_FRAC if m.kind in POWERS else V_FRAC for m in measurements]
    )
    floor = np.array([SIGMA_MIN_W if m.kind in POWERS else 0.0 for m in measurements])
    return np.asarray(np.maximum(share * np.abs(true), floor))
