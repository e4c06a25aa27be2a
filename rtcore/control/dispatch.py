"""Rules for a battery through the day: charge from surplus sun, shave the peak of the import.

The battery keeps the import at the point of connection between two levels: below the lower one
it charges with what is missing, above the upper one it discharges what is too much, in between
it comes back to rest. Its own limits (power, state of charge, reserve) are the battery's.

Who commands the battery is a mode: its operator (manual), these rules, or another process that plans
ahead (optimising). That process gives every plan a new number. Without a new number for ``plan_max_s``
the rules take over, also where none ever came, and step back as soon as one comes.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, param
from rtcore.jit import kernel

FOLLOWING = 1.0
"""Mode of a battery that takes setpoints."""

MANUAL, RULES, OPTIMISING = 0.0, 1.0, 2.0
"""Modes: who commands the battery."""


@component(
    "dispatch",
    attrs=(
        Attr(
            "mode_sp",
            "",
            "who commands the battery: 0 manual, 1 rules, 2 optimising: another process",
            writable="setpoint",
        ),
        Attr("plan_sp", "", "number of the plan in force, of the process that plans", writable="setpoint"),
        Attr("import_max_w_sp", "W", "import above is shaved", writable="setpoint"),
        Attr("import_min_w_sp", "W", "import below charges", writable="setpoint"),
        Attr("import_w", "W", "import at the point of connection"),
        Attr("p_wanted_w", "W", "power asked of the battery"),
        Attr("plan_age_s", "s", "time since a new plan number; at least that where none ever came"),
        Attr("is_fallback", "", "1 while the rules stand in, as no new plan comes"),
        Attr("plan_seen", "", "plan number of the last step"),
    ),
)
class Dispatch:
    """Rules of the battery of this name."""

    import_max_w: float = param(default=3.0e6, unit="W", doc="initial upper level", ge=-1e9, le=1e9)
    import_min_w: float = param(default=0.3e6, unit="W", doc="initial lower level", ge=-1e9, le=1e9)
    tau_s: float = param(default=5.0, unit="s", doc="response to the import", ge=1, le=600)
    rest_s: float = param(default=300.0, unit="s", doc="return to rest between the levels", ge=1, le=7200)
    mode: float = param(
        default=1.0,
        unit="",
        doc="mode at the start",
        choices={"manual": 0.0, "rules": 1.0, "optimising": 2.0},
    )
    plan_max_s: float = param(
        default=10800.0, unit="s", doc="optimising: oldest plan before the rules take over", ge=60, le=604800
    )


@kernel
def init(p, s):  # type: ignore[no-untyped-def]
    """Set mode and levels from the parameters; there is no plan."""
    for i in range(s.shape[0]):
        s["mode_sp"][i] = p["mode"][i]
        s["plan_age_s"][i] = p["plan_max_s"][i]
        s["import_max_w_sp"][i] = p["import_max_w"][i]
        s["import_min_w_sp"][i] = p["import_min_w"][i]


@kernel
def _watch(p, s, i, dt_s):  # type: ignore[no-untyped-def]
    """Age of the plan, and whether the rules stand in for who should plan."""
    s["plan_age_s"][i] += dt_s
    if s["plan_sp"][i] != s["plan_seen"][i] and math.isfinite(s["plan_sp"][i]):
        s["plan_seen"][i], s["plan_age_s"][i] = s["plan_sp"][i], 0.0
    is_old = s["plan_age_s"][i] >= p["plan_max_s"][i]
    s["is_fallback"][i] = 1.0 if s["mode_sp"][i] == OPTIMISING and is_old else 0.0


@kernel
def step(p, s, battery_of, bat, import_w, dt_s):  # type: ignore[no-untyped-def]
    """Move the setpoint of every battery under the rules; ``import_w``: power from the grid [W]."""
    for i in range(s.shape[0]):
        m = battery_of[i]
        s["import_w"][i] = import_w
        _watch(p, s, i, dt_s)
        is_planned = s["mode_sp"][i] == OPTIMISING and s["is_fallback"][i] == 0.0
        if s["mode_sp"][i] == MANUAL or is_planned:
            s["p_wanted_w"][i] = bat["p_w_sp"][m]
            continue
        if bat["mode"][m] != FOLLOWING:  # the island decides; afterwards go on from there
            s["p_wanted_w"][i] = bat["p_w_sp"][m] = bat["p_w"][m]
            continue
        part = 1.0 - math.exp(-dt_s / p["tau_s"][i])
        now = s["p_wanted_w"][i]
        if import_w > s["import_max_w_sp"][i]:
            now += part * (import_w - s["import_max_w_sp"][i])
        elif import_w < s["import_min_w_sp"][i]:
            now += part * (import_w - s["import_min_w_sp"][i])
        else:
            room_up = s["import_max_w_sp"][i] - import_w  # resting must not run into the other level
            room_down = import_w - s["import_min_w_sp"][i]
            back = now * (1.0 - math.exp(-dt_s / p["rest_s"][i]))
            now -= min(max(back, -room_down), room_up)
        most, least = bat["p_discharge_max_w"][m], -bat["p_charge_max_w"][m]
        s["p_wanted_w"][i] = min(max(now, least), most)
        bat["p_w_sp"][m] = s["p_wanted_w"][i]
