"""Voltage relay of a tap changer (ANSI 90): decides when a regulator moves, one tap at a time.

Relay voltage: line-drop compensation V/PT + (R + jX) I/CT with I *into* the measured winding,
that is V/PT - (R + jX) I_load/CT (IEEE C57.15; Beckwith, *Basic considerations for the
application of LTC transformers and associated controls*). Outside set value +- band/2 a timer
runs: ``delay_s`` before the first tap, or inverse, T = delay_s (band/2) / |error|;
``tap_delay_s`` between the taps that follow. Back inside the band everything starts anew.

- Blocked, timer at zero: measurement not a number, undervoltage, overcurrent, reverse power
  (policy ``LOCK``), operations of the day used up. Only the move asked for is refused at an end
  stop and when a raise would pass the first-customer limit ``vlimit_v`` or ``runback_v``.
- Local voltage above ``vlimit_v`` asks for lowering whatever the compensated voltage is; above
  ``runback_v`` lowering is immediate, tap by tap as the mechanism allows, also when the
  operations of the day are used up.
- Power flowing backwards: ``IGNORE`` goes on as before; ``LOCK`` stands still; ``NEUTRAL`` walks
  to tap 0; ``COGENERATION`` goes on regulating the same side with the compensation off (a
  generator behind the regulator does not make its source side weak, so sides are never swapped).

In automatic the relay owns the mechanism's ``tap_sp``: the mechanism's ``is_manual``, which guards
that setpoint, is 0 and a command to it is refused. In manual the relay measures but does not act.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.network.model import Regulator as Settings

Floats = npt.NDArray[np.float64]

NOT_BLOCKED, BAD_INPUT, UNDERVOLTAGE, OVERCURRENT = 0.0, 1.0, 2.0, 3.0
REVERSE_POWER, DAILY_LIMIT, END_STOP, HIGH_LIMIT = 4.0, 5.0, 6.0, 7.0
IGNORE, LOCK, NEUTRAL, COGENERATION = 0.0, 1.0, 2.0, 3.0
REVERSE_POLICIES = {"ignore": IGNORE, "lock": LOCK, "neutral": NEUTRAL, "cogeneration": COGENERATION}
DEFINITE, INVERSE = 0.0, 1.0
DELAY_KINDS = {"definite": DEFINITE, "inverse": INVERSE}

DAY_S = 86400.0
EPS_S = 1e-9
"""Far below any step, above the rounding of a summed timer [s]."""


@component(
    "tap_changer",
    attrs=(
        Attr("is_auto_sp", "", "1 automatic, 0 manual", writable="setpoint", guard="is_remote_sp"),
        Attr("is_remote_sp", "", "local/remote switch: 1 remote", writable="setpoint"),
        Attr("vreg_v_sp", "V", "set value, relay side", writable="setpoint", guard="is_remote_sp"),
        Attr("band_v_sp", "V", "bandwidth, relay side", writable="setpoint", guard="is_remote_sp"),
        Attr("v_relay_v", "V", "compensated voltage at the relay"),
        Attr("error_v", "V", "relay voltage less set value"),
        Attr("i_a", "A", "primary current of the regulator"),
        Attr("direction", "", "what the relay asks for: 1 raise, -1 lower, 0 rest"),
        Attr("timer_s", "s", "time since the relay asks, or since its last tap"),
        Attr("is_sequence", "", "1 after the first tap until the voltage is back in the band"),
        Attr("is_moving", "", "1 while a tap change is in progress"),
        Attr("is_blocked", "", "1 when automatic operation is blocked"),
        Attr(
            "block_reason",
            "",
            "0 none, 1 bad measurement, 2 undervoltage, 3 overcurrent, 4 reverse power, "
            "5 operations of the day, 6 end stop, 7 high-voltage limit",
        ),
        Attr("is_runback", "", "1 while the local voltage is above the runback level"),
        Attr("is_reverse", "", "1 while power flows backwards"),
        Attr("at_end_stop", "", "1 highest tap, -1 lowest tap, 0 between"),
        Attr("ops", "", "tap changes in all"),
        Attr("ops_today", "", "tap changes since midnight"),
        Attr("seen_tap", "tap", "tap position at the last count"),
        Attr("day_s", "s", "time of the day"),
    ),
)
class TapChanger:
    """Voltage relay of one regulator; voltages of the settings are on the relay's side."""

    is_auto: float = param(default=0.0, unit="", doc="1: automatic from the start", ge=0, le=1)
    vreg_v: float = param(default=120.0, unit="V", doc="set value", gt=0)
    band_v: float = param(default=3.0, unit="V", doc="bandwidth, whole", gt=0)
    pt_ratio: float = param(default=60.0, unit="", doc="ratio of the voltage transformer", gt=0)
    ct_primary_a: float = param(
        default=300.0, unit="A", doc="primary rating of the current transformer", gt=0
    )
    r_v: float = param(default=0.0, unit="V", doc="line-drop compensation at rated current, resistive")
    x_v: float = param(default=0.0, unit="V", doc="line-drop compensation at rated current, reactive")
    vlimit_v: float = param(default=0.0, unit="V", doc="first-customer limit, local voltage; 0 off", ge=0)
    runback_v: float = param(default=0.0, unit="V", doc="immediate lowering above this; 0 off", ge=0)
    delay_s: float = param(
        default=15.0, unit="s", doc="delay of the first tap (at the edge of the band)", ge=0
    )
    tap_delay_s: float = param(default=2.0, unit="s", doc="delay between following taps", ge=0)
    delay_kind: float = param(default=DEFINITE, unit="", doc="first delay", choices=DELAY_KINDS)
    delay_min_s: float = param(default=1.0, unit="s", doc="shortest inverse delay", ge=0)
    v_block_pu: float = param(
        default=0.8, unit="pu", doc="blocked below this share of the set value; 0 off", ge=0, lt=1
    )
    i_block_pu: float = param(
        default=0.0, unit="pu", doc="blocked above this multiple of the CT primary; 0 off", ge=0
    )
    reverse_policy: float = param(
        default=IGNORE, unit="", doc="what to do while power flows backwards", choices=REVERSE_POLICIES
    )
    reverse_pu: float = param(
        default=0.02, unit="pu", doc="reverse above this share of set voltage times CT primary", ge=0, lt=1
    )
    ops_day_max: float = param(default=0.0, unit="", doc="tap changes allowed in a day; 0 unlimited", ge=0)
    is_distant: float = param(
        default=0.0, unit="", doc="1: regulates the voltage of another bus, without compensation", ge=0, le=1
    )
    tap_effect: float = param(
        default=1.0,
        unit="",
        doc="what a higher tap does to the voltage",
        choices={"raises": 1.0, "lowers": -1.0},
    )


def relay_of(regulator: Settings, **more: float) -> TapChanger:
    """Return the relay with a network's settings of a regulator, ``more`` on top."""
    r = regulator
    taken: dict[str, float] = {
        "vreg_v": r.vreg_v,
        "band_v": r.band_v,
        "pt_ratio": r.pt_ratio,
        "ct_primary_a": r.ct_primary_a,
        "r_v": r.r_v,
        "x_v": r.x_v,
        "vlimit_v": r.vlimit_v,
        "delay_s": r.delay_s,
        "tap_delay_s": r.tap_delay_s,
        "is_distant": float(bool(r.controlled_bus and r.controlled_node)),
        "tap_effect": 1.0 if r.tapped_winding == r.measured_winding else -1.0,
    }
    return TapChanger(**(taken | more))


def init(p: Any, s: Any, reg: Any, *, is_auto: float | Floats = 1.0, time_of_day_s: float = 0.0) -> None:
    """Put the relays to rest at the mechanisms' present taps; call before the first step."""
    s[:] = 0.0
    s["is_auto_sp"], s["is_remote_sp"] = is_auto, 1.0
    s["vreg_v_sp"], s["band_v_sp"] = p["vreg_v"], p["band_v"]
    s["seen_tap"] = reg["tap"]
    s["day_s"] = time_of_day_s % DAY_S
    reg["tap_sp"] = reg["tap"]
    reg["is_manual"] = np.where(np.asarray(s["is_auto_sp"]) != 0.0, 0.0, 1.0)


@kernel
def step(p, s, reg_p, reg, v_local, v_distant, i_local, s_forward_w, dt_s):  # type: ignore[no-untyped-def]
    """Advance every relay; returns how many taps were ordered.

    Everything measured must belong to the taps in force: after the network was solved.

    Parameters
    ----------
    reg_p, reg : structured, shape (n,)
        Parameter and state rows of the mechanisms; writes ``tap_sp`` and ``is_manual``.
    v_local : complex128[n]
        Voltage across the measured winding, chosen phase, primary [V].
    v_distant : complex128[n]
        Voltage of the regulated bus, in terms of the local voltage transformer [V]; used where
        ``is_distant``.
    i_local : complex128[n]
        Current into the measured winding, chosen phase, primary [A].
    s_forward_w : float64[n]
        Active power out of the measured winding, positive towards the load [W].
    """
    orders = 0
    for i in range(s.shape[0]):
        _count(s, reg, i, dt_s)
        _measure(p, s, i, v_local[i], v_distant[i], i_local[i], s_forward_w[i])
        _own_the_setpoint(s, reg_p, reg, i)
        asked = 0.0
        if s["is_auto_sp"][i] != 0.0:
            asked = _allowed(p, s, reg_p, reg, i, abs(v_local[i]) / p["pt_ratio"][i])
        else:
            s["block_reason"][i] = NOT_BLOCKED
        s["is_blocked"][i] = 1.0 if s["block_reason"][i] != NOT_BLOCKED else 0.0
        orders += _run_timer(p, s, reg, i, asked, dt_s)
    return orders


@kernel
def relay_voltage(p, i, v, current):  # type: ignore[no-untyped-def]
    """Return the compensated voltage of relay ``i`` [V], complex; current into the winding [A]."""
    seen = v / p["pt_ratio"][i]
    if p["r_v"][i] != 0.0 or p["x_v"][i] != 0.0:  # without compensation a bad current does no harm
        seen += complex(p["r_v"][i], p["x_v"][i]) * current / p["ct_primary_a"][i]
    return seen


@kernel
def _count(s, reg, i, dt_s):  # type: ignore[no-untyped-def]
    """Count tap changes, whoever ordered them, and start a new day."""
    s["day_s"][i] += dt_s
    if not s["day_s"][i] < DAY_S - EPS_S:
        s["day_s"][i] = max(s["day_s"][i] - DAY_S, 0.0)
        if not s["day_s"][i] < DAY_S:
            s["day_s"][i] = 0.0
        s["ops_today"][i] = 0.0
    moved = abs(reg["tap"][i] - s["seen_tap"][i])
    if moved > 0.0:
        s["ops"][i] += moved
        s["ops_today"][i] += moved
    s["seen_tap"][i] = reg["tap"][i]


@kernel
def _measure(p, s, i, v, v_distant, current, forward_w):  # type: ignore[no-untyped-def]
    threshold_w = p["reverse_pu"][i] * p["ct_primary_a"][i] * p["vreg_v"][i] * p["pt_ratio"][i]
    if forward_w < -threshold_w:
        s["is_reverse"][i] = 1.0
    elif not forward_w < 0.0:  # between the two the last direction holds; a NaN counts as forward
        s["is_reverse"][i] = 0.0
    is_uncompensated = p["reverse_policy"][i] == COGENERATION and s["is_reverse"][i] != 0.0
    if p["is_distant"][i] != 0.0:
        s["v_relay_v"][i] = abs(v_distant) / p["pt_ratio"][i]
    elif is_uncompensated:
        s["v_relay_v"][i] = abs(v) / p["pt_ratio"][i]
    else:
        s["v_relay_v"][i] = abs(relay_voltage(p, i, v, current))
    s["error_v"][i] = s["v_relay_v"][i] - s["vreg_v_sp"][i]
    s["i_a"][i] = abs(current)
    s["is_runback"][i] = 1.0 if 0.0 < p["runback_v"][i] < abs(v) / p["pt_ratio"][i] else 0.0


@kernel
def _own_the_setpoint(s, reg_p, reg, i):  # type: ignore[no-untyped-def]
    """Tell the mechanism who commands it; in automatic its target is never more than a tap away."""
    is_auto = s["is_auto_sp"][i] != 0.0
    reg["is_manual"][i] = 0.0 if is_auto or s["is_remote_sp"][i] == 0.0 else 1.0
    tap, top = reg["tap"][i], reg_p["tap_max"][i]
    target = tap
    if not math.isnan(reg["tap_sp"][i]):
        target = min(max(round(reg["tap_sp"][i]), -top), top)
    if is_auto:
        target = min(max(target, tap - 1.0), tap + 1.0)
        reg["tap_sp"][i] = target
    s["is_moving"][i] = 1.0 if target != tap else 0.0
    s["at_end_stop"][i] = 1.0 if tap >= top else (-1.0 if tap <= -top else 0.0)


@kernel
def _allowed(p, s, reg_p, reg, i, v_local):  # type: ignore[no-untyped-def]
    """Return the tap direction asked for after all blocks (-1, 0, 1); notes the reason."""
    s["block_reason"][i] = _blocked(p, s, i, v_local)
    is_runback = s["is_runback"][i] != 0.0
    if s["block_reason"][i] != NOT_BLOCKED and not (is_runback and s["block_reason"][i] == DAILY_LIMIT):
        return 0.0
    raising = _wanted(p, s, reg, i, v_local)  # of the voltage
    if raising > 0.0 and _passes_limit(p, reg_p, reg, i, v_local):
        s["block_reason"][i] = HIGH_LIMIT
        return 0.0
    asked = raising * p["tap_effect"][i]
    if abs(reg["tap"][i] + asked) > reg_p["tap_max"][i]:
        s["block_reason"][i] = END_STOP
        return 0.0
    return asked


@kernel
def _blocked(p, s, i, v_local):  # type: ignore[no-untyped-def]
    error, band = s["error_v"][i], s["band_v_sp"][i]
    if not (math.isfinite(error) and math.isfinite(v_local) and 0.0 < band < math.inf):
        return BAD_INPUT
    if v_local < p["v_block_pu"][i] * s["vreg_v_sp"][i]:
        return UNDERVOLTAGE
    if p["i_block_pu"][i] > 0.0 and not s["i_a"][i] <= p["i_block_pu"][i] * p["ct_primary_a"][i]:
        return OVERCURRENT
    if p["reverse_policy"][i] == LOCK and s["is_reverse"][i] != 0.0 and s["is_runback"][i] == 0.0:
        return REVERSE_POWER
    if 0.0 < p["ops_day_max"][i] <= s["ops_today"][i]:
        return DAILY_LIMIT
    return NOT_BLOCKED


@kernel
def _wanted(p, s, reg, i, v_local):  # type: ignore[no-untyped-def]
    """Return which way the voltage should go: 1 up, -1 down, 0 stay."""
    if s["is_runback"][i] != 0.0:
        return -1.0
    if p["reverse_policy"][i] == NEUTRAL and s["is_reverse"][i] != 0.0:
        tap = reg["tap"][i]
        return p["tap_effect"][i] * (-1.0 if tap > 0.0 else (1.0 if tap < 0.0 else 0.0))
    if 0.0 < p["vlimit_v"][i] < v_local:
        return -1.0
    if abs(s["error_v"][i]) <= 0.5 * s["band_v_sp"][i]:
        return 0.0
    return -1.0 if s["error_v"][i] > 0.0 else 1.0


@kernel
def _passes_limit(p, reg_p, reg, i, v_local):  # type: ignore[no-untyped-def]
    """Tell whether one raise would bring the local voltage above a limit, so that it would come back."""
    ratio = reg_p["mid_pu"][i] + reg["tap"][i] * reg_p["step_pu"][i]
    after = v_local * (1.0 + reg_p["step_pu"][i] / ratio)
    return 0.0 < p["vlimit_v"][i] < after or 0.0 < p["runback_v"][i] < after


@kernel
def _run_timer(p, s, reg, i, asked, dt_s):  # type: ignore[no-untyped-def]
    if asked == 0.0 or asked != s["direction"][i]:
        s["direction"][i] = asked
        s["timer_s"][i] = 0.0
        s["is_sequence"][i] = 0.0
    else:
        s["timer_s"][i] += dt_s
    if asked == 0.0 or s["is_moving"][i] != 0.0:
        return 0
    if s["timer_s"][i] < _delay(p, s, i) - EPS_S and s["is_runback"][i] == 0.0:
        return 0
    reg["tap_sp"][i] = reg["tap"][i] + asked
    s["is_moving"][i] = 1.0
    s["timer_s"][i] = 0.0
    s["is_sequence"][i] = 1.0
    return 1


@kernel
def _delay(p, s, i):  # type: ignore[no-untyped-def]
    """Return the time out of band after which the next tap is due [s]."""
    if s["is_sequence"][i] != 0.0:
        return p["tap_delay_s"][i]
    half, error = 0.5 * s["band_v_sp"][i], abs(s["error_v"][i])
    if p["delay_kind"][i] != INVERSE or error <= half:  # definite, or a limit's or the policy's wish
        return p["delay_s"][i]
    return max(p["delay_s"][i] * half / error, min(p["delay_min_s"][i], p["delay_s"][i]))
