"""The live bench beside a loop in plain Python: it ends when the station does, and cleans up after itself."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hil.relaytest import live, running
from hil.relaytest.bench import Applied, Injection, balanced
from hil.relaytest.live import LiveBench
from hil.runspec import PRODUCERS
from rtcore import ring as rg
from rtcore.board import CTL_BEAT_NS, CTL_ENDED
from rtcore.commands import RECORD_WORDS, Reason
from rtcore.errors import HostError
from rtcore.points import Kind
from tests.support.python_core import PythonCore

SETPOINTS = (
    *(f"LAB.INJECT.{n}" for n in ("LOCATION", "THROUGH_CT", "ACTIVE", "FOLLOWING", "F_HZ_SP", "DF_HZ_S")),
    *(f"LAB.INJECT.{q}{k}_{u}" for q, unit in (("I", "A"), ("V", "V")) for k in "ABC" for u in (unit, "DEG")),
    *(f"LAB.INJECT.{n}" for n in ("PLAY", "TOKEN_IN", "INPUT_1", "INPUT_2", "INPUT_3")),
    *("LAB.FAULT_1.ENTRY", "LAB.FAULT_1.CLEAR", "LAB.FAULT_1.APPLY", "LAB.ARM.ARM"),
    *("A.R1.BLOCKED", "A.R2.BLOCKED", "A.CB.TRIP", "A.CB.CLOSE"),
)
SOURCE = {"A.R1": "relay.r1", "A.R2": "relay.r2", "A.CB": "breaker.cb"}
SHOT = Injection(balanced(600.0), balanced(7000.0), 60.0)


class Rig:
    """A bench, the loop beside it and the loop's ring of events."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        tags = [(t, Kind.SETPOINT) for t in SETPOINTS]
        tags += [(t, Kind.ANALOG) for t in ("A.CB.ST_52A", "A.R1.TRIP", "A.R1.PICKUP")]
        points: list[Any] = [
            SimpleNamespace(tag=t, kind=kind, source=SOURCE.get(t.rpartition(".")[0], "")) for t, kind in tags
        ]
        self.core = PythonCore(points)
        self.core.value_of = lambda _i, _step: 0.0
        self.tags = [t for t, _ in tags]
        self.events = np.zeros(rg.HEADER_WORDS + rg.RECORDS_AT + rg.EVENT_CAPACITY * RECORD_WORDS, np.int64)
        relays = [SimpleNamespace(name="r1", breaker="cb"), SimpleNamespace(name="r2", breaker="")]
        plan = SimpleNamespace(
            scheme=SimpleNamespace(relays=relays), faults=SimpleNamespace(names=["head", "far"])
        )
        memory = {"board": self.core.board_memory, "events": self.events, "rings": self.core.ring_memory}
        patch.setattr(live, "read_plan", lambda _station: plan)
        patch.setattr(live, "facts", lambda _plan, _dt_s: None)
        patch.setattr(live, "TraceTail", lambda *_: SimpleNamespace(follow=lambda: None))
        patch.setattr(live.segment, "attach", lambda name, **_: memory.get(name))
        spec: Any = SimpleNamespace(
            name="lab",
            points=points,
            n_core=len(points),
            published={},
            run_dir=folder,
            core={"station": "lab", "dt_ns": 2_000_000, "period_ns": 2_000_000},
            board_path="board",
            events_path="events",
            waves_path="waves",
            ring_path=lambda _producer: "rings",
        )
        self.bench = LiveBench(spec)

    def emit(self, tag: str, producer: str, value: float = 1.0) -> None:
        """Put a command into the ring of events, as the loop does."""
        words = self.events[rg.HEADER_WORDS :]
        head = int(words[rg.HEAD])
        record = words[rg.RECORDS_AT + head % rg.EVENT_CAPACITY * RECORD_WORDS :][:RECORD_WORDS]
        record[:] = 0
        record[rg.E_STEP], record[rg.E_KIND] = self.core.step, rg.EVENT_COMMAND
        record[rg.E_TARGET], record[rg.E_CAUSE] = self.tags.index(tag), PRODUCERS.index(producer) + 1
        record[rg.E_NEW] = rg.float_bits(value)
        words[rg.HEAD] = head + 1

    def flood(self) -> None:
        """Let more events happen at once than the ring holds."""
        self.emit("LAB.INJECT.PLAY", "opcua")
        self.events[rg.HEADER_WORDS + rg.HEAD] += rg.EVENT_CAPACITY + 10

    def set(self, **values: float) -> None:
        """Set points as somebody else would, named with __ for a dot."""
        for name, value in values.items():
            self.core.setpoints[self.tags.index(name.replace("__", "."))] = value

    def get(self, tag: str) -> float:
        return self.core.setpoints[self.tags.index(tag)]


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(monkeypatch, tmp_path)
    with rig.core:
        yield rig
    os.close(rig.bench._lock)


WAITS: dict[str, Callable[[LiveBench], object]] = {
    "calibrate": lambda b: b.calibrate(60.0),
    "wait": lambda b: b.wait(frozenset({"trip"}), 60.0),
    "sleep": lambda b: b.sleep(60.0),
    "health": lambda b: b.health(0, 0, 1_000_000),
    "close_breaker": lambda b: b.close_breaker(),
    "command": lambda b: b.inject(SHOT),
}


@pytest.mark.parametrize("what", WAITS)
@pytest.mark.parametrize("end", ["it says so", "its heart stops"])
def test_whatever_waits_ends_when_the_station_does(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, what: str, end: str
) -> None:
    rig.bench.connect("r1")
    monkeypatch.setattr(live, "DEAD_S", 0.2)

    def over() -> None:
        rig.core.die()
        if end == "it says so":
            rig.core.board.ctl[CTL_ENDED] = 1

    timer = threading.Timer(0.05, over)
    timer.start()
    if what == "command":
        timer.join()
    with pytest.raises(HostError, match="station lab has ended"):
        WAITS[what](rig.bench)
    timer.join()


@pytest.mark.parametrize(("age_s", "is_dead"), [(2.9, False), (6.0, True)])
def test_a_loop_that_is_held_up_for_some_seconds_has_not_ended(rig: Rig, age_s: float, is_dead: bool) -> None:
    rig.core.die()
    rig.core.board.ctl[CTL_BEAT_NS] = time.monotonic_ns() - round(age_s * 1e9)
    if is_dead:
        with pytest.raises(HostError, match="no sign of life of it for 6 s"):
            rig.bench.value("LAB.INJECT.ACTIVE")
    else:
        assert rig.bench.value("LAB.INJECT.ACTIVE") == 0.0


def test_a_breaker_that_does_not_close_is_told_with_the_plants_reason(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.bench.connect("r1")
    monkeypatch.setattr(live, "CLOSE_S", 0.3)
    with pytest.raises(HostError, match=r"A\.CB does not close within 0\.3 s: .* is a trip held"):
        rig.bench.close_breaker()
    rig.core.decide = lambda i, _v: Reason.LOCKED_OUT if rig.tags[i] == "A.CB.CLOSE" else Reason.DONE
    with pytest.raises(HostError, match=r"does not close .*: A\.CB\.CLOSE: the device is locked out"):
        rig.bench.close_breaker()


def test_disconnecting_clears_a_fault_of_its_own_and_no_other(rig: Rig) -> None:
    rig.bench.connect("r1")
    rig.bench.disconnect()
    assert rig.get("LAB.FAULT_1.CLEAR") == 0.0
    rig.bench.connect("r1")
    rig.bench.apply_fault("far")
    assert rig.get("LAB.FAULT_1.ENTRY") == 2.0
    rig.bench.disconnect()
    assert (rig.get("LAB.FAULT_1.CLEAR"), rig.get("A.R1.BLOCKED")) == (1.0, 0.0)


def test_a_fault_that_cannot_be_cleared_keeps_nothing_else_from_being_cleared(rig: Rig) -> None:
    rig.bench.connect("r1")
    rig.bench.inject(SHOT)
    rig.bench.apply_fault("head")
    rig.core.decide = lambda i, _v: Reason.TAGGED if rig.tags[i] == "LAB.FAULT_1.CLEAR" else Reason.DONE
    rig.bench.disconnect()
    assert (rig.get("LAB.INJECT.ACTIVE"), rig.get("A.R1.BLOCKED")) == (0.0, 0.0)


def test_connecting_clears_away_what_a_killed_bench_left(rig: Rig) -> None:
    rig.set(LAB__INJECT__ACTIVE=1.0, LAB__INJECT__LOCATION=2.0, A__R2__BLOCKED=1.0)
    rig.core.tick()
    rig.bench.connect("r1")
    assert (rig.get("LAB.INJECT.ACTIVE"), rig.get("A.R2.BLOCKED"), rig.get("A.R1.BLOCKED")) == (0.0, 0.0, 1.0)


def test_what_was_left_is_said_and_a_relay_that_somebody_else_blocked_stays_so(rig: Rig) -> None:
    rig.set(A__R1__BLOCKED=1.0)
    time.sleep(0.02)
    assert rig.bench.restore() == ""
    rig.set(LAB__INJECT__ACTIVE=1.0, LAB__INJECT__LOCATION=2.0, A__R2__BLOCKED=1.0)
    time.sleep(0.02)
    assert rig.bench.restore() == "the sources of the test set were on; relay A.R2 was blocked"
    assert (rig.get("A.R1.BLOCKED"), rig.get("A.R2.BLOCKED")) == (1.0, 0.0)


def test_events_lost_while_nothing_is_measured_are_no_error(rig: Rig) -> None:
    rig.flood()
    rig.bench.connect("r1")
    rig.flood()
    rig.bench.calibrate(0.01)
    rig.flood()
    applied = rig.bench.inject(SHOT)
    assert rig.bench.wait(frozenset({"trip"}), 0.01) is None
    assert rig.bench.health(applied.step, applied.step, applied.step + 1).n_overruns == 0
    rig.flood()
    rig.bench.drain()


def test_events_lost_in_a_measurement_are(rig: Rig) -> None:
    rig.bench.connect("r1")
    rig.bench.inject(SHOT)
    rig.flood()
    with pytest.raises(HostError, match="events of the plant were lost"):
        rig.bench.wait(frozenset({"trip"}), 0.01)


@pytest.mark.parametrize("begin", [lambda b: b.inject(None), lambda b: b.apply_fault("far")])
def test_events_lost_in_a_shot_without_sources_are(rig: Rig, begin: Callable[[LiveBench], Applied]) -> None:
    rig.bench.connect("r1")
    applied = begin(rig.bench)
    rig.bench.sleep(0.02)
    rig.flood()
    rig.bench.inject(SHOT)  # a later state of the same shot
    with pytest.raises(HostError, match="events of the plant were lost"):
        rig.bench.health(applied.step, applied.step, rig.core.step)


def test_events_lost_in_a_calibration_are(rig: Rig) -> None:
    rig.bench.connect("r1")
    timer = threading.Timer(0.05, rig.flood)
    timer.start()
    with pytest.raises(HostError, match="events of the plant were lost"):
        rig.bench.calibrate(1.0)
    timer.join()


def test_a_bench_that_lay_idle_after_a_fault_measures_again(rig: Rig) -> None:
    rig.bench.connect("r1")
    rig.bench.apply_fault("far")
    rig.flood()
    rig.bench.apply_fault(None)
    rig.bench.inject(SHOT)
    rig.flood()
    rig.bench.inject(SHOT)
    rig.emit("LAB.INJECT.INPUT_1", "modbus")
    seen = rig.bench.wait(frozenset({"trip"}), 1.0)
    assert seen is not None


def test_a_device_never_heard_was_silent_all_the_time(rig: Rig) -> None:
    rig.bench.connect("r1")
    assert rig.bench.health(0, 0, 10).device_silent_s == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("tag", "producer", "is_sign"),
    [
        ("LAB.INJECT.TOKEN_IN", "modbus", True),
        ("LAB.INJECT.INPUT_2", "opcua", True),
        ("A.CB.TRIP", "device", True),
        ("LAB.INJECT.PLAY", "opcua", False),  # an operator
        ("A.R2.BLOCKED", "console", False),
        ("LAB.INJECT.INPUT_1", "bench", False),
        ("LAB.INJECT.INPUT_1", "recorder", False),
    ],
)
def test_only_what_the_device_writes_is_a_sign_of_its_life(
    rig: Rig, tag: str, producer: str, is_sign: bool
) -> None:
    rig.bench.connect("r1")
    rig.emit(tag, producer)
    rig.bench.drain()
    assert bool(rig.bench.signs(0, 1_000_000)) is is_sign


def test_a_long_shot_keeps_what_happened_at_its_beginning_and_the_next_one_does_not(rig: Rig) -> None:
    rig.bench.connect("r1")
    rig.emit("LAB.INJECT.TOKEN_IN", "modbus")
    rig.bench.drain()
    rig.core.step += 1_000_000  # 2000 s
    rig.bench.drain()
    assert len(rig.bench.signs(0, 1_000_000)) == 1
    rig.core.value_of = lambda _i, _step: 1.0  # the breaker is closed
    time.sleep(0.02)
    rig.bench.close_breaker()
    assert rig.bench.signs(0, 1_000_000) == []


def test_the_command_says_what_a_killed_test_left(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lab.toml"
    file.touch()
    rig.set(LAB__INJECT__ACTIVE=1.0, LAB__INJECT__LOCATION=2.0, A__R2__BLOCKED=1.0)
    time.sleep(0.02)
    spec = SimpleNamespace(name="lab", core={"station": str(file)}, recorder={})
    monkeypatch.setattr(running.paths, "find", lambda *_: file)
    monkeypatch.setattr(running, "running_station", lambda *_: spec)
    monkeypatch.setattr(running, "bench_of", lambda *_: contextlib.nullcontext(rig.bench))
    plan: Any = SimpleNamespace(head=SimpleNamespace(station="lab"), path=tmp_path / "plan.toml", outputs={})
    with running.running_bench(plan) as (_, station):
        pass
    left = "the sources of the test set were on; relay A.R2 was blocked"
    assert station["left by a test that was killed, cleared away"] == left
    said = capsys.readouterr()
    assert (said.out, " ".join(said.err.split())) == (
        "",
        f"a test that was killed left: {left}; cleared away",
    )
