"""What the device gets in one cycle: raw values in the order of their places. Pure: no I/O, no clock.

The order is the token, the heartbeat, then every row and its quality word. None leaves a place as it is.
While there is no image of the plant, token and heartbeat stand still, so that a device with a watchdog
of its own sees it.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Sequence

from protocols.wiring import INVALID, LAST, Heartbeat, Place, ToDevice, Token, Wiring
from rtcore.board import Snapshot
from rtcore.points import Point, index_of
from rtcore.quality import UNCERTAIN_FROM, Quality

TOKENS = 1 << 16
"""Tokens and heartbeats are counted in 16 bits."""


class WiringImage:
    """Turns snapshots of the plant into what a device's places hold."""

    def __init__(self, wiring: Wiring, points: Sequence[Point]) -> None:
        index = index_of(points)
        self._rows = [(row, index[row.point]) for row in wiring.to_device]
        self._token, self._heartbeat = wiring.token, wiring.heartbeat
        self._token_at = (
            index[wiring.token.point_out] if wiring.token is not None and wiring.token.point_out else None
        )
        self._last: list[float | None] = [None] * len(self._rows)
        self._count = 0
        self.token: int | None = None
        """The token of the newest image."""
        self.places: list[Place] = [p for p in _places(self._token, self._heartbeat, wiring.to_device) if p]

    def values(self, snapshot: Snapshot | None) -> list[float | None]:
        """Return one raw value for each of ``places``."""
        found: list[float | None] = []
        if snapshot is not None:
            self._count = (self._count + 1) % TOKENS
            self.token = self._count
            if self._token_at is not None:
                self.token = int(snapshot.values[self._token_at]) % TOKENS
        if self._token is not None and self._token.sent is not None:
            found.append(None if snapshot is None or self.token is None else float(self.token))
        if self._heartbeat.sent is not None:
            found.append(None if snapshot is None else float(self._count))
        for k, (row, i) in enumerate(self._rows):
            quality = int(Quality.BAD_NO_COMMUNICATION) if snapshot is None else int(snapshot.quality[i])
            if snapshot is not None and quality < UNCERTAIN_FROM:
                value: float | None = (float(snapshot.values[i]) - row.offset) / row.scale
                self._last[k] = value
            else:
                value = self._substitute(row, k)
            if row.place is not None:
                found.append(value)
            if row.quality is not None:
                found.append(float(quality))
        assert len(found) == len(self.places)
        return found

    def _substitute(self, row: ToDevice, k: int) -> float | None:
        """Return what a row shows while its point is not Good."""
        if row.on_bad == INVALID:
            return math.nan
        return self._last[k] if row.on_bad == LAST else None


def _places(token: Token | None, heartbeat: Heartbeat, rows: Sequence[ToDevice]) -> list[Place | None]:
    first = [token.sent if token is not None else None, heartbeat.sent]
    return first + [place for row in rows for place in (row.place, row.quality)]


@dc.dataclass(frozen=True, slots=True)
class Readings:
    """What the device put out in one cycle, raw; None where nothing was read."""

    echo: float | None
    heartbeat: float | None
    rows: list[float | None]


class ReadPlan:
    """Which places are read, and what their values belong to."""

    def __init__(self, wiring: Wiring) -> None:
        self._has_echo = wiring.token is not None and wiring.token.echo is not None
        self._has_heartbeat = wiring.heartbeat.received is not None
        first = [wiring.token.echo if wiring.token is not None else None, wiring.heartbeat.received]
        self.places: list[Place] = [p for p in first + [row.place for row in wiring.from_device] if p]

    def sort(self, values: Sequence[float | None]) -> Readings:
        """Tell what one value for each of ``places`` means."""
        assert len(values) == len(self.places)
        rest = list(values)
        echo = rest.pop(0) if self._has_echo else None
        heartbeat = rest.pop(0) if self._has_heartbeat else None
        return Readings(echo, heartbeat, rest)
