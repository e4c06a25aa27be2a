"""What every field-side server shares: fresh snapshots, write checks, refusal codes. Pure: no I/O.

A gateway never touches physics. It reads the core's board, checks a write against the point
list, and hands accepted writes to its own command ring. The core checks everything again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from protocols.setpoint_steps import is_on_step, nearest, step_of
from protocols.status_events import StatusEvents
from rtcore.board import CTL_PERIOD_NS, Board, Snapshot
from rtcore.commands import GROUP_MAX, Reason
from rtcore.points import Kind, Point, index_of
from rtcore.ring import Producer

STALE_PERIODS = 5
STALE_MARGIN_NS = 50_000_000
STALE_MAX_NS = 450_000_000
"""The core counts as dead when its heartbeat is older than 5 periods plus 50 ms, 450 ms at most."""

MODBUS_EXCEPTION = {
    Reason.UNKNOWN_POINT: 0x02,
    Reason.NOT_WRITABLE: 0x02,
    Reason.OUT_OF_RANGE: 0x03,
    Reason.NOT_A_NUMBER: 0x03,
    Reason.WRONG_TYPE: 0x03,
    Reason.EXPIRED: 0x04,
    Reason.IN_LOCAL: 0x04,
    Reason.BUSY: 0x06,
    Reason.NO_AUTHORITY: 0x01,
    Reason.CORE_DEAD: 0x0B,
    Reason.GROUP_REFUSED: 0x03,
    Reason.AUDIT_FAILED: 0x04,
    Reason.NO_VERDICT: 0x04,
    Reason.INTERLOCKED: 0x04,
    Reason.TAGGED: 0x04,
    Reason.LOCKED_OUT: 0x04,
    Reason.NOT_ARMED: 0x04,
    Reason.POSITION_REACHED: 0x04,
    Reason.NOT_READY: 0x04,
}
"""Refusal reason -> Modbus exception code; part of the printed map."""

OPCUA_STATUS = {
    Reason.DONE: "Good",
    Reason.UNKNOWN_POINT: "BadNodeIdUnknown",
    Reason.NOT_WRITABLE: "BadNotWritable",
    Reason.OUT_OF_RANGE: "BadOutOfRange",
    Reason.NOT_A_NUMBER: "BadOutOfRange",
    Reason.WRONG_TYPE: "BadTypeMismatch",
    Reason.EXPIRED: "BadTimeout",
    Reason.IN_LOCAL: "BadInvalidState",
    Reason.BUSY: "BadResourceUnavailable",
    Reason.NO_AUTHORITY: "BadUserAccessDenied",
    Reason.CORE_DEAD: "BadNoCommunication",
    Reason.GROUP_REFUSED: "BadInvalidState",
    Reason.AUDIT_FAILED: "BadDeviceFailure",
    Reason.NO_VERDICT: "BadTimeout",
    Reason.INTERLOCKED: "BadInvalidState",
    Reason.TAGGED: "BadInvalidState",
    Reason.LOCKED_OUT: "BadInvalidState",
    Reason.NOT_ARMED: "BadInvalidState",
    Reason.POSITION_REACHED: "BadInvalidState",
    Reason.NOT_READY: "BadInvalidState",
}
"""Refusal reason -> OPC UA status code name; part of the printed map."""


class Gateway:
    """The core as one producer sees it: its newest snapshot, its own command ring, changes of statuses."""

    def __init__(
        self, points: Sequence[Point], board: Board, producer: Producer, events: StatusEvents | None = None
    ) -> None:
        self.points = points
        self.index = index_of(points)
        self.steps = [step_of(p) for p in points]
        self.board = board
        self.producer = producer
        self.events = events

    def is_alive(self, now_mono_ns: int) -> bool:
        """Tell whether the core's heartbeat is fresh."""
        period = int(self.board.ctl[CTL_PERIOD_NS])
        limit_ns = min(STALE_PERIODS * period + STALE_MARGIN_NS, STALE_MAX_NS)
        return self.board.beat_age_ns(now_mono_ns) <= limit_ns

    def snapshot(self, now_mono_ns: int) -> Snapshot | None:
        """Return the newest whole step, None when the core is dead or nothing is published."""
        return self.board.read() if self.is_alive(now_mono_ns) else None

    def check(self, writes: Sequence[tuple[int, float]]) -> Reason:
        """Check one group of writes against the point list; DONE means "may be sent"."""
        if not 0 < len(writes) <= GROUP_MAX:
            return Reason.OUT_OF_RANGE
        for index, value in writes:
            if not 0 <= index < len(self.points):
                return Reason.UNKNOWN_POINT
            if (reason := check_value(self.points[index], value, self.steps[index])) is not Reason.DONE:
                return reason
        return Reason.GROUP_REFUSED if self._contradicts(writes) else Reason.DONE

    def settled(self, writes: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
        """Return checked writes with every value exactly on its step, so that all read back the same."""
        return [(i, nearest(value, self.steps[i])) for i, value in writes]

    def _contradicts(self, writes: Sequence[tuple[int, float]]) -> bool:
        """Tell whether a group asks one component for two things at once, such as TRIP and CLOSE."""
        asked: dict[str, set[str]] = {}
        for index, value in writes:
            point = self.points[index]
            if point.kind is Kind.CONTROL and value != 0.0:
                asked.setdefault(point.source, set()).add(point.attr)
        return any(len(attrs) > 1 for attrs in asked.values())


def check_value(point: Point, value: float, step: float = 0.0) -> Reason:
    """Check one value against one point: writable, finite, in range, on its step, a bit where due."""
    if not point.is_writable:
        return Reason.NOT_WRITABLE
    if not math.isfinite(value):
        return Reason.NOT_A_NUMBER
    if (point.is_two_state or point.kind is Kind.CONTROL) and value not in (0.0, 1.0):
        return Reason.WRONG_TYPE
    if not (point.minimum <= value <= point.maximum and is_on_step(value, step)):
        return Reason.OUT_OF_RANGE
    return Reason.DONE
