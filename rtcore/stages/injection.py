"""Stage 6: ideal sources in place of what one relay and the instruments of its bay would see."""

from __future__ import annotations

from rtcore.jit import kernel
from rtcore.phasor import size
from rtcore.plant.measuring_points import I1, P1, P_ALL, Q1, Q_ALL
from rtcore.protection import injection

_step = injection.step


@kernel
def inject(n, own, breaker, terminal, bus, f0_hz, step, dt_s):  # type: ignore[no-untyped-def]
    """Advance the sources (``n``: Injections) and show them; ``terminal``, ``bus``: columns of points."""
    _step(n.s, own, breaker, n.play, n.first, n.ideal, f0_hz, step, dt_s)
    r = n.ideal.at[0]
    if r < 0:
        return
    i, v, t, b = n.ideal.i, n.ideal.v, n.terminal_of[r], n.bus_of[r]
    if b >= 0:
        for k in range(3):
            bus[b, k] = size(v[k])
    if t >= 0:
        terminal[t, P_ALL] = terminal[t, Q_ALL] = 0.0
        for k in range(3):
            power = v[k] * i[k].conjugate()
            terminal[t, I1 + k] = size(i[k])
            terminal[t, P1 + k], terminal[t, Q1 + k] = power.real, power.imag
            terminal[t, P_ALL] += power.real
            terminal[t, Q_ALL] += power.imag
