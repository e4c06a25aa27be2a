"""Journals: whole frames or none, whatever a kill leaves; changes show; nothing found is destroyed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from hil.recorder.journal import FRAME_BYTES, MARK, DamagedError, Journal, Place, frames

BODIES = [b"first", b"", b"third " * 40]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.journal"


def write(path: Path, *bodies: bytes) -> Journal:
    journal = Journal(path)
    journal.commit(bodies)
    return journal


def bodies(path: Path) -> list[bytes]:
    return [f.body for f in frames(path)]


def test_what_was_committed_is_read_back_in_order_and_numbered_from_one(path: Path) -> None:
    journal = write(path, *BODIES)
    assert journal.commit([b"fourth"]) == 4
    assert [(f.seq, f.body) for f in frames(path)] == list(enumerate([*BODIES, b"fourth"], 1))
    journal.close()


def test_a_journal_opened_again_continues_sequence_and_chain(path: Path) -> None:
    write(path, *BODIES).close()
    again = Journal(path)
    assert (again.seq, again.last, again.cut_bytes) == (3, BODIES[-1], 0)
    assert again.commit([b"more"]) == 4
    assert bodies(path) == [*BODIES, b"more"]


def test_a_reader_goes_on_from_where_it_was(path: Path) -> None:
    journal = write(path, *BODIES)
    last = list(frames(path))[-1]
    journal.commit([b"new"])
    assert [f.body for f in frames(path, Place(last.end, last.seq, last.chain))] == [b"new"]


def test_cut_anywhere_in_its_last_frame_it_keeps_those_before_and_goes_on(path: Path) -> None:
    write(path, *BODIES).close()
    whole = path.read_bytes()
    ends = [len(MARK), *(f.end for f in frames(path))]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        kept = sum(end <= size for end in ends[1:])
        assert bodies(path) == BODIES[:kept], "a reader sees whole frames only"
        journal = Journal(path)
        assert (journal.seq, journal.cut_bytes) == (kept, max(0, size - ends[kept]) if size >= 8 else 0)
        torn = whole[ends[kept] : size]
        kept_torn = b"" if journal.aside is None else journal.aside.read_bytes()
        assert kept_torn == (torn if any(torn) and size >= 8 else b""), "what was torn is not thrown away"
        journal.commit([b"next"])
        journal.close()
        assert bodies(path) == [*BODIES[:kept], b"next"]


def test_a_long_journal_is_opened_from_where_it_was_looked_through(path: Path) -> None:
    journal = write(path, *BODIES)
    journal.commit([b"fourth"])
    journal.save_place()
    journal.commit([b"fifth"])
    journal.close()
    changed = bytearray(path.read_bytes())
    changed[len(MARK) + FRAME_BYTES] ^= 0xFF  # in the first body, which is not looked at again
    path.write_bytes(changed)
    again = Journal(path)
    assert (again.seq, again.last, again.cut_bytes) == (5, b"fifth", 0)


@pytest.mark.parametrize("spoilt", ["shorter journal", "other journal", "place"])
def test_a_saved_place_that_does_not_fit_is_not_believed(path: Path, spoilt: str) -> None:
    journal = write(path, b"one")
    for body in (b"two", b"three"):
        journal.commit([body])
    journal.save_place()
    place = path.with_name(path.name + ".place")
    if spoilt == "shorter journal":
        path.write_bytes(path.read_bytes()[: next(frames(path)).end])
    elif spoilt == "other journal":
        path.unlink()
        write(path, b"1").commit([b"2", b"3"])
    else:
        place.write_bytes(place.read_bytes()[:-1] + b"?")
    expected = bodies(path)
    again = Journal(path)
    assert (again.seq, again.last, again.aside) == (len(expected), expected[-1], None)


def test_a_tail_of_zeros_as_a_loss_of_power_leaves_it_is_cut(path: Path) -> None:
    write(path, *BODIES).close()
    with path.open("ab") as file:
        file.write(bytes(4096))
    journal = Journal(path)
    assert (journal.seq, journal.cut_bytes, journal.aside) == (3, 4096, None)


def test_any_flipped_bit_is_noticed(path: Path) -> None:
    write(path, *BODIES).close()
    whole = path.read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 0x04
        path.write_bytes(changed)
        try:
            found = bodies(path)
        except DamagedError:
            continue
        # a length that is larger than the file looks like a frame that was never finished
        assert found != BODIES and found == BODIES[: len(found)], at


def test_what_stands_behind_damage_is_put_aside_before_it_is_cut(path: Path) -> None:
    write(path, *BODIES).close()
    whole = bytearray(path.read_bytes())
    first_end = next(frames(path)).end
    whole[first_end + FRAME_BYTES - 1] ^= 0xFF
    path.write_bytes(whole)
    journal = Journal(path)
    assert (journal.seq, bodies(path)) == (1, BODIES[:1])
    assert journal.aside is not None and journal.aside.read_bytes() == whole[first_end:]


def test_a_frame_that_was_taken_out_is_noticed(path: Path) -> None:
    write(path, *BODIES).close()
    first, second, _ = frames(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: first.end] + whole[second.end :])
    with pytest.raises(DamagedError, match="frame 3 follows frame 1"):
        bodies(path)


def test_a_file_of_another_kind_is_put_aside_and_not_written_over(path: Path) -> None:
    path.write_bytes(b"somebody's letter")
    journal = Journal(path)
    assert journal.aside is not None and journal.aside.read_bytes() == b"somebody's letter"
    journal.commit([b"ours"])
    assert bodies(path) == [b"ours"]


@pytest.mark.parametrize("fails", ["write", "sync"])
def test_a_commit_that_fails_half_way_counts_for_nothing_and_can_be_tried_again(
    path: Path, fails: str
) -> None:
    is_full = True

    def pwrite(fd: int, data: bytes, at: int) -> int:
        if is_full and fails == "write":
            if len(data) > 10:
                return os.pwrite(fd, data[:10], at)  # disks fill in the middle of a write
            raise OSError(errno.ENOSPC, "full")
        return os.pwrite(fd, data, at)

    def sync(_fd: int) -> None:
        if is_full and fails == "sync":
            raise OSError(errno.ENOSPC, "full")

    is_full = False
    journal = Journal(path, pwrite, sync)
    journal.commit([b"before"])
    is_full = True
    with pytest.raises(OSError, match="full"):
        journal.commit([b"a body of some length", b"more"])
    assert (journal.seq, bodies(path)) == (1, [b"before"])
    is_full = False
    assert journal.commit([b"a body of some length", b"more"]) == 3
    assert bodies(path) == [b"before", b"a body of some length", b"more"]
