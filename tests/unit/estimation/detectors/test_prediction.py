"""What is left after the prediction is white and of variance 1, whatever kind of channel it is."""

import numpy as np
import pytest

from estimation.detectors.prediction import WARM_SCANS, Predictor
from estimation.detectors.scan import Floats

N = 4000


def ripple(rng: np.random.Generator, n: int, keep: float) -> Floats:
    x = np.zeros(n)
    for t in range(1, n):
        x[t] = keep * x[t - 1] + np.sqrt(1.0 - keep * keep) * rng.standard_normal()
    return x


def innovations(z: Floats, switched: int = -1) -> Floats:
    predictor, new = Predictor(np.zeros(z.shape[1])), np.ones(z.shape[1], bool)
    return np.array([predictor.update(row, new, is_switched=t == switched) for t, row in enumerate(z)])


@pytest.fixture(scope="module")
def channels() -> Floats:
    """White noise; ripple as customers have it; ripple on a load that climbs by 20 % an hour."""
    rng, t = np.random.default_rng(1), np.arange(N)
    keep = np.exp(-10.0 / 60.0)
    white, slow = rng.standard_normal(N), ripple(rng, N, keep)
    return np.column_stack(
        (100.0 + white, 100.0 + slow, 100.0 + 20.0 / 360.0 * t / 5.0 + ripple(rng, N, keep))
    )


def test_nothing_is_said_before_enough_is_learned(channels: Floats) -> None:
    nu = innovations(channels[: WARM_SCANS + 2])
    assert np.isnan(nu[:WARM_SCANS]).all()
    assert np.isfinite(nu[WARM_SCANS + 1]).all()


def test_innovations_are_white_and_of_variance_one(channels: Floats) -> None:
    nu = innovations(channels)[1000:]
    # 3000 samples: 3 standard errors of a variance are 8 %, of a correlation 0.055; learning adds as much
    assert nu.var(axis=0) == pytest.approx(np.ones(3), abs=0.15)
    correlation = [np.corrcoef(x[1:], x[:-1])[0, 1] for x in nu.T]
    assert np.abs(correlation).max() < 0.1


def test_a_jump_stands_out_at_its_first_scan_and_ripple_is_seen_through(channels: Floats) -> None:
    z = channels.copy()
    z[3000:, 1] += 4.0  # in standard deviations of the ripple; of its innovation 4 / 0.53
    nu = innovations(z)
    assert nu[3000, 1] == pytest.approx(4.0 / np.sqrt(1.0 - np.exp(-20.0 / 60.0)), abs=3.5)
    assert abs(nu[3000, 0]) < 4.5


def test_a_jump_that_a_switching_explains_is_no_innovation(channels: Floats) -> None:
    z = channels.copy()
    z[3000:] += 50.0
    nu = innovations(z, switched=3000)
    assert np.isnan(nu[3000]).all()
    assert np.abs(nu[3001:3100]).max() < 5.0


def test_an_attack_teaches_little(channels: Floats) -> None:
    z = channels.copy()
    z[3000:3030, 0] += 100.0
    predictor, new = Predictor(np.zeros(3)), np.ones(3, bool)
    for row in z[:3000]:
        predictor.update(row, new)
    before = predictor.s[0]
    for row in z[3000:3030]:
        predictor.update(row, new)
    # 30 innovations clipped at 4 sigma in a memory of 1000 scans: 1 + 30 * 16 / 1000
    assert predictor.s[0] < 1.6 * before


def test_a_channel_without_a_new_value_keeps_its_state(channels: Floats) -> None:
    predictor = Predictor(np.zeros(3))
    for row in channels[:500]:
        predictor.update(row, np.ones(3, bool))
    level = predictor.level.copy()
    nu = predictor.update(channels[500], np.array([True, False, True]))
    assert np.isnan(nu[1])
    assert predictor.level[1] == level[1]
    assert np.isnan(predictor.update(np.array([np.nan, 100.0, 100.0]), np.ones(3, bool))[0])


def test_a_channel_that_never_moves_makes_no_error() -> None:
    nu = innovations(np.full((400, 1), 7.0))
    assert np.nanmax(np.abs(nu)) == 0.0
