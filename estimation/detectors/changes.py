"""What moved since the scan before, and whether the centre knows why.

Watched: contacts, taps and capacitors of the telemetry set, and every setpoint of the station. A change is
explained when the centre commanded it itself, when a relay has tripped within ``TRIP_S`` (or recloses after
that), or when a regulator in automatic moves its tap towards its band, which it was outside of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from estimation.channels import Telemetry
from estimation.detectors.scan import Change, ChangeKind
from rtcore.points import Kind, Point
from rtcore.quality import BAD_FROM

Floats = npt.NDArray[np.float64]

TRIP_S = 120.0
"""So long after a trip the protection may open and close breakers [s]."""
NEAR = 0.8
"""Share of half a band that a voltage must have been off for its regulator to have moved: it was measured
up to a scan before."""
LAB = "LAB."
"""Points of the instructor: no part of the station's controls."""


class ChangeWatch:
    """Compares each scan with the one before."""

    def __init__(self, points: Sequence[Point], telemetry: Telemetry) -> None:
        self.tags = [p.tag for p in points]
        self.kinds: dict[int, ChangeKind] = {}
        for i, p in enumerate(points):
            if p.kind is Kind.SETPOINT and not p.tag.startswith(LAB):
                self.kinds[i] = ChangeKind.SETPOINT
        for contacts in telemetry.statuses.values():
            self.kinds |= dict.fromkeys(contacts.points, ChangeKind.BREAKER)
        self.kinds |= dict.fromkeys(telemetry.capacitors.values(), ChangeKind.CAPACITOR)
        self.kinds |= dict.fromkeys(telemetry.taps.values(), ChangeKind.TAP)
        self.at = np.array(sorted(self.kinds), np.intp)
        self.trips = np.array([i for i, p in enumerate(points) if _is(p, "relay", "trips")], np.intp)
        self.devices = {i: points[i].device for i in self.kinds}
        self.regulators = _regulators(points)
        self.before: Floats | None = None
        self.trips_before: Floats | None = None
        self.tripped_s = -math.inf

    def update(
        self, t_s: float, values: Floats, quality: npt.NDArray[np.uint8], logged: Sequence[str] = ()
    ) -> list[Change]:
        """Take one scan; return what moved. A value that is Bad moves nothing."""
        trips = values[self.trips]
        if self.trips_before is not None and np.any(trips > self.trips_before):
            self.tripped_s = t_s
        self.trips_before = trips
        before, now = self.before, values.copy()
        if before is None:
            self.before = now
            return []
        bad = quality >= BAD_FROM
        now[bad] = before[bad]
        self.before = now
        known = np.isfinite(now[self.at]) & np.isfinite(before[self.at])  # what is never fetched never moves
        moved = self.at[known & (now[self.at] != before[self.at])]
        return [self._change(int(i), before, now, t_s, logged) for i in moved]

    def _change(self, i: int, before: Floats, now: Floats, t_s: float, logged: Sequence[str]) -> Change:
        kind, tag = self.kinds[i], self.tags[i]
        why = ""
        if tag in logged or any(t.rpartition(".")[0] == self.devices[i] for t in logged):
            why = "command"
        elif kind is ChangeKind.BREAKER and t_s - self.tripped_s <= TRIP_S:
            why = "protection"
        elif kind in (ChangeKind.TAP, ChangeKind.SETPOINT) and self._is_regulating(i, before, now):
            why = "control"
        return Change(kind, tag, float(before[i]), float(now[i]), why)

    def _is_regulating(self, i: int, before: Floats, now: Floats) -> bool:
        """Tell whether a regulator in automatic moved its own tap (or the tap's setpoint) as it should."""
        found = self.regulators.get(self.devices[i])
        if found is None or not self.tags[i].rpartition(".")[2].startswith("TAP"):
            return False
        auto, v, v_sp, band = found
        if before[auto] == 0.0:
            return False
        error_v = before[v] - before[v_sp]
        is_off = abs(error_v) > NEAR * before[band] / 2.0
        return bool(is_off and (now[i] - before[i]) * error_v < 0.0)


def _is(point: Point, kind: str, attr: str) -> bool:
    return point.source.partition(".")[0] == kind and point.attr == attr


def _regulators(points: Sequence[Point]) -> dict[str, tuple[int, int, int, int]]:
    """Return device of the mechanism -> points of its voltage relay: automatic, voltage, set value, band."""
    at = {(p.source, p.attr): i for i, p in enumerate(points)}
    found = {}
    for p in points:
        kind, _, name = p.source.partition(".")
        if kind == "regulator":
            relay = f"tap_changer.{name}"
            auto, v, v_sp, band = (
                at.get((relay, a), -1) for a in ("is_auto_sp", "v_relay_v", "vreg_v_sp", "band_v_sp")
            )
            if min(auto, v, v_sp, band) >= 0:
                found[p.device] = (auto, v, v_sp, band)
    return found
