"""Events from the ring to the journal: none lost, doubled or out of order, and told when on disk."""

from __future__ import annotations

import errno
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.recorder.event_tail import EventTail
from hil.recorder.journal import Journal, frames
from hil.recorder.soe import COUNTED, LOST, Namer, Soe
from hil.recorder.soe_writer import BATCH_MAX, COUNTED_MAX, SoeWriter, next_position
from hil.runspec import PRODUCERS
from rtcore import ring as rg
from rtcore.commands import Reason
from rtcore.overruns import CAUSE_EXECUTION
from rtcore.points import Kind, Point
from tests.unit.hil.recorder.ring_rig import POINTS, UTC_NS, Ring, point

ROOM = rg.EVENT_CAPACITY - 1
"""Events that can wait: the slot that is written next is not read."""


class Rig:
    def __init__(
        self,
        path: Path,
        ring: Ring,
        write: Callable[[int, bytes, int], int] = os.pwrite,
        points: list[Point] = POINTS,
    ) -> None:
        self.acknowledged: list[tuple[int, int]] = []
        self.n_full = 0
        self.journal = Journal(path, write)
        self.writer = SoeWriter(
            EventTail(ring.buffer, next_position(self.journal)),
            Namer(points, PRODUCERS),
            self.journal,
            lambda: "0",
            lambda at, seq: self.acknowledged.append((at, seq)),
            self._full,
        )

    def _full(self) -> None:
        self.n_full += 1

    def drain(self) -> None:
        while self.writer.turn():
            pass


def records(path: Path) -> list[Soe]:
    return [Soe.decode(f.body) for f in frames(path)]


@pytest.fixture
def ring() -> Ring:
    return Ring()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "soe.journal"


def test_ten_thousand_events_of_a_thread_that_does_not_wait_are_all_there_in_order(
    ring: Ring, path: Path
) -> None:
    rig, n = Rig(path, ring), 10_000

    def produce() -> None:
        while ring.head < n:
            if ring.head - rig.acknowledged[-1][0] < ROOM - 500:  # as fast as no ring overflows
                ring.push(500)

    thread = threading.Thread(target=produce)
    thread.start()
    while thread.is_alive() or rig.acknowledged[-1][0] < n:
        rig.writer.turn()
    thread.join()
    found = records(path)
    assert [r.pos for r in found] == list(range(n))
    assert [r.utc_ns for r in found] == [UTC_NS + k for k in range(n)]
    assert rig.writer.n_lost == 0
    assert rig.acknowledged[-1] == (n, n)


def test_nothing_is_acknowledged_before_it_can_be_read_from_the_journal(ring: Ring, path: Path) -> None:
    rig = Rig(path, ring)
    ring.push(3 * BATCH_MAX // 2)
    rig.drain()
    assert rig.acknowledged == [(0, 0), (BATCH_MAX, BATCH_MAX), (3 * BATCH_MAX // 2,) * 2]
    assert rig.writer.turn() == 0, "a quiet ring costs no write"


def test_a_writer_started_again_goes_on_without_a_gap_and_without_a_double(ring: Ring, path: Path) -> None:
    for _ in range(5):
        ring.push(700)
        rig = Rig(path, ring)
        rig.writer.turn()
        ring.push(50)  # not written by this one
        rig.journal.close()
    Rig(path, ring).drain()
    assert [r.pos for r in records(path)] == list(range(5 * 750))
    assert [f.seq for f in frames(path)] == list(range(1, 5 * 750 + 1))


def test_events_overwritten_unread_leave_a_record_of_how_many(ring: Ring, path: Path) -> None:
    rig = Rig(path, ring)
    ring.push(10)
    rig.drain()
    ring.push(ROOM + 25)
    rig.drain()
    found = records(path)
    gap = found[10]
    assert (gap.kind, gap.pos, gap.new, gap.next_pos) == (LOST, 10, 25, 35)
    assert [r.pos for r in found[11:]] == list(range(35, ring.head))
    assert rig.writer.n_lost == 25
    again = Rig(path, ring)
    assert again.acknowledged == [(ring.head, len(found))]


def test_a_full_disk_is_told_and_the_same_events_are_written_once_there_is_room(
    ring: Ring, path: Path
) -> None:
    is_full = False

    def pwrite(fd: int, data: bytes, at: int) -> int:
        if is_full:
            raise OSError(errno.ENOSPC, "full")
        return os.pwrite(fd, data, at)

    rig = Rig(path, ring, pwrite)
    is_full = True
    ring.push(5)
    for _ in range(3):
        assert rig.writer.turn() == 0
    assert (rig.n_full, rig.acknowledged) == (3, [(0, 0)])
    is_full = False
    ring.push(5)
    rig.drain()
    assert [r.pos for r in records(path)] == list(range(10))


def test_a_broken_disk_is_not_taken_for_a_full_one(ring: Ring, path: Path) -> None:
    def pwrite(fd: int, data: bytes, at: int) -> int:
        if len(data) > 8:
            raise OSError(errno.EIO, "broken")
        return os.pwrite(fd, data, at)

    rig = Rig(path, ring, pwrite)
    ring.push()
    with pytest.raises(OSError, match="broken"):
        rig.writer.turn()


def test_records_say_point_states_cause_and_quality_of_time(ring: Ring, path: Path) -> None:
    rig = Rig(path, ring)
    ring.push(target=1, old=0, new=1, step=77)
    value = 0.1 + 0.2
    for asked in (value, math.nan):
        ring.push(
            kind=rg.EVENT_COMMAND, target=2, old=Reason.DONE, new=rg.float_bits(asked), cause=2, step=78
        )
    ring.push(kind=rg.EVENT_COMMAND, target=9, old=Reason.UNKNOWN_POINT, new=0, cause=99)
    ring.push(kind=rg.EVENT_OVERRUN, target=-1, old=40_000, new=1_100_000, cause=CAUSE_EXECUTION)
    rig.drain()
    status, command, odd, unknown, overrun = records(path)
    assert status == Soe(
        pos=0, utc_ns=UTC_NS, step=77, kind="status", tag="CB2.POS", old=0, new=1, quality="0"
    )
    assert (command.tag, command.new, command.cause, command.verdict) == ("CB1.IA", value, "opcua", "DONE")
    assert odd.new is None
    assert (unknown.tag, unknown.cause, unknown.verdict) == ("", "producer 99", "UNKNOWN_POINT")
    assert (overrun.kind, overrun.old, overrun.new) == ("overrun", 40_000, 1_100_000)


# ---- a token that a device echoes in every cycle ------------------------------------------------

TOKEN = len(POINTS)
WITH_TOKEN = [*POINTS, point("TST.TOKEN_IN", Kind.SETPOINT, is_health=True)]
DONE = int(Reason.DONE)


def echo(ring: Ring, n: int, every: int = 5, verdict: int = DONE) -> None:
    """Commands to the token, one every so many steps."""
    for _ in range(n):
        ring.push(1, rg.EVENT_COMMAND, target=TOKEN, step=every * ring.head, old=verdict, new=0, cause=1)


def test_a_token_of_200_a_second_takes_little_room_and_its_number_and_steps_are_kept(
    path: Path, ring: Ring
) -> None:
    rig = Rig(path, ring, points=WITH_TOKEN)
    n = 200 * 60
    for _ in range(n // 100):
        echo(ring, 100)
        rig.drain()
    rig.writer.turn(is_last=True)
    found = records(path)
    assert {(r.kind, r.tag, r.cause, r.verdict) for r in found} == {
        (COUNTED, "TST.TOKEN_IN", "modbus", "DONE")
    }
    assert [s for r in found for s in r.all_steps] == list(range(0, 5 * n, 5))
    assert rig.writer.n_counted == sum(r.new or 0 for r in found) == n
    assert path.stat().st_size < 3 * n, "a minute of it; one record for each would be 2.4 MB"


def test_what_is_counted_stands_in_order_with_what_is_kept(path: Path, ring: Ring) -> None:
    rig = Rig(path, ring, points=WITH_TOKEN)
    echo(ring, 3)
    ring.push(2)
    echo(ring, 2)
    rig.drain()
    assert rig.acknowledged[-1] == (5, 3), "the last two may still be counted with others"
    echo(ring, 1)
    echo(ring, 1, verdict=int(Reason.OUT_OF_RANGE))
    rig.drain()
    found = records(path)
    assert [(r.kind, r.pos, r.next_pos) for r in found] == [
        (COUNTED, 0, 3),
        ("status", 3, 4),
        ("status", 4, 5),
        (COUNTED, 5, 8),
        ("command", 8, 9),  # a refused one: there is something to see
    ]
    assert found[3].all_steps == [25, 30, 35]


def test_a_recorder_killed_while_it_counts_takes_them_again(path: Path, ring: Ring) -> None:
    rig = Rig(path, ring, points=WITH_TOKEN)
    ring.push()
    echo(ring, COUNTED_MAX + 10)
    rig.drain()
    rig = Rig(path, ring, points=WITH_TOKEN)
    assert next_position(rig.journal) == 1 + COUNTED_MAX
    echo(ring, 5)
    rig.writer.turn(is_last=True)
    found = records(path)
    assert [r.pos for r in found] == [0, 1, 1 + COUNTED_MAX]
    assert found[-1].next_pos == ring.head and found[-1].new == 15
