"""The network and point list with distributed resources are what their maker makes."""

from __future__ import annotations

from pathlib import Path

from hil.importers import iowa_der
from hil.importers.protection_points import write_devices
from hil.network_files import read_network

CONFIG = Path(__file__).resolve().parents[4] / "config"


def test_shipped_network_is_the_base_with_the_resources() -> None:
    base = read_network(CONFIG / "networks" / "iowa240-prot")
    assert read_network(CONFIG / "networks" / "iowa240-der") == iowa_der.network(base)


def test_shipped_point_list_is_the_base_with_the_resources(tmp_path: Path) -> None:
    points = CONFIG / "points"
    made = tmp_path / "list" / "devices.csv"
    network = read_network(CONFIG / "networks" / "iowa240-der")
    write_devices(points / "iowa240-prot" / "devices.csv", made, iowa_der.devices(network))
    assert made.read_bytes() == (points / "iowa240-der" / "devices.csv").read_bytes()


def test_sites_are_no_larger_than_the_transformer_that_feeds_them() -> None:
    network = read_network(CONFIG / "networks" / "iowa240-der")
    kva = {w.bus: t.windings[0].kva for t in network.transformers for w in t.windings[1:]}
    sites = [d for d in network.ders if d.kind == "pv"]
    assert len(sites) == 40
    assert all(d.kva <= kva[d.bus] for d in sites)
