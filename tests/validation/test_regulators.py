"""Settled taps against OpenDSS' control solution, from its own starting position."""

import pytest

from hil import paths
from hil.network_files import read_network
from rtcore.control.regulator_settling import settle
from rtcore.network.grid import Grid


@pytest.mark.parametrize("name", ["ieee13", "iowa240-ref"])
def test_regulators_settle_where_opendss_settles_from_neutral(name: str) -> None:
    network = read_network(paths.find("networks", name))
    grid = Grid(network)
    taps = {r.name: 0 for r in network.regulators}
    for tap in taps:
        grid.set_tap(tap, 0)
    grid.refresh()
    grid.solve()
    settle(grid, taps)
    assert taps == {r.name: r.tap for r in network.regulators}


@pytest.mark.parametrize("name", ["ieee13", "ieee123", "iowa240-ref"])
def test_settled_regulators_rest(name: str) -> None:
    network = read_network(paths.find("networks", name))
    grid = Grid(network)
    grid.solve()
    taps = {r.name: r.tap for r in network.regulators}
    assert settle(grid, taps) == 0
