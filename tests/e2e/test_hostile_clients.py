"""Malformed frames, floods and half-open connections: other masters and the plant do not notice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asyncua import Client

from rtcore.points import Kind
from tests.support.hammer import Hammer
from tests.support.modbus_rig import adu
from tests.support.opcua_rig import chunk, hello
from tests.support.station import Station, running, say
from tests.support.witness import Witness

SECONDS = 6.0
QUIET_S = 1.0
"""Watched before, for the report."""
LATEST_MS = 500.0
"""Slowest answer a well-behaved master may see meanwhile; two busy processors are shared by all."""

FRAMES = (
    bytes.fromhex("0001 0001 0006 01 03 0000 0001"),  # another protocol id
    bytes.fromhex("0001 0000 0001 01"),  # too short to hold a function
    bytes.fromhex("0001 0000 FFFF 01 03"),  # longer than any frame
    bytes.fromhex("0001 0000 0006 01 03 0000 FFFF"),  # too many registers
    bytes.fromhex("0001 0000 0006 01 05 0010 1234"),  # neither on nor off
    bytes.fromhex("0001 0000 000B 01 10 0064 0002 04 7FC00000"),  # NaN to a setpoint
    bytes.fromhex("0001 0000 000B 01 10 0064 0002 03 3F800000"),  # byte count that lies
    bytes.fromhex("0001 0000 0006 01 63 0000 0001"),  # no such function
    bytes.fromhex("0001 0000 0006 C8 06 012C 0001"),  # no such unit
    b"GET / HTTP/1.1\r\n\r\n",
)

CHUNKS = (
    b"\xff" * 64,
    chunk(b"HEL", b"", size=0xFFFFFFFF),
    chunk(b"HEL", b"\xff" * 40),
    hello() + chunk(b"OPN", struct.pack("<Ii", 0, -2)),
    hello() + chunk(b"MSG", struct.pack("<i", 2**31 - 1) * 8),
    hello() + chunk(b"MSG", b"", final=b"C", size=4) * 50,
)


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with running(tmp_path_factory.mktemp("state")) as live:
        yield live


class Attacker(threading.Thread):
    """Sends bad bytes to a port until told to stop, on a new connection each time."""

    def __init__(self, port: int, payloads: tuple[bytes, ...], hold: int, seed: int) -> None:
        super().__init__(daemon=True)
        self._port, self._payloads, self._hold = port, payloads, hold
        self._random = random.Random(seed)
        self._stop_asked = threading.Event()
        self.n_sent = 0
        self._half_open: list[socket.socket] = []

    def run(self) -> None:
        while not self._stop_asked.wait(0.002):
            with contextlib.suppress(OSError):
                s = socket.create_connection(("127.0.0.1", self._port), timeout=1.0)
                payload = self._random.choice(self._payloads)
                if self._random.random() < 0.3:  # any garbage at all
                    payload = self._random.randbytes(self._random.randrange(1, 600))
                s.sendall(payload)
                self.n_sent += 1
                if len(self._half_open) < self._hold:
                    self._half_open.append(s)  # never read, never closed
                else:
                    s.close()

    def finish(self) -> None:
        """Stop and let go."""
        self._stop_asked.set()
        self.join(5.0)
        for s in self._half_open:
            s.close()


def flood(port: int, stopping: threading.Event) -> None:
    """Send requests as fast as the server takes them and never read an answer."""
    frames = adu(1, struct.pack(">BHH", 3, 100, 125)) * 500
    while not stopping.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2) as s:
            while not stopping.is_set():
                s.sendall(frames)


def commandable(station: Station) -> dict[str, float]:
    """Return everything that a command could have changed."""
    s = station.snapshot()
    return {
        p.tag: float(s.values[i])
        for i, p in enumerate(station.spec.points)
        if p.kind is Kind.SETPOINT or (p.kind is Kind.STATUS and not p.is_health)
    }


@pytest.mark.timeout(700)
def test_bad_modbus_clients_disturb_neither_masters_nor_the_plant(station: Station) -> None:
    before, journal = commandable(station), len(wishes(station))
    quiet = overruns_of(station, QUIET_S)
    stopping = threading.Event()
    attackers = [Attacker(station.modbus_port, FRAMES, hold=20, seed=k) for k in range(2)]
    flooders = [
        threading.Thread(target=flood, args=(station.modbus_port, stopping), daemon=True) for _ in range(2)
    ]
    good = Hammer(station.modbus_port, [(1, struct.pack(">BHH", 4, 100, 120))], 5)
    with Witness(station) as witness, good as hammer:
        for thread in (*attackers, *flooders):
            thread.start()
        disturbed = overruns_of(station, SECONDS)
        stopping.set()
        for a in attackers:
            a.finish()
        for f in flooders:
            f.join(5.0)
    sent = sum(a.n_sent for a in attackers)
    say(
        f"Modbus: {sent} bad connections, 2 floods; {hammer.n_answers} good answers, slowest "
        f"{hammer.slowest_ms:.0f} ms; overruns {disturbed:g} in {SECONDS:g} s, {quiet:g} in {QUIET_S:g} s"
    )
    assert sent > 100
    assert hammer.n_answers > 100
    assert hammer.slowest_ms < LATEST_MS
    check_plant(station, before, journal)
    witness.check_host_alone_is_to_blame()
    with station.master() as m:
        assert m.ask(1, "04 0064 0006")[0] == 4


@pytest.mark.timeout(700)
def test_bad_opcua_clients_disturb_neither_masters_nor_the_plant(station: Station) -> None:
    before, journal = commandable(station), len(wishes(station))
    quiet = overruns_of(station, QUIET_S)
    attackers = [Attacker(station.opcua_port, CHUNKS, hold=10, seed=k) for k in range(2)]
    found: list[tuple[int, float, bool]] = []
    watching = threading.Thread(target=lambda: found.append(asyncio.run(watch(station.url))), daemon=True)
    with Witness(station) as witness:
        for a in attackers:
            a.start()
        watching.start()
        disturbed = overruns_of(station, SECONDS)
        watching.join(20.0)
        for a in attackers:
            a.finish()
    assert found, "the good client failed"
    n, slowest_ms, all_good = found[0]
    sent = sum(a.n_sent for a in attackers)
    say(
        f"OPC UA: {sent} bad connections; {n} good reads, slowest {slowest_ms:.0f} ms; "
        f"overruns {disturbed:g} in {SECONDS:g} s, {quiet:g} in {QUIET_S:g} s"
    )
    assert sent > 100
    assert n > 50
    assert all_good
    assert slowest_ms < 2 * LATEST_MS
    check_plant(station, before, journal)
    witness.check_host_alone_is_to_blame()


async def watch(url: str) -> tuple[int, float, bool]:
    """Read all the time, as a well-behaved master; (reads, slowest [ms], all good)."""
    n, slowest_ms, all_good = 0, 0.0, True
    async with Client(url, timeout=5) as client:
        node = client.get_node("ns=2;s=SUB.T1.P")
        end = time.monotonic() + SECONDS - 1.0
        while time.monotonic() < end:
            asked = time.monotonic()
            data: Any = await node.read_data_value(raise_on_bad_status=False)
            slowest_ms = max(slowest_ms, 1e3 * (time.monotonic() - asked))
            all_good &= data.StatusCode.is_good()
            n += 1
            await asyncio.sleep(0.01)
    return n, slowest_ms, all_good


def overruns_of(station: Station, seconds: float) -> float:
    """Return how many steps overran in the next seconds."""
    first = station.value("SUB.LOOP.OVERRUNS")
    time.sleep(seconds)
    return station.value("SUB.LOOP.OVERRUNS") - first


def wishes(station: Station) -> list[dict[str, Any]]:
    return [r for p in ("modbus", "opcua") for r in station.journal(p) if r["event"] == "command"]


def check_plant(station: Station, before: dict[str, float], journal: int) -> None:
    """Nothing reached physics, and no gateway had to be started again."""
    assert commandable(station) == before
    assert len(wishes(station)) == journal
    assert station.value("SUB.LOOP.NOT_CONVERGED") == 0.0
    assert not [line for line in station.lines if "killed" in line or "ended with" in line]
    assert os.getpgid(station.pid("core")) > 0


def test_the_witness_does_not_blame_the_host_for_a_core_that_was_stopped(station: Station) -> None:
    """Otherwise the two tests above could not fail."""
    with Witness(station) as witness:
        os.kill(station.pid("core"), signal.SIGSTOP)
        time.sleep(0.2)
        os.kill(station.pid("core"), signal.SIGCONT)
        time.sleep(0.2)
    assert sum(s.ns for s in witness.slips) > 0.1e9  # all but the catch-up
    with pytest.raises(AssertionError, match="not by the host"):
        witness.check_host_alone_is_to_blame()
