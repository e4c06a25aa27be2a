"""The forecaster's memory: a run goes on where it was, another run begins where runs begin."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hil import forecaster_memory
from hil.forecast_targets import Measured
from hil.forecaster_memory import Memory
from hil.recorder import run_folder
from rtcore.errors import Problem, UserInputError
from tests.support.modbus_rig import point

HOUR = 3600 * 1_000_000_000
POINTS = [point("A.B.P", "1:ir:100:float32"), point("A.B.Q", "1:ir:102:float32")]
MEASURED = Measured(("total",), (np.array([0]),), (np.array([1000.0]),))


class Service:
    """Keeps one number; warming up makes it 1."""

    key = "k"

    def __init__(self) -> None:
        self.number, self.end_ns = 0, 0

    def warm_up(self, progress: Any) -> None:
        progress(1, 1)
        self.number = 1

    def state(self) -> dict[str, Any]:
        return {"number": self.number}

    def restore(self, state: dict[str, Any]) -> None:
        self.number = int(state["number"])


class Bench:
    """Memories of one station's folder, and what they said."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said, self.now_s = folder, list[str](), 0.0

    def memory(self, run: str = "1", *, has_record: bool = True) -> tuple[Memory, Service, list[int]]:
        spec: Any = SimpleNamespace(
            state_dir=self.folder,
            core={"run_id": run},
            recorder={"runs": 1} if has_record else {},
            points=POINTS,
            n_core=2,
        )
        service, ticks = Service(), list[int]()
        given: Any = service
        memory = Memory(spec, MEASURED, given, self.said.append, clock_s=lambda: self.now_s)
        memory.begin(lambda done, _: ticks.append(done))
        return memory, service, ticks


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_first_start_warms_up_and_the_next_run_takes_that_over(bench: Bench) -> None:
    _, first, warmed = bench.memory("1")
    assert (first.number, warmed) == (1, [1])
    _, second, ticks = bench.memory("2")
    assert (second.number, ticks) == (1, [])


def test_the_same_run_goes_on_where_it_was_and_another_begins_anew(bench: Bench) -> None:
    memory, service, _ = bench.memory("1")
    service.number = 5
    memory.save()
    assert bench.memory("1")[1].number == 5
    assert bench.memory("2")[1].number == 1


def test_it_is_written_after_a_pause_only(bench: Bench) -> None:
    memory, service, _ = bench.memory("1")
    service.number = 7
    memory.keep()
    assert bench.memory("1")[1].number == 1
    bench.now_s = forecaster_memory.PAUSE_S
    memory.keep()
    assert bench.memory("1")[1].number == 7


def test_a_damaged_file_is_told_and_the_start_is_made_again(bench: Bench) -> None:
    bench.memory("1")
    (bench.folder / forecaster_memory.AT_START).write_bytes(b"no such thing")
    _, service, ticks = bench.memory("2")
    assert (service.number, ticks) == (1, [1])
    assert "damaged" in bench.said[0]


def test_steps_that_were_missed_come_from_the_record(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, service, _ = bench.memory("1")
    service.end_ns = 10 * HOUR
    asked: list[Any] = []

    def means(_: Path, tags: list[str], *span: int) -> Any:
        asked.append((tags, *span))
        return np.array([[1.5], [np.nan]])

    monkeypatch.setattr(forecaster_memory, "step_means", means)
    monkeypatch.setattr(run_folder, "folder_of", lambda _: bench.folder)
    first, second = memory.missed(13 * HOUR, HOUR)
    assert asked == [(["A.B.P"], 10 * HOUR, 12 * HOUR, HOUR)]
    assert first == {"total": 1500.0}
    assert np.isnan(second["total"])
    assert memory.missed(11 * HOUR, HOUR) == []


def test_without_a_record_missed_steps_are_unknown(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, _, _ = bench.memory("1", has_record=False)
    assert memory.missed(3 * HOUR, HOUR) == [{}, {}]
    kept, _, _ = bench.memory("1")

    def torn(*_: Any) -> Any:
        raise UserInputError([Problem("x.parquet", "", "is damaged")])

    monkeypatch.setattr(forecaster_memory, "step_means", torn)
    monkeypatch.setattr(run_folder, "folder_of", lambda _: bench.folder)
    assert kept.missed(3 * HOUR, HOUR) == [{}, {}]
    assert "is damaged" in bench.said[-1]
