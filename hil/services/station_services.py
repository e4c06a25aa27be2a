"""The services of one station, put together for its OPC UA gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hil import joined_board
from hil.runspec import RunSpec
from hil.services.alarms import alarms_of
from hil.services.events import EventReader
from hil.services.model_file import read_arrays, read_model
from hil.services.recent import Recent
from hil.services.status import StatusReader
from hil.services.test_bench import TestBenchReader
from hil.services.trends import FLUSHED_S, UNRECORDED_S, TrendReader
from protocols.alarm_book import AlarmBook
from protocols.opcua_services import Refusal
from protocols.trend import Trend

Floats = npt.NDArray[np.float64]
Qualities = npt.NDArray[np.uint8]


class StationServices:
    """See ``protocols.opcua_services.Services``."""

    def __init__(self, spec: RunSpec) -> None:
        self.alarms = AlarmBook(alarms_of(spec.points))
        self.arrays = read_arrays(spec)
        self._model = read_model(spec)
        self._status = StatusReader(spec, joined_board.attach(spec))
        self._events = EventReader(spec)
        self._test_bench = TestBenchReader(spec)
        self._recent = Recent(len(spec.points), FLUSHED_S if spec.recorder else UNRECORDED_S)
        self._trends = TrendReader(spec, self._recent)

    def model(self) -> bytes:
        """Return the station's model."""
        if not self._model:
            raise Refusal("BadNoData")
        return self._model

    def status(self, sessions: Sequence[dict[str, Any]]) -> str:
        """Return the status; blocks."""
        return self._status.read(sessions)

    def events(self, since: int, n: int) -> tuple[int, str]:
        """Return events of the run; blocks."""
        return self._events.read(since, n)

    def test_bench(self) -> str:
        """Return the state of the relay test; blocks."""
        return self._test_bench.read()

    async def trend(self, tag: str, from_ns: int, to_ns: int, n: int) -> Trend:
        """Return values of a point."""
        return await self._trends.read(tag, from_ns, to_ns, n)

    def swept(self, values: Floats, quality: Qualities, utc_ns: int) -> None:
        """Remember an image."""
        self._recent.take(values, quality, utc_ns)

    async def close(self) -> None:
        """End what was started."""
        await self._trends.close()
