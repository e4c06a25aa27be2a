"""Audit journal: one JSON object a line, on disk (fdatasync) before anybody is told.

Every record carries a sequence number, wall and monotonic time and a digest that chains it
to the record before. A torn last line (power loss, kill) is cut when the journal is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses as dc
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

PASSING_MAX = 1 << 20
"""The file that nothing is kept of begins anew beyond this size [bytes]."""


class AuditJournal:
    """Append-only journal of one process; group commit through one writer thread at a time.

    What cannot be written is an error to all who wait, and the file is cut back to what was acknowledged, as
    nobody knows what of the rest reached the disk. The next record tries again: a disk may have room again.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._seq, self._chain = _cut_torn_tail(self._fd)
        self._good = _Place(os.fstat(self._fd).st_size, self._seq, self._chain)
        self._folder = path.parent
        self._passing_fd = -1
        self._pending: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._is_cut = True

    async def append(self, record: dict[str, Any]) -> None:
        """Write one record and return once it is on disk; OSError when it cannot be."""
        if not self._is_cut:
            self._cut_back()
        line = self._encode(record)
        await self._put(_Waiting(self._fd, line, _Place(len(line), self._seq, self._chain)))

    async def pass_by(self, record: dict[str, Any]) -> None:
        """Take a record the same way to the disk and keep nothing of it; OSError as ``append``.

        What times a connection must be under way for as long as a command is.
        """
        if self._passing_fd < 0:
            self._passing_fd, name = tempfile.mkstemp(dir=self._folder)
            Path(name).unlink()
        line = json.dumps(record, separators=(",", ":")).encode()
        await self._put(_Waiting(self._passing_fd, line, None))

    async def _put(self, waiting: _Waiting) -> None:
        self._pending.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._drain())
        await waiting.done

    def _encode(self, record: dict[str, Any]) -> bytes:
        self._seq += 1
        row = {"seq": self._seq, "utc_ns": time.time_ns(), "mono_ns": time.monotonic_ns()} | record
        body = json.dumps(row, separators=(",", ":"), allow_nan=True)
        self._chain = hashlib.sha256((self._chain + body).encode()).hexdigest()[:16]
        return f'{body[:-1]},"chain":"{self._chain}"}}\n'.encode()

    async def _drain(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                await asyncio.to_thread(self._commit, batch)
            except OSError as error:
                self._fail(batch + self._pending, error)
                self._pending = []
                return
            for waiting in batch:
                if waiting.place is not None:
                    size = self._good.size + waiting.place.size
                    self._good = dc.replace(waiting.place, size=size)
                if not waiting.done.done():
                    waiting.done.set_result(None)

    def _commit(self, batch: list[_Waiting]) -> None:
        for fd in dict.fromkeys(w.fd for w in batch):
            data = b"".join(w.line for w in batch if w.fd == fd)
            while data:
                data = data[os.write(fd, data) :]
            os.fdatasync(fd)
        if self._passing_fd >= 0 and os.fstat(self._passing_fd).st_size > PASSING_MAX:
            self._forget_passed()

    def _forget_passed(self) -> None:
        os.ftruncate(self._passing_fd, 0)
        os.lseek(self._passing_fd, 0, os.SEEK_SET)

    def _fail(self, waiting: list[_Waiting], error: OSError) -> None:
        self._is_cut = False
        if self._passing_fd >= 0:
            self._forget_passed()
        with contextlib.suppress(OSError):
            self._cut_back()
        for w in waiting:
            if not w.done.done():
                w.done.set_exception(error)

    def _cut_back(self) -> None:
        """Go on from the last record that was acknowledged; OSError when even that cannot be."""
        os.ftruncate(self._fd, self._good.size)
        os.fdatasync(self._fd)
        self._seq, self._chain, self._is_cut = self._good.seq, self._good.chain, True


@dc.dataclass(frozen=True, slots=True)
class _Place:
    """Where the journal ends, or how long a line is, with the number and digest of its last record."""

    size: int
    seq: int
    chain: str


@dc.dataclass(frozen=True, slots=True)
class _Waiting:
    """A line on its way to the disk; ``place`` None: nothing of it is kept."""

    fd: int
    line: bytes
    place: _Place | None
    done: asyncio.Future[None] = dc.field(default_factory=lambda: asyncio.get_running_loop().create_future())


def _cut_torn_tail(fd: int) -> tuple[int, str]:
    """Truncate after the last whole line; return its sequence number and chain digest."""
    size = os.fstat(fd).st_size
    tail = os.pread(fd, min(size, 65536), max(0, size - 65536))
    whole = tail.rfind(b"\n") + 1
    os.ftruncate(fd, size - len(tail) + whole)
    last = tail[:whole].splitlines()[-1:]
    if not last:
        return 0, ""
    try:
        row = json.loads(last[0])
        return int(row["seq"]), str(row["chain"])
    except (ValueError, KeyError):
        return 0, ""
