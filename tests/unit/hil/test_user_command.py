"""``gridhil user``: add, list, role, password, remove; no traceback, whatever is given."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hil.users import read_users
from protocols.passwords import check_password

ROOT = Path(__file__).resolve().parents[3]
GOOD = "a good password"


class Station:
    """A station file with a state directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "lab.toml"
        self.file.write_text('[station]\nname = "lab"\nnetwork = "./net"\npoints = "./points"\n')
        self.home = folder / "state"
        self.state = self.home / "gridhil" / "lab"

    def user(self, *words: str, stdin: bytes = b"") -> tuple[int, str, str]:
        """Run ``gridhil user`` for the station; return exit code, output, errors."""
        done = subprocess.run(
            self.command(*words),
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )
        errors = done.stderr.decode()
        assert "Traceback" not in errors
        return done.returncode, done.stdout.decode(), errors

    def add(self, name: str, role: str, *words: str, password: str | bytes = GOOD) -> tuple[int, str, str]:
        raw = password if isinstance(password, bytes) else password.encode()
        return self.user("add", name, "--role", role, "--password-stdin", *words, stdin=raw + b"\n")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-P", "-m", "hil", "user", *words, "--station", str(self.file)]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"XDG_STATE_HOME": str(self.home), "COLUMNS": "200"}


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path)


def test_users_are_added_listed_changed_and_removed(station: Station) -> None:
    assert station.add("ann", "engineer", "--modbus", "10.1.0.0/16", "--modbus", "fd00::/8")[0] == 0
    code, text, _ = station.add("bob", "operator")
    assert (code, text) == (0, "user 'bob' added: operator\n")
    _, text, _ = station.user("list", "--json")
    assert json.loads(text) == [
        {"name": "ann", "role": "engineer", "modbus": ["10.1.0.0/16", "fd00::/8"]},
        {"name": "bob", "role": "operator", "modbus": []},
    ]
    stored = read_users(station.state)["ann"].password
    assert check_password(GOOD, stored)
    assert station.user("role", "ann", "observer")[:2] == (0, "user 'ann' is observer now\n")
    assert station.user("password", "bob", "--password-stdin", stdin=b"another one\n")[0] == 0
    assert station.user("remove", "ann")[:2] == (0, "user 'ann' removed\n")
    users = read_users(station.state)
    assert list(users) == ["bob"]
    assert check_password("another one", users["bob"].password)
    assert "bob" in station.user("list")[1]
    assert (station.state / "users.json").stat().st_mode & 0o777 == 0o600


def test_everything_wrong_with_a_new_user_is_said_at_once_and_before_the_password(station: Station) -> None:
    code, _, errors = station.user("add", "two words", "--role", "chief", "--modbus", "10.1.1.1/16")
    assert code == 2
    for wanted in ("'two words' is not a user name", "'chief' is not a role", "did you mean '10.1.0.0/16'"):
        assert wanted in errors
    assert "terminal" not in errors
    assert not (station.state / "users.json").exists()


@pytest.mark.parametrize(
    ("ranges", "why"),
    [
        (["0.0.0.0/1", "128.0.0.0/1"], "0.0.0.0/1 is wider than /8"),
        (["10.0.0.0/8", "11.0.0.0/8"], "the ranges together are 10.0.0.0/7"),
    ],
)
def test_networks_that_make_up_too_wide_a_range_are_exit_2_and_nobody_is_added(
    station: Station, ranges: list[str], why: str
) -> None:
    code, _, errors = station.add("ann", "operator", *(word for r in ranges for word in ("--modbus", r)))
    assert (code, why in errors) == (2, True)
    assert not (station.state / "users.json").exists()


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 8 are needed"),
        ("", "at least 8 are needed"),
        ("ann-ann-ann", ""),
        (b"\xff\xfe not text", "not UTF-8"),
        ("x" * 5000, "256 bytes"),
    ],
)
def test_a_weak_password_is_exit_2_and_nobody_is_added(
    station: Station, password: str | bytes, why: str
) -> None:
    code, _, errors = station.add("ann", "operator", password=password)
    assert code == (2 if why else 0)
    assert why in errors
    assert (station.state / "users.json").exists() == (not why)


def test_a_user_is_not_added_twice_and_one_that_is_not_there_is_not_changed(station: Station) -> None:
    station.add("ann", "operator")
    before = (station.state / "users.json").read_bytes()
    code, _, errors = station.add("ann", "engineer")
    assert (code, "there is a user 'ann' already" in errors) == (2, True)
    for words in (("remove", "anne"), ("role", "anne", "engineer"), ("password", "anne", "--password-stdin")):
        code, _, errors = station.user(*words, stdin=b"another one\n")
        assert (code, "no user 'anne'; there are ann; did you mean 'ann'?" in errors) == (2, True)
    assert station.user("role", "ann", "root")[0] == 2
    assert (station.state / "users.json").read_bytes() == before


def test_without_a_terminal_the_password_must_come_from_standard_input(station: Station) -> None:
    code, _, errors = station.user("add", "ann", "--role", "operator", stdin=GOOD.encode())
    assert code == 2
    assert "no terminal to ask on; give it with --password-stdin" in errors


def test_a_file_open_to_others_is_exit_3_and_a_wrong_one_exit_2(station: Station) -> None:
    station.add("ann", "operator")
    path = station.state / "users.json"
    path.chmod(0o640)
    for words in (("list",), ("remove", "ann"), ("role", "ann", "engineer")):
        code, _, errors = station.user(*words)
        assert (code, "mode is 0640" in errors) == (3, True)
    path.chmod(0o600)
    path.write_text('{"ann": {"role": "god"}}')
    code, _, errors = station.user("list")
    assert code == 2
    assert "'god' is not a role" in errors and "not a password hash" in errors


def test_a_station_that_is_nowhere_is_exit_2(station: Station) -> None:
    station.file.unlink()
    code, _, errors = station.user("list")
    assert (code, "no station" in errors) == (2, True)


def test_a_station_file_needs_no_more_than_a_name_and_without_one_it_is_exit_2(station: Station) -> None:
    station.file.write_text(
        '[station]\nname = "lab"\nnetwork = "gone"\npoints = "gone"\n[loop]\nstep_us = 1\n'
    )
    assert station.user("list")[0] == 0
    station.file.write_text("[loop]\n")
    code, _, errors = station.user("list")
    assert (code, "station" in errors) == (2, True)


def test_a_state_directory_that_cannot_be_made_is_exit_3(station: Station) -> None:
    station.home.write_text("a file in the way")
    code, _, errors = station.add("ann", "operator")
    assert (code, "cannot make the state directory" in errors) == (3, True)


def test_a_users_file_that_cannot_be_replaced_is_exit_3(station: Station) -> None:
    station.state.mkdir(parents=True)
    (station.state / "users.json").mkdir(mode=0o700)
    code, _, errors = station.add("ann", "operator")
    assert (code, "cannot read the users file" in errors) == (3, True)


TAKE_TERMINAL = """import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])"""
"""Makes standard input the terminal of the process, as a shell's would be, and becomes the command."""


def on_terminal(command: list[str], environment: dict[str, str], answers: list[bytes]) -> tuple[int, str]:
    """Run a command on a terminal of its own and answer its questions; return exit code and screen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, *command],
        cwd=ROOT,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    killer = threading.Timer(60.0, process.kill)
    killer.start()
    screen = b""
    while True:
        try:
            screen += os.read(ours, 4096)
        except OSError:  # EIO: the other side has closed
            break
        if answers and screen.endswith((b"password: ", b"again: ")):
            os.write(ours, answers.pop(0))
    killer.cancel()
    code = process.wait(60)
    os.close(ours)
    return code, screen.decode()


@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [
        ([f"{GOOD}\n".encode(), f"{GOOD}\n".encode()], 0, "user 'ann' added"),
        ([f"{GOOD}\n".encode(), b"another one\n"], 2, "the two are not the same"),
        ([b"\x04"], 2, "none was given"),
        ([b"\x03"], 130, "interrupted"),
    ],
)
def test_a_terminal_is_asked_twice_without_an_echo(
    station: Station, answers: list[bytes], code: int, said: str
) -> None:
    command = station.command("add", "ann", "--role", "operator")
    found, screen = on_terminal(command, station.environment, answers)
    assert found == code, screen
    assert said in screen
    assert GOOD not in screen and "Traceback" not in screen
    assert ("ann" in read_users(station.state)) == (code == 0)


def test_several_at_once_lose_nobody(station: Station) -> None:
    names = [f"user{k}" for k in range(4)]
    threads = [threading.Thread(target=station.add, args=(name, "operator")) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_users(station.state)) == names
