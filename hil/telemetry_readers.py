"""How the estimator's process gets its telemetry: by Modbus, by OPC UA, or from the core's board.

Masters' ways lead through the station's own servers, or through whatever listens at the port that the station
file names instead: the estimator then sees what comes out there, and nothing else.
"""

from __future__ import annotations

import dataclasses as dc
import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from hil.runspec import RunSpec
from hil.telemetry_image import Fetched, Ints
from hil.telemetry_requests import Request, plan_requests
from hil.telemetry_stamps import SourceClock
from protocols import modbus_map
from protocols.device_link import Fault, LinkError
from protocols.modbus_client import ModbusClient
from protocols.modbus_link import READ_FUNCTION
from rtcore.board import Snapshot
from rtcore.points import Point
from rtcore.quality import Quality

TIMEOUT_S = 1.0
"""How long one answer may take; the scan goes on without the rest then [s]."""
LOST = int(Quality.BAD_NO_COMMUNICATION)


class TelemetryReader(Protocol):
    """One way to the telemetry."""

    where: str
    """For people."""

    @property
    def n_requests(self) -> int:
        """Requests so far."""

    async def read(self, asked: Ints) -> Fetched:
        """Return the values of points, by their places in the station's list; never fails."""

    async def close(self) -> None:
        """Give the connection up."""


class BoardReader:
    """Reads the core's image, without a wire between."""

    where = "board"

    def __init__(self, snapshot: Callable[[], Snapshot | None]) -> None:
        self._snapshot = snapshot
        self.n_requests = 0

    async def read(self, asked: Ints) -> Fetched:
        """See ``TelemetryReader``."""
        snapshot = self._snapshot()
        self.n_requests += 1
        if snapshot is None:
            return nothing(asked, "the core publishes nothing")
        return Fetched(snapshot.values[asked], snapshot.quality[asked])

    async def close(self) -> None:
        """See ``TelemetryReader``."""


class ModbusReader:
    """Polls a Modbus server, the contiguous ranges of the points' devices one after the other.

    There are no time stamps of single values in Modbus: they count as of the moment of the fetch.
    """

    def __init__(self, client: ModbusClient, points: modbus_map.ModbusMap) -> None:
        self.where = f"modbus {client.host}:{client.port}"
        self.n_requests = 0
        self._client, self._map = client, points
        self._plans: dict[bytes, list[Request]] = {}

    def requests(self, asked: Ints) -> list[Request]:
        """Return the requests for points; worked out once for each set of them."""
        key = asked.tobytes()
        if key not in self._plans:
            self._plans[key] = plan_requests(self._map, asked.tolist())
        return self._plans[key]

    async def read(self, asked: Ints) -> Fetched:
        """See ``TelemetryReader``."""
        found: dict[int, tuple[float, int]] = {}
        faults: list[str] = []
        try:
            if not self._client.is_connected:
                await self._client.connect()
            for request in self.requests(asked):
                await self._attempt(request, found, faults)
        except LinkError as error:
            faults.append(str(error))
        rows = [found.get(k, (math.nan, LOST)) for k in asked.tolist()]
        return _fetched(rows, faults)

    async def _attempt(
        self, request: Request, found: dict[int, tuple[float, int]], faults: list[str]
    ) -> None:
        """Carry out one request; one that is refused does not keep the others from being made."""
        self.n_requests += 1
        function = READ_FUNCTION[request.table]
        where = (request.unit, function, request.address, request.count)
        try:
            if request.is_bits:
                rows = request.bits(await self._client.read_bits(*where))
            else:
                rows = request.registers(await self._client.read_registers(*where))
        except LinkError as error:
            named = f"{request.unit}:{request.table}:{request.address}+{request.count}: {error}"
            if error.fault is not Fault.REFUSED:
                raise LinkError(error.fault, named) from None
            faults.append(named)
            return
        found.update({index: (value, quality) for index, value, quality in rows})

    async def close(self) -> None:
        """See ``TelemetryReader``."""
        self._client.close()


class OpcuaReader:
    """Reads the values of nodes, a few hundred in one call, and how old they are by their source's clock.

    Parameters
    ----------
    rate : float or None
        See ``SourceClock``.
    clock_ns : callable
        Our clock [ns UTC since 1970].
    """

    def __init__(
        self,
        url: str,
        points: Sequence[Point],
        timeout_s: float = TIMEOUT_S,
        rate: float | None = 1.0,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        from protocols.opcua_reads import OpcuaReads  # its library takes a second to import
        from protocols.opcua_space import node_id

        self.where = f"opcua {url}"
        self._reads = OpcuaReads(url, timeout_s)
        self._nodes = [node_id(p) for p in points]
        self._clock, self._clock_ns = SourceClock(rate), clock_ns

    @property
    def n_requests(self) -> int:
        """Calls of the Read service."""
        return self._reads.n_requests

    async def read(self, asked: Ints) -> Fetched:
        """See ``TelemetryReader``."""
        try:
            if not self._reads.is_connected:
                await self._reads.connect()
                self._clock.forget()
            now_ns = self._clock_ns()
            rows = await self._reads.read_stamped([self._nodes[k] for k in asked.tolist()])
            age_s = self._clock.ages(now_ns, np.array([stamp for _, _, stamp in rows], np.int64))
            found = _fetched([row[:2] for row in rows], self._words())
            return dc.replace(found, age_s=age_s)
        except LinkError as error:
            if error.fault is not Fault.TIMEOUT:
                await self._reads.close()
            return nothing(asked, str(error))

    def _words(self) -> list[str]:
        """Say that the server's clock is another, coarsely: it drifts, and one line in the log is enough."""
        off_s = self._clock.offset_s
        if off_s == 0.0:
            return []
        return [f"its clock is {off_s / 3600.0:.1f} h off; its time stamps count from its newest one"]

    async def close(self) -> None:
        """See ``TelemetryReader``."""
        await self._reads.close()


def nothing(asked: Ints, why: str) -> Fetched:
    """Return that nothing came."""
    return Fetched(np.full(len(asked), np.nan), np.full(len(asked), LOST, np.uint8), (why,))


def _fetched(rows: Sequence[tuple[float, int]], faults: Sequence[str]) -> Fetched:
    values, quality = (np.array(column) for column in zip(*rows, strict=True)) if rows else ((), ())
    return Fetched(np.asarray(values, np.float64), np.asarray(quality, np.uint8), tuple(faults))


def make_reader(spec: RunSpec, snapshot: Callable[[], Snapshot | None]) -> TelemetryReader:
    """Return the reader that a run's settings ask for."""
    settings = spec.estimation
    if settings["reader"] == "board":
        return BoardReader(snapshot)
    core = spec.points[: spec.n_core]
    if settings["reader"] == "opcua":
        return OpcuaReader(settings["opcua_url"], core, rate=_rate(spec))
    client = ModbusClient(settings["modbus_host"], settings["modbus_port"], TIMEOUT_S)
    return ModbusReader(client, modbus_map.build(core, spec.core_stamps, spec.modbus))


def _rate(spec: RunSpec) -> float | None:
    """Return how fast simulated time runs, None where it runs as fast as it can."""
    period_ns = spec.core["period_ns"]
    return spec.core["dt_ns"] / period_ns if period_ns else None
