"""A live station is recorded; the recorder dies and comes back; the run is done again from its record.

The same run makes disturbance records: of a breaker that is tripped, of a limit that is crossed, and of what
happened while the recorder was dead. Another one has little room for its records, and says so to masters.
"""

from __future__ import annotations

import dataclasses as dc
import json
import os
import signal
import sqlite3
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import comtrade
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

from hil import paths, segment
from hil.recorder import images, run_folder, status, trend_files
from hil.recorder.journal import Journal, frames
from hil.recorder.soe import Soe
from rtcore.ring import (
    E_KIND,
    E_NEW,
    E_STEP,
    E_TARGET,
    E_UTC_NS,
    EVENT_COMMAND,
    EVENT_STATUS,
    EventReader,
    bits_float,
)
from tests.support.modbus_rig import Master
from tests.support.station import Station, gridhil, running, say

CPU_MAX = 0.10
"""Of one processor: what the recorder may take of it at steps of 1 ms."""
SETTLE_S, MEASURE_S = 2.0, 4.0
DT_S, PRE_S, POST_S, RATE_HZ = 1e-3, 0.3, 0.6, 4800.0
DISTURBANCES = f"""
[recorder.disturbances]
pre_s = {PRE_S}
post_s = {POST_S}
triggers = [{{ tag = "SUB.LOAD.SCALE_SP", above = 1.2 }}]
"""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COMMANDS = (
    b"\x10" + struct.pack(">HHBf", 260, 2, 4, 1.25),  # SUB.LOAD.SCALE_SP
    b"\x06" + struct.pack(">HH", 200, 5),  # SUB.REG_A.TAP_SP
    b"\x06" + struct.pack(">HH", 300, 4711),  # SUB.TEST.SCRATCH1
)


@dc.dataclass(frozen=True)
class Recorded:
    """What is known of the run from elsewhere than its record."""

    state: Path
    folder: Path
    events: list[tuple[int, ...]]
    tags: list[str]
    cpu_share: float
    told: dict[str, int]


def wait(until: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def told(station: Station) -> dict[str, int]:
    found = status.read(station.spec.gateway_path("recorder"))
    return dict.fromkeys(status.FIELDS, 0) if found is None else found


def give_commands(station: Station, breaker: str) -> None:
    with station.master() as master:
        for pdu in COMMANDS:
            assert master.ask(1, pdu)[0] == pdu[0]
            time.sleep(0.05)
        first, post = station.board.published, round(POST_S / DT_S)
        wait(lambda: station.board.published > first + 2 * post)  # the limit has its record, this one another
        for name in ("TRIP", "CLOSE"):
            point = station.spec.points[station.index[f"{breaker}.{name}"]]
            unit, _, coil, _ = point.wire["modbus"].split(":")
            assert master.ask(int(unit), b"\x05" + struct.pack(">HH", int(coil), 0xFF00))[0] == 5
            time.sleep(0.5)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Some seconds with commands; the recorder is killed in the middle of them."""
    state = tmp_path_factory.mktemp("state")
    text = (paths.config_dir() / "stations" / "iowa240.toml").read_text()
    (state / "iowa240.toml").write_text(text + DISTURBANCES)
    with running(state, str(state / "iowa240.toml")) as station:
        reader = EventReader(segment.attach(station.spec.events_path), from_start=True)
        process = psutil.Process(told(station)["pid"])
        time.sleep(SETTLE_S)
        before = sum(process.cpu_times()[:2])
        time.sleep(MEASURE_S)
        share = (sum(process.cpu_times()[:2]) - before) / MEASURE_S
        give_commands(station, "FDR_A.CB_101")
        pid = told(station)["pid"]
        os.kill(pid, signal.SIGKILL)
        give_commands(station, "FDR_B.CB_201")  # springs of the other one are not charged yet
        wait(lambda: told(station)["pid"] not in (0, pid))
        events = reader.take()
        wait(lambda: told(station)["ring_position"] >= len(events))
        time.sleep(1.5)  # an image by the one that was restarted
        last = told(station)
        station.stop()
        events += reader.take()
        assert reader.n_lost == 0
        tags = [p.tag for p in station.spec.points]
        folder = run_folder.folder_of(station.spec)
    return Recorded(state, folder, events, tags, share, last)


def records(folder: Path) -> list[Soe]:
    return [Soe.decode(f.body) for f in frames(folder / run_folder.SOE)]


@pytest.mark.timeout(700)
def test_every_event_of_the_core_is_on_record_once_though_the_recorder_was_killed(recorded: Recorded) -> None:
    found = records(recorded.folder)
    assert [r.pos for r in found] == list(range(len(recorded.events)))
    assert [r.step for r in found] == [e[E_STEP] for e in recorded.events]
    asked = [
        (e[E_STEP], recorded.tags[e[E_TARGET]], bits_float(e[E_NEW]))
        for e in recorded.events
        if e[E_KIND] == EVENT_COMMAND
    ]
    assert [(r.step, r.tag, r.new) for r in found if r.kind == "command"] == asked
    assert len(asked) == 2 * (len(COMMANDS) + 2)
    assert {r.cause for r in found if r.kind == "command"} == {"modbus"}


@pytest.mark.timeout(700)
def test_the_database_the_images_and_the_trends_go_on_after_a_kill(recorded: Recorded) -> None:
    with sqlite3.connect(recorded.folder / run_folder.SOE_DB) as db:
        (n,) = db.execute("SELECT count(*) FROM soe").fetchone()
    db.close()
    assert n == len(recorded.events)
    steps = [i.step for i in images.read(recorded.folder / run_folder.IMAGES)]
    assert steps == sorted(set(steps)) and len(steps) >= 6
    rows = sum(pq.read_metadata(p).num_rows for p in trend_files.files(recorded.folder / "trends"))
    assert rows >= len(recorded.tags), "the first look takes every point"
    assert (recorded.told["lost"], recorded.told["errors"], recorded.told["disk"]) == (0, 0, 0)


def asked(recorded: Recorded, tag: str) -> tuple[int, int]:
    """Step and time of the first command to a point."""
    return next(
        (e[E_STEP], e[E_UTC_NS])
        for e in recorded.events
        if e[E_KIND] == EVENT_COMMAND and recorded.tags[e[E_TARGET]] == tag
    )


def disturbances(recorded: Recorded) -> dict[tuple[int, str], Path]:
    """The records of the run by step and cause of their trigger."""
    found = (recorded.folder / "disturbances").glob("*.cfg")
    return {(int(p.stem.split("-")[0]), p.stem.split("-")[1]): p for p in found}


def loaded(cfg: Path) -> comtrade.Comtrade:
    record = comtrade.Comtrade(use_double_precision=True)
    record.load(str(cfg), str(cfg.with_suffix(".dat")))
    return record


@pytest.mark.timeout(700)
def test_a_tripped_breaker_leaves_a_comtrade_record_with_its_contact_and_its_current(
    recorded: Recorded,
) -> None:
    step, utc_ns = asked(recorded, "FDR_A.CB_101.TRIP")
    record = loaded(disturbances(recorded)[step, "command"])
    moment = record.trigger_timestamp.replace(tzinfo=UTC)
    assert (moment - EPOCH) // timedelta(microseconds=1) == utc_ns // 1000
    assert record.trigger_time == pytest.approx(PRE_S, abs=2e-6)  # files keep microseconds
    first = step - round(PRE_S / DT_S)
    closed = np.array(record.status[list(record.status_channel_ids).index("FDR_A.CB_101.ST_52A")])
    changes = [
        (e[E_STEP], e[E_NEW])
        for e in recorded.events
        if e[E_KIND] == EVENT_STATUS and recorded.tags[e[E_TARGET]] == "FDR_A.CB_101.ST_52A"
    ]
    assert changes[0][0] > step and changes[0][1] == 0, "it opened"
    of_step = first + np.floor(np.arange(len(closed)) / RATE_HZ / DT_S + 1e-9)
    wanted = np.ones(len(closed))
    for at, state in changes:
        wanted[of_step >= at] = state
    assert closed.tolist() == wanted.tolist()
    current = np.array(record.analog[list(record.analog_channel_ids).index("CB_101.IA")])
    cycle = round(RATE_HZ / 60)
    before, opened = current[:cycle], current[of_step >= changes[0][0] + 50][:cycle]
    assert abs(before).max() > 10.0, "the feeder was loaded [A]"
    assert abs(opened).max() < 0.05 * abs(before).max()  # what is left is the CT's noise


@pytest.mark.timeout(700)
def test_a_limit_of_the_station_file_makes_a_record(recorded: Recorded) -> None:
    step, _ = asked(recorded, "SUB.LOAD.SCALE_SP")
    trip, _ = asked(recorded, "FDR_A.CB_101.TRIP")
    (found,) = [at for at, cause in disturbances(recorded) if cause == "limit"]
    assert step <= found < trip
    record = loaded(disturbances(recorded)[found, "limit"])
    assert record.total_samples == round((PRE_S + POST_S) * RATE_HZ) + 1


@pytest.mark.timeout(700)
def test_a_trip_while_the_recorder_was_dead_has_its_record_or_is_counted(recorded: Recorded) -> None:
    step, _ = asked(recorded, "FDR_B.CB_201.TRIP")
    is_there = (step, "command") in disturbances(recorded)
    assert is_there or recorded.told["disturbances_missed"] > 0, "the ring keeps eight seconds"


def test_a_limit_of_no_point_is_refused_before_anything_starts(tmp_path: Path) -> None:
    text = (paths.config_dir() / "stations" / "iowa240.toml").read_text()
    bad = DISTURBANCES.replace("SUB.LOAD.SCALE_SP", "SUB.LOAD.SCALE")
    (tmp_path / "iowa240.toml").write_text(text + bad)
    done = gridhil("run", str(tmp_path / "iowa240.toml"), state=tmp_path)
    assert done.returncode == 2
    assert "recorder.disturbances.triggers[0].tag" in done.stderr
    assert "did you mean 'SUB.LOAD.SCALE_SP'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("runs"))


@pytest.mark.timeout(700)
def test_the_recorder_takes_little_of_a_processor(recorded: Recorded) -> None:
    """Processor time, which a busy machine does not lengthen."""
    say(f"recorder: {100 * recorded.cpu_share:.1f} % of a processor")
    assert recorded.cpu_share < CPU_MAX


@pytest.mark.timeout(700)
def test_a_replay_reproduces_the_live_run_bit_for_bit(recorded: Recorded) -> None:
    done = gridhil("replay", str(recorded.folder), "--json", state=recorded.state, timeout_s=600.0)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert (found["verdict"], found["comparison"]) == ("PASS", "bit for bit")
    assert found["commands"] == 2 * (len(COMMANDS) + 2)
    assert found["images_not_covered"] == 0
    assert {row["name"]: row["verdict"] for row in found["results"]} == dict.fromkeys(
        ("image", "digest", "event"), "PASS"
    )


@pytest.mark.timeout(700)
def test_a_flipped_command_of_the_live_run_is_found(recorded: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in (run_folder.RUN, run_folder.IMAGES):
        (folder / name).write_bytes((recorded.folder / name).read_bytes())
    changed = [
        dc.replace(r, new=4710.0) if r.kind == "command" and r.tag == "SUB.TEST.SCRATCH1" else r
        for r in records(recorded.folder)
    ]
    Journal(folder / run_folder.SOE).commit([r.encode() for r in changed])
    done = gridhil("replay", str(folder), state=recorded.state, timeout_s=600.0)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "SUB.TEST.SCRATCH1: recorded 4711.0, replayed 4710.0" in done.stdout
    assert "command since: step " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("FAIL  run ")


# ---------------------------------------------------------------- little room is an alarm


ALARMS = ("DISK_LOW", "DISK_FULL", "LOSSY")


def discrete(master: Master, station: Station, tag: str) -> int:
    unit, table, address, _ = station.spec.points[station.index[tag]].wire["modbus"].split(":")
    assert table == "di"
    answer = master.ask(int(unit), b"\x02" + struct.pack(">HH", int(address), 1))
    assert answer[:2] == b"\x02\x01"
    return answer[2] & 1


@pytest.mark.timeout(700)
def test_little_room_is_an_alarm_that_masters_read_that_a_restart_clears_and_a_replay_reproduces(
    tmp_path: Path,
) -> None:
    text = (paths.config_dir() / "stations" / "iowa240.toml").read_text()
    (tmp_path / "iowa240.toml").write_text(text + "\n[recorder]\nmin_free_mb = 100_000_000\n")
    with running(tmp_path, str(tmp_path / "iowa240.toml")) as station, station.master() as master:
        wait(lambda: discrete(master, station, "SUB.REC.DISK_LOW") == 1)
        assert [station.value(f"SUB.REC.{name}") for name in ALARMS] == [1.0, 0.0, 0.0]
        *_, coil, _ = station.spec.points[station.index["SUB.REC.SET_DISK_LOW"]].wire["modbus"].split(":")
        assert master.ask(1, b"\x05" + struct.pack(">HH", int(coil), 0))[0] == 0x85, "no user may set it"
        limit = {"min_free_mb": 0}
        dc.replace(station.spec, recorder=station.spec.recorder | limit).save()  # as if there were room again
        os.kill(told(station)["pid"], signal.SIGKILL)
        wait(lambda: discrete(master, station, "SUB.REC.DISK_LOW") == 0)
        images_before = told(station)["images"]
        wait(lambda: told(station)["images"] > images_before + 1)  # what a replay is compared with
        station.stop()
        folder = run_folder.folder_of(station.spec)
    found = [(r.kind, r.tag, r.new, r.cause) for r in records(folder) if r.tag.startswith("SUB.REC.")]
    assert found == [
        change
        for new in (1.0, 0.0)
        for change in (
            ("command", "SUB.REC.SET_DISK_LOW", new, "recorder"),
            ("status", "SUB.REC.DISK_LOW", new, ""),
        )
    ]
    done = gridhil("replay", str(folder), "--json", state=tmp_path, timeout_s=600.0)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["verdict"], report["comparison"], report["commands"]) == ("PASS", "bit for bit", 2)
    compared = {row["name"]: row["compared"] for row in report["results"]}
    assert compared["event"] >= 2, "the alarm, both ways"
