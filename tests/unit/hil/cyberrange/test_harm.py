"""Load that is lost is told from load that only draws otherwise."""

import numpy as np
import pytest

from hil.cyberrange.harm import Harm, harm
from hil.cyberrange.plant import PlantScan


def scan(branch_w: list[float], dead: list[bool]) -> PlantScan:
    """One scan of a plant of loads with one branch each."""
    none = np.zeros(0)
    w, is_dead = np.zeros((len(dead), 3)), np.zeros((len(dead), 3), bool)
    w[:, 0], is_dead[:, 0] = branch_w, dead
    return PlantScan(0.0, 0, none, none.astype(np.uint8), none.astype(complex), w, is_dead, 0, sum(dead))


def test_opened_load_is_not_supplied_and_the_others_draw_more_or_less() -> None:
    calm = [scan([1e6, 2e6, 3e6], [False, False, False])] * 2
    hurt = [scan([0.0, 2.1e6, 3e6], [True, False, False]), scan([0.0, 2.0e6, 2.9e6], [True, False, False])]
    found = harm(hurt, calm, 3600.0)
    assert found.deenergised_mw == pytest.approx(1.0)
    assert found.not_supplied_kwh == pytest.approx(2000.0)
    assert found.demand_change_kwh == pytest.approx(100.0 - 100.0)
    assert harm(hurt[:1], calm[:1], 3600.0).demand_change_kwh == pytest.approx(100.0)


def test_less_demand_at_a_lower_voltage_is_no_lost_load() -> None:
    calm, low = [scan([1e6], [False])], [scan([0.9e6], [False])]
    assert harm(low, calm, 3600.0) == Harm(0.0, 0.0, pytest.approx(-100.0))


def test_load_that_was_without_voltage_anyway_is_not_lost_by_the_attack() -> None:
    calm = [scan([0.0, 1e6], [True, False])]
    assert harm(calm, calm, 10.0) == Harm(0.0, 0.0, 0.0)
