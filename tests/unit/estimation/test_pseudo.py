"""Pseudo-measurements: calibrated on the shipped year, blind to what is ahead, right at every node."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from estimation import pseudo as ps
from estimation.measurements import Kind, Measurement
from estimation.pseudo import History, Pseudo
from hil import paths
from hil.network_files import read_network
from hil.profiles import read_profile
from rtcore.network.model import Bus, Der, Load, Network, Source

HOUR_NS = 3_600 * ps.NS_PER_S
RIPPLE = 0.02


@pytest.fixture(scope="module")
def network() -> Network:
    return read_network(paths.find("networks", "iowa240-prot"))


@pytest.fixture(scope="module")
def history(network: Network) -> History:
    profile = read_profile("iowa240_2017", [x.name for x in network.loads])
    return History(
        start_ns=profile.start_utc_ns,
        step_ns=profile.step_ns,
        p_w=profile.p_w,
        q_var=profile.q_var,
        wraps=profile.wraps,
    )


@pytest.fixture(scope="module")
def pseudo(network: Network, history: History) -> Pseudo:
    return Pseudo(network, history)


def drawn(history: History, row: int, f: float, rng: np.random.Generator | None = None) -> np.ndarray:
    """What the plant's loads draw: between two rows, with its ripple; shape (2, n_load)."""
    both = np.stack([history.p_w, history.q_var])
    mean = (1.0 - f) * both[:, row] + f * both[:, row + 1]
    return mean if rng is None else mean * (1.0 + RIPPLE * rng.standard_normal(mean.shape[1]))


def injected(network: Network, power: np.ndarray) -> dict[str, np.ndarray]:
    """What flows in at the nodes of this network's loads, by bus and node: legs in equal parts."""
    found: dict[str, np.ndarray] = {}
    for x, s in zip(network.loads, power.T, strict=True):
        if x.conn == "delta":
            found[f"{x.bus} {'+'.join('abc'[k - 1] for k in x.nodes)}"] = -s
        else:
            found |= {f"{x.bus} {'abc'[k - 1]}": -s / x.phases for k in x.nodes[: x.phases]}
    return found


def of(m: Measurement, true: dict[str, np.ndarray]) -> np.ndarray:
    """P and Q of a measurement: of the pair of a delta load, or of the nodes with their weights."""
    letters = ["abc"[k - 1] for k in m.nodes]
    if (pair := f"{m.element} {'+'.join(letters)}") in true:
        return true[pair]
    weights = m.weights or (1.0,) * len(letters)
    return sum(w * true[f"{m.element} {x}"] for w, x in zip(weights, letters, strict=True))


def standardised(pseudo: Pseudo, network: Network, history: History, rows: np.ndarray) -> np.ndarray:
    """Errors over sigmas at a moment in each hour, shape (hours, measurements)."""
    rng = np.random.default_rng(7)
    table = []
    for row in rows.tolist():
        f = rng.random()
        values, sigma = pseudo.at(history.start_ns + round((row + f) * HOUR_NS))
        true = injected(network, drawn(history, row, f, rng))
        z = [of(m, true)[0 if m.kind is Kind.P_INJ else 1] for m in pseudo.measurements]
        whole = np.array([not m.weights for m in pseudo.measurements])  # differences of legs are 0
        table.append(((np.array(z) - values) / sigma)[whole])
    return np.array(table)


def test_errors_are_as_large_as_sigma_says(pseudo: Pseudo, network: Network, history: History) -> None:
    """Over the year, behind the 8 weeks that a sigma looks back.

    The bounds are those of a useful weight: J of the estimator goes with the square. There are 28 errors
    behind each sigma, and odd days of single services make heavy tails, so that single hours differ.
    """
    z = standardised(pseudo, network, history, np.arange(8 * 168, 8_759, 101))
    half = z.shape[1] // 2
    assert 0.8 < np.std(z[:, :half]) < 1.2
    assert 0.8 < np.std(z[:, half:]) < 1.2
    assert abs(np.mean(z)) < 0.1  # forecasts do not lean to a side
    assert np.mean(np.abs(z) > 3.0) < 0.02  # a normal variable: 0.003


def test_the_first_weeks_are_uncertain_but_not_wrong(
    pseudo: Pseudo, network: Network, history: History
) -> None:
    """With hours, days or a week of past: sigma may be too large by 3, never much too small."""
    z = standardised(pseudo, network, history, np.array([3, 20, 50, 90, 140, 200, 300, 500]))
    assert np.all(np.std(z, axis=1) < 1.2)
    assert np.all(np.std(z, axis=1) > 0.3)


def test_the_total_is_right_on_the_hottest_day(pseudo: Pseudo, network: Network, history: History) -> None:
    """12 July, noon: without the level of the last hour the total would be wrong by over 20 %."""
    row = int(np.argmax(history.p_w.sum(axis=1)))
    values, _ = pseudo.at(history.start_ns + row * HOUR_NS)
    half = len(values) // 2
    assert -np.sum(values[:half]) == pytest.approx(history.p_w[row].sum(), rel=0.1)
    weeks = history.p_w[row - 168 * np.arange(1, 5)].sum(axis=1).mean()
    assert weeks < 0.8 * history.p_w[row].sum()


@pytest.mark.parametrize("f", [0.0, 0.5, 0.999])
def test_nothing_ahead_is_looked_at(network: Network, history: History, f: float) -> None:
    row = 3_000
    later = dc.replace(history, p_w=history.p_w.copy(), q_var=history.q_var.copy())
    later.p_w[row:] *= 10.0  # the hour that holds the moment is not over
    later.q_var[row:] *= 10.0
    at_ns = history.start_ns + row * HOUR_NS + int(f * HOUR_NS)
    before, after = Pseudo(network, history).at(at_ns), Pseudo(network, later).at(at_ns)
    assert [x.tolist() for x in before] == [x.tolist() for x in after]
    at_ns += HOUR_NS  # and once it is over, it counts
    assert np.max(Pseudo(network, later).at(at_ns)[1] / Pseudo(network, history).at(at_ns)[1]) > 1.5


def test_past_goes_on_over_the_end_of_a_year_that_starts_over(network: Network, history: History) -> None:
    at_ns = history.start_ns + (8_760 + 30) * HOUR_NS
    rows = np.arange(8_760 + 30) % 8_760
    unrolled = dc.replace(history, p_w=history.p_w[rows], q_var=history.q_var[rows], wraps=False)
    wrapped, plain = Pseudo(network, history).at(at_ns), Pseudo(network, unrolled).at(at_ns)
    assert [x.tolist() for x in wrapped] == [x.tolist() for x in plain]


def test_between_hours_it_is_linear_and_without_jumps(pseudo: Pseudo, history: History) -> None:
    start = history.start_ns + 5_000 * HOUR_NS
    first, middle = pseudo.at(start)[0], pseudo.at(start + HOUR_NS // 2)[0]
    last = pseudo.at(start + HOUR_NS - 1)[0]
    assert np.allclose(
        middle, (first + last) / 2.0, rtol=0, atol=1e-3
    )  # a nanosecond of the slope is missing


def test_a_factor_on_all_loads_scales_values_and_sigmas(pseudo: Pseudo, history: History) -> None:
    at_ns = history.start_ns + 5_000 * HOUR_NS
    (z1, s1), (z2, s2) = pseudo.at(at_ns), pseudo.at(at_ns, scale=2.0)
    assert np.allclose(z2, 2.0 * z1, rtol=1e-12)
    assert np.all(s2 <= 2.0 * s1 * (1 + 1e-12))  # floors do not scale
    assert np.median(s2 / s1) == pytest.approx(2.0, rel=1e-9)


def test_drift_is_how_far_loads_move(pseudo: Pseudo, network: Network, history: History) -> None:
    """15 minutes later: root mean square over nodes and hours within a third; slopes have heavy tails."""
    moved, said = [], []
    rng = np.random.default_rng(8)
    for row in range(1_500, 8_700, 97):
        at_ns = history.start_ns + row * HOUR_NS + HOUR_NS // 2
        a, b = (injected(network, drawn(history, row, f, rng)) for f in (0.25, 0.5))
        names = [f"{x.bus} {'+'.join('abc'[k - 1] for k in x.nodes)}" for x in pseudo.places]
        moved.append([b[n][0] - a[n][0] for n in names])
        said.append(pseudo.drift(at_ns, 900.0)[: len(names)])
    assert np.sqrt(np.mean(np.square(moved)) / np.mean(np.square(said))) == pytest.approx(1.0, abs=1 / 3)


# -- nodes ------------------------------------------------------------------------------------


def small(*loads: Load, ders: tuple[Der, ...] = ()) -> Network:
    source = Source(
        name="s", bus="b", nodes=(1, 2, 3), base_kv=12.47, r1_ohm=0.1, x1_ohm=1.0, r0_ohm=0.1, x0_ohm=1.0
    )
    buses = (Bus(name="b", base_kv_ln=7.2), Bus(name="c", base_kv_ln=7.2))
    return Network(name="small", buses=buses, sources=(source,), loads=loads, ders=ders)


def load(name: str, conn: str, nodes: tuple[int, ...], phases: int, kw: float = 90.0) -> Load:
    return Load(name=name, bus="c", nodes=nodes, phases=phases, conn=conn, kv=12.47, kw=kw, kvar=30.0)  # type: ignore[arg-type]


def table(pseudo: Pseudo) -> dict[str, float]:
    return dict(zip([m.name for m in pseudo.measurements], pseudo.at(0)[0].tolist(), strict=True))


def test_without_history_loads_have_their_nominal_power_and_half_of_it_as_sigma() -> None:
    pseudo = Pseudo(small(load("x", "wye", (1, 2, 3, 0), 3)), None, ripple_pu=0.0)
    values, sigma = pseudo.at(0)
    assert values.tolist() == pytest.approx([-90e3, 0.0, 0.0, -30e3, 0.0, 0.0], rel=1e-12)
    assert sigma[[0, 3]].tolist() == pytest.approx([45e3, 15e3], rel=1e-12)


def test_legs_of_a_load_are_one_sum_and_their_differences() -> None:
    """One error of the load, not one of each leg; the difference of two legs varies by sqrt(2) of one's."""
    pseudo = Pseudo(small(load("x", "wye", (1, 2, 3, 0), 3)), None, ripple_pu=0.0)
    assert [m.name for m in pseudo.measurements[:3]] == ["p_inj c a+b+c", "p_inj c a-b", "p_inj c a+b-c"]
    sigma = pseudo.at(0)[1]
    floor = np.hypot(ps.FLOOR_FRAC, ps.FLOOR_FRAC) * np.hypot(30e3, 10e3)
    assert sigma[1] == pytest.approx(max(ps.IMBALANCE * 30e3 * np.sqrt(2.0), floor), rel=1e-9)
    legs = np.array([1.0, 2.0, 4.0, 0.5, 0.25, 8.0])
    values = [7.0, -1.0, 1.5 - 4.0, 8.75, 0.25, 0.375 - 8.0]
    assert pseudo.injections(np.array(values)) == pytest.approx(legs, rel=1e-12)


def test_loads_at_one_node_add_up() -> None:
    pseudo = Pseudo(small(load("x", "wye", (1, 0), 1), load("y", "wye", (1, 0), 1)), None, ripple_pu=0.0)
    assert table(pseudo) == pytest.approx({"p_inj c a": -180e3, "q_inj c a": -60e3}, rel=1e-12)
    assert pseudo.at(0)[1][0] == pytest.approx(np.hypot(45e3, 45e3), rel=1e-12)


def test_a_load_between_two_free_nodes_is_one_sum() -> None:
    pseudo = Pseudo(small(load("x", "delta", (1, 2), 1)), None)
    assert [m.nodes for m in pseudo.measurements] == [(1, 2), (1, 2)]
    assert table(pseudo) == pytest.approx({"p_inj c a+b": -90e3, "q_inj c a+b": -30e3}, rel=1e-12)


def test_a_delta_load_is_split_over_its_nodes_as_nominal_voltages_have_it() -> None:
    found = table(Pseudo(small(load("x", "delta", (1, 2, 3), 3)), None))
    # balanced: a third of it at each node
    assert found == pytest.approx(
        {f"{k} c {n}": p for k, p in (("p_inj", -30e3), ("q_inj", -10e3)) for n in "abc"}, rel=1e-9
    )
    beside = table(Pseudo(small(load("x", "delta", (1, 2), 1), load("y", "wye", (1, 2, 3, 0), 3, 0.3)), None))
    v_a, v_b = 1.0, np.exp(-2j * np.pi / 3)
    s_a = (90e3 + 30e3j) * v_a / (v_a - v_b)
    assert beside["p_inj c a"] == pytest.approx(-s_a.real - 100.0, rel=1e-9)
    assert beside["p_inj c b"] == pytest.approx(-(90e3 - s_a.real) - 100.0, rel=1e-9)


def test_a_resource_makes_its_nodes_uncertain() -> None:
    der = Der(name="d", kind="pv", bus="c", nodes=(1, 2, 3, 0), kv=12.47, kva=60.0)
    pseudo = Pseudo(small(load("x", "wye", (1, 0), 1), ders=(der,)), None, ripple_pu=0.0)
    sigma = dict(zip([m.name for m in pseudo.measurements], pseudo.at(0)[1].tolist(), strict=True))
    assert sigma["p_inj c a"] == pytest.approx(np.hypot(45e3, 20e3), rel=1e-9)
    assert sigma["p_inj c b"] == pytest.approx(20e3, rel=1e-9)
