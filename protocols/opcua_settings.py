"""Settings of the OPC UA server with their defaults; taken from the station's ``[opcua]`` table."""

from __future__ import annotations

import dataclasses as dc
import ipaddress
from collections.abc import Mapping
from typing import Any


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class OpcuaSettings:
    """What the station may set; times in the unit that the name ends in."""

    host: str = "127.0.0.1"
    port: int = 4840
    path: str = "/gridhil"
    publish_ms: float = 100.0
    none_policy_on_loopback: bool = True
    """Offer the None security policy; only ever when bound to loopback."""
    plain_password_on_loopback: bool = True
    """Accept a password that the client did not encrypt on a None channel; loopback only."""
    max_connections: int = 64
    max_connections_per_address: int = 24
    """Not applied to loopback addresses, where everybody shares one."""
    max_chunks: int = 4
    max_chunk_bytes: int = 65535
    max_message_bytes: int = 262140
    max_pending_messages: int = 16
    max_operations: int = 1000
    """Nodes per request of any service."""
    max_subscriptions_per_session: int = 8
    max_items_per_session: int = 5000
    max_queue: int = 100
    min_publishing_ms: float = 100.0
    activation_s: float = 5.0
    """A connection without an activated session is closed after this time."""
    session_timeout_ms: float = 60000.0
    lockout_failures: int = 5
    lockout_s: float = 60.0

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> OpcuaSettings:
        """Take the known keys of a table; whether unknown ones are right is checked by the caller."""
        known = {f.name for f in dc.fields(cls)}
        return cls(**{k: v for k, v in table.items() if k in known})

    @property
    def is_loopback(self) -> bool:
        """Tell whether the server is bound to this machine only."""
        return is_loopback(self.host)

    @property
    def offers_none(self) -> bool:
        """Tell whether unencrypted sessions are allowed."""
        return self.none_policy_on_loopback and self.is_loopback

    @property
    def takes_plain_password(self) -> bool:
        """Tell whether a password may arrive in clear."""
        return self.plain_password_on_loopback and self.offers_none


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
