"""Weather: rows between their samples, setpoints, wind drift, the front's way."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.plant.weather import Weather, init, step

SPEC = REGISTRY["weather"]
POA, AMBIENT = np.array([0.0, 400.0, 1000.0]), np.array([10.0, 14.0, 20.0])


class Rig:
    def __init__(self, **params: float) -> None:
        self.p = rows_of([Weather(**params)], SPEC)
        self.s = np.zeros(1, SPEC.state_dtype)
        init(self.p, self.s)
        self.t_s = 0.0

    def __getattr__(self, name: str) -> float:
        return float(self.s[name][0])

    def step(self, dt_s: float = 1.0, n: int = 1, row: int = 0, fraction: float = 0.0) -> None:
        for _ in range(n):
            self.t_s += dt_s
            step(self.p, self.s, POA, AMBIENT, row, row + 1, fraction, self.t_s, dt_s)


@pytest.mark.parametrize(
    ("row", "fraction", "poa", "ambient"),
    [(0, 0.0, 0.0, 10.0), (0, 0.25, 100.0, 11.0), (1, 0.5, 700.0, 17.0)],
)
def test_rows_are_mixed_linearly(row: int, fraction: float, poa: float, ambient: float) -> None:
    rig = Rig()
    rig.step(row=row, fraction=fraction)
    assert (rig.poa_clear_w_m2, rig.ambient_degc) == (pytest.approx(poa), pytest.approx(ambient))


def test_the_offset_warms_the_air() -> None:
    rig = Rig()
    rig.s["ambient_offset_k_sp"] = 12.5
    rig.step()
    assert rig.ambient_degc == 22.5


@pytest.mark.parametrize(
    ("come_from", "east", "north"), [(270.0, 1, 0), (0.0, 0, -1), (90.0, -1, 0), (180.0, 0, 1)]
)
def test_wind_carries_the_clouds_away_from_where_it_comes(
    come_from: float, east: float, north: float
) -> None:
    rig = Rig(wind_m_s=10.0, wind_from_deg=come_from)
    rig.step(dt_s=0.5, n=20)
    assert rig.drift_x_m == pytest.approx(100.0 * east, abs=1e-9)
    assert rig.drift_y_m == pytest.approx(100.0 * north, abs=1e-9)


def test_a_change_of_the_wind_turns_the_drift_without_a_jump() -> None:
    rig = Rig(wind_m_s=10.0)
    rig.step(n=3600)
    before = rig.drift_x_m
    rig.s["wind_m_s_sp"], rig.s["wind_from_deg_sp"] = 20.0, 180.0
    rig.step()
    assert rig.drift_x_m == pytest.approx(before, abs=1e-9)
    assert rig.drift_y_m == pytest.approx(20.0, abs=1e-9)


@pytest.mark.parametrize("dt_s", [0.25, 1.0, 7.0])
def test_a_front_sets_out_at_its_time_and_goes_with_the_wind(dt_s: float) -> None:
    rig = Rig(wind_m_s=10.0)
    rig.s["front_start_s_sp"] = 60.5
    rig.step(dt_s=dt_s, n=round(56.0 / dt_s))
    assert rig.front_m == 0.0
    rig.step(dt_s=dt_s, n=round(70.0 / dt_s))
    assert rig.front_m == pytest.approx(10.0 * (rig.t_s - 60.5), abs=1e-9)  # exact inside the first step
    assert (rig.front_x, rig.front_y) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-12))
    rig.s["wind_from_deg_sp"] = 0.0
    rig.step(dt_s=dt_s)
    assert rig.front_x == pytest.approx(1.0)  # keeps its direction
    rig.s["front_start_s_sp"] = -1.0
    rig.step(dt_s=dt_s)
    assert rig.front_m == 0.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_bad_setpoints_do_not_stick(bad: float) -> None:
    rig = Rig(cover=0.3)
    rig.step()
    for name in ("cover_sp", "wind_m_s_sp", "wind_from_deg_sp", "ambient_offset_k_sp", "front_start_s_sp"):
        rig.s[name] = bad
    rig.step()
    outputs = [n for n in SPEC.state_dtype.names or () if not n.endswith("_sp")]
    assert all(math.isfinite(rig.s[n][0]) for n in outputs)
    rig.s["cover_sp"], rig.s["wind_m_s_sp"], rig.s["ambient_offset_k_sp"] = 0.7, 5.0, 0.0
    rig.step()
    assert (rig.cover, rig.wind_m_s, rig.ambient_degc) == (0.7, 5.0, 10.0)


@pytest.mark.parametrize(("name", "value"), [("cover", 1.1), ("wind_m_s", -1), ("cloud_m", 0), ("edge", 0.2)])
def test_impossible_parameters_are_refused(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=rf"weather\.{name}"):
        Weather(**{name: value})
