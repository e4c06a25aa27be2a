"""Images one step apart on a station's board, and none where the loop skipped one."""

from __future__ import annotations

import pytest

from hil.attack_images import BoardImages
from rtcore import board as bd
from rtcore.board import Board
from rtcore.errors import HostError

N = 3


def published(*steps: int) -> Board:
    """Return a board whose points showed the number of each step."""
    board = Board(bytearray(bd.board_bytes(N)), N)
    board.format(generation=1)
    for step in steps:
        image = bd.blank_image(N)
        image.meta[[bd.M_STEP, bd.M_MONO_NS]] = step, 1000 * step
        image.values[:], image.quality[:] = step, step % 2
        board.publish(step, image)
    return board


def test_the_step_before_is_found_whole() -> None:
    images = BoardImages(published(*range(30, 43)))
    newest = images.newest()
    before = images.before(newest)
    assert before is not None and (newest.step, before.step, before.mono_ns) == (42, 41, 41_000)
    assert list(before.values) == [41.0] * N and list(before.quality) == [1] * N
    assert list(newest.values) == [42.0] * N  # a copy of its own


def test_a_step_that_was_not_published_or_is_being_written_over_is_none() -> None:
    skipped = BoardImages(published(*range(30, 41), 42))
    assert skipped.before(skipped.newest()) is None
    board = published(41, 42)
    board.seq[8 * (41 % bd.SLOTS)] += 1
    torn = BoardImages(board)
    assert torn.before(torn.newest()) is None


def test_the_first_step_has_none_before_it_and_an_empty_board_is_an_error() -> None:
    first = BoardImages(published(0))
    assert first.before(first.newest()) is None
    with pytest.raises(HostError, match="publishes nothing"):
        BoardImages(published()).newest()
