"""All sites together: penetration takes sites in their order, totals add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcore.component import REGISTRY, ParameterError
from rtcore.plant import pv_inverter
from rtcore.plant.pv_fleet import PvFleet, enable, total

_REGISTERED = (pv_inverter,)  # importing a module declares its kind
FLEET, PV = REGISTRY["pv_fleet"], REGISTRY["pv"]


def fleet(n: int, penetration_pct: float) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    s, pv = np.zeros(1, FLEET.state_dtype), np.zeros(n, PV.state_dtype)
    s["penetration_pct_sp"] = penetration_pct
    enable(s, pv)
    return s, pv


@pytest.mark.parametrize(
    ("penetration_pct", "sites"),
    [
        (0.0, 0),
        (1.0, 0),
        (2.0, 1),
        (50.0, 20),
        (99.0, 40),
        (100.0, 40),
        (-5.0, 0),
        (250.0, 40),
        (math.nan, 0),
    ],
)
def test_penetration_is_the_share_of_sites_rounded_to_whole_ones(penetration_pct: float, sites: int) -> None:
    _, pv = fleet(40, penetration_pct)
    assert list(pv["is_enabled"]) == [1.0] * sites + [0.0] * (40 - sites)


@given(st.floats(0.0, 100.0), st.floats(0.0, 100.0), st.integers(0, 60))
def test_more_penetration_only_adds_sites(one: float, other: float, n: int) -> None:
    low, high = sorted((one, other))
    few, many = fleet(n, low)[1]["is_enabled"], fleet(n, high)[1]["is_enabled"]
    assert np.all(few <= many)


def test_totals_count_the_sites_that_take_part_and_every_watt_that_flows() -> None:
    s, pv = fleet(4, 50.0)
    pv["p_w"], pv["q_var"] = [1.0, 2.0, 4.0, 8.0], [0.1, 0.2, 0.4, 0.8]
    pv["p_avail_w"], pv["rating_va"], pv["is_tripped"] = [10.0] * 4, [100.0] * 4, [0.0, 1.0, 1.0, 0.0]
    total(s, pv)
    shown = {
        name: float(s[name][0])
        for name in ("p_w", "q_var", "p_avail_w", "rating_va", "n_enabled", "n_tripped")
    }
    assert shown == {
        "p_w": 15.0, "q_var": 1.5, "p_avail_w": 20.0, "rating_va": 200.0, "n_enabled": 2.0, "n_tripped": 1.0,
    }  # fmt: skip


def test_totals_do_not_add_up_over_time() -> None:
    s, pv = fleet(3, 100.0)
    pv["p_w"] = 5.0
    for _ in range(10):
        total(s, pv)
    assert (s["p_w"][0], s["n_enabled"][0]) == (15.0, 3.0)


@pytest.mark.parametrize("value", [-0.1, 100.1])
def test_an_impossible_penetration_is_refused_with_range_and_unit(value: float) -> None:
    with pytest.raises(ParameterError, match=r"penetration_pct = .* %: must be [<>]= (0|100) %"):
        PvFleet(penetration_pct=value)
