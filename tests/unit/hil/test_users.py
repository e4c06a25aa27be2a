"""The users file: made once, private, whole or not at all, every mistake in it reported."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from hil import private_files
from hil.users import ensure_operator, read_users, users_path, write_users
from hil.users_watch import UsersWatch
from protocols.passwords import check_password
from rtcore.errors import HostError, UserInputError
from tests.support.users import account, one_of_each


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def put(folder: Path, rows: Any) -> None:
    private_files.replace(users_path(folder), rows if isinstance(rows, bytes) else json.dumps(rows).encode())


def test_the_first_start_makes_an_operator_whose_password_is_shown_once_and_kept_as_a_hash(
    tmp_path: Path,
) -> None:
    password = ensure_operator(tmp_path)
    assert password is not None
    assert ensure_operator(tmp_path) is None
    users = read_users(tmp_path)
    assert {name: (a.role, a.networks) for name, a in users.items()} == {"operator": ("operator", ())}
    assert check_password(password, users["operator"].password)
    assert password not in users_path(tmp_path).read_text()
    assert mode(users_path(tmp_path)) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["users.json"]


def test_passwords_differ_between_stations(tmp_path: Path) -> None:
    assert ensure_operator(tmp_path / "a") != ensure_operator(tmp_path / "b")


def test_a_station_without_users_of_its_own_keeps_it_so(tmp_path: Path) -> None:
    write_users(tmp_path, {})
    assert ensure_operator(tmp_path) is None
    assert read_users(tmp_path) == {}


def test_no_file_is_no_users(tmp_path: Path) -> None:
    assert read_users(tmp_path) == {}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_users(tmp_path, one_of_each())
    assert read_users(tmp_path) == one_of_each()
    assert mode(users_path(tmp_path)) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["users.json"]


@pytest.mark.parametrize("bits", [0o644, 0o660, 0o606, 0o610])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, bits: int) -> None:
    ensure_operator(tmp_path)
    users_path(tmp_path).chmod(bits)
    with pytest.raises(HostError, match=f"mode is {bits:04o}, others can reach it; allowed is 0600"):
        read_users(tmp_path)


def test_a_folder_in_place_of_the_file_is_refused_by_name(tmp_path: Path) -> None:
    users_path(tmp_path).mkdir(mode=0o700)
    with pytest.raises(HostError, match=r"users\.json: cannot read"):
        read_users(tmp_path)


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"\x00\xff", b"[" * 100_000, b'{"a":'])
def test_what_is_no_table_of_users_is_refused_by_name(tmp_path: Path, body: bytes) -> None:
    put(tmp_path, body)
    with pytest.raises(UserInputError, match=r"users\.json: .*not a users file"):
        read_users(tmp_path)


def test_every_mistake_of_the_file_is_reported_together(tmp_path: Path) -> None:
    good = {"role": "operator", "password": account("a", "operator").password, "modbus": []}
    put(
        tmp_path,
        {
            "fine": good,
            "ann": good | {"role": "enginer"},
            "bob": good | {"role": None},
            "cas": good | {"password": "plain"},
            "dan": good | {"modbus": ["192.168.7.1/24", "0.0.0.0/0", 7]},
            "eve": good | {"modbsu": []},
            "fay": "operator",
            "two words": good,
            "anonymous": good,
        },
    )
    with pytest.raises(UserInputError) as caught:
        read_users(tmp_path)
    found = [f"{p.place}: {p.what}" for p in caught.value.problems]
    for wanted in (
        "user 'ann', role: 'enginer' is not a role; one of observer, operator, engineer, instructor; "
        "did you mean 'engineer'?",
        "user 'bob', role: None is not a role",
        "user 'cas', password: not a password hash",
        "user 'dan', modbus: '192.168.7.1/24' is not an address range; write it like 192.168.7.0/24; "
        "did you mean '192.168.7.0/24'?",
        "user 'dan', modbus: 0.0.0.0/0 is everybody",
        "user 'dan', modbus: 7 is not an address range",
        "user 'eve', modbsu: unknown key; allowed: role, password, modbus; did you mean 'modbus'?",
        "user 'fay': a table with role, password, modbus is needed",
        "user 'two words': 'two words' is not a user name",
        "user 'anonymous': 'anonymous' is what sessions without a user are called",
    ):
        assert sum(line.startswith(wanted) for line in found) == 1, (wanted, found)
    assert len(found) == 10
    assert not any("fine" in line for line in found)


@pytest.mark.parametrize(
    ("ranges", "why"),
    [
        (["::/0"], "::/0 is everybody"),
        (["0.0.0.0/1", "128.0.0.0/1"], "0.0.0.0/1 is wider than /8"),
        (["10.0.0.0/7"], "10.0.0.0/7 is wider than /8"),
        (["2000::/3"], "2000::/3 is wider than /8"),
        (["10.0.0.0/8", "fd00::/8", "11.0.0.0/8"], "the ranges together are 10.0.0.0/7"),
        (["fd00::/8", "fc00::/9", "fc80::/9"], "the ranges together are fc00::/7"),
        ([f"{k}.0.0.0/8" for k in range(256)], "the ranges together are 0.0.0.0/0"),
        ([f"{k:x}00::/8" for k in range(256)], "the ranges together are ::/0"),
        (["10.0.0.0/8", "10.1.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8", "::1/128"], ""),
        (["0.0.0.0/8", "2.0.0.0/8"], ""),
    ],
)
def test_no_user_has_a_range_wider_than_a_private_one_by_one_network_or_by_several(
    tmp_path: Path, ranges: list[str], why: str
) -> None:
    ann = {"role": "operator", "password": account("ann", "operator").password, "modbus": ranges}
    put(tmp_path, {"ann": ann})
    if not why:
        assert [str(n) for n in read_users(tmp_path)["ann"].networks] == ranges
        return
    with pytest.raises(UserInputError) as caught:
        read_users(tmp_path)
    assert f"user 'ann', modbus: {why}" in str(caught.value)


def test_readers_see_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    small, large = {"a": account("a", "operator")}, one_of_each()
    write_users(tmp_path, small)
    is_over = threading.Event()

    def change() -> None:
        for _ in range(100):
            write_users(tmp_path, large)
            write_users(tmp_path, small)
        is_over.set()

    thread = threading.Thread(target=change)
    thread.start()
    seen = []
    while not is_over.is_set():
        seen.append(len(read_users(tmp_path)))
    thread.join()
    assert set(seen) <= {1, 4}
    assert seen


# ---- a running gateway's view


def test_a_changed_file_is_in_force_at_the_next_look(tmp_path: Path) -> None:
    said: list[str] = []
    write_users(tmp_path, {"ann": account("ann", "operator")})
    watch = UsersWatch(tmp_path, said.append)
    assert not watch.look()
    write_users(tmp_path, {"ann": account("ann", "engineer")})
    assert watch.look()
    assert watch.accounts.users["ann"].role == "engineer"
    assert said == ["users in force: ann (engineer)"]
    assert watch.record() == {"result": "USERS_CHANGED", "users": {"ann": {"role": "engineer", "modbus": []}}}
    users_path(tmp_path).unlink()
    assert watch.look()
    assert watch.accounts.users == {}


def test_a_file_that_cannot_be_used_leaves_the_users_of_before_and_says_so_once(tmp_path: Path) -> None:
    said: list[str] = []
    users = {"ann": account("ann", "operator")}
    write_users(tmp_path, users)
    watch = UsersWatch(tmp_path, said.append)
    put(tmp_path, {"ann": {"role": "god", "password": users["ann"].password}})
    assert not watch.look()
    assert not watch.look()
    assert watch.accounts.users == users
    assert ["'god' is not a role" in said[0], said[1:]] == [True, ["the users of before stay in force"]]
    write_users(tmp_path, one_of_each())
    assert watch.look()
    users_path(tmp_path).chmod(0o644)
    assert not watch.look()
    assert "mode is 0644" in said[-2]
    assert watch.accounts.users == one_of_each()


def test_a_gateway_does_not_start_on_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    put(tmp_path, b"[]")
    with pytest.raises(UserInputError):
        UsersWatch(tmp_path, lambda _: None)


def test_a_file_rewritten_with_the_same_users_changes_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    write_users(tmp_path, one_of_each())
    watch = UsersWatch(tmp_path, said.append)
    os.utime(users_path(tmp_path), (0, 0))
    assert not watch.look()
    assert said == []
