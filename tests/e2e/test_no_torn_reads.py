"""A hundred clients read while breakers toggle; every answer must be one step of the replayed plant.

The plant is computed again from the seed and the audit journals and every answer is compared,
register for register, with the step whose number it carries. So one test shows that no answer
mixes two steps, and that a live run replays to the same trajectory, bit for bit.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from hil.runspec import RunSpec
from protocols import modbus_map
from protocols.modbus_image import ImageBuilder
from tests.support.hammer import Hammer, Request
from tests.support.modbus_rig import Master
from tests.support.replay import Replay
from tests.support.station import Station, running, say, station_for_clients

CLIENTS = 100
SECONDS = float(os.environ.get("GRIDHIL_HAMMER_S", "30"))
STAMP = modbus_map.STAMP_REGISTERS
BLOCK = 124
BREAKERS = ((2, 16), (3, 16), (4, 16))
"""(unit, coil of TRIP) of the first breaker of every feeder; CLOSE is the next coil."""

POSITION_REACHED = bytes((0x85, 0x04))
"""Answer to a trip of an open breaker, or a close of a closed one."""


def requests_of(spec: RunSpec) -> list[Request]:
    """Return reads that cover every stamped register, each beginning at a stamp."""
    built = modbus_map.build(spec.points[: spec.n_core], spec.core_stamps, spec.modbus)
    extents = built.extents()
    found: list[Request] = []
    for unit in sorted({s.unit for s in built.stamps}):
        starts = sorted(s.address for s in built.stamps if s.unit == unit)
        end = extents[unit, "ir"]
        at = starts[0]
        while at < end:
            found.append((unit, struct.pack(">BHH", 4, at, min(BLOCK, end - at))))
            at = max([s for s in starts if at < s <= at + BLOCK - STAMP], default=end)
    return found


class Writer(threading.Thread):
    """A master that toggles breakers and the load scale, and knows what was acknowledged."""

    def __init__(self, station: Station) -> None:
        super().__init__(daemon=True)
        self.station = station
        self.stopping = threading.Event()
        self.n_rounds = self.n_done = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with self.station.master() as m:
                while not self.stopping.wait(0.02):
                    self._round(m)
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            self.error = error

    def _round(self, m: Master) -> None:
        unit, trip = BREAKERS[self.n_rounds % 3]
        coil = trip + self.n_rounds // 3 % 2
        scale = 0.5 + self.n_rounds % 7 / 10
        self.n_rounds += 1
        for target, pdu in (
            (unit, struct.pack(">BHH", 5, coil, 0xFF00)),
            (1, struct.pack(">BHHBf", 16, 260, 2, 4, scale)),
        ):
            reply = m.ask(target, pdu)
            if reply != POSITION_REACHED:  # it was still travelling when the last command came
                assert reply[0] == pdu[0], f"refused with {reply.hex()}"
                self.n_done += 1


@pytest.mark.slow
@pytest.mark.timeout(480)
def test_a_hundred_clients_never_see_two_steps_in_one_answer(tmp_path: Path) -> None:
    digests: dict[int, int] = {}
    with running(tmp_path, station_for_clients(tmp_path)) as station:
        requests = requests_of(station.spec)
        writer = Writer(station)
        with Hammer(station.modbus_port, requests, CLIENTS) as hammer:
            writer.start()
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                snapshot = station.snapshot()
                digests[snapshot.step] = snapshot.digest
                time.sleep(0.05)
            assert hammer.n_connected == CLIENTS
            writer.stopping.set()
            writer.join(10.0)
        assert writer.error is None
        replay = Replay.of(station)
        overruns, last = station.value("SUB.LOOP.OVERRUNS"), station.snapshot().step
        station.stop()
    assert writer.n_done > SECONDS  # at least one command a second got through
    compared = compare(station.spec, replay, requests, hammer, digests)
    say(
        f"{hammer.n_answers} answers in {SECONDS:g} s ({hammer.n_answers / SECONDS:.0f}/s, slowest "
        f"{hammer.slowest_ms:.0f} ms), {compared} different ones compared with their step, "
        f"{writer.n_done} commands, {len(digests)} digests equal, overruns {overruns:g} in {last} steps"
    )


def compare(
    spec: RunSpec,
    replay: Replay,
    requests: list[Request],
    hammer: Hammer,
    digests: dict[int, int],
) -> int:
    """Compare every answer with the replayed image of its step; return how many."""
    built = modbus_map.build(spec.points[: spec.n_core], spec.core_stamps, spec.modbus)
    builder = ImageBuilder(built)
    plain = _comparable(built, builder)
    ranges = [_range_of(request, builder) for request in requests]
    seen: dict[int, list[tuple[int, bytes]]] = {step: [] for step in digests}
    for k, answers in hammer.answers.items():
        for reply in answers:
            assert reply[0] == 4, f"exception {reply.hex()}"
            seen.setdefault(struct.unpack(">I", reply[2:6])[0], []).append((k, reply))
    compared = 0
    for snapshot, digest in replay.at(seen):
        if snapshot.step in digests:
            assert digests[snapshot.step] == digest, f"step {snapshot.step}: the live plant took another way"
        image = np.frombuffer(builder.build(snapshot).registers, ">u2")
        for k, reply in seen[snapshot.step]:
            at = ranges[k]
            wrong = (np.frombuffer(reply, ">u2", offset=2) != image[at]) & plain[at]
            assert not wrong.any(), _differences(requests[k], wrong, snapshot.step)
            compared += 1
    return compared


def _comparable(built: modbus_map.ModbusMap, builder: ImageBuilder) -> np.ndarray:
    """Return which registers follow from the plant: not the wall clock, not the host's health."""
    size = max(builder.base[e] + n for e, n in builder.extent.items() if e[1] in ("ir", "hr"))
    plain = np.ones(size, np.bool_)
    for stamp in built.stamps:
        at = builder.base[stamp.unit, "ir"] + stamp.address
        plain[at + 2 : at + 5] = False
    for entry in built.entries:
        r = entry.reference
        if entry.point.is_health and r.table in ("ir", "hr"):
            at = builder.base[r.unit, r.table] + r.address
            plain[at : at + r.size] = False
    return plain


def _range_of(request: Request, builder: ImageBuilder) -> slice:
    """Return where in the image's registers the answer to a request stands."""
    unit, pdu = request
    _, first, count = struct.unpack(">BHH", pdu)
    at = builder.base[unit, "ir"] + first
    return slice(at, at + count)


def _differences(request: Request, wrong: np.ndarray, step: int) -> str:
    unit, pdu = request
    _, first, _ = struct.unpack(">BHH", pdu)
    registers = (np.flatnonzero(wrong) + first).tolist()[:10]
    return f"unit {unit}, step {step}: registers {registers} do not belong to it"
