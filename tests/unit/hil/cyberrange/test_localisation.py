"""A name is a hit when what it names is false at that scan, and worth what it is above chance."""

import numpy as np
import pytest

from hil.cyberrange.localisation import Named, localisation


def named(channels: tuple[int, ...], false: tuple[int, ...], m: int = 10) -> Named:
    is_false = np.zeros(m, bool)
    is_false[list(false)] = True
    return Named(channels, is_false)


def test_a_channel_that_is_attacked_but_shows_the_truth_at_that_scan_is_no_hit() -> None:
    found = localisation([named((4, 5, 2), (2,)), named((4, 5, 6), (2,))])
    assert (found.n, found.hits) == (2, {1: 0, 3: 1})
    assert found.rate(3) == 0.5


def test_where_all_channels_are_false_a_hit_says_no_more_than_chance() -> None:
    found = localisation([named((4,), tuple(range(10)))])
    assert (found.rate(1), found.chance[1], found.false_share) == (1.0, 1.0, 1.0)


def test_chance_is_that_of_drawing_as_many_names_from_a_hat() -> None:
    found = localisation([named((4, 5, 6), (1, 2)), named((4,), (1, 2))])
    # 2 of 10 false: three names miss with 8/10 * 7/9 * 6/8 = 7/15, one with 8/10; the second run names one
    assert found.chance[1] == pytest.approx(0.2)
    assert found.chance[3] == pytest.approx((8 / 15 + 0.2) / 2)


def test_random_names_hit_as_often_as_chance_says() -> None:
    rng = np.random.default_rng(2)
    drawn = [named(tuple(rng.permutation(50)[:3].tolist()), (3, 7, 11, 20), 50) for _ in range(2000)]
    found = localisation(drawn)
    # standard error of a share of 0.23 in 2000 draws: 0.0094; four of them
    assert found.rate(3) == pytest.approx(found.chance[3], abs=0.038)


def test_an_alarm_without_names_or_without_anything_false_is_not_judged() -> None:
    found = localisation([named((), (1,)), named((1,), ())])
    assert found.n == 0
    assert np.isnan([found.rate(1), found.chance[1], found.false_share, *found.bounds(1)]).all()
