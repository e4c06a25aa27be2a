"""The exchange as a process of its own, with devices that nobody here wrote and with ones that misbehave."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from protocols.device_exchange import State
from rtcore.commands import Reason
from rtcore.quality import Quality
from tests.support.device_rig import (
    INDEX,
    Bench,
    OpcuaDevice,
    PymodbusDevice,
    RawDevice,
    frame,
    healthy,
    healthy_pdu,
    wait_until,
)

HEAD = """
[wiring]
timeout_ms = 100.0
watchdog_s = 0.5
"""
RELAY = """
[heartbeat]
sent = { address = 0 }
[token]
sent = { address = 1 }
echo = { address = 101 }
[failsafe]
write = [{ point = "CB.X.TRIP" }]
[[to_device]]
point = "CB.X.IA"
address = 2
format = "float32"
quality = { address = 4 }
[[to_device]]
point = "CB.X.ST_52A"
table = "co"
address = 8
[[from_device]]
point = "CB.X.TRIP"
table = "co"
address = 0
[[from_device]]
point = "CB.X.CLOSE"
table = "co"
address = 1
[[from_device]]
point = "CB.X.SP"
address = 120
format = "int16"
scale = 0.1
"""
PLAIN = """
[[to_device]]
point = "CB.X.IA"
address = 2
format = "float32"
[[from_device]]
point = "CB.X.TRIP"
table = "co"
address = 0
"""
"""One request of each kind, so that a misbehaviour is one fault."""


Answer = Callable[[int, int, bytes], bytes | None]


def steady(bench: Bench, **values: float) -> None:
    """Let analog points stand still."""
    table = {"CB.X.IA": 12.5, "CB.X.ST_52A": 1.0} | values
    tags = [p.tag for p in bench.core.points]
    bench.core.value_of = lambda i, step: table.get(tags[i], float(step % 1000))


# ---------------------------------------------------------------- a PLC on pymodbus


def test_a_device_gets_measurements_and_its_trip_coil_trips_once(tmp_path: Path) -> None:
    with PymodbusDevice() as plc:
        bench = Bench(tmp_path, HEAD + RELAY, port=plc.port)
        steady(bench)
        with bench.running():
            bench.wait_for_link(State.RUNNING)
            assert plc.float_at(2) == 12.5
            assert plc.registers(4) == [Quality.GOOD]
            assert plc.coils(8) == [True]
            plc.put_coil(0, True)
            wait_until(bench.pulses)
            time.sleep(0.15)  # thirty cycles in which it is held
            assert bench.pulses() == ["CB.X.TRIP"]
            plc.put_coil(0, False)
            time.sleep(0.1)
            plc.put_coil(1, True)
            wait_until(lambda: len(bench.pulses()) == 2)
            assert bench.pulses() == ["CB.X.TRIP", "CB.X.CLOSE"]
            plc.put_registers(120, 0x10000 - 125)
            wait_until(lambda: bench.core.setpoints[INDEX["CB.X.SP"]] == -12.5)
            verdicts = wait_until(lambda: [r for r in bench.journal() if r["event"] == "verdict"][3:])
    trip = [r for r in bench.journal() if r["event"] == "verdict" and r["via"] == "1:co:0:bool"]
    assert [(r["protocol"], r["peer"], r["result"]) for r in trip] == [
        ("device", f"127.0.0.1:{plc.port}", "DONE")
    ]
    assert verdicts[0]["writes"] == [["CB.X.SP", -12.5]]


def test_a_coil_that_stands_when_the_device_is_first_seen_commands_nothing(tmp_path: Path) -> None:
    with PymodbusDevice() as plc:
        plc.put_coil(0, True)
        bench = Bench(tmp_path, HEAD + RELAY, port=plc.port)
        with bench.running():
            bench.wait_for_link(State.RUNNING)
            time.sleep(0.2)
            assert bench.pulses() == []
            plc.put_coil(0, False)
            time.sleep(0.1)
            plc.put_coil(0, True)
            wait_until(bench.pulses)


def test_the_round_trip_of_exchange_and_token_is_counted(tmp_path: Path) -> None:
    with PymodbusDevice() as plc:
        bench = Bench(tmp_path, HEAD + RELAY, port=plc.port)
        with bench.running():
            status = wait_until(lambda: bench.status if bench.status.tokens.n > 50 else None)
    # The device's scan is 2 ms and the exchange comes every 5 ms: a token needs a cycle, and seldom more.
    # Bounds are wide for a busy machine; units mixed up would miss them by a thousand.
    assert 1e6 < status.tokens.percentile_ns(0.5) < 100e6
    assert 5e4 < status.exchanges.percentile_ns(0.5) < 50e6
    assert status.device["strange_tokens"] == 0
    assert status.exchanges.n >= status.tokens.n  # an exchange brings one echo at most


def test_the_echo_reaches_the_test_set_at_a_bounded_rate(tmp_path: Path) -> None:
    ends = '\npoint_out = "TST.TOKEN_OUT"\npoint_in = "TST.TOKEN_IN"\npass_on_ms = 50.0\n[failsafe]'
    with PymodbusDevice() as plc:
        bench = Bench(tmp_path, HEAD + RELAY.replace("\n[failsafe]", ends), port=plc.port)
        with bench.running():
            began = time.monotonic()
            tokens = set()
            while len(tokens) < 5:
                tokens.add(bench.core.setpoints[INDEX["TST.TOKEN_IN"]])
                assert time.monotonic() < began + 8
                time.sleep(0.01)
            passed_s = time.monotonic() - began
        assert all(0 <= t < 1000 for t in tokens)  # the core's TOKEN_OUT runs from 0 to 999
    passed = [r for r in bench.journal() if r["event"] == "command" and r["via"] == "token"]
    # The bench runs on for a moment after the clock was looked at.
    assert len(passed) <= (passed_s + 2.0) / 0.05


def test_a_bad_point_leaves_its_last_good_value_and_its_quality_code(tmp_path: Path) -> None:
    with PymodbusDevice() as plc:
        bench = Bench(tmp_path, HEAD + RELAY, port=plc.port)
        steady(bench)
        with bench.running():
            wait_until(lambda: plc.float_at(2) == 12.5)
            bench.core.set_quality("CB.X.IA", Quality.BAD_SENSOR)
            wait_until(lambda: plc.registers(4) == [Quality.BAD_SENSOR])
            steady(bench, **{"CB.X.IA": 99.0})
            time.sleep(0.1)
            assert plc.float_at(2) == 12.5


def test_while_the_plant_stands_token_and_heartbeat_stand_and_the_device_is_not_blamed(
    tmp_path: Path,
) -> None:
    with PymodbusDevice() as plc:
        bench = Bench(tmp_path, HEAD + RELAY, port=plc.port)
        with bench.running():
            bench.wait_for_link(State.RUNNING)
            bench.core.die()
            wait_until(lambda: plc.registers(4) == [Quality.BAD_NO_COMMUNICATION])
            before = plc.registers(0, 2)
            time.sleep(0.7)  # more than the watchdog's half second
            assert plc.registers(0, 2) == before
            assert bench.count("link") == State.RUNNING


def test_a_device_whose_logic_stands_is_told_by_its_token(tmp_path: Path) -> None:
    with PymodbusDevice() as plc:
        bench = Bench(tmp_path, HEAD + RELAY, port=plc.port)
        with bench.running():
            bench.wait_for_link(State.RUNNING)
            plc.runs_logic = False
            bench.wait_for_link(State.FAILSAFE)
            wait_until(bench.pulses)
            plc.put_coil(1, True)  # its outputs are of no meaning now
            time.sleep(0.8)
            assert bench.pulses() == ["CB.X.TRIP"]  # by the fail-safe action, and once
            assert bench.count("failsafes") == 1  # the token that stands is not taken for a new one
            plc.runs_logic = True
            bench.wait_for_link(State.RUNNING)
            time.sleep(0.1)
            assert bench.pulses() == ["CB.X.TRIP"]  # a coil that stands at the return commands nothing
    records = [(r["state"], r.get("missing")) for r in bench.journal() if r["event"] == "device"]
    assert records == [("running", None), ("failsafe", "the token stands"), ("running", None)]
    assert "the token stands for 0.5 s: fail-safe state" in bench.output


def test_a_device_that_goes_and_comes_back_is_found_again(tmp_path: Path) -> None:
    with PymodbusDevice() as plc:
        bench = Bench(tmp_path, HEAD + RELAY, port=plc.port)
        running = bench.running()
        running.__enter__()
        bench.wait_for_link(State.RUNNING)
    try:
        bench.wait_for_link(State.FAILSAFE)
        wait_until(bench.pulses)
        with PymodbusDevice(plc.port) as again:
            bench.wait_for_link(State.RUNNING)
            again.put_coil(1, True)
            wait_until(lambda: bench.pulses() == ["CB.X.TRIP", "CB.X.CLOSE"])
    finally:
        running.__exit__(None, None, None)


# ---------------------------------------------------------------- devices that misbehave


def test_a_device_that_is_not_there_is_waited_for_and_nothing_is_tripped(tmp_path: Path) -> None:
    bench = Bench(tmp_path, HEAD + RELAY, port=1)  # nobody has a server on port 1
    with bench.running():
        wait_until(lambda: bench.count("closed") >= 3)
        time.sleep(0.6)
        assert bench.count("link") == State.WAITING
        assert bench.pulses() == []


def exception(transaction: int, unit: int, pdu: bytes) -> bytes:
    return frame(transaction, unit, bytes((pdu[0] | 0x80, 2)))


def wrong_length(transaction: int, unit: int, pdu: bytes) -> bytes:
    if pdu[0] == 16:
        return healthy(transaction, unit, pdu)
    return frame(transaction, unit, healthy_pdu(pdu) + b"\0")


def wrong_function(transaction: int, unit: int, pdu: bytes) -> bytes:
    return frame(transaction, unit, b"\x07" + healthy_pdu(pdu)[1:])


def wrong_range(transaction: int, unit: int, pdu: bytes) -> bytes:
    if pdu[0] != 16:
        return healthy(transaction, unit, pdu)
    return frame(transaction, unit, healthy_pdu(pdu)[:-1] + b"\x63")


def no_modbus(_t: int, _u: int, _pdu: bytes) -> bytes:
    return b"HTTP/1.1 400 Bad Request\r\n\r\n"


def another_transaction(transaction: int, unit: int, pdu: bytes) -> bytes:
    return healthy(transaction + 1 & 0xFFFF, unit, pdu)


def silence(_t: int, _u: int, _pdu: bytes) -> None:
    return None


@pytest.mark.parametrize(
    ("answer", "counter"),
    [
        (exception, "refused"),
        (wrong_length, "garbage"),
        (wrong_function, "garbage"),
        (wrong_range, "garbage"),
        (no_modbus, "garbage"),
        (another_transaction, "timeout"),
        (silence, "timeout"),
    ],
)
def test_a_wrong_answer_is_counted_leads_to_failsafe_and_is_recovered_from(
    tmp_path: Path, answer: Answer, counter: str
) -> None:
    with RawDevice() as device:
        bench = Bench(tmp_path, HEAD.replace("0.5", "0.15") + PLAIN, port=device.port)
        with bench.running():
            bench.wait_for_link(State.RUNNING)
            device.answer = answer
            bench.wait_for_link(State.FAILSAFE)
            assert bench.count(counter) > 0
            assert bench.pulses() == []  # hold: no action is configured
            device.answer = healthy
            bench.wait_for_link(State.RUNNING)


def test_a_late_answer_is_thrown_away_and_never_taken_for_another_one(tmp_path: Path) -> None:
    with RawDevice() as device:
        bench = Bench(tmp_path, HEAD + PLAIN, port=device.port)
        with bench.running():
            bench.wait_for_link(State.RUNNING)
            device.delay_s = 0.15
            wait_until(lambda: bench.count("late_answers") > 0)
            assert bench.count("timeout") > 0
            assert bench.count("connects") == 1
            device.delay_s = 0.0
            before = bench.count("whole")
            wait_until(lambda: bench.count("whole") > before + 20)
            assert bench.count("late") > 0  # the cycles that the waiting took


def test_a_trip_during_a_short_silence_is_not_lost(tmp_path: Path) -> None:
    def tripped(transaction: int, unit: int, pdu: bytes) -> bytes:
        return healthy(transaction, unit, pdu) if pdu[0] != 1 else frame(transaction, unit, b"\x01\x01\x01")

    with RawDevice() as device:
        bench = Bench(tmp_path, HEAD.replace("0.5", "5.0") + PLAIN, port=device.port)
        with bench.running():
            bench.wait_for_link(State.RUNNING)
            time.sleep(0.2)
            device.answer = no_modbus  # the connection is lost over it
            wait_until(lambda: bench.count("garbage") > 0)
            device.answer = tripped
            wait_until(lambda: bench.pulses() == ["CB.X.TRIP"])
            assert bench.count("failsafes") == 0


def test_an_output_that_chatters_commands_each_edge_and_stalls_nothing(tmp_path: Path) -> None:
    state = [0]

    def chatter(transaction: int, unit: int, pdu: bytes) -> bytes:
        if pdu[0] != 1:
            return healthy(transaction, unit, pdu)
        state[0] ^= 1
        return frame(transaction, unit, bytes((1, 1, state[0])))

    with RawDevice() as device:
        bench = Bench(tmp_path, HEAD + PLAIN, port=device.port)
        device.answer = chatter
        with bench.running():
            wait_until(lambda: len(bench.pulses()) > 20)
            assert bench.count("link") == State.RUNNING


def test_what_the_plant_refuses_is_on_record_and_an_edge_is_not_repeated(tmp_path: Path) -> None:
    with PymodbusDevice() as plc:
        bench = Bench(tmp_path, HEAD + RELAY, port=plc.port)
        bench.core.decide = lambda i, v: Reason.LOCKED_OUT if i == INDEX["CB.X.CLOSE"] else Reason.DONE
        with bench.running():
            bench.wait_for_link(State.RUNNING)
            time.sleep(0.1)
            plc.put_coil(1, True)

            def refused() -> list[str]:
                via = [r for r in bench.journal() if r.get("via") == "1:co:1:bool"]
                return [r["result"] for r in via if r["event"] == "verdict"]

            wait_until(refused)
            time.sleep(0.2)
            assert refused() == ["LOCKED_OUT"]


# ---------------------------------------------------------------- a PLC on asyncua

OPCUA = """
[wiring]
protocol = "opcua"
cycle_ms = 20.0
timeout_ms = 500.0
watchdog_s = 1.0
[token]
sent = { node = "ns=2;s=Token" }
echo = { node = "ns=2;s=Echo" }
[[to_device]]
point = "CB.X.IA"
node = "ns=2;s=IA"
type = "Float"
on_bad = "invalid"
quality = { node = "ns=2;s=Q" }
[[from_device]]
point = "CB.X.TRIP"
node = "ns=2;s=Trip"
type = "Boolean"
[[from_device]]
point = "CB.X.SP"
node = "ns=2;s=SP"
type = "Double"
"""


@pytest.fixture(scope="module")
def ua_plc() -> Iterator[OpcuaDevice]:
    with OpcuaDevice() as device:  # a second and a half each time
        yield device


def test_an_opcua_device_closes_the_loop_and_is_found_again(tmp_path: Path, ua_plc: OpcuaDevice) -> None:
    bench = Bench(tmp_path, OPCUA, url=ua_plc.url)
    steady(bench)
    with bench.running():
        bench.wait_for_link(State.RUNNING)
        assert ua_plc.get("IA") == 12.5
        ua_plc.put("Trip", True)
        ua_plc.put("SP", 7.24)
        wait_until(lambda: bench.pulses() == ["CB.X.TRIP"])
        wait_until(lambda: bench.core.setpoints[INDEX["CB.X.SP"]] == 7.2)  # in steps of its int16*0.1
        bench.core.set_quality("CB.X.IA", Quality.BAD_SENSOR)
        wait_until(lambda: math.isnan(ua_plc.get("IA")) and ua_plc.get("Q") == Quality.BAD_SENSOR)
        ua_plc.drop_clients()
        wait_until(lambda: bench.count("connects") == 2)
        ua_plc.put("SP", -3.0)
        wait_until(lambda: bench.core.setpoints[INDEX["CB.X.SP"]] == -3.0)
        ua_plc.runs_logic = False
        bench.wait_for_link(State.FAILSAFE)
        ua_plc.runs_logic = True
        bench.wait_for_link(State.RUNNING)


def test_an_opcua_node_that_is_not_there_is_named(tmp_path: Path, ua_plc: OpcuaDevice) -> None:
    bench = Bench(tmp_path, OPCUA.replace("s=Trip", "s=Nowhere"), url=ua_plc.url)
    with bench.running():
        wait_until(lambda: bench.count("refused") > 2)
        assert bench.count("link") == State.WAITING
    assert "ns=2;s=Nowhere: read refused, BadNodeIdUnknown" in bench.output


def test_a_modbus_device_where_opcua_is_expected_is_no_crash(tmp_path: Path) -> None:
    with RawDevice() as device:
        device.answer = no_modbus
        bench = Bench(tmp_path, OPCUA, url=f"opc.tcp://127.0.0.1:{device.port}")
        with bench.running():
            wait_until(lambda: bench.status.gateway["errors"] > 0)
            assert bench.count("link") == State.WAITING


# ---------------------------------------------------------------- the process


def test_the_process_ends_on_sigterm_and_not_on_ctrl_c(tmp_path: Path) -> None:
    with RawDevice() as device:
        bench = Bench(tmp_path, HEAD + PLAIN, port=device.port)
        with bench.core:
            with bench.serving() as process:
                bench.wait_for_link(State.RUNNING)
                process.send_signal(signal.SIGINT)
                time.sleep(0.1)
                assert process.poll() is None
                assert bench.status.gateway["pid"] == process.pid
            assert process.returncode == 0


def test_a_killed_process_comes_back_and_its_successor_commands_again(tmp_path: Path) -> None:
    with PymodbusDevice() as plc:
        bench = Bench(tmp_path, HEAD + RELAY, port=plc.port)
        with bench.core:
            for n in (1, 2):
                with bench.serving() as process:
                    bench.wait_for_link(State.RUNNING)
                    plc.put_coil(0, False)
                    time.sleep(0.1)
                    plc.put_coil(0, True)
                    wait_until(lambda n=n: len(bench.pulses()) == n)
                    process.kill()


def test_it_imports_nothing_that_is_slow() -> None:
    heavy = ["numba", "scipy", "pandas", "pydantic", "pymodbus", "asyncua", "rich", "typer"]
    code = f"import sys, json, hil.gw_device; print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
