"""A device under test that is an OPC UA server: one exchange is one Write and one Read service call.

The only client of asyncua in the product's exchange with devices. Every call is bounded in time here: the
library's own limits do not cover all of its waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from asyncua import Client, ua

from protocols.device_link import Fault, LinkError
from protocols.modbus_codec import FORMATS, encode
from protocols.wiring import BOOL, OpcuaPlace

CONNECT_S = 4.0
"""Five round trips and, on a slow device, some thinking [s]."""
CLOSE_S = 0.5
SESSION_MS = 60_000

T = TypeVar("T")


class OpcuaLink:
    """A ``protocols.device_link.Link`` over OPC UA.

    Parameters
    ----------
    url : str
        Endpoint, ``opc.tcp://[user:password@]host:port/path``; security policy None.
    timeout_s : float
        How long one service call may take [s].
    """

    n_late = 0  # the library drops answers whose time is over

    def __init__(
        self, url: str, timeout_s: float, written: Sequence[OpcuaPlace], read: Sequence[OpcuaPlace]
    ) -> None:
        # What the library has to say about a device that misbehaves is said, and counted, here.
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
        scheme, at, rest = url.rpartition("@")
        self.address = f"{scheme.partition('//')[0]}//{rest}" if at else url
        self.n_clamped = 0
        self._url, self._timeout_s = url, timeout_s
        self._written, self._read = written, read
        self._client: Any = None
        try:
            self._nodes = [ua.NodeId.from_string(p.node) for p in written]
            ids = [ua.NodeId.from_string(p.node) for p in read]
        except ua.UaError as error:
            raise LinkError(Fault.GARBAGE, f"not a node id: {error}") from None
        value = ua.AttributeIds.Value
        self._to_read = [ua.ReadValueId(NodeId=node, AttributeId=value) for node in ids]

    async def connect(self) -> None:
        """Open channel and session; LinkError when they cannot be had in time."""
        await self.close()
        client = Client(self._url, timeout=max(self._timeout_s, 1.0))
        client.session_timeout = SESSION_MS
        self._client = client
        try:
            await self._bounded(client.connect, CONNECT_S)
        except LinkError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the session if the device lets us, and the connection in any case."""
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(LinkError):
            await self._bounded(client.disconnect, CLOSE_S)
        with contextlib.suppress(Exception):
            client.disconnect_socket()

    async def exchange(self, values: Sequence[float | None]) -> tuple[list[float | None], list[LinkError]]:
        """Write, then read; see ``Link``."""
        client = self._client
        if client is None:
            raise LinkError(Fault.CLOSED, "not connected")
        faults: list[LinkError] = []
        nothing: list[float | None] = [None] * len(self._read)
        here = [k for k, value in enumerate(values) if value is not None]
        try:
            if here:
                await self._write(client, here, values, faults)
            if not self._to_read:
                return nothing, faults
            request = ua.ReadParameters(NodesToRead=self._to_read)
            found = await self._bounded(lambda: client.uaclient.read(request), self._timeout_s)
        except LinkError as error:
            if error.fault is not Fault.TIMEOUT:
                raise
            return nothing, [*faults, error]
        if len(found) != len(self._read):
            raise LinkError(Fault.GARBAGE, f"{len(found)} values in answer to {len(self._read)} nodes")
        return [self._value(p, v, faults) for p, v in zip(self._read, found, strict=True)], faults

    async def _write(
        self, client: Any, here: list[int], values: Sequence[float | None], faults: list[LinkError]
    ) -> None:
        items = []
        for k in here:
            value = values[k]
            assert value is not None
            variant, is_clamped = _variant(value, self._written[k])
            self.n_clamped += is_clamped
            items.append(
                ua.WriteValue(
                    NodeId=self._nodes[k],
                    AttributeId=ua.AttributeIds.Value,
                    # Without a time stamp: many servers refuse a write that brings its own.
                    Value=ua.DataValue(variant, SourceTimestamp=None),
                )
            )
        request = ua.WriteParameters(NodesToWrite=items)
        codes = await self._bounded(lambda: client.uaclient.write(request), self._timeout_s)
        for k, code in zip(here, codes):
            if not code.is_good():
                faults.append(LinkError(Fault.REFUSED, f"{self._written[k]}: write refused, {code.name}"))

    def _value(self, place: OpcuaPlace, found: Any, faults: list[LinkError]) -> float | None:
        status = found.StatusCode
        if status is not None and not status.is_good():
            faults.append(LinkError(Fault.REFUSED, f"{place}: read refused, {status.name}"))
            return None
        value = found.Value.Value if found.Value is not None else None
        if not isinstance(value, bool | int | float):
            faults.append(LinkError(Fault.GARBAGE, f"{place}: its value is no number"))
            return None
        return float(value != 0) if place.format == BOOL else float(value)

    async def _bounded(self, call: Callable[[], Awaitable[T]], limit_s: float) -> T:
        """Carry out one call of the library; whatever goes wrong in it is a LinkError."""
        try:
            async with asyncio.timeout(limit_s):
                return await call()
        except TimeoutError:
            raise LinkError(Fault.TIMEOUT, f"no answer within {limit_s:g} s") from None
        except ua.UaStatusCodeError as error:
            raise LinkError(Fault.REFUSED, f"refused, {type(error).__name__}") from None  # names of OPC UA
        except OSError as error:
            raise LinkError(Fault.CLOSED, error.strerror or str(error) or "connection lost") from None
        except Exception as error:
            raise LinkError(Fault.GARBAGE, "its answer cannot be understood") from error


def _variant(value: float, place: OpcuaPlace) -> tuple[ua.Variant, bool]:
    """Return a value in its node's type and whether it had to be clamped."""
    kind = ua.VariantType[place.type]
    if place.format == BOOL:
        return ua.Variant(value != 0.0, kind), False
    fmt = FORMATS[place.format]
    if math.isnan(value) and not fmt.is_integer:
        return ua.Variant(math.nan, kind), False
    raw, is_clamped = encode(value, fmt)
    return ua.Variant(struct.unpack(">" + fmt.code, raw)[0], kind), is_clamped
