"""Watching points at every step without leaving compiled code: what assertions and records need.

A *channel* is a weighted sum of published points with limits on its value and its quality. The
kernel keeps, per channel: how many samples lay inside, the first inside and the first outside,
extremes with their steps, sum, first and last value, changes. A *trace* keeps every n-th step of
some points. Nothing here writes to the plant: a run is bit-identical with and without it.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.engine import Engine, run_steps
from rtcore.jit import kernel
from rtcore.quality import BAD_FROM

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

QUALITY_MAX = 255

# Columns of the accumulators, one row per channel.
F_SUM, F_MIN, F_MAX, F_FIRST, F_LAST, F_INSIDE, F_OUTSIDE = range(7)
N_SEEN, N_INSIDE, N_CHANGES, S_MIN, S_MAX, S_INSIDE, S_OUTSIDE, Q_OUTSIDE, Q_LAST = range(9)
FLOAT_COLUMNS, INTEGER_COLUMNS = 7, 9


class ChannelArrays(NamedTuple):
    """Channels as the kernel sees them; terms of channel c lie from ``start[c]`` to ``start[c + 1]``."""

    start: Integers
    point: Integers
    factor: Floats
    low: Floats
    high: Floats
    quality_low: Integers
    quality_high: Integers


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One watched quantity: sum of factor * point, and what counts as inside (limits included)."""

    terms: tuple[tuple[int, float], ...]
    low: float = -np.inf
    high: float = np.inf
    quality_low: int = 0
    quality_high: int = QUALITY_MAX


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one channel did over the steps it was watched; steps are -1 where there was none.

    ``total`` is the plain sum of all samples; a value that is not a number is never inside,
    makes ``total`` not a number, and counts neither as minimum nor as maximum.
    """

    n: int
    n_inside: int
    n_changes: int
    total: float
    minimum: float
    min_step: int
    maximum: float
    max_step: int
    first: float
    last: float
    last_quality: int
    inside: float
    inside_step: int
    outside: float
    outside_step: int
    outside_quality: int


@kernel
def run_sampled(drive, commands, verdicts, first, n, channels, active, floats, counts, kept, every, trace):  # type: ignore[no-untyped-def]
    """Advance by ``n`` steps and look at the image of each.

    Parameters
    ----------
    active : int64[]
        Rows of ``channels`` to look at.
    floats, counts : float64[n_channels, 7], int64[n_channels, 9]
        Accumulators; updated in place.
    kept, every, trace : int64[m], int, float64[rows, m]
        Points to keep at every ``every``-th step; bad ones are kept as not-a-number.
    """
    for step in range(first, first + n):
        run_steps(drive, commands, verdicts, step, 1)
        _look(drive.values, drive.quality, step, channels, active, floats, counts)
        row = step // every
        if step % every == 0 and row < trace.shape[0]:
            for k in range(kept.shape[0]):
                is_bad = drive.quality[kept[k]] >= BAD_FROM
                trace[row, k] = np.nan if is_bad else drive.values[kept[k]]


@kernel
def _look(values, quality, step, channels, active, floats, integers):  # type: ignore[no-untyped-def]
    start, point, factor = channels.start, channels.point, channels.factor
    low, high, quality_low, quality_high = (
        channels.low,
        channels.high,
        channels.quality_low,
        channels.quality_high,
    )
    for a in range(active.shape[0]):
        c = active[a]
        value, worst = 0.0, np.int64(0)
        for t in range(start[c], start[c + 1]):
            value += factor[t] * values[point[t]]
            worst = max(worst, np.int64(quality[point[t]]))
        is_good = quality_low[c] <= worst <= quality_high[c]
        if is_good and low[c] <= value <= high[c]:  # not a number is outside
            if integers[c, N_INSIDE] == 0:
                integers[c, S_INSIDE] = step
                floats[c, F_INSIDE] = value
            integers[c, N_INSIDE] += 1
        elif integers[c, S_OUTSIDE] < 0:
            integers[c, S_OUTSIDE] = step
            integers[c, Q_OUTSIDE] = worst
            floats[c, F_OUTSIDE] = value
        if value < floats[c, F_MIN]:
            integers[c, S_MIN] = step
            floats[c, F_MIN] = value
        if value > floats[c, F_MAX]:
            integers[c, S_MAX] = step
            floats[c, F_MAX] = value
        if integers[c, N_SEEN] == 0:
            floats[c, F_FIRST] = value
        if step > 0 and value != floats[c, F_LAST]:
            integers[c, N_CHANGES] += 1
        floats[c, F_SUM] += value
        floats[c, F_LAST] = value
        integers[c, Q_LAST] = worst
        integers[c, N_SEEN] += 1


class Sampler:
    """Channels and one trace over an engine's run.

    Parameters
    ----------
    channels : sequence of Channel
    trace_points : sequence of int
        Points of the trace.
    every, rows : int
        A row of the trace is kept at every ``every``-th step, ``rows`` in all.

    Attributes
    ----------
    trace : ndarray, shape (rows, n_trace_points)
        Row r holds step ``r * every``; not-a-number where the quality was bad or nothing was run.
    """

    def __init__(
        self, channels: Sequence[Channel], trace_points: Sequence[int] = (), every: int = 1, rows: int = 0
    ) -> None:
        self._channels = _arrays(channels)
        self._floats = np.zeros((len(channels), FLOAT_COLUMNS))
        self._floats[:, F_MIN], self._floats[:, F_MAX] = np.inf, -np.inf
        self._integers = np.zeros((len(channels), INTEGER_COLUMNS), np.int64)
        self._integers[:, S_MIN : S_OUTSIDE + 1] = -1
        self._trace_at = np.array(trace_points, np.int64)
        self._every = every
        self.trace = np.full((rows, len(trace_points)), np.nan)

    def compile(self, engine: Engine) -> None:
        """Make the kernel ready without advancing the engine."""
        self._run(engine, 0, np.zeros(0, np.int64))

    def prime(self, engine: Engine, channels: Sequence[int]) -> None:
        """Note what these channels show now, so that their first sample can count as a change."""
        start, point, factor = self._channels.start, self._channels.point, self._channels.factor
        for c in channels:
            value = 0.0
            for t in range(start[c], start[c + 1]):
                value += float(factor[t] * engine.world.values[point[t]])
            self._floats[c, F_LAST] = value

    def step(self, engine: Engine, n: int, active: Integers) -> None:
        """Advance the engine by ``n`` steps and look at the active channels at each."""
        self._run(engine, n, active)
        engine.n_steps += n

    def _run(self, engine: Engine, n: int, active: Integers) -> None:
        run_sampled(
            engine.drive,
            engine.rings.commands,
            engine.rings.verdicts,
            engine.n_steps,
            n,
            self._channels,
            active,
            self._floats,
            self._integers,
            self._trace_at,
            self._every,
            self.trace,
        )

    def sample(self, channel: int) -> Sample:
        """Return what a channel has done so far."""
        f, k = self._floats[channel].tolist(), self._integers[channel].tolist()
        return Sample(
            n=k[N_SEEN],
            n_inside=k[N_INSIDE],
            n_changes=k[N_CHANGES],
            total=f[F_SUM],
            minimum=f[F_MIN],
            min_step=k[S_MIN],
            maximum=f[F_MAX],
            max_step=k[S_MAX],
            first=f[F_FIRST],
            last=f[F_LAST],
            last_quality=k[Q_LAST],
            inside=f[F_INSIDE],
            inside_step=k[S_INSIDE],
            outside=f[F_OUTSIDE],
            outside_step=k[S_OUTSIDE],
            outside_quality=k[Q_OUTSIDE],
        )


def _arrays(channels: Sequence[Channel]) -> ChannelArrays:
    terms = [term for c in channels for term in c.terms]
    return ChannelArrays(
        start=np.cumsum([0, *(len(c.terms) for c in channels)]).astype(np.int64),
        point=np.array([point for point, _ in terms], np.int64),
        factor=np.array([factor for _, factor in terms], np.float64),
        low=np.array([c.low for c in channels], np.float64),
        high=np.array([c.high for c in channels], np.float64),
        quality_low=np.array([c.quality_low for c in channels], np.int64),
        quality_high=np.array([c.quality_high for c in channels], np.int64),
    )
