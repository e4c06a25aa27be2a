"""Addresses of this machine, read from /proc/net."""

from __future__ import annotations

import socket
from pathlib import Path

from hil.own_addresses import own_addresses

FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.168.7.0/24 2 0 2
        |-- 192.168.7.0
           /24 link UNICAST
        |-- 192.168.7.9
           /32 host LOCAL
        |-- 192.168.7.255
           /32 link BROADCAST
Local:
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
        |-- 192.168.7.9
           /32 host LOCAL
"""
IF_INET6 = """00000000000000000000000000000001 01 80 10 80       lo
fe8000000000000000000000000000a1 02 40 20 80     eth0
20010db8000000000000000000000009 02 40 00 80     eth0
"""


def test_local_addresses_are_found_and_networks_and_link_local_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "fib_trie").write_text(FIB_TRIE)
    (tmp_path / "if_inet6").write_text(IF_INET6)
    assert own_addresses(tmp_path) == ["127.0.0.1", "192.168.7.9", "::1", "2001:db8::9"]


def test_without_proc_the_loopback_address_remains(tmp_path: Path) -> None:
    assert own_addresses(tmp_path) == ["127.0.0.1"]


def test_every_address_found_here_can_be_listened_on() -> None:
    for address in own_addresses():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
