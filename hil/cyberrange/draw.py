"""What is drawn for a run: its day, its hour, its seed, and a source of more.

All of it follows from the plan's seed, the kind of run and its number, so that it does not matter which
worker does it or when.

Days are drawn without replacement: no day gives a threshold and counts its false alarms, too, and none is
attacked that gave a threshold. The year is cut into pieces as long as a clean run [whole days]; clean runs
get a piece each, attacked ones a day each of what is left. Only the warm-up before a day of clean scans, in
which nothing is counted, may lie in another run's day.
"""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
import zlib

import numpy as np

from hil.cyberrange.plan import RangePlan
from hil.cyberrange.schema import YEAR_DAYS

CALIBRATE, VERIFY, ATTACKED = "calibrate", "verify", "attacked"
DAY_H = 24.0


@dc.dataclass(frozen=True, slots=True)
class Job:
    """One run to be done: its kind and its number among those of its kind."""

    kind: str
    number: int

    def __str__(self) -> str:
        return f"run {self.kind} {self.number}"


@dc.dataclass(frozen=True, slots=True)
class Drawn:
    """What is drawn for a run: when it begins, the seed of plant and instruments, and a source of more."""

    start: dt.datetime
    seed: int
    rng: np.random.Generator


def draw(plan: RangePlan, job: Job, hours: float) -> Drawn:
    """Return day, hour and seed of a run.

    Parameters
    ----------
    hours : float
        Its length [h]: it ends within its day, or begins at midnight where it takes whole ones.
    """
    rng = _source(plan, job.kind, job.number)
    station = plan.station.station
    zone = dt.timezone(dt.timedelta(seconds=station.utc_offset_s))
    year = dt.datetime(station.time.start.year, 1, 1, tzinfo=zone)
    hour = float(rng.uniform(0.0, max(0.0, DAY_H - hours)))
    start = year + dt.timedelta(days=day_of(plan, job), seconds=round(3600.0 * hour))
    return Drawn(start, int(rng.integers(0, 2**31)), rng)


def day_of(plan: RangePlan, job: Job) -> int:
    """Return the first day of a run, counted from the first of the year; the plan has been checked to fit."""
    rng, each = _source(plan, "days", 0), plan.clean.days_each
    pieces = each * rng.permutation(YEAR_DAYS // each)
    n_clean = plan.clean.days + plan.clean.verify_days
    if job.kind != ATTACKED:
        return int(pieces[job.number + (plan.clean.days if job.kind == VERIFY else 0)])
    taken = {int(first) + k for first in pieces[:n_clean] for k in range(each)}
    left = [day for day in range(YEAR_DAYS) if day not in taken]
    return int(rng.permutation(left)[job.number])


def _source(plan: RangePlan, what: str, number: int) -> np.random.Generator:
    key = (zlib.crc32(what.encode()), number)
    return np.random.default_rng(np.random.SeedSequence(plan.head.seed, spawn_key=key))
