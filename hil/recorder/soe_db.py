"""The journal's records in SQLite, to be asked questions: table ``soe``, one row a record.

The journal is what counts. The database follows it, in the background, and is made again from it where
it does not fit: losing it loses nothing.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from hil.recorder.journal import START, DamagedError, Frame, Place, frames
from hil.recorder.soe import FIELDS, Soe

ROWS_AT_ONCE = 20_000
"""Most rows of one transaction: the caller has other things to do, too."""

_TABLES = f"""
CREATE TABLE IF NOT EXISTS soe (seq INTEGER PRIMARY KEY, {", ".join(FIELDS)});
CREATE INDEX IF NOT EXISTS soe_tag ON soe (tag, seq);
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), at, seq, chain);
"""
_INSERT = f"INSERT OR REPLACE INTO soe VALUES ({', '.join('?' * (1 + len(FIELDS)))})"


class SoeDatabase:
    """Follows one journal.

    Attributes
    ----------
    place : Place
        How far it has come.
    """

    def __init__(self, path: Path, journal: Path) -> None:
        self._path, self._journal = path, journal
        self.place = START
        self._open()

    def follow(self) -> int:
        """Take over what the journal has more, at most ``ROWS_AT_ONCE`` rows; return how many.

        Raises
        ------
        sqlite3.Error
            It cannot be written now; it may be tried again.
        """
        try:
            found = list(islice(frames(self._journal, self.place), ROWS_AT_ONCE))
            rows = [_row(f) for f in found]
        except (DamagedError, ValueError, TypeError):  # it followed another journal
            if self.place == START:
                raise
            self._make_again()
            return 0
        if found:
            # The last row is read again at the next start: its digest proves that the journal is the same.
            before = _behind(found[-2]) if len(found) > 1 else self.place
            self._store(rows, before)
            self.place = _behind(found[-1])
        return len(found)

    def _open(self) -> None:
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # no room, locked: not the file's fault
                raise
            self._make_again()

    def _connect(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=1.0)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)
        row = self._db.execute("SELECT at, seq, chain FROM place").fetchone()
        self.place = Place(*row) if row else START

    def _make_again(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._connect()

    def _store(self, rows: Iterable[tuple[object, ...]], place: Place) -> None:
        self._db.execute("BEGIN")
        try:
            self._db.executemany(_INSERT, rows)
            self._db.execute(
                "INSERT OR REPLACE INTO place VALUES (1, ?, ?, ?)", (place.at, place.seq, place.chain)
            )
            self._db.execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close it; what was followed is in it."""
        self._db.close()


def _behind(frame: Frame) -> Place:
    return Place(frame.end, frame.seq, frame.chain)


def _row(frame: Frame) -> tuple[object, ...]:
    record = Soe.decode(frame.body)
    return (frame.seq, *(getattr(record, name) for name in FIELDS))
