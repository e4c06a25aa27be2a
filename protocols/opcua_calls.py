"""Calls of the services: what was asked is checked, who asked may, and what blocks runs in a thread, bounded.

Nothing that a client sends holds up the publisher: one thread works, a few calls wait for it, others are
told to come again.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from asyncua import ua

from protocols import opcua_space as space
from protocols.command_desk import CommandDesk, Who
from protocols.opcua_build import node_id
from protocols.opcua_publish import utc, utc_ns
from protocols.opcua_services import (
    COMMENT_MAX,
    EVENTS_MAX,
    OBJECT,
    SERVICES,
    TAGS_MAX,
    TREND_MAX,
    Refusal,
    Service,
    Services,
)
from protocols.opcua_values import INTEGERS
from protocols.roles import may

WAITING_MAX = 16
"""Calls that may wait for the thread."""
STATUS_S = 0.5
"""A status is at most so old [s]: many clients who ask cost as much as one."""
NAMES_SHOWN = 5
_NS_MAX = 2**63 - 1

_Codes = ua.StatusCodes
_Type = ua.VariantType
_TYPE_OF = {
    space.BYTE: _Type.Byte,
    space.UINT32: _Type.UInt32,
    space.UINT64: _Type.UInt64,
    space.DOUBLE: _Type.Double,
    space.STRING: _Type.String,
    space.DATE_TIME: _Type.DateTime,
    space.BYTE_STRING: _Type.ByteString,
}


class Caller(NamedTuple):
    """Who calls, and what he may."""

    who: Who
    role: str


class Worker:
    """One call at a time in a thread; a few wait."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._n = 0

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return what ``work`` returns; Refusal when too many wait already."""
        if self._n > WAITING_MAX:
            raise Refusal("BadTooManyOperations")
        self._n += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._n -= 1


class ServiceCalls:
    """The services of one server.

    Parameters
    ----------
    desk : CommandDesk
        Records who acknowledged what.
    sessions : callable
        Gives the sessions that are open now.
    """

    def __init__(
        self, services: Services, desk: CommandDesk, sessions: Callable[[], Sequence[dict[str, Any]]]
    ) -> None:
        self._services, self._desk, self._sessions = services, desk, sessions
        self._worker = Worker()
        self._status: asyncio.Future[str] | None = None
        self._status_s = -math.inf
        self.object = node_id(OBJECT)
        self.methods: dict[Any, Service] = {node_id(s.key): s for s in SERVICES}
        self._work: dict[str, Callable[[Caller, list[Any]], Awaitable[list[Any]]]] = {
            "ReadModel": self._read_model,
            "ReadStatus": self._read_status,
            "ReadAlarms": self._read_alarms,
            "Acknowledge": self._acknowledge,
            "ReadEvents": self._read_events,
            "ReadTrend": self._read_trend,
            "ReadTestBench": self._read_test_bench,
        }

    async def call(self, service: Service, object_id: Any, given: Sequence[Any], caller: Caller) -> Any:
        """Return the result of one call; whatever goes wrong is a status code of its own."""
        result = ua.CallMethodResult()
        if object_id != self.object:
            return _failed(result, "BadMethodInvalid")
        if not may(caller.role, service.role):
            return _failed(result, "BadUserAccessDenied")
        if len(given) != len(service.inputs):
            few = len(given) < len(service.inputs)
            return _failed(result, "BadArgumentsMissing" if few else "BadTooManyArguments")
        wrong = [_type_problem(a, variant) for a, variant in zip(service.inputs, given, strict=True)]
        values = [] if any(wrong) else [v.Value for v in given]
        wrong = wrong if any(wrong) else _range_problems(service.name, values)
        if any(wrong):
            result.InputArgumentResults = [ua.StatusCode(getattr(_Codes, name or "Good")) for name in wrong]
            return _failed(result, "BadInvalidArgument")
        try:
            found = await self._work[service.name](caller, values)
        except Refusal as refusal:
            return _failed(result, refusal.status)
        result.InputArgumentResults = [ua.StatusCode() for _ in values]
        result.OutputArguments = [
            ua.Variant(value, _TYPE_OF[a.data_type], is_array=a.is_array)
            for a, value in zip(service.outputs, found, strict=True)
        ]
        return result

    # ---- one a service

    async def _read_model(self, caller: Caller, values: list[Any]) -> list[Any]:
        return [self._services.model()]

    async def _read_status(self, caller: Caller, values: list[Any]) -> list[Any]:
        """Return the status that is being made, or was a moment ago, with who asks in front of it."""
        is_old = time.monotonic() - self._status_s > STATUS_S
        if self._status is None or (self._status.done() and is_old):
            self._status_s = time.monotonic()
            work = self._worker.run(self._services.status, self._sessions())
            self._status = asyncio.ensure_future(work)
        text: str = await asyncio.shield(self._status)
        you = {"user": caller.who.user or "anonymous", "role": caller.role}
        return [f'{{"you":{json.dumps(you)},{text[1:]}']

    async def _read_alarms(self, caller: Caller, values: list[Any]) -> list[Any]:
        alarms = self._services.alarms
        return [alarms.json(), alarms.number]

    async def _acknowledge(self, caller: Caller, values: list[Any]) -> list[Any]:
        """Acknowledge what stands now: what changes while the record is written has not been seen."""
        tags, comment = list(dict.fromkeys(values[0] or ())), _shown(values[1] or "")
        book, who = self._services.alarms, caller.who
        seen = book.unacknowledged(tags)
        strange = [t for t in tags if t not in book.alarms]
        if strange and len(strange) == len(tags):
            raise Refusal("BadNodeIdUnknown")
        if seen:
            is_kept = await self._desk.note(
                "acknowledge",
                protocol=who.protocol,
                peer=who.peer,
                user=who.user,
                role=who.role,
                via=who.via,
                tags=sorted(seen),
                comment=comment,
            )
            if not is_kept:
                raise Refusal("BadDeviceFailure")
        count = book.acknowledge(seen, who.user, comment, time.time_ns())
        return [_said(count, len(seen) - count, strange), count]

    async def _read_events(self, caller: Caller, values: list[Any]) -> list[Any]:
        return list(await self._worker.run(self._services.events, *values))

    async def _read_trend(self, caller: Caller, values: list[Any]) -> list[Any]:
        tag, begin, end, n = values
        found = await self._services.trend(tag, ns_of(begin), ns_of(end), n)
        return [[utc(t) for t in found.utc_ns.tolist()], found.value.tolist(), found.quality.tolist()]

    async def _read_test_bench(self, caller: Caller, values: list[Any]) -> list[Any]:
        return [await self._worker.run(self._services.test_bench)]


def ns_of(instant: datetime) -> int:
    """Return an instant [ns since 1970 UTC], within what 64 bits hold."""
    known = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    return max(-_NS_MAX, min(_NS_MAX, utc_ns(known)))


def _type_problem(argument: space.Argument, variant: Any) -> str:
    """Return the status of an argument of the wrong type; an integer of any width is one."""
    value, kind = variant.Value, variant.VariantType
    if bool(variant.is_array) != argument.is_array and not (argument.is_array and value is None):
        return "BadTypeMismatch"
    due = _TYPE_OF[argument.data_type]
    if due in INTEGERS:
        is_right = kind in INTEGERS and type(value) is int
        low, high = INTEGERS[due]
        return "BadTypeMismatch" if not is_right else "" if low <= value <= high else "BadOutOfRange"
    if argument.is_array:
        items = value or []
        is_right = kind in (due, _Type.Null) and isinstance(items, list)
        return "" if is_right and all(isinstance(x, str) for x in items) else "BadTypeMismatch"
    if due is _Type.String:
        return "" if kind is due and (value is None or isinstance(value, str)) else "BadTypeMismatch"
    return "" if kind is due and isinstance(value, datetime) else "BadTypeMismatch"


def _range_problems(name: str, values: list[Any]) -> list[str]:
    """Return the status of each argument of the right type whose value cannot be."""
    outside = "BadOutOfRange"
    if name == "Acknowledge":
        long = len(values[1] or "") > COMMENT_MAX
        return [outside if len(values[0] or ()) > TAGS_MAX else "", outside if long else ""]
    if name == "ReadEvents":
        return ["", "" if 1 <= values[1] <= EVENTS_MAX else outside]
    if name == "ReadTrend":
        order = "" if ns_of(values[1]) <= ns_of(values[2]) else outside
        return [
            "" if values[0] else "BadNodeIdUnknown",
            order,
            "",
            "" if 2 <= values[3] <= TREND_MAX else outside,
        ]
    return [""] * len(values)


def _said(count: int, n_changed: int, strange: Sequence[str]) -> str:
    words = [f"{count} acknowledged" if count else "nothing was left to acknowledge"]
    words += [f"{n_changed} changed meanwhile and stay as they are"] if n_changed else []
    if strange:
        named = ", ".join(_shown(t[:64]) for t in strange[:NAMES_SHOWN])
        words.append(f"no alarms: {named}{' ...' if len(strange) > NAMES_SHOWN else ''}")
    return "; ".join(words)


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _failed(result: Any, status: str) -> Any:
    result.StatusCode = ua.StatusCode(getattr(_Codes, status))
    return result
