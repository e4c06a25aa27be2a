"""Residual, innovation, EWMA, balance and command statistics, and the bank that holds them all."""

import copy

import numpy as np
import pytest

from estimation.detectors.balance import Area, Balance
from estimation.detectors.bank import NAMES, Bank
from estimation.detectors.chi2 import normal_score
from estimation.detectors.command import FLOOR, Command
from estimation.detectors.ewma import Ewma
from estimation.detectors.innovation import Innovation, LargestInnovation
from estimation.detectors.residual import LargestResidual, Objective
from estimation.detectors.scan import Change, ChangeKind, Layout, Scan


def scan_of(nu: np.ndarray, t_s: float = 0.0) -> Scan:
    return Scan(t_s=t_s, z=nu, age_s=np.zeros(nu.size), nu=nu)


@pytest.mark.parametrize(("dof", "quantile"), [(10, 23.21), (100, 135.8), (1000, 1107.0)])
def test_the_99_percent_quantile_of_chi_square_is_that_of_a_normal_score(dof: int, quantile: float) -> None:
    assert normal_score(quantile, dof) == pytest.approx(2.326, abs=0.02)  # accuracy of the cube root


def test_no_degrees_of_freedom_is_no_score() -> None:
    assert np.isnan(normal_score(3.0, 0))
    assert np.isnan(Objective().update(scan_of(np.zeros(2)))[0])


def test_the_largest_residual_names_its_channel() -> None:
    scan = Scan(t_s=0.0, z=np.zeros(3), age_s=np.zeros(3), lnr=5.0, lnr_channel=2)
    assert LargestResidual().update(scan) == (5.0, (2,))


def test_many_small_innovations_show_in_the_sum_and_one_large_in_the_largest() -> None:
    many, one = np.full(100, 1.5), np.zeros(100)
    one[7] = 6.0
    assert Innovation().update(scan_of(many))[0] > 6.0  # chi-square 225 of 100
    assert LargestInnovation().update(scan_of(many))[0] == 1.5
    assert LargestInnovation().update(scan_of(one)) == (6.0, (7, 0, 1, 2, 3))
    assert np.isnan(Innovation().update(scan_of(np.full(3, np.nan)))[0])


def test_ewma_of_white_noise_has_variance_one_and_grows_with_a_shift() -> None:
    rng, ewma, values = np.random.default_rng(1), Ewma(1), []
    for _ in range(5000):
        ewma.update(scan_of(rng.standard_normal(1)))
        values.append(ewma.e[0] / ewma.scale)
    # correlated over about 9 scans: 3 standard errors of the variance are 0.18
    assert np.var(values) == pytest.approx(1.0, abs=0.18)
    for _ in range(50):
        value, where = ewma.update(scan_of(np.array([1.0])))
    assert (value, where) == (pytest.approx(3.0, abs=1e-3), (0,))  # 1 / sqrt(0.2 / 1.8)


def test_a_meter_that_leaves_the_balance_of_its_area_is_noticed_and_load_is_not() -> None:
    rng = np.random.default_rng(1)
    balance = Balance([Area("feeder", np.array([0, 1, 2]), np.array([1.0, -1.0, -1.0]))])
    values = []
    for t in range(800):
        parts = 1e6 * (1.0 + 0.3 * np.sin(t / 100.0)) * np.array([0.4, 0.6]) + 500.0 * rng.standard_normal(2)
        head = 1.01 * parts.sum() + 500.0 * rng.standard_normal() + (8e3 if t >= 700 else 0.0)
        values.append(balance.update(Scan(t_s=10.0 * t, z=np.array([head, *parts]), age_s=np.zeros(3)))[0])
    assert np.nanmax(values[:700]) < 6.0
    assert max(values[700:710]) > 10.0  # 8 kW against 0.9 kW of noise, smoothed over some scans


def test_an_area_with_a_channel_missing_says_nothing_new() -> None:
    balance = Balance([Area("a", np.array([0]), np.ones(1))])
    assert np.isnan(balance.update(Scan(t_s=0.0, z=np.array([np.nan]), age_s=np.zeros(1)))[0])


def command_points(*changes: Change, step_s: float = 10.0) -> list[float]:
    command = Command()
    return [
        command.update(Scan(t_s=step_s * k, z=np.zeros(1), age_s=np.zeros(1), changes=(c,)))[0]
        for k, c in enumerate(changes)
    ]


def test_a_breaker_that_nobody_opened_is_an_alarm_and_an_explained_one_is_not() -> None:
    opened = Change(ChangeKind.BREAKER, "CB", 1.0, 0.0)
    assert command_points(opened)[0] > FLOOR
    for why in ("command", "protection"):
        assert command_points(Change(ChangeKind.BREAKER, "CB", 1.0, 0.0, why)) == [0.0]


def test_reclosing_by_protection_is_no_hunting() -> None:
    there, back = (
        Change(ChangeKind.BREAKER, "R", 1, 0, "protection"),
        Change(ChangeKind.BREAKER, "R", 0, 1, "protection"),
    )
    assert command_points(there, back, there, back) == [0.0] * 4


def test_taps_up_and_down_by_allowed_commands_become_an_alarm() -> None:
    up, down = Change(ChangeKind.TAP, "T", 0, 1, "command"), Change(ChangeKind.TAP, "T", 1, 0, "command")
    points = command_points(up, down, up, down, up)
    assert points[1] < FLOOR < points[-1]


def test_suspicion_fades() -> None:
    command = Command()
    opened = Change(ChangeKind.BREAKER, "CB", 1.0, 0.0)
    command.update(Scan(t_s=0.0, z=np.zeros(1), age_s=np.zeros(1), changes=(opened,)))
    value, _ = command.update(Scan(t_s=600.0, z=np.zeros(1), age_s=np.zeros(1)))
    assert value == pytest.approx(10.0 / np.e)
    assert command.suspects == ("CB",)


def test_a_copy_of_the_bank_goes_on_alone_and_gives_the_same() -> None:
    rng = np.random.default_rng(1)
    layout = Layout(names=list("abc"), groups={"g": np.arange(3)}, quantum=np.zeros(3), period_s=np.zeros(3))
    bank = Bank(layout)
    rows = rng.standard_normal((260, 3))
    for k in range(250):
        bank.update(Scan(t_s=10.0 * k, z=rows[k], age_s=np.zeros(3)))
    twin = copy.deepcopy(bank)
    a = [bank.update(Scan(t_s=10.0 * k, z=rows[k], age_s=np.zeros(3))) for k in range(250, 260)]
    b = [twin.update(Scan(t_s=10.0 * k, z=rows[k], age_s=np.zeros(3))) for k in range(250, 260)]
    assert tuple(a[0]) == NAMES
    assert str(a) == str(b)
    assert all(
        np.isfinite(a[-1][name][0]) for name in ("innovation", "cusum", "ewma", "freshness", "command")
    )


def test_the_bank_tells_new_values_from_old_ones_by_their_time_stamp() -> None:
    layout = Layout(names=["a"], groups={"g": np.arange(1)}, quantum=np.zeros(1), period_s=np.array([30.0]))
    bank = Bank(layout)
    for k in range(9):
        bank.update(Scan(t_s=10.0 * k, z=np.array([float(k // 3)]), age_s=np.array([10.0 * (k % 3)])))
    assert bank.predictor.n_seen[0] == 3
