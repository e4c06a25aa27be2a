"""Alarms outlive the gateway and the run; a damaged file is told and begun anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hil.services import alarm_file
from hil.services.alarm_file import FILE, AlarmFile
from protocols.alarm_book import Alarm, AlarmBook

TAG = "A.R.TRIP"


def book() -> AlarmBook:
    return AlarmBook([Alarm(tag=TAG, text="trip", severity="high", on=1, states=("OFF", "ON"))])


def raised() -> AlarmBook:
    made = book()
    made.take(TAG, 1.0, 5)
    return made


async def saved(folder: Path) -> None:
    made = book()
    file = AlarmFile(folder, made, pytest.fail)
    made.take(TAG, 1.0, 5)
    made.acknowledge(made.unacknowledged(), "ann", "seen", 6)
    await file.save()


async def test_what_was_acknowledged_is_so_after_a_restart(tmp_path: Path) -> None:
    await saved(tmp_path)
    again = book()
    AlarmFile(tmp_path, again, pytest.fail)
    (row,) = again.rows()
    assert (row["state"], row["acked_by"], row["comment"]) == ("ack_active", "ann", "seen")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


async def test_a_book_that_did_not_change_is_not_written(tmp_path: Path) -> None:
    await AlarmFile(tmp_path, raised(), pytest.fail).save()
    assert not (tmp_path / FILE).exists()


async def test_a_change_is_written_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_file, "SAVE_S", 0.01)
    made = book()
    keeper = asyncio.create_task(AlarmFile(tmp_path, made, pytest.fail).keep())
    made.take(TAG, 1.0, 5)
    async with asyncio.timeout(10.0):
        while not (tmp_path / FILE).exists():
            await asyncio.sleep(0.01)
    keeper.cancel()


@pytest.mark.parametrize("body", [b"", b"no gzip", b"\x1f\x8b\x08\x00damaged"])
async def test_a_damaged_file_is_told_and_begun_anew(tmp_path: Path, body: bytes) -> None:
    (tmp_path / FILE).write_bytes(body)
    said: list[str] = []
    made = book()
    file = AlarmFile(tmp_path, made, said.append)
    assert made.rows() == []
    assert len(said) == 1 and "damaged" in said[0]
    made.take(TAG, 1.0, 5)
    await file.save()
    again = book()
    AlarmFile(tmp_path, again, pytest.fail)
    assert again.rows() == made.rows()


async def test_a_state_of_another_shape_is_told_too(tmp_path: Path) -> None:
    await saved(tmp_path)
    from hil.state_file import StateFile

    StateFile(tmp_path / FILE, alarm_file.KEY).write({"entries": {TAG: {"state": "odd"}}}, pytest.fail)
    said: list[str] = []
    made = book()
    AlarmFile(tmp_path, made, said.append)
    assert made.rows() == []
    assert "begin anew" in said[0]


async def test_a_folder_that_cannot_be_written_is_told_and_the_alarms_go_on(tmp_path: Path) -> None:
    said: list[str] = []
    made = book()
    file = AlarmFile(tmp_path / "gone", made, said.append)
    made.take(TAG, 1.0, 5)
    await file.save()
    assert "cannot be written" in said[0]
    assert len(made.rows()) == 1
