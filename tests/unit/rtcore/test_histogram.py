"""The log-linear histogram: bins that tile the axis, percentiles that err by one bin at most."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcore.histogram import BINS, UNIT_NS, bin_of, percentile_ns, upper_edge_ns

LAST_EDGE_NS = int(upper_edge_ns(BINS - 1))
EDGES = np.array([upper_edge_ns(b) for b in range(BINS)])


def lower_edge_ns(b: int) -> int:
    return int(EDGES[b - 1]) if b else 0


def test_edges_rise_and_every_bin_holds_its_own_edges() -> None:
    assert np.all(np.diff(EDGES) > 0)
    for b in range(BINS):
        assert bin_of(lower_edge_ns(b)) == b
        assert bin_of(int(EDGES[b]) - 1) == b


@given(st.integers(0, LAST_EDGE_NS - 1))
def test_every_duration_falls_into_the_bin_whose_edges_hold_it(t_ns: int) -> None:
    b = bin_of(t_ns)
    assert lower_edge_ns(b) <= t_ns < upper_edge_ns(b)


def test_bins_are_a_unit_wide_below_4_us_and_at_most_a_sixteenth_of_their_value_above() -> None:
    widths = np.diff(np.concatenate([[0], EDGES]))
    lower = EDGES - widths
    small = lower < 16 * UNIT_NS
    assert np.all(widths[small] == UNIT_NS)
    assert np.all(widths[~small] * 16 <= lower[~small])


@given(st.integers(-(2**62), -1))
def test_a_negative_duration_counts_as_zero(t_ns: int) -> None:
    assert bin_of(t_ns) == 0


@given(st.integers(LAST_EDGE_NS, 2**62))
def test_a_duration_beyond_the_last_edge_counts_in_the_last_bin(t_ns: int) -> None:
    assert bin_of(t_ns) == BINS - 1
    assert LAST_EDGE_NS > 60e9  # a minute: beyond every stall that can be lived through


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_percentile_is_the_upper_edge_of_the_bin_that_holds_numpys(spread: float, fraction: float) -> None:
    rng = np.random.default_rng(5)
    sample = np.exp(rng.normal(np.log(30_000.0), spread, 5001)).astype(np.int64)
    counts = np.zeros(7 + BINS, np.int64)
    for t in sample:
        counts[7 + bin_of(t)] += 1
    exact = int(np.percentile(sample, 100 * fraction, method="inverted_cdf"))
    assert percentile_ns(counts, 7, fraction) == upper_edge_ns(bin_of(exact))


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=60), st.floats(0.001, 1.0))
def test_percentile_is_never_below_numpys_nor_a_bin_above_it(sample: list[int], fraction: float) -> None:
    counts = np.zeros(BINS, np.int64)
    for t in sample:
        counts[bin_of(t)] += 1
    exact = int(np.percentile(sample, 100 * fraction, method="inverted_cdf"))
    # fraction*100/100 may round to either side of a step of the distribution: allow its neighbour
    near = [exact] + [
        int(np.percentile(sample, 100 * fraction * k, method="inverted_cdf")) for k in (1 - 1e-12,)
    ]
    assert percentile_ns(counts, 0, fraction) in {upper_edge_ns(bin_of(t)) for t in near}


def test_percentile_of_nothing_is_zero() -> None:
    assert percentile_ns(np.zeros(BINS, np.int64), 0, 0.5) == 0
