"""A photovoltaic site on a stiff bus: voltage, frequency and sun are given, powers come out."""

from __future__ import annotations

import numpy as np

from rtcore.component import REGISTRY, rows_of
from rtcore.jit import kernel
from rtcore.plant.inverter_current import terminal_voltages
from rtcore.plant.pv_inverter import Pv, init, inject, step

SPEC = REGISTRY["pv"]
RATED_VA, BASE_V = 100e3, 277.0
PLAIN = {"dc_ac_ratio": 1.0, "derate_pu": 1.0, "gamma_per_k": 0.0, "efficiency": 1.0, "cell_tau_s": 0.0}
"""An array that gives its rating at 1000 W/m2 and nothing less at any temperature."""


@kernel
def run(p, s, poa, clearness, ambient, v, at, back, v_pu, f_hz, live, inj, dt_s, n):  # type: ignore[no-untyped-def]
    """Advance the site by ``n`` steps."""
    for _ in range(n):
        terminal_voltages(p, v, at, back, v_pu)
        step(p, s, poa, clearness, ambient, v_pu, f_hz, live, dt_s)
        inject(p, s, v, at, back, inj)


class Rig:
    """One three-phase site; powers in pu of its rating."""

    def __init__(self, *, dt_s: float = 0.1, available: float = 0.8, **params: object) -> None:
        given = {"s_rated_va": RATED_VA, "v_base_v": BASE_V, **PLAIN, **params}
        self.p = rows_of([Pv(**given)], SPEC)  # type: ignore[arg-type]
        self.s = np.zeros(1, SPEC.state_dtype)
        init(self.p, self.s, 25.0)
        self.at = np.array([[0, 1, 2]], np.int32)
        self.back = np.array([[3, 3, 3]], np.int32)
        self.v = np.zeros(4, np.complex128)
        self.v_pu, self.inj = np.zeros((1, 3)), np.zeros((1, 3), np.complex128)
        self.f_hz, self.live = np.full(1, 60.0), np.ones(1)
        self.clearness, self.ambient_degc = np.ones(1), 25.0
        self.dt_s, self.available, self.t_s = dt_s, available, 0.0
        self.set_v(1.0)

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def set_v(self, *v_pu: float) -> None:
        """Give one magnitude for all phases, or one per phase."""
        each = np.broadcast_to(np.array(v_pu, float), 3)
        self.v[:3] = BASE_V * each * np.exp(-2j * np.pi / 3 * np.arange(3))

    def put(self, **values: float) -> None:
        for name, value in values.items():
            self.s[name] = value

    def steps(self, n: int = 1) -> None:
        run(
            self.p,
            self.s,
            1000.0 * self.available,
            self.clearness,
            self.ambient_degc,
            self.v,
            self.at,
            self.back,
            self.v_pu,
            self.f_hz,
            self.live,
            self.inj,
            self.dt_s,
            n,
        )
        self.t_s += n * self.dt_s

    def run_for(self, time_s: float) -> None:
        self.steps(round(time_s / self.dt_s))

    def seconds_until_trip(self, within_s: float) -> float:
        """Return the time until the site trips, infinity when it does not."""
        for n in range(1, round(within_s / self.dt_s) + 1):
            self.steps()
            if self.is_tripped:
                return n * self.dt_s
        return float("inf")

    @property
    def p_pu(self) -> float:
        return float(self.s["p_w"][0]) / RATED_VA

    @property
    def q_pu_out(self) -> float:
        return float(self.s["q_var"][0]) / RATED_VA
