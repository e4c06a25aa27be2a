"""What a password must be, and what counts as a stored hash."""

from __future__ import annotations

import pytest

from protocols.passwords import DUMMY, hash_password, is_hash, weakness


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "0 characters; at least 8"),
        ("seven 7", "7 characters; at least 8"),
        ("aaaaaaaaaaaa", "one character over and over"),
        ("Instructor", "the user's name"),
        ("tab\tin the middle", "cannot be typed"),
        ("half \udc80 a character", "cannot be typed"),
        ("ä" * 100 + "b" * 100, "more than 256 bytes"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, why: str) -> None:
    assert why in weakness(password, "instructor")


@pytest.mark.parametrize(
    "password", ["eight 88", "pässwörter", "correct horse battery staple", "変電所の秘密の言葉"]
)
def test_any_other_password_is_taken(password: str) -> None:
    assert weakness(password, "instructor") == ""


def test_hashes_that_are_made_can_be_checked() -> None:
    assert is_hash(hash_password("anything"))
    assert is_hash(DUMMY)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain",
        "$$$$$",
        DUMMY + "00",
        DUMMY.replace("scrypt", "md5"),
        DUMMY.replace("16384", "16383"),  # no power of two
        DUMMY.replace("16384", "1048576"),  # 1 GiB a guess
        DUMMY.replace("$8$", "$0$"),
        DUMMY.replace("00", "zz"),
    ],
)
def test_what_cannot_be_checked_is_no_hash(stored: str) -> None:
    assert not is_hash(stored)
