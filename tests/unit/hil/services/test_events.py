"""Events by number from the recorder's own database, in words that people understand."""

from __future__ import annotations

import dataclasses as dc
import json
from pathlib import Path
from typing import Any

import pytest

from hil.recorder import run_folder
from hil.recorder.journal import Journal
from hil.recorder.soe import Soe
from hil.recorder.soe_db import SoeDatabase
from hil.runspec import RunSpec
from hil.services.events import EventReader
from protocols.opcua_services import NEWEST, Refusal
from rtcore.points import Kind
from tests.unit.hil.recorder.ring_rig import make_spec, point

POINTS = [point("CB1.POS"), point("CB1.SP", Kind.SETPOINT, unit="kV")]
RECORDS: list[dict[str, Any]] = [
    {"kind": "status", "tag": "CB1.POS", "old": 1.0, "new": 0.0},
    {"kind": "command", "tag": "CB1.SP", "old": None, "new": 7.25, "cause": "opcua", "verdict": "DONE"},
    {
        "kind": "command",
        "tag": "CB1.SP",
        "old": None,
        "new": None,
        "cause": "modbus",
        "verdict": "NOT_A_NUMBER",
    },
    {"kind": "overrun", "old": 1_500_000.0, "new": 800_000.0, "cause": "woken late"},
    {"kind": "slip", "old": 0.0, "new": 64_000_000.0},
    {"kind": "lost", "new": 12.0},
    {"kind": "counted", "tag": "CB1.SP", "new": 3.0, "steps": "1 1"},
    {"kind": "not_converged"},
]
WORDS = [
    "closed to open",
    "7.25 kV: done",
    "no number: the value is no number",
    "1.50 ms late, took 0.80 ms",
    "64.00 ms left out",
    "12 events were lost",
    "3 commands to a point of health",
    "",
]


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    made = make_spec(tmp_path, POINTS)
    folder = run_folder.folder_of(made)
    folder.mkdir(parents=True)
    journal = Journal(folder / run_folder.SOE)
    journal.commit([Soe(pos=k, utc_ns=1000 + k, step=k, **r).encode() for k, r in enumerate(RECORDS)])
    database = SoeDatabase(folder / run_folder.SOE_DB, journal.path)
    database.follow()
    database.close()
    return made


def read(spec: RunSpec, since: int, n: int) -> tuple[int, list[dict[str, Any]]]:
    last, text = EventReader(spec).read(since, n)
    return last, json.loads(text)


def test_events_come_oldest_first_with_words(spec: RunSpec) -> None:
    last, rows = read(spec, 0, 1000)
    assert last == len(RECORDS)
    assert [r["seq"] for r in rows] == list(range(1, len(RECORDS) + 1))
    said = [r["text"] for r in rows]
    assert said[:2] + said[3:] == WORDS[:2] + WORDS[3:]
    assert said[2].startswith("no number: ")
    assert (rows[1]["who"], rows[1]["verdict"], rows[3]["who"]) == ("opcua", "DONE", "woken late")
    assert rows[0].keys() == {
        "seq", "utc_ns", "step", "kind", "tag", "old", "new", "verdict", "quality", "who", "text",
    }  # fmt: skip


def test_they_are_paged_by_number(spec: RunSpec) -> None:
    last, seen = 0, []
    while True:
        last, rows = read(spec, last, 3)
        if not rows:
            break
        seen += [r["seq"] for r in rows]
    assert seen == list(range(1, len(RECORDS) + 1))


def test_the_newest_are_asked_for_by_the_highest_number(spec: RunSpec) -> None:
    last, rows = read(spec, NEWEST, 2)
    assert (last, [r["seq"] for r in rows]) == (8, [7, 8])


def test_after_the_last_one_the_newest_number_tells_of_another_run(spec: RunSpec) -> None:
    assert read(spec, 8, 10) == (8, [])
    assert read(spec, NEWEST - 1, 10) == (8, [])


def test_a_station_without_records_says_so(spec: RunSpec) -> None:
    with pytest.raises(Refusal) as refused:
        EventReader(dc.replace(spec, recorder={})).read(0, 1)
    assert refused.value.status == "BadNotSupported"


def test_before_there_are_records_there_is_no_data_and_no_file_is_made(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, POINTS)
    with pytest.raises(Refusal) as refused:
        EventReader(spec).read(0, 1)
    assert refused.value.status == "BadNoData"
    assert not run_folder.folder_of(spec).exists()


def test_a_damaged_database_is_no_data(spec: RunSpec) -> None:
    (run_folder.folder_of(spec) / run_folder.SOE_DB).write_bytes(b"not a database" * 100)
    with pytest.raises(Refusal) as refused:
        EventReader(spec).read(0, 1)
    assert refused.value.status == "BadNoData"
