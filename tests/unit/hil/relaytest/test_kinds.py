"""Each kind of test on a device that is right, and on one that is wrong in just that."""

from pathlib import Path
from typing import Any

import pytest

from hil.relaytest.results import FAIL, INCONCLUSIVE, PASS, TestResult
from hil.relaytest.runner import run
from tests.unit.hil.relaytest.plans import HEAD, plan_of
from tests.unit.hil.relaytest.sim_bench import SimBench
from tests.unit.hil.relaytest.toy_relay import ToyRelay


def result_of(folder: Path, test: str, shadow: bool = True, **relay: Any) -> TestResult:
    text = f'[outputs]\nretrip = "BF.RETRIP"\nbackup = "BF.BACKUP"\n[[test]]\nname = "it"\n{test}'
    return run(plan_of(folder, text), SimBench(ToyRelay(**relay), shadow=shadow)).tests[0]


def names(result: TestResult) -> list[tuple[str, str]]:
    return [(r.name, r.verdict) for r in result.shots[-1].readings]


RECLOSER = 'kind = "recloser"\ni = "5 x"\ndead_times_s = [0.5, 2.0]\nlockout_s = 3.0\n'


def test_recloser_trips_three_times_with_its_dead_times_and_locks_out(tmp_path: Path) -> None:
    result = result_of(tmp_path, RECLOSER, dead_times_s=(0.5, 2.0))
    assert result.verdict == PASS, names(result)
    assert [n for n, _ in names(result)] == [
        "trip 1",
        "dead time 1",
        "trip 2",
        "dead time 2",
        "trip 3",
        "locked out",
    ]


@pytest.mark.parametrize(
    ("dead", "wrong"),
    [
        ((0.7, 2.0), ("dead time 1", FAIL)),
        ((0.5,), ("dead time 2", FAIL)),
        ((0.5, 2.0, 1.0), ("locked out", FAIL)),
    ],
)
def test_recloser_with_other_dead_times_or_shots_fails(
    tmp_path: Path, dead: tuple[float, ...], wrong: tuple[str, str]
) -> None:
    result = result_of(tmp_path, RECLOSER, dead_times_s=dead)
    assert wrong in names(result)
    assert result.findings


class LeavesTheLastFault(ToyRelay):
    """Does not trip after its last reclosure."""

    def _trip(self, now_s: float, out: list[str]) -> None:
        if self.shot < len(self.dead_times_s):
            super()._trip(now_s, out)


@pytest.mark.parametrize("fast_trips", [0, 3])
def test_recloser_that_leaves_the_fault_on_after_its_last_reclosure_fails(
    tmp_path: Path, fast_trips: int
) -> None:
    plan = plan_of(tmp_path, f'[[test]]\nname = "it"\n{RECLOSER}fast_trips = {fast_trips}\n')
    result = run(plan, SimBench(LeavesTheLastFault(dead_times_s=(0.5, 2.0)))).tests[0]
    assert ("locked out", FAIL) in names(result)
    assert "no answer: trip#3 never came" in result.findings[0]
    right = run(plan, SimBench(ToyRelay(dead_times_s=(0.5, 2.0)))).tests[0]
    assert right.verdict == PASS


BF = 'kind = "breaker_failure"\ni = "5 x"\nretrip_s = 0.08\nbackup_s = 0.16\n'


def test_breaker_failure_times_run_from_the_trip(tmp_path: Path) -> None:
    assert result_of(tmp_path, BF, retrip_s=0.08, backup_s=0.16).verdict == PASS
    late = result_of(tmp_path, BF, retrip_s=0.08, backup_s=0.25)
    assert ("backup trip", FAIL) in names(late)
    assert ("retrip", PASS) in names(late)
    assert ("backup trip", FAIL) in names(result_of(tmp_path, BF, retrip_s=0.08))


UNDERVOLTAGE = 'kind = "step"\nv = "0.6 pu"\nexpected_s = 0.5\n'
UNDERFREQUENCY = 'kind = "step"\nf_hz = 58.5\nexpected_s = 0.5\n'


@pytest.mark.parametrize(
    ("test", "relay"), [(UNDERVOLTAGE, {"under_v": 0.7 * 7967}), (UNDERFREQUENCY, {"under_hz": 59.0})]
)
def test_step_of_voltage_or_frequency_is_timed(tmp_path: Path, test: str, relay: dict[str, float]) -> None:
    assert result_of(tmp_path, test, **relay).verdict == PASS
    assert result_of(tmp_path, test, **relay, delay_s=0.6).verdict == FAIL
    assert result_of(tmp_path, test).verdict == FAIL  # not set at all: never came


def test_ramp_of_frequency_trips_when_it_gets_there(tmp_path: Path) -> None:
    # 60 to 59 Hz at 1 Hz/s takes 1 s, then the delay
    test = 'kind = "step"\ndf_hz_s = -1.0\nexpected_s = 1.5\n'
    assert result_of(tmp_path, test, under_hz=59.0).verdict == PASS


def test_step_that_must_not_trip(tmp_path: Path) -> None:
    test = 'kind = "step"\nv = "0.9 pu"\nexpect = "no_trip"\nhold_s = 1.0\n'
    assert result_of(tmp_path, test, under_v=0.7 * 7967).verdict == PASS
    assert result_of(tmp_path, test, under_v=0.95 * 7967).verdict == FAIL


def test_pulse_search_finds_the_same_pickup_as_a_ramp(tmp_path: Path) -> None:
    pulse = result_of(tmp_path, 'kind = "pickup"\nmethod = "pulse"\ndropout = false\n', pickup_error=1.02)
    ramp = result_of(tmp_path, 'kind = "pickup"\n', pickup_error=1.02)
    levels = [r.shots[0].readings[0] for r in (pulse, ramp)]
    # 306 A lies in both intervals, each 0.5 % (1.5 A) of the setting wide at most
    assert all(r.low <= 306.0 <= r.high and r.high - r.low <= 1.5 + 1e-9 for r in levels)


def test_pulse_search_finds_the_same_dropout_as_a_ramp(tmp_path: Path) -> None:
    pulse = result_of(tmp_path, 'kind = "pickup"\nmethod = "pulse"\n')
    ramp = result_of(tmp_path, 'kind = "pickup"\n')
    for result in (pulse, ramp):
        reading = next(r for r in result.shots[0].readings if r.name == "dropout ratio")
        assert reading.verdict == PASS
        # the relay drops out at 0.95; both levels are known to 0.5 % of the setting
        assert reading.low <= 0.95 <= reading.high
        assert reading.high - reading.low < 0.0105
    stuck = result_of(tmp_path, 'kind = "pickup"\nmethod = "pulse"\n', resets=False)
    assert ("dropout ratio", FAIL) in names(stuck)


def test_undervoltage_and_underfrequency_levels_are_searched_downwards(tmp_path: Path) -> None:
    volts = 'kind = "pickup"\nquantity = "v"\ndirection = "under"\nsetting = "0.7 pu"\ndropout_ratio = 1.0\n'
    result = result_of(tmp_path, volts + "step_pct = 1.0\n", under_v=0.7 * 7967)
    assert ("pickup", PASS) in names(result)
    hertz = 'kind = "pickup"\nquantity = "f"\ndirection = "under"\nsetting_hz = 59.0\ndropout_ratio = 1.0\n'
    result = result_of(tmp_path, hertz + "span_pct = 1.0\nstep_pct = 0.05\n", under_hz=59.0)
    assert ("pickup", PASS) in names(result)
    # one step of the ramp, 0.0295 Hz
    assert result.shots[0].readings[0].measured == pytest.approx(59.0, abs=0.03)


SECTOR = 'kind = "direction"\ni = "2 x"\nfrom_deg = -130\nto_deg = 40\n'


def test_edges_of_a_directional_sector_are_found(tmp_path: Path) -> None:
    result = result_of(tmp_path, SECTOR, sector=(-130.0, 40.0))
    assert sorted(names(result)) == [("first angle", PASS), ("last angle", PASS)]
    turned = result_of(tmp_path, SECTOR, sector=(-120.0, 40.0))
    assert sorted(names(turned)) == [("first angle", FAIL), ("last angle", PASS)]
    assert "every direction" in result_of(tmp_path, SECTOR).findings[0]


def test_noise_and_a_saturated_ct_delay_the_trip_by_what_is_allowed_or_more(tmp_path: Path) -> None:
    noisy = 'kind = "sensitivity"\nnoise_pct = 5.0\nmultiple = 5\n'
    assert result_of(tmp_path, noisy).verdict == PASS
    saturated = 'kind = "sensitivity"\nct_ks = 1.5\nx_over_r = 40.0\nmultiple = 12\n'
    result = result_of(tmp_path, saturated)
    assert result.verdict == FAIL
    # the internal relay sees the same quantities, so it is late by the same
    reading = result.shots[0].readings[0]
    assert reading.shadow is not None
    assert reading.measured == pytest.approx(reading.shadow, abs=0.01)  # a poll of 5 ms and the interval


def test_same_seed_makes_the_same_noise_and_another_one_another(tmp_path: Path) -> None:
    text = '[[test]]\nkind = "sensitivity"\nname = "n"\nnoise_pct = 5.0\n'
    first, again = (plan_of(tmp_path, text).tests[0].shots for _ in range(2))
    head = HEAD.replace('name = "trial"', 'name = "trial"\nseed = 2')
    other = plan_of(tmp_path, text, head).tests[0].shots
    assert first == again
    assert first != other


def test_fault_on_the_feeder_is_judged_by_the_internal_relay(tmp_path: Path) -> None:
    fault = 'kind = "network_fault"\nfault = "head"\n'
    result = result_of(tmp_path, fault, slow=1.02)
    assert result.verdict == PASS
    assert result.shots[0].readings[0].shadow == pytest.approx(0.428, abs=0.002)  # a step and rounding
    assert result_of(tmp_path, fault, shadow=False).verdict == INCONCLUSIVE
    far = 'kind = "network_fault"\nfault = "far"\nexpect = "no_trip"\nhold_s = 1.0\n'
    assert result_of(tmp_path, far).verdict == PASS


SEQUENCE = """kind = "sequence"
state = [
  {name = "healthy", v = "1 pu", duration_s = 0.5},
  {name = "fault", i = "5 x", v = "0.4 pu", duration_s = 2.0, until = ["trip"]},
  {name = "after", v = "1 pu", duration_s = 0.5},
]
measure = [
  {name = "trip", start = "fault", stop = "trip", expected_s = 0.428, tol_ms = 20},
  {name = "reset", start = "after", stop = "dropout", expected_s = 0.0, tol_ms = 20},
  {name = "breaker", start = "trip", stop = "52a_open", expected_s = 0.05, tol_ms = 5},
]
never = ["close"]
"""


def test_sequence_measures_between_states_and_events(tmp_path: Path) -> None:
    result = result_of(tmp_path, SEQUENCE)
    assert result.verdict == PASS, [(r.name, r.why, r.measured) for r in result.shots[0].readings]
    assert ("never close", PASS) in names(result)
    assert ("never close", FAIL) in names(result_of(tmp_path, SEQUENCE, dead_times_s=(0.2,)))


def test_below_pickup_no_trip_is_right(tmp_path: Path) -> None:
    test = 'kind = "trip_time"\nmultiples = [0.9]\n'
    assert result_of(tmp_path, test).verdict == PASS
    assert "no trip below pickup: trip after" in result_of(tmp_path, test, pickup_error=0.5).findings[0]
