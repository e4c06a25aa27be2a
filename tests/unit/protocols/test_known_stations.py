"""Keys of stations: the first one is kept, another one is refused with words that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from hil import credentials
from protocols import known_stations as known
from protocols.station_errors import StationError, Trouble

HERE = "station.example:4840"


def test_the_first_key_is_kept_for_its_user_alone_and_taken_again(tmp_path: Path) -> None:
    known.check(tmp_path, HERE, "aa")
    known.remember(tmp_path, HERE, "aa")
    known.check(tmp_path, HERE, "aa")
    assert (tmp_path / known.FILE).stat().st_mode & 0o777 == 0o600


def test_another_key_is_refused_and_the_words_say_what_to_do(tmp_path: Path) -> None:
    known.remember(tmp_path, HERE, "aa")
    known.remember(tmp_path, "other.example:4840", "bb")
    known.remember(tmp_path, HERE, "bb")  # does not replace
    with pytest.raises(StationError) as found:
        known.check(tmp_path, HERE, "bb")
    assert found.value.trouble is Trouble.CERTIFICATE
    assert str(tmp_path / known.FILE) in str(found.value)
    assert HERE in str(found.value)
    known.check(tmp_path, "other.example:4840", "bb")


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_file_that_cannot_be_read_lets_nobody_pass(tmp_path: Path, text: str) -> None:
    (tmp_path / known.FILE).write_text(text)
    with pytest.raises(StationError) as found:
        known.check(tmp_path, HERE, "aa")
    assert found.value.trouble is Trouble.CERTIFICATE


def test_a_renewed_certificate_for_the_same_key_is_the_same_station(tmp_path: Path) -> None:
    first, key = credentials.ensure_identity(tmp_path, "a", "127.0.0.1")
    second, same = credentials.ensure_identity(tmp_path, "b", "127.0.0.1")
    assert first != second
    assert key.private_numbers() == same.private_numbers()
    prints = [known.fingerprint(c.public_bytes(Encoding.DER)) for c in (first, second)]
    assert prints[0] == prints[1]
    other, _ = credentials.ensure_identity(tmp_path / "other", "a", "127.0.0.1")
    assert known.fingerprint(other.public_bytes(Encoding.DER)) != prints[0]
