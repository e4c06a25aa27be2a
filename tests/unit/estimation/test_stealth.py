"""An attacker with a model: unseen with full knowledge, seen with partial or erroneous knowledge."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from estimation.attacks import Attack, Kind
from estimation.injection_flow import InjectionFlow
from estimation.measurements import Kind as Quantity
from estimation.measurements import Measurement
from estimation.network_model import S_BASE_VA, Status
from estimation.stealth import Stealth, delta_of, injections_va, misjudged
from estimation.tamper import Tamper
from estimation.wls import Estimate, Estimator
from rtcore.network.model import Line, Network
from tests.unit.rtcore import small_station as small

ABC = (1, 2, 3)
V_SIGMA, P_SIGMA = 5.0, 1e3


def network() -> Network:
    """The small station with a load at the end of each of three branches."""
    net = small.network()
    more = Line(
        name="more", bus1="d", nodes1=ABC, bus2="e", nodes2=ABC, linecode="code", unit="none", length=2.0
    )
    loads = tuple(dc.replace(x, name=f"{x.name}_e", bus="e") for x in net.loads if x.name == "house")
    bus_e = dc.replace(net.buses[0], name="e")
    return dc.replace(net, buses=(*net.buses, bus_e), lines=(*net.lines, more), loads=(*net.loads, *loads))


def measurements() -> list[Measurement]:
    """Voltages everywhere, powers of every load and at the head of every branch: twice what is needed."""
    found = []

    def add(kind: Quantity, element: str, terminal: int, nodes: tuple[int, ...] = ABC) -> None:
        for k in nodes:
            name = f"{kind} {element} {terminal} {k}"
            found.append(Measurement(name=name, kind=kind, element=element, terminal=terminal, nodes=(k,)))

    for bus in ("src", "a", "b", "c", "d", "e"):
        add(Quantity.V_MAG, bus, 0)
    for kind in (Quantity.P_INJ, Quantity.Q_INJ):
        add(kind, "c", 0)
        add(kind, "d", 0, (1,))
        add(kind, "e", 0, (1,))
    for kind in (Quantity.P_FLOW, Quantity.Q_FLOW):
        for element in ("line.trunk", "line.spur", "line.more", "switch.cb"):
            add(kind, element, 1)
    return found


LIST = measurements()
SIGMA = np.array([V_SIGMA if m.kind is Quantity.V_MAG else P_SIGMA for m in LIST])


def estimator(net: Network | None = None, status: Status | None = None) -> Estimator:
    return Estimator(net or network(), LIST, status=status)


def scan(noise: float = 1.0, seed: int = 1, status: Status | None = None) -> np.ndarray:  # type: ignore[type-arg]
    """Measurements of the plant with its loads at their nominal power."""
    e = estimator(status=status)
    s_va = np.zeros(e.frame.n, np.complex128)
    index = {n: k for k, n in enumerate(e.nodes)}
    town, house = -complex(small.TOWN_W, small.TOWN_VAR) / 3, -complex(small.HOUSE_W, small.HOUSE_VAR)
    for name in ("c.1", "c.2", "c.3"):
        s_va[index[name]] = town if e.model.live[index[name]] else 0.0
    s_va[index["d.1"]] = s_va[index["e.1"]] = house
    x = InjectionFlow(e.model).solve(s_va)
    true = e.functionals.h(x) * e.functionals.scale
    return np.asarray(true + noise * SIGMA * np.random.default_rng(seed).standard_normal(len(LIST)))


def estimated(z: np.ndarray, status: Status | None = None) -> Estimate:  # type: ignore[type-arg]
    found = estimator(status=status).estimate(z, SIGMA)
    assert found.converged, found.reason
    return found


def power_at(found: Estimate, bus: str) -> float:
    """Estimated power of a bus, of the measurements that show it [W]."""
    return float(
        sum(
            f
            for f, m in zip(found.fitted, LIST, strict=True)
            if m.kind is Quantity.P_INJ and m.element == bus
        )
    )


def test_with_full_knowledge_the_residuals_stay_and_the_state_moves() -> None:
    z = scan()
    attack = Stealth(estimator(), SIGMA, factor=1.4, buses=("c",))
    before, after = estimated(z), estimated(z + attack(z))
    assert power_at(after, "c") == pytest.approx(1.4 * power_at(before, "c"), rel=1e-3)
    assert power_at(after, "d") == pytest.approx(power_at(before, "d"), rel=1e-3)
    # curvature of h alone: a few thousandths of a sigma in residuals of about one
    np.testing.assert_allclose(after.weighted, before.weighted, atol=0.02)
    assert after.j == pytest.approx(before.j, rel=1e-3)
    assert after.j < after.threshold


def test_without_noise_what_is_believed_fits_exactly() -> None:
    z = scan(noise=0.0)
    after = estimated(z + Stealth(estimator(), SIGMA, factor=0.5, buses=("d", "e"))(z))
    assert after.j < 1e-6  # nothing but where the iterations rest


def test_an_attacker_who_can_write_only_some_channels_leaves_residuals() -> None:
    z = scan()
    writable = np.array([m.kind is not Quantity.V_MAG and m.element != "line.trunk" for m in LIST])
    a = Stealth(estimator(), SIGMA, factor=1.4, buses=("c",), writable=writable)(z)
    assert np.all(a[~writable] == 0.0) and np.any(a[writable] != 0.0)
    assert estimated(z + a).j > 2.0 * estimated(z).threshold


def test_an_erroneous_model_leaves_residuals_that_grow_with_its_error() -> None:
    z = scan(noise=0.0)
    j = []
    for error in (0.0, 0.02, 0.05, 0.1):
        net = misjudged(network(), error, np.random.default_rng(3))
        j.append(estimated(z + Stealth(estimator(net), SIGMA, factor=1.4, buses=("c",))(z)).j)
    assert j == sorted(j) and j[0] < 1e-6
    assert j[3] / j[1] == pytest.approx(25.0, rel=0.4)  # square of the error; the next order is a tenth each


def test_misjudged_lengths_stay_within_the_error_and_nothing_else_changes() -> None:
    net = network()
    off = misjudged(net, 0.1, np.random.default_rng(3))
    ratios = [a.length / b.length for a, b in zip(off.lines, net.lines, strict=True)]
    assert all(0.9 <= r <= 1.1 and r != 1.0 for r in ratios)
    assert dc.replace(off, lines=net.lines) == net
    with pytest.raises(ValueError, match="must be in 0"):
        misjudged(net, 1.0, np.random.default_rng(3))


def test_a_breaker_shown_open_with_the_flows_that_go_with_it_is_believed() -> None:
    z, opened = scan(), Status.of(network()).with_switch("cb", False)
    attack = Stealth(estimator(), SIGMA, flipped=("cb",))
    honest = estimated(z, opened)  # only the status lies
    coordinated = estimated(z + attack(z), opened)
    assert honest.j > 100.0 * honest.threshold
    assert coordinated.j < 1.2 * coordinated.threshold
    through = [f for f, m in zip(z + attack(z), LIST, strict=True) if m.element == "switch.cb"]
    np.testing.assert_allclose(through, 0.0, atol=5.0 * P_SIGMA)  # 5 sigma of what is left: the noise


def test_injections_are_those_of_the_loads() -> None:
    z = scan(noise=0.0)
    e = estimator()
    e.estimate(z, SIGMA)
    s = dict(zip(e.nodes, injections_va(e.model, e.x), strict=True))
    assert s["c.2"] == pytest.approx(-complex(small.TOWN_W, small.TOWN_VAR) / 3, rel=1e-4)
    assert s["src.1"] == 0.0
    assert abs(s["a.1"]) < 1e-6 * S_BASE_VA


def test_it_acts_on_the_points_of_a_reader_in_their_units() -> None:
    z = scan()
    rows = [k for k, m in enumerate(LIST) if m.kind is not Quantity.V_MAG]
    factors = np.array([-1e3 if LIST[k].kind in (Quantity.P_INJ, Quantity.Q_INJ) else 1e3 for k in rows])
    tags = tuple(LIST[k].name for k in rows)
    stealth = Stealth(estimator(), SIGMA, factor=1.4, buses=("c",))
    attack = Attack(
        name="c", kind=Kind.STEALTHY, channels=tags, delta=delta_of(stealth, rows, factors, lambda _t: z)
    )
    tamper = Tamper([attack], {t: k for k, t in enumerate(tags)}, np.random.default_rng(1))
    shown, _ = tamper.apply(0.0, z[rows] / factors, np.zeros(len(rows), np.uint8))
    expected = (z + stealth(z))[rows]
    np.testing.assert_allclose(shown * factors, expected, rtol=1e-6, atol=1.0)  # a warm start rests elsewhere


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no such switches: cb_9"):
        Stealth(estimator(), SIGMA, flipped=("cb_9",))
    with pytest.raises(ValueError, match="no bus matches x"):
        Stealth(estimator(), SIGMA, factor=2.0, buses=("x*",))


def test_an_attacker_who_sees_nothing_does_nothing() -> None:
    attack = Stealth(estimator(), SIGMA, factor=1.4, buses=("c",))
    assert not attack(np.full(len(LIST), np.nan)).any()
