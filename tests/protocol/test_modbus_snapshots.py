"""A whole answer comes from one step, however many clients read while the core publishes."""

from __future__ import annotations

import struct
import threading
import time

import numpy as np

from protocols.modbus_image import DE_ENERGISED, INVALID, OVERFLOW, STALE
from rtcore.quality import Quality
from tests.support.modbus_rig import Master, Rig, rig_points
from tests.support.python_core import PythonCore

BLOCK = struct.pack(">BHH", 4, 994, 106)  # the stamp block and 50 floats right behind it
MIRROR = struct.pack(">BHH", 3, 10_994, 106)


def check_block(reply: bytes) -> int:
    """Every value of the block must belong to the step of its stamp; return the step."""
    step, utc_s, utc_ms, quality = struct.unpack_from(">IIHH", reply, 2)
    values = np.frombuffer(reply, ">f4", 50, 14)
    assert (values == step % 1000).all()
    assert quality == 0
    assert abs(utc_s + utc_ms / 1000 - time.time()) < 5.0  # the same host's clock, a slow test run
    return step


def test_no_read_is_torn_while_breakers_toggle() -> None:
    # The long form (100 clients for 30 s against the real plant) is in tests/e2e.
    seen: list[int] = []
    failures: list[BaseException] = []
    with Rig(core=PythonCore(rig_points(), period_s=0.001)) as rig:
        end = time.monotonic() + 3.0

        def hammer(k: int) -> None:
            try:
                n, last = 0, 0
                with rig.connect() as m:
                    while time.monotonic() < end:
                        step = check_block(m.ask(1, (BLOCK, MIRROR)[k % 2]))
                        assert step >= last
                        n, last = n + 1, step
                seen.append(n)
            except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
                failures.append(error)

        def toggle() -> None:
            try:
                with rig.connect() as m:
                    while time.monotonic() < end:
                        assert m.ask(2, "05 0003 FF00")[0] == 5
            except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
                failures.append(error)

        threads = [threading.Thread(target=hammer, args=(k,)) for k in range(30)]
        threads.append(threading.Thread(target=toggle))
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert rig.core.pulses
    assert not failures, failures[0]
    assert len(seen) == 30
    assert min(seen) > 0


def test_pipelined_reads_of_one_connection_never_go_back_in_time() -> None:
    with Rig() as rig, rig.connect() as m:
        frame = struct.pack(">HHHB", 1, 0, 6, 1) + BLOCK
        m.send(frame * 300)
        steps = [check_block(m.receive()[2]) for _ in range(300)]
        assert steps == sorted(steps)


def quality_word(master: Master, unit: int, address: int) -> int:
    return struct.unpack(">H", master.ask(unit, struct.pack(">BHH", 4, address + 5, 1))[2:])[0]


def test_quality_word_sums_up_its_device() -> None:
    with Rig() as rig, rig.connect() as m:
        assert quality_word(m, 1, 994) == 0
        rig.core.set_quality("MEAS.M1.V", Quality.BAD_DEENERGISED)  # another device
        rig.core.set_quality("MEAS.M0.V", Quality.UNCERTAIN_LAST_USABLE)
        time.sleep(0.05)
        assert quality_word(m, 1, 994) == STALE
        rig.core.set_quality("MEAS.M0.V", Quality.BAD_DEENERGISED)
        time.sleep(0.05)
        assert quality_word(m, 1, 994) == INVALID | DE_ENERGISED
        assert quality_word(m, 2, 994) == 0
        rig.core.set_quality("MEAS2.M3.V", Quality.BAD)  # the block of the whole unit 2
        time.sleep(0.05)
        assert quality_word(m, 2, 994) == INVALID


def test_value_too_large_for_its_format_is_clamped_and_flagged() -> None:
    with Rig() as rig, rig.connect() as m:
        over = rig.gateway.index["OVER.X.V"]
        rig.core.value_of = lambda i, step: 40000.0 if i == over else 1.0
        time.sleep(0.05)
        assert m.ask(1, "04 0514 0001") == bytes.fromhex("04 02 7FFF")
        assert quality_word(m, 1, 1302) == OVERFLOW
        rig.core.value_of = lambda i, step: -40000.0 if i == over else 1.0
        time.sleep(0.05)
        assert m.ask(1, "04 0514 0001") == bytes.fromhex("04 02 8000")
        rig.core.value_of = lambda i, step: 7.0
        time.sleep(0.05)
        assert m.ask(1, "04 0514 0001") == bytes.fromhex("04 02 0007")
        assert quality_word(m, 1, 1302) == 0


def test_stamp_follows_the_word_order_of_its_unit() -> None:
    with Rig() as rig, rig.connect() as m:
        reply = m.ask(2, struct.pack(">BHH", 4, 994, 6))
        w = struct.unpack(">6H", reply[2:])
        assert abs((w[3] << 16 | w[2]) - time.time()) < 5
        assert (w[1] << 16 | w[0]) <= rig.core.step
        assert w[4] < 1000
