"""The compiled side of boards and rings: publish, drain commands, push events.

Everything here is called by the one writer from inside the loop and allocates nothing.
"""

from __future__ import annotations

import numpy as np

from rtcore.atomics import fence_release, load_acquire, store_release
from rtcore.board import CTL_PUB, SLOTS
from rtcore.commands import (
    C_APPLY_STEP,
    C_CREATED_NS,
    C_GROUP_N,
    C_ID,
    C_SPARE,
    C_TARGET,
    C_TTL_NS,
    C_VALUE,
    GROUP_MAX,
    RECORD_WORDS,
    V_ID,
    V_REASON,
    V_STEP,
    V_TARGET,
    V_VALUE,
    Reason,
)
from rtcore.jit import kernel
from rtcore.ring import (
    CAPACITY,
    E_CAUSE,
    E_KIND,
    E_NEW,
    E_OLD,
    E_STEP,
    E_TARGET,
    E_UTC_NS,
    EVENT_CAPACITY,
    EVENT_COMMAND,
    HEAD,
    RECORDS_AT,
    TAIL,
)
from rtcore.waves import HEAD as WAVES_HEAD

COMMANDS_MAX = 2 * GROUP_MAX
"""Most commands taken from one ring in one step."""

NOT_WRITABLE, SETPOINT, PULSE, SWITCH = 0, 1, 2, 3
"""How a point takes a command: not at all, kept, momentary, kept and two-state."""

DONE, UNKNOWN_POINT, REFUSE_READ_ONLY = int(Reason.DONE), int(Reason.UNKNOWN_POINT), int(Reason.NOT_WRITABLE)
OUT_OF_RANGE, NOT_A_NUMBER = int(Reason.OUT_OF_RANGE), int(Reason.NOT_A_NUMBER)
WRONG_TYPE, EXPIRED, IN_LOCAL = int(Reason.WRONG_TYPE), int(Reason.EXPIRED), int(Reason.IN_LOCAL)
GROUP_REFUSED = int(Reason.GROUP_REFUSED)


@kernel
def publish(ctl, seq, slots, step, image):  # type: ignore[no-untyped-def]
    """Copy one complete image into its slot and make it the published one."""
    slot = step % SLOTS
    q = seq[8 * slot]
    store_release(seq, 8 * slot, q + 1)
    fence_release()
    for k in range(image.shape[0]):
        slots[slot, k] = image[k]
    store_release(seq, 8 * slot, q + 2)
    store_release(ctl, CTL_PUB, step)


@kernel
def push_event(ring, step, utc_ns, kind, target, old, new, cause):  # type: ignore[no-untyped-def]
    """Append one event record; old readers that fall a lap behind notice and count the loss."""
    head = ring[HEAD]
    at = RECORDS_AT + head % EVENT_CAPACITY * RECORD_WORDS
    ring[at + E_STEP] = step
    ring[at + E_UTC_NS] = utc_ns
    ring[at + E_KIND] = kind
    ring[at + E_TARGET] = target
    ring[at + E_OLD] = old
    ring[at + E_NEW] = new
    ring[at + E_CAUSE] = cause
    store_release(ring, HEAD, head + 1)


@kernel
def push_waves(waves, step, utc_ns, i, v):  # type: ignore[no-untyped-def]
    """Append what relays saw in one step, complex128[n_relays, 3] each; see ``rtcore.waves``."""
    capacity = waves.marks.shape[0]
    if capacity == 0:
        return
    head = waves.head[WAVES_HEAD]
    at = head % capacity
    waves.marks[at, 0], waves.marks[at, 1] = step, utc_ns
    row = waves.phasors[at]
    for r in range(i.shape[0]):
        for k in range(3):
            w = 12 * r + 2 * k
            row[w], row[w + 1] = i[r, k].real, i[r, k].imag
            row[w + 6], row[w + 7] = v[r, k].real, v[r, k].imag
    store_release(waves.head, WAVES_HEAD, head + 1)


@kernel
def _judge(points, x, target, value, age_ns, ttl_ns):  # type: ignore[no-untyped-def]
    """Return the reason a command is refused, DONE when it may be applied."""
    if target < 0 or target >= points.instrument.shape[0]:
        return UNKNOWN_POINT
    way = points.writable[target]
    if way == NOT_WRITABLE:
        return REFUSE_READ_ONLY
    if not abs(value) < 1e300:  # also catches NaN
        return NOT_A_NUMBER
    if way != SETPOINT and value not in (0.0, 1.0):
        return WRONG_TYPE
    if value < points.instrument[target].low or value > points.instrument[target].high:
        return OUT_OF_RANGE
    if points.guard[target] >= 0 and x[points.guard[target]] == 0.0:
        return IN_LOCAL
    if value != 0.0:
        for k in range(points.interlock.shape[1]):
            if points.interlock[target, k] >= 0 and x[points.interlock[target, k]] == 0.0:
                return points.interlock_reason[target, k]
    if age_ns > ttl_ns:
        return EXPIRED
    return DONE


@kernel
def _take_group(ring, tail, left, group):  # type: ignore[no-untyped-def]
    """Copy the next group to private memory; returns its size, which is bounded whatever it claims.

    What was judged is what is applied, even when the producer's memory changes meanwhile.
    """
    claimed = ring[RECORDS_AT + tail % CAPACITY * RECORD_WORDS + C_GROUP_N]
    n = min(max(claimed, 1), GROUP_MAX, left)
    for k in range(n):
        at = RECORDS_AT + (tail + k) % CAPACITY * RECORD_WORDS
        for w in range(RECORD_WORDS):
            group[k * RECORD_WORDS + w] = ring[at + w]
    return n


@kernel
def _judge_group(group, n, points, x, now_ns):  # type: ignore[no-untyped-def]
    """Put each command's reason into its spare word; returns whether all may be applied."""
    value = group.view(np.float64)
    is_allowed = True
    for k in range(n):
        at = k * RECORD_WORDS
        age_ns = now_ns - group[at + C_CREATED_NS]
        reason = _judge(points, x, group[at + C_TARGET], value[at + C_VALUE], age_ns, group[at + C_TTL_NS])
        is_allowed = is_allowed and reason == DONE and group[at + C_GROUP_N] == n - k
        group[at + C_SPARE] = reason
    if not is_allowed:
        for at in range(0, n * RECORD_WORDS, RECORD_WORDS):
            if group[at + C_SPARE] == DONE:
                group[at + C_SPARE] = GROUP_REFUSED
    return is_allowed


@kernel
def drain(commands, verdicts, points, x, now_ns, step, utc_ns, events, cause, group):  # type: ignore[no-untyped-def]
    """Apply queued command groups at this step boundary; returns how many commands were done.

    A group is judged as a whole and applied as a whole or not at all. Work is bounded; a
    full verdict ring stops the intake instead of losing an answer. The producer may write
    anything into its rings: it can spoil its own commands, nothing else. ``group``: private
    int64[GROUP_MAX * RECORD_WORDS].
    """
    head, tail = load_acquire(commands, HEAD), commands[TAIL]
    left = head - tail
    if left < 0 or left > CAPACITY:  # counters no producer leaves behind: start afresh
        store_release(commands, TAIL, head)
        return 0
    value = group.view(np.float64)
    taken, done = 0, 0
    while left > 0:
        n = _take_group(commands, tail, left, group)
        if taken + n > COMMANDS_MAX:
            break
        if group[C_APPLY_STEP] > step and now_ns - group[C_CREATED_NS] <= group[C_TTL_NS]:
            break
        v_head = verdicts[HEAD]
        if v_head - load_acquire(verdicts, TAIL) + n > CAPACITY:
            break
        is_allowed = _judge_group(group, n, points, x, now_ns)
        for k in range(n):
            at = k * RECORD_WORDS
            target, bits, reason = group[at + C_TARGET], group[at + C_VALUE], group[at + C_SPARE]
            if is_allowed:
                if points.writable[target] != PULSE or value[at + C_VALUE] != 0.0:
                    instrument = points.instrument[target]
                    x[instrument.source] = value[at + C_VALUE] / instrument.factor
                done += 1
            out = RECORDS_AT + (v_head + k) % CAPACITY * RECORD_WORDS
            verdicts[out + V_ID] = group[at + C_ID]
            verdicts[out + V_TARGET] = target
            verdicts[out + V_VALUE] = bits
            verdicts[out + V_STEP] = step
            verdicts[out + V_REASON] = reason
            push_event(events, step, utc_ns, EVENT_COMMAND, target, reason, bits, cause)
        store_release(verdicts, HEAD, v_head + n)
        tail += n
        left -= n
        taken += n
    store_release(commands, TAIL, tail)
    return done
