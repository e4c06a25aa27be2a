"""Under- and overfrequency (ANSI 81U, 81O), IEC 60255-181.

The frequency is the relay's own measurement. It moves steadily, so the instant at which it passed the
pickup is interpolated between two steps. No element works on a voltage that is too low to measure it:
below ``v_block_pu`` of positive sequence, and where the frequency is not valid, it drops out.
"""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.protection.element import ELEMENT, definite_time

UNDER, OVER = 0.0, 1.0
DIRECTIONS = {"under": UNDER, "over": OVER}
F_ABSURD_HZ = 1e3


@component(
    "frequency_81",
    attrs=(
        *ELEMENT,
        Attr("seen_hz", "Hz", "frequency of the last step; 0 none, or blocked"),
        Attr("is_blocked", "", "1 while voltage or frequency cannot be used"),
        Attr("timer_s", "s", "time since the pickup"),
    ),
    settings=True,
)
class Frequency81:
    """Frequency element."""

    is_enabled: float = param(default=1.0, unit="", doc="1: in service", ge=0, le=1)
    direction: float = param(default="under", unit="", doc="side it watches", choices=DIRECTIONS)
    f_hz: float = param(default=59.3, unit="Hz", doc="pickup", ge=40, le=70)
    hysteresis_hz: float = param(default=0.02, unit="Hz", doc="dropout beyond the pickup by", ge=0, le=1)
    delay_s: float = param(default=0.2, unit="s", doc="pickup to operation", ge=0, le=3600)
    v_block_pu: float = param(
        default=0.5, unit="pu", doc="blocked below this positive-sequence voltage", ge=0, le=1
    )


@kernel
def can_measure(v_seq, v_base_v, f_hz, is_f_valid, v_block_pu, r):  # type: ignore[no-untyped-def]
    """Whether relay ``r`` has a frequency to work on."""
    z, least_v = v_seq[r, 1], v_block_pu * v_base_v[r]
    square = z.real * z.real + z.imag * z.imag
    return is_f_valid[r] != 0.0 and 0.0 < f_hz[r] < F_ABSURD_HZ and square >= least_v * least_v


@kernel
def _passed_ago_s(before_hz, now_hz, level_hz, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Return how long before the end of the step the frequency was at a level."""
    if before_hz <= 0.0 or (before_hz - level_hz) * (now_hz - level_hz) > 0.0 or before_hz == now_hz:
        return change_ago_s  # measured anew, or the setting moved
    return dt_s * (now_hz - level_hz) / (now_hz - before_hz)


@kernel
def step(p, s, of, v_seq, v_base_v, f_hz, is_f_valid, is_permitted, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Advance every element.

    Parameters
    ----------
    of : int32[n]
        Relay of each element.
    v_seq : complex128[n_relays, 3]
        Zero, positive, negative sequence of the voltage [V]; positive is the one voltage of a relay
        that has one phase.
    v_base_v : float64[n_relays]
        Line-to-neutral base [V].
    f_hz, is_f_valid : float64[n_relays]
        Frequency [Hz] and whether there is one.
    is_permitted : float64[n]
        0 blocks an element: it drops out.
    change_ago_s : float
        How long before the end of the step the network last changed; ``dt_s`` when it did not.
    """
    for e in range(s.shape[0]):
        q, t = p[e], s[e]
        r = of[e]
        is_served = q["is_enabled"] != 0.0 and is_permitted[e] != 0.0
        is_usable = can_measure(v_seq, v_base_v, f_hz, is_f_valid, q["v_block_pu"], r)
        t["is_blocked"] = 0.0 if is_usable else 1.0
        before_hz, now_hz = t["seen_hz"], f_hz[r] if is_usable and is_served else 0.0
        t["seen_hz"] = now_hz
        sign = 1.0 if q["direction"] == OVER else -1.0
        level_hz = q["f_hz"]
        if t["is_pickup"] != 0.0:
            level_hz -= sign * q["hysteresis_hz"]
        is_beyond = now_hz > 0.0 and sign * (now_hz - level_hz) > 0.0
        if not is_beyond and t["is_pickup"] == 0.0:
            continue
        ago_s = change_ago_s
        if now_hz > 0.0 and is_beyond != (t["is_pickup"] != 0.0):
            ago_s = _passed_ago_s(before_hz, now_hz, level_hz, change_ago_s, dt_s)
        definite_time(s, e, is_beyond, q["delay_s"], ago_s, dt_s)
