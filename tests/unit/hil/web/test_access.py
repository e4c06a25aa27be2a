"""Who is let in to the console in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.web import access
from hil.web.access import LOOPBACK_NAMES, Access
from rtcore.errors import HostError, UserInputError

TOKEN = "a-token-of-good-length"


def of(names: frozenset[str] = LOOPBACK_NAMES) -> Access:
    return Access(TOKEN, names)


def test_every_token_is_another_one() -> None:
    assert len({access.new_token() for _ in range(100)}) == 100
    assert len(access.new_token()) == 43


def test_the_right_token_opens_and_nothing_else_does() -> None:
    assert of().opens(TOKEN)
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\udcff", "é"):
        assert not of().opens(wrong)


def test_the_cookie_is_not_the_token_and_belongs_to_it_alone() -> None:
    one, other = of(), Access("another-token-of-length", LOOPBACK_NAMES)
    assert TOKEN not in one.cookie
    assert one.admits(one.cookie)
    assert not one.admits(TOKEN)
    assert not one.admits(other.cookie)
    assert one.cookie_name != other.cookie_name


@pytest.mark.parametrize(
    ("header", "is_known"),
    [
        ("127.0.0.1:8000", True),
        ("127.0.0.1", True),
        ("localhost:9999", True),  # the near end of a tunnel has another port
        ("LOCALHOST", True),
        ("[::1]:8000", True),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[", False),
        ("127.0.0.1@evil.example", False),
    ],
)
def test_a_host_header_must_name_this_server(header: str, is_known: bool) -> None:
    assert of().knows(header) is is_known


def test_only_the_server_s_own_page_is_its_own() -> None:
    assert of().is_own_page("http://127.0.0.1:8000", "127.0.0.1:8000")
    for foreign in ("http://127.0.0.1:8001", "https://127.0.0.1:8000", "null", "", "http://evil.example"):
        assert not of().is_own_page(foreign, "127.0.0.1:8000")


def test_a_server_for_every_address_knows_all_of_them_and_one_for_an_address_that_one() -> None:
    assert {"127.0.0.1", "localhost"} <= access.names_of("0.0.0.0")
    assert "192.0.2.7" in access.names_of("192.0.2.7")
    assert "192.0.2.7" not in access.names_of("0.0.0.0")
    assert access.names_of("127.0.0.1") == LOOPBACK_NAMES


def test_a_token_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    assert access.read_token(file) == TOKEN


def test_a_token_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o640)
    with pytest.raises(HostError, match="others can reach it"):
        access.read_token(file)


@pytest.mark.parametrize(
    "content", [b"short\n", b"", b"two words are not a token", b"\xff" * 40, b"a" * 20 + b"\n" + b"b"]
)
def test_a_token_file_without_a_usable_token_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(UserInputError, match="token"):
        access.read_token(file)


def test_a_missing_token_file_is_named_and_is_the_user_s_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="nowhere: no such file; without --token-file"):
        access.read_token(tmp_path / "nowhere")


def test_a_folder_is_no_token_file(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(UserInputError, match="is a folder"):
        access.read_token(tmp_path)
