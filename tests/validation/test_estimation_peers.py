"""Our estimator next to power-grid-model's newton_raphson on a balanced radial feeder.

One three-phase quantity of the peer is three of ours, one in each phase, with a third of its power. Phases
are equal and not coupled, so that the estimate is balanced and the weighted sums of squares are the same
when (dU is line to line, dP the three-phase residual)

- voltage:  3 (dU / sqrt(3))^2 / sigma_phase^2 = dU^2 / sigma^2,  sigma_phase = sigma
- power:    3 (dP / 3)^2 / sigma_phase^2 = dP^2 / sigma^2,        sigma_phase = sigma / sqrt(3)

The peer takes ``p_sigma`` and ``q_sigma`` as they are (``power_sigma`` alone would mean sigma / sqrt(2) for
each), loads positive when drawn, and the angle of its first source's node as zero.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Any

import numpy as np
import numpy.typing as npt
import power_grid_model as pgm
import pytest

from estimation.measurements import Kind, Measurement
from estimation.wls import Estimator
from rtcore.network.admittance import node_table
from rtcore.network.model import Bus, Line, LineCode, Load, Network, Source

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

U_V = 13_800.0
R_OHM, X_OHM, C_NF = 0.30, 0.40, 11.0
"""Of one km of line."""
PARENTS = (0, 1, 2, 3, 4, 2, 6, 7, 3, 9, 10, 10, 1, 13, 14, 15, 13, 17, 18)
"""Where the line to bus 1, 2, .. begins: a feeder with laterals; bus 0 is the source's."""
JUNCTIONS = (0, 1, 3, 13)
"""Buses without a load."""
VOLTAGES = (0, 4, 8, 12, 16, 19)
HEADS = (0, 4, 8, 12)
"""Lines with a flow measurement: the feeder's head, two laterals, one in the middle."""
AGREEMENT_PU = 1e-6
"""Asked for; the peer iterates to 1e-10 pu, ours further, nothing else differs."""


@dc.dataclass(frozen=True)
class Case:
    """Lengths [km] of the lines; loads [W, var] drawn by three phases at every bus."""

    length_km: Floats
    load_va: Complex

    @property
    def loaded(self) -> list[int]:
        return [k for k in range(len(self.load_va)) if k not in JUNCTIONS]


@dc.dataclass(frozen=True)
class Readings:
    """Three-phase values: line-to-line voltage [V], power drawn and flowing [W, var]."""

    voltage_v: Floats
    drawn_va: Complex
    flow_va: Complex


SIGMA_V, SIGMA_DRAWN_VA, SIGMA_FLOW_VA = 30.0, 20e3, 10e3
"""0.2 % of the voltage, 10 to 20 % of a load, 0.5 % of the head's flow."""


def a_case(rng: np.random.Generator) -> Case:
    n = len(PARENTS) + 1
    kw = np.where(np.isin(np.arange(n), JUNCTIONS), 0.0, rng.uniform(50.0, 250.0, n))
    return Case(rng.uniform(0.3, 1.2, n - 1), 1e3 * kw * (1.0 + 0.4j))


# --- the peer ------------------------------------------------------------------------------------


def table(component: str, **columns: Any) -> np.ndarray[Any, Any]:
    rows = pgm.initialize_array("input", component, len(next(iter(columns.values()))))
    for name, values in columns.items():
        rows[name] = values
    return rows


NODE, LINE, LOAD, SOURCE, SENSOR = 0, 100, 200, 300, 400
"""First number of each component at the peer."""


def peer_network(case: Case) -> dict[str, Any]:
    n, km = len(case.load_va), case.length_km
    nothing, ones = np.zeros(n - 1), np.ones(n - 1)
    loaded = case.loaded
    return {
        "node": table("node", id=NODE + np.arange(n), u_rated=np.full(n, U_V)),
        "line": table(
            "line",
            id=LINE + np.arange(n - 1),
            from_node=np.array(PARENTS),
            to_node=np.arange(1, n),
            from_status=ones,
            to_status=ones,
            r1=R_OHM * km,
            x1=X_OHM * km,
            c1=1e-9 * C_NF * km,
            tan1=nothing,
            r0=R_OHM * km,
            x0=X_OHM * km,
            c0=1e-9 * C_NF * km,
            tan0=nothing,
            i_n=1e6 * ones,
        ),
        "source": table("source", id=[SOURCE], node=[0], status=[1], u_ref=[1.01], sk=[1e9], rx_ratio=[0.1]),
        "sym_load": table(
            "sym_load",
            id=LOAD + np.array(loaded),
            node=loaded,
            status=np.ones(len(loaded)),
            type=np.zeros(len(loaded)),
            p_specified=case.load_va[loaded].real,
            q_specified=case.load_va[loaded].imag,
        ),
    }


def peer_model(tables: dict[str, Any]) -> pgm.PowerGridModel:
    return pgm.PowerGridModel(tables, system_frequency=60.0)


def read(case: Case, rng: np.random.Generator) -> Readings:
    """Return what noisy meters show of the peer's power flow."""
    found = peer_model(peer_network(case)).calculate_power_flow(error_tolerance=1e-12)

    def noisy(true: Floats, sigma: float) -> Floats:
        return true + sigma * rng.standard_normal(len(true))

    lines, loads = found["line"][list(HEADS)], case.load_va[case.loaded]
    return Readings(
        noisy(found["node"]["u"][list(VOLTAGES)], SIGMA_V),
        noisy(loads.real, SIGMA_DRAWN_VA) + 1j * noisy(loads.imag, SIGMA_DRAWN_VA),
        noisy(lines["p_from"], SIGMA_FLOW_VA) + 1j * noisy(lines["q_from"], SIGMA_FLOW_VA),
    )


def peer_estimate(case: Case, readings: Readings) -> Complex:
    """Return the peer's node voltages, line to line [V], angle of the source's node zero."""
    load, branch = pgm.MeasuredTerminalType.load, pgm.MeasuredTerminalType.branch_from
    n, loaded = len(VOLTAGES), case.loaded
    power = np.concatenate([readings.drawn_va, readings.flow_va])
    sigma = np.repeat([SIGMA_DRAWN_VA, SIGMA_FLOW_VA], [len(loaded), len(HEADS)])
    sensors = {
        "sym_voltage_sensor": table(
            "sym_voltage_sensor",
            id=SENSOR + np.arange(n),
            measured_object=NODE + np.array(VOLTAGES),
            u_measured=readings.voltage_v,
            u_sigma=np.full(n, SIGMA_V),
        ),
        "sym_power_sensor": table(
            "sym_power_sensor",
            id=SENSOR + n + np.arange(len(power)),
            measured_object=[*(LOAD + k for k in loaded), *(LINE + k for k in HEADS)],
            measured_terminal_type=np.repeat([load, branch], [len(loaded), len(HEADS)]),
            p_measured=power.real,
            q_measured=power.imag,
            p_sigma=sigma,
            q_sigma=sigma,
        ),
    }
    found = peer_model(peer_network(case) | sensors).calculate_state_estimation(
        symmetric=True,
        calculation_method=pgm.CalculationMethod.newton_raphson,
        error_tolerance=1e-10,
        max_iterations=50,
    )
    return np.asarray(found["node"]["u"] * np.exp(1j * found["node"]["u_angle"]), np.complex128)


# --- ours ----------------------------------------------------------------------------------------


def our_network(case: Case) -> Network:
    def diagonal(value: float) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(row) for row in (value * np.eye(3)).tolist())

    phases, n = (1, 2, 3), len(case.load_va)
    return Network(
        name="balanced",
        buses=tuple(Bus(name=f"b{k}", base_kv_ln=U_V / 1e3 / np.sqrt(3.0)) for k in range(n)),
        sources=(
            Source(
                name="s",
                bus="b0",
                nodes=phases,
                base_kv=U_V / 1e3,
                r1_ohm=0.02,
                x1_ohm=0.2,
                r0_ohm=0.02,
                x0_ohm=0.2,
            ),
        ),
        linecodes=(LineCode(name="c", unit="km", r=diagonal(R_OHM), x=diagonal(X_OHM), c_nf=diagonal(C_NF)),),
        lines=tuple(
            Line(
                name=f"l{k - 1}",
                bus1=f"b{PARENTS[k - 1]}",
                nodes1=phases,
                bus2=f"b{k}",
                nodes2=phases,
                linecode="c",
                length=float(case.length_km[k - 1]),
                unit="km",
            )
            for k in range(1, n)
        ),
        loads=tuple(
            Load(
                name=f"d{k}",
                bus=f"b{k}",
                nodes=(1, 2, 3, 0),
                phases=3,
                conn="wye",
                kv=U_V / 1e3,
                kw=case.load_va[k].real / 1e3,
                kvar=case.load_va[k].imag / 1e3,
            )
            for k in case.loaded
        ),
    )


def our_measurements(case: Case, readings: Readings) -> tuple[list[Measurement], Floats, Floats]:
    """Return measurements of every phase, their values and sigmas: see the head of this file."""
    rows: list[tuple[Kind, str, int, float, float]] = []
    for k, u in zip(VOLTAGES, readings.voltage_v, strict=True):
        rows.append((Kind.V_MAG, f"b{k}", 0, u / np.sqrt(3.0), SIGMA_V))
    for k, s in zip(case.loaded, -readings.drawn_va / 3.0, strict=True):
        rows.append((Kind.P_INJ, f"b{k}", 0, s.real, SIGMA_DRAWN_VA / np.sqrt(3.0)))
        rows.append((Kind.Q_INJ, f"b{k}", 0, s.imag, SIGMA_DRAWN_VA / np.sqrt(3.0)))
    for k, s in zip(HEADS, readings.flow_va / 3.0, strict=True):
        rows.append((Kind.P_FLOW, f"line.l{k}", 1, s.real, SIGMA_FLOW_VA / np.sqrt(3.0)))
        rows.append((Kind.Q_FLOW, f"line.l{k}", 1, s.imag, SIGMA_FLOW_VA / np.sqrt(3.0)))
    measurements = [
        Measurement(name=f"{kind} {element}.{p}", kind=kind, element=element, terminal=t, nodes=(p,))
        for kind, element, t, _, _ in rows
        for p in (1, 2, 3)
    ]
    return measurements, np.repeat([r[3] for r in rows], 3), np.repeat([r[4] for r in rows], 3)


def our_estimate(case: Case, readings: Readings) -> Complex:
    """Return our node voltages to ground [V], shape (buses, 3), phase a of the source's bus at angle zero."""
    network = our_network(case)
    measurements, z, sigma = our_measurements(case, readings)
    found = Estimator(network, measurements).estimate(z, sigma)
    assert found.converged, found.reason
    assert found.observable.all()
    at = node_table(network).index
    v = found.v[[[at[f"b{k}.{p}"] for p in (1, 2, 3)] for k in range(len(case.load_va))]]
    return np.asarray(v * np.exp(-1j * np.angle(v[0, 0])), np.complex128)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_voltage_is_that_of_power_grid_models_newton_raphson(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = a_case(rng)
    readings = read(case, rng)
    theirs = peer_estimate(case, readings) / U_V
    ours = our_estimate(case, readings) / (U_V / np.sqrt(3.0))
    turned = ours * np.exp(2j * np.pi / 3.0 * np.arange(3))
    assert np.abs(turned - theirs[:, None]).max() < AGREEMENT_PU


def test_the_noise_moves_the_voltages_by_far_more_than_the_agreement() -> None:
    """Otherwise the comparison would say nothing about the weights."""
    rng = np.random.default_rng(1)
    case = a_case(rng)
    one, other = (peer_estimate(case, read(case, rng)) / U_V for _ in range(2))
    assert np.abs(one - other).max() > 100 * AGREEMENT_PU
