"""The board: a reader gets one whole step or nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hil import segment
from rtcore import board as bd
from rtcore.shared_kernels import publish

ROOT = Path(__file__).parents[3]
N = 1481
"""As many values as the shipped station: a copy takes long enough to be overtaken."""


def make(n: int = 5) -> bd.Board:
    board = bd.Board(bytearray(bd.board_bytes(n)), n)
    board.format(generation=1)
    return board


def image_of(step: int, n: int = 5) -> bd.Image:
    image = bd.blank_image(n)
    image.meta[:] = step
    image.values[:] = step + 0.5
    image.quality[:] = step % 251
    return image


@pytest.fixture
def free_writer(tmp_path: Path) -> Iterator[bd.Board]:
    path = tmp_path / "board"
    board = bd.Board(segment.create(path, bd.board_bytes(N)), N)
    board.format(generation=1)
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.rtcore.free_writer", str(path), str(N)], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + 60.0
        while board.published < 100:
            assert child.poll() is None, "the writer ended by itself"
            assert time.monotonic() < deadline, "the writer did not start"
            time.sleep(0.01)
        yield board
    finally:
        board.ctl[bd.CTL_STOP] = 1
        assert child.wait(20) == 0


def test_reader_beside_a_free_running_writer_gets_whole_steps_only(free_writer: bd.Board) -> None:
    seen, torn, nothing = 0, 0, 0
    last = -1
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        snapshot = free_writer.read(tries=1)
        if snapshot is None:
            nothing += 1
            continue
        seen += 1
        words = {snapshot.step, snapshot.utc_ns, snapshot.mono_ns, snapshot.sim_ns, snapshot.digest}
        is_whole = words == {snapshot.step} and np.all(snapshot.values == snapshot.step + 0.5)
        step_bytes = np.frombuffer(np.int64(snapshot.step).tobytes() * (N // 8 + 1), np.uint8)[:N]
        torn += not (is_whole and np.array_equal(snapshot.quality, step_bytes))
        assert snapshot.step >= last - bd.SLOTS
        last = snapshot.step
    assert torn == 0
    assert seen > 1000, (seen, nothing)  # measured some 100 000 in two seconds
    assert free_writer.published > 10_000  # the writer was free: it laps the reader all the time


def test_reader_finds_something_when_it_may_look_again(free_writer: bd.Board) -> None:
    # A writer without any pause is far worse than the loop; 200 looks still always sufficed.
    assert all(free_writer.read() is not None for _ in range(500))


def test_nothing_is_read_before_the_first_step() -> None:
    board = make()
    assert board.published == -1
    assert board.read() is None


@pytest.mark.parametrize("is_compiled", [False, True])
def test_every_published_step_reads_back_whole(is_compiled: bool) -> None:
    board = make()
    for step in range(3 * bd.SLOTS):
        image = image_of(step)
        if is_compiled:
            publish(board.ctl, board.seq, board.slots, step, image.words)
        else:
            board.publish(step, image)
        found = board.read(tries=1)
        assert found is not None
        assert (found.step, found.sim_ns, found.flags) == (step, step, step)
        assert np.all(found.values == step + 0.5)
        assert np.all(found.quality == step)
        assert board.published == step


def test_a_slot_that_is_being_written_is_not_read() -> None:
    board = make()
    board.publish(3, image_of(3))
    board.seq[8 * 3] += 1  # the writer has begun
    assert board.read() is None
    board.seq[8 * 3] += 1
    assert board.read() is not None


def test_a_reader_that_was_lapped_gets_the_newer_step_under_its_own_number() -> None:
    board = make()
    for step in range(bd.SLOTS + 2):
        board.publish(step, image_of(step))
    board.ctl[bd.CTL_PUB] = 1  # what a slow reader still believes: its slot holds step 9 by now
    found = board.read()
    assert found is not None
    assert found.step == bd.SLOTS + 1
    assert np.all(found.values == found.step + 0.5)


def test_a_snapshot_does_not_change_when_the_board_goes_on() -> None:
    board = make()
    board.publish(0, image_of(0))
    first = board.read()
    for step in range(1, 20):
        board.publish(step, image_of(step))
    board.read()
    assert first is not None
    assert np.all(first.values == 0.5)
    assert np.all(first.quality == 0)


def test_reading_does_not_need_write_access(tmp_path: Path) -> None:
    path = tmp_path / "board"
    writer = bd.Board(segment.create(path, bd.board_bytes(5)), 5)
    writer.format(generation=1)
    writer.publish(7, image_of(7))
    reader = bd.Board(segment.attach(path), 5)
    reader.check()
    found = reader.read()
    assert found is not None
    assert found.step == 7
    with pytest.raises(ValueError, match="read-only"):
        reader.ctl[bd.CTL_STOP] = 1


def test_memory_without_the_magic_number_is_refused() -> None:
    board = bd.Board(bytearray(bd.board_bytes(5)), 5)
    with pytest.raises(ValueError, match="not a board of 5 values"):
        board.check()


def test_another_layout_is_refused() -> None:
    board = make()
    board.header[1] = bd.LAYOUT + 1
    with pytest.raises(ValueError, match="not a board"):
        board.check()


def test_a_board_of_another_number_of_values_is_refused() -> None:
    memory = bytearray(bd.board_bytes(9))
    bd.Board(memory, 9).format(generation=1)
    with pytest.raises(ValueError, match="not a board of 5 values"):
        bd.Board(memory, 5).check()


@pytest.mark.parametrize("n_missing", [8, 8 * bd.SLOTS, 8 * 16 * bd.SLOTS])
def test_memory_that_is_too_small_is_refused_before_a_kernel_may_write_behind_it(n_missing: int) -> None:
    size = bd.board_bytes(5)
    with pytest.raises(ValueError, match=f"takes {size} bytes, not {size - n_missing}"):
        bd.Board(bytearray(size - n_missing), 5)


def test_heartbeat_age_is_counted_from_the_writers_last_beat() -> None:
    board = make()
    board.ctl[bd.CTL_BEAT_NS] = 1_000
    assert board.beat_age_ns(5_000) == 4_000


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 1481])
def test_images_keep_values_and_qualities_apart(n: int) -> None:
    image = bd.blank_image(n)
    image.values[:] = -1.0
    assert not image.quality.any()
    image.quality[:] = 255
    assert np.all(image.values == -1.0)
    assert not image.meta.any()
    assert len(image.quality) == n
