"""Automatic power-factor correction: capacitor banks in a group keep cos phi at a metering point.

What is missing, Q - P tan(acos pf), is compared with the steps at hand. The largest bank is switched
that is not more than 1 / ``response`` times what is missing or too much; of equal banks the one that
has switched least (wear is shared). After each switching the controller waits ``delay_s``.

No hunting: with ``response`` r > 1/2 a bank q switches only when the error e is at least r q, so
what is left, abs(e - q) <= max(e - q, (1/r - 1) e), is smaller than e. Every switching makes the
error smaller, and at constant load they come to an end. r is the "C/k" of the controllers on the
market, 0.65 or so: the window of 2 r q always exceeds the step q.
"""

from __future__ import annotations

import math
from typing import Any

from rtcore.component import Attr, component, param
from rtcore.control.capacitor_control import EPS_S, GROUP
from rtcore.jit import kernel


@component(
    "power_factor_correction",
    attrs=(
        Attr("is_auto_sp", "", "1 automatic, 0 manual", writable="setpoint", guard="is_remote_sp"),
        Attr("is_remote_sp", "", "local/remote switch: 1 remote", writable="setpoint"),
        Attr("pf_sp", "", "power factor to keep, lagging", writable="setpoint", guard="is_remote_sp"),
        Attr("pf", "", "power factor at the metering point"),
        Attr("is_leading", "", "1 while the metering point exports vars"),
        Attr("q_missing_var", "var", "reactive power missing; negative: too much"),
        Attr("direction", "", "what the controller asks for: 1 a bank more, -1 one less, 0 rest"),
        Attr("timer_s", "s", "time since it asks, or since its last bank"),
        Attr("steps_in", "", "banks of the group in service"),
        Attr("is_blocked", "", "1 without a usable measurement or voltage"),
        Attr("orders", "", "switchings ordered"),
    ),
)
class PowerFactorCorrection:
    """Controller of a group of banks; each bank has a capacitor_control of kind group."""

    pf: float = param(default=0.98, unit="", doc="power factor to keep, lagging", gt=0, le=1)
    response: float = param(
        default=0.65, unit="", doc="share of a bank that must be missing before it is switched", gt=0.5, le=1
    )
    delay_s: float = param(default=40.0, unit="s", doc="delay before and between switchings", ge=0)
    v_max_pu: float = param(default=1.1, unit="pu", doc="no bank is closed above", gt=0)
    v_block_pu: float = param(default=0.5, unit="pu", doc="no decision below", ge=0, lt=1)


def init(p: Any, s: Any, *, is_auto: float = 1.0) -> None:
    """Set the setpoints; call before the first step."""
    s[:] = 0.0
    s["is_auto_sp"], s["is_remote_sp"] = is_auto, 1.0
    s["pf_sp"] = p["pf"]


@kernel
def step(p, s, cc_p, cc, member, cap, bank, v_pu, p_w, q_var, dt_s):  # type: ignore[no-untyped-def]
    """Advance every controller, before ``capacitor_control.step``; returns how many banks it asks for.

    Parameters
    ----------
    cc_p, cc : structured
        Rows of kind ``capacitor_control``; those of kind group that are in automatic take part,
        ``step`` is the reactive power of the bank at 1 pu [var]. Writes ``ask``.
    member : int32[n, k]
        Rows of ``cc`` in each group, -1 where there is none.
    cap, bank
        As in ``capacitor_control.step``.
    v_pu, p_w, q_var : float64[n]
        Voltage and flow towards the load at the metering point, the banks' share included.
    """
    orders = 0
    for i in range(s.shape[0]):
        _measure(p, s, i, cc, member, cap, bank, v_pu[i], p_w[i], q_var[i])
        chosen = -1
        if s["is_auto_sp"][i] != 0.0 and s["is_blocked"][i] == 0.0:
            chosen = _choose(p, s, i, cc_p, cc, member, cap, bank, v_pu[i])
        asked = 0.0
        if chosen >= 0:
            asked = 1.0 if s["q_missing_var"][i] > 0.0 else -1.0
        if asked == 0.0 or asked != s["direction"][i]:
            s["direction"][i] = asked
            s["timer_s"][i] = 0.0
        else:
            s["timer_s"][i] += dt_s
        if asked != 0.0 and s["timer_s"][i] >= p["delay_s"][i] - EPS_S:
            cc["ask"][chosen] = asked
            s["timer_s"][i] = 0.0
            s["orders"][i] += 1.0
            orders += 1
    return orders


@kernel
def _measure(p, s, i, cc, member, cap, bank, v_pu, p_w, q_var):  # type: ignore[no-untyped-def]
    s_va = math.hypot(p_w, q_var)
    s["pf"][i] = abs(p_w) / s_va if s_va > 0.0 else 1.0
    s["is_leading"][i] = 1.0 if q_var < 0.0 else 0.0
    target = min(max(s["pf_sp"][i], 0.01), 1.0)
    s["q_missing_var"][i] = q_var - abs(p_w) * math.sqrt(1.0 - target * target) / target
    is_usable = math.isfinite(s["q_missing_var"][i]) and v_pu >= p["v_block_pu"][i]
    s["is_blocked"][i] = 0.0 if is_usable else 1.0
    s["steps_in"][i] = 0.0
    for k in range(member.shape[1]):
        m = member[i, k]
        if m >= 0:
            cc["ask"][m] = 0.0
            s["steps_in"][i] += cap["is_closed"][bank[m]]


@kernel
def _choose(p, s, i, cc_p, cc, member, cap, bank, v_pu):  # type: ignore[no-untyped-def]
    """Return the member to switch, -1 for none."""
    missing = s["q_missing_var"][i]
    is_closing = missing > 0.0
    if is_closing and v_pu > p["v_max_pu"][i]:
        return -1
    best, best_q = -1, 0.0
    for k in range(member.shape[1]):
        m = member[i, k]
        if m < 0 or cc_p["control"][m] != GROUP or cc["is_auto_sp"][m] == 0.0:
            continue
        is_closed = cap["is_closed"][bank[m]] != 0.0
        if is_closed == is_closing or (is_closing and cc["dead_s"][m] > EPS_S):
            continue
        if 0.0 < cc_p["ops_day_max"][m] <= cc["ops_today"][m]:
            continue
        q = cc_p["step"][m] * v_pu * v_pu
        if q <= 0.0 or abs(missing) < p["response"][i] * q:
            continue
        if best < 0 or q > best_q or (q == best_q and cc["ops"][m] < cc["ops"][best]):
            best, best_q = m, q
    return best
