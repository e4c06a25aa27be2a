"""The event ring: what a reader returns was written, and what it missed it counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from rtcore import ring as rg
from rtcore.shared_kernels import push_event


@njit
def push_many(ring, first, n):  # type: ignore[no-untyped-def]
    for k in range(first, first + n):
        push_event(ring, k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6)


class Ring:
    def __init__(self) -> None:
        self.memory = np.zeros(rg.EVENT_BYTES // 8, np.int64)
        self.n = 0

    def push(self, n: int) -> None:
        push_many(self.memory[rg.HEADER_WORDS :], self.n, n)
        self.n += n

    def reader(self, *, from_start: bool = False) -> rg.EventReader:
        return rg.EventReader(self.memory, from_start=from_start)


def is_genuine(record: tuple[int, ...]) -> bool:
    return record == (*range(record[0], record[0] + 7), 0)


def test_records_come_in_order_and_once() -> None:
    ring = Ring()
    reader = ring.reader()
    ring.push(10)
    assert [r[0] for r in reader.take()] == list(range(10))
    assert reader.take() == []
    ring.push(3)
    assert [r[0] for r in reader.take(limit=2)] == [10, 11]
    assert [r[0] for r in reader.take()] == [12]
    assert reader.n_lost == 0


def test_a_new_reader_sees_only_what_comes_unless_it_asks_for_the_start() -> None:
    ring = Ring()
    ring.push(5)
    assert ring.reader().take() == []
    assert [r[0] for r in ring.reader(from_start=True).take()] == list(range(5))


def test_a_reader_from_the_start_of_a_full_ring_gets_all_that_is_left_and_counts_the_rest() -> None:
    ring = Ring()
    ring.push(rg.EVENT_CAPACITY + 100)
    reader = ring.reader(from_start=True)
    found = reader.take()
    assert len(found) == rg.EVENT_CAPACITY - 1  # the oldest may be overwritten at any moment
    assert found[-1][0] == ring.n - 1
    assert reader.n_lost == ring.n - len(found)


def test_a_reader_that_falls_a_lap_behind_counts_every_loss() -> None:
    ring = Ring()
    reader = ring.reader()
    ring.push(rg.EVENT_CAPACITY - 1)
    assert len(reader.take(limit=1)) == 1
    assert reader.n_lost == 0
    ring.push(2 * rg.EVENT_CAPACITY)
    found = reader.take()
    assert all(is_genuine(r) for r in found)
    assert [r[0] for r in found] == list(range(found[0][0], ring.n))
    assert 1 + reader.n_lost + len(found) == ring.n
    assert reader.n_lost > rg.EVENT_CAPACITY


def test_two_readers_do_not_disturb_each_other() -> None:
    ring = Ring()
    a, b = ring.reader(), ring.reader()
    ring.push(4)
    assert a.take() == b.take()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3 * rg.EVENT_CAPACITY), st.integers(1, rg.EVENT_CAPACITY)), max_size=6)
)
def test_seen_and_lost_add_up_to_written_whatever_the_pace(turns: list[tuple[int, int]]) -> None:
    ring = Ring()
    reader = ring.reader()
    seen: list[int] = []
    for n, limit in turns:
        ring.push(n)
        found = reader.take(limit)
        assert len(found) <= limit
        assert all(is_genuine(r) for r in found[::97])
        seen += [r[0] for r in found]
    rest = reader.take(rg.EVENT_CAPACITY)
    seen += [r[0] for r in rest]
    assert seen == sorted(set(seen))
    assert len(seen) + reader.n_lost == ring.n


def test_a_writer_that_overtakes_during_the_reading_leaves_no_garbage() -> None:
    """The reader copies a record, then looks at head: make the writer lap it in between."""
    ring = Ring()
    reader = ring.reader()
    ring.push(20)

    class Sly(np.ndarray):
        n_reads = 0

        def __getitem__(self, key):  # type: ignore[no-untyped-def]
            if isinstance(key, slice):
                Sly.n_reads += 1
                if Sly.n_reads == 3:  # overwrite the third record before its copy is made
                    ring.push(rg.EVENT_CAPACITY)
                return np.asarray(super().__getitem__(key))
            return super().__getitem__(key)

    reader._words = ring.memory[rg.HEADER_WORDS :].view(Sly)
    found = reader.take()
    assert Sly.n_reads > 3
    assert [r[0] for r in found[:2]] == [0, 1]
    assert all(is_genuine(r) for r in found)
    assert found[2][0] > 2
    assert len(found) + reader.n_lost == ring.n


@pytest.mark.parametrize("value", [-(2**63), 2**63 - 1])
def test_any_word_survives(value: int) -> None:
    ring = np.zeros(rg.EVENT_BYTES // 8, np.int64)
    reader = rg.EventReader(ring)
    push_event(ring[rg.HEADER_WORDS :], 1, value, 2, value, value, value, 3)
    assert reader.take() == [(1, value, 2, value, value, value, 3, 0)]
