"""Points of another process stand behind the core's, and are Bad as soon as their board is missing or old."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hil import segment
from hil.joined_board import LOOK_NS, STALE_MIN_NS, JoinedBoard, Part
from rtcore import board as bd
from rtcore.quality import Quality

N_CORE, N = 3, 2
S = 1_000_000_000
AGE = 1
"""The second point of the other board is an age."""
LOST = [int(Quality.BAD_NO_COMMUNICATION)] * N


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.ns = 100 * S

    def __call__(self) -> int:
        return self.ns


def board_at(path: Path, n: int, period_ns: int) -> bd.Board:
    board = bd.Board(segment.create(path, bd.board_bytes(n)), n)
    board.format(generation=1)
    board.ctl[bd.CTL_PERIOD_NS] = period_ns
    return board


def publish(board: bd.Board, step: int, values: list[float], now_ns: int) -> None:
    image = bd.blank_image(board.n_values)
    image.values[:] = values
    image.meta[bd.M_STEP], image.meta[bd.M_MONO_NS] = step, now_ns
    board.publish(step, image)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def joined(tmp_path: Path, clock: Clock) -> JoinedBoard:
    core = board_at(tmp_path / "core.board", N_CORE, S // 1000)
    publish(core, 7, [1.0, 2.0, 3.0], clock.ns)
    part = Part(tmp_path / "other.board", N, [AGE], clock)
    return JoinedBoard(segment.attach(tmp_path / "core.board"), N_CORE, [part])


def other(tmp_path: Path, period_s: float = 0.5) -> bd.Board:
    return board_at(tmp_path / "other.board", N, round(period_s * S))


def seen(joined: JoinedBoard) -> tuple[list[float], list[int]]:
    found = joined.read()
    assert found is not None
    assert found.step == joined.published == 7
    assert len(found.values) == len(found.quality) == joined.n_points == N_CORE + N
    assert found.values[:N_CORE].tolist() == [1.0, 2.0, 3.0]
    assert found.quality[:N_CORE].tolist() == [0, 0, 0]
    return found.values[N_CORE:].tolist(), found.quality[N_CORE:].tolist()


def test_a_board_that_is_not_there_gives_bad_points_behind_the_cores_own(joined: JoinedBoard) -> None:
    assert seen(joined) == ([0.0, 0.0], LOST)


def test_the_core_can_be_read_alone(joined: JoinedBoard) -> None:
    found = joined.read_core()
    assert found is not None
    assert len(found.values) == N_CORE


def test_a_board_that_comes_later_is_found(joined: JoinedBoard, tmp_path: Path, clock: Clock) -> None:
    seen(joined)
    publish(other(tmp_path), 0, [5.0, 0.25], clock.ns)
    clock.ns += LOOK_NS
    assert seen(joined) == ([5.0, 0.25], [0, 0])


def test_a_board_that_has_published_nothing_yet_is_bad(joined: JoinedBoard, tmp_path: Path) -> None:
    other(tmp_path)
    assert seen(joined) == ([0.0, 0.0], LOST)


@pytest.mark.parametrize(("period_s", "limit_s"), [(0.5, 2.0), (0.05, 2.0), (5.0, 15.0)])
def test_an_image_of_three_periods_and_two_seconds_is_old(
    joined: JoinedBoard, tmp_path: Path, clock: Clock, period_s: float, limit_s: float
) -> None:
    board = other(tmp_path, period_s)
    publish(board, 0, [5.0, 0.25], clock.ns)
    clock.ns += round(limit_s * S)
    assert seen(joined) == ([5.0, 0.25], [0, 0])
    clock.ns += 1
    assert seen(joined) == ([5.0, pytest.approx(0.25 + limit_s, abs=1e-8)], LOST)  # the nanosecond beyond


def test_old_values_are_kept_and_their_age_goes_on(joined: JoinedBoard, tmp_path: Path, clock: Clock) -> None:
    publish(other(tmp_path), 0, [5.0, 0.25], clock.ns)
    seen(joined)
    clock.ns += 10 * S
    values, quality = seen(joined)
    assert values == [5.0, pytest.approx(10.25, rel=1e-12)]  # rounding of a product of float64
    assert quality == LOST
    clock.ns += 10 * S
    assert seen(joined)[0][AGE] == pytest.approx(20.25, rel=1e-12)


def test_the_writer_that_starts_again_is_followed_onto_its_new_board(
    joined: JoinedBoard, tmp_path: Path, clock: Clock
) -> None:
    publish(other(tmp_path), 4, [5.0, 0.0], clock.ns)
    assert seen(joined) == ([5.0, 0.0], [0, 0])
    clock.ns += 3 * S
    fresh = other(tmp_path)  # a new file at the same place, without an image yet
    assert seen(joined)[0][0] == 5.0
    assert seen(joined)[1] == LOST
    publish(fresh, 4, [6.0, 0.0], clock.ns)  # the same number as before
    clock.ns += LOOK_NS
    assert seen(joined) == ([6.0, 0.0], [0, 0])


def test_an_image_that_its_writer_left_half_done_is_never_shown_as_good(
    joined: JoinedBoard, tmp_path: Path, clock: Clock
) -> None:
    board = other(tmp_path)
    publish(board, 0, [5.0, 0.0], clock.ns)
    assert seen(joined)[1] == [0, 0]
    board.seq[8 * 1] += 1  # killed in the middle of slot 1, and yet published
    board.slots[1] = np.frombuffer(b"\xff" * board.slots[1].nbytes, np.int64)
    board.ctl[bd.CTL_PUB] = 1
    clock.ns += STALE_MIN_NS
    assert seen(joined) == ([5.0, 0.0], [0, 0])  # the one before, as long as it is young enough
    clock.ns += 1
    assert seen(joined)[1] == LOST


def test_a_file_that_is_no_board_of_this_shape_counts_as_missing(joined: JoinedBoard, tmp_path: Path) -> None:
    board_at(tmp_path / "other.board", N + 5, S)
    assert seen(joined) == ([0.0, 0.0], LOST)


def test_without_another_board_it_is_the_cores(tmp_path: Path, clock: Clock) -> None:
    publish(board_at(tmp_path / "core.board", N_CORE, S), 1, [1.0, 2.0, 3.0], clock.ns)
    found = JoinedBoard(segment.attach(tmp_path / "core.board"), N_CORE).read()
    assert found is not None
    assert found.values.tolist() == [1.0, 2.0, 3.0]


def test_several_boards_stand_behind_each_other_and_one_that_is_missing_is_bad_alone(
    tmp_path: Path, clock: Clock
) -> None:
    publish(board_at(tmp_path / "core.board", N_CORE, S), 0, [1.0, 2.0, 3.0], clock.ns)
    publish(board_at(tmp_path / "second.board", 3, S), 0, [7.0, 8.0, 9.0], clock.ns)
    parts = [Part(tmp_path / f"{name}.board", n, (), clock) for name, n in (("first", 2), ("second", 3))]
    joined = JoinedBoard(segment.attach(tmp_path / "core.board"), N_CORE, parts)
    found = joined.read()
    assert found is not None
    assert joined.n_points == N_CORE + 5
    assert found.values.tolist() == [1.0, 2.0, 3.0, 0.0, 0.0, 7.0, 8.0, 9.0]
    assert found.quality.tolist() == [0, 0, 0, *LOST, 0, 0, 0]
