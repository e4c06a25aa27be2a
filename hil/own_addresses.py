"""The addresses of this machine's interfaces, as Linux lists them in /proc/net."""

from __future__ import annotations

import ipaddress
from pathlib import Path

PROC_NET = Path("/proc/net")


def own_addresses(proc_net: Path = PROC_NET) -> list[str]:
    """Return every IPv4 and global IPv6 address of this machine, sorted; loopback among them.

    Link-local IPv6 addresses are left out: they mean something only together with an interface.
    """
    found = {ipaddress.ip_address("127.0.0.1"), *_ipv4(proc_net / "fib_trie"), *_ipv6(proc_net / "if_inet6")}
    return [
        str(a)
        for a in sorted(found, key=lambda a: (a.version, int(a)))
        if a.version == 4 or not a.is_link_local
    ]


def _ipv4(path: Path) -> set[ipaddress.IPv4Address]:
    """Read the routing trie: a local address is a leaf "|-- A.B.C.D" before "/32 host LOCAL"."""
    found, leaf = set(), ""
    for line in _lines(path):
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            found.add(ipaddress.IPv4Address(leaf))
    return found


def _ipv6(path: Path) -> set[ipaddress.IPv6Address]:
    """Read the interface list: 32 hexadecimal digits begin each line."""
    return {ipaddress.IPv6Address(int(line.split()[0], 16)) for line in _lines(path)}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # no such protocol here
        return []
