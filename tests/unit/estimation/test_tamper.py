"""Attacks on what a reader gets: every kind shows what it says, and the truth is kept."""

from __future__ import annotations

import math
import sys
import types
from typing import Any

import numpy as np
import pytest

from estimation.attacks import Attack, Command, Kind, parameter_problems
from estimation.tamper import Tamper
from rtcore.quality import Quality

INDEX = {"P": 0, "Q": 1, "V": 2, "ST": 3}
LOST = int(Quality.BAD_NO_COMMUNICATION)


def truth(k: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    return np.array([100.0 + k, 50.0 + k, 7.0, 1.0]), np.full(4, k % 2, np.uint8)


def tamper(*attacks: Attack, seed: int = 1, **how: object) -> Tamper:
    return Tamper(attacks, INDEX, np.random.default_rng(seed), **how)  # type: ignore[arg-type]


def run(t: Tamper, n: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Scans at 0 s, 1 s, ..: values and qualities shown, shape (n, 4) each."""
    shown = [t.apply(float(k), *truth(k)) for k in range(n)]
    return np.array([v for v, _ in shown]), np.array([q for _, q in shown])


def true(n: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.array([truth(k)[0] for k in range(n)])


def on(kind: Kind, *channels: str, start_s: float = 3.0, duration_s: float = 4.0, **figures: float) -> Attack:
    return Attack(
        name=kind.value,
        kind=kind,
        channels=channels or ("P",),
        start_s=start_s,
        duration_s=duration_s,
        parameters=figures,
    )


@pytest.mark.parametrize(
    ("attack", "change"),
    [
        (on(Kind.BIAS, offset=5.0), [5.0, 5.0, 5.0, 5.0]),
        (on(Kind.RAMP, per_s=2.0), [0.0, 2.0, 4.0, 6.0]),
        (on(Kind.RAMP, per_s=-2.0, limit=3.0), [0.0, -2.0, -3.0, -3.0]),
        (on(Kind.SCALE, factor=1.5), [51.5, 52.0, 52.5, 53.0]),
        (on(Kind.FREEZE), [-1.0, -2.0, -3.0, -4.0]),
        (on(Kind.DELAY, delay_s=2.0), [-2.0, -2.0, -2.0, -2.0]),
        (on(Kind.DELAY, delay_s=5.0), [-3.0, -4.0, -5.0, -5.0]),
        (on(Kind.REPLAY, window_s=2.0), [-2.0, -2.0, -4.0, -4.0]),
    ],
    ids=lambda x: f"{x.kind} {dict(x.parameters)}" if isinstance(x, Attack) else "",
)
def test_a_channel_shows_the_false_value_from_start_to_end_and_the_others_the_truth(
    attack: Attack, change: list[float]
) -> None:
    shown, _ = run(tamper(attack), 10)
    expected = true(10)
    expected[3:7, 0] += change
    np.testing.assert_array_equal(shown, expected)


def test_what_was_given_is_not_changed() -> None:
    values, quality = truth(3)
    t = tamper(on(Kind.BIAS, offset=5.0), on(Kind.DROPOUT, "Q"))
    t.apply(3.0, values, quality)
    np.testing.assert_array_equal(values, truth(3)[0])
    np.testing.assert_array_equal(quality, truth(3)[1])


def test_freeze_and_replay_show_the_quality_of_then() -> None:
    _, quality = run(tamper(on(Kind.FREEZE)), 8)
    assert list(quality[:, 0]) == [0, 1, 0, 0, 0, 0, 0, 1]
    _, quality = run(tamper(on(Kind.REPLAY, window_s=3.0)), 8)
    assert list(quality[:, 0]) == [0, 1, 0, 0, 1, 0, 0, 1]


def test_dropout_shows_the_last_value_without_communication() -> None:
    shown, quality = run(tamper(on(Kind.DROPOUT)), 8)
    assert list(shown[2:8, 0]) == [102.0, 102.0, 102.0, 102.0, 102.0, 107.0]
    assert list(quality[2:8, 0]) == [0, LOST, LOST, LOST, LOST, 1]


def test_intermittent_dropout_loses_the_share_of_scans_that_was_asked_for() -> None:
    attack = on(Kind.DROPOUT, start_s=0.0, duration_s=math.inf, probability=0.3)
    _, quality = run(tamper(attack), 2000)
    share = np.mean(quality[:, 0] == LOST)
    assert share == pytest.approx(0.3, abs=0.05)  # 5 standard deviations of a binomial share


def test_random_noise_has_its_sigma_and_no_mean() -> None:
    shown, _ = run(tamper(on(Kind.RANDOM, start_s=0.0, duration_s=math.inf, sigma=4.0)), 2000)
    error = (shown - true(2000))[:, 0]
    assert error.std() == pytest.approx(4.0, rel=0.08)  # 5 standard deviations of a standard deviation
    assert abs(error.mean()) < 5.0 * 4.0 / math.sqrt(2000)


def test_the_same_seed_gives_the_same_lies_whatever_other_attacks_there_are() -> None:
    noise = on(Kind.RANDOM, sigma=4.0)
    alone, _ = run(tamper(noise), 8)
    np.testing.assert_array_equal(run(tamper(noise), 8)[0], alone)
    beside, _ = run(tamper(noise, on(Kind.RANDOM, "Q", sigma=1.0)), 8)
    np.testing.assert_array_equal(beside[:, 0], alone[:, 0])
    assert not np.array_equal(run(tamper(noise, seed=2), 8)[0], alone)


def test_stealthy_changes_follow_from_time_and_true_values() -> None:
    attack = Attack(
        name="s",
        kind=Kind.STEALTHY,
        channels=("Q", "P"),
        start_s=3.0,
        duration_s=2.0,
        parameters={"gain": 0.5},
        delta=lambda t_s, y: np.array([t_s, y[1]]),
    )
    shown, _ = run(tamper(attack), 6)
    expected = true(6)
    expected[3:5, 1] += [1.5, 2.0]
    expected[3:5, 0] += 0.5 * true(6)[3:5, 0]
    np.testing.assert_array_equal(shown, expected)


def test_a_topology_attack_shows_the_status_and_the_flows_that_go_with_it() -> None:
    attack = Attack(
        name="t",
        kind=Kind.TOPOLOGY,
        channels=("P",),
        start_s=3.0,
        duration_s=2.0,
        delta=lambda _t_s, y: -y,
        statuses={"ST": 0.0},
    )
    shown, _ = run(tamper(attack), 6)
    assert list(shown[:, 3]) == [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    assert list(shown[2:6, 0]) == [102.0, 0.0, 0.0, 105.0]


def test_two_attacks_on_one_channel_act_one_after_the_other() -> None:
    shown, _ = run(tamper(on(Kind.BIAS, offset=5.0), on(Kind.SCALE, factor=2.0)), 5)
    assert shown[3, 0] == 2.0 * (103.0 + 5.0)


def test_the_truth_is_kept() -> None:
    t = tamper(on(Kind.BIAS, "P", "Q", offset=5.0), keeps_rows=True)
    run(t, 10)
    (span,) = t.spans
    assert (span.attack, span.channels, span.first_s, span.last_s, span.scans) == (
        "bias",
        ("P", "Q"),
        3,
        6,
        4,
    )
    assert [(r.t_s, r.tag, r.true_value, r.false_value) for r in t.rows[:2]] == [
        (3.0, "P", 103.0, 108.0),
        (3.0, "Q", 53.0, 58.0),
    ]
    assert len(t.rows) == 8
    assert t.active(3.0) == ("bias",) and t.active(7.0) == ()


def test_overlapping_attacks_give_one_row_with_the_untouched_truth_and_what_was_shown_in_the_end() -> None:
    noon = on(Kind.BIAS, "P", "Q", offset=5.0)
    t = tamper(noon, on(Kind.SCALE, "P", start_s=4.0, factor=2.0), keeps_rows=True)
    run(t, 5)
    assert [(r.t_s, r.attack, r.tag, r.true_value, r.false_value) for r in t.rows] == [
        (3.0, "bias", "P", 103.0, 108.0),
        (3.0, "bias", "Q", 53.0, 58.0),
        (4.0, "bias+scale", "P", 104.0, 218.0),
        (4.0, "bias", "Q", 54.0, 59.0),
    ]
    assert [(s.attack, s.scans) for s in t.spans] == [("bias", 2), ("scale", 1)]


def test_an_attack_that_changes_nothing_leaves_no_truth() -> None:
    t = tamper(on(Kind.BIAS, offset=0.0), on(Kind.SCALE, "Q", factor=1.0), keeps_rows=True)
    run(t, 8)
    assert (t.rows, t.spans) == ([], [])


def test_what_a_reader_was_not_shown_is_not_kept() -> None:
    t = tamper(on(Kind.BIAS, "P", "Q", offset=5.0), keeps_rows=True)
    values, quality = truth(3)
    shown, shown_quality, note = t.falsified(3.0, values, quality)
    assert (t.rows, t.spans) == ([], [])
    at = np.array([1])
    note(at, values[at], quality[at], shown[at], shown_quality[at])
    assert [(r.tag, r.false_value) for r in t.rows] == [("Q", 58.0)]


def test_a_row_holds_until_the_next_one_of_its_point_where_only_changes_are_kept() -> None:
    t = tamper(on(Kind.BIAS, "P", "V", offset=5.0), keeps_rows=True, only_changes=True)
    for k in range(10):
        values, _ = truth(k)
        t.apply(float(k), values, np.zeros(4, np.uint8))  # V stands still, P moves
    rows = [(r.t_s, r.attack, r.tag, r.true_value, r.false_value) for r in t.rows]
    assert [r for r in rows if r[2] == "V"] == [(3.0, "bias", "V", 7.0, 12.0), (7.0, "", "V", 7.0, 7.0)]
    assert [r[0] for r in rows if r[2] == "P"] == [3.0, 4.0, 5.0, 6.0, 7.0]


def test_a_point_that_is_falsified_again_has_a_row_again() -> None:
    first, second = (
        on(Kind.BIAS, "V", duration_s=1.0, offset=5.0),
        on(Kind.SCALE, "V", start_s=6.0, factor=2.0),
    )
    t = tamper(first, second, keeps_rows=True, only_changes=True)
    for k in range(9):
        t.apply(float(k), truth(k)[0], np.zeros(4, np.uint8))
    assert [(r.t_s, r.attack) for r in t.rows] == [(3.0, "bias"), (4.0, ""), (6.0, "scale")]


def test_rows_are_taken_a_few_at_a_time_and_in_order() -> None:
    t = tamper(on(Kind.BIAS, "P", "Q", "V", offset=5.0), keeps_rows=True)
    run(t, 5)
    everything, taken = t.rows, []
    while rows := t.take_rows(2):
        assert len(rows) <= 2
        taken += rows
        assert t.rows == everything[len(taken) :]
    assert taken == everything and len(taken) == 6 and t.n_waiting == 0


def operations(n: int) -> int:
    """Return how many Python instructions a scan of n attacked points costs, keeping its rows."""
    tags = [f"P{k}" for k in range(n)]
    lost = Attack(name="a", kind=Kind.DROPOUT, channels=tuple(tags))
    high = Attack(name="b", kind=Kind.BIAS, channels=tuple(tags[::2]), parameters={"offset": 1.0})
    index = {tag: k for k, tag in enumerate(tags)}
    t = Tamper([lost, high], index, np.random.default_rng(1), keeps_rows=True, only_changes=True)
    values, quality, count = np.arange(n, dtype=float), np.zeros(n, np.uint8), 0

    def trace(frame: types.FrameType, event: str, _arg: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    t.apply(0.0, values, quality)  # whatever is done once
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        t.apply(1.0, values + 1.0, quality)
    finally:
        sys.settrace(before)
    assert t.n_waiting == 2 and len(t.rows) == 2 * n
    return count


def test_a_scan_costs_no_loop_over_its_points_however_many_are_attacked() -> None:
    assert operations(5000) == operations(50) > 0


def test_without_arming_nothing_is_changed_and_times_count_from_it() -> None:
    t = tamper(on(Kind.REPLAY, start_s=1.0, duration_s=2.0, window_s=2.0), origin_s=math.inf)
    shown, _ = run(t, 10)
    np.testing.assert_array_equal(shown, true(10))
    t.origin_s = 10.0
    later = [t.apply(float(k), *truth(k))[0][0] for k in range(10, 15)]
    assert later == [110.0, 109.0, 110.0, 113.0, 114.0]  # from 11 s on, for 2 s, what was shown 2 s before
    assert [s.first_s for s in t.spans] == [11.0]


def test_nothing_recorded_is_nothing_to_replay() -> None:
    t = tamper(on(Kind.REPLAY, start_s=0.0, window_s=2.0))
    shown, _ = run(t, 3)
    np.testing.assert_array_equal(shown, true(3))
    assert t.spans == []


def test_everything_wrong_with_an_attack_is_told_at_once() -> None:
    with pytest.raises(ValueError) as error:
        Attack(name="x", kind=Kind.REPLAY, duration_s=0.0, parameters={"windows": 1.0})
    said = str(error.value)
    for part in ("unknown parameter 'windows'", "window_s is missing", "duration_s = 0", "no channel"):
        assert part in said
    assert parameter_problems(Kind.DROPOUT, {"probability": 1.5})
    assert parameter_problems(Kind.DROPOUT, {"probability": 0.0})
    assert not parameter_problems(Kind.DROPOUT, {})


def test_unknown_tags_are_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match=r"no point 'QQ'; did you mean 'Q'\?"):
        tamper(on(Kind.BIAS, "QQ", offset=1.0))


def test_a_command_attack_changes_no_values() -> None:
    attack = Attack(name="c", kind=Kind.COMMAND, commands=(Command(tag="ST", value=0.0),))
    shown, _ = run(tamper(attack), 3)
    np.testing.assert_array_equal(shown, true(3))
