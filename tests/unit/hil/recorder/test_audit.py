"""The audit: what is appended is on disk in a chain; what passes by goes the same way and is not kept."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path

import pytest

from hil.recorder import audit
from hil.recorder.audit import AuditJournal


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the files that were forced to the disk, in order."""
    found: list[int] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        found.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    return found


def test_a_record_is_on_disk_when_append_returns_and_goes_on_the_chain(
    tmp_path: Path, synced: list[int]
) -> None:
    path = tmp_path / "audit.jsonl"

    async def write() -> None:
        journal = AuditJournal(path)
        await journal.append({"event": "a"})
        assert len(synced) == 1
        await journal.append({"event": "b"})

    asyncio.run(write())
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r["seq"], r["event"]) for r in rows] == [(1, "a"), (2, "b")]
    assert rows[0]["chain"] != rows[1]["chain"]


def test_what_passes_by_waits_for_the_disk_as_a_command_does_and_leaves_nothing(
    tmp_path: Path, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PASSING_MAX", 200)
    path = tmp_path / "audit.jsonl"

    async def write() -> None:
        journal = AuditJournal(path)
        for k in range(50):
            await journal.pass_by({"event": "command", "k": k})
        assert len(synced) == 50
        assert os.fstat(synced[-1]).st_size <= 200
        await journal.append({"event": "a"})

    asyncio.run(write())
    assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["audit.jsonl"]


def test_on_a_full_disk_everybody_is_told_and_with_room_again_it_goes_on_in_the_same_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "audit.jsonl", os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) > 10:
            return real(fd, data[:10])  # a part of it still has room
        raise OSError(28, "No space left on device")

    async def write() -> None:
        journal = AuditJournal(path)
        await journal.append({"event": "a"})
        whole = path.read_bytes()
        monkeypatch.setattr(os, "write", full)
        for put in (journal.append, journal.append, journal.pass_by):
            with pytest.raises(OSError, match="No space left"):
                await put({"event": "lost"})
        assert path.read_bytes() == whole
        monkeypatch.setattr(os, "write", real)
        await journal.pass_by({"event": "passing"})
        await journal.append({"event": "b"})
        await AuditJournal(path).append({"event": "c"})

    asyncio.run(write())
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r["seq"], r["event"]) for r in rows] == [(1, "a"), (2, "b"), (3, "c")]
    chain = ""
    for line in path.read_text().splitlines():
        body = line[: line.rindex(',"chain"')] + "}"
        chain = hashlib.sha256((chain + body).encode()).hexdigest()[:16]
        assert json.loads(line)["chain"] == chain
