"""The users of a station, for both protocols: who they are, what they may, where their masters sit.

OPC UA knows a user by name and password. Modbus knows none, only addresses: a peer has the highest
role among the users whose networks hold its address. Pure: the file is read by ``hil.users``.
"""

from __future__ import annotations

import dataclasses as dc
import ipaddress
from collections.abc import Mapping

from protocols.roles import OBSERVER, OPERATOR, highest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dc.dataclass(frozen=True, slots=True)
class Account:
    """One user: role, password hash (see ``protocols.passwords``), networks of his Modbus masters."""

    role: str
    password: str
    networks: tuple[Network, ...] = ()


class Accounts:
    """The users in force; whoever asks anew is told of the newest ones.

    Parameters
    ----------
    users : mapping of str to Account
        By name.
    """

    def __init__(self, users: Mapping[str, Account] | None = None) -> None:
        self.users = dict(users or {})

    def replace(self, users: Mapping[str, Account]) -> None:
        """Put other users in force, for open sessions and connections, too."""
        self.users = dict(users)

    def role_of(self, name: str | None, login: Account | None) -> str:
        """Return the role of a user now; anonymous ones observe.

        Parameters
        ----------
        login : Account or None
            His account when he logged in. A password changed since then takes what he had by it.
        """
        account = self.users.get(name) if name is not None else None
        if account is None or login is None or account.password != login.password:
            return OBSERVER
        return account.role

    def role_at(self, address: Address | None, loopback_role: str = OPERATOR) -> str:
        """Return the role of a peer that only its address is known of.

        Parameters
        ----------
        loopback_role : str
            The least that this machine's own programs have.
        """
        if address is None:
            return OBSERVER
        least = loopback_role if address.is_loopback else OBSERVER
        return highest((a.role for a in self.users.values() if _holds(a, address)), least)


def parse_address(host: str) -> Address | None:
    """Return a peer's address, an IPv4 address mapped into IPv6 as plain IPv4; None for no address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _holds(account: Account, address: Address) -> bool:
    return any(address in network for network in account.networks)
