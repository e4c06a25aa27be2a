"""Upstream grid: an ideal EMF behind the Thevenin impedance of the network's source."""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel


@component(
    "source",
    attrs=(
        Attr("f_hz", "Hz", "frequency"),
        Attr("v_pu", "pu", "EMF magnitude in force"),
        Attr("v_pu_sp", "pu", "EMF magnitude setpoint", writable="setpoint"),
    ),
)
class Source:
    """Upstream source; its EMF follows the setpoint at once."""

    f_hz: float = param(default=60.0, unit="Hz", doc="nominal frequency", gt=0)
    v_pu: float = param(default=1.0, unit="pu", doc="initial EMF", ge=0)


@kernel
def step(p, s, scale):  # type: ignore[no-untyped-def]
    """Put the setpoints in force; ``scale``: complex[n] EMF scale of the network solution."""
    for i in range(s.shape[0]):
        s["v_pu"][i] = s["v_pu_sp"][i]
        s["f_hz"][i] = p["f_hz"][i]
        scale[i] = s["v_pu"][i]
