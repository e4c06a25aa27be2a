"""What a console needs before it starts: a password from a pipe with keys from the terminal, an address."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from hil import console_start
from hil.cli import app
from rtcore.errors import HostError, UserInputError

PROGRAM = """
import os, sys
if sys.argv[1]:
    os.close(os.open(sys.argv[1], os.O_RDWR))  # the first terminal a session opens is the session's
from hil.console_start import keys_from_terminal, password_of
word = password_of("ann", is_from_stdin=True)
try:
    keys_from_terminal()
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(word, os.isatty(0), os.read(0, 9), flush=True)
"""


@contextlib.contextmanager
def terminal() -> Iterator[tuple[int, str]]:
    """Return the end of whoever types, and the name of the end of the program."""
    ours, theirs = os.openpty()
    try:
        yield ours, os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def started(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, name],
        input="secret\nnot a key\n", capture_output=True, text=True, start_new_session=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_keys_come_from_the_terminal_after_a_password_from_a_pipe() -> None:
    with terminal() as (typist, name):
        os.write(typist, b"key\n")
        found = started(name)
    assert found.stdout.strip() == "secret True b'key\\n'", found.stderr


def test_without_a_terminal_it_is_told_in_words() -> None:
    found = started("")
    assert found.returncode == 1
    assert "HostError" in found.stderr
    assert "no terminal to take keys from" in found.stderr


@pytest.mark.parametrize("url", ["", "127.0.0.1:4840", "http://127.0.0.1:4840", "opc.tcp://127.0.0.1"])
def test_a_wrong_address_ends_the_console_before_it_draws(url: str) -> None:
    with pytest.raises(UserInputError) as found:
        console_start.checked(url)
    assert "opc.tcp://127.0.0.1:4840/gridhil" in str(found.value)
    assert isinstance(CliRunner().invoke(app, ["console", url]).exception, UserInputError)


def test_an_address_of_a_station_is_taken() -> None:
    assert console_start.checked("opc.tcp://10.0.3.7:4840/gridhil") == "opc.tcp://10.0.3.7:4840/gridhil"


def test_a_password_is_not_asked_for_where_nothing_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTUAL_DRIVER", raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _: pytest.fail("it was asked for"))
    done = CliRunner().invoke(app, ["console", "opc.tcp://127.0.0.1:4840/gridhil", "--user", "ann"])
    assert isinstance(done.exception, HostError)
    assert "the console needs a terminal" in str(done.exception)


def test_a_terminal_without_a_cursor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTUAL_DRIVER", "any")
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(HostError, match="cannot move its cursor"):
        console_start.need_screen()


def test_no_password_at_the_prompt_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", ended)
    with pytest.raises(UserInputError, match="password: none was given"):
        console_start.password_of("ann", is_from_stdin=False)
