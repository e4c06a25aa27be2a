"""Local frequency and rate of change of frequency at a bus, as a relay measures them.

The angle is that of the positive-sequence voltage (of the first phase where not all three are
there). Frequency is the frequency of the island's first EMF plus the rate of the angle against
it, low-passed; RoCoF is the slope of that, low-passed again. A step of the angle beyond
``jump_max_deg`` is a vector shift (a fault, a switching), no frequency, and is left out, as
relays do. At a dead bus, or where voltage or frequency is no number, both read 0.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.phasor import TWO_PI, positive_sequence, wrap

F_ABSURD_HZ = 1e4


@component(
    "frequency",
    attrs=(
        Attr("f_hz", "Hz", "frequency"),
        Attr("rocof_hz_s", "Hz/s", "rate of change of frequency"),
        Attr("is_valid", "", "1 when there is a voltage to measure"),
        Attr("angle_rad", "rad", "last angle against the island's first EMF"),
        Attr("seen", "", "number of that EMF plus 1; 0 none"),
    ),
)
class Frequency:
    """Frequency element at one bus."""

    tau_s: float = param(default=0.03, unit="s", doc="low-pass of the frequency", ge=0, le=1)
    rocof_tau_s: float = param(default=0.1, unit="s", doc="low-pass of the slope", ge=0, le=5)
    jump_max_deg: float = param(
        default=3.0, unit="deg", doc="largest step of the angle followed", gt=0, le=60
    )


@kernel
def measure(p, s, at, v, owner, theta_rad, emf_f_hz, dt_s):  # type: ignore[no-untyped-def]
    """Measure every bus.

    Parameters
    ----------
    at : int32[n, 3]
        Node of each phase, -1 where there is none.
    owner : int32[n_nodes]
        First EMF of each node's island.
    theta_rad, emf_f_hz : float64[n_emfs]
        Angle and frequency of every EMF.
    """
    for i in range(s.shape[0]):
        node = max(at[i, 0], at[i, 1], at[i, 2])
        k = owner[node] if node >= 0 else -1
        v1 = positive_sequence(v, at[i])
        if k < 0 or not 0.0 < abs(v1) < math.inf or not abs(emf_f_hz[k]) < F_ABSURD_HZ:
            s["f_hz"][i] = s["rocof_hz_s"][i] = s["is_valid"][i] = s["seen"][i] = 0.0
            continue
        angle = wrap(math.atan2(v1.imag, v1.real) - theta_rad[k])
        if s["seen"][i] != k + 1.0:  # another island than before, or none: start afresh
            if s["is_valid"][i] == 0.0:
                s["f_hz"][i], s["rocof_hz_s"][i] = emf_f_hz[k], 0.0
            s["seen"][i], s["is_valid"][i] = k + 1.0, 1.0
        else:
            moved = wrap(angle - s["angle_rad"][i])
            if abs(moved) > math.radians(p["jump_max_deg"][i]):
                moved = 0.0
            before = s["f_hz"][i]
            now = emf_f_hz[k] + moved / (TWO_PI * dt_s)
            s["f_hz"][i] += (now - before) * _share(dt_s, p["tau_s"][i])
            slope = (s["f_hz"][i] - before) / dt_s
            s["rocof_hz_s"][i] += (slope - s["rocof_hz_s"][i]) * _share(dt_s, p["rocof_tau_s"][i])
        s["angle_rad"][i] = angle


@kernel
def _share(dt_s, tau_s):  # type: ignore[no-untyped-def]
    return 1.0 if tau_s <= 0.0 else 1.0 - math.exp(-dt_s / tau_s)
