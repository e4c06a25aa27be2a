"""What a station says of its processes, its commands, its loop and its attacks."""

from __future__ import annotations

import dataclasses as dc
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hil.gateway_status import SERVING, STARTING, GatewayStatus
from hil.recorder.status import RecorderStatus
from hil.runspec import RunSpec
from hil.services.attacks import ActiveAttacks, active_of
from hil.services.commands import SHOWN, NewestCommands
from hil.services.status import NOT_SEEN, StatusReader
from rtcore import board as bd
from rtcore import overruns as ov
from tests.unit.hil.recorder.ring_rig import POINTS, UTC_NS, make_spec


class Station:
    """A run whose board a test writes."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.board = bd.Board(bytearray(bd.board_bytes(len(POINTS))), len(POINTS))
        self.board.format(generation=1)
        self.board.ctl[bd.CTL_BEAT_NS] = time.monotonic_ns()
        self.board.ctl[bd.CTL_PUB] = 0
        self.reader = StatusReader(spec, self.board)

    def read(self, **sessions: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.reader.read([sessions] if sessions else []))
        return found

    def process(self, name: str) -> dict[str, Any]:
        (row,) = [p for p in self.read()["processes"] if p["name"] == name]
        return dict(row)

    def overrun(self, n: int, cause: int) -> None:
        first = int(self.board.stats[ov.S_N_OVERRUN])
        for k in range(first, first + n):
            at = ov.S_OVERRUN + k % ov.OVERRUN_ROWS * ov.OVERRUN_WORDS
            row = self.board.stats[at : at + ov.OVERRUN_WORDS]
            row[:] = 0
            row[ov.O_STEP], row[ov.O_LATE_NS], row[ov.O_EXEC_NS], row[ov.O_CAUSE] = (
                k,
                2_500_000,
                700_000,
                cause,
            )
        self.board.stats[ov.S_N_OVERRUN] = first + n


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    return make_spec(tmp_path)


@pytest.fixture
def station(spec: RunSpec) -> Station:
    return Station(spec)


def gateway(spec: RunSpec, name: str = "modbus", **words: int) -> GatewayStatus:
    status = GatewayStatus.create(spec.gateway_path(name))
    status.write(pid=os.getpid(), **words)
    return status


def test_a_process_that_serves_is_told_with_its_counters(spec: RunSpec, station: Station) -> None:
    gateway(spec, state=SERVING, clients=2, requests=70, refused=3, commands=4, errors=5)
    row = station.process("modbus")
    assert (row["state"], row["clients"], row["requests"], row["commands"]) == ("serving", 2, 70, 4)
    assert 0.0 <= row["beat_age_s"] < 60.0
    assert station.read()["modbus_clients"] == 2


def test_one_that_has_not_said_that_it_is_ready_is_starting(spec: RunSpec, station: Station) -> None:
    gateway(spec, state=STARTING)
    assert station.process("modbus")["state"] == "starting"
    assert station.process("recorder")["state"] == "starting"  # it has not made its board yet


def test_one_whose_heartbeat_stopped_is_silent_and_gone_when_it_does_not_run(
    spec: RunSpec, station: Station
) -> None:
    old = time.monotonic_ns() - 60_000_000_000
    gateway(spec, state=SERVING)
    path = spec.gateway_path("modbus")
    words = np.frombuffer(bytearray(path.read_bytes()), np.int64)
    words[0] = old
    path.write_bytes(words.tobytes())
    assert station.process("modbus")["state"] == "silent"
    ended = subprocess.Popen(["true"])
    ended.wait()
    words[-1] = ended.pid
    path.write_bytes(words.tobytes())
    assert station.process("modbus")["state"] == "gone"


def test_a_core_that_has_published_nothing_yet_is_starting_however_long_it_compiles(spec: RunSpec) -> None:
    station = Station(spec)
    station.board.ctl[bd.CTL_BEAT_NS] = time.monotonic_ns() - 61_000_000_000
    station.board.ctl[bd.CTL_PUB] = -1
    assert station.process("core")["state"] == "starting"


def test_a_dead_core_is_no_more_serving(station: Station) -> None:
    assert station.process("core")["state"] == "serving"
    station.board.ctl[bd.CTL_BEAT_NS] = time.monotonic_ns() - 60_000_000_000
    assert station.process("core")["state"] == "silent"


def test_the_recorders_own_words_are_told(spec: RunSpec, station: Station) -> None:
    RecorderStatus.create(spec.gateway_path("recorder"), seq=12, disk=1, pid=os.getpid()).beat(state=SERVING)
    found = station.read()
    assert (found["recorder"]["seq"], found["recorder"]["disk"]) == (12, "low")
    assert station.process("recorder")["state"] == "serving"


def test_without_a_recorder_there_is_none(spec: RunSpec) -> None:
    found = Station(dc.replace(spec, recorder={})).read()
    assert found["recorder"] is None
    assert "recorder" not in [p["name"] for p in found["processes"]]


def test_sessions_are_those_of_the_server(station: Station) -> None:
    assert station.read(user="ann")["sessions"] == [{"user": "ann"}]


def test_lateness_is_a_histogram_up_to_its_last_count(station: Station) -> None:
    station.board.stats[ov.S_LATE + 3] = 5
    assert station.read()["loop"]["lateness_us"] == {
        "edges": [0.25, 0.5, 0.75, 1.0], "counts": [0, 0, 0, 5],
    }  # fmt: skip


def test_overruns_are_counted_by_cause_and_the_newest_stand_first(station: Station) -> None:
    station.overrun(3, ov.CAUSE_WOKEN_LATE)
    station.read()
    station.overrun(1, ov.CAUSE_EXECUTION)
    loop = station.read()["loop"]
    execution = ov.CAUSE_TEXT[ov.CAUSE_EXECUTION]
    assert loop["overruns_by_cause"] == {"woken late": 3, execution: 1}
    assert loop["last_overruns"][0] == {"step": 3, "late_us": 2500.0, "exec_us": 700.0, "cause": execution}


def test_overruns_that_nobody_saw_are_counted_as_such(station: Station) -> None:
    station.overrun(ov.OVERRUN_ROWS + 36, ov.CAUSE_WOKEN_LATE)
    causes = station.read()["loop"]["overruns_by_cause"]
    assert causes == {NOT_SEEN: 36, "woken late": ov.OVERRUN_ROWS}


# ---- commands


def record(spec: RunSpec, producer: str, second: int, event: str = "verdict", **more: Any) -> None:
    row = {"utc_ns": UTC_NS + second * 1_000_000_000, "event": event, "writes": [["CB1.SP", 1.0]], **more}
    with spec.audit_path(producer).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def test_commands_of_every_protocol_come_newest_first(spec: RunSpec) -> None:
    tail = NewestCommands(spec)
    record(spec, "modbus", 1, result="DONE", protocol="modbus", peer="127.0.0.1:5")
    record(spec, "opcua", 3, result="NO_AUTHORITY", protocol="opcua", user="ann", event="refused")
    record(spec, "dispatcher", 2, result="DONE")
    assert [(r["protocol"], r["result"]) for r in tail.rows()] == [
        ("opcua", "NO_AUTHORITY"),
        ("dispatcher", "DONE"),
        ("modbus", "DONE"),
    ]
    record(spec, "modbus", 4, result="DONE", protocol="modbus")
    assert [r["utc_ns"] - UTC_NS for r in tail.rows()][:2] == [4_000_000_000, 3_000_000_000]


def test_wishes_logins_and_other_runs_are_no_commands(spec: RunSpec) -> None:
    record(spec, "opcua", 1, event="command")
    record(spec, "opcua", -5, result="DONE")
    with spec.audit_path("opcua").open("a") as file:
        file.write(json.dumps({"utc_ns": UTC_NS + 1, "event": "login", "result": "WRONG"}) + "\n")
        file.write("[1, 2]\nnot json\n\n")
    assert NewestCommands(spec).rows() == []


def test_a_line_that_is_being_written_is_taken_when_it_is_whole(spec: RunSpec) -> None:
    tail = NewestCommands(spec)
    record(spec, "opcua", 1, result="DONE")
    text = spec.audit_path("opcua").read_text()
    spec.audit_path("opcua").write_text(text[:-9])
    assert tail.rows() == []
    spec.audit_path("opcua").write_text(text)
    assert len(tail.rows()) == 1


def test_of_a_long_journal_the_end_is_read(spec: RunSpec) -> None:
    for k in range(2000):
        record(spec, "opcua", k, result="DONE")
    tail = NewestCommands(spec)
    assert [(r["utc_ns"] - UTC_NS) // 10**9 for r in tail.rows()] == list(range(1999, 1999 - SHOWN, -1))


# ---- attacks


def test_attacks_that_act_are_those_of_the_last_note(tmp_path: Path, spec: RunSpec) -> None:
    attacked = dc.replace(spec, attack="/somewhere/mitm.toml")
    reader = ActiveAttacks(attacked)
    assert reader.read() == {"file": "/somewhere/mitm.toml", "active": []}
    folder = spec.state_dir / "attacks" / f"{spec.core['run_id']}-mitm"
    folder.mkdir(parents=True)
    notes = [{"t_s": 1, "what": "armed"}, {"t_s": 2, "what": "active: bias, replay"}, {"t_s": 3, "what": "x"}]
    (folder / "truth.json").write_text(json.dumps({"notes": notes}))
    assert reader.read()["active"] == ["bias", "replay"]
    assert ActiveAttacks(spec).read() == {"file": "", "active": []}


@pytest.mark.parametrize("truth", [None, [], {}, {"notes": [5]}, {"notes": [{"what": "active: none"}]}])
def test_a_truth_without_a_name_names_nobody(truth: Any) -> None:
    assert active_of(truth) == []
