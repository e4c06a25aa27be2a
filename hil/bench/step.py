"""One full engine step: the shipped stations beside OpenDSS' re-solve, and how it scales with the network.

Thread CPU time. Stations have all their points; the networks of the scaling table have a voltage
at every bus and the flow through every breaker. ``day`` is a simulated day of iowa240-der in steps
of one second.
"""

from __future__ import annotations

import dataclasses as dc
import time
from typing import Any

import numpy as np

from hil import paths
from hil.bench.solver import BLOCKS, RIPPLE, OpenDss
from hil.network_files import read_network
from hil.station import load_setup
from rtcore.assemble import Setup
from rtcore.atomics import now_ns
from rtcore.clock import NS_PER_S, SimClock
from rtcore.drive import take_commands, take_step
from rtcore.engine import VIRTUAL, Engine
from rtcore.jit import kernel
from rtcore.network.model import Network, Source
from rtcore.points import Kind, Point
from rtcore.world import T_DT

CLOCK_THREAD_CPU = 3
STEP_NS = 1_000_000
COPIES = 10
DAY_STEPS = 86_400


@kernel
def _time_steps(drive, commands, verdicts, first, timespec, out):  # type: ignore[no-untyped-def]
    for k in range(out.shape[0]):
        step = first + k
        start = now_ns(CLOCK_THREAD_CPU, timespec)
        take_commands(drive, commands, verdicts, step * drive.times[T_DT], step, 0, VIRTUAL)
        take_step(drive, step, 0)
        out[k] = now_ns(CLOCK_THREAD_CPU, timespec) - start


def timed(engine: Engine, n: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Take ``n`` steps; return the CPU time of each [ns]."""
    out, rings = np.zeros(n, np.int64), engine.rings
    _time_steps(
        engine.drive,
        rings.commands,
        rings.verdicts,
        engine.n_steps,
        np.zeros(2, np.int64),
        out,
    )
    engine.n_steps += n
    return out


def run(seconds: float = 10.0) -> dict[str, dict[str, float]]:
    """Measure stations, scaling and the day; ``seconds`` bounds the repetitions of the first.

    Returns
    -------
    dict
        ``iowa240`` and ``iowa240-der`` -> p50_us, p99_us, nodes, points, and ratio_to_opendss for the
        first; ``scaling ...`` -> p50_us, p99_us, nodes, points; ``day`` -> seconds, realtime_factor.
    """
    per_block = max(200, int(seconds * 1000 / BLOCKS))
    found = {"iowa240": _station("iowa240", per_block, OpenDss("iowa240"))}
    found["iowa240-der"] = _station("iowa240-der", per_block, None)
    for name in ("ieee13", "ieee123", "iowa240"):
        network = read_network(paths.find("networks", name))
        found[f"scaling {name}"] = _figures(Engine(bare_setup(network)), per_block)
    large = copies(read_network(paths.find("networks", "iowa240")), COPIES)
    found[f"scaling {COPIES}x iowa240"] = _figures(Engine(bare_setup(large)), max(200, per_block // COPIES))
    return found | {"day": _day()}


def _station(name: str, per_block: int, peer: OpenDss | None) -> dict[str, float]:
    engine, rng = Engine(load_setup(name, STEP_NS)), np.random.default_rng(1)
    engine.step(100)
    blocks, ratios = [], []
    for _ in range(BLOCKS):
        blocks.append(timed(engine, per_block))
        if peer is not None:
            ripple = 1.0 + RIPPLE * rng.standard_normal((150, len(peer.base)))
            ratios.append(float(np.median(blocks[-1])) / float(np.median(peer.block(ripple))))
    found = _summary(np.concatenate(blocks), engine)
    return found | ({"ratio_to_opendss": float(np.median(ratios))} if ratios else {})


def _figures(engine: Engine, n: int) -> dict[str, float]:
    engine.step(100)
    return _summary(timed(engine, n), engine)


def _summary(taken_ns: np.ndarray[Any, np.dtype[np.int64]], engine: Engine) -> dict[str, float]:
    return {
        "p50_us": float(np.median(taken_ns)) / 1e3,
        "p99_us": float(np.percentile(taken_ns, 99)) / 1e3,
        "nodes": engine.grid.n,
        "points": len(engine.points),
    }


def _day() -> dict[str, float]:
    engine = Engine(load_setup("iowa240-der", NS_PER_S, duration_s=float(DAY_STEPS)))
    engine.step(1)  # compiled before
    begin = time.perf_counter()
    engine.step(DAY_STEPS - 1)
    taken_s = time.perf_counter() - begin
    return {"seconds": taken_s, "realtime_factor": DAY_STEPS / taken_s}


def copies(network: Network, n: int) -> Network:
    """Return ``n`` copies of a network side by side at one source, as strong as ``n`` of it."""
    (source,) = network.sources

    def renamed(element: Any, k: int) -> Any:
        changes: dict[str, Any] = {}
        for f in dc.fields(element):
            value = getattr(element, f.name)
            if f.name in ("name", "control") or (f.name.startswith("bus") and value):
                changes[f.name] = value if value == source.bus else f"{value}_{k}"
            elif f.name in ("windings",):
                changes[f.name] = tuple(renamed(w, k) for w in value)
            elif f.name == "transformer":
                changes[f.name] = renamed(value, k)
            elif f.name == "controlled_bus" and value:
                changes[f.name] = f"{value}_{k}"
        return dc.replace(element, **changes)

    many: dict[str, Any] = {
        kind: tuple(renamed(e, k) for k in range(n) for e in getattr(network, kind))
        for kind in ("lines", "switches", "transformers", "regulators", "capacitors", "reactors", "loads")
    }
    shared = next(b for b in network.buses if b.name == source.bus)
    others = [b for b in network.buses if b.name != source.bus]
    buses = (shared, *(dc.replace(b, name=f"{b.name}_{k}") for k in range(n) for b in others))
    return dc.replace(
        network, name=f"{network.name}x{n}", buses=buses, sources=(_stronger(source, n),), **many
    )


def _stronger(s: Source, n: int) -> Source:
    return dc.replace(s, r1_ohm=s.r1_ohm / n, x1_ohm=s.x1_ohm / n, r0_ohm=s.r0_ohm / n, x0_ohm=s.x0_ohm / n)


def bare_setup(network: Network) -> Setup:
    """Return a setup without a station: voltages of all buses, flows of all breakers, 2 % ripple."""
    points = [_point(f"bus.{b.name}", f"v{k}_v") for b in network.buses for k in (1, 2, 3)]
    points += [_point(f"terminal.switch.{s.name}@1", a) for s in network.switches for a in ("p_w", "q_var")]
    return Setup(
        network=network,
        points=points,
        instruments={
            key: np.full(len(points), value)
            for key, value in (
                ("class_frac", 0.003),
                ("noise_frac", 0.0002),
                ("noise_abs", 0.0),
                ("quantum_abs", 0.1),
                ("cutoff_abs", 0.0),
            )
        },
        unit_factor=np.ones(len(points)),
        clock=SimClock(0, STEP_NS),
        seed=1,
    )


def _point(source: str, attr: str) -> Point:
    tag = f"{source}.{attr}".upper()
    return Point(
        tag=tag,
        device=tag.rpartition(".")[0],
        template="bench",
        source=source,
        attr=attr,
        kind=Kind.ANALOG,
        unit="",
        minimum=-1e9,
        maximum=1e9,
        deadband=0.0,
        instrument="",
        description="",
        wire={},
    )
