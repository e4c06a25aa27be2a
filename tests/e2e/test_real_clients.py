"""Masters that nobody here wrote operate the real station: mbpoll, modbus-serial, node-opcua."""

from __future__ import annotations

import json
import math
import re
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asyncua import Client, ua

from tests.support import peers
from tests.support.station import Station, running, say, station_for_clients

CB = "FDR_B.CB_201"
HEAD_CURRENTS = [f"FDR_B.HEAD.I{p}" for p in "ABC"]
# Coils and contacts of CB_201 in unit 3, from the map.
TRIP, CLOSE, REMOTE, CONTACTS = 16, 17, 18, 16
SCRATCH_TAGS = {"V_SP": "SUB.SRC.V_SP", "SCALE_SP": "SUB.LOAD.SCALE_SP"}


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("state")
    with running(folder, station_for_clients(folder)) as live:
        yield live


def mbpoll(station: Station, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = peers.require("mbpoll")
    return subprocess.run(
        [program, "-m", "tcp", "-p", str(station.modbus_port), "-0", *arguments],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


def mbpoll_values(station: Station, unit: int, kind: str, first: int, count: int) -> list[float]:
    done = mbpoll(
        station, "-a", str(unit), "-t", kind, "-B", "-r", str(first), "-c", str(count), "-1", "127.0.0.1"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [float(x) for x in re.findall(r"^\[\d+\]:\s+(\S+)", done.stdout, re.MULTILINE)]


def node_opcua(station: Station, plan: list[Any], operator: bool = True) -> dict[str, Any]:
    user = ("operator", station.password) if operator else ("", "")
    mode = "SignAndEncrypt" if operator else "None"
    done = peers.run_node(
        "opcua_master.js",
        station.url,
        mode,
        *user,
        json.dumps(plan),
        package="node-opcua-client",
        timeout_s=60,
    )
    assert done.returncode == 0, done.stderr
    out: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert "error" not in out, out
    return out


def until(question: Callable[[], bool], within_s: float = 1.0) -> None:
    """Wait for something that follows from the physics; mechanisms take 60 ms."""
    deadline = time.monotonic() + within_s
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_closed(station: Station) -> bool:
    return station.value(f"{CB}.ST_52A") == 1.0 and station.value(f"{CB}.ST_52B") == 0.0


def is_open(station: Station) -> bool:
    return station.value(f"{CB}.ST_52A") == 0.0 and station.value(f"{CB}.ST_52B") == 1.0


@pytest.fixture
def closed(station: Station) -> Iterator[Station]:
    """Give a station with CB_201 closed in remote; put it back afterwards."""
    yield station
    with station.master() as m:
        m.ask(3, struct.pack(">BHH", 5, REMOTE, 0xFF00))
        m.ask(3, struct.pack(">BHH", 5, CLOSE, 0xFF00))
        m.ask(1, struct.pack(">BHHBf", 16, 100, 2, 4, 1.0))
        m.ask(1, struct.pack(">BHHBf", 16, 260, 2, 4, 1.0))
    until(lambda: is_closed(station))


# ---- mbpoll ---------------------------------------------------------------------------------------


def test_mbpoll_trips_and_closes_a_breaker_and_sees_the_feeder_go_dead_and_live(closed: Station) -> None:
    station = closed
    before = mbpoll_values(station, 3, "3:float", 112, 3)
    assert all(i > 10.0 for i in before), before
    assert mbpoll_values(station, 3, "1", CONTACTS, 2) == [1, 0]
    assert mbpoll(station, "-a", "3", "-t", "0", "-r", str(TRIP), "127.0.0.1", "1").returncode == 0
    until(lambda: is_open(station))
    assert mbpoll_values(station, 3, "3:float", 112, 3) == [0, 0, 0]
    assert mbpoll_values(station, 3, "1", CONTACTS, 2) == [0, 1]
    assert mbpoll(station, "-a", "3", "-t", "0", "-r", str(CLOSE), "127.0.0.1", "1").returncode == 0
    until(lambda: is_closed(station))
    after = mbpoll_values(station, 3, "3:float", 112, 3)
    # The same feeder a moment later; 2 % ripple per load averages out over some 60 loads.
    assert after == pytest.approx(before, rel=0.05)


@pytest.mark.parametrize(
    ("register", "value", "tag"), [(100, 2.0, "SUB.SRC.V_SP"), (260, 9.0, "SUB.LOAD.SCALE_SP")]
)
def test_mbpoll_is_refused_a_setpoint_out_of_range(
    station: Station, register: int, value: float, tag: str
) -> None:
    before = station.value(tag)
    done = mbpoll(station, "-a", "1", "-t", "4:float", "-B", "-r", str(register), "127.0.0.1", str(value))
    assert "Illegal data value" in done.stdout + done.stderr
    assert station.value(tag) == before
    refused = station.journal("modbus")[-1]
    assert (refused["event"], refused["result"]) == ("refused", "OUT_OF_RANGE")
    assert refused["writes"] == [[tag, value]]


@pytest.mark.parametrize("unit", [101, 102, 103, 104])
def test_mbpoll_is_refused_every_write_to_a_read_only_unit(station: Station, unit: int) -> None:
    before = station.snapshot()
    done = mbpoll(station, "-a", str(unit), "-t", "0", "-r", str(TRIP), "127.0.0.1", "1")
    assert "Illegal" in done.stdout + done.stderr
    assert is_closed(station)
    done = mbpoll(station, "-a", str(unit), "-t", "4", "-r", "300", "127.0.0.1", "7")
    assert "Illegal" in done.stdout + done.stderr
    assert station.value("SUB.TEST.SCRATCH1") == before.values[station.index["SUB.TEST.SCRATCH1"]]


# ---- raw, so that the travelling state and exact codes show ---------------------------------------


def test_contacts_pass_through_the_travelling_state_in_the_breaker_s_own_time(closed: Station) -> None:
    station = closed
    dt_ns = station.spec.core["dt_ns"]
    with station.master() as m:
        for coil, travel_ms, start, end in ((TRIP, 70, (1, 0), (0, 1)), (CLOSE, 80, (0, 1), (1, 0))):
            assert m.ask(3, struct.pack(">BHH", 5, coil, 0xFF00))[0] == 5
            seen = []
            commanded = [r for r in station.journal("modbus") if r["event"] == "verdict"][-1]["step"]
            deadline = time.monotonic() + 1.0
            while not seen or seen[-1][1] != end:
                s = station.snapshot()
                pair = tuple(int(s.values[station.index[f"{CB}.{n}"]]) for n in ("ST_52A", "ST_52B"))
                current = max(s.values[station.index[t]] for t in HEAD_CURRENTS)
                seen.append((s.step, pair, current))
                assert time.monotonic() < deadline, seen[-3:]
            assert {pair for _, pair, _ in seen} <= {start, (0, 0), end}
            assert (0, 0) in {pair for _, pair, _ in seen}
            last_travelling = max(step for step, pair, _ in seen if pair == (0, 0))
            travelled_ms = (last_travelling + 1 - commanded) * dt_ns / 1e6
            # The board is looked at between steps: one step early at most when a look is missed.
            assert travelled_ms == pytest.approx(travel_ms, abs=10 + 2 * dt_ns / 1e6)
            assert (seen[-1][2] > 10.0) == (end == (1, 0))


def test_a_breaker_in_local_refuses_trip_on_both_protocols(closed: Station) -> None:
    station = closed
    with station.master() as m:
        assert m.ask(3, struct.pack(">BHH", 5, REMOTE, 0))[0] == 5
        assert m.ask(3, struct.pack(">BHH", 5, TRIP, 0xFF00)) == bytes((0x85, 0x04))
        out = node_opcua(station, [["call", f"ns=2;s={CB}", f"ns=2;s={CB}.TRIP"]])
        assert out["steps"][0]["status"] == "BadInvalidState"
        time.sleep(0.1)
        assert is_closed(station)
        assert m.ask(3, struct.pack(">BHH", 5, REMOTE, 0xFF00))[0] == 5


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_modbus_refuses_what_is_not_a_finite_number(station: Station, value: float) -> None:
    with station.master() as m:
        assert m.ask(1, struct.pack(">BHHBf", 16, 100, 2, 4, value)) == bytes((0x90, 0x03))
    assert station.value("SUB.SRC.V_SP") == 1.0


# ---- npm modbus-serial ----------------------------------------------------------------------------


def test_modbus_serial_reads_trips_closes_and_is_refused(closed: Station) -> None:
    done = peers.run_node("modbus_station.js", str(closed.modbus_port), package="modbus-serial")
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout.splitlines()[-1])
    assert min(out["before"]) > 10.0
    assert out["contacts"] == [[True, False], [False, True], [True, False]]
    assert out["dead"] == [0, 0, 0]
    assert min(out["after"]) > 10.0
    assert out["outOfRange"] == [3, 3]
    assert out["mirrorWrite"] == 1
    assert closed.value("SUB.SRC.V_SP") == 1.0


# ---- node-opcua -----------------------------------------------------------------------------------


def test_node_opcua_trips_and_closes_a_breaker_and_sees_the_feeder(closed: Station) -> None:
    looks = [["read", f"ns=2;s={t}"] for t in [*HEAD_CURRENTS, f"{CB}.ST_52A", f"{CB}.ST_52B"]]
    wait = [["watch", [f"ns=2;s={CB}.ST_52A"], 400]]
    plan = [
        *looks,
        ["call", f"ns=2;s={CB}", f"ns=2;s={CB}.TRIP"],
        *wait,
        *looks,
        ["call", f"ns=2;s={CB}", f"ns=2;s={CB}.CLOSE"],
        *wait,
        *looks,
    ]
    steps = node_opcua(closed, plan)["steps"]
    before, trip, dead, close, after = steps[:5], steps[5], steps[7:12], steps[12], steps[14:19]
    assert (trip["status"], close["status"]) == ("Good", "Good")
    assert trip["outputs"][0] == "done"
    assert [s["value"] for s in before[3:]] == [True, False]
    assert [s["value"] for s in dead] == [0, 0, 0, False, True]
    assert [s["value"] for s in after[3:]] == [True, False]
    assert min(s["value"] for s in before[:3] + after[:3]) > 10.0


def test_node_opcua_is_refused_what_is_out_of_range_not_a_number_or_of_the_wrong_type(
    station: Station,
) -> None:
    plan = [
        ["write", "ns=2;s=SUB.SRC.V_SP", "Double", 2.0],
        ["write", "ns=2;s=SUB.LOAD.SCALE_SP", "Double", 9.0],
        ["write", "ns=2;s=SUB.SRC.V_SP", "String", "1.05"],
        ["write", "ns=2;s=SUB.SRC.V", "Double", 1.0],
    ]
    found = [s["status"] for s in node_opcua(station, plan)["steps"]]
    assert found == ["BadOutOfRange", "BadOutOfRange", "BadTypeMismatch", "BadNotWritable"]
    assert (station.value("SUB.SRC.V_SP"), station.value("SUB.LOAD.SCALE_SP")) == (1.0, 1.0)


def test_node_opcua_anonymous_reads_and_may_not_command(station: Station) -> None:
    plan = [
        ["read", "ns=2;s=SUB.SRC.V_SP"],
        ["write", "ns=2;s=SUB.SRC.V_SP", "Double", 1.02],
        ["call", f"ns=2;s={CB}", f"ns=2;s={CB}.TRIP"],
    ]
    read, write, call = node_opcua(station, plan, operator=False)["steps"]
    assert (read["status"], read["value"]) == ("Good", 1)
    assert (write["status"], call["status"]) == ("BadUserAccessDenied", "BadUserAccessDenied")
    time.sleep(0.1)
    assert is_closed(station)
    assert station.value("SUB.SRC.V_SP") == 1.0


async def test_opcua_refuses_nan_and_infinity_and_a_wrong_password(station: Station) -> None:
    client = Client(station.url, timeout=5)
    client.set_user("operator")
    client.set_password(station.password)
    async with client:
        node = client.get_node("ns=2;s=SUB.SRC.V_SP")
        for value in (math.nan, math.inf, -math.inf):
            with pytest.raises(ua.UaStatusCodeError) as refused:
                await node.write_value(ua.DataValue(ua.Variant(value, ua.VariantType.Double)))
            assert refused.value.code == ua.StatusCodes.BadOutOfRange
        await node.write_value(ua.DataValue(ua.Variant(1.02, ua.VariantType.Double)))
        assert await node.read_value() == 1.02
        await node.write_value(ua.DataValue(ua.Variant(1.0, ua.VariantType.Double)))
    assert station.value("SUB.SRC.V_SP") == 1.0
    stranger = Client(station.url, timeout=5)
    stranger.set_user("operator")
    stranger.set_password("not the password")
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await stranger.connect()
    assert refused.value.code in (
        ua.StatusCodes.BadUserAccessDenied,
        ua.StatusCodes.BadIdentityTokenRejected,
    )


def test_everything_that_was_commanded_is_in_the_journals(station: Station) -> None:
    for producer in ("modbus", "opcua"):
        records = station.journal(producer)
        wishes = [r for r in records if r["event"] == "command"]
        verdicts = [r for r in records if r["event"] == "verdict"]
        assert len(wishes) == len(verdicts) > 0
        assert [r["seq"] for r in records] == list(range(1, len(records) + 1))
        latencies = sorted(r["latency_us"] for r in verdicts)
        say(f"{producer}: {len(verdicts)} commands, median latency {latencies[len(latencies) // 2]} us")
