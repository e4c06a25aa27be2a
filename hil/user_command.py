"""``gridhil user``: who may log in to a station, and what. Changes take effect on a running one, too."""

from __future__ import annotations

import contextlib
import getpass
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hil import private_files, run_dir
from hil.settings import draft_station
from hil.settings_sections import StationSection
from hil.users import (
    joint_problem,
    name_problem,
    parse_network,
    read_users,
    role_problem,
    users_path,
    write_users,
)
from protocols.accounts import Account, Network
from protocols.passwords import BYTES_MAX, hash_password, weakness
from rtcore.errors import Problem, UserInputError, did_you_mean

LIST_COLUMNS = ("name", "role", "modbus")

Users = dict[str, Account]


def add(station: str, name: str, role: str, networks: list[str], password: Callable[[], str]) -> str:
    """Add a user; return what was done, in words. The password is asked for once the rest is right."""
    directory = state_dir(station)
    problems = [(name, name_problem(name)), ("--role", role_problem(role))]
    if name in read_users(directory):
        problems.append((name, f"there is a user {name!r} already; see gridhil user role, password, remove"))
    ranges = _ranges(networks, problems)
    _refuse(problems)
    stored = hashed(password(), name)
    with _changed(directory) as users:
        _refuse([(name, f"there is a user {name!r} already" if name in users else "")])
        users[name] = Account(role, stored, ranges)
    return f"user {name!r} added: {role}"


def set_role(station: str, name: str, role: str) -> str:
    """Give a user another role; return what was done."""
    with _changed(state_dir(station)) as users:
        _refuse([(name, _unknown(name, users)), ("ROLE", role_problem(role))])
        users[name] = Account(role, users[name].password, users[name].networks)
    return f"user {name!r} is {role} now"


def set_password(station: str, name: str, password: Callable[[], str]) -> str:
    """Give a user another password; return what was done."""
    directory = state_dir(station)
    _refuse([(name, _unknown(name, read_users(directory)))])
    stored = hashed(password(), name)
    with _changed(directory) as users:
        _refuse([(name, _unknown(name, users))])
        users[name] = Account(users[name].role, stored, users[name].networks)
    return f"user {name!r} has another password now"


def remove(station: str, name: str) -> str:
    """Remove a user; return what was done."""
    with _changed(state_dir(station)) as users:
        _refuse([(name, _unknown(name, users))])
        del users[name]
    return f"user {name!r} removed"


def rows(station: str) -> list[dict[str, Any]]:
    """Return the users of a station without their passwords, by name."""
    users = read_users(state_dir(station))
    return [
        {"name": name, "role": a.role, "modbus": [str(n) for n in a.networks]}
        for name, a in sorted(users.items())
    ]


def ask_password() -> str:
    """Ask for a new password, twice and without showing it, on a terminal."""
    if not sys.stdin.isatty():
        _refuse([("password", "there is no terminal to ask on; give it with --password-stdin")])
    try:
        first, again = getpass.getpass("password: "), getpass.getpass("again: ")
    except EOFError:
        first = again = ""
    if not first:
        _refuse([("password", "none was given")])
    if first != again:
        _refuse([("password", "the two are not the same")])
    return first


def read_password() -> str:
    """Read a new password from the first line of standard input."""
    line = sys.stdin.buffer.readline(4 * BYTES_MAX).rstrip(b"\r\n")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise UserInputError([Problem("password", "", "standard input is not UTF-8 text")]) from None


def hashed(password: str, name: str) -> str:
    """Return the hash of a password; UserInputError when it is weak."""
    wrong = weakness(password, name)
    _refuse([("password", f"not taken: {wrong}" if wrong else "")])
    return hash_password(password)


def state_dir(station: str) -> Path:
    """Return the state directory of a station, of which the file must give at least the name."""
    draft = draft_station(station)
    section = draft.sections.get("station")
    if not isinstance(section, StationSection):
        raise UserInputError(draft.problems)
    return run_dir.state_dir(section.name)


@contextlib.contextmanager
def _changed(directory: Path) -> Iterator[Users]:
    """Lend the users to be changed, and write them afterwards unless something was wrong."""
    with private_files.locked(directory):
        users = read_users(directory)
        before = dict(users)
        yield users
        if users != before or not users_path(directory).exists():
            write_users(directory, users)


def _ranges(texts: list[str], problems: list[tuple[str, str]]) -> tuple[Network, ...]:
    ranges = []
    for text in texts:
        try:
            ranges.append(parse_network(text))
        except ValueError as error:
            problems.append(("--modbus", str(error)))
    problems.append(("--modbus", joint_problem(ranges)))
    return tuple(dict.fromkeys(ranges))


def _unknown(name: str, users: Users) -> str:
    if name in users:
        return ""
    return f"no user {name!r}; there are {', '.join(sorted(users)) or 'none'}{did_you_mean(name, users)}"


def _refuse(problems: list[tuple[str, str]]) -> None:
    """Raise for everything that is wrong, together; (place, "") is right."""
    found = [Problem(place, "", what) for place, what in problems if what]
    if found:
        raise UserInputError(found)
