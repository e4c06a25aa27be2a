"""Accounts, lock-out, password tokens."""

from __future__ import annotations

import asyncio
import os
import struct
import time

import pytest
from asyncua import ua
from asyncua.crypto.permission_rules import UserRole
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from protocols.accounts import Account, Accounts
from protocols.opcua_users import Users, decrypt_password
from protocols.passwords import check_password, hash_password

STORED = hash_password("right")
OAEP = "http://www.w3.org/2001/04/xmlenc#rsa-oaep"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def users(clock: Clock | None = None) -> Users:
    return Users(Accounts({"operator": Account("operator", STORED)}), 5, 60.0, clock or Clock())


def test_a_password_is_stored_as_a_salted_hash() -> None:
    assert "right" not in STORED
    assert hash_password("right") != STORED
    assert check_password("right", STORED)
    assert not check_password("Right", STORED)


def test_a_broken_hash_is_an_error_and_never_a_match() -> None:
    with pytest.raises(ValueError, match=r"unpack|unknown"):
        check_password("x", "plain$x")
    with pytest.raises(ValueError, match="md5"):
        check_password("x", STORED.replace("scrypt", "md5"))


async def test_only_a_verified_name_becomes_a_user_and_none_an_admin() -> None:
    u = users()
    assert u.get_user(None, "operator", "right") is None  # not verified
    assert await u.verify("operator", "right", "peer")
    user = u.get_user(None, "operator", "anything")
    assert user is not None
    assert (user.name, user.role) == ("operator", UserRole.User)
    assert u.get_user(None, "admin", "x") is None
    anonymous = u.get_user(None)
    assert anonymous is not None
    assert (anonymous.name, anonymous.role) == (None, UserRole.Anonymous)


async def test_a_failed_check_forgets_an_earlier_success() -> None:
    u = users()
    assert await u.verify("operator", "right", "peer")
    assert not await u.verify("operator", "wrong", "peer")
    assert u.get_user(None, "operator") is None


async def test_five_failures_lock_one_peer_out_for_a_minute() -> None:
    clock = Clock()
    u = users(clock)
    for _ in range(5):
        assert not await u.verify("operator", "wrong", "peer")
    assert not await u.verify("operator", "right", "peer")
    assert await u.verify("operator", "right", "another")
    clock.now_s = 60.1
    assert await u.verify("operator", "right", "peer")


async def test_parallel_guesses_count_too() -> None:
    u = users()
    await asyncio.gather(*(u.verify("operator", "wrong", "peer") for _ in range(5)))
    started = time.perf_counter()
    assert not await u.verify("operator", "right", "peer")
    assert time.perf_counter() - started < 0.01  # refused unheard: no hash is computed


async def test_the_event_loop_goes_on_while_a_password_is_checked() -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    task = asyncio.create_task(tick())
    await users().verify("operator", "wrong", "peer")
    task.cancel()
    assert ticks >= 3  # a hash takes some 40 ms


def token(key: rsa.RSAPrivateKey, secret: bytes) -> ua.UserNameIdentityToken:
    plain = struct.pack("<I", len(secret)) + secret
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    return ua.UserNameIdentityToken(
        UserName="operator", Password=key.public_key().encrypt(plain, oaep), EncryptionAlgorithm=OAEP
    )


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_an_encrypted_password_is_read_with_the_servers_nonce(key: rsa.RSAPrivateKey) -> None:
    nonce = os.urandom(32)
    assert decrypt_password(key, nonce, token(key, b"right" + nonce)) == ("operator", "right")


def test_a_recorded_token_cannot_be_played_back(key: rsa.RSAPrivateKey) -> None:
    recorded = token(key, b"right" + os.urandom(32))
    with pytest.raises(ua.uaerrors.BadIdentityTokenInvalid):
        decrypt_password(key, os.urandom(32), recorded)


@pytest.mark.parametrize("algorithm", ["http://www.w3.org/2001/04/xmlenc#rsa-1_5", "rot13"])
def test_weak_or_unknown_password_encryption_is_refused(key: rsa.RSAPrivateKey, algorithm: str) -> None:
    sent = token(key, b"right")
    sent.EncryptionAlgorithm = algorithm
    with pytest.raises(ua.uaerrors.BadIdentityTokenInvalid):
        decrypt_password(key, b"n", sent)
