"""Values of many nodes of an OPC UA server, a few hundred in one Read, with what each status code says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from asyncua import ua

from protocols.device_link import Fault, LinkError
from protocols.opcua_client import OpcuaLink
from protocols.opcua_space import STATUS_NAME
from rtcore.quality import BAD_FROM, UNCERTAIN_FROM, Quality

NODES_MAX = 400
"""Nodes in one Read."""

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
QUALITY_OF = {name: int(quality) for quality, name in STATUS_NAME.items()}


class OpcuaReads(OpcuaLink):
    """A session that only reads.

    Parameters
    ----------
    url : str
        Endpoint; policy None, anonymous.
    timeout_s : float
        How long one Read may take [s].
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(url, timeout_s, (), ())
        self.n_requests = 0

    @property
    def is_connected(self) -> bool:
        """Tell whether there is a session."""
        return self._client is not None

    async def read_nodes(self, nodes: Sequence[str]) -> list[tuple[float, int]]:
        """Return value and quality code of every node; NaN where the server gives no value."""
        return [row[:2] for row in await self.read_stamped(nodes)]

    async def read_stamped(self, nodes: Sequence[str]) -> list[tuple[float, int, int]]:
        """Return value, quality code and source time [ns UTC since 1970] of every node; 0 without one.

        Raises
        ------
        LinkError
            The session is of no more use, or the answer did not come in time.
        """
        found: list[tuple[float, int, int]] = []
        for k in range(0, len(nodes), NODES_MAX):
            found += await self._read_some(nodes[k : k + NODES_MAX])
        return found

    async def _read_some(self, nodes: Sequence[str]) -> list[tuple[float, int, int]]:
        client = self._client
        if client is None:
            raise LinkError(Fault.CLOSED, "not connected")
        value = ua.AttributeIds.Value
        wanted = [ua.ReadValueId(NodeId=ua.NodeId.from_string(n), AttributeId=value) for n in nodes]
        request = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Source, NodesToRead=wanted)
        self.n_requests += 1
        answers = await self._bounded(lambda: client.uaclient.read(request), self._timeout_s)
        if len(answers) != len(nodes):
            raise LinkError(Fault.GARBAGE, f"{len(answers)} values in answer to {len(nodes)} nodes")
        return [(*value_of(answer), source_ns(answer)) for answer in answers]


def value_of(answer: ua.DataValue) -> tuple[float, int]:
    """Return value and quality code of one answer."""
    status = answer.StatusCode
    quality = int(Quality.GOOD) if status is None else _quality(status)
    raw = answer.Value.Value if answer.Value is not None else None
    if isinstance(raw, bool | int | float):
        return float(raw), quality
    return math.nan, max(quality, int(Quality.BAD))


def source_ns(answer: ua.DataValue) -> int:
    """Return the source time of one answer [ns UTC since 1970], 0 where it has none."""
    stamp = answer.SourceTimestamp
    if stamp is None:
        return 0
    since = (stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)) - EPOCH
    return 1000 * int(since // MICROSECOND)


def _quality(status: ua.StatusCode) -> int:
    if status.name in QUALITY_OF:
        return QUALITY_OF[status.name]
    return int(Quality.GOOD) if status.is_good() else BAD_FROM if status.is_bad() else UNCERTAIN_FROM
