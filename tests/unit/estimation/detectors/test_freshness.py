"""Values that stand still, come again, or whose time stamp does not move."""

import numpy as np
import pytest

from estimation.detectors.freshness import Freshness
from estimation.detectors.scan import Floats, Layout, Scan

M = 6
LAYOUT = Layout(
    names=[f"c{i}" for i in range(M)],
    groups={"a": np.arange(3), "b": np.arange(3, M)},
    quantum=np.zeros(M),
    period_s=np.zeros(M),
)


def feed(freshness: Freshness, rows: Floats, start: int = 0) -> list[tuple[float, tuple[int, ...]]]:
    new = np.ones(M, bool)
    return [
        freshness.update(Scan(t_s=10.0 * (start + k), z=row, age_s=np.zeros(M), is_new=new))
        for k, row in enumerate(rows)
    ]


@pytest.fixture
def rows() -> Floats:
    """Noise; the last channel has so few levels that it repeats two values of three."""
    x = np.random.default_rng(1).standard_normal((1200, M))
    x[:, -1] = np.round(x[:, -1] / 3.0)
    return x


def test_noise_and_a_coarse_channel_are_no_surprise(rows: Floats) -> None:
    values = [v for v, _ in feed(Freshness(LAYOUT), rows)]
    # 1200 scans: e^-14 is a run that would be seen once in 1000 such tests
    assert np.nanmax(values) < 14.0


def test_a_frozen_channel_is_found_within_three_scans(rows: Floats) -> None:
    freshness = Freshness(LAYOUT)
    feed(freshness, rows[:600])
    frozen = rows[600:603].copy()
    frozen[:, 1] = rows[599, 1]
    value, where = feed(freshness, frozen)[-1]
    assert value > 15.0  # three repeats of a channel that never repeated in 600 scans
    assert where == (1,)


def test_a_frozen_device_is_found_at_once(rows: Floats) -> None:
    freshness = Freshness(LAYOUT)
    feed(freshness, rows[:600])
    frozen = rows[600:601].copy()
    frozen[:, :3] = rows[599, :3]
    value, where = feed(freshness, frozen)[-1]
    assert value > 15.0
    assert set(where) == {0, 1, 2}


def test_a_replay_is_found_by_its_constant_lag(rows: Floats) -> None:
    freshness = Freshness(LAYOUT)
    feed(freshness, rows[:600])
    replayed = rows[600:603].copy()
    replayed[:, :3] = rows[300:303, :3]
    value, where = feed(freshness, replayed)[-1]
    assert value > 40.0  # three scans of three channels, 5 nat and more each
    assert set(where) == {0, 1, 2}


def test_a_time_stamp_that_stands_still_counts_scan_by_scan(rows: Floats) -> None:
    freshness = Freshness(LAYOUT)
    feed(freshness, rows[:600])
    new, age_s = np.ones(M, bool), np.zeros(M)
    new[4] = False
    found = []
    for k in range(8):
        age_s[4] = 10.0 * (k + 1)
        scan = Scan(t_s=6000.0 + 10.0 * k, z=rows[600 + k], age_s=age_s.copy(), is_new=new)
        found.append(freshness.update(scan))
    # -ln 0.1 for each of eight scans
    assert found[-1] == (pytest.approx(8 * 2.3026, abs=1e-3), (4,))


def test_meters_that_are_read_every_quarter_hour_are_not_late_before_they_are_due(rows: Floats) -> None:
    layout = Layout(
        names=LAYOUT.names, groups=LAYOUT.groups, quantum=LAYOUT.quantum, period_s=np.full(M, 900.0)
    )
    freshness = Freshness(layout)
    for k in range(180):
        since = k % 90
        scan = Scan(
            t_s=10.0 * k, z=rows[k - since], age_s=np.full(M, 10.0 * since), is_new=np.full(M, since == 0)
        )
        value, _ = freshness.update(scan)
        assert np.isnan(value)  # two values of each: nothing learned, nothing said


def test_a_device_that_is_polled_in_vain_is_missed_though_there_is_no_value(rows: Floats) -> None:
    freshness = Freshness(LAYOUT)
    feed(freshness, rows[:600])
    for k in range(3):
        z, new, age_s = rows[600 + k].copy(), np.ones(M, bool), np.zeros(M)
        z[:3], new[:3], age_s[:3] = np.nan, False, 10.0 * (k + 1)
        value, where = freshness.update(Scan(t_s=6000.0 + 10.0 * k, z=z, age_s=age_s, is_new=new))
    assert value == pytest.approx(3 * 3 * 2.3026, abs=1e-3)  # three channels, three scans, -ln 0.1 each
    assert set(where) == {0, 1, 2}
