"""The users of a station: one file for both protocols, passwords as hashes, mode 0600.

``users.json`` in the station's state directory maps a name to ``role`` (``protocols.roles``),
``password`` (a hash, ``protocols.passwords``) and ``modbus`` (networks of that user's masters,
because Modbus carries no names). The first start of a station makes the user ``operator``. Light
imports only: a gateway that restarts reads this.
"""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hil import private_files
from protocols.accounts import Account, Network
from protocols.passwords import hash_password, is_hash
from protocols.roles import OPERATOR, ROLES
from rtcore.errors import HostError, Problem, UserInputError, did_you_mean

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
NOBODY = "anonymous"
"""What audit records call a session without a user."""

WIDEST = 8
"""Least prefix length of a user's networks, neighbouring ones taken together: a whole private range."""

KEYS = ("role", "password", "modbus")


def users_path(state_dir: Path) -> Path:
    """Return the users file of a station."""
    return state_dir / "users.json"


def ensure_operator(state_dir: Path) -> str | None:
    """Make the users file with an operator unless there is one; return his password, to be shown once."""
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = "-".join(secrets.token_hex(2) for _ in range(5))
    path = users_path(state_dir)
    if path.exists():
        return None
    body = _as_json({OPERATOR: Account(OPERATOR, hash_password(password))})
    return password if private_files.create(path, body) else None


def read_users(state_dir: Path) -> dict[str, Account]:
    """Return the users by name; no file is no users.

    Raises
    ------
    HostError
        The file is open to others, or cannot be read.
    UserInputError
        Every problem of its content.
    """
    path = users_path(state_dir)
    try:
        private_files.check_private(path)
        rows = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HostError(f"{path}: cannot read the users file: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        what = f"not a users file ({error}); mend it, or delete it to begin anew"
        raise UserInputError([Problem(str(path), "", what)]) from None
    problems: list[Problem] = []
    users = _parse(rows, str(path), problems)
    if problems:
        raise UserInputError(problems)
    return users


def write_users(state_dir: Path, users: Mapping[str, Account]) -> None:
    """Put the users file in place of the one there is."""
    try:
        private_files.replace(users_path(state_dir), _as_json(users))
    except OSError as error:
        raise HostError(f"{users_path(state_dir)}: cannot write the users file: {error.strerror}") from None


def name_problem(name: str) -> str:
    """Say what is wrong with a user's name; "" when nothing is."""
    if name == NOBODY:
        return f"{name!r} is what sessions without a user are called; choose another name"
    if NAME.fullmatch(name):
        return ""
    rule = "letters, digits and . _ @ -, at most 64, a letter or digit first"
    return f"{name!r} is not a user name: {rule}"


def role_problem(role: Any) -> str:
    """Say what is wrong with a role; "" when nothing is."""
    if role in ROLES:
        return ""
    return f"{role!r} is not a role; one of {', '.join(ROLES)}{did_you_mean(str(role), ROLES)}"


def parse_network(text: Any) -> Network:
    """Return an address range; ValueError says what is wrong with it."""
    try:
        network = ipaddress.ip_network(text if isinstance(text, str) else "")
    except ValueError:
        hint = ""
        try:
            hint = f"; did you mean {str(ipaddress.ip_network(text, strict=False))!r}?"
        except (ValueError, TypeError):
            pass
        raise ValueError(f"{text!r} is not an address range; write it like 192.168.7.0/24{hint}") from None
    if network.prefixlen < WIDEST:
        what = "everybody" if network.prefixlen == 0 else f"wider than /{WIDEST}"
        raise ValueError(f"{text} is {what}, and Modbus asks for no password; name the masters' range")
    return network


def joint_problem(networks: Iterable[Network]) -> str:
    """Say what is wrong with address ranges that are right one by one; "" when nothing is."""
    ranges = list(networks)
    v4 = ipaddress.collapse_addresses(n for n in ranges if isinstance(n, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(n for n in ranges if isinstance(n, ipaddress.IPv6Network))
    wholes: list[Network] = [*v4, *v6]
    for whole in wholes:
        if whole.prefixlen < WIDEST:
            return f"the ranges together are {whole}, wider than /{WIDEST}, and Modbus asks for no password"
    return ""


def _parse(rows: Any, file: str, problems: list[Problem]) -> dict[str, Account]:
    if not isinstance(rows, dict):
        problems.append(Problem(file, "", "not a users file: a table of users by name is needed"))
        return {}
    users = {}
    for name, row in rows.items():
        found, account = _parse_one(name, row)
        problems += [
            Problem(file, f"user {name!r}" + (f", {key}" if key else ""), what) for key, what in found
        ]
        if account is not None:
            users[name] = account
    return users


def _parse_one(name: str, row: Any) -> tuple[list[tuple[str, str]], Account | None]:
    """Return (key, what is wrong) of one user, and the account where nothing is."""
    if not isinstance(row, dict):
        return [("", f"a table with {', '.join(KEYS)} is needed")], None
    found = [("", wrong)] if (wrong := name_problem(name)) else []
    found += [
        (key, f"unknown key; allowed: {', '.join(KEYS)}{did_you_mean(key, KEYS)}")
        for key in row
        if key not in KEYS
    ]
    role, password, ranges = row.get("role"), row.get("password"), row.get("modbus", [])
    if wrong := role_problem(role):
        found.append(("role", wrong))
    if not isinstance(password, str) or not is_hash(password):
        found.append(("password", "not a password hash; remove the user and add him again with gridhil user"))
    networks = []
    for text in ranges if isinstance(ranges, list) else [ranges]:
        try:
            networks.append(parse_network(text))
        except ValueError as error:
            found.append(("modbus", str(error)))
    if wrong := joint_problem(networks):
        found.append(("modbus", wrong))
    return found, None if found else Account(str(role), str(password), tuple(networks))


def _as_json(users: Mapping[str, Account]) -> bytes:
    rows = {
        name: {"role": a.role, "password": a.password, "modbus": [str(n) for n in a.networks]}
        for name, a in users.items()
    }
    return json.dumps(rows, indent=1).encode() + b"\n"
