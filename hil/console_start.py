"""What the console needs before it starts: an address, a password, a certificate of its own."""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from pathlib import Path

from hil import run_dir
from hil.running_stations import here, running_stations
from hil.runspec import RunSpec
from rtcore.errors import HostError, Problem, UserInputError

DEFAULT_URL = "opc.tcp://127.0.0.1:4840/gridhil"
NAME = "console"


def address() -> str:
    """Return the address of the station that runs on this machine.

    Raises
    ------
    HostError
        Several run, with records where this command would keep them: one has to be named.
    """
    found: dict[str, str] = {}
    for spec in here(running_stations()):
        with contextlib.suppress(OSError):  # it ends just now, or does not serve yet
            found[(spec.run_dir / RunSpec.URL_FILE).read_text()] = spec.run_dir.name
    if not found:
        return DEFAULT_URL  # nothing runs here yet: the console waits for it
    if len(found) > 1:
        lines = "\n".join(f"  gridhil console {url}    # {name}" for url, name in found.items())
        raise HostError(f"{len(found)} stations run on this machine; name one:\n{lines}")
    return next(iter(found))


def password_of(user: str, *, is_from_stdin: bool) -> str:
    """Return the user's password: asked for on the terminal, or one line of standard input.

    Raises
    ------
    UserInputError
        No user is named, or no password came.
    """
    if not user:
        if is_from_stdin:
            raise UserInputError([Problem("--password-stdin", "", "needs --user NAME")])
        return ""
    if not is_from_stdin:
        try:
            return getpass.getpass(f"password of {user}: ")
        except EOFError:
            raise UserInputError([Problem("password", "", "none was given")]) from None
    line = sys.stdin.readline()
    if not line.strip("\r\n"):
        raise UserInputError([Problem("--password-stdin", "", "no password came on standard input")])
    return line.rstrip("\r\n")


def need_screen() -> None:
    """Refuse to begin where nothing can be drawn.

    Raises
    ------
    HostError
        Standard output is no terminal, or one that cannot move its cursor.
    """
    if not sys.stdout.isatty() and not is_in_browser():
        raise HostError(
            "the console needs a terminal; for scripts there are gridhil points, OPC UA and Modbus"
        )
    if os.environ.get("TERM", "") in ("", "dumb"):
        raise HostError("this terminal cannot move its cursor (TERM is empty or dumb); use another one")


def is_in_browser() -> bool:
    """Tell whether a browser shows the console: there standard input and output are pipes."""
    return "TEXTUAL_DRIVER" in os.environ


def keys_from_terminal() -> None:
    """Take keys from the terminal where standard input is something else: a pipe with the password.

    Raises
    ------
    HostError
        There is no terminal.
    """
    if sys.stdin.isatty():
        return
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        raise HostError(
            "standard input is not a terminal, and there is no terminal to take keys from"
        ) from None
    os.dup2(fd, 0)
    os.close(fd)


def checked(url: str, option: str = "URL") -> str:
    """Return an address of the form that a station's has.

    Raises
    ------
    UserInputError
    """
    from protocols.station_client import check_url
    from protocols.station_errors import StationError

    try:
        check_url(url)
    except StationError as error:
        raise UserInputError([Problem(option, "", str(error))]) from None
    return url


def identity() -> tuple[str, Path, Path]:
    """Return application URI, certificate and key of this user's console, made when first needed."""
    from hil import credentials

    folder = run_dir.state_root() / NAME
    credentials.ensure_identity(folder, NAME, "127.0.0.1")
    return credentials.application_uri(NAME), folder / "opcua-certificate.der", folder / "opcua-key.pem"


def log_path() -> Path:
    """Return the file that a fault of the console is described in."""
    folder = run_dir.state_root()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "console.log"
