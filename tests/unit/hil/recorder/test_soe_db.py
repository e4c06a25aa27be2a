"""The database follows the journal, and is made again from it whatever became of it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from hil.recorder.journal import Journal
from hil.recorder.soe import Soe
from hil.recorder.soe_db import SoeDatabase


def bodies(first: int, n: int, tag: str = "CB1.POS") -> list[bytes]:
    return [
        Soe(pos=k, utc_ns=1000 + k, step=k, kind="status", tag=tag, old=0.0, new=1.0).encode()
        for k in range(first, first + n)
    ]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path / "soe.journal")
    made.commit(bodies(0, 10))
    return made


def follow(journal: Journal) -> Path:
    path = journal.path.with_name("soe.db")
    database = SoeDatabase(path, journal.path)
    while database.place.seq < journal.seq:
        database.follow()
    database.close()
    return path


def rows(path: Path, what: str = "seq, pos, tag, new") -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as db:
        found = db.execute(f"SELECT {what} FROM soe ORDER BY seq").fetchall()
    db.close()
    return found


EXPECTED = [(k + 1, k, "CB1.POS", 1.0) for k in range(15)]


def test_it_holds_what_the_journal_holds(journal: Journal) -> None:
    assert rows(follow(journal)) == EXPECTED[:10]


def test_opened_again_it_takes_over_only_what_is_new(journal: Journal) -> None:
    path = follow(journal)
    journal.commit(bodies(10, 5))
    assert rows(follow(journal)) == EXPECTED
    assert rows(path, "count(*)") == [(15,)]


def test_a_writer_that_other_programs_read_meanwhile_goes_on(journal: Journal) -> None:
    path = follow(journal)
    reader = sqlite3.connect(path)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM soe").fetchone() == (10,)
    journal.commit(bodies(10, 5))
    follow(journal)
    assert reader.execute("SELECT count(*) FROM soe").fetchone() == (10,), "the reader sees its own moment"
    reader.close()
    assert rows(path) == EXPECTED


def test_a_database_that_is_none_is_made_again(journal: Journal) -> None:
    journal.path.with_name("soe.db").write_bytes(b"not a database at all" * 200)
    assert rows(follow(journal)) == EXPECTED[:10]


def test_a_database_of_another_journal_is_made_again(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Journal(tmp_path / "other" / "soe.journal")
    other.commit(bodies(0, 12, tag="CB9.POS"))
    follow(other).rename(journal.path.with_name("soe.db"))
    journal.commit(bodies(10, 5))
    assert rows(follow(journal)) == EXPECTED


def test_a_database_ahead_of_its_journal_is_made_again(journal: Journal, tmp_path: Path) -> None:
    """A loss of power may take the end of one and not of the other; here the journal lost more."""
    (tmp_path / "other").mkdir()
    other = Journal(tmp_path / "other" / "soe.journal")
    other.commit(bodies(0, 15))
    follow(other).rename(journal.path.with_name("soe.db"))
    database = SoeDatabase(journal.path.with_name("soe.db"), journal.path)
    journal.commit(bodies(10, 5, tag="CB2.POS"))
    for _ in range(3):
        database.follow()
    database.close()
    found = rows(journal.path.with_name("soe.db"))
    assert found == EXPECTED[:10] + [(k + 1, k, "CB2.POS", 1.0) for k in range(10, 15)]
