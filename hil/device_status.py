"""Status of the exchange with a device under test: a gateway's board with more counters and histograms.

It begins like every gateway's (``hil.gateway_status``); written by gw-device, read by anyone. Histograms are
counted in place, counters are copied five times a second.
"""

from __future__ import annotations

import dataclasses as dc
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hil import gateway_status, segment
from hil.gateway_status import GatewayStatus
from protocols.duration_histogram import BINS, DurationHistogram

FIELDS = (
    "link",
    "cycles",
    "late",
    "whole",
    "connects",
    "failsafes",
    "timeout",
    "refused",
    "garbage",
    "closed",
    "dropped",
    "late_answers",
    "clamped",
    "invalid",
    "strange_tokens",
    "echo",
    "answered_ns",
    "token_moved_ns",
)
"""Words after those of a gateway. ``link`` is a ``protocols.device_exchange.State``, 0 before the start;
``echo`` is -1 before the first. For the others see ``Counters``, ``TokenWatch``, ``Link``."""

LINKS = ("starting", "waiting for the device", "running", "FAIL-SAFE")
"""Words for ``link``."""

_COUNTERS_AT = len(gateway_status.FIELDS)
_EXCHANGES_AT = _COUNTERS_AT + len(FIELDS)
_TOKENS_AT = _EXCHANGES_AT + BINS
_WORDS = _TOKENS_AT + BINS
_WORD = struct.calcsize("<q")


@dc.dataclass(frozen=True, slots=True)
class DeviceView:
    """A copy of the status.

    Attributes
    ----------
    gateway, device : dict
        Counters by name: ``hil.gateway_status.FIELDS`` and ``FIELDS``.
    exchanges, tokens : DurationHistogram
        Round trips of whole exchanges, and of the token through the device's logic, since the process
        started; subtract an earlier copy's ``counts`` for those in between.
    """

    gateway: dict[str, int]
    device: dict[str, int]
    exchanges: DurationHistogram
    tokens: DurationHistogram

    def __str__(self) -> str:
        """Return one line for people: state of the link, how long exchanges take."""
        state = LINKS[self.device["link"]]
        if self.exchanges.n == 0:
            return state
        return f"{state}, exchange p99 {self.exchanges.percentile_ns(0.99) / 1e6:.1f} ms"


class DeviceStatus:
    """The status as gw-device writes it."""

    def __init__(self, path: Path) -> None:
        memory = segment.create(path, _WORDS * _WORD)
        words: npt.NDArray[np.int64] = np.frombuffer(memory, np.int64)
        self._gateway = GatewayStatus(memory)
        self._counters = words[_COUNTERS_AT:_EXCHANGES_AT]
        self.exchanges = DurationHistogram(words[_EXCHANGES_AT:_TOKENS_AT])
        self.tokens = DurationHistogram(words[_TOKENS_AT:_WORDS])

    def write(self, gateway: dict[str, int], device: dict[str, int]) -> None:
        """Store the counters and stamp the heartbeat."""
        for name, count in device.items():
            self._counters[FIELDS.index(name)] = count
        self._gateway.write(**gateway)


def read(path: Path) -> DeviceView | None:
    """Return a copy of the status, None when the process has not made it yet."""
    gateway = gateway_status.read(path)
    if gateway is None:
        return None
    words = np.frombuffer(path.read_bytes(), np.int64)
    if len(words) < _WORDS:
        return None
    return DeviceView(
        gateway,
        dict(zip(FIELDS, words[_COUNTERS_AT:_EXCHANGES_AT].tolist(), strict=True)),
        DurationHistogram(words[_EXCHANGES_AT:_TOKENS_AT].copy()),
        DurationHistogram(words[_TOKENS_AT:_WORDS].copy()),
    )
