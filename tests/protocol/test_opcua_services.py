"""The services and arrays of a running station, asked over the wire by two clients that nobody here wrote.

One station for all tests, without forecasts; every role has a user.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, Server, ua

from hil import gateway_status, point_export
from hil.fault_library import place_table
from hil.recorder import run_folder, trend_files
from hil.services import alarm_file, test_bench
from hil.state_file import StateFile
from hil.station import read_plan
from hil.users import write_users
from protocols import opcua_array_list, opcua_services, opcua_space
from protocols.opcua_services import NEWEST
from tests.support import peers
from tests.support.station import Station, running, without_forecasts
from tests.support.users import one_of_each, password_of

ROOT = Path(__file__).resolve().parents[2]
T = ua.VariantType
OBJECT = ua.NodeId("services", 2)
RELAY_TRIP, BREAKER = "FDR_C.R_RCL_3107.TRIP", "FDR_C.RCL_3107"
IN_SERVICE = "FDR_A.R_CB_102.IN_SERVICE"
PROFILE = "arrays.VPROFILE.FDR_A.B"
SERVED_ONLY = "SUB.LOAD.SCALE_SP"


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    home = tmp_path_factory.mktemp("state")
    state = home / "gridhil" / "iowa240"
    state.mkdir(parents=True, mode=0o700)
    write_users(state, one_of_each())
    with running(home, without_forecasts(tmp_path_factory.mktemp("station"))) as live:
        yield live


def client(station: Station, role: str = "") -> Client:
    made = Client(station.url, timeout=20)
    made.session_timeout = 60_000
    if role:
        made.set_user(role)
        made.set_password(password_of(role))
    return made


@pytest.fixture
async def anyone(station: Station) -> AsyncIterator[Client]:
    async with client(station) as made:
        yield made


async def ask(who: Client, name: str, *arguments: Any, at: Any = OBJECT) -> tuple[str, list[Any]]:
    """Call a service; return its status and what came out."""
    request = ua.CallMethodRequest(
        ObjectId=at, MethodId=ua.NodeId(f"services.{name}", 2), InputArguments=list(arguments)
    )
    (result,) = await who.uaclient.call([request])
    return result.StatusCode.name, [v.Value for v in result.OutputArguments]


async def have(who: Client, name: str, *arguments: Any) -> Any:
    """Return what a service gives; one value where there is one."""
    status, found = await ask(who, name, *arguments)
    assert status == "Good", status
    return found[0] if len(found) == 1 else found


async def until(question: Callable[[], Awaitable[Any]], within_s: float = 20.0) -> Any:
    async with asyncio.timeout(within_s):
        while not (answer := await question()):
            await asyncio.sleep(0.05)
        return answer


def texts(*items: str) -> Any:
    return ua.Variant(list(items), T.String, is_array=True)


def text(item: str) -> Any:
    return ua.Variant(item, T.String)


async def alarms(who: Client) -> dict[str, dict[str, Any]]:
    rows, _ = await have(who, "ReadAlarms")
    return {row["tag"]: row for row in json.loads(rows)}


async def events(who: Client, since: int, n: int = 1000) -> tuple[int, list[dict[str, Any]]]:
    last, rows = await have(who, "ReadEvents", ua.Variant(since, T.UInt64), ua.Variant(n, T.UInt32))
    return last, json.loads(rows)


async def trend(who: Client, tag: str, begin: datetime, end: datetime, n: int) -> list[list[Any]]:
    found: list[list[Any]] = await have(
        who, "ReadTrend", text(tag), ua.Variant(begin, T.DateTime), ua.Variant(end, T.DateTime),
        ua.Variant(n, T.UInt32),
    )  # fmt: skip
    return found


async def write(who: Client, tag: str, value: Any, kind: Any = T.Double) -> None:
    await who.get_node(f"ns=2;s={tag}").write_value(ua.Variant(value, kind))


# ---- what there is


async def test_the_model_is_that_of_the_run_and_everybody_may_read_it(
    station: Station, anyone: Client
) -> None:
    found = json.loads(zlib.decompress(await have(anyone, "ReadModel")))
    assert [p["tag"] for p in found["points"]] == [p.tag for p in station.spec.points]
    assert found["station"]["run_id"] == station.spec.core["run_id"]
    assert {f["name"] for f in found["feeders"]} == {"FDR_A", "FDR_B", "FDR_C"}


async def test_the_printed_nodeset_is_what_the_server_shows(station: Station, anyone: Client) -> None:
    arrays = json.loads((station.run_dir / "arrays.json").read_text())
    nodes = [
        *opcua_services.nodes(station.spec.station),
        *opcua_array_list.nodes(station.spec.station, opcua_array_list.Arrays.from_dict(arrays)),
    ]
    plan = read_plan(station.spec.core["station"])
    printed = point_export.to_nodeset(station.spec.points, station.spec.station, plan.network)
    assert printed.endswith(
        opcua_space.nodeset([], station.spec.station, nodes).partition("</UAObject>\n")[2]
    )
    path = station.state / "nodes.xml"  # without the points: a stock server takes minutes to import them
    path.write_text(opcua_space.nodeset([], station.spec.station, nodes))
    stock = Server()
    await stock.init()
    await stock.import_xml(path)
    shown = (ua.AttributeIds.NodeClass, ua.AttributeIds.BrowseName, ua.AttributeIds.DisplayName)
    for node in nodes:
        key = ua.NodeId(node.key, 2)
        attributes = shown
        if node.node_class == "Variable":
            attributes += (ua.AttributeIds.DataType, ua.AttributeIds.ValueRank)
        if node.value is not None:
            attributes += (ua.AttributeIds.Value,)
        ours = await anyone.get_node(key).read_attributes(attributes)
        for attribute, data in zip(attributes, ours, strict=True):
            theirs = stock.iserver.aspace.read_attribute_value(key, attribute)
            assert _plain(data.Value.Value) == _plain(theirs.Value.Value), (node.key, attribute)
    await stock.iserver.stop()


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if hasattr(value, "ArrayDimensions"):  # an argument, of one class here and of another there
        return (value.Name, value.DataType, value.ValueRank, value.Description.Text)
    if hasattr(value, "UnitId"):
        return (value.UnitId, value.DisplayName.Text or "")
    return (value.Text or "") if hasattr(value, "Text") else value


async def test_methods_say_who_may_call_them(station: Station, anyone: Client) -> None:
    executable = ua.AttributeIds.UserExecutable
    acknowledge, read = (ua.NodeId(f"services.{n}", 2) for n in ("Acknowledge", "ReadAlarms"))
    assert (await anyone.get_node(read).read_attribute(executable)).Value.Value is True
    assert (await anyone.get_node(acknowledge).read_attribute(executable)).Value.Value is False
    async with client(station, "operator") as operator:
        assert (await operator.get_node(acknowledge).read_attribute(executable)).Value.Value is True


# ---- status


async def test_the_status_tells_of_processes_sessions_and_the_newest_command(station: Station) -> None:
    async with client(station, "operator") as operator:
        await write(operator, "SUB.TEST.SCRATCH1", 4711.0)

        async def told() -> Any:
            row = json.loads(await have(operator, "ReadStatus"))
            return row if row["commands"] else None

        row = await until(told)
        processes = {p["name"]: p for p in row["processes"]}
        assert {"core", "modbus", "opcua", "recorder", "estimator"} == processes.keys()
        assert {p["state"] for p in processes.values()} == {"serving"}
        assert processes["core"]["pid"] == station.pid("core")
        assert processes["opcua"]["pid"] == station.pid("opcua")
        assert "operator" in [s["role"] for s in row["sessions"]]
        newest = row["commands"][0]
        assert (newest["writes"], newest["result"]) == ([["SUB.TEST.SCRATCH1", 4711.0]], "DONE")
        assert newest["user"] == "operator"
        assert sum(row["loop"]["lateness_us"]["counts"]) > 0


# ---- alarms


async def test_an_alarm_is_acknowledged_by_an_operator_on_record(station: Station, anyone: Client) -> None:
    async with client(station, "engineer") as engineer, client(station, "operator") as operator:
        await write(engineer, IN_SERVICE, False, T.Boolean)
        await until(lambda: _is(anyone, IN_SERVICE, "unack_active"))
        status, _ = await ask(anyone, "Acknowledge", texts(IN_SERVICE), text(""))
        assert status == "BadUserAccessDenied"
        said, count = await have(operator, "Acknowledge", texts(IN_SERVICE), text("works on it"))
        assert (said, count) == ("1 acknowledged", 1)
        row = (await alarms(anyone))[IN_SERVICE]
        assert (row["state"], row["acked_by"], row["comment"]) == ("ack_active", "operator", "works on it")
        (record,) = [r for r in station.journal("opcua") if r["event"] == "acknowledge"]
        assert (record["user"], record["tags"], record["comment"]) == (
            "operator",
            [IN_SERVICE],
            "works on it",
        )
        await write(engineer, IN_SERVICE, True, T.Boolean)
        await until(lambda: _is(anyone, IN_SERVICE, ""))


async def _is(who: Client, tag: str, state: str) -> bool:
    return bool((await alarms(who)).get(tag, {"state": ""})["state"] == state)


async def test_a_trip_that_was_over_before_anybody_looked_is_an_alarm(
    station: Station, anyone: Client
) -> None:
    """A temporary fault behind a recloser: the relay's trip lasts for a moment."""
    last, _ = await events(anyone, NEWEST, 1)
    place = place_table(read_plan(station.spec.core["station"]).network).index("bus.rcl_3107_load_side")
    async with client(station, "instructor") as instructor:
        setup = {"PLACE": place, "TYPE": 2, "PHASES": 7, "R_OHM": 0.01, "LIFE": 1, "DEIONISE_S": 0.2}
        for name, value in setup.items():
            await write(instructor, f"LAB.FAULT_1.{name}", float(value))
        for tag in ("LAB.ARM.ARM", "LAB.FAULT_1.APPLY"):
            device = ua.NodeId(tag.rpartition(".")[0], 2)
            request = ua.CallMethodRequest(ObjectId=device, MethodId=ua.NodeId(tag, 2))
            (result,) = await instructor.uaclient.call([request])
            assert result.StatusCode.name == "Good"
    await until(lambda: _is(anyone, RELAY_TRIP, "unack_cleared"))

    async def recorded() -> Any:
        rows = (await events(anyone, last))[1]
        return rows if [r for r in rows if r["tag"] == RELAY_TRIP and r["new"] == 0.0] else None

    rows = await until(recorded)
    trip = [r for r in rows if r["tag"] == RELAY_TRIP]
    assert [r["text"] for r in trip[:2]] == ["OFF to ON", "ON to OFF"]
    row = (await alarms(anyone))[RELAY_TRIP]
    assert (
        abs(row["since_utc_ns"] - trip[0]["utc_ns"]) < 1_000
    )  # the instant of the plant, to the microsecond
    async with client(station, "operator") as operator:
        await have(operator, "Acknowledge", texts(), text(""))
    assert RELAY_TRIP not in await alarms(anyone)


async def test_an_alarm_stays_acknowledged_when_the_gateway_is_killed(station: Station) -> None:
    async with client(station, "engineer") as engineer, client(station, "operator") as operator:
        await write(engineer, IN_SERVICE, False, T.Boolean)
        await until(lambda: _is(operator, IN_SERVICE, "unack_active"))
        await have(operator, "Acknowledge", texts(IN_SERVICE), text(""))
    await until(lambda: _is_saved(station, IN_SERVICE, "ack_active"))
    pid = station.pid("opcua")
    os.kill(pid, signal.SIGKILL)
    await until(lambda: _restarted(station, pid), 60.0)
    station.remember()
    async with client(station, "engineer") as engineer:
        assert (await alarms(engineer))[IN_SERVICE]["state"] == "ack_active"
        await write(engineer, IN_SERVICE, True, T.Boolean)
        await until(lambda: _is(engineer, IN_SERVICE, ""))


async def _is_saved(station: Station, tag: str, state: str) -> bool:
    found = StateFile(station.spec.state_dir / alarm_file.FILE, alarm_file.KEY).read(pytest.fail)
    return found is not None and found["entries"].get(tag, {}).get("state") == state


async def _restarted(station: Station, pid: int) -> bool:
    found = gateway_status.read(station.spec.gateway_path("opcua"))
    return found is not None and found["pid"] not in (0, pid) and found["state"] == gateway_status.SERVING


# ---- events


async def test_events_are_paged_without_a_gap(anyone: Client) -> None:
    newest, _ = await events(anyone, NEWEST, 1)
    last, seen = 0, list[int]()
    while last < newest:
        last, rows = await events(anyone, last, 3)
        seen += [r["seq"] for r in rows]
    assert seen[:newest] == list(range(1, newest + 1))


async def test_a_command_is_an_event_with_who_gave_it(station: Station, anyone: Client) -> None:
    last, _ = await events(anyone, NEWEST, 1)
    async with client(station, "operator") as operator:
        await write(operator, SERVED_ONLY, 1.01)

    async def recorded() -> Any:
        return [r for r in (await events(anyone, last))[1] if r["tag"] == SERVED_ONLY]

    (row, *_) = await until(recorded)
    assert (row["kind"], row["who"], row["verdict"], row["new"]) == ("command", "opcua", "DONE", 1.01)
    assert row["text"] == "1.01 pu: done"


# ---- trends


async def test_a_trend_shows_a_step_that_was_commanded_a_moment_ago(station: Station, anyone: Client) -> None:
    begin = datetime.now(UTC)
    async with client(station, "operator") as operator:
        for value in (1.0, 1.03):
            await write(operator, SERVED_ONLY, value)
            await asyncio.sleep(1.5)
    times, values, qualities = await trend(anyone, SERVED_ONLY, begin, datetime.now(UTC), 1000)
    assert values[-1] == 1.03
    assert 1.0 in values
    assert times == sorted(times)
    assert times[-1] - times[0] < timedelta(seconds=60)
    assert set(qualities) == {0}


async def test_a_trend_goes_on_into_what_the_recorder_wrote(station: Station, anyone: Client) -> None:
    async def written() -> bool:
        return len(trend_files.files(run_folder.folder_of(station.spec) / trend_files.FOLDER)) >= 2

    await until(written, 60.0)
    now = datetime.now(UTC)
    times, values, _ = await trend(anyone, "SUB.LOOP.STEP", now - timedelta(hours=1), now, 10_000)
    steps = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
    assert len(times) > 10
    assert min(steps) < 0.5  # the recorder looks ten times a second, memory once
    assert values == sorted(values)
    assert len((await trend(anyone, "SUB.LOOP.STEP", now - timedelta(hours=1), now, 7))[0]) <= 7


async def test_a_point_that_is_none_has_no_trend(anyone: Client) -> None:
    now = datetime.now(UTC)
    status, _ = await ask(
        anyone, "ReadTrend", text("NO.SUCH"), ua.Variant(now, T.DateTime), ua.Variant(now, T.DateTime),
        ua.Variant(10, T.UInt32),
    )  # fmt: skip
    assert status == "BadNodeIdUnknown"


# ---- relay test


async def test_the_state_of_a_relay_test_is_that_of_its_file(station: Station, anyone: Client) -> None:
    assert await have(anyone, "ReadTestBench") == "{}"
    path = test_bench.path_of(station.run_dir)
    path.write_text('{"state":"finished","verdict":"PASS"}')
    try:
        assert json.loads(await have(anyone, "ReadTestBench")) == {"state": "finished", "verdict": "PASS"}
    finally:
        path.unlink()


# ---- arrays


async def test_an_array_has_the_values_of_its_points_in_per_unit(station: Station, anyone: Client) -> None:
    node = anyone.get_node(f"ns=2;s={PROFILE}")
    members = await anyone.get_node(f"ns=2;s={PROFILE}/Members").read_value()
    distances = await anyone.get_node(f"ns=2;s={PROFILE}/Distances").read_value()
    assert len(members) == len(distances)
    assert distances == sorted(distances)
    assert members[0] == "FDR_A.HEAD.VB"

    async def known() -> Any:  # a busy machine may hold the core up for longer than masters allow it
        values = await anyone.read_values([node, anyone.get_node(f"ns=2;s={members[0]}")])
        return values if all(map(math.isfinite, values[0])) else None

    per_unit, volts = await until(known)
    assert per_unit[0] == pytest.approx(volts / 7967.43, abs=0.01)
    assert all(0.8 < v < 1.2 for v in per_unit)


async def test_an_array_is_pushed_when_it_changes(station: Station, anyone: Client) -> None:
    came: list[list[float]] = []

    class Notes:
        def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
            came.append(value)

    subscription = await anyone.create_subscription(100, Notes())
    await subscription.subscribe_data_change([anyone.get_node(f"ns=2;s={PROFILE}")])
    async with client(station, "operator") as operator:
        await write(operator, SERVED_ONLY, 1.2)

        async def moved() -> bool:
            return len(came) >= 2 and abs(came[-1][-1] - came[0][-1]) > 1e-4

        await until(moved)
        await write(operator, SERVED_ONLY, 1.0)
    await subscription.delete()


async def test_the_largest_residuals_are_named_by_what_was_measured(station: Station, anyone: Client) -> None:
    async def estimated() -> Any:
        nodes = [anyone.get_node(f"ns=2;s=arrays.RESIDUALS.{n}") for n in ("RN", "TAGS")]
        values, tags = await anyone.read_values(nodes)
        return (values, tags) if values else None

    values, tags = await until(estimated, 60.0)
    assert len(values) == len(tags) <= 20
    sizes = [abs(v) for v in values]
    assert sizes == sorted(sizes, reverse=True)
    assert set(tags) <= station.index.keys()


# ---- hostile


HOSTILE: list[tuple[str, list[Any]]] = [
    ("ReadEvents", [ua.Variant("x" * 1000, T.String), ua.Variant(math.nan, T.Double)]),
    ("ReadEvents", [ua.Variant(2**64 - 2, T.UInt64), ua.Variant(2**32 - 1, T.UInt32)]),
    ("ReadEvents", [ua.Variant(None, T.Null), ua.Variant(None, T.Null)]),
    ("ReadEvents", [ua.Variant([1] * 5000, T.UInt64, is_array=True), ua.Variant(1, T.UInt32)]),
    ("ReadEvents", [ua.Variant([[1, 2], [3, 4]], T.UInt64), ua.Variant(1, T.UInt32)]),
    ("ReadTrend", [text("x" * 200_000), *[ua.Variant(datetime(1601, 1, 1), T.DateTime)] * 2, text("")]),
    ("ReadTrend", [text("\x00../../etc"), *[ua.Variant(math.inf, T.Double)] * 2, ua.Variant(5, T.UInt32)]),
    ("ReadTrend", []),
    ("Acknowledge", [texts(*["FDR_C.R_RCL_3107.TRIP"] * 6000), text("")]),
    ("Acknowledge", [texts(*["x" * 10] * 4000), text("y" * 100_000)]),
    ("Acknowledge", [ua.Variant([b"\xff\xfe"] * 5, T.ByteString, is_array=True), text("")]),
    ("ReadModel", [ua.Variant(1, T.Int32)] * 100),
    ("ReadStatus", [text("")]),
]


@pytest.mark.parametrize(("name", "arguments"), HOSTILE)
async def test_hostile_arguments_are_refused_and_the_server_goes_on(
    station: Station, name: str, arguments: list[Any]
) -> None:
    pid = station.pid("opcua")
    async with client(station, "operator") as operator:
        status, found = await ask(operator, name, *arguments)
        assert status.startswith("Bad"), (status, found)
        assert (await ask(operator, "ReadAlarms"))[0] == "Good"
    assert station.pid("opcua") == pid


async def test_a_service_of_another_object_and_too_many_at_once_are_refused(anyone: Client) -> None:
    assert (await ask(anyone, "ReadModel", at=ua.NodeId("SUB", 2)))[0] == "BadMethodInvalid"
    request = ua.CallMethodRequest(ObjectId=OBJECT, MethodId=ua.NodeId("services.ReadModel", 2))
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await anyone.uaclient.call([request] * 5)
    assert refused.value.code == ua.StatusCodes.BadTooManyOperations


async def test_many_who_ask_for_trends_do_not_hold_up_a_reader(station: Station, anyone: Client) -> None:
    """Values go on coming at the publishing rate while the helper is kept busy."""
    came: list[float] = []

    class Notes:
        def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
            came.append(time.monotonic())

    subscription = await anyone.create_subscription(100, Notes())
    await subscription.subscribe_data_change([anyone.get_node("ns=2;s=SUB.LOOP.STEP")])
    now = datetime.now(UTC)
    async with client(station) as a, client(station) as b:
        asked = [
            trend(w, t, now - timedelta(hours=1), now, 5000) for w in (a, b) for t in ("SUB.BUS1.VA",) * 8
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [a for a in answers if isinstance(a, list)]
    n = len(came)

    async def more() -> bool:
        return len(came) > n + 3

    await until(more)
    await subscription.delete()


# ---- other clients


def test_the_client_in_the_manual_runs(station: Station) -> None:
    manual = (ROOT / "docs" / "opcua.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", manual, re.S)
    here = code.replace("opc.tcp://127.0.0.1:4840/gridhil", station.url)
    assert here != code
    done = subprocess.run(
        [sys.executable, "-c", here], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(station.spec.points)} points" in done.stdout
    assert "'recorder': 'serving'" in done.stdout
    assert "values, the last" in done.stdout


def test_node_opcua_reads_every_service(station: Station) -> None:
    peers.require("node")
    peers.node_modules("node-opcua-client")
    begin = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    newest = [0xFFFFFFFF, 0xFFFFFFFF]  # as node-opcua has 64 bits
    plan: list[Any] = [
        ["call", "ns=2;s=services", "ns=2;s=services.ReadModel"],
        ["call", "ns=2;s=services", "ns=2;s=services.ReadStatus"],
        ["call", "ns=2;s=services", "ns=2;s=services.ReadAlarms"],
        ["call", "ns=2;s=services", "ns=2;s=services.ReadEvents", [["UInt64", newest], ["UInt32", 3]]],
        [
            "call", "ns=2;s=services", "ns=2;s=services.ReadTrend",
            [["String", "SUB.BUS1.VA"], ["DateTime", begin], ["DateTime", "2100-01-01"], ["UInt32", 50]],
        ],
        ["call", "ns=2;s=services", "ns=2;s=services.ReadTestBench"],
        ["call", "ns=2;s=services", "ns=2;s=services.Acknowledge", [["String", []], ["String", "none"]]],
        ["read", f"ns=2;s={PROFILE}"],
        ["watch", [f"ns=2;s={PROFILE}"], 500],
    ]  # fmt: skip
    done = peers.run_node(
        "opcua_master.js", station.url, "None", "operator", password_of("operator"), json.dumps(plan),
        package="node-opcua-client", timeout_s=90.0,
    )  # fmt: skip
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert "error" not in result, result["error"]
    steps = result["steps"]
    assert [s["status"] for s in steps[:8]] == ["Good"] * 8
    model = json.loads(zlib.decompress(base64.b64decode(steps[0]["outputs"][0])))
    assert len(model["points"]) == len(station.spec.points)
    assert steps[3]["types"] == ["UInt64", "String"]
    assert 1 <= len(json.loads(steps[3]["outputs"][1])) <= 3
    times, values, qualities = steps[4]["outputs"]
    assert len(times) == len(values) == len(qualities) >= 2
    assert steps[4]["types"] == ["DateTime", "Double", "Byte"]
    assert steps[6]["types"] == ["String", "UInt32"]
    assert len(model["points"]) > len(steps[7]["value"]) > 5
    assert steps[8][f"ns=2;s={PROFILE}"]["n"] >= 1
