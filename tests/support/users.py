"""Users of a test station, one for each role, and points that need each role."""

from __future__ import annotations

from functools import cache

from protocols.accounts import Account
from protocols.passwords import hash_password
from protocols.roles import ROLES


def password_of(name: str) -> str:
    """Return the password of a test user."""
    return f"the {name}'s own"


@cache
def account(name: str, role: str) -> Account:
    """Return an account with that user's password; hashing takes a while."""
    return Account(role, hash_password(password_of(name)))


def one_of_each() -> dict[str, Account]:
    """Return a user of every role, named after it."""
    return {role: account(role, role) for role in ROLES}
