"""Is a TCP port free, and if not, who holds it (Linux: /proc/net/tcp and /proc/*/fd)."""

from __future__ import annotations

import contextlib
import dataclasses as dc
import errno
import ipaddress
import os
import socket
import sys
from pathlib import Path

from rtcore.errors import HostError

LISTEN = "0A"
ANY = {"0.0.0.0", "::"}


@dc.dataclass(frozen=True, slots=True)
class Holder:
    """A listening socket; the process is unknown when it belongs to another user."""

    address: str
    port: int
    uid: int
    pid: int | None = None
    command: str | None = None

    def __str__(self) -> str:
        if self.pid is None:
            return f"a process of uid {self.uid} (not visible to this user)"
        return f"pid {self.pid} ({self.command})"


def bind_error(host: str, port: int) -> OSError | None:
    """Try to bind the way our servers do; return why it failed, None when the port is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen(1)  # two listeners of one address only clash here
    except OSError as error:
        return error
    return None


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now (port 0 always can)."""
    return bind_error(host, port) is None


def some_free(host: str) -> int:
    """Return the number of a port that is free now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def holder(port: int, host: str = "0.0.0.0") -> Holder | None:
    """Return who listens on ``port`` at an address that clashes with ``host``, if anybody."""
    for address, number, uid, inode in _listeners():
        if number == port and (host in ANY or address in ANY or _same(address, host)):
            pid = _owner_of(inode)
            return Holder(address, port, uid, pid, None if pid is None else _command(pid))
    return None


def require_free(host: str, port: int, what: str) -> None:
    """Refuse a port that cannot be had, naming it, who holds it and what to do.

    Raises
    ------
    HostError
    """
    if (error := bind_error(host, port)) is not None:
        raise HostError(refusal(host, port, what, error))


def refusal(host: str, port: int, what: str, error: OSError) -> str:
    """Put into words why ``what`` cannot listen; for whoever got the error from its own bind."""
    place = f"{what}: cannot listen on {host}:{port}"
    if error.errno == errno.EADDRINUSE:
        who = holder(port, host)
        held = f"the port is held by {who}" if who else "the port is in use"
        return f"{place}: {held}; stop it or choose another port"
    if error.errno in (errno.EACCES, errno.EPERM) and port < 1024:
        return (
            f"{place}: ports below 1024 need a permission; choose a higher port, or run "
            f"'sysctl net.ipv4.ip_unprivileged_port_start={port}' as root, or give the interpreter "
            f"{os.path.realpath(sys.executable)} cap_net_bind_service with setcap"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{place}: no interface of this machine has that address"
    return f"{place}: {error.strerror or error}"


def _listeners() -> list[tuple[str, int, int, str]]:
    """Return (address, port, uid, inode) of every listening TCP socket of this network namespace."""
    rows = []
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if words[3] == LISTEN:
                address, _, port = words[1].partition(":")
                rows.append((_address(address), int(port, 16), int(words[7]), words[9]))
    return rows


def _address(text: str) -> str:
    """Decode an address of /proc/net/tcp: hexadecimal words in host byte order."""
    words = [int(text[k : k + 8], 16).to_bytes(4, sys.byteorder) for k in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def _same(address: str, host: str) -> bool:
    try:
        wanted = {str(row[4][0]) for row in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        wanted = {host}
    return address.removeprefix("::ffff:") in wanted


def _owner_of(inode: str) -> int | None:
    link = f"socket:[{inode}]"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            for fd in (entry / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(fd.readlink()) == link:
                        return int(entry.name)
    return None


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        if text := " ".join(word for word in words if word):
            return text if len(text) <= 80 else text[:77] + "..."
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "ended meanwhile"
