"""Load shedding by frequency and voltage (ANSI 81L, 27), one stage per breaker, with restoration.

A stage opens its breaker when frequency or voltage on its supply side stays below its level for
its time, and closes it again when frequency has been good for the restoration time. It asks again as
long as the breaker fails to open; a breaker that somebody else closes is no longer shed. Stages are graded
by level and delay in the settings.
"""

from __future__ import annotations

from rtcore.component import Attr, component, param
from rtcore.jit import kernel

OPEN, CLOSED = 0.0, 1.0
V_DEAD_PU = 0.1


@component(
    "load_shedding",
    attrs=(
        Attr("is_enabled_sp", "", "stage in service: 1 on", writable="setpoint"),
        Attr("is_shed", "", "1 from the trip by this stage until the load is restored"),
        Attr("has_opened", "", "1 when the breaker has followed the trip"),
        Attr("f_low_s", "s", "time below the frequency level"),
        Attr("v_low_s", "s", "time below the voltage level"),
        Attr("good_s", "s", "time of good frequency and voltage"),
        Attr("sheds", "", "number of operations"),
    ),
)
class LoadShedding:
    """One stage: the breaker of this name, supplied from its first side."""

    f_hz: float = param(default=59.0, unit="Hz", doc="sheds below this frequency", gt=40, lt=60)
    f_delay_s: float = param(default=0.2, unit="s", doc="time below it", ge=0, le=60)
    v_pu: float = param(default=0.0, unit="pu", doc="sheds below this voltage; 0 off", ge=0, lt=1)
    v_delay_s: float = param(default=2.0, unit="s", doc="time below it", ge=0, le=600)
    f_restore_hz: float = param(default=59.8, unit="Hz", doc="frequency is good above", gt=40, lt=61)
    v_restore_pu: float = param(default=0.9, unit="pu", doc="voltage is good above", ge=0, lt=1.1)
    restore_s: float = param(default=30.0, unit="s", doc="good before it closes; 0 never", ge=0, le=7200)


@kernel
def step(p, s, breaker_of, breaker, v_pu, f_hz, dt_s):  # type: ignore[no-untyped-def]
    """Advance every stage.

    Parameters
    ----------
    breaker_of : int32[n]
        Breaker of each stage.
    breaker : structured
        State rows of the breakers; writes pulses.
    v_pu, f_hz : float64[n]
        Voltage and frequency on the supply side.
    """
    for i in range(s.shape[0]):
        b = breaker_of[i]
        live = v_pu[i] > V_DEAD_PU
        s["f_low_s"][i] = s["f_low_s"][i] + dt_s if live and f_hz[i] < p["f_hz"][i] else 0.0
        s["v_low_s"][i] = s["v_low_s"][i] + dt_s if live and v_pu[i] < p["v_pu"][i] else 0.0
        good = live and f_hz[i] >= p["f_restore_hz"][i] and v_pu[i] >= p["v_restore_pu"][i]
        s["good_s"][i] = s["good_s"][i] + dt_s if good else 0.0
        if s["is_enabled_sp"][i] == 0.0:
            s["is_shed"][i] = s["has_opened"][i] = 0.0
            continue
        f_due = s["f_low_s"][i] > p["f_delay_s"][i]
        v_due = s["v_low_s"][i] > p["v_delay_s"][i]
        is_closed = breaker["state"][b] == CLOSED
        if s["is_shed"][i] == 0.0:
            if (f_due or v_due) and is_closed:
                breaker["trip"][b] = 1.0
                s["is_shed"][i] = 1.0
                s["sheds"][i] += 1.0
        elif is_closed and s["has_opened"][i] == 0.0 and (f_due or v_due):
            breaker["trip"][b] = 1.0  # again, until it opens
        elif is_closed and (s["has_opened"][i] != 0.0 or good):  # closed by somebody else, or never opened
            s["is_shed"][i] = s["has_opened"][i] = 0.0
        elif not is_closed and s["has_opened"][i] == 0.0:
            s["has_opened"][i] = 1.0
        elif 0.0 < p["restore_s"][i] < s["good_s"][i] and breaker["state"][b] == OPEN:
            breaker["close"][b] = 1.0
