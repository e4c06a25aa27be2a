"""Clouds: a pure function, correlated in space, carried by the wind, thicker with more cover."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from rtcore.component import REGISTRY, rows_of
from rtcore.jit import kernel
from rtcore.plant.clouds import clearness, clearness_all, cover_at
from rtcore.plant.weather import Weather, init, step

KEY = np.uint64(20170621)
SIZE_M, LIFE_S, THICK, EDGE = 1500.0, 1200.0, 0.25, 0.05


@kernel
def field(key, x, y, t, cover, wind_x, wind_y, out):  # type: ignore[no-untyped-def]
    """Clearness at many places and times in a steady wind."""
    for i in range(out.shape[0]):
        out[i] = clearness(
            key, x[i], y[i], t[i], cover, wind_x * t[i], wind_y * t[i], 1500.0, 1200.0, 0.25, 0.05
        )


def look(x: object, y: object, t: object, cover: float, wind: tuple[float, float] = (0.0, 0.0), key=KEY):  # type: ignore[no-untyped-def]
    x, y, t = (np.ascontiguousarray(a, float) for a in np.broadcast_arrays(x, y, t))
    out = np.empty(x.size)
    field(key, x.ravel(), y.ravel(), t.ravel(), cover, *wind, out)
    return out.reshape(x.shape)


def places(n: int, spread_m: float = 200e3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    x, y = rng.uniform(-spread_m, spread_m, (2, n))
    return x, y


def test_the_same_key_gives_the_same_sky_and_another_key_another() -> None:
    x, y = places(2000)
    assert np.array_equal(look(x, y, 100.0, 0.5), look(x, y, 100.0, 0.5))
    other = look(x, y, 100.0, 0.5, key=np.uint64(20170622))
    assert abs(np.corrcoef(look(x, y, 100.0, 0.5), other)[0, 1]) < 0.1  # 4.5 / sqrt(2000)


def test_a_clear_sky_is_exactly_clear() -> None:
    x, y = places(500)
    assert np.all(look(x, y, 50.0, 0.0) == 1.0)
    assert np.all(look(x, y, 50.0, np.nan) == 1.0)


def test_clearness_stays_between_the_thick_of_a_cloud_and_its_bright_edge() -> None:
    x, y = places(20000)
    seen = np.concatenate([look(x, y, 0.0, c) for c in (0.1, 0.4, 0.7, 1.0)])
    assert seen.max() <= 1.0 + EDGE
    assert seen.max() > 1.0 + 0.5 * EDGE, "edges are bright"
    assert seen.min() >= 0.75 * THICK  # the darkest core
    assert seen.min() < THICK


def test_mean_clearness_falls_with_cover() -> None:
    x, y = places(20000)
    covers = [0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 1.0]
    means = [look(x, y, 0.0, c).mean() for c in covers]
    assert all(b < a for a, b in itertools.pairwise(means))
    assert means[-1] == pytest.approx(THICK, abs=0.005)


@pytest.mark.parametrize("cover", [0.2, 0.5, 0.8])
def test_cover_is_about_the_part_of_the_sky_under_cloud(cover: float) -> None:
    x, y = places(20000)
    shaded = np.mean(look(x, y, 0.0, cover) < 0.95)
    # edges are soft and the noise is uniform only nearly: a tenth of the sky either way
    assert shaded == pytest.approx(cover, abs=0.1)


def test_neighbours_see_the_same_cloud_and_distant_sites_do_not() -> None:
    x, y = places(20000)
    here = look(x, y, 0.0, 0.5)
    corr = {d: np.corrcoef(here, look(x + d, y, 0.0, 0.5))[0, 1] for d in (10, 100, 300, 700, 1500, 10000)}
    values = list(corr.values())
    assert all(b < a for a, b in itertools.pairwise(values[:5]))
    assert corr[10] > 0.99
    assert abs(corr[10000]) < 0.04  # 5 / sqrt(20000)


@pytest.mark.parametrize("wind", [(8.0, 0.0), (0.0, -12.0), (6.0, 6.0)])
def test_clouds_arrive_downwind_after_distance_over_speed(wind: tuple[float, float]) -> None:
    speed = float(np.hypot(*wind))
    distance_m = 600.0
    t = np.arange(0.0, 30000.0, 5.0)
    upwind = look(0.0, 0.0, t, 0.5, wind)
    there = look(distance_m * wind[0] / speed, distance_m * wind[1] / speed, t, 0.5, wind)
    lags = np.arange(0, 60)
    corr = [np.corrcoef(upwind[: len(t) - k], there[k:])[0, 1] for k in lags]
    best_s = 5.0 * int(np.argmax(corr))
    assert best_s == pytest.approx(distance_m / speed, abs=5.0)  # one sample
    assert max(corr) > 0.9, "a cloud changes little on its way"


def test_the_field_is_smooth_in_time_and_crosses_lattice_lines_without_a_jump() -> None:
    t = np.arange(0.0, 600.0, 0.01)
    seen = look(SIZE_M - 2.0, -SIZE_M + 1.0, t, 0.5, (10.0, 3.0))
    assert np.abs(np.diff(seen)).max() < 5e-3  # an edge of 100 m at 10 m/s takes 10 s


def test_a_cloud_changes_in_its_lifetime() -> None:
    x, y = places(5000)
    now = look(x, y, 0.0, 0.5)
    assert np.corrcoef(now, look(x, y, 10.0, 0.5))[0, 1] > 0.99
    assert np.corrcoef(now, look(x, y, 3 * LIFE_S, 0.5))[0, 1] < 0.1


def test_a_front_darkens_the_sites_one_after_the_other_and_passes() -> None:
    spec = REGISTRY["weather"]
    p = rows_of([Weather(wind_m_s=20.0, front_distance_m=2e3, front_width_m=200.0, front_depth_m=4e3)], spec)
    s = np.zeros(1, spec.state_dtype)
    init(p, s)
    s["front_start_s_sp"] = 10.0
    zero, x = np.zeros(2), np.array([0.0, 1000.0])
    y, out, dark_s, passed_s = np.zeros(2), np.zeros(2), [0.0, 0.0], [0.0, 0.0]
    for k in range(500):
        step(p, s, zero, zero, 0, 1, 0.0, k + 1.0, 1.0)
        clearness_all(p, s, KEY, x, y, k + 1.0, out)
        for i in range(2):
            cover = cover_at(p, s, x[i], y[i])
            assert 0.0 <= cover <= 1.0
            if cover > 0.5 and not dark_s[i]:
                dark_s[i] = k + 1.0
                assert out[i] < 1.0
            if dark_s[i] and cover == 0.0 and not passed_s[i]:
                passed_s[i] = k + 1.0
                assert out[i] == 1.0
    # (2000 m to the origin + half the width) at 20 m/s, 1000 m further 50 s later; one step of 1 s
    assert dark_s == [pytest.approx(10 + 105, abs=1.0), pytest.approx(10 + 155, abs=1.0)]
    assert passed_s[0] == pytest.approx(10 + (2000 + 4000 + 200) / 20, abs=1.0)


def test_all_sites_at_once_are_the_same_as_one_by_one() -> None:
    spec = REGISTRY["weather"]
    p, s = rows_of([Weather(cover=0.5)], spec), np.zeros(1, spec.state_dtype)
    init(p, s)
    step(p, s, np.zeros(2), np.zeros(2), 0, 1, 0.0, 30.0, 30.0)
    x, y = places(50, 5e3)
    out = np.zeros(50)
    clearness_all(p, s, KEY, x, y, 30.0, out)
    alone = [
        clearness(KEY, x[i], y[i], 30.0, 0.5, 240.0, 0.0, SIZE_M, LIFE_S, THICK, EDGE) for i in range(50)
    ]
    assert out == pytest.approx(alone, abs=1e-9)  # drift from sin(270 degrees)
