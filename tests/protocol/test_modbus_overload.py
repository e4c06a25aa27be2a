"""Clients that flood, stall, hang half-open or send rubbish: the others must not notice.

All bounds are generous: the machine is shared, and the point is "served", not "how fast".
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from rtcore.commands import Reason
from tests.support.modbus_rig import Master, Rig, adu

READ_125 = adu(1, bytes.fromhex("03 0000 007D"))
READ_1 = bytes.fromhex("03 0000 0001")
PATIENCE_S = 1.0


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig(partial_s=0.5) as running:
        yield running


def poll_victim(master: Master, n: int) -> float:
    """Poll n times at 100 Hz; return the slowest answer [s]."""
    slowest = 0.0
    for _ in range(n):
        start = time.monotonic()
        assert len(master.ask(1, READ_1)) == 4
        slowest = max(slowest, time.monotonic() - start)
        time.sleep(0.01)
    return slowest


def wait_until(is_so: Callable[[], bool], within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so()


@contextlib.contextmanager
def in_threads(n: int, work: Callable[[threading.Event, int], None]) -> Iterator[threading.Event]:
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop, k)) for k in range(n)]
    for t in threads:
        t.start()
    try:
        yield stop
    finally:
        stop.set()
        for t in threads:
            t.join()


def test_reader_that_never_reads_is_dropped(rig: Rig) -> None:
    with rig.connect() as victim, rig.connect() as deaf:
        with contextlib.suppress(ConnectionError):
            # Kernels lend a connection tens of MB of buffers before it stalls, so ask until it ends.
            deadline = time.monotonic() + 30.0
            while time.monotonic() < deadline:
                deaf.send(READ_125 * 100)
        assert wait_until(lambda: len(rig.server.connections) == 1)
        assert poll_victim(victim, 10) < PATIENCE_S


def test_flood_of_valid_pipelined_reads_does_not_starve_another_client(rig: Rig) -> None:
    def flood(stop: threading.Event, k: int) -> None:
        with rig.connect() as m:
            while not stop.is_set():
                m.send(READ_125 * 200)
                for _ in range(200):
                    m.receive()

    with rig.connect() as victim, in_threads(4, flood):
        assert poll_victim(victim, 50) < PATIENCE_S


def test_flood_of_random_bytes_reaches_nothing(rig: Rig) -> None:
    rng = np.random.default_rng(7)

    def rubbish(stop: threading.Event, k: int) -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), rig.connect() as m:
                m.send(rng.bytes(600))
                m.socket.recv(1)

    before = dict(rig.core.setpoints)
    with rig.connect() as victim, in_threads(2, rubbish):
        assert poll_victim(victim, 50) < PATIENCE_S
    assert rig.core.setpoints == before
    assert rig.server.n_errors > 0


def test_random_pdus_in_good_frames_always_get_one_answer_each(rig: Rig) -> None:
    rng = np.random.default_rng(8)
    rig.core.decide = lambda i, v: Reason.IN_LOCAL
    with rig.connect() as m:
        for k in range(400):
            function = int(rng.choice([1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43, 99]))
            pdu = bytes((function,)) + rng.bytes(int(rng.integers(0, 253)))
            reply = m.ask(int(rng.choice([1, 2, 9, 101])), pdu, k)
            assert reply[0] & 0x7F == function
            if reply[0] & 0x80:
                assert reply[1] in (1, 2, 3, 4, 0x0B)
    assert all(v == 0.0 for v in rig.core.setpoints.values())


def test_byte_at_a_time_clients_are_dropped_when_a_frame_takes_too_long(rig: Rig) -> None:
    slow = [rig.connect() for _ in range(50)]
    with rig.connect() as victim:
        for _ in range(8):  # 0.8 s for 8 of 12 bytes; partial_s is 0.5
            for byte_at in slow:
                with contextlib.suppress(OSError):
                    byte_at.send(b"\x00")
            assert poll_victim(victim, 10) < PATIENCE_S
        time.sleep(0.6)
        assert len(rig.server.connections) == 1
    for m in slow:
        m.socket.close()


def test_idle_client_is_dropped_and_a_polling_one_is_not() -> None:
    with Rig(idle_s=0.6) as rig, rig.connect() as idle, rig.connect() as busy:
        assert len(idle.ask(1, READ_1)) == 4
        poll_victim(busy, 120)  # 1.2 s
        assert idle.is_closed_by_server(0.1)
        assert len(busy.ask(1, READ_1)) == 4


def test_half_closed_client_gets_all_its_answers(rig: Rig) -> None:
    with rig.connect() as m:
        m.send(b"".join(adu(1, pdu, k) for k, pdu in enumerate((READ_1, b"\x06\x00\x05\x00\x07", READ_1))))
        m.socket.shutdown(socket.SHUT_WR)
        assert [m.receive()[0] for _ in range(3)] == [0, 1, 2]
        assert m.is_closed_by_server(1.0)


def test_reset_connections_are_forgotten() -> None:
    with Rig(max_connections=300) as rig:
        for _ in range(200):
            m = rig.connect()
            m.send(READ_125)
            m.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            m.socket.close()  # RST
        with rig.connect() as m:
            assert len(m.ask(1, READ_1)) == 4
            assert wait_until(lambda: len(rig.server.connections) == 1)


def test_connection_cap_holds_against_a_storm_and_heals(rig: Rig) -> None:
    storm = [socket.create_connection(("127.0.0.1", rig.port)) for _ in range(300)]
    assert wait_until(lambda: rig.server.n_turned_away == 172)
    assert len(rig.server.connections) == 128
    for s in storm:
        s.close()
    assert wait_until(lambda: not rig.server.connections)
    with rig.connect() as m:
        assert len(m.ask(1, READ_1)) == 4


def test_cap_per_address_is_off_on_loopback() -> None:
    with Rig(per_address=2) as rig:
        masters = [rig.connect() for _ in range(5)]
        assert all(len(m.ask(1, READ_1)) == 4 for m in masters)
        for m in masters:
            m.socket.close()


def test_frames_behind_a_waiting_command_wait_and_the_buffer_stays_bounded(rig: Rig) -> None:
    gate = threading.Event()
    rig.core.decide = lambda i, v: Reason.DONE if gate.wait(0.04) or True else Reason.BUSY
    n = 2000
    with rig.connect() as m:
        m.send(adu(2, bytes.fromhex("05 0003 FF00"), 0))
        m.send(b"".join(adu(1, READ_1, k) for k in range(1, n)))
        assert [m.receive()[0] for _ in range(n)] == list(range(n))
