"""Who may open the console in a browser: whoever has the token and came by one of our own addresses.

The token comes once, in the address of the page; the page then gets a cookie made from it, which the
websocket and everything else must show. Names in ``Host`` are checked because a foreign page can let a name
of its own resolve to this machine, ``Origin`` because a foreign page can open a websocket to anywhere.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from pathlib import Path
from urllib.parse import urlsplit

from hil import private_files
from hil.own_addresses import own_addresses
from rtcore.errors import Problem, UserInputError

TOKEN_MIN = 16
"""Shortest token of a file [characters]."""

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


def new_token() -> str:
    """Return a token of 256 random bits."""
    return secrets.token_urlsafe(32)


def read_token(path: Path) -> str:
    """Return the token of a file, which nobody else may be able to read.

    Raises
    ------
    HostError
        Others can read the file.
    UserInputError
        It cannot be read, or holds no usable token.
    """
    try:
        if path.is_dir():
            raise _refused(path, "is a folder; a token file holds one line of text")
        private_files.check_private(path)
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise _refused(path, "no such file; without --token-file a new token is made") from None
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise _refused(path, "a token file holds one line of text") from None
    if len(text) < TOKEN_MIN or not text.isascii() or not text.isprintable() or " " in text:
        what = f"a token is one line of at least {TOKEN_MIN} printable ASCII characters without spaces"
        raise _refused(path, what)
    return text


def _refused(path: Path, what: str) -> UserInputError:
    return UserInputError([Problem(str(path), "", what)])


def is_loopback(host: str) -> bool:
    """Tell whether a host, by name or address, is this machine talking to itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str) -> frozenset[str]:
    """Return the names by which browsers may ask for a server that listens on ``host``, in lower case."""
    if is_loopback(host):
        return LOOPBACK_NAMES | {host.lower()}
    try:
        is_any = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        is_any = False
    here = {socket.gethostname().lower(), socket.getfqdn().lower()}
    return LOOPBACK_NAMES | here | ({*own_addresses()} if is_any else {host.lower()})


def name_in(host_header: str) -> str:
    """Return the name or address of a ``Host`` header without its port, in lower case; empty if malformed."""
    try:
        return (urlsplit(f"//{host_header}").hostname or "").lower()
    except ValueError:
        return ""


class Access:
    """Decides about requests.

    Parameters
    ----------
    token : str
        What the address of the page must hold.
    names : frozenset of str
        Names of this server, see `names_of`.
    """

    def __init__(self, token: str, names: frozenset[str]) -> None:
        self._token = token
        self._names = names
        key = token.encode()
        # Cookies do not know ports: two servers on one machine must not overwrite each other's.
        self.cookie_name = "gridhil-" + hmac.digest(key, b"name", hashlib.sha256).hex()[:8]
        self.cookie = hmac.digest(key, b"cookie", hashlib.sha256).hex()

    def knows(self, host_header: str) -> bool:
        """Tell whether a request was meant for this server."""
        return name_in(host_header) in self._names

    def is_own_page(self, origin: str, host_header: str) -> bool:
        """Tell whether a request comes from a page of this server."""
        return origin == f"http://{host_header}"

    def opens(self, token: str) -> bool:
        """Tell whether a token is the right one."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())

    def admits(self, cookie: str) -> bool:
        """Tell whether a cookie is the one that the page was given."""
        return hmac.compare_digest(cookie.encode("utf-8", "replace"), self.cookie.encode())
