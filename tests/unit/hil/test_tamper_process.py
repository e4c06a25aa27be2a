"""The board between the core's and its readers: whole images, the core's heartbeat, a new start."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from estimation.attacks import Attack, Kind
from estimation.tamper import Tamper
from hil import segment
from hil.attack_truth import TruthLog
from hil.tamper_process import WAITING_MAX, Hop, Shown, free_folder
from hil.truth_writer import ROWS_A_TURN, TruthWriter
from rtcore import board as bd
from rtcore.board import Board

N = 5


@pytest.fixture
def core() -> Board:
    board = Board(bytearray(bd.board_bytes(N)), N)
    board.format(generation=1)
    board.ctl[bd.CTL_PERIOD_NS], board.ctl[bd.CTL_BEAT_NS] = 1_000_000, 123
    publish(board, 41, 7.0)
    return board


def publish(board: Board, step: int, value: float) -> None:
    image = bd.blank_image(N)
    image.meta[[bd.M_STEP, bd.M_UTC_NS, bd.M_MONO_NS, bd.M_SIM_NS, bd.M_DT_NS]] = (step, 2, 3, 4, 5)
    image.meta[[bd.M_FLAGS, bd.M_DIGEST]] = (bd.FLAG_SLIPPED, -9)
    image.values[:] = value
    board.publish(step, image)


def spec(folder: Path) -> types.SimpleNamespace:
    return types.SimpleNamespace(n_core=N, shown_path=folder / "shown.board")


def readers(folder: Path) -> Board:
    board = Board(segment.attach(folder / "shown.board"), N)
    board.check()
    return board


def passed(shown: Shown, core: Board, change: float) -> None:
    found = core.read()
    assert found is not None
    shown.pass_on(core)
    shown.publish(found, found.values + change, found.quality)


def test_masters_see_the_cores_step_with_other_values(tmp_path: Path, core: Board) -> None:
    shown = Shown(spec(tmp_path))  # type: ignore[arg-type]
    reader = readers(tmp_path)
    assert reader.read() is None  # nothing was published yet
    passed(shown, core, 0.5)
    seen, true = reader.read(), core.read()
    assert seen is not None and true is not None
    np.testing.assert_array_equal(seen.values, np.full(N, 7.5))
    for name in ("step", "utc_ns", "mono_ns", "sim_ns", "dt_ns", "flags", "digest"):
        assert getattr(seen, name) == getattr(true, name), name


def test_the_heartbeat_is_the_cores_so_a_dead_core_looks_dead(tmp_path: Path, core: Board) -> None:
    shown = Shown(spec(tmp_path))  # type: ignore[arg-type]
    passed(shown, core, 0.0)
    assert readers(tmp_path).beat_age_ns(1000) == core.beat_age_ns(1000) == 877
    core.ctl[bd.CTL_ENDED] = 1
    shown.pass_on(core)
    assert readers(tmp_path).ctl[bd.CTL_ENDED] == 1


def test_a_new_start_goes_on_in_the_same_memory_even_after_a_kill_within_a_write(
    tmp_path: Path, core: Board
) -> None:
    first = Shown(spec(tmp_path))  # type: ignore[arg-type]
    reader = readers(tmp_path)
    first.board.seq[8 * (42 % bd.SLOTS)] += 1  # killed while it wrote step 42
    again = Shown(spec(tmp_path))  # type: ignore[arg-type]
    publish(core, 42, 8.0)
    passed(again, core, 0.5)
    seen = reader.read()
    assert seen is not None and (seen.step, seen.values[0]) == (42, 8.5)


class Rig:
    """A hop between two boards: point 0 arms, the others are high by one."""

    def __init__(self, folder: Path, n: int) -> None:
        self.core = Board(bytearray(bd.board_bytes(n)), n)
        self.core.format(generation=1)
        self.shown = Shown(types.SimpleNamespace(n_core=n, shown_path=folder / "shown.board"))  # type: ignore[arg-type]
        tags = [f"P{k}" for k in range(n)]
        high = Attack(name="high", kind=Kind.BIAS, channels=tuple(tags[1:]), parameters={"offset": 1.0})
        index, rng = {tag: k for k, tag in enumerate(tags)}, np.random.default_rng(1)
        self.tamper = Tamper([high], index, rng, only_changes=True, origin_s=math.inf)
        self.csv, self.json = folder / "truth" / "truth.csv", folder / "truth" / "truth.json"
        self.writer = TruthWriter(TruthLog(folder / "truth", {}), self.tamper, lambda text: None)
        self.hop = Hop(self.core, self.shown, self.tamper, self.writer, armed=0, start_ns=0)
        self._image = bd.blank_image(n)

    def go(self, step: int, t_s: float, value: float) -> None:
        self._image.meta[[bd.M_STEP, bd.M_SIM_NS]] = step, round(t_s * 1e9)
        self._image.values[:] = value
        self.core.publish(step, self._image)
        self.core.ctl[bd.CTL_BEAT_NS] = 1000 + step
        self.hop.go()

    def n_rows(self) -> int:
        return len(self.csv.read_text().splitlines()) - 1


@pytest.fixture
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    found = Rig(tmp_path, request.param)
    yield found
    found.writer.close()


@pytest.mark.parametrize("rig", [4], indirect=True)
def test_a_step_and_the_heartbeat_go_out_before_the_truth_about_the_step_is_kept(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    keep = rig.tamper._rows.keep

    def kept(*args: Any) -> None:
        seen.append((rig.shown.board.published, int(rig.shown.board.ctl[bd.CTL_BEAT_NS])))
        keep(*args)

    monkeypatch.setattr(rig.tamper._rows, "keep", kept)
    rig.go(1, 0.1, 1.0)
    rig.go(2, 0.2, 2.0)
    assert seen == [(1, 1001), (2, 1002)]


@pytest.mark.parametrize("rig", [5001], indirect=True)
def test_a_step_writes_a_bounded_part_of_the_truth_however_wide_the_attack(rig: Rig) -> None:
    written = []
    for k in range(4):
        rig.go(k, 0.001 * k, 1.0)
        written.append(rig.n_rows())
        reader = rig.shown.board.read()
        assert reader is not None and (reader.step, reader.values[5000]) == (k, 2.0)
    assert written == [ROWS_A_TURN * k for k in (1, 2, 3, 4)]
    rig.writer.close()
    assert rig.n_rows() == 5000  # one for each point: nothing changed after the first step


@pytest.mark.parametrize("rig", [5001], indirect=True)
def test_rows_that_cannot_be_written_as_fast_do_not_pile_up(rig: Rig) -> None:
    for k in range(WAITING_MAX + 5):
        rig.go(k, 0.2 * k, 1.0 + k)
    assert rig.tamper.n_waiting == WAITING_MAX
    assert "the disk does not keep up" in rig.json.read_text()


@pytest.mark.parametrize("rig", [2], indirect=True)
def test_rows_of_a_point_are_a_tenth_of_a_second_apart(rig: Rig) -> None:
    for k in range(31):
        rig.go(k, 0.01 * k, 1.0 + k)  # armed from the first step on
    rig.writer.close()
    times = [float(line.split(",")[0]) for line in rig.csv.read_text().splitlines()[1:]]
    assert times == pytest.approx([0.0, 0.1, 0.2, 0.3], abs=0.0101)  # a step late where 0.1 s is rounded up


def test_the_truth_of_a_process_that_died_is_not_written_over(tmp_path: Path) -> None:
    first = free_folder(tmp_path / "run-replay")
    first.mkdir()
    second = free_folder(tmp_path / "run-replay")
    second.mkdir()
    assert [first.name, second.name] == ["run-replay", "run-replay-2"]
    assert free_folder(tmp_path / "run-replay").name == "run-replay-3"
