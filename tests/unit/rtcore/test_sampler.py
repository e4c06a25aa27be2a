"""Watching every step from inside the compiled loop."""

from __future__ import annotations

import numpy as np
import pytest

from rtcore.engine import Engine
from rtcore.quality import Quality
from rtcore.sampler import Channel, Sampler
from tests.unit.rtcore import small_station as small

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""


def engine(**how: object) -> Engine:
    return Engine(small.setup(**how))  # type: ignore[arg-type]


def everything(n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(n, dtype=np.int64)


def test_a_watched_run_is_bit_identical_to_an_unwatched_one() -> None:
    plain, watched = engine(ripple_pu=0.05, noise_frac=0.01), engine(ripple_pu=0.05, noise_frac=0.01)
    channels = [Channel(terms=((k, 1.0),)) for k in range(len(plain.points))]
    sampler = Sampler(channels, trace_points=[0, 1], every=7, rows=30)
    for e in (plain, watched):
        e.command([("CB.TRIP", 1.0)])
    plain.step(200)
    for n in (1, 99, 100):
        sampler.step(watched, n, everything(len(channels)))
    assert watched.n_steps == plain.n_steps == 200
    assert watched.digest == plain.digest
    assert watched.image == plain.image


def test_statistics_are_those_of_the_values_seen_step_by_step() -> None:
    watched, plain = (engine(ripple_pu=0.1, ripple_tau_s=0.01, noise_frac=0.01) for _ in range(2))
    at = {tag: watched.index[tag] for tag in ("S.P", "HOUSE.P")}
    difference = Channel(terms=((at["S.P"], 1.0), (at["HOUSE.P"], -2.0)))
    sampler = Sampler([difference], trace_points=[at["S.P"]], every=10, rows=30)
    sampler.step(watched, 120, everything(1))
    sampler.step(watched, 180, everything(1))
    values, trace = [], []
    for step in range(300):
        plain.step()
        values.append(plain.value("S.P") - 2.0 * plain.value("HOUSE.P"))
        if step % 10 == 0:
            trace.append(plain.value("S.P"))
    s = sampler.sample(0)
    assert (s.n, s.n_inside, s.outside_step) == (300, 300, -1)
    assert (s.minimum, s.min_step) == (min(values), values.index(min(values)))
    assert (s.maximum, s.max_step) == (max(values), values.index(max(values)))
    assert (s.first, s.last) == (values[0], values[-1])
    assert s.total == pytest.approx(sum(values), rel=1e-12)  # the order of adding is the same
    assert s.n_changes == 299  # noise changes every value
    assert sampler.trace[:, 0].tolist() == trace


def test_first_steps_inside_and_outside_the_limits_are_kept_with_their_values() -> None:
    e = engine()
    channel = Channel(terms=((e.index["S.X_SP"], 1.0),), low=5.0, high=5.0)
    sampler = Sampler([channel])
    for n, value in ((3, 0.0), (4, 5.0), (2, 6.0)):
        e.command([("S.X_SP", value)])
        sampler.step(e, n, everything(1))
    s = sampler.sample(0)
    assert (s.n, s.n_inside, s.n_changes) == (9, 4, 2)
    assert (s.inside_step, s.inside) == (3, 5.0)  # limits are included
    assert (s.outside_step, s.outside, s.outside_quality) == (0, 0.0, 0)


def test_quality_counts_like_the_value_and_bad_values_are_gaps_in_the_trace() -> None:
    e = engine()
    point = e.index["TOWN.V1"]
    usable = Channel(terms=((point, 1.0),), quality_high=127)
    bad = Channel(terms=((e.index["A.V1"], 1.0), (point, 1.0)), quality_low=128)  # the worst counts
    sampler = Sampler([usable, bad], trace_points=[point], every=10, rows=11)
    e.command([("CB.TRIP", 1.0)])
    sampler.step(e, 110, everything(2))
    s = sampler.sample(0)
    opened = s.outside_step
    assert 46 <= opened <= 62  # contacts part at 50 ms +- 3.5 ms of scatter, then half a cycle of arc
    assert s.outside_quality == Quality.BAD_DEENERGISED
    assert (s.n_inside, sampler.sample(1).inside_step) == (opened, opened)
    assert np.isnan(sampler.trace[:, 0]).tolist() == [10 * k >= opened for k in range(11)]


def test_a_value_that_is_not_a_number_is_never_inside_and_no_extreme() -> None:
    e = engine()
    point = e.index["HOUSE.DEMAND"]
    e.world.points.instrument["factor"][point] = np.nan
    sampler = Sampler([Channel(terms=((point, 1.0),))])
    sampler.step(e, 5, everything(1))
    s = sampler.sample(0)
    assert (s.n, s.n_inside, s.outside_step) == (5, 0, 0)
    assert np.isnan(s.total) and np.isnan(s.outside)
    assert (s.min_step, s.max_step) == (-1, -1)


def test_only_active_channels_look_and_a_primed_one_sees_a_change_at_its_first_step() -> None:
    e = engine()
    channels = [Channel(terms=((e.index["S.X_SP"], 1.0),)) for _ in range(3)]
    sampler = Sampler(channels)
    sampler.step(e, 10, np.array([0], np.int64))
    sampler.prime(e, [1, 2])
    e.command([("S.X_SP", 3.0)])
    sampler.step(e, 5, np.array([0, 1], np.int64))
    assert [sampler.sample(c).n for c in range(3)] == [15, 5, 0]
    assert [sampler.sample(c).n_changes for c in range(2)] == [1, 1]


def test_compiling_does_not_advance() -> None:
    e = engine()
    sampler = Sampler([Channel(terms=((0, 1.0),))])
    sampler.compile(e)
    assert (e.n_steps, sampler.sample(0).n) == (0, 0)
