"""power-grid-model's asymmetric estimator on a balanced equivalent, with our measurements.

Its ``iterative_linear`` method, one thread. Only the estimation itself is timed; handing over a new scan is
not. Sensors are ours phase by phase: P and Q of one place are one sensor there.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from estimation.measurements import Kind, Measurement
from rtcore.errors import HostError
from rtcore.network.model import Network

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

NODE, LINE, LOAD, SOURCE, SENSOR = 0, 100_000, 200_000, 300_000, 400_000
"""First number of each kind of component."""
TOLERANCE_PU = 1e-5
"""Of its iteration; its default of 1e-8, and even 1e-6, is not reached with these measurements."""


def library() -> Any:
    """Import power-grid-model, whatever it warns of.

    Raises
    ------
    HostError
        When it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import power_grid_model
    except ImportError as error:
        raise HostError(f"power-grid-model is needed (extra 'dev'): {error}") from None
    return power_grid_model


class PowerGridModel:
    """The peer with one set of measurements."""

    def __init__(self, network: Network, measurements: list[Measurement], sigma: Floats) -> None:
        self.pgm = library()
        self.bus = {b.name: k for k, b in enumerate(network.buses)}
        self.places = _places(measurements)
        self.voltages = [p for p, (kind, _, _) in enumerate(self.places) if kind == "v"]
        self.powers = [p for p, (kind, _, _) in enumerate(self.places) if kind != "v"]
        self.columns = _columns(self.places, measurements)
        tables = self._network(network) | self._sensors(network, sigma)
        self.model = self.pgm.PowerGridModel(tables, system_frequency=network.base_frequency_hz)

    def _table(self, kind: str, component: str, **columns: Any) -> Any:
        rows = self.pgm.initialize_array(kind, component, len(next(iter(columns.values()))))
        for name, values in columns.items():
            rows[name] = values
        return rows

    def _network(self, network: Network) -> dict[str, Any]:
        n, m = len(network.buses), len(network.lines)
        codes = {c.name: c for c in network.linecodes}
        of = [codes[e.linecode] for e in network.lines]
        z = np.array([np.array(c.r) + 1j * np.array(c.x) for c in of])
        c_f = 1e-9 * np.array([c.c_nf for c in of])
        z1, z0 = z[:, 0, 0] - z[:, 0, 1], z[:, 0, 0] + 2.0 * z[:, 0, 1]
        (source,) = network.sources
        return {
            "node": self._table(
                "input",
                "node",
                id=NODE + np.arange(n),
                u_rated=[1e3 * np.sqrt(3.0) * b.base_kv_ln for b in network.buses],
            ),
            "line": self._table(
                "input",
                "line",
                id=LINE + np.arange(m),
                from_node=[self.bus[e.bus1] for e in network.lines],
                to_node=[self.bus[e.bus2] for e in network.lines],
                from_status=np.ones(m),
                to_status=np.ones(m),
                r1=z1.real,
                x1=z1.imag,
                r0=z0.real,
                x0=z0.imag,
                c1=c_f[:, 0, 0] - c_f[:, 0, 1],
                c0=c_f[:, 0, 0] + 2.0 * c_f[:, 0, 1],
                tan1=np.zeros(m),
                tan0=np.zeros(m),
                i_n=np.full(m, 1e6),
            ),
            "source": self._table(
                "input", "source", id=[SOURCE], node=[self.bus[source.bus]], status=[1], u_ref=[source.v_pu]
            ),
            "sym_load": self._table(
                "input",
                "sym_load",
                id=[LOAD + self.bus[d.bus] for d in network.loads],
                node=[self.bus[d.bus] for d in network.loads],
                status=np.ones(len(network.loads)),
                type=np.zeros(len(network.loads)),
                p_specified=np.zeros(len(network.loads)),
                q_specified=np.zeros(len(network.loads)),
            ),
        }

    def _sensors(self, network: Network, sigma: Floats) -> dict[str, Any]:
        line = {f"line.{e.name}": k for k, e in enumerate(network.lines)}
        kinds = self.pgm.MeasuredTerminalType
        places = [self.places[p] for p in self.powers]
        at = [self.columns[p] for p in self.powers]
        return {
            "asym_voltage_sensor": self._table(
                "input",
                "asym_voltage_sensor",
                id=[SENSOR + p for p in self.voltages],
                measured_object=[NODE + self.bus[self.places[p][1]] for p in self.voltages],
                u_sigma=[sigma[self.columns[p][0, 0]] for p in self.voltages],
            ),
            "asym_power_sensor": self._table(
                "input",
                "asym_power_sensor",
                id=[SENSOR + p for p in self.powers],
                measured_object=[
                    LOAD + self.bus[e] if kind == "s" else LINE + line[e] for kind, e, _ in places
                ],
                measured_terminal_type=[
                    kinds.load if kind == "s" else kinds.branch_from if terminal == 1 else kinds.branch_to
                    for kind, _, terminal in places
                ],
                p_sigma=np.array([sigma[c[0]] for c in at]),
                q_sigma=np.array([sigma[c[1]] for c in at]),
            ),
        }

    def take(self, z: Floats) -> None:
        """Hand over the values of one scan [SI], our signs."""
        sign = np.array([-1.0 if self.places[p][0] == "s" else 1.0 for p in self.powers])[:, None]
        at = np.array([self.columns[p] for p in self.powers])
        self.model.update(
            update_data={
                "asym_voltage_sensor": self._table(
                    "update",
                    "asym_voltage_sensor",
                    id=[SENSOR + p for p in self.voltages],
                    u_measured=z[np.array([self.columns[p][0] for p in self.voltages])],
                ),
                "asym_power_sensor": self._table(
                    "update",
                    "asym_power_sensor",
                    id=[SENSOR + p for p in self.powers],
                    p_measured=sign * z[at[:, 0]],
                    q_measured=sign * z[at[:, 1]],
                ),
            }
        )

    def estimate(self, z: Floats) -> tuple[float, Complex]:
        """Return the wall time of one estimation [s] and node voltages [V], shape (buses, 3)."""
        self.take(z)
        begin = time.perf_counter()
        found = self.model.calculate_state_estimation(
            symmetric=False,
            calculation_method=self.pgm.CalculationMethod.iterative_linear,
            error_tolerance=TOLERANCE_PU,
            max_iterations=100,
        )
        taken_s = time.perf_counter() - begin
        return taken_s, found["node"]["u"] * np.exp(1j * found["node"]["u_angle"])


Place = tuple[str, str, int]
"""Kind (v: voltage, s: injection, f: flow), element, terminal."""


def _places(measurements: list[Measurement]) -> list[Place]:
    return list(dict.fromkeys(_place(m) for m in measurements))


def _place(m: Measurement) -> Place:
    kind = "v" if m.kind is Kind.V_MAG else "s" if m.kind in (Kind.P_INJ, Kind.Q_INJ) else "f"
    return kind, m.element, m.terminal


def _columns(places: list[Place], measurements: list[Measurement]) -> list[npt.NDArray[np.int64]]:
    """Return where each place's three phases lie among the measurements, shape (1, 3) or (P and Q, 3)."""
    number = {place: k for k, place in enumerate(places)}
    found = [np.zeros((1 if kind == "v" else 2, 3), np.int64) for kind, _, _ in places]
    for column, m in enumerate(measurements):
        row = int(m.kind in (Kind.Q_INJ, Kind.Q_FLOW))
        found[number[_place(m)]][row, m.nodes[0] - 1] = column
    return found
