"""Processes die by SIGKILL under load: physics goes on, masters come back, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from hil import segment
from rtcore import board as bd
from rtcore.ring import (
    E_CAUSE,
    E_KIND,
    E_NEW,
    E_OLD,
    E_STEP,
    E_TARGET,
    EVENT_COMMAND,
    EventReader,
    bits_float,
)
from tests.support.hammer import Hammer
from tests.support.replay import Replay
from tests.support.station import Station, running, say
from tests.support.witness import Witness

MODBUS_BACK_S, OPCUA_BACK_S = 1.0, 8.0
"""Promised time from a gateway's death until it serves again."""

CORE_NOTICED_S = 0.5
"""Promised time from the core's death until every read says so."""

TIMES = 20
"""Deaths of each gateway."""

CLIENTS = 10

UNDER_WAY = 10
"""Writes that each master has had acknowledged since the last deaths when the next ones come."""

QUIET_S = 2.0
"""Watched without deaths, for the report."""

BLOCK = struct.pack(">BHH", 4, 100, 120)

Outage = tuple[float, float]
"""From a gateway's death until it served again (time.monotonic)."""


class Pace(threading.Thread):
    """Looks at the core's board without pause: is every step where the clock says it is?"""

    def __init__(self, station: Station) -> None:
        super().__init__(daemon=True)
        self._station = station
        self._stop_asked = threading.Event()
        self._events = EventReader(segment.attach(station.spec.events_path), from_start=True)
        self._slipped = station.index["SUB.LOOP.SLIPPED_MS"]
        self.origins: Counter[int] = Counter()
        self.commands: list[tuple[int, ...]] = []
        self.n_lost = 0

    def run(self) -> None:
        period_ns = self._station.spec.core["period_ns"]
        while not self._stop_asked.wait(0.005):
            s = self._station.snapshot()
            slip_ns = round(s.values[self._slipped] * 1e6)
            self.origins[s.mono_ns - s.step * period_ns - slip_ns] += 1
            self.take()

    def take(self) -> None:
        """Collect the core's own record of commands."""
        self.commands += [e for e in self._events.take() if e[E_KIND] == EVENT_COMMAND]
        self.n_lost = self._events.n_lost

    def finish(self) -> None:
        """Stop looking."""
        self._stop_asked.set()
        self.join(10.0)
        assert not self.is_alive()


class ModbusWriter(threading.Thread):
    """Writes 1, 2, 3 ... to a register and switches a coil; notes what was acknowledged."""

    def __init__(self, station: Station) -> None:
        super().__init__(daemon=True)
        self._station = station
        self._stop_asked = threading.Event()
        self.registers: list[int] = []
        self.coils: list[int] = []
        self.n_tried = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                try:
                    with self._station.master(2.0) as m:
                        self._session(m)
                except (OSError, EOFError):
                    time.sleep(0.01)
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            self.error = error

    def _session(self, m: Any) -> None:
        while not self._stop_asked.wait(0.002):
            self.n_tried += 1
            n = self.n_tried
            reply = m.ask(1, struct.pack(">BHH", 6, 300, n))
            assert reply == struct.pack(">BHH", 6, 300, n), reply.hex()
            self.registers.append(n)
            assert m.ask(1, struct.pack(">BHH", 3, 300, 1))[2:] == struct.pack(">H", n), "readback"
            coil = struct.pack(">BHH", 5, 18, 0xFF00 if n % 2 else 0)  # REMOTE of CB_301
            assert m.ask(4, coil) == coil
            self.coils.append(n % 2)

    def finish(self) -> None:
        """Stop after the write under way."""
        self._stop_asked.set()
        self.join(10.0)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error


class OpcuaWriter(threading.Thread):
    """The same over OPC UA, in an event loop of its own."""

    def __init__(self, station: Station) -> None:
        super().__init__(daemon=True)
        self._station = station
        self._stop_asked = False
        self.values: list[int] = []
        self.n_tried = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            self.error = error

    async def _main(self) -> None:
        while not self._stop_asked:
            try:
                await self._session()
            except (OSError, TimeoutError, ConnectionError, ua.UaError, asyncio.CancelledError):
                await asyncio.sleep(0.05)

    async def _session(self) -> None:
        client = Client(self._station.url, timeout=2)
        client.set_user("operator")
        client.set_password(self._station.password)
        async with client:
            node = client.get_node("ns=2;s=SUB.TEST.SCRATCH2")
            while not self._stop_asked:
                self.n_tried += 1
                n = self.n_tried
                await node.write_value(ua.DataValue(ua.Variant(float(n), ua.VariantType.Double)))
                self.values.append(n)
                assert await node.read_value() == float(n), "readback"
                await asyncio.sleep(0.01)

    def finish(self) -> None:
        """Stop after the write under way."""
        self._stop_asked = True
        self.join(20.0)
        assert not self.is_alive(), "OPC UA client is stuck"
        if self.error is not None:
            raise self.error


def until_modbus_answers(station: Station, since: float) -> Outage:
    while True:
        try:
            with station.master(1.0) as m:
                assert m.ask(1, BLOCK)[0] == 4
                return since, time.monotonic()
        except (OSError, EOFError):
            assert time.monotonic() - since < 30.0, "Modbus gateway did not come back"
            time.sleep(0.01)


def until_opcua_answers(station: Station, since: float) -> Outage:
    async def ask() -> None:
        async with Client(station.url, timeout=2) as client:
            assert (await client.get_node("ns=2;s=SUB.T1.P").read_value()) > 0

    while True:
        try:
            asyncio.run(ask())
            return since, time.monotonic()
        except (OSError, TimeoutError, ConnectionError, ua.UaError, asyncio.CancelledError):
            assert time.monotonic() - since < 60.0, "OPC UA gateway did not come back"
            time.sleep(0.02)


def kill_gateway(station: Station, name: str) -> float:
    os.kill(station.pid(name), signal.SIGKILL)
    return time.monotonic()


def until_all_masters_are_back(hammer: Hammer, modbus: ModbusWriter, opcua: OpcuaWriter) -> None:
    """Wait until the whole load is on again: the next deaths shall meet reads and writes under way."""
    written = len(modbus.coils) + UNDER_WAY, len(opcua.values) + UNDER_WAY
    deadline = time.monotonic() + 60.0
    while hammer.n_connected < CLIENTS or (len(modbus.coils), len(opcua.values)) < written:
        for master in (hammer, modbus, opcua):
            if master.error is not None:
                raise master.error
        assert time.monotonic() < deadline, "a master did not come back"
        time.sleep(0.02)


@pytest.mark.timeout(480)
@pytest.mark.slow
def test_gateways_killed_under_load_come_back_and_the_plant_misses_nothing(tmp_path: Path) -> None:
    modbus_out: list[Outage] = []
    opcua_out: list[Outage] = []
    with running(tmp_path) as station, Witness(station) as witness:
        pace, modbus, opcua = Pace(station), ModbusWriter(station), OpcuaWriter(station)
        for thread in (pace, modbus, opcua):
            thread.start()
        with Hammer(station.modbus_port, [(1, BLOCK), (3, BLOCK)], CLIENTS, reconnects=True) as hammer:
            first, began = station.value("SUB.LOOP.OVERRUNS"), time.monotonic()
            for _ in range(TIMES):
                died = kill_gateway(station, "modbus"), kill_gateway(station, "opcua")
                modbus_out.append(until_modbus_answers(station, died[0]))
                opcua_out.append(until_opcua_answers(station, died[1]))
                station.remember()
                until_all_masters_are_back(hammer, modbus, opcua)
            disturbed, disturbed_s = station.value("SUB.LOOP.OVERRUNS") - first, time.monotonic() - began
            time.sleep(QUIET_S)
            quiet = station.value("SUB.LOOP.OVERRUNS") - first - disturbed
            assert len(hammer.lost) >= TIMES  # they were connected, lost the gateway and found it again
            assert hammer.n_connected == CLIENTS
        modbus.finish()
        opcua.finish()
        pace.finish()
        pace.take()
        last = station.snapshot()
        journals = {p: station.journal(p) for p in ("modbus", "opcua")}
        says_restarts = sum("was killed by SIGKILL" in line for line in station.lines)
        station.stop()
    modbus_s, opcua_s = seconds_of(modbus_out, witness), seconds_of(opcua_out, witness)
    say(
        f"killed {TIMES} times each: Modbus back after {max(modbus_s):.2f} s at most (median "
        f"{sorted(modbus_s)[TIMES // 2]:.2f}), OPC UA {max(opcua_s):.2f} s "
        f"({sorted(opcua_s)[TIMES // 2]:.2f}); "
        f"{len(modbus.registers)}+{len(modbus.coils)} Modbus and {len(opcua.values)} OPC UA writes "
        f"acknowledged; overruns {disturbed:g} in {disturbed_s:.0f} disturbed, {quiet:g} in {QUIET_S:g} "
        f"quiet seconds"
    )
    assert says_restarts == 2 * TIMES
    assert len(pace.origins) == 1, f"steps left the grid: {pace.origins}"
    witness.check_host_alone_is_to_blame()
    check_commands(station, pace, modbus, opcua, journals)
    check_replay(station, pace, last)
    assert max(modbus_s) < MODBUS_BACK_S
    assert max(opcua_s) < OPCUA_BACK_S


def seconds_of(outages: list[Outage], witness: Witness) -> list[float]:
    """How long each lasted, without the time in which the host let no process run [s]."""
    return [until - since - witness.stalled_s(since, until) for since, until in outages]


def check_commands(
    station: Station,
    pace: Pace,
    modbus: ModbusWriter,
    opcua: OpcuaWriter,
    journals: dict[str, list[dict[str, Any]]],
) -> None:
    """Every acknowledged write took effect once and is on record with its verdict."""
    assert pace.n_lost == 0
    taken = Counter(
        (station.spec.points[e[E_TARGET]].tag, bits_float(e[E_NEW])) for e in pace.commands if e[E_OLD] == 0
    )
    on_record = Counter(
        (tag, value)
        for journal in journals.values()
        for r in journal
        if r["event"] == "verdict" and r["result"] == "DONE"
        for tag, value in r["writes"]
    )
    for tag, acknowledged in (("SUB.TEST.SCRATCH1", modbus.registers), ("SUB.TEST.SCRATCH2", opcua.values)):
        assert len(acknowledged) > 100
        for n in acknowledged:
            assert on_record[tag, float(n)] == 1, f"{tag} = {n} was acknowledged and has no verdict on record"
        # What was never acknowledged may have been done, but nothing was done twice.
        assert all(taken[tag, float(n)] == 1 for n in acknowledged)
        assert max(count for (t, _), count in taken.items() if t == tag) == 1
    tag = "FDR_C.CB_301.REMOTE"
    for state in (0, 1):
        done = modbus.coils.count(state)
        assert done <= on_record[tag, float(state)] <= taken[tag, float(state)]
    assert sum(n for (t, _), n in taken.items() if t == tag) <= len(modbus.registers)
    for producer, journal in journals.items():
        assert [r["seq"] for r in journal] == list(range(1, len(journal) + 1)), producer


def check_replay(station: Station, pace: Pace, last: bd.Snapshot) -> None:
    """The live plant ran every step once: the replayed chain of digests is the same."""
    tags = [p.tag for p in station.spec.points]
    # One group per write here; events come in the order in which the core applied them.
    commands = [
        (e[E_STEP], [(tags[e[E_TARGET]], bits_float(e[E_NEW]))]) for e in pace.commands if e[E_OLD] == 0
    ]
    assert {e[E_CAUSE] for e in pace.commands} == {1, 2}
    replay = Replay(station.spec, [c for c in commands if c[0] <= last.step])
    (_, digest), *_ = replay.at([last.step])
    assert digest == last.digest


@pytest.mark.timeout(360)
def test_when_the_core_dies_every_read_says_so_and_the_run_ends_with_1(tmp_path: Path) -> None:
    with running(tmp_path) as station:
        seen: list[tuple[float, str, bool]] = []
        stopping = threading.Event()

        def poll_modbus() -> None:
            try:
                with station.master() as m:
                    while not stopping.is_set():
                        asked = time.monotonic()
                        reply = m.ask(1, BLOCK)
                        assert reply[0] == 4 or reply == bytes((0x84, 0x0B)), reply.hex()
                        seen.append((asked, "modbus", reply[0] == 4))
            except (OSError, EOFError):
                return  # the end of the run

        async def poll_opcua() -> None:
            try:
                async with Client(station.url, timeout=2) as client:
                    node = client.get_node("ns=2;s=SUB.T1.P")
                    while not stopping.is_set():
                        asked = time.monotonic()
                        data = await node.read_data_value(raise_on_bad_status=False)
                        seen.append((asked, "opcua", data.StatusCode.is_good()))
                        await asyncio.sleep(0.005)
            except (OSError, ConnectionError, TimeoutError, ua.UaError, asyncio.CancelledError):
                return

        threads = [
            threading.Thread(target=poll_modbus),
            threading.Thread(target=lambda: asyncio.run(poll_opcua())),
        ]
        for t in threads:
            t.start()
        time.sleep(1.0)
        os.kill(station.pid("core"), signal.SIGKILL)
        died = time.monotonic()
        assert station.process.wait(10.0) == 1
        ended_s = time.monotonic() - died
        stopping.set()
        for t in threads:
            t.join()
        station.check_gone()
        assert "core died" in station.output
        for name in ("modbus", "opcua"):
            before = [good for at, n, good in seen if n == name and died - 0.5 < at < died]
            after = [(at - died, good) for at, n, good in seen if n == name and at >= died]
            last_good_s = max((at for at, good in after if good), default=0.0)
            n_bad = sum(not good for _, good in after)
            say(f"{name}: last good answer {1000 * last_good_s:.0f} ms after the death, {n_bad} bad")
            assert all(before)
            assert last_good_s < CORE_NOTICED_S
            assert n_bad > 10  # masters were told, before the connection ended
        say(f"the run ended {ended_s:.2f} s after the core's death")


@pytest.mark.timeout(360)
def test_a_core_that_is_stopped_is_said_to_be_silent_and_ends_the_run_with_1(tmp_path: Path) -> None:
    with running(tmp_path) as station:
        os.kill(station.pid("core"), signal.SIGSTOP)
        stopped = time.monotonic()
        station.wait_for(r"core: silent for 1\.\d s, killed in 9 s", 5.0)
        station.wait_for(r" step \d+  core silent for \d+ s  P ", 8.0)
        assert station.process.wait(20.0) == 1
        # 10 s of silence, 2 s in which masters see Bad, a stop, a busy machine
        assert time.monotonic() - stopped < 16.0
        station.check_gone()
        assert "ended because the core hung, no heartbeat for 10." in station.output
