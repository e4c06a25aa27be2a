"""Password hashes: scrypt with a random salt, compared in constant time. Standard library only."""

from __future__ import annotations

import hashlib
import hmac
import os

N, R, P = 1 << 14, 8, 1
"""scrypt cost: 16 MiB and some 40 ms per guess (the interactive setting of the scrypt paper)."""

KEY_BYTES, SALT_BYTES = 32, 16


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


DUMMY = f"scrypt${N}${R}${P}${'00' * SALT_BYTES}${'00' * KEY_BYTES}"
"""Checked in place of an unknown user's hash, so that names cannot be told apart by time."""


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=KEY_BYTES, maxmem=64 << 20)
