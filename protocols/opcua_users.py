"""Who may log in to the OPC UA server: nobody as administrator, passwords checked off the loop.

asyncua's own manager makes anybody who calls himself "admin" an administrator. This one knows
anonymous readers and the accounts of the station's users file, and nothing else. What a user may
is his account's role (``protocols.roles``), not asyncua's.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from struct import unpack_from
from typing import Any

from asyncua import ua
from asyncua.crypto import uacrypto
from asyncua.crypto.permission_rules import PermissionRuleset, User, UserRole
from asyncua.server.user_managers import UserManager

from protocols.accounts import Account, Accounts
from protocols.passwords import BYTES_MAX, DUMMY, check_password

_VERIFIED: contextvars.ContextVar[str | None] = contextvars.ContextVar("verified_user", default=None)
"""Name whose password was found right for the activation that this task is serving."""

MAX_TRACKED_PEERS = 1024

_OAEP = {
    "http://www.w3.org/2001/04/xmlenc#rsa-oaep": uacrypto.decrypt_rsa_oaep,
    "http://opcfoundation.org/UA/security/rsa-oaep-sha2-256": uacrypto.decrypt_rsa_oaep_sha256,
}
"""PKCS#1 v1.5 is left out: its padding errors tell an attacker about the plain text."""


class Users(UserManager):  # type: ignore[misc]  # asyncua is untyped here
    """Accounts with hashed passwords, and a lock-out per peer address.

    Parameters
    ----------
    accounts : Accounts
        Those in force; they may be replaced while the server runs.
    failures, lockout_s
        After so many failures a peer is refused unheard for so long [s].
    """

    def __init__(
        self,
        accounts: Accounts,
        failures: int,
        lockout_s: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = accounts
        self._failures = failures
        self._lockout_s = lockout_s
        self._now_s = now_s
        self._failed: dict[str, list[float]] = {}
        self._hashing = asyncio.Semaphore(2)  # 16 MiB and a core each
        self.n_failed = 0

    async def verify(self, name: str, password: str, peer: str) -> Account | None:
        """Check a password in a worker thread and remember the outcome for ``get_user``.

        Returns
        -------
        Account or None
            The user's account; None where the password is wrong, too.
        """
        _VERIFIED.set(None)
        recent = self._recent(peer)
        if len(recent) >= self._failures or len(password.encode()) > BYTES_MAX:
            self.n_failed += 1
            return None
        now = self._now_s()
        self._note(peer, [*recent, now])  # counted before hashing, so that parallel guesses count too
        account = self._accounts.users.get(name)
        async with self._hashing:
            stored = DUMMY if account is None else account.password
            is_right = await asyncio.to_thread(check_password, password, stored)
        if is_right and account is not None and self._accounts.users.get(name) == account:
            self._note(peer, recent)
            _VERIFIED.set(name)
            return account
        self.n_failed += 1
        return None

    def is_locked_out(self, peer: str) -> bool:
        """Tell whether a peer is refused unheard now."""
        return len(self._recent(peer)) >= self._failures

    def role_of(self, name: str | None, login: Account | None) -> str:
        """Return the role of a session's user now, see ``Accounts.role_of``."""
        return self._accounts.role_of(name, login)

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,
    ) -> User | None:
        """Return the user of an activation; anonymous ones have no name, nobody is Admin."""
        if username is None:
            return User(role=UserRole.Anonymous)
        if _VERIFIED.get() != username:
            return None
        return User(role=UserRole.User, name=username)

    def _recent(self, peer: str) -> list[float]:
        now = self._now_s()
        return [t for t in self._failed.get(peer, ()) if now - t < self._lockout_s]

    def _note(self, peer: str, failures: list[float]) -> None:
        self._failed.pop(peer, None)
        if failures:
            self._failed[peer] = failures
        while len(self._failed) > MAX_TRACKED_PEERS:
            self._failed.pop(next(iter(self._failed)))


class NoAdministration(PermissionRuleset):  # type: ignore[misc]  # asyncua is untyped here
    """Roles decide nothing here: the processor refuses what nobody may do, the session the rest."""

    def check_validity(self, user: Any, action_type: Any, body: Any) -> bool:
        """Allow; see ``opcua_guards.Processor`` and ``opcua_session.Session``."""
        return True


def decrypt_password(key: Any, nonce: bytes | None, token: ua.UserNameIdentityToken) -> tuple[str, str]:
    """Return user name and password of a token; UaStatusCodeError when it is not sound.

    The server's last nonce must be at the end of the secret, or a recorded token could be
    played back (OPC 10000-4, 7.40.2.2).
    """
    invalid = ua.UaStatusCodeError(ua.StatusCodes.BadIdentityTokenInvalid)
    try:
        secret = token.Password if isinstance(token.Password, bytes) else (token.Password or "").encode()
        if token.EncryptionAlgorithm:
            raw = _OAEP[token.EncryptionAlgorithm](key, secret)
            (length,) = unpack_from("<I", raw)
            secret = raw[4 : 4 + length]
            if len(secret) != length or not nonce or not secret.endswith(nonce):
                raise invalid
            secret = secret[: -len(nonce)]
        return str(token.UserName), secret.decode()
    except ua.UaStatusCodeError:
        raise
    except Exception as error:  # whatever a hostile token provokes is one answer
        raise invalid from error
