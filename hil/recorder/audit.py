"""Audit journal: one JSON object a line, on disk (fdatasync) before anybody is told.

Every record carries a sequence number, wall and monotonic time and a digest that chains it
to the record before. A torn last line (power loss, kill) is cut when the journal is opened.
"""

from __future__ import annotations

import asyncio
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
    """Append-only journal of one process; group commit through one writer thread at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._seq, self._chain = _cut_torn_tail(self._fd)
        self._folder = path.parent
        self._passing_fd = -1
        self._pending: list[tuple[int, bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._broken: OSError | None = None

    async def append(self, record: dict[str, Any]) -> None:
        """Write one record and return once it is on disk; OSError when it cannot be."""
        await self._put(self._fd, self._encode(record))

    async def pass_by(self, record: dict[str, Any]) -> None:
        """Take a record the same way to the disk and keep nothing of it; OSError as ``append``.

        What times a connection must be under way for as long as a command is.
        """
        if self._passing_fd < 0:
            self._passing_fd, name = tempfile.mkstemp(dir=self._folder)
            Path(name).unlink()
        await self._put(self._passing_fd, json.dumps(record, separators=(",", ":")).encode())

    async def _put(self, fd: int, line: bytes) -> None:
        if self._broken is not None:
            raise self._broken
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((fd, line, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._drain())
        await done

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
                await asyncio.to_thread(self._commit, [(fd, line) for fd, line, _ in batch])
            except OSError as error:  # never retried: what reached the disk is unknown
                self._broken = error
                for *_, done in batch + self._pending:
                    if not done.done():
                        done.set_exception(error)
                self._pending = []
                return
            for *_, done in batch:
                if not done.done():
                    done.set_result(None)

    def _commit(self, lines: list[tuple[int, bytes]]) -> None:
        for fd in dict.fromkeys(fd for fd, _ in lines):
            data = b"".join(line for at, line in lines if at == fd)
            while data:
                data = data[os.write(fd, data) :]
            os.fdatasync(fd)
        if self._passing_fd >= 0 and os.fstat(self._passing_fd).st_size > PASSING_MAX:
            os.ftruncate(self._passing_fd, 0)
            os.lseek(self._passing_fd, 0, os.SEEK_SET)


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
