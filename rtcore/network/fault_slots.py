"""Faults at places: setting, clearing, stamping and measuring the slots.

The fault resistance is per faulted conductor, from each phase to the common point of the fault:
ground for grounded faults, floating otherwise. Eliminating a floating star point leaves
Y = (I - 1 1^T / k) / r over the k faulted phases.
"""

from __future__ import annotations

import numpy as np

from rtcore.jit import kernel
from rtcore.network.factor import position
from rtcore.network.line_faults import measure_line, stamp_lines

R_MIN_OHM = 1e-6
R_MAX_OHM = 1e9
FRACTION_MIN, FRACTION_MAX = 0.001, 0.999

# types of fault
NO_FAULT, F_3PH, F_3PHG, F_SLG, F_LL, F_LLG, F_OPEN, F_OPEN_GROUNDED = range(8)

# why a fault cannot be
(
    ACCEPTED,
    NO_SUCH_PLACE,
    PHASE_NOT_THERE,
    BAD_FRACTION,
    BAD_TYPE,
    BAD_PHASES,
    NOT_A_LINE,
    BAD_RESISTANCE,
) = range(8)


@kernel
def set_fault(fs, k, place, fraction, kind, mask, r_ohm):  # type: ignore[no-untyped-def]
    """Put a fault into slot ``k``; restamp afterwards.

    Parameters
    ----------
    fs : FaultSlots
    place, fraction, kind, mask, r_ohm : float
        Number of the place; share of the line's length from its terminal 1 (lines only); one of the
        types above; phases (a 1, b 2, c 4), 0 for the first ones that the place has; resistance per
        conductor [ohm]. Any value may come, NaN included.

    Returns
    -------
    int
        0, or why there cannot be such a fault (the slot stays as it was).
    """
    refusal = check_fault(fs, place, fraction, kind, mask, r_ohm)
    if refusal != ACCEPTED:
        return refusal
    number, fault, phases = int(place), int(kind), int(mask)
    if phases == 0:
        phases = _default_phases(phases_there(fs, number), fault)
    clear_fault(fs, k)
    slot = fs.slots[k]
    slot["place"], slot["is_in"], slot["phases"] = number, 1, phases
    slot["fraction"] = fraction if number > fs.bus_node.shape[0] else 0.0
    _fill(slot, fault, phases, 1.0 / r_ohm)
    return ACCEPTED


@kernel
def check_fault(fs, place, fraction, kind, mask, r_ohm):  # type: ignore[no-untyped-def]
    """Return 0, or why there cannot be such a fault; parameters as ``set_fault`` has them."""
    refusal = _check_place(fs, place, fraction, kind)
    if refusal != ACCEPTED:
        return refusal
    if not (r_ohm >= R_MIN_OHM and r_ohm <= R_MAX_OHM):
        return BAD_RESISTANCE
    if not (mask >= 0.0 and mask <= 7.0) or mask != np.floor(mask):
        return BAD_PHASES
    fault, phases = int(kind), int(mask)
    there = phases_there(fs, int(place))
    if phases == 0:
        phases = _default_phases(there, fault)
        if phases == 0:
            return PHASE_NOT_THERE
    if phases & ~there:
        return PHASE_NOT_THERE
    wanted = _phases_wanted(fault)
    return BAD_PHASES if wanted > 0 and _count(phases) != wanted else ACCEPTED


@kernel
def _check_place(fs, place, fraction, kind):  # type: ignore[no-untyped-def]
    n_bus, n_lines = fs.bus_node.shape[0], fs.lines.shape[0]
    if not (place >= 1.0 and place <= n_bus + n_lines) or place != np.floor(place):
        return NO_SUCH_PLACE
    line = int(place) - n_bus - 1
    if line >= 0 and fs.lines[line]["n"] == 0:
        return NO_SUCH_PLACE
    if not (kind >= F_3PH and kind <= F_OPEN_GROUNDED) or kind != np.floor(kind):
        return BAD_TYPE
    if line < 0 and kind >= F_OPEN:
        return NOT_A_LINE
    if line >= 0 and not (fraction >= FRACTION_MIN and fraction <= FRACTION_MAX):
        return BAD_FRACTION
    return ACCEPTED


@kernel
def clear_fault(fs, k):  # type: ignore[no-untyped-def]
    """Take a fault away; restamp afterwards."""
    slot = fs.slots[k]
    slot["place"], slot["is_in"], slot["phases"], slot["is_live"] = 0, 0, 0, 0
    for p in range(3):
        slot["is_open"][p] = 0
        slot["v"][p] = slot["v_far"][p] = slot["i"][p] = 0.0
        for q in range(3):
            slot["y"][p, q] = 0.0


@kernel
def phases_there(fs, place):  # type: ignore[no-untyped-def]
    """Phases of a place as a bit mask."""
    n_bus, mask = fs.bus_node.shape[0], 0
    for phase in range(3):
        if place > n_bus:
            is_there = fs.lines[place - n_bus - 1]["conductor"][phase] >= 0
        else:
            is_there = fs.bus_node[place - 1, phase] >= 0
        if is_there:
            mask |= 1 << phase
    return mask


@kernel
def _phases_wanted(fault):  # type: ignore[no-untyped-def]
    """How many phases a type of fault takes; 0 for any number."""
    if fault in (F_3PH, F_3PHG):
        return 3
    if fault in (F_LL, F_LLG):
        return 2
    return 1 if fault == F_SLG else 0


@kernel
def _default_phases(there, fault):  # type: ignore[no-untyped-def]
    """First phases of a place that make the type, 0 when it has too few."""
    wanted, mask = max(_phases_wanted(fault), 1), 0
    for phase in range(3):
        if wanted > 0 and there & (1 << phase):
            mask |= 1 << phase
            wanted -= 1
    return mask if wanted == 0 else 0


@kernel
def _count(mask):  # type: ignore[no-untyped-def]
    return (mask & 1) + ((mask >> 1) & 1) + ((mask >> 2) & 1)


@kernel
def _fill(slot, fault, phases, y):  # type: ignore[no-untyped-def]
    """Set admittance matrix and breaks of a fault."""
    is_floating = fault in (F_3PH, F_LL)
    for p in range(3):
        if not phases & (1 << p):
            continue
        if fault >= F_OPEN:
            slot["is_open"][p] = 1
        if fault != F_OPEN:
            slot["y"][p, p] = y
        if is_floating:
            for q in range(3):
                if phases & (1 << q):
                    slot["y"][p, q] -= y / _count(phases)


@kernel
def stamp_faults(ap, ai, ax, link, fs, n_nodes):  # type: ignore[no-untyped-def]
    """Put all slots into the matrix ``ax`` and into ``link``."""
    n_bus = fs.bus_node.shape[0]
    for k in range(fs.slots.shape[0]):
        slot = fs.slots[k]
        if slot["is_in"] == 0 or slot["place"] > n_bus:
            continue
        for p in range(3):
            for q in range(3):
                if slot["y"][p, q] != 0.0:
                    i, j = fs.bus_node[slot["place"] - 1, p], fs.bus_node[slot["place"] - 1, q]
                    at = position(ap, ai, i, j)
                    ax[at] += slot["y"][p, q]
                    link[at] += 1 if p != q else 0
    stamp_lines(ap, ai, ax, link, fs, n_nodes)


@kernel
def measure_faults(v, live, fs):  # type: ignore[no-untyped-def]
    """Voltages, currents and liveness of all faults at the solved state; call after every solution.

    A fault that is out for a time is measured as 0 A; its ``is_live`` then tells nothing (0).
    """
    n_bus = fs.bus_node.shape[0]
    for k in range(fs.slots.shape[0]):
        slot = fs.slots[k]
        line = slot["place"] - n_bus - 1
        if slot["place"] == 0:
            continue
        if slot["is_in"] == 0:
            slot["is_live"] = 0
            for p in range(3):
                slot["v"][p] = slot["v_far"][p] = 0.0
        elif line < 0:
            _measure_bus(v, live, slot, fs.bus_node[slot["place"] - 1])
        elif fs.lines[line]["last_slot"] == k:  # measures every slot of the line
            measure_line(v, live, fs.lines[line], fs.slots, fs.work)
    for k in range(fs.slots.shape[0]):
        slot = fs.slots[k]
        if slot["place"] != 0:
            for p in range(3):
                current = 0.0j
                for q in range(3):
                    current += slot["y"][p, q] * slot["v"][q]
                slot["i"][p] = current


@kernel
def _measure_bus(v, live, slot, nodes):  # type: ignore[no-untyped-def]
    slot["is_live"] = 0
    for phase in range(3):
        node = nodes[phase]
        if node < 0:
            continue
        slot["v"][phase] = slot["v_far"][phase] = v[node]
        if slot["phases"] & (1 << phase) and live[node] != 0:
            slot["is_live"] = 1
