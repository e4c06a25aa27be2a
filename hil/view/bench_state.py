"""The relay test that runs at a station, or ran last, as service ``ReadTestBench`` tells it."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Any

RUNNING, FINISHED, BROKEN_OFF = "running", "finished", "broken off"


@dc.dataclass(frozen=True, slots=True)
class Judged:
    """One judged quantity of a shot; numbers are None where there are none."""

    name: str
    unit: str
    verdict: str
    measured: float | None
    low: float | None
    high: float | None
    expected: float | None
    allowed_low: float | None
    allowed_high: float | None


@dc.dataclass(frozen=True, slots=True)
class ShotRow:
    """A shot, or one attempt at it."""

    test: str
    kind: str
    shot: int
    attempt: int
    label: str
    verdict: str
    is_superseded: bool
    why: str
    readings: tuple[Judged, ...]


@dc.dataclass(frozen=True, slots=True)
class Delay:
    """The delay of the connection to the device [s]: mean, its interval, how sure that is."""

    n: int
    mean_s: float | None
    low_s: float | None
    high_s: float | None
    coverage: float | None


@dc.dataclass(frozen=True, slots=True)
class BenchState:
    """How far a relay test has come."""

    state: str
    verdict: str
    why: str
    plan: str
    device: str
    location: str
    started_utc_ns: int
    changed_utc_ns: int
    test: str
    test_number: int
    tests: int
    shot: int
    shots: int
    shots_done: int
    shots_planned: int
    uncertainty: Delay | None
    rows: tuple[ShotRow, ...]
    rows_left_out: int

    @property
    def share(self) -> float:
        """Share of the planned shots that is done."""
        return min(1.0, self.shots_done / self.shots_planned) if self.shots_planned else 0.0

    @property
    def counts(self) -> dict[str, int]:
        """How many shots have which verdict; repeated ones do not count."""
        found: dict[str, int] = {}
        for row in self.rows:
            if not row.is_superseded:
                found[row.verdict] = found.get(row.verdict, 0) + 1
        return found

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> BenchState | None:
        """Take what the service answers; None where no test has run, or it is of another version."""
        if not found:
            return None
        try:
            simple = {f.name: found[f.name] for f in dc.fields(cls) if f.name not in ("rows", "uncertainty")}
            delay = found["uncertainty"]
            return cls(
                **simple,
                uncertainty=None
                if delay is None
                else Delay(**{f.name: delay[f.name] for f in dc.fields(Delay)}),
                rows=tuple(_shot(row) for row in found["rows"]),
            )
        except (KeyError, TypeError):
            return None


def _shot(row: Mapping[str, Any]) -> ShotRow:
    simple = {f.name: row[f.name] for f in dc.fields(ShotRow) if f.name != "readings"}
    readings = tuple(Judged(**{f.name: r[f.name] for f in dc.fields(Judged)}) for r in row["readings"])
    return ShotRow(**simple, readings=readings)
