"""Alarm points of the recorder: set when they differ, whatever core, ring or station make of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import segment
from hil.process_alarms import ProcessAlarms, alarm_points
from hil.recorder.alarms import SOURCE, Alarms, alarms_of
from hil.recorder.room import FULL, LOW, OK
from rtcore import ring as rg
from rtcore.commands import Reason
from rtcore.points import Kind, Point
from tests.support.python_core import PythonCore
from tests.unit.hil.recorder.ring_rig import make_spec, point

NAMES = ("DISK_LOW", "DISK_FULL", "LOSSY")


def alarm(name: str, kind: Kind) -> Point:
    tag = name if kind is Kind.STATUS else f"SET_{name}"
    return point(f"ANY.{tag}", kind, source="recorder.recorder", attr=f"is_{name.lower()}_sp")


POINTS = [
    point("CB1.POS"),
    *(alarm(n, Kind.STATUS) for n in NAMES),
    *(alarm(n, Kind.SETPOINT) for n in NAMES),
]
NUMBERS = alarm_points(POINTS, SOURCE)


class Rig:
    """A core that steps when told to, and the alarms of a recorder that was just started."""

    def __init__(self) -> None:
        self.core = PythonCore(POINTS)
        self.core.tick()
        self.start(incarnation=1)

    def start(self, incarnation: int) -> None:
        self.alarms = Alarms(ProcessAlarms(NUMBERS, self.core.producer(incarnation)))

    def look(self, disk: int, *, is_lossy: bool = False) -> None:
        seen = self.core.board.read()
        assert seen is not None
        self.alarms.show(seen, disk, is_lossy=is_lossy)

    @property
    def n_commands(self) -> int:
        return int(self.core.pair.commands[rg.HEAD])

    def shown(self, disk: int, *, is_lossy: bool = False) -> tuple[float, ...]:
        """Return low, full and lossy after three looks: command, take answers, find it right."""
        for _ in range(3):
            self.look(disk, is_lossy=is_lossy)
            self.core.tick()
        return tuple(self.core.setpoints[NUMBERS[f"is_{n.lower()}_sp"]] for n in NAMES)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_points_are_found_by_their_component_and_not_by_their_tag() -> None:
    assert {a: POINTS[k].tag for a, k in NUMBERS.items()} == {
        "is_disk_low_sp": "ANY.SET_DISK_LOW",
        "is_disk_full_sp": "ANY.SET_DISK_FULL",
        "is_lossy_sp": "ANY.SET_LOSSY",
    }


def test_alarms_follow_the_disk_and_a_full_one_has_little_room_too(rig: Rig) -> None:
    assert [rig.shown(disk) for disk in (LOW, FULL, LOW, OK)] == [(1, 0, 0), (1, 1, 0), (1, 0, 0), (0, 0, 0)]


def test_where_nothing_differs_nothing_is_commanded(rig: Rig) -> None:
    rig.shown(OK)
    assert rig.n_commands == 0
    rig.shown(FULL)
    assert rig.n_commands == 2, "low and full, once"


def test_a_loss_stays_shown_for_the_run_and_a_restart_clears_what_no_longer_holds(rig: Rig) -> None:
    assert rig.shown(FULL, is_lossy=True) == (1, 1, 1)
    rig.start(incarnation=2)
    assert rig.shown(OK) == (0, 0, 1)


def test_a_core_that_does_not_answer_gets_one_command_and_what_holds_when_it_is_back(rig: Rig) -> None:
    for disk in (LOW, FULL, OK, LOW) * 10:
        rig.look(disk)
    assert rig.n_commands == 1
    rig.core.tick()
    assert rig.shown(FULL) == (1, 1, 0)


def test_a_command_that_is_refused_is_given_again(rig: Rig) -> None:
    rig.core.decide = lambda _i, _v: Reason.EXPIRED
    assert rig.shown(LOW) == (0, 0, 0)
    rig.core.decide = lambda _i, _v: Reason.DONE
    assert rig.shown(LOW) == (1, 0, 0)


def test_a_full_ring_is_waited_out(rig: Rig) -> None:
    rig.core.pair.commands[rg.HEAD] = rg.CAPACITY  # commands of others that the core has not taken
    for _ in range(3):
        rig.look(FULL)
    assert rig.n_commands == rg.CAPACITY
    rig.core.pair.commands[rg.TAIL] = rg.CAPACITY
    assert rig.shown(FULL) == (1, 1, 0)


def test_a_point_list_with_one_of_the_alarms_has_that_one() -> None:
    points = [alarm("DISK_FULL", Kind.SETPOINT)]
    core = PythonCore(points)
    core.tick()
    seen = core.board.read()
    assert seen is not None
    alarms = Alarms(ProcessAlarms(alarm_points(points, SOURCE), core.producer()))
    alarms.show(seen, FULL, is_lossy=True)
    core.tick()
    assert core.setpoints == {0: 1.0}


def test_a_station_without_these_points_has_no_alarms_and_needs_no_ring(tmp_path: Path) -> None:
    assert alarms_of(make_spec(tmp_path)) is None


def test_the_recorder_of_a_run_has_a_ring_of_its_own(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, POINTS)
    memory = segment.create(spec.ring_path("recorder"), rg.PAIR_BYTES, lambda m: rg.RingPair(m).format())
    alarms, core = alarms_of(spec), PythonCore(POINTS)
    core.tick()
    seen = core.board.read()
    assert alarms is not None and seen is not None
    alarms.show(seen, LOW, is_lossy=False)
    assert int(rg.RingPair(memory).commands[rg.HEAD]) == 1
