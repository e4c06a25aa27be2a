"""Regulators that come to rest by their own timers, tap for tap against OpenDSS' ``time`` control mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hil import paths
from hil.network_files import read_network
from hil.regulator_settling import Settling
from rtcore.network.grid import Grid
from rtcore.network.model import Network
from tests.support.oracle import ORIGINALS, Oracle

CIRCUITS = {
    "ieee13": ORIGINALS / "feeders" / "13Bus" / "IEEE13Nodeckt.dss",  # with line-drop compensation
    "ieee123": ORIGINALS / "feeders" / "123Bus" / "IEEE123Master.dss",  # the same, in cascade
    "iowa240-ref": ORIGINALS / "iowa240" / "Master.dss",
}
SECONDS = 120.0
STEP_S = 0.5

Walk = list[dict[str, int]]


def opendss_walk(circuit: Path) -> Walk:
    """Positions in order of appearance, from neutral, loads as they are."""
    judge = Oracle(circuit)
    controls = judge.circuit.RegControls

    def taps() -> dict[str, int]:
        found, i = {}, controls.First
        while i:
            found[controls.Transformer.lower()] = int(controls.TapNumber)
            i = controls.Next
        return found

    for name in controls.AllNames:
        controls.Name = name
        controls.TapNumber = 0
    judge.do("solve mode=snap")
    judge.do(f"set mode=daily stepsize={STEP_S}s number=1 time=(0,0)", "set controlmode=time")
    walk = [taps()]
    for _ in range(round(SECONDS / STEP_S)):
        judge.do("solve")
        if taps() != walk[-1]:
            walk.append(taps())
    return walk


def our_walk(network: Network) -> tuple[Walk, list[float]]:
    settling = Settling(Grid(network), {r.name: 0 for r in network.regulators})
    walk, times = [settling.taps], [0.0]
    for t in settling.walk(SECONDS):
        if settling.taps != walk[-1]:
            walk.append(settling.taps)
            times.append(t)
    assert settling.is_resting
    return walk, times


@pytest.mark.parametrize("name", CIRCUITS)
def test_from_neutral_every_tap_comes_in_the_order_of_opendss(name: str) -> None:
    network = read_network(paths.find("networks", name))
    ours, times = our_walk(network)
    assert ours == opendss_walk(CIRCUITS[name])
    # 15 s delay and 2 s of the mechanism, then a tap every 2 s; OpenDSS' mechanism takes no time.
    assert times[1] == 17.0
    assert np.diff(times)[1] == 2.0


@pytest.mark.parametrize("name", CIRCUITS)
def test_at_the_taps_of_opendss_all_regulators_rest(name: str) -> None:
    network = read_network(paths.find("networks", name))
    settling = Settling(Grid(network))
    before = settling.taps
    assert settling.hold(3600.0) == 0.0
    assert settling.taps == before == {r.name: r.tap for r in network.regulators}
    error = np.abs(settling.relays["error_v"])
    assert np.all(error <= 0.5 * settling.relays["band_v_sp"])


def test_an_hour_at_rest_is_an_hour_of_the_relays_clock() -> None:
    settling = Settling(Grid(read_network(paths.find("networks", "ieee13"))), {"reg1": 8})
    rested = settling.hold(3600.0)
    assert rested == 17.0
    assert settling.taps["reg1"] == 9
    assert settling.relays["day_s"] == pytest.approx([3600.0] * 3)
    assert settling.relays["ops"].tolist() == [1.0, 0.0, 0.0]


def test_loads_are_held_no_longer_than_asked() -> None:
    settling = Settling(Grid(read_network(paths.find("networks", "ieee13"))), {"reg1": 0})
    assert settling.hold(20.25) == 20.25
    assert settling.taps["reg1"] == 2
    assert settling.hold(3600.0) == pytest.approx(12.5, abs=STEP_S)  # the walk goes on where it was
    assert settling.taps["reg1"] == 9
