"""The audit: what is appended is on disk in a chain; what passes by goes the same way and is not kept."""

from __future__ import annotations

import asyncio
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


def test_one_that_cannot_be_written_is_an_error_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    async def write() -> None:
        journal = AuditJournal(tmp_path / "audit.jsonl")
        monkeypatch.setattr(os, "write", full)
        for put in (journal.append, journal.append, journal.pass_by):
            with pytest.raises(OSError, match="No space left"):
                await put({"event": "a"})

    asyncio.run(write())
