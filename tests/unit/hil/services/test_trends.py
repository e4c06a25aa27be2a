"""Trends of a station: what the recorder wrote by a helper process, and what it has yet to write."""

from __future__ import annotations

import asyncio
import dataclasses as dc
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from hil.recorder import run_folder
from hil.recorder.trend_files import FOLDER, TrendFiles
from hil.recorder.trends import Rows
from hil.services import trends
from hil.services.recent import Recent
from hil.services.trends import TrendReader, ended
from protocols.opcua_services import Refusal
from protocols.trend import NOTHING, Trend
from tests.unit.hil.recorder.ring_rig import make_spec, point

TAGS = ("A.P", "B.P")
S = 1_000_000_000
START = 1_700_000_000 * S


class Station:
    """A station that was recorded for a while."""

    def __init__(self, folder: Path, is_recorded: bool = True) -> None:
        self.spec = make_spec(folder, [point(t) for t in TAGS])
        if not is_recorded:
            self.spec = dc.replace(self.spec, recorder={})
        self.recent = Recent(len(TAGS), 60)
        self.reader = TrendReader(self.spec, self.recent)

    def write(self, *rows: tuple[int, int, float]) -> None:
        folder = run_folder.folder_of(self.spec) / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        seconds, points, values = zip(*rows, strict=True)
        TrendFiles(folder, TAGS, 3600 * S, 10**9).write(
            Rows(
                START + np.array(seconds, np.int64) * S,
                np.zeros(len(rows), np.int64),
                np.array(points, np.int32),
                np.array(values),
                np.zeros(len(rows), np.uint8),
            )
        )

    def show(self, second: int, *values: float) -> None:
        self.recent.take(np.array(values), np.zeros(len(TAGS), np.uint8), START + second * S)

    async def read(self, tag: str, begin: int, end: int, n: int = 100) -> list[tuple[float, float]]:
        found = await self.reader.read(tag, START + begin * S, START + end * S, n)
        return [((t - START) / S, v) for t, v in zip(found.utc_ns.tolist(), found.value.tolist())]


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Station]:
    made = Station(tmp_path)
    yield made
    await made.reader.close()


def helpers() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "hil.services.trend_worker" in p.cmdline()]


async def test_behind_what_was_written_stands_what_was_seen_since(station: Station) -> None:
    station.write((0, 0, 1.0), (10, 0, 2.0))
    for second in range(5, 15):  # up to second 10 the files know better
        station.show(second, 90.0 + second, 0.0)
    assert await station.read("A.P", 0, 14) == [(0, 1), (10, 2), (11, 101), (12, 102), (13, 103), (14, 104)]


async def test_a_value_holds_until_the_end(station: Station) -> None:
    station.write((0, 0, 1.0), (20, 1, 5.0))
    assert await station.read("A.P", 0, 30) == [(0, 1), (30, 1)]


async def test_the_end_is_never_later_than_now(station: Station) -> None:
    station.write((0, 0, 1.0))
    found = await station.reader.read("A.P", START, 2**63 - 1, 10)
    assert found.utc_ns[-1] <= time.time_ns()


async def test_of_a_time_to_come_nothing_is_known(station: Station) -> None:
    station.write((0, 0, 1.0))
    tomorrow_ns = time.time_ns() + 86_400 * S
    with pytest.raises(Refusal) as refused:
        await station.reader.read("A.P", tomorrow_ns, 2 * tomorrow_ns, 10)
    assert refused.value.status == "BadNoData"


@pytest.mark.parametrize(("tag", "status"), [("NO.SUCH", "BadNodeIdUnknown"), ("B.P", "BadNoData")])
async def test_an_unknown_point_and_one_without_values_are_refused(
    station: Station, tag: str, status: str
) -> None:
    station.write((0, 0, 1.0))
    with pytest.raises(Refusal) as refused:
        await station.read(tag, 0, 10)
    assert refused.value.status == status


async def test_without_a_recorder_what_was_seen_lately_is_all_there_is(tmp_path: Path) -> None:
    station = Station(tmp_path, is_recorded=False)
    station.show(1, 7.0, 0.0)
    station.show(2, 8.0, 0.0)
    assert await station.read("A.P", 0, 2) == [(1, 7), (2, 8)]
    assert helpers() == []


async def test_one_helper_answers_all_and_ends_when_the_reader_does(station: Station) -> None:
    station.write((0, 0, 1.0))
    assert helpers() == []
    await asyncio.gather(*(station.read("A.P", 0, 10 + k) for k in range(4)))
    (helper,) = helpers()
    await station.reader.close()
    assert not helper.is_running()


async def test_an_idle_helper_is_ended(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trends, "IDLE_S", 0.05)
    station.write((0, 0, 1.0))
    await station.read("A.P", 0, 10)
    async with asyncio.timeout(10.0):
        while helpers():
            await asyncio.sleep(0.02)


async def test_a_helper_that_was_killed_is_started_again(station: Station) -> None:
    station.write((0, 0, 1.0))
    await station.read("A.P", 0, 10)
    helpers()[0].kill()
    assert await station.read("A.P", 0, 10) == [(0, 1), (10, 1)]


async def test_what_does_not_come_in_time_is_refused_and_the_next_answer_is_the_right_one(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.write((0, 0, 1.0), (0, 1, 5.0))
    monkeypatch.setattr(trends, "TIMEOUT_S", 0.0)
    with pytest.raises(Refusal) as refused:
        await station.read("A.P", 0, 10)
    assert refused.value.status == "BadTimeout"
    monkeypatch.undo()
    assert await station.read("B.P", 0, 10) == [(0, 5), (10, 5)]


async def test_too_many_questions_are_told_to_come_again(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trends, "TIMEOUT_S", 100.0)  # nobody is late on a busy machine
    station.write((0, 0, 1.0))
    asked = [asyncio.create_task(station.read("A.P", 0, 10)) for _ in range(trends.WAITING_MAX + 5)]
    answers: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
    refused = [a for a in answers if isinstance(a, Refusal)]
    assert {r.status for r in refused} == {"BadTooManyOperations"}
    assert len(refused) == 4
    assert [a for a in answers if a not in refused] == [[(0, 1), (10, 1)]] * (trends.WAITING_MAX + 1)


def test_a_trend_that_reaches_its_end_stays_as_it_is() -> None:
    whole = Trend(np.array([1, 5]), np.array([1.0, 2.0]), np.zeros(2, np.uint8))
    assert ended(whole, 5) is whole
    assert ended(NOTHING, 5) is NOTHING


# ---- what was seen lately


def test_one_image_a_second_is_kept_and_the_oldest_go() -> None:
    recent = Recent(1, 3)
    for tenth in range(60):
        recent.take(np.array([float(tenth)]), np.zeros(1, np.uint8), tenth * S // 10)
    assert recent.of(0, 0, 10 * S).value.tolist() == [30.0, 40.0, 50.0]
    assert recent.of(0, 4 * S, 4 * S).utc_ns.tolist() == [4 * S]


def test_a_clock_that_was_set_back_does_not_end_it() -> None:
    recent = Recent(1, 3)
    for utc_ns in (100 * S, 50 * S, 51 * S):
        recent.take(np.ones(1), np.zeros(1, np.uint8), utc_ns)
    assert recent.of(0, 0, 60 * S).utc_ns.tolist() == [50 * S, 51 * S]
