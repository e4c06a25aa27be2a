"""The delay of the connection: its distribution, and whether the interval made of it holds the truth."""

from pathlib import Path

import numpy as np
import pytest

from hil.relaytest.runner import run
from hil.relaytest.uncertainty import calibration, delays_s, poll_period_s
from tests.unit.hil.relaytest.plans import HEAD, plan_of
from tests.unit.hil.relaytest.sim_bench import SimBench
from tests.unit.hil.relaytest.toy_relay import ToyRelay

DT_S = 0.001


def test_delay_of_a_step_counts_to_the_first_echo_of_it_or_a_later_one() -> None:
    # tokens 0..6; the device polls at 2 and 5 and its echoes arrive two steps later
    found = delays_s([(2, 4), (5, 7)], DT_S, 7)
    assert found == pytest.approx([0.004, 0.003, 0.002, 0.004, 0.003, 0.002])


def test_echoes_out_of_order_and_twice_change_nothing() -> None:
    assert delays_s([(5, 7), (2, 4), (2, 5), (5, 8)], DT_S, 6) == delays_s([(2, 4), (5, 7)], DT_S, 6)


def test_poll_period_is_read_from_the_saw_tooth() -> None:
    delays = [(2 + (7 - k) % 8) * DT_S for k in range(80)]
    assert poll_period_s(delays, DT_S) == pytest.approx(0.008)


def test_coverage_that_few_delays_allow_is_stated() -> None:
    few, many = calibration([0.01, 0.02, 0.03], None, DT_S), calibration([0.01] * 5000, None, DT_S)
    assert few.coverage == 0.5  # three values: the true one lies outside in half the cases
    # rank 25 of 5001 at either end
    assert many.coverage == pytest.approx(0.99, abs=2e-4)


def test_no_token_means_nothing_is_known() -> None:
    cal = calibration([], [], DT_S)
    assert not cal.is_known
    assert not cal.has_drifted
    assert "nothing is known" in cal.budget()[0][2]


def test_connection_that_changed_or_stopped_has_drifted() -> None:
    rng = np.random.default_rng(3)
    before, same, slower = (rng.uniform(0.0, 0.01, 4000) + shift for shift in (0.0, 0.0, 0.004))
    assert not calibration(before.tolist(), same.tolist(), DT_S).has_drifted
    assert calibration(before.tolist(), slower.tolist(), DT_S).has_drifted
    assert calibration(before.tolist(), [], DT_S).has_drifted


def test_silence_is_named_and_not_taken_for_a_delay() -> None:
    cal = calibration([0.003] * 3000 + [0.003 + 0.001 * k for k in range(2000)], None, DT_S)
    assert cal.silent_s == pytest.approx(2.002)
    assert cal.max_s <= 0.5


def test_a_dead_time_that_fills_most_of_a_calibration_is_still_silence() -> None:
    polls = [0.005 - 0.001 * (k % 5) for k in range(1000)]
    dead = [0.001 * (2000 - k) for k in range(2000)]  # most of the delays are the dead time's
    cal = calibration([*polls, *dead, *polls], None, DT_S)
    assert cal.silent_limit_s == 0.5
    assert cal.silent_s == pytest.approx(2.0)
    # a device that polls every 2 s answers in its own time
    slow = [2.0 - 0.001 * (k % 2000) for k in range(20_000)]
    assert calibration(slow, None, DT_S).silent_s == 0.0


def test_budget_names_every_part_of_the_way() -> None:
    cal = calibration([0.003, 0.002, 0.001] * 400, [0.003, 0.002, 0.001] * 400, DT_S)
    terms = [term for term, _, _ in cal.budget()]
    assert terms[0] == "step"
    assert {
        "publish, exchange, device's pass, return",
        "poll phase",
        "correction",
        "drift",
        "half-width",
    } < set(terms)


@pytest.mark.parametrize("poll_s", [0.005, 0.02])
def test_interval_holds_the_devices_own_time_in_98_to_100_percent_and_is_no_wider_than_it_must(
    tmp_path: Path, poll_s: float
) -> None:
    plan = plan_of(
        tmp_path,
        "[connection]\ncalibrate_s = 10.0\n"
        '[[test]]\nkind = "trip_time"\nname = "t"\nmultiples = [10]\nrepeats = 500\n'
        "prefault_s = 0.05\npause_s = 0.1\n",
        HEAD.replace("0.1", "0.05"),
    )
    relay = ToyRelay(tms=0.05)
    result = run(plan, SimBench(relay, poll_s=poll_s, seed=11)).tests[0]
    truth = [b - a for a, b in relay.log]
    readings = [s.readings[0] for s in result.shots]
    assert len(readings) == len(truth) == 500
    n_inside = sum(r.low <= t <= r.high for r, t in zip(readings, truth, strict=True))
    # 99 % of 500 is 495; 490 is more than two standard deviations (2.2 each) below
    assert n_inside >= 490
    # not overstated: the errors themselves fill most of the interval
    errors = np.array([r.measured - t for r, t in zip(readings, truth, strict=True)])
    width_s = readings[0].high - readings[0].low
    # steps of 1 ms at both ends of a spread of 5 ms leave a fifth of it to the grid
    assert np.ptp(errors) > 0.7 * width_s
    # the mean error is that of 500 draws of a spread of a poll: a tenth of it is far beyond chance
    assert abs(errors.mean()) < 0.1 * poll_s + 0.5 * DT_S


def test_half_width_at_1_ms_step_and_5_ms_poll_is_below_15_ms(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, '[[test]]\nkind = "trip_time"\nname = "t"\nmultiples = [10]\n')
    cal = run(plan, SimBench(ToyRelay())).tests[0].calibration
    assert cal is not None
    assert cal.half_width_s < 0.015
    # 4 ms mean of poll phase 0 to 5 ms, exchange, and the wait for a step
    assert cal.poll_s == pytest.approx(0.005, rel=0.05)
