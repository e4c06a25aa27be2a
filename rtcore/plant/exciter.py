"""Simplified excitation system SEXS with a one-axis machine.

    Efd = K (1 + s TA) / (1 + s TB) / (1 + s TE) (Vref - V),  within EMIN..EMAX

(PSS/E model library; P. Kundur 1994, section 8.6.) TA is given as its ratio to TB. Without an
exciter the EMF behind the transient reactance stays at the voltage setpoint. Lags are advanced
exactly for the input held over the step; limits act on the state.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.plant.ieee1547 import within

NONE, SEXS = 0.0, 1.0


@component(
    "exciter",
    attrs=(
        Attr("lead_lag_pu", "pu", "state of the lead-lag stage"),
        Attr("bias_pu", "pu", "error that carries the field voltage of the operating point"),
    ),
)
class Exciter:
    """Excitation of one machine."""

    model: float = param(
        default=NONE, unit="", doc="type of exciter; none holds the EMF", choices={"none": NONE, "sexs": SEXS}
    )
    k: float = param(default=100.0, unit="", doc="gain", gt=0, le=1000)
    ta_tb: float = param(default=0.1, unit="", doc="ratio of lead to lag time constant", ge=0, le=10)
    tb_s: float = param(default=10.0, unit="s", doc="lag time constant", gt=0, le=100)
    te_s: float = param(default=0.05, unit="s", doc="exciter time constant", gt=0, le=10)
    e_max_pu: float = param(default=5.0, unit="pu", doc="upper field voltage", gt=0, le=10)
    e_min_pu: float = param(default=0.0, unit="pu", doc="lower field voltage", ge=-10, le=0)


@kernel
def start(p, s, i, efd_pu, v_error_pu):  # type: ignore[no-untyped-def]
    """Put exciter ``i`` to rest at a field voltage; ``v_error_pu``: setpoint less voltage now."""
    s["bias_pu"][i] = efd_pu / p["k"][i] - v_error_pu
    s["lead_lag_pu"][i] = efd_pu / p["k"][i]


@kernel
def _error(s, i, v_error_pu):  # type: ignore[no-untyped-def]
    return within(v_error_pu, -2.0, 2.0, 0.0) + s["bias_pu"][i]


@kernel
def steady_voltage(p, s, i, v_error_pu):  # type: ignore[no-untyped-def]
    """Put exciter ``i`` where it comes to rest at an error; returns its field voltage [pu]."""
    s["lead_lag_pu"][i] = _error(s, i, v_error_pu)
    return min(max(p["k"][i] * s["lead_lag_pu"][i], p["e_min_pu"][i]), p["e_max_pu"][i])


@kernel
def field_voltage(p, s, i, efd_pu, v_error_pu, dt_s):  # type: ignore[no-untyped-def]
    """Advance exciter ``i``; returns the field voltage [pu] from its present value ``efd_pu``."""
    error = _error(s, i, v_error_pu)
    ratio = p["ta_tb"][i]
    s["lead_lag_pu"][i] += (error - s["lead_lag_pu"][i]) * (1.0 - math.exp(-dt_s / p["tb_s"][i]))
    signal = s["lead_lag_pu"][i] + ratio * (error - s["lead_lag_pu"][i])
    target = p["k"][i] * signal
    efd = efd_pu + (target - efd_pu) * (1.0 - math.exp(-dt_s / p["te_s"][i]))
    return min(max(efd, p["e_min_pu"][i]), p["e_max_pu"][i])
