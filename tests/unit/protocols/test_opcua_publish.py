"""The publisher: what counts as a change, what happens when a round does not fit its period."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData

from protocols.gateway import Gateway
from protocols.opcua_publish import Publisher, status_table, utc
from protocols.opcua_settings import OpcuaSettings, is_loopback
from protocols.status_events import StatusEvents
from rtcore import ring as rg
from rtcore.points import Kind
from rtcore.quality import Quality
from tests.support.opcua_rig import point
from tests.support.python_core import PythonCore

POINTS = [
    point("A.B.V", deadband=2.0),
    point("A.B.S", Kind.STATUS, states=("off", "on"), deadband=5.0),
    point("A.B.SP", Kind.SETPOINT, deadband=5.0),
]


class NoSubscriptions:
    async def tick(self, slack_s: float) -> None:
        return


@pytest.fixture
def core() -> PythonCore:
    core = PythonCore(POINTS, period_s=10.0)  # its heartbeat stays young for the whole test
    core.value_of = lambda i, step: 0.0
    core.tick()
    return core


def publisher(core: PythonCore, publish_ms: float = 100.0, events: StatusEvents | None = None) -> Publisher:
    records = {}
    for i, p in enumerate(POINTS):
        record = NodeData(ua.NodeId(p.tag, 2))
        record.attributes[ua.AttributeIds.Value] = AttributeValue(ua.DataValue())
        records[i] = record
    subscriptions: Any = NoSubscriptions()
    gateway = Gateway(POINTS, core.board, core.producer(), events)
    return Publisher(gateway, records, subscriptions, publish_ms)


def test_the_first_sweep_reports_everything_and_the_next_nothing(core: PythonCore) -> None:
    p = publisher(core)
    assert [p.sweep(), p.sweep()] == [3, 0]


def test_analog_points_obey_their_deadband_and_bits_and_setpoints_have_none(core: PythonCore) -> None:
    p = publisher(core)
    p.sweep()
    core.value_of = lambda i, step: 1.0
    core.setpoints[2] = 0.001
    core.tick()
    assert p.sweep() == 2
    assert p.current(0).Value.Value == 1.0  # a read shows the value all the same
    core.value_of = lambda i, step: 1.0 if i else 2.1  # drifts past 2 V from what was reported
    core.tick()
    assert p.sweep() == 1


def test_statuses_are_told_change_by_change_with_the_instants_of_the_plant() -> None:
    core = PythonCore(POINTS, period_s=10.0)
    core.value_of = lambda i, step: 0.0
    core.tick()
    memory = bytearray(rg.EVENT_BYTES)
    p = publisher(core, events=StatusEvents(rg.EventReader(memory)))
    p.sweep()
    told: list[tuple[bool, Any]] = []

    class Item:
        def notify(self, handle: int, data: Any) -> None:
            told.append((data.Value.Value, data.SourceTimestamp))

        def callback(self) -> None: ...

    p._values_of[1].datachange_callbacks[1] = Item().callback  # as asyncua keeps them
    watched: list[tuple[int, float, int]] = []
    p.watch([1], lambda *change: watched.append(change))
    words = np.frombuffer(memory, np.int64)[rg.HEADER_WORDS :]
    for k, (new, utc_ns) in enumerate([(1, 1_000_250_000), (0, 1_000_750_000), (1, 1_003_125_000)]):
        at = rg.RECORDS_AT + k * rg.RECORD_WORDS
        words[at : at + 6] = (core.step, utc_ns, rg.EVENT_STATUS, 1, 1 - new, new)
    words[rg.HEAD] = 3
    core.value_of = lambda i, step: 1.0 if i == 1 else 0.0
    core.tick()
    assert p.sweep() == 3  # the snapshot, which shows the last of them, is no news
    assert told == [(True, utc(1_000_250_000)), (False, utc(1_000_750_000)), (True, utc(1_003_125_000))]
    assert watched == [(1, 1.0, 1_000_250_000), (1, 0.0, 1_000_750_000), (1, 1.0, 1_003_125_000)]
    assert p.sweep() == 0


def test_a_watched_status_is_not_told_while_it_is_bad(core: PythonCore) -> None:
    p = publisher(core)
    watched: list[tuple[int, float]] = []
    p.watch([1], lambda index, value, _utc_ns: watched.append((index, value)))
    core.set_quality("A.B.S", Quality.BAD_SENSOR)
    core.value_of = lambda i, step: 1.0
    core.tick()
    p.sweep()
    assert watched == []
    core.set_quality("A.B.S", Quality.GOOD)
    core.tick()
    p.sweep()
    assert watched == [(1, 1.0)]


def test_who_follows_gets_the_image_of_every_sweep(core: PythonCore) -> None:
    p = publisher(core)
    images: list[tuple[float, int, int]] = []
    p.follow(lambda values, quality, utc_ns: images.append((values[0], int(quality[0]), utc_ns)))
    core.value_of = lambda i, step: 7.5
    core.tick()
    p.sweep()
    snapshot = core.board.read()
    assert snapshot is not None
    assert images == [(7.5, 0, snapshot.utc_ns // 1000 * 1000)]


def test_a_change_of_quality_alone_is_reported(core: PythonCore) -> None:
    p = publisher(core)
    p.sweep()
    core.set_quality("A.B.V", Quality.BAD_SENSOR)
    core.tick()
    assert p.sweep() == 1
    assert p.current(0).StatusCode.value == ua.StatusCodes.BadSensorFailure


def test_source_time_is_the_steps_and_to_the_microsecond(core: PythonCore) -> None:
    p = publisher(core)
    p.sweep()
    snapshot = core.board.read()
    assert snapshot is not None
    assert p.current(0).SourceTimestamp == utc(snapshot.utc_ns)
    assert utc(1_500_000_000_123_456_789).microsecond == 123456


def test_an_unknown_quality_byte_is_bad() -> None:
    assert status_table()[255].value == ua.StatusCodes.Bad


async def test_a_round_that_does_not_fit_stretches_the_tier_and_leaves_time_to_others(
    core: PythonCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = publisher(core, publish_ms=20.0)
    rounds = []

    def slow() -> int:
        rounds.append(time.monotonic())
        time.sleep(0.05)
        return 0

    monkeypatch.setattr(p, "sweep", slow)
    task = asyncio.create_task(p.run())
    await asyncio.sleep(0.5)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert p.n_stretched >= 3
    # each round is 50 ms of work and at least 20 ms (one period) for everybody else
    assert min(b - a for a, b in itertools.pairwise(rounds)) > 0.065


@pytest.mark.parametrize(
    ("host", "offered"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("192.0.2.1", False)],
)
def test_the_none_policy_and_plain_passwords_are_for_loopback_only(host: str, offered: bool) -> None:
    settings = OpcuaSettings(host=host)
    assert (is_loopback(host), settings.offers_none, settings.takes_plain_password) == (offered,) * 3
    assert not OpcuaSettings(host=host, none_policy_on_loopback=False).takes_plain_password


def test_settings_take_the_stations_table_and_leave_the_rest_at_the_defaults() -> None:
    settings = OpcuaSettings.of({"port": 0, "publish_ms": 50.0, "enabled": True})
    assert (settings.port, settings.publish_ms) == (0, 50.0)
    assert (settings.max_connections, settings.session_timeout_ms) == (64, 60_000.0)
