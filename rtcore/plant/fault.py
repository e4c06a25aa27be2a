"""Faults in the running network: slots that hold one short circuit or broken conductor each.

A slot is set up by its setpoints or from the fault library, and applied by a pulse while the
station is armed. What a fault is electrically is in ``rtcore.network.fault_slots``; here is when it
is there. Its life:

- permanent: until cleared;
- temporary: gone once its place has been without voltage for the deionisation time (of an arc in
  open air about 10.5 + kV/34.5 cycles, 0.18 s at 13.8 kV and 60 Hz; J. L. Blackburn, "Protective
  Relaying", from memory: verify);
- self-clearing: gone after its duration, voltage or not;
- intermittent: comes and goes, times drawn exponentially with the means ``on_s``, ``off_s``.

A place without voltage is one that no EMF reaches by any of the faulted phases: what induction and
capacitance bring there does not keep an arc. Ends of faults are interpolated within the step. That
a place has voltage is known from the end of the step before, so a reclosure within the very step in
which a temporary fault ends does not keep it: a bound of one step.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rtcore.commands import Reason
from rtcore.component import Attr, component
from rtcore.jit import kernel
from rtcore.network.fault_slots import ACCEPTED, BAD_RESISTANCE, check_fault, clear_fault, set_fault
from rtcore.noise import mix64, step_key
from rtcore.plant.arming import use

PERMANENT, TEMPORARY, SELF_CLEARING, INTERMITTENT = 0.0, 1.0, 2.0, 3.0

BAD_LIFE = BAD_RESISTANCE + 1
"""Refusal beside those of ``fault_slots``: no such life, or a time of it that is not above 0."""

TIME_MAX_S = 1e9
TOGGLES_MAX = 16
"""Most changes of an intermittent fault within one step; later ones wait for the next."""

SETUP: dict[str, float] = {
    "place_sp": 0.0,
    "fraction_sp": 0.5,
    "type_sp": 0.0,
    "phases_sp": 0.0,
    "r_ohm_sp": 1e-4,
    "life_sp": PERMANENT,
    "duration_s_sp": 0.1,
    "deionise_s_sp": 0.2,
    "on_s_sp": 0.05,
    "off_s_sp": 0.2,
}
"""Setpoints of a fault, in the order of the columns of a library row, with what they stand at first."""


def _setpoint(name: str, unit: str, doc: str) -> Attr:
    return Attr(name, unit, doc, writable="setpoint", role="instructor")


@component(
    "fault",
    attrs=(
        _setpoint("place_sp", "", "number of the place: 0 none, buses, then lines, in network order"),
        _setpoint("fraction_sp", "", "on a line: distance from its terminal 1, share of its length"),
        _setpoint(
            "type_sp",
            "",
            "0 none, 1 3ph, 2 3phg, 3 slg, 4 ll, 5 llg, 6 open conductor, 7 the same, source side grounded",
        ),
        _setpoint("phases_sp", "", "phases, a 1 + b 2 + c 4; 0 the first ones of the place"),
        _setpoint("r_ohm_sp", "ohm", "resistance of each faulted conductor to the common point"),
        _setpoint("life_sp", "", "0 permanent, 1 temporary, 2 self-clearing, 3 intermittent"),
        _setpoint("duration_s_sp", "s", "self-clearing: how long it lasts"),
        _setpoint("deionise_s_sp", "s", "temporary: time without voltage after which it is gone"),
        _setpoint("on_s_sp", "s", "intermittent: mean time that it is there"),
        _setpoint("off_s_sp", "s", "intermittent: mean time between"),
        _setpoint(
            "entry_sp",
            "",
            "number in the fault library; writing another one loads the setpoints, 0 loads nothing",
        ),
        Attr(
            "apply",
            "",
            "put the fault in place",
            writable="pulse",
            role="instructor",
            interlocks=(("is_armed", Reason.NOT_ARMED), ("is_possible", Reason.INTERLOCKED)),
        ),
        Attr("clear", "", "take the fault away", writable="pulse", role="instructor"),
        Attr("is_armed", "", "1 while the station is armed"),
        Attr("is_applied", "", "1 from apply to clear or to the end of its life"),
        Attr("is_on", "", "1 while the fault is there", stamp="on_ago_s"),
        Attr("on_ago_s", "s", "time from the last change of is_on to the end of its step"),
        Attr("is_live", "", "1 while the fault is there and its place has voltage"),
        Attr("ia_a", "A", "current from phase a into the fault"),
        Attr("ib_a", "A", "current from phase b into the fault"),
        Attr("ic_a", "A", "current from phase c into the fault"),
        Attr("i0_a", "A", "zero-sequence current into the fault, a third of the sum"),
        Attr("left_s", "s", "time until it goes, comes or would go without voltage; 0 if it does not"),
        Attr("strikes", "", "how often a fault came, since the start"),
        Attr("is_possible", "", "1 when the fault that is set up can be applied"),
        Attr(
            "refusal",
            "",
            "why not: 0 it can, 1 no such place, 2 phase not there, 3 fraction, 4 type, 5 phases do not fit "
            "the type, 6 open conductor at a bus, 7 resistance, 8 life or its times",
        ),
        Attr("life", "", "life of the fault in place, as life_sp"),
        Attr("life_s", "s", "its duration, deionisation time or mean time on"),
        Attr("pause_s", "s", "its mean time off"),
        Attr("dead_s", "s", "time its place has been without voltage; -1 with voltage"),
        Attr("draws", "", "random times drawn so far"),
        Attr("entry", "", "library entry loaded last"),
    ),
)
class Fault:
    """One fault slot."""


def set_up(rows: npt.NDArray[np.void]) -> None:
    """Bring fresh state rows to their first setpoints."""
    for name, value in SETUP.items():
        rows[name] = value
    rows["dead_s"] = -1.0


@kernel
def step(s, fs, library, arming_p, arming, key, change, dt_s):  # type: ignore[no-untyped-def]
    """Take commands, let faults come and go; returns how many changes the network needs a restamp for.

    Parameters
    ----------
    s : state rows, at most as many as there are slots in ``fs``
    fs : FaultSlots
    library : float64[n_entries, 10]
        Rows of the fault library, columns as ``SETUP``.
    arming_p, arming : rows of the ``arming`` component
    key : uint64
        Of the random times.
    change : float64[1]
        Raised to the ago of the earliest change made here [s].
    """
    changes, is_armed = 0, arming["is_armed"][0] != 0.0
    for k in range(s.shape[0]):
        if s["entry_sp"][k] != s["entry"][k]:
            _load(s, k, library)
        if s["clear"][k] != 0.0:
            changes += _end(s, fs, k, dt_s, change)
        if s["apply"][k] != 0.0:
            changes += _apply(s, fs, k, is_armed, arming_p, arming, key, change, dt_s)
        changes += _live_on(s, fs, k, key, change, dt_s)
        s["apply"][k] = s["clear"][k] = 0.0
    for k in range(s.shape[0]):
        s["is_armed"][k] = arming["is_armed"][0]
        _judge(s, fs, k)
    return changes


@kernel
def _load(s, k, library):  # type: ignore[no-untyped-def]
    """Take the setpoints from a library row; a number without a row leaves no fault to apply."""
    entry = s["entry_sp"][k]
    s["entry"][k] = 0.0 if np.isnan(entry) else entry
    if entry == 0.0:
        return
    if not (entry >= 1.0 and entry <= library.shape[0]) or entry != np.floor(entry):
        s["place_sp"][k] = s["type_sp"][k] = 0.0
        return
    row = library[int(entry) - 1]
    s["place_sp"][k], s["fraction_sp"][k] = row[0], row[1]
    s["type_sp"][k], s["phases_sp"][k], s["r_ohm_sp"][k] = row[2], row[3], row[4]
    s["life_sp"][k], s["duration_s_sp"][k], s["deionise_s_sp"][k] = row[5], row[6], row[7]
    s["on_s_sp"][k], s["off_s_sp"][k] = row[8], row[9]


@kernel
def _judge(s, fs, k):  # type: ignore[no-untyped-def]
    """Whether the fault that is set up can be applied, and why not."""
    t = s[k]
    refusal = check_fault(fs, t["place_sp"], t["fraction_sp"], t["type_sp"], t["phases_sp"], t["r_ohm_sp"])
    if refusal == ACCEPTED:
        life_s, pause_s = _times(s, k)
        is_good = life_s > 0.0 and pause_s > 0.0 and max(life_s, pause_s) <= TIME_MAX_S
        refusal = ACCEPTED if is_good else BAD_LIFE
    t["refusal"], t["is_possible"] = refusal, 1.0 if refusal == ACCEPTED else 0.0
    return refusal


@kernel
def _times(s, k):  # type: ignore[no-untyped-def]
    """Time of the life that is set up, and its pause [s]; 0 for a life that does not exist."""
    life = s["life_sp"][k]
    if life == TEMPORARY:
        return s["deionise_s_sp"][k], 1.0
    if life == SELF_CLEARING:
        return s["duration_s_sp"][k], 1.0
    if life == INTERMITTENT:
        return s["on_s_sp"][k], s["off_s_sp"][k]
    return (1.0, 1.0) if life == PERMANENT else (0.0, 0.0)


@kernel
def _apply(s, fs, k, is_armed, arming_p, arming, key, change, dt_s):  # type: ignore[no-untyped-def]
    """Put the fault of the setpoints in place of whatever is there, at the beginning of the step.

    Disarmed at this very step, or set up anew in the same request so that it cannot be, it is not.
    """
    if not is_armed or _judge(s, fs, k) != ACCEPTED:
        return 0
    set_fault(
        fs, k, s["place_sp"][k], s["fraction_sp"][k], s["type_sp"][k], s["phases_sp"][k], s["r_ohm_sp"][k]
    )
    life = s["life_sp"][k]
    life_s, pause_s = _times(s, k)
    use(arming_p, arming, dt_s)
    s["is_applied"][k], s["is_live"][k], s["dead_s"][k] = 1.0, 0.0, -1.0
    s["life"][k], s["life_s"][k], s["pause_s"][k] = life, life_s, pause_s
    s["left_s"][k] = 0.0
    if life == SELF_CLEARING:
        s["left_s"][k] = life_s
    elif life == INTERMITTENT:
        s["left_s"][k] = _draw(s, k, key, life_s)
    return _strike(s, k, True, dt_s, change)


@kernel
def _strike(s, k, is_on, ago_s, change):  # type: ignore[no-untyped-def]
    s["is_on"][k], s["on_ago_s"][k] = 1.0 if is_on else 0.0, ago_s
    s["strikes"][k] += 1.0 if is_on else 0.0
    change[0] = max(change[0], ago_s)
    return 1


@kernel
def _end(s, fs, k, ago_s, change):  # type: ignore[no-untyped-def]
    """Take the fault away for good."""
    changed = _strike(s, k, False, ago_s, change) if s["is_on"][k] != 0.0 else 0
    clear_fault(fs, k)
    s["is_applied"][k] = s["is_live"][k] = s["left_s"][k] = 0.0
    s["dead_s"][k] = -1.0
    return changed


@kernel
def _live_on(s, fs, k, key, change, dt_s):  # type: ignore[no-untyped-def]
    """Let a fault in place age by a step."""
    life = s["life"][k]
    if s["is_applied"][k] == 0.0 or life == PERMANENT:
        return 0
    if life == TEMPORARY:
        dead_s = s["dead_s"][k]
        s["left_s"][k] = max(s["life_s"][k] - dead_s - dt_s, 0.0) if dead_s >= 0.0 else 0.0
        past_s = dead_s + dt_s - s["life_s"][k]
        if dead_s >= 0.0 and past_s >= -1e-12:  # a sum of steps falls short of a whole number of them
            return _end(s, fs, k, min(max(past_s, 0.0), dt_s), change)
        return 0
    s["left_s"][k] -= dt_s
    if life == SELF_CLEARING:
        if s["left_s"][k] <= 1e-12:
            return _end(s, fs, k, min(max(-s["left_s"][k], 0.0), dt_s), change)
        return 0
    return _toggle(s, fs, k, key, change, dt_s)


@kernel
def _toggle(s, fs, k, key, change, dt_s):  # type: ignore[no-untyped-def]
    """Let an intermittent fault come and go within the step."""
    toggles = 0
    while s["left_s"][k] <= 0.0 and toggles < TOGGLES_MAX:
        comes = s["is_on"][k] == 0.0
        _strike(s, k, comes, min(-s["left_s"][k], dt_s), change)
        s["left_s"][k] += _draw(s, k, key, s["life_s"][k] if comes else s["pause_s"][k])
        toggles += 1
    s["left_s"][k] = max(s["left_s"][k], 0.0)
    fs.slots[k]["is_in"] = 1 if s["is_on"][k] != 0.0 else 0
    return toggles


@kernel
def _draw(s, k, key, mean_s):  # type: ignore[no-untyped-def]
    """Exponentially distributed time of this slot's own stream [s]."""
    s["draws"][k] += 1.0
    z = step_key(key, np.int64(s["draws"][k])) + np.uint64(k + 1) * np.uint64(0xD1342543DE82EF95)
    u = (np.float64(mix64(z) >> np.uint64(11)) + 0.5) * 2.0**-53
    return -mean_s * np.log(u)


@kernel
def measure(s, fs, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Take over what ``measure_faults`` found at the solved state; after it in the same step.

    Parameters
    ----------
    change_ago_s : float
        How long before the end of the step the network changed last; ``dt_s`` for not at all.
    """
    for k in range(s.shape[0]):
        slot, is_on = fs.slots[k], s["is_on"][k] != 0.0
        s["is_live"][k] = 1.0 if is_on and slot["is_live"] != 0 else 0.0
        s["ia_a"][k] = abs(slot["i"][0]) if is_on else 0.0
        s["ib_a"][k] = abs(slot["i"][1]) if is_on else 0.0
        s["ic_a"][k] = abs(slot["i"][2]) if is_on else 0.0
        s["i0_a"][k] = abs(slot["i"][0] + slot["i"][1] + slot["i"][2]) / 3.0 if is_on else 0.0
        if not is_on or s["is_live"][k] != 0.0:
            s["dead_s"][k] = -1.0
        elif s["dead_s"][k] < 0.0:
            s["dead_s"][k] = change_ago_s
        else:
            s["dead_s"][k] += dt_s
