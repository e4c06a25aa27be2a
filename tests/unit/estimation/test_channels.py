"""How far off readings may be, against the instruments of the plant that make them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats

from estimation.channels import BIAS_SHARE, Accuracy, Channel, Contacts, Sigmas, Telemetry, cut_variance
from estimation.measurements import Kind, Measurement
from estimation.network_model import Status
from rtcore.instruments import draw_gain

N = 400_000
SPREAD = 4.0 / math.sqrt(2 * N)
"""Four standard errors of a standard deviation from N values: what chance may do."""
METER = Accuracy(
    class_frac=0.005, noise_frac=0.0005, noise_abs=0.4, quantum=2.0, cutoff=5.0, low=-1e5, high=1e5
)


def channel(accuracy: Accuracy, point: int = 0, name: str = "X") -> Channel:
    measurement = Measurement(name=name, kind=Kind.P_INJ, element="b", nodes=(1,))
    return Channel(measurement=measurement, point=point, factor=1.0, accuracy=accuracy)


@pytest.mark.parametrize("c", [0.5, 1.0, 3.0])
def test_variance_of_a_cut_normal_is_its_integral(c: float) -> None:
    inside, _ = integrate.quad(lambda z: z * z * stats.norm.pdf(z), -c, c)
    assert cut_variance(c) == pytest.approx(inside + 2 * c * c * stats.norm.sf(c), rel=1e-9)


def test_bias_is_the_one_that_the_instruments_draw() -> None:
    gains = draw_gain(np.full(N, 0.006), np.random.default_rng(1)) - 1.0
    assert np.std(gains) == pytest.approx(0.006 * BIAS_SHARE, rel=SPREAD)


@pytest.mark.parametrize("true", [60.0, 3_000.0, -47_000.0])
def test_sigma_is_the_spread_of_many_instruments(true: float) -> None:
    """The instrument as ``rtcore.instruments`` states it, drawn anew every time; the true value moves."""
    rng = np.random.default_rng(2)
    at = true + METER.quantum * rng.random(N)  # anywhere between two steps
    moved = 0.01 * abs(true) * rng.standard_normal(N)
    gain = draw_gain(np.full(N, METER.class_frac), rng)
    noise = (METER.noise_frac * abs(true) + METER.noise_abs) * rng.standard_normal(N)
    seen = np.rint((gain * at + noise + moved) / METER.quantum) * METER.quantum
    sigma = METER.sigma(true, rate_per_s=0.01 * abs(true) / 30.0, age_s=30.0)
    assert float(sigma) == pytest.approx(
        np.std(seen - at), rel=SPREAD + 0.01
    )  # 1 %: the quantum is 3 % of 60


def test_a_reading_of_zero_says_only_that_the_true_value_is_below_the_cutoff() -> None:
    uniform = np.random.default_rng(3).uniform(-METER.cutoff, METER.cutoff, N)
    error = np.hypot(np.std(uniform), METER.quantum / math.sqrt(12.0))
    assert float(METER.sigma(0.0)) == pytest.approx(error, rel=SPREAD)


def test_no_sigma_is_below_the_floor() -> None:
    exact = Accuracy(floor=0.2)
    assert exact.sigma([0.0, 5.0, -1e6]).tolist() == [0.2, 0.2, 0.2]


def test_readings_at_the_end_of_the_range_count_for_nothing() -> None:
    volts = Accuracy(class_frac=0.003, low=0.0, high=156.0, cutoff=1.0)
    sigma = volts.sigma([0.0, 120.0, 156.0, 170.0])
    assert np.isfinite(sigma).tolist() == [True, True, False, False]
    assert np.isfinite(METER.sigma([-1e5, -9e4])).tolist() == [False, True]


def test_a_reading_at_an_end_or_beyond_is_told_with_what_an_instrument_there_would_have() -> None:
    kinds = [METER, METER, METER, Accuracy(class_frac=0.003, low=0.0, high=156.0), Accuracy(class_frac=0.01)]
    sigmas = Sigmas([channel(a) for a in kinds])
    read = [METER.high * 1e12, METER.low, METER.high / 2.0, 0.0, math.inf]
    end = sigmas.end(read)
    assert end[:2].tolist() == [METER.high, METER.low]
    assert np.isnan(end[2:4]).all()  # a zero is what a dead place reads, and no end
    assert end[4] == math.inf  # no range: only infinity is beyond
    at_end = sigmas.inside([METER.high, METER.low, 0.0, 0.0, 0.0])
    near = [float(METER.sigma(x * (1.0 - 1e-9))) for x in (METER.high, METER.low)]
    assert at_end[:2].tolist() == pytest.approx(near, rel=1e-6)  # sigma goes on steadily up to the end


def test_missing_readings_have_no_sigma() -> None:
    assert math.isnan(METER.sigma(math.nan))


def test_what_never_came_is_infinitely_uncertain_unless_it_stands_still() -> None:
    assert METER.sigma(1_000.0, rate_per_s=1.0, age_s=math.inf) == math.inf
    assert float(METER.sigma(1_000.0, age_s=math.inf)) == float(METER.sigma(1_000.0))


def test_many_channels_at_once_are_the_same_as_one_by_one() -> None:
    kinds = [METER, Accuracy(class_frac=0.01), Accuracy(quantum=0.1, cutoff=1.0), Accuracy(floor=3.0)]
    rng = np.random.default_rng(4)
    value, rate, age = rng.normal(0, 1e3, 4), rng.normal(0, 1, 4), rng.uniform(0, 900, 4)
    together = Sigmas([channel(a) for a in kinds]).at(value, rate, age)
    one_by_one = [float(a.sigma(v, r, t)) for a, v, r, t in zip(kinds, value, rate, age, strict=True)]
    assert together.tolist() == one_by_one


TELEMETRY = Telemetry(
    name="t",
    channels=(channel(METER, 5), channel(METER, -1, "pseudo")),
    statuses={"gang": Contacts(points=(0,)), "fuse": Contacts(points=(1, 2), closed_at=0.0)},
    taps={"reg": 3},
    capacitors={"cap": 4},
)
NOMINAL = Status({"gang": True, "fuse": True, "other": False}, {"reg": 0}, {"cap": True})


def test_telemetry_knows_its_points() -> None:
    assert TELEMETRY.points == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("values", "of"),
    [
        (
            [1, 0, 0, -4, 0, 0],
            lambda s: (s.switches["gang"], s.switches["fuse"], s.taps["reg"], s.capacitors["cap"]),
        ),
    ],
)
def test_positions_are_read_pole_by_pole(values: list[float], of: Callable[[Status], object]) -> None:
    seen = TELEMETRY.status(values, NOMINAL)
    assert of(seen) == (True, (True, True), -4, False)
    assert TELEMETRY.status([0, 0, 1, 0, 1, 0], NOMINAL).switches == {
        "gang": False,
        "fuse": (True, False),
        "other": False,
    }


def test_unknown_positions_stay_as_they_are_taken_otherwise() -> None:
    nothing = [math.nan] * 6
    assert TELEMETRY.status(nothing, NOMINAL) == NOMINAL
