"""The board between the core's and its readers: whole images, the core's heartbeat, a new start."""

from __future__ import annotations

import types
from pathlib import Path

import numpy as np
import pytest

from hil import segment
from hil.tamper_process import Shown, free_folder
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


def test_the_truth_of_a_process_that_died_is_not_written_over(tmp_path: Path) -> None:
    first = free_folder(tmp_path / "run-replay")
    first.mkdir()
    second = free_folder(tmp_path / "run-replay")
    second.mkdir()
    assert [first.name, second.name] == ["run-replay", "run-replay-2"]
    assert free_folder(tmp_path / "run-replay").name == "run-replay-3"
