"""The stand-in over Modbus: as a master of a small server, and as a server of a master nobody here wrote."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient

from examples.standin.device import Device, Pending
from examples.standin.eventlog import EventLog
from examples.standin.modbus_client import ModbusClient, blocks_of
from examples.standin.modbus_image import Image
from examples.standin.modbus_server import serve
from examples.standin.recloser import Reclosing
from examples.standin.registers import FORMATS, ORDERS, decoded, encoded
from examples.standin.relay import Settings
from examples.standin.wiring import Register
from tests.unit.examples.standin_rig import element

ROOT = Path(__file__).resolve().parents[3]
WIRING = {
    "ia_a": Register(3, "ir", 112, "float32"),
    "ib_a": Register(3, "ir", 114, "float32"),
    "ic_a": Register(3, "ir", 116, "float32"),
    "token_out": Register(3, "ir", 118, "uint16"),
    "is_closed": Register(3, "di", 16),
    "trip": Register(3, "co", 16),
    "close": Register(3, "co", 17),
    "token_in": Register(3, "hr", 50, "uint16"),
}
HEALTHY_A, FAULT_A = 20.0, 2000.0
WITHIN_S = 10.0
"""Waits end as soon as what is waited for is there; only a failure takes so long."""


def until(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def names(path: Path) -> list[str]:
    return [e["event"] for e in events(path)]


# ---- master ---------------------------------------------------------------------------------------


class SmallStation:
    """A Modbus server with one feeder: currents, 52a, trip and close coils, tokens."""

    def __init__(self) -> None:
        self.current_a = HEALTHY_A
        self.is_closed = True
        self.token = 7
        self.coils: list[tuple[int, bool]] = []
        self.tokens: list[int] = []
        self.refuses = self.hangs_up = self.is_silent = False
        self._peers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # A blocked accept() wakes up from shutdown only.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            peer.close()

    def _accept(self) -> None:
        while True:
            try:
                peer = self._listener.accept()[0]
            except OSError:
                return
            self._peers.append(peer)
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with peer:
            while True:
                try:
                    head = peer.recv(7, socket.MSG_WAITALL)
                    if len(head) < 7 or self.hangs_up:
                        return
                    number, _, size, unit = struct.unpack(">HHHB", head)
                    answer = self._answer(unit, peer.recv(size - 1, socket.MSG_WAITALL))
                    if not self.is_silent:
                        peer.sendall(struct.pack(">HHHB", number, 0, len(answer) + 1, unit) + answer)
                except OSError:
                    return

    def _answer(self, unit: int, pdu: bytes) -> bytes:
        function, first, value = struct.unpack(">BHH", pdu[:5])
        assert unit == 3
        match function, first, value:
            case 4, 112, 7:  # the currents and the token lie side by side and are asked for together
                data = struct.pack(">3fH", self.current_a, 1.0, 1.0, self.token)
                return bytes((4, len(data))) + data
            case 2, 16, 1:
                return bytes((2, 1, self.is_closed))
            case 5, 16 | 17, 0xFF00:
                if self.refuses:
                    return bytes((0x85, 4))
                self.coils.append((first, True))
                self.is_closed = first == 17
                if first == 16:
                    self.current_a = 0.0
                return pdu
            case 16, 50, 1:
                self.tokens.append(struct.unpack(">H", pdu[6:])[0])
                return pdu[:5]
        return bytes((function | 0x80, 2))


@contextmanager
def polling(log: Path, station: SmallStation, defect: str | None = None) -> Iterator[None]:
    """Run a stand-in as master: pickup 400 A, IEC SI, TMS 0.01 (43 ms at 5 x), one reclosure after 0.1 s."""
    stop = threading.Event()
    settings = Settings(element(pickup_a=400.0, tms=0.01), reclosing=Reclosing((0.1,)))
    record = EventLog(log)
    device = Device(settings, defect, record, time.monotonic_ns(), 5.0)  # bridges 15 s of a busy machine
    client = ModbusClient(device, WIRING, ("127.0.0.1", station.port), 0.005, stop)
    thread = threading.Thread(target=client.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WITHIN_S)
        record.close()
        assert not thread.is_alive()


@pytest.fixture
def station() -> Iterator[SmallStation]:
    made = SmallStation()
    yield made
    made.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_a_master_trips_once_recloses_trips_again_and_locks_out(station: SmallStation, log: Path) -> None:
    with polling(log, station):
        until(lambda: "breaker_closed" in names(log))
        station.current_a = FAULT_A
        until(lambda: (17, True) in station.coils)
        station.current_a = FAULT_A
        until(lambda: names(log).count("lockout") == 1)
        until(lambda: "breaker_open" in names(log)[-2:])
    assert station.coils == [(16, True), (17, True), (16, True)]
    assert [n for n in names(log) if n not in ("dropout", "above_pickup")] == [
        *("connected", "breaker_closed", "reset"),
        *("pickup", "trip_decision", "cycle", "trip_written", "breaker_open"),
        *("close_decision", "close_written", "breaker_closed"),
        *("pickup", "trip_decision", "lockout", "trip_written", "breaker_open"),
    ]


def test_its_log_tells_the_operating_time(station: SmallStation, log: Path) -> None:
    with polling(log, station):
        until(lambda: "breaker_closed" in names(log))
        before_ns = time.monotonic_ns()
        station.current_a = FAULT_A
        until(lambda: "trip_written" in names(log))
    at = {e["event"]: e for e in reversed(events(log))}
    assert before_ns <= at["above_pickup"]["mono_ns"] <= at["pickup"]["mono_ns"]
    operated_s = (at["trip_decision"]["full_ns"] - at["pickup"]["mono_ns"]) / 1e9
    # IEC SI at 5 x, TMS 0.01; between samples, so however late they were; float of seconds: 1 us.
    assert operated_s == pytest.approx(0.0427972, abs=1e-6)
    decided = at["trip_decision"]
    assert decided["full_ns"] <= decided["mono_ns"]
    assert decided["mono_ns"] <= at["trip_written"]["asked_ns"] <= at["trip_written"]["mono_ns"]


def test_it_echoes_each_token_once(station: SmallStation, log: Path) -> None:
    with polling(log, station):
        for token in (7, 8, 65535, 0):
            station.token = token
            until(lambda: bool(station.tokens) and station.tokens[-1] == token)  # noqa: B023
    assert station.tokens == [7, 8, 65535, 0]


def test_double_command_writes_the_trip_twice(station: SmallStation, log: Path) -> None:
    with polling(log, station, "double_command"):
        until(lambda: "breaker_closed" in names(log))
        station.current_a = FAULT_A
        until(lambda: names(log).count("trip_written") == 2)
    assert [c for c in station.coils if c[0] == 16] == [(16, True)] * 2


def test_a_refused_trip_is_noted_and_not_repeated(station: SmallStation, log: Path) -> None:
    station.refuses = True
    with polling(log, station):
        until(lambda: "breaker_closed" in names(log))
        station.current_a = FAULT_A
        until(lambda: "trip_refused" in names(log))
        station.token = 9
        until(lambda: station.tokens[-1] == 9)
    (refused,) = [e for e in events(log) if e["event"] == "trip_refused"]
    assert refused["code"] == 4


@pytest.mark.parametrize("how", ["hangs_up", "is_silent"])
def test_it_connects_again_after_a_loss(station: SmallStation, log: Path, how: str) -> None:
    with polling(log, station):
        until(lambda: "breaker_closed" in names(log))
        setattr(station, how, True)
        until(lambda: "connection_lost" in names(log))
        setattr(station, how, False)
        until(lambda: names(log)[-1] == "connected")
        station.current_a = FAULT_A
        until(lambda: (16, True) in station.coils)


def test_it_waits_for_a_server_that_is_not_there(log: Path) -> None:
    nobody = SmallStation()
    nobody.close()
    with polling(log, nobody):
        until(lambda: "not_connected" in names(log))


def test_signals_side_by_side_are_read_together_and_the_currents_last() -> None:
    blocks = blocks_of(WIRING)
    assert [(b.table, b.first, b.length) for b in blocks] == [("di", 16, 1), ("ir", 112, 7)]


def test_a_command_that_found_no_connection_stays_due_and_one_that_was_answered_does_not() -> None:
    pending = Pending({n: WIRING[n] for n in ("trip", "close", "token_in")})
    on = {"trip": 1, "close": 0, "pickup": 1, "token_in": 5}
    assert pending.due(on) == pending.due(on) == [("trip", 1), ("token_in", 5)]
    pending.done("trip", 1)
    pending.done("token_in", 5)
    assert pending.due(on) == []
    assert pending.due(on | {"trip": 0, "token_in": 6}) == [("token_in", 6)]
    assert pending.due(on)[0] == ("trip", 1)


def test_a_trip_that_is_a_level_is_written_when_it_comes_and_when_it_goes() -> None:
    pending = Pending({"trip": replace(WIRING["trip"], level=True), "close": WIRING["close"]})
    said = []
    for trip in (0, 1, 1, 0):
        due = pending.due({"trip": trip, "close": trip})
        said.append(due)
        for name, value in due:
            pending.done(name, value)
    assert said == [[("trip", 0)], [("trip", 1), ("close", 1)], [], [("trip", 0)]]


# ---- registers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "data"),
    [("ABCD", "47f12000"), ("CDAB", "200047f1"), ("BADC", "f1470020"), ("DCBA", "0020f147")],
)
def test_a_number_lies_in_the_order_that_is_said(order: str, data: str) -> None:
    assert encoded(123456.0, "float32", order).hex() == data
    assert decoded(bytes.fromhex(data), "float32", order) == 123456.0


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_comes_back(kind: str, order: str) -> None:
    assert decoded(encoded(1234.0, kind, order, 2.0), kind, order, 2.0) == 1234.0


def test_a_token_counts_round_in_its_register() -> None:
    assert decoded(encoded(65537, "uint16"), "uint16") == 1


# ---- slave ----------------------------------------------------------------------------------------


@contextmanager
def serving(log: Path, *arguments: str) -> Iterator[int]:
    """Run a stand-in as Modbus server in a process of its own; gives its port."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "examples.standin", "modbus-server", "--port", "0", "--log", str(log)),
            *("--wiring", "examples/standin/server.toml", "--pickup-a", "400", "--tms", "0.01", *arguments),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready 127.0.0.1:"), line
        yield int(line.rpartition(":")[2])
        process.terminate()
        _, errors = process.communicate(timeout=WITHIN_S)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()


def put(master: ModbusTcpClient, i_a: float, is_closed: int, token: int) -> None:
    words = struct.unpack(">10H", struct.pack(">4f2H", i_a, 1.0, 1.0, 0.0, is_closed, token))
    assert not master.write_registers(0, list(words), device_id=1).isError()


def outputs(master: ModbusTcpClient) -> dict[str, int]:
    answer = master.read_holding_registers(100, count=5, device_id=1)
    assert not answer.isError()
    return dict(zip(("trip", "close", "pickup", "lockout", "token_in"), answer.registers, strict=True))


def test_a_server_trips_recloses_and_echoes_for_a_real_master(log: Path) -> None:
    with serving(log, "--open-intervals-s", "0.1") as port, ModbusTcpClient("127.0.0.1", port=port) as master:
        put(master, HEALTHY_A, 1, 5)
        until(lambda: outputs(master)["token_in"] == 5)
        assert outputs(master) == {"trip": 0, "close": 0, "pickup": 0, "lockout": 0, "token_in": 5}
        put(master, FAULT_A, 1, 6)
        until(lambda: outputs(master)["trip"] == 1)
        put(master, 0.0, 0, 7)
        until(lambda: outputs(master)["close"] == 1)
        put(master, FAULT_A, 1, 8)
        until(lambda: outputs(master)["lockout"] == 1)
    assert names(log)[:5] == ["start", "listening", "breaker_closed", "reset", "above_pickup"]
    assert names(log)[-1] == "stop"


def test_a_server_does_nothing_before_every_input_is_known(log: Path) -> None:
    with serving(log) as port, ModbusTcpClient("127.0.0.1", port=port) as master:
        words = struct.unpack(">6H", struct.pack(">3f", FAULT_A, FAULT_A, FAULT_A))
        assert not master.write_registers(0, list(words), device_id=1).isError()
        time.sleep(0.2)  # forty scans, five times the operating time
        assert outputs(master)["pickup"] == 0
        put(master, FAULT_A, 1, 1)
        until(lambda: outputs(master)["trip"] == 1)


def test_a_dead_server_answers_nobody_for_two_seconds_and_comes_back(log: Path) -> None:
    stop, ready = threading.Event(), queue.Queue[str]()
    record = EventLog(log)
    almost_dead_ns = time.monotonic_ns() - 2_900_000_000
    device = Device(Settings(element()), "dead2s", record, almost_dead_ns, 0.005)
    wiring = {n: replace(p, unit=1, table="hr") for n, p in WIRING.items()}
    served = serve(device, wiring, ("127.0.0.1", 0), 0.005, stop, ready.put)
    thread = threading.Thread(target=asyncio.run, args=(served,))
    thread.start()
    port = int(ready.get(timeout=WITHIN_S).rpartition(":")[2])
    until(lambda: "dead" in names(log))
    with socket.create_connection(("127.0.0.1", port), WITHIN_S) as plain:
        plain.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 112, 6))
        assert len(plain.recv(100)) == 9 + 12
        answered_ns = time.monotonic_ns()
    stop.set()
    thread.join(WITHIN_S)
    record.close()
    at = {e["event"]: e for e in reversed(events(log))}
    assert answered_ns > at["alive"]["mono_ns"]
    dead_s = (at["alive"]["mono_ns"] - at["dead"]["mono_ns"]) / 1e9
    # A wait is never shorter (1 ms for reading the clock); how much longer is the machine's business.
    assert at["dead"]["for_s"] - 0.001 < dead_s
    assert at["dead"]["for_s"] <= 2.0


IMAGE = {
    "ia_a": Register(1, "hr", 0, "float32"),
    "is_closed": Register(1, "co", 3),
    "trip": Register(1, "co", 4),
}


@pytest.mark.parametrize(
    ("request_hex", "answer_hex"),
    [
        ("0300000002", "030400000000"),
        ("0300000003", "8302"),  # beyond the map
        ("0300000000", "8303"),  # no registers
        ("0100030002", "010100"),
        ("0500030001", "8503"),  # neither on nor off
        ("050003ff00", "050003ff00"),
        ("050004ff00", "8502"),  # an output
        ("0f000300010101", "0f00030001"),
        ("10000000020412345678", "1000000002"),
        ("100000000204123456", "9003"),  # cut short
        ("0600001234", "0600001234"),
        ("06", "8603"),
        ("2b", "ab01"),
    ],
)
def test_the_map_answers_as_the_specification_says(request_hex: str, answer_hex: str) -> None:
    assert Image(IMAGE).answer(1, bytes.fromhex(request_hex)).hex() == answer_hex


def test_another_unit_has_no_registers() -> None:
    assert Image(IMAGE).answer(2, bytes.fromhex("0300000002")).hex() == "8302"
