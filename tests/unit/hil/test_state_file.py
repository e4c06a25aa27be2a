"""A state is taken whole, of the same kind, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.state_file import StateFile

STATE = {"a": [1.5, None, -0.0], "b": {"c": "x"}}


@pytest.fixture
def said() -> list[str]:
    return []


def test_what_is_written_is_read_again(tmp_path: Path, said: list[str]) -> None:
    file = StateFile(tmp_path / "s.gz", {"run": "1"})
    assert file.read(said.append) is None
    file.write(STATE, said.append)
    assert file.read(said.append) == STATE
    assert said == []


def test_a_state_of_another_kind_is_passed_over_without_a_word(tmp_path: Path, said: list[str]) -> None:
    StateFile(tmp_path / "s.gz", {"run": "1"}).write(STATE, said.append)
    assert StateFile(tmp_path / "s.gz", {"run": "2"}).read(said.append) is None
    assert said == []


@pytest.mark.parametrize("cut", [0, 1, 10, 40])
def test_a_torn_file_is_told_and_not_taken(tmp_path: Path, said: list[str], cut: int) -> None:
    path = tmp_path / "s.gz"
    file = StateFile(path, {})
    file.write(STATE, said.append)
    path.write_bytes(path.read_bytes()[:cut])
    assert file.read(said.append) is None
    assert len(said) == 1
    assert "damaged" in said[0]


def test_a_changed_byte_is_told_and_not_taken(tmp_path: Path, said: list[str]) -> None:
    import gzip

    path = tmp_path / "s.gz"
    file = StateFile(path, {})
    file.write(STATE, said.append)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"1.5", b"2.5")))
    assert file.read(said.append) is None
    assert said == [f"{path}: damaged, not taken: its checksum is another"]


def test_a_folder_that_is_gone_is_told_and_nothing_ends(tmp_path: Path, said: list[str]) -> None:
    StateFile(tmp_path / "gone" / "s.gz", {}).write(STATE, said.append)
    assert len(said) == 1
    assert "cannot be written" in said[0]
