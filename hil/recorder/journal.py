"""Append-only journal: frames that are whole or not there, each chained to the one before.

A file begins with a mark; then frame after frame, all numbers little-endian::

    u32 length of the body | u32 CRC-32 of all that follows | u64 sequence from 1 | 16 bytes digest | body

The digest is the first half of SHA-256 over the digest before, the sequence and the body, so that a
frame that was changed, left out or put elsewhere shows. What a kill or a loss of power left half
written at the end is cut when the journal is opened for writing.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

MARK = b"GHJRNL1\n"
BODY_MAX = 1 << 24
"""Longest body [bytes]."""

_LENGTH = struct.Struct("<II")
_SEALED = struct.Struct("<Q16s")
FRAME_BYTES = _LENGTH.size + _SEALED.size
_PLACE = struct.Struct("<QQ16s")
NO_CHAIN = bytes(16)


@dc.dataclass(frozen=True, slots=True)
class Frame:
    """One record of a journal.

    Attributes
    ----------
    end : int
        Where the next one begins in the file [bytes].
    """

    seq: int
    chain: bytes
    body: bytes
    end: int


class DamagedError(Exception):
    """A journal is not what was written; ``at`` is where the last good frame ends [bytes]."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(f"byte {at}: {what}")
        self.at = at
        self.what = what


@dc.dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands: behind the frame ``seq``, whose digest was ``chain``."""

    at: int = len(MARK)
    seq: int = 0
    chain: bytes = NO_CHAIN


START = Place()


def frames(path: Path, place: Place = START) -> Iterator[Frame]:
    """Yield the frames from a place on, up to the last whole one.

    Raises
    ------
    DamagedError
        A frame that is there in full is not the one that was written.
    """
    with path.open("rb") as file:
        if place.at <= len(MARK) and not MARK.startswith(mark := file.read(len(MARK))):
            raise DamagedError(0, f"begins with {mark!r}, not with a journal's mark")
        size = os.fstat(file.fileno()).st_size
        at, seq, chain = place.at, place.seq, place.chain
        file.seek(at)
        while at + FRAME_BYTES <= size:
            head = file.read(FRAME_BYTES)
            length, crc = _LENGTH.unpack_from(head)
            if length > BODY_MAX:
                raise DamagedError(at, f"a frame of {length} bytes, at most {BODY_MAX} are written")
            if at + FRAME_BYTES + length > size:
                return
            body = file.read(length)
            number, digest = _SEALED.unpack_from(head, _LENGTH.size)
            if zlib.crc32(body, zlib.crc32(head[_LENGTH.size :])) != crc:
                raise DamagedError(at, "the checksum of the frame is wrong")
            if number != seq + 1:
                raise DamagedError(at, f"frame {number} follows frame {seq}")
            if digest != _chained(chain, number, body):
                raise DamagedError(at, f"the digest of frame {number} does not continue the one before")
            at, seq, chain = at + FRAME_BYTES + length, number, digest
            yield Frame(seq, chain, body, at)


class Journal:
    """The one writer of a journal.

    Parameters
    ----------
    write, sync : callable
        ``write(fd, data, offset)`` returns how much it wrote; ``sync(fd)`` returns when all is on disk.

    Attributes
    ----------
    last : bytes or None
        Body of the last frame.
    cut_bytes : int
        How much was cut off the end when it was opened.
    aside : Path or None
        Where that was put.
    """

    def __init__(
        self,
        path: Path,
        write: Callable[[int, bytes, int], int] = os.pwrite,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self.path = path
        self._write, self._sync = write, sync
        self.last: bytes | None = None
        self.cut_bytes = 0
        self.aside: Path | None = None
        self._place_path = path.with_name(path.name + ".place")
        self._before = START
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.place = self._whole()
        self._cut()

    @property
    def seq(self) -> int:
        """Sequence number of the last frame."""
        return self.place.seq

    def _whole(self) -> Place:
        """Return the place behind the last good frame."""
        size = os.fstat(self._fd).st_size
        if size < len(MARK):
            self._write_all(MARK, 0)
            self._sync(self._fd)
            return START
        try:
            if (place := self._looked_through()) != START and (found := self._behind(place)):
                self._before = place
                return found
            return self._behind(START) or START
        except DamagedError:  # not one of ours: nothing in it is written over
            self.aside = _beside(self.path)
            self.path.rename(self.aside)
            os.close(self._fd)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._write_all(MARK, 0)
            return START

    def _behind(self, place: Place) -> Place | None:
        """Return the place behind the last good frame that follows a place; None where none does."""
        found: Place | None = None
        try:
            for frame in frames(self.path, place):
                found, self.last = Place(frame.end, frame.seq, frame.chain), frame.body
        except DamagedError as error:
            if error.at == 0:
                raise
        return found

    def save_place(self) -> None:
        """Note how far it was looked through: opening a long journal then takes no longer than a short one.

        The place is that before the last commit: what follows it in the journal proves it right.
        """
        body = _PLACE.pack(*dc.astuple(self._before))  # taken at once: another thread may be committing
        new = self._place_path.with_name(self._place_path.name + ".new")
        new.write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))
        new.rename(self._place_path)

    def _looked_through(self) -> Place:
        with contextlib.suppress(OSError):
            raw = self._place_path.read_bytes()
            body = raw[: _PLACE.size]
            if len(raw) == _PLACE.size + 4 and zlib.crc32(body).to_bytes(4, "little") == raw[-4:]:
                return Place(*_PLACE.unpack(body))
        return START

    def _cut(self) -> None:
        """Cut what lies behind the last good frame; a copy stays, in case it was more than torn."""
        self.cut_bytes = os.fstat(self._fd).st_size - self.place.at
        if not self.cut_bytes:
            return
        rest = os.pread(self._fd, self.cut_bytes, self.place.at)
        if any(rest):  # a file that grew before its data came holds zeros
            self.aside = _beside(self.path)
            self.aside.write_bytes(rest)
        os.ftruncate(self._fd, self.place.at)

    def commit(self, bodies: Sequence[bytes]) -> int:
        """Append bodies and return the sequence number of the last one once all are on disk.

        Raises
        ------
        OSError
            None of them counts as written; the same may be tried again.
        """
        seq, chain, parts = self.place.seq, self.place.chain, []
        for body in bodies:
            assert len(body) <= BODY_MAX, len(body)
            seq += 1
            chain = _chained(chain, seq, body)
            sealed = _SEALED.pack(seq, chain)
            parts += [_LENGTH.pack(len(body), zlib.crc32(body, zlib.crc32(sealed))), sealed, body]
        data = b"".join(parts)
        try:
            self._write_all(data, self.place.at)
            self._sync(self._fd)
        except OSError:  # what reached the disk is unknown: the next try writes over it
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.place.at)
            raise
        self._before, self.place = self.place, Place(self.place.at + len(data), seq, chain)
        self.last = bodies[-1] if bodies else self.last
        return seq

    def _write_all(self, data: bytes, at: int) -> None:
        done = 0
        while done < len(data):
            done += self._write(self._fd, data[done:], at + done)

    def close(self) -> None:
        """Close the file; everything committed is in it."""
        os.close(self._fd)


def _chained(before: bytes, seq: int, body: bytes) -> bytes:
    return hashlib.sha256(before + seq.to_bytes(8, "little") + body).digest()[:16]


def _beside(path: Path) -> Path:
    """Return a name for what was taken out of a file that does not exist yet."""
    taken = (path.with_name(f"{path.name}.cut-{k}") for k in range(1, 1_000_000))
    return next(p for p in taken if not p.exists())
