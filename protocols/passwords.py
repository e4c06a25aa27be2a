"""Password hashes: scrypt with a random salt, compared in constant time. Standard library only."""

from __future__ import annotations

import hashlib
import hmac
import os
import re

N, R, P = 1 << 14, 8, 1
"""scrypt cost: 16 MiB and some 40 ms per guess (the interactive setting of the scrypt paper)."""

KEY_BYTES, SALT_BYTES = 32, 16
MAX_MEMORY_BYTES = 64 << 20
LENGTH_MIN, BYTES_MAX = 8, 256
"""Shortest password that is taken [characters], and the longest [bytes of UTF-8]."""

_STORED = re.compile(
    r"scrypt\$(\d{1,9})\$(\d{1,4})\$(\d{1,2})\$((?:[0-9a-f]{2}){8,64})\$((?:[0-9a-f]{2}){32})"
)


def hash_password(password: str) -> str:
    """Return ``scrypt$n$r$p$salt$key`` for storage (salt and key in hexadecimal)."""
    salt = os.urandom(SALT_BYTES)
    return f"scrypt${N}${R}${P}${salt.hex()}${_derive(password, salt, N, R, P).hex()}"


def check_password(password: str, stored: str) -> bool:
    """Tell whether the password belongs to the stored hash; ValueError when the hash is malformed."""
    method, n, r, p, salt, key = stored.split("$")
    if method != "scrypt":
        raise ValueError(f"unknown password hash {method!r}; allowed: scrypt")
    derived = _derive(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(derived, bytes.fromhex(key))


def is_hash(stored: str) -> bool:
    """Tell whether a text is a hash that can be checked, within the memory that is given to it."""
    match = _STORED.fullmatch(stored)
    if match is None:
        return False
    n, r, p = (int(match[k]) for k in (1, 2, 3))
    is_power = n > 1 and n & (n - 1) == 0  # RFC 7914, clause 2
    return is_power and r > 0 and p > 0 and 128 * r * (n + p + 2) <= MAX_MEMORY_BYTES


def weakness(password: str, name: str) -> str:
    """Say why a password is not taken; "" when it is.

    >>> weakness("short", "ann"), weakness("long enough", "ann")
    ('it has 5 characters; at least 8 are needed', '')
    """
    if len(password) < LENGTH_MIN:
        return f"it has {len(password)} characters; at least {LENGTH_MIN} are needed"
    if not password.isprintable():  # nor half a character of a broken encoding
        return "it has characters that cannot be typed"
    if len(password.encode()) > BYTES_MAX:
        return f"it has more than {BYTES_MAX} bytes"
    if len(set(password)) == 1:
        return "it is one character over and over"
    return "it is the user's name" if password.lower() == name.lower() else ""


DUMMY = f"scrypt${N}${R}${P}${'00' * SALT_BYTES}${'00' * KEY_BYTES}"
"""Checked in place of an unknown user's hash, so that names cannot be told apart by time."""


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=n, r=r, p=p, dklen=KEY_BYTES, maxmem=MAX_MEMORY_BYTES
    )
