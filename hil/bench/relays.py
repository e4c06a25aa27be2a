"""What protection adds to a step: the same network without relays, with its own scheme, with every function.

``scheme`` has the twelve relays of iowa240 with their elements as shipped; ``all functions`` gives each of
them two overcurrent elements of either kind, two directional ones, and one of every other function.
Thread CPU time, alternating blocks; points are the same in all cases and none of them is a relay's.
"""

from __future__ import annotations

import dataclasses as dc
from pathlib import Path

import numpy as np

from hil import paths
from hil.bench.solver import BLOCKS
from hil.bench.step import bare_setup, timed
from hil.network_files import read_network
from hil.protection_files import read_scheme
from rtcore.component import REGISTRY
from rtcore.engine import Engine
from rtcore.network.model import Network
from rtcore.protection.scheme import Element, Relay, Scheme

EVERY = {
    "67p": "directional_67", "67g": "directional_67",
    "51p": "overcurrent_51", "51g": "overcurrent_51", "50p": "instantaneous_50", "50g": "instantaneous_50",
    "46": "negative_sequence_46", "49": "thermal_49", "27": "undervoltage_27", "59": "overvoltage_59",
    "81u": "frequency_81", "81o": "frequency_81", "81r": "rocof_81r",
    "50bf": "breaker_failure_50bf", "79": "recloser_79",
}  # fmt: skip
"""Element -> function of a relay that has them all."""

SETTINGS: dict[str, dict[str, object]] = {
    **{name: {"quantity": "ground"} for name in ("67g", "51g", "50g")},
    "81o": {"direction": "over", "f_hz": 61.0},
}
"""What is not as by default; no load of the network reaches a pickup."""
DIRECTED = {"51p": "67p", "51g": "67g", "50p": "67p", "50g": "67g"}


def run(seconds: float = 10.0) -> dict[str, dict[str, float]]:
    """Measure the cases in turn, ``seconds`` in all at about 0.1 ms a step.

    Returns
    -------
    dict
        ``none``, ``scheme``, ``all functions`` -> p50_us, relays, elements; the latter two also
        added_us, the median over the blocks of the difference of medians.
    """
    network = read_network(paths.find("networks", "iowa240-prot"))
    scheme = read_scheme(Path(paths.find("protection", "iowa240")), network)
    schemes = {"none": None, "scheme": scheme, "all functions": complete(scheme)}
    engines = {name: _engine(network, s) for name, s in schemes.items()}
    n = max(100, int(seconds * 3000 / BLOCKS))
    blocks: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(BLOCKS):
        for name, engine in engines.items():
            blocks[name].append(float(np.median(timed(engine, n))) / 1e3)
    return {name: _figures(schemes[name], blocks[name], blocks["none"]) for name in engines}


def _figures(scheme: Scheme | None, taken_us: list[float], without_us: list[float]) -> dict[str, float]:
    relays = scheme.relays if scheme else ()
    found = {"p50_us": float(np.median(taken_us))}
    found |= {"relays": float(len(relays)), "elements": float(sum(len(r.elements) for r in relays))}
    if scheme:
        found["added_us"] = float(np.median(np.subtract(taken_us, without_us)))
    return found


def _engine(network: Network, scheme: Scheme | None) -> Engine:
    engine = Engine(dc.replace(bare_setup(network), scheme=scheme))
    engine.step(100)
    return engine


def complete(scheme: Scheme) -> Scheme:
    """Return the scheme with every function in each of its relays, at default settings."""
    relays = tuple(
        dc.replace(relay, group=1, elements=tuple(_element(relay, name) for name in EVERY))
        for relay in scheme.relays
    )
    return dc.replace(scheme, relays=relays)


def _element(relay: Relay, name: str) -> Element:
    function = EVERY[name]
    return Element(
        name=name,
        function=function,
        trips=() if function in ("directional_67", "recloser_79") else (relay.breaker,),
        direction=DIRECTED.get(name, ""),
        settings=(REGISTRY[function].params(**SETTINGS.get(name, {})),),
    )
