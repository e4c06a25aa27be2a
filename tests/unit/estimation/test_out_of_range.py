"""Readings at an end of their range: true ones, and those that the other measurements rule out."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from estimation.bad_data import Removed, largest
from estimation.out_of_range import RN_MAX, impossible
from estimation.telemetry_scan import TelemetryScan
from rtcore.quality import Quality
from tests.support.estimation_rig import Rig, rig

HEAD_P = "FDR_B.HEAD.P"


@pytest.fixture(scope="module")
def station() -> Rig:
    return rig("sections")


@pytest.fixture(scope="module")
def clean(station: Rig) -> np.ndarray:
    return station.draw(np.random.default_rng(11))[0]


@pytest.fixture(scope="module")
def scan(station: Rig) -> TelemetryScan:
    return station.fresh_scan()


def index(station: Rig, name: str) -> int:
    return next(k for k, c in enumerate(station.telemetry.channels) if c.measurement.name == name)


def found(scan: TelemetryScan, station: Rig, z: np.ndarray, quality: Quality) -> tuple[Removed, ...]:
    """What is found out of range in one scan; readings that are no finite number have this quality."""
    reading = station.reading(z)
    at = [c.point for c in station.telemetry.channels]
    qualities = reading.quality.copy()
    qualities[at] = np.where(np.isfinite(reading.values[at]), int(Quality.GOOD), int(quality))
    taken = scan.take(reading.sim_ns, reading.values, qualities, np.zeros(len(reading.values)))
    estimate = scan.estimate(taken)
    assert estimate.converged
    return impossible(scan, taken, estimate)


def with_ends(station: Rig, channel: int, low: float, high: float) -> TelemetryScan:
    """The station's telemetry with another range of one instrument [SI]."""
    channels = list(station.telemetry.channels)
    accuracy = dc.replace(channels[channel].accuracy, low=low, high=high)
    channels[channel] = dc.replace(channels[channel], accuracy=accuracy)
    telemetry = dc.replace(station.telemetry, channels=tuple(channels))
    return TelemetryScan(station.plan.network, telemetry, station.scan.pseudo)


def test_values_far_beyond_the_range_are_gross_errors_and_clean_ones_are_none(
    station: Rig, scan: TelemetryScan, clean: np.ndarray
) -> None:
    assert found(scan, station, clean, Quality.GOOD) == ()
    wrong = {HEAD_P: 1e12, "FDR_A.HEAD.VA": 1e6, "FDR_C.HEAD.Q": -1e9}
    z = clean.copy()
    for name, factor in wrong.items():
        z[index(station, name)] *= factor
    named = found(scan, station, z, Quality.GOOD)
    assert {one.index for one in named} == {index(station, name) for name in wrong}
    assert [abs(one.rn) for one in named] == sorted((abs(one.rn) for one in named), reverse=True)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_reading_is_a_gross_error_unless_it_is_told_to_be_bad(
    station: Rig, scan: TelemetryScan, clean: np.ndarray, value: float
) -> None:
    z, k = clean.copy(), index(station, HEAD_P)
    z[k] = value
    (named,) = found(scan, station, z, Quality.GOOD)
    assert named.index == k
    assert np.sign(named.rn) == np.sign(value)
    assert found(scan, station, z, Quality.BAD_SENSOR) == ()


def test_where_no_range_is_known_infinity_alone_is_beyond_it(station: Rig, clean: np.ndarray) -> None:
    z, k = clean.copy(), index(station, HEAD_P)
    z[k] = np.inf
    (unbounded,) = found(with_ends(station, k, -np.inf, np.inf), station, z, Quality.GOOD)
    assert (unbounded.index, abs(unbounded.rn)) == (k, RN_MAX)


def test_an_instrument_whose_range_is_too_small_for_the_true_value_is_not_suspected(
    station: Rig, clean: np.ndarray
) -> None:
    z, k = clean.copy(), index(station, HEAD_P)
    for share in (0.5, 0.999):  # far beyond the end, and just beyond
        end = share * clean[k]
        z[k] = end
        assert found(with_ends(station, k, -end, end), station, z, Quality.GOOD) == ()


def test_the_statistic_is_the_normalised_residual_of_a_reading_of_the_end(
    station: Rig, clean: np.ndarray
) -> None:
    z, k = clean.copy(), index(station, HEAD_P)
    end = clean[k] + 15.0 * station.sigma[k]
    z[k] = end
    (named,) = found(with_ends(station, k, -end, end), station, z, Quality.GOOD)
    within = with_ends(station, k, -2.0 * end, 2.0 * end)
    reading = station.reading(z)
    taken = within.take(reading.sim_ns, reading.values, reading.quality, np.zeros(len(reading.values)))
    candidates = largest(within.estimator, within.estimate(taken))
    assert candidates.which[0] == k
    # the same in a linear network; a step of 15 sigma moves derivatives by less than a percent
    assert named.rn == pytest.approx(candidates.rn[0], rel=0.01)
