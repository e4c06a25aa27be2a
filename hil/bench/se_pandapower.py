"""pandapower's weighted least squares on a balanced equivalent: positive sequence of our measurements.

Voltages are the mean of the three phases, powers the sum. What is injected where nothing is connected is a
measurement of zero with a standard deviation of 100 W: with less it does not converge.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from estimation.measurements import Kind, Measurement
from rtcore.errors import HostError
from rtcore.network.model import Network

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

ENVIRONMENT = Path(sys.prefix) / "pandapower" / "bin" / "python"
"""Made by ``make bench``."""
HOST = Path(__file__).with_name("pandapower_host.py")
ZERO_SIGMA_MW = 1e-4
W_PER_MW = 1e6
KIND = {
    Kind.V_MAG: "v",
    Kind.P_INJ: "p",
    Kind.Q_INJ: "q",
    Kind.P_FLOW: "p",
    Kind.Q_FLOW: "q",
}


class Pandapower:
    """The peer in its process; leaving the context ends it.

    Raises
    ------
    HostError
        When its environment is missing or it does not start.
    """

    def __init__(self, network: Network, measurements: list[Measurement], sigma: Floats) -> None:
        if not ENVIRONMENT.exists():
            raise HostError(
                f"pandapower has no environment ({ENVIRONMENT.parent.parent}); 'make bench' makes it"
            )
        self.base_v = 1e3 * network.buses[0].base_kv_ln
        self.groups = _groups(measurements)
        self.sign = np.array([-1.0 if k in (Kind.P_INJ, Kind.Q_INJ) else 1.0 for k, _ in self.groups])
        self.n_zero = 0
        self.process = subprocess.Popen(
            [str(ENVIRONMENT), "-W", "ignore", str(HOST)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._ask(self._case(network, sigma))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def _ask(self, question: Any) -> Any:
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (OSError, json.JSONDecodeError):
            raise HostError(f"pandapower's process ended with exit code {self.process.wait()}") from None

    def _case(self, network: Network, sigma: Floats) -> dict[str, Any]:
        bus = {b.name: k for k, b in enumerate(network.buses)}
        line = {f"line.{e.name}": k for k, e in enumerate(network.lines)}
        codes = {c.name: c for c in network.linecodes}
        lines = []
        for e in network.lines:
            code = codes[e.linecode]
            r, x, c = (m[0][0] - m[0][1] for m in (code.r, code.x, code.c_nf))
            lines.append([bus[e.bus1], bus[e.bus2], r, x, c])
        rows: list[list[Any]] = []
        for (kind, element), columns in self.groups.items():
            number = bus.get(element, line.get(element, -1))
            spread = self._scaled(np.sqrt(np.sum(sigma[columns] ** 2)), kind)
            rows.append([KIND[kind], "line" if element in line else "bus", number, spread])
        loaded = sorted({bus[d.bus] for d in network.loads})
        silent = sorted(set(range(len(bus))) - set(loaded) - {bus[s.bus] for s in network.sources})
        rows += [[kind, "bus", k, ZERO_SIGMA_MW] for k in silent for kind in ("p", "q")]
        self.n_zero = 2 * len(silent)
        return {
            "frequency_hz": network.base_frequency_hz,
            "buses": len(bus),
            "kv": self.base_v * np.sqrt(3.0) / 1e3,
            "source": bus[network.sources[0].bus],
            "lines": lines,
            "loads": loaded,
            "measurements": rows,
        }

    def _scaled(self, of_three: float, kind: Kind) -> float:
        """Return a sum over three phases in the peer's unit: mean [pu] of voltages, MW or Mvar of powers."""
        return float(of_three / 3.0 / self.base_v if kind is Kind.V_MAG else of_three / W_PER_MW)

    def estimate(self, z: Floats, *, is_cold: bool = False) -> tuple[float, Complex]:
        """Return the wall time of one estimation [s] and bus voltages [V], shape (buses,); none if it failed.

        It begins where the last one ended, or from flat voltages.
        """
        values = [
            sign * self._scaled(float(np.sum(z[columns])), kind)
            for ((kind, _), columns), sign in zip(self.groups.items(), self.sign, strict=True)
        ]
        answer = self._ask({"z": values + [0.0] * self.n_zero, "is_cold": is_cold})
        v_pu = np.array(answer["v_pu"]) * np.exp(1j * np.radians(answer["v_deg"]))
        return float(answer["s"]), self.base_v * v_pu


def _groups(measurements: list[Measurement]) -> dict[tuple[Kind, str], list[int]]:
    """Return which measurements are the phases of one quantity."""
    found: dict[tuple[Kind, str], list[int]] = {}
    for k, m in enumerate(measurements):
        found.setdefault((m.kind, m.element), []).append(k)
    return found
