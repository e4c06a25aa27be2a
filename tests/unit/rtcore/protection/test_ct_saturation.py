"""Saturation of current transformers: formulas, the clamped simulation, and the table that relays use."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.protection import ct_saturation as ct
from tests.support.overcurrent_rig import VECTORS

F_HZ = 60.0
NEVER = math.inf

_SATURATION = VECTORS["ct_saturation"]
TIME_TO_SATURATION = [
    (row["x_over_r"], row["ks"], NEVER if row["t_s"] is None else row["t_s"])
    for row in _SATURATION["time_to_saturation"]
]
CLAMPED = [(row["x_over_r"], row["ks"], row["t_s"]) for row in _SATURATION["flux_clamped_simulation_s"]]
CYCLES = _SATURATION["fundamental_pu"]["cycle"]
FUNDAMENTAL = [(row["x_over_r"], row["ks"], row["pu"]) for row in _SATURATION["fundamental_pu"]["rows"]]
DC_OFFSET = [tuple(row.values()) for row in VECTORS["dc_offset"]]

SAMPLED = 5e-3
"""The reference rows are a sampled simulation that lets the flux pass its knee by up to one sample;
halving the step of such a simulation moves its rows by as much. Ours is exact between samples."""


def tables_of(*x_over_r: float) -> ct.SaturationTables:
    return ct.tables(np.array([(x,) for x in x_over_r], [("x_over_r", "f8")]), F_HZ)


@pytest.fixture(scope="module")
def tables() -> ct.SaturationTables:
    return tables_of(15.0, 10.0, 15.0)


@pytest.mark.parametrize(("x_over_r", "ks", "t_s"), TIME_TO_SATURATION)
def test_time_to_saturation_is_that_of_the_formula(x_over_r: float, ks: float, t_s: float) -> None:
    # 1e-6: both are the same formula, written with 12 digits
    assert ct.time_to_saturation_s(x_over_r, ks, F_HZ) == pytest.approx(t_s, rel=1e-6)


@pytest.mark.parametrize(("x_over_r", "tau_s", "peak", "rms"), DC_OFFSET)
def test_offset_has_the_time_constant_peak_and_rms_of_the_formulas(
    x_over_r: float, tau_s: float, peak: float, rms: float
) -> None:
    # 1e-6: both are the same formulas, written with 12 digits
    assert ct.time_constant_s(x_over_r, F_HZ) == pytest.approx(tau_s, rel=1e-6)
    assert ct.peak_factor(x_over_r) == pytest.approx(peak, rel=1e-6)
    assert ct.half_cycle_rms_factor(x_over_r) == pytest.approx(rms, rel=1e-6)


@pytest.mark.parametrize(("x_over_r", "ks", "t_s"), CLAMPED)
def test_clamped_flux_reaches_the_knee_when_the_reference_simulation_does(
    x_over_r: float, ks: float, t_s: float
) -> None:
    # The reference counts whole samples of 20 us.
    assert ct.first_clamp_s(x_over_r, ks, F_HZ) == pytest.approx(t_s, abs=2e-5)


@settings(deadline=None, max_examples=30)
@given(x_over_r=st.floats(1.0, 30.0), share=st.floats(0.01, 1.2))
def test_the_formula_is_never_later_than_the_simulation(x_over_r: float, share: float) -> None:
    ks = 1.0 + share * x_over_r
    formula_s, simulated_s = (
        ct.time_to_saturation_s(x_over_r, ks, F_HZ),
        ct.first_clamp_s(x_over_r, ks, F_HZ, 1e-5),
    )
    assert formula_s <= simulated_s
    assert (formula_s == NEVER) == (share >= 1.0) or simulated_s == NEVER


@pytest.mark.parametrize(("x_over_r", "ks", "pu"), FUNDAMENTAL)
def test_fundamental_of_every_cycle_is_that_of_the_reference(
    x_over_r: float, ks: float, pu: list[float]
) -> None:
    secondary, _ = ct.fundamental(x_over_r, np.array([float(ks)]), F_HZ, 13.0)
    at = [(n + 1) * ct.PER_CYCLE for n in CYCLES]  # the window of cycle n ends with it
    assert secondary[0, at] == pytest.approx(pu, abs=SAMPLED)


@pytest.mark.parametrize(("x_over_r", "ks", "pu"), FUNDAMENTAL)
def test_factor_of_every_cycle_is_that_of_the_reference(
    x_over_r: float, ks: float, pu: list[float], tables: ct.SaturationTables
) -> None:
    r = [15, 10].index(x_over_r)
    # The factor leaves out what a plain DFT takes from the offset (0.3 % at most, also in the rows); the
    # difference to the rows stays within their own error. The table is read between two of its own rows, and
    # X/R 10, Ks 5 is where the first peak of the flux just misses the knee: 0.005 more.
    assert [ct.factor(tables, r, ks, (n + 1) / F_HZ) for n in CYCLES] == pytest.approx(pu, abs=SAMPLED + 5e-3)


def test_current_is_zero_while_the_core_is_saturated_and_the_primary_one_otherwise() -> None:
    t_s = np.arange(0, 0.2, 1e-5)
    clamped, free = ct.flux(10.0, np.array([5.0]), t_s, F_HZ)
    moved, true = np.diff(clamped[0]), np.diff(free)
    assert clamped.max() <= 5.0 + 1e-12
    at_knee = (clamped[0, 1:] >= 5.0 - 1e-12) & (clamped[0, :-1] >= 5.0 - 1e-12)
    assert at_knee.any()
    # 1e-12: differences of numbers of the size of 5
    assert np.abs(moved[at_knee]).max() < 1e-12
    inside = clamped[0, 1:] < 5.0 - 1e-9
    assert np.abs(moved - true)[inside & (clamped[0, :-1] < 5.0 - 1e-9)].max() < 1e-12


@pytest.mark.parametrize("x_over_r", [0.5, 3.7, 15.0])
def test_a_factor_is_one_until_saturation_and_again_at_the_end(x_over_r: float) -> None:
    ks = ct.ks_points(x_over_r)
    table = ct.fundamental_table(x_over_r, ks, F_HZ)
    t_s = np.arange(table.shape[1]) / (ct.PER_CYCLE * F_HZ)
    for row, k in zip(table, ks, strict=True):
        before = t_s < ct.time_to_saturation_s(x_over_r, k, F_HZ) - 1.0 / (ct.PER_CYCLE * ct.SUB_STEPS * F_HZ)
        assert row[before] == pytest.approx(1.0, abs=1e-9)  # rounding of two sums
    # 0.1 %: what is left of the offset after 8 T1 is 0.03 %, and the core passes on more than half
    assert table[:, -1] == pytest.approx(1.0, abs=1e-3)
    assert table[-1] == pytest.approx(1.0, abs=1e-9)  # Ks = 1 + X/R
    if x_over_r > 1.0:
        assert table.min() < 0.5


@settings(deadline=None)  # the first call compiles
@given(share=st.floats(-0.1, 1.3), t_s=st.floats(-0.1, 1.0), r=st.sampled_from([0, 1, 2]))
def test_a_factor_lies_between_zero_and_little_more_than_one(
    share: float, t_s: float, r: int, tables: ct.SaturationTables
) -> None:
    x_over_r = (15.0, 10.0, 15.0)[r]
    value = ct.factor(tables, r, 1.0 + share * x_over_r, t_s)
    assert 0.05 < value < 1.06  # a saturated core can show 4 % more: the DFT of what is left
    if share >= 1.0 or t_s < 0.0 or t_s > ct.END_T1 * ct.time_constant_s(x_over_r, F_HZ) + 3.0 / F_HZ:
        assert value == 1.0


def test_between_the_rows_of_a_table_the_factor_is_off_by_2_percent_at_most(
    tables: ct.SaturationTables,
) -> None:
    ks = 1.0 + 15.0 * np.linspace(0.003, 0.997, 97)
    exact = ct.fundamental_table(15.0, ks, F_HZ)
    worst = [
        max(abs(ct.factor(tables, 0, k, j * tables.dt_s) - row[j]) for j in range(len(row) - 1))
        for k, row in zip(ks, exact, strict=True)
    ]
    # Saturation begins at another moment in every row and shows at once: linear between two rows.
    assert max(worst) < 0.025
    assert np.median(worst) < 0.005


def test_relays_with_one_x_over_r_share_a_table(tables: ct.SaturationTables) -> None:
    assert tables.row.tolist() == [1, 0, 1]
    assert tables.x_over_r.tolist() == [10.0, 15.0]
    assert ct.factor(tables, 0, 5.0, 2.0 / F_HZ) == ct.factor(tables, 2, 5.0, 2.0 / F_HZ)
    assert ct.factor(tables, 0, 5.0, 2.0 / F_HZ) < ct.factor(tables, 1, 5.0, 2.0 / F_HZ)


@pytest.mark.parametrize(
    ("ks", "t_s"), [(math.nan, 0.03), (5.0, math.nan), (math.inf, 0.03), (5.0, math.inf), (5.0, -math.inf)]
)
def test_what_is_no_number_makes_no_saturation(ks: float, t_s: float, tables: ct.SaturationTables) -> None:
    assert ct.factor(tables, 0, ks, t_s) == 1.0


def test_a_current_beyond_the_knee_counts_as_one_at_the_knee(tables: ct.SaturationTables) -> None:
    assert ct.factor(tables, 0, 0.2, 0.03) == ct.factor(tables, 0, 1.0, 0.03)


def test_no_relays_need_no_tables() -> None:
    assert tables_of().row.shape == (0,)


def test_saturation_factor_is_knee_over_the_secondary_voltage() -> None:
    assert ct.saturation_factor(200.0, 50.0, 0.8) == 5.0
