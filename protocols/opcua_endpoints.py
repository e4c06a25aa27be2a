"""Endpoint addresses in a server's answers, so that a client that follows them comes back to where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from protocols.opcua_follow import code_of, service_of

KINDS = {
    code_of(name): getattr(ua, name)
    for name in ("GetEndpointsResponse", "CreateSessionResponse", "FindServersResponse")
}


def moved(body: bytes, port: int, to: str) -> bytes | None:
    """Return an answer with other addresses.

    Parameters
    ----------
    body : bytes
    port : int
        Addresses with this port are the server's.
    to : str
        Host and port in their place.

    Returns
    -------
    bytes or None
        None: it is another answer, or has no such address. Raises what the decoder does.
    """
    kind = KINDS.get(service_of(Buffer(body)))
    if kind is None:
        return None
    answer = struct_from_binary(kind, Buffer(body))
    changed = 0
    for endpoint in _endpoints(answer):
        endpoint.EndpointUrl, is_moved = _moved(endpoint.EndpointUrl, port, to)
        changed += is_moved
    for server in _servers(answer):
        urls = [_moved(url, port, to) for url in server.DiscoveryUrls or ()]
        if any(is_moved for _, is_moved in urls):
            server.DiscoveryUrls = [url for url, _ in urls]
            changed += 1
    return bytes(struct_to_binary(answer)) if changed else None


def _endpoints(answer: Any) -> list[Any]:
    if isinstance(answer, ua.CreateSessionResponse):
        return answer.Parameters.ServerEndpoints or []
    return getattr(answer, "Endpoints", None) or []


def _servers(answer: Any) -> Iterator[Any]:
    yield from getattr(answer, "Servers", None) or ()
    yield from (endpoint.Server for endpoint in _endpoints(answer))


def _moved(url: str | None, port: int, to: str) -> tuple[str | None, bool]:
    if port_of(url) != port:
        return url, False
    return urlsplit(url or "")._replace(netloc=to).geturl(), True


def port_of(url: str | None) -> int | None:
    """Return the port of an endpoint's address; None when there is none."""
    try:
        found = urlsplit(url or "")
        return found.port if found.scheme == "opc.tcp" else None
    except ValueError:
        return None
