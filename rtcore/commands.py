"""Commands and verdicts: what a producer may ask for and what the core answers.

A command is one write to one point; several commands with consecutive ids and a common
group are applied together at one step boundary or not at all.
"""

from __future__ import annotations

import dataclasses as dc
import enum

# Columns of a command record (int64 words; VALUE holds the bits of a float64).
C_ID, C_TARGET, C_VALUE, C_CREATED_NS, C_TTL_NS, C_APPLY_STEP, C_GROUP_N, C_SPARE = range(8)
# Columns of a verdict record.
V_ID, V_TARGET, V_VALUE, V_STEP, V_REASON, V_SPARE5, V_SPARE6, V_SPARE7 = range(8)
RECORD_WORDS = 8

GROUP_MAX = 64
"""Most commands one wire request may carry; also the core's bound on one group."""

TTL_DEFAULT_NS = 2_000_000_000
"""A command older than this when the core sees it is refused as expired [ns]."""


class Reason(enum.IntEnum):
    """Verdict of a command: done, or why not."""

    DONE = 0
    UNKNOWN_POINT = 1
    NOT_WRITABLE = 2
    OUT_OF_RANGE = 3
    NOT_A_NUMBER = 4
    WRONG_TYPE = 5
    EXPIRED = 6
    IN_LOCAL = 7
    BUSY = 8
    NO_AUTHORITY = 9
    CORE_DEAD = 10
    GROUP_REFUSED = 11
    AUDIT_FAILED = 12
    NO_VERDICT = 13
    INTERLOCKED = 14
    TAGGED = 15
    LOCKED_OUT = 16
    NOT_ARMED = 17
    POSITION_REACHED = 18
    NOT_READY = 19


REASON_TEXT = {
    Reason.DONE: "done",
    Reason.UNKNOWN_POINT: "no such point",
    Reason.NOT_WRITABLE: "the point is read-only",
    Reason.OUT_OF_RANGE: "value outside the point's range",
    Reason.NOT_A_NUMBER: "value is not a finite number",
    Reason.WRONG_TYPE: "value has the wrong type for the point",
    Reason.EXPIRED: "the command was too old when it reached the plant",
    Reason.IN_LOCAL: "the device is switched to local",
    Reason.BUSY: "the command queue is full",
    Reason.NO_AUTHORITY: "this client may not write this point",
    Reason.CORE_DEAD: "the plant process does not answer",
    Reason.GROUP_REFUSED: "another write of the same request was refused",
    Reason.AUDIT_FAILED: "the audit record could not be written, so the command was not sent",
    Reason.INTERLOCKED: "an interlock does not permit it: the synchronism check, or a fault that cannot be",
    Reason.TAGGED: "the device is tagged out",
    Reason.LOCKED_OUT: "the device is locked out; reset the lockout first",
    Reason.NOT_ARMED: "not armed; arm first, it lasts for a limited time",
    Reason.POSITION_REACHED: "the device is already in that position",
    Reason.NOT_READY: "the device is not ready, for instance its spring is not charged",
    Reason.NO_VERDICT: "the plant gave no verdict in time; the command may have been applied",
}


@dc.dataclass(frozen=True, slots=True)
class Verdict:
    """Answer to one command: the reason, the step it took effect at, the value applied."""

    reason: Reason
    step: int = -1
    value: float = 0.0

    @property
    def is_done(self) -> bool:
        """Tell whether the command took effect."""
        return self.reason is Reason.DONE
