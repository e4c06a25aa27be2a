"""Calls of the services: what is refused, what waits, and that nobody is held up."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from asyncua import ua

from protocols.alarm_book import Alarm, AlarmBook
from protocols.command_desk import CommandDesk, Who
from protocols.gateway import Gateway
from protocols.opcua_array_list import Arrays
from protocols.opcua_calls import WAITING_MAX, Caller, ServiceCalls, ns_of
from protocols.opcua_services import NEWEST, Refusal
from protocols.trend import Trend
from tests.support.opcua_rig import MemoryAudit, station_points
from tests.support.python_core import PythonCore

T = ua.VariantType
ALARMS = ("FDR_B.CB_201.P52A", "FDR_B.CB_201.P52B")


class FullDisk(MemoryAudit):
    async def append(self, record: dict[str, Any]) -> None:
        raise OSError(28, "No space left on device")


class Held:
    """Services whose slow ones wait until they are let go."""

    def __init__(self) -> None:
        self.arrays = Arrays()
        self.alarms = AlarmBook(
            Alarm(tag=t, text="", severity="high", on=1, states=("off", "on")) for t in ALARMS
        )
        self.go = threading.Event()
        self.n_status = 0
        self.at_once = self.most_at_once = 0
        self.asked: list[Any] = []

    def model(self) -> bytes:
        return b"model"

    def status(self, sessions: Sequence[dict[str, Any]]) -> str:
        self.n_status += 1
        return json.dumps({"sessions": list(sessions)})

    def events(self, since: int, n: int) -> tuple[int, str]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.go.wait(10.0)
        self.at_once -= 1
        return since, "[]"

    def test_bench(self) -> str:
        raise Refusal("BadNoData")

    def swept(self, values: Any, quality: Any, utc_ns: int) -> None: ...

    async def trend(self, tag: str, from_ns: int, to_ns: int, n: int) -> Trend:
        self.asked.append((tag, from_ns, to_ns, n))
        return Trend(np.array([10_000, 20_000]), np.array([1.5, np.nan]), np.array([0, 128], np.uint8))


class Desk:
    """The calls of a station, asked as a session asks them."""

    def __init__(self, audit: MemoryAudit | None = None) -> None:
        points = station_points()
        core = PythonCore(points)
        self.audit, self.services = audit or MemoryAudit(), Held()
        desk = CommandDesk(Gateway(points, core.board, core.producer()), self.audit)
        self.calls = ServiceCalls(self.services, desk, lambda: [{"user": "ann"}])

    async def call(self, name: str, *arguments: Any, role: str = "operator", at: str = "services") -> Any:
        service = self.calls.methods[ua.NodeId(f"services.{name}", 2)]
        caller = Caller(Who("opcua", "peer:1", "ann", f"ns=2;s=services.{name}", role), role)
        return await self.calls.call(service, ua.NodeId(at, 2), list(arguments), caller)


def status(result: Any) -> str:
    return str(result.StatusCode.name)


def wrong(result: Any) -> list[str]:
    assert status(result) == "BadInvalidArgument"
    return [str(code.name) for code in result.InputArgumentResults]


def texts(*items: str) -> Any:
    return ua.Variant(list(items), T.String, is_array=True)


def number(value: int, kind: Any = T.UInt32) -> Any:
    return ua.Variant(value, kind)


ALL, NO_COMMENT = texts(), ua.Variant("", T.String)
LONG_AGO, FOREVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("ReadEvents", (number(1, T.UInt64), number(0)), ["Good", "BadOutOfRange"]),
        ("ReadEvents", (number(1, T.UInt64), number(1001)), ["Good", "BadOutOfRange"]),
        ("ReadEvents", (number(-1, T.Int64), number(5)), ["BadOutOfRange", "Good"]),
        ("ReadEvents", (ua.Variant("1", T.String), ua.Variant(1.0, T.Double)), ["BadTypeMismatch"] * 2),
        ("ReadEvents", (ua.Variant(True, T.Boolean), number(5)), ["BadTypeMismatch", "Good"]),
        ("ReadEvents", (ua.Variant([1, 2], T.UInt64, is_array=True), number(5)), ["BadTypeMismatch", "Good"]),
        ("ReadEvents", (ua.Variant(None, T.Null), number(5)), ["BadTypeMismatch", "Good"]),
        ("Acknowledge", (texts(*["X"] * 5001), NO_COMMENT), ["BadOutOfRange", "Good"]),
        ("Acknowledge", (ALL, ua.Variant("x" * 1_000_000, T.String)), ["Good", "BadOutOfRange"]),
        ("Acknowledge", (ua.Variant("X", T.String), NO_COMMENT), ["BadTypeMismatch", "Good"]),
        ("Acknowledge", (ua.Variant([1], T.Int32, is_array=True), NO_COMMENT), ["BadTypeMismatch", "Good"]),
    ],
)
async def test_arguments_that_cannot_be_are_refused_one_by_one(
    name: str, given: tuple[Any, ...], expected: list[str]
) -> None:
    assert wrong(await Desk().call(name, *given)) == expected


@pytest.mark.parametrize(
    ("tag", "begin", "end", "n", "expected"),
    [
        ("", LONG_AGO, FOREVER, 10, ["BadNodeIdUnknown", "Good", "Good", "Good"]),
        ("X", FOREVER, LONG_AGO, 10, ["Good", "BadOutOfRange", "Good", "Good"]),
        ("X", LONG_AGO, FOREVER, 1, ["Good", "Good", "Good", "BadOutOfRange"]),
        ("X", LONG_AGO, FOREVER, 10_001, ["Good", "Good", "Good", "BadOutOfRange"]),
    ],
)
async def test_a_trend_of_nothing_backwards_or_of_too_many_values_is_refused(
    tag: str, begin: datetime, end: datetime, n: int, expected: list[str]
) -> None:
    given = (ua.Variant(tag, T.String), ua.Variant(begin, T.DateTime), ua.Variant(end, T.DateTime), number(n))
    assert wrong(await Desk().call("ReadTrend", *given)) == expected


async def test_dates_at_the_ends_of_the_calendar_are_taken() -> None:
    desk = Desk()
    naive = ua.Variant(datetime(1, 1, 1), T.DateTime)
    given = (ua.Variant("X", T.String), naive, ua.Variant(FOREVER, T.DateTime), number(10))
    result = await desk.call("ReadTrend", *given)
    assert status(result) == "Good"
    assert desk.services.asked == [("X", -(2**63) + 1, 2**63 - 1, 10)]
    times, values, qualities = (v.Value for v in result.OutputArguments)
    assert times == [datetime(1970, 1, 1, 0, 0, 0, k, tzinfo=UTC) for k in (10, 20)]
    assert values[0] == 1.5 and np.isnan(values[1]) and qualities == [0, 128]


def test_an_instant_becomes_nanoseconds_and_a_naive_one_is_utc() -> None:
    assert ns_of(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == 1_000_005_000
    assert ns_of(datetime(1970, 1, 1, 0, 0, 1)) == 1_000_000_000


async def test_too_few_and_too_many_arguments_and_the_wrong_object_are_refused() -> None:
    desk = Desk()
    assert status(await desk.call("ReadEvents", number(1))) == "BadArgumentsMissing"
    assert status(await desk.call("ReadModel", number(1))) == "BadTooManyArguments"
    assert status(await desk.call("ReadModel", at="SUB")) == "BadMethodInvalid"


async def test_an_integer_of_another_width_is_taken() -> None:
    desk = Desk()
    desk.services.go.set()
    result = await desk.call("ReadEvents", number(7, T.Int64), number(5, T.Int64))
    assert [v.Value for v in result.OutputArguments] == [7, "[]"]
    assert [v.VariantType for v in result.OutputArguments] == [T.UInt64, T.String]


async def test_a_refusal_of_a_service_is_its_status_code() -> None:
    assert status(await Desk().call("ReadTestBench")) == "BadNoData"


# ---- many calls


async def test_one_call_works_a_few_wait_and_others_are_told_to_come_again() -> None:
    desk = Desk()
    asked = [
        asyncio.create_task(desk.call("ReadEvents", number(NEWEST, T.UInt64), number(1)))
        for _ in range(WAITING_MAX + 8)
    ]
    await asyncio.sleep(0.05)
    refused = [t for t in asked if t.done()]
    assert {status(t.result()) for t in refused} == {"BadTooManyOperations"}
    assert len(refused) == 7
    assert status(await desk.call("ReadAlarms")) == "Good"  # what needs no thread goes on
    desk.services.go.set()
    done = await asyncio.gather(*asked)
    assert [status(r) for r in done].count("Good") == WAITING_MAX + 1
    assert desk.services.most_at_once == 1


async def test_a_status_is_made_once_for_all_who_ask_at_the_same_time() -> None:
    desk = Desk()
    desk.services.go.set()
    first, *others = await asyncio.gather(*(desk.call("ReadStatus") for _ in range(WAITING_MAX + 20)))
    assert all(other.OutputArguments == first.OutputArguments for other in others)
    assert desk.services.n_status == 1
    assert json.loads(first.OutputArguments[0].Value) == {
        "you": {"user": "ann", "role": "operator"},
        "sessions": [{"user": "ann"}],
    }


# ---- acknowledge


def raised(desk: Desk) -> None:
    for k, tag in enumerate(ALARMS):
        desk.services.alarms.take(tag, 1.0, k)


async def test_all_alarms_are_acknowledged_and_it_is_recorded_who_did() -> None:
    desk = Desk()
    raised(desk)
    result = await desk.call("Acknowledge", ALL, ua.Variant("crew\x07 is there", T.String))
    assert [v.Value for v in result.OutputArguments] == ["2 acknowledged", 2]
    (record,) = desk.audit.records
    assert (record["event"], record["user"], record["tags"]) == ("acknowledge", "ann", sorted(ALARMS))
    assert record["comment"] == "crew? is there"
    assert {r["state"] for r in desk.services.alarms.rows()} == {"ack_active"}


async def test_what_cannot_be_recorded_is_not_acknowledged() -> None:
    desk = Desk(FullDisk())
    raised(desk)
    assert status(await desk.call("Acknowledge", ALL, NO_COMMENT)) == "BadDeviceFailure"
    assert {r["state"] for r in desk.services.alarms.rows()} == {"unack_active"}


async def test_what_changes_while_the_record_is_written_stays_to_be_acknowledged() -> None:
    desk = Desk()
    raised(desk)

    async def slow(record: dict[str, Any]) -> None:
        desk.services.alarms.take(ALARMS[0], 0.0, 5)
        desk.services.alarms.take(ALARMS[0], 1.0, 6)

    desk.audit.append = slow  # type: ignore[method-assign]
    result = await desk.call("Acknowledge", ALL, NO_COMMENT)
    assert result.OutputArguments[0].Value == "1 acknowledged; 1 changed meanwhile and stay as they are"
    assert {r["tag"]: r["state"] for r in desk.services.alarms.rows()}[ALARMS[0]] == "unack_active"


async def test_tags_that_are_no_alarms_are_named_and_alone_refused() -> None:
    desk = Desk()
    raised(desk)
    result = await desk.call("Acknowledge", texts(ALARMS[0], "NO.SUCH"), NO_COMMENT)
    assert result.OutputArguments[0].Value == "1 acknowledged; no alarms: NO.SUCH"
    assert status(await desk.call("Acknowledge", texts("NO.SUCH"), NO_COMMENT)) == "BadNodeIdUnknown"


async def test_nothing_left_to_acknowledge_is_no_record() -> None:
    desk = Desk()
    result = await desk.call("Acknowledge", ALL, NO_COMMENT)
    assert [v.Value for v in result.OutputArguments] == ["nothing was left to acknowledge", 0]
    assert desk.audit.records == []


async def test_an_observer_reads_and_does_not_acknowledge() -> None:
    desk = Desk()
    raised(desk)
    assert status(await desk.call("ReadModel", role="observer")) == "Good"
    assert status(await desk.call("Acknowledge", ALL, NO_COMMENT, role="observer")) == "BadUserAccessDenied"
    assert {r["state"] for r in desk.services.alarms.rows()} == {"unack_active"}
