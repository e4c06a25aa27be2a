"""Which points of a station belong together: voltage profiles, forecasts, the largest residuals."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from hil.services.feeder_map import PHASES, FeederMap
from protocols.opcua_array_list import Array, Arrays, Ranking
from rtcore.network.model import Load
from rtcore.points import Kind, Point
from rtcore.published import instance_of, kind_of

RESIDUALS_SHOWN = 20
_VOLTAGE = re.compile(r"v([123])_v")
_BANDS = (("MEAN", "h", "forecast"), ("LOW", "low", "lower bound"), ("HIGH", "high", "upper bound"))


def arrays_of(points: Sequence[Point], drawn: FeederMap) -> Arrays:
    """Return the arrays of a station."""
    return Arrays(
        (*_profiles(points, drawn), *_forecasts(points)),
        tuple(_rankings(points)),
    )


def _profiles(points: Sequence[Point], drawn: FeederMap) -> Iterator[Array]:
    """Yield the voltages of each feeder and phase, by distance from the source."""
    loads = {x.name: x for x in drawn.network.loads}
    base_v = {b.name: 1e3 * b.base_kv_ln for b in drawn.network.buses}
    found: dict[tuple[str, str], list[tuple[float, str, float]]] = {}
    seen = set[tuple[str, str]]()
    for p in points:
        match = _VOLTAGE.fullmatch(p.attr)
        place = _place(p, loads)
        if match is None or place is None or (p.source, p.attr) in seen:
            continue
        bus, load = place
        feeder = drawn.feeder_of.get(bus, "")
        phase = _phase(int(match[1]), drawn.walk.phases.get(bus, ""), load)
        if feeder and phase:
            seen.add((p.source, p.attr))
            base = base_v[bus] * (math.sqrt(3.0) if load is not None and load.conn == "delta" else 1.0)
            found.setdefault((feeder, phase), []).append((drawn.walk.km[bus], p.tag, 1.0 / base))
    for (feeder, phase), rows in sorted(found.items()):
        distances, tags, factors = zip(*sorted(rows, key=lambda r: r[0]), strict=True)
        yield Array(
            name=f"VPROFILE.{feeder}.{phase.upper()}",
            description=f"measured voltages of {feeder}, phase {phase}, by distance from the source",
            unit="pu",
            members=tags,
            factors=factors,
            distances=distances,
        )


def _place(p: Point, loads: Mapping[str, Load]) -> tuple[str, Load | None] | None:
    """Return the bus that a point measures at, with the load whose meter it is; None for others."""
    kind, name = kind_of(p), instance_of(p)
    if p.kind is not Kind.ANALOG or p.unit != "V":
        return None
    if kind == "bus":
        return name, None
    if kind == "load" and name in loads:
        return loads[name].bus, loads[name]
    return None


def _phase(k: int, of_bus: str, load: Load | None) -> str:
    """Return the phase of the k-th voltage; legs of a service are on the phase that feeds it."""
    if len(of_bus) == 1:
        return of_bus
    node = k if load is None else load.nodes[k - 1] if k <= len(load.nodes) else 0
    phase = PHASES[node - 1] if 1 <= node <= 3 else ""
    return phase if phase in of_bus else ""


def _forecasts(points: Sequence[Point]) -> Iterator[Array]:
    """Yield what is forecast of each target, and its bounds."""
    of: dict[str, dict[str, Point]] = {}
    names: dict[str, str] = {}
    for p in points:
        if kind_of(p) == "forecast":
            of.setdefault(p.source, {})[p.attr] = p
            names.setdefault(p.source, p.device.rpartition(".")[2])
    for source, attrs in of.items():
        for band, prefix, meaning in _BANDS:
            hours = [attrs[f"{prefix}{k}_w"] for k in range(1, 200) if f"{prefix}{k}_w" in attrs]
            if not hours:
                continue
            yield Array(
                name=f"FORECAST.{names[source]}.{band}",
                description=f"{meaning} of {names[source]}, the next steps",
                unit=hours[0].unit,
                members=tuple(p.tag for p in hours),
                factors=(1.0,) * len(hours),
            )


def _rankings(points: Sequence[Point]) -> Iterator[Ranking]:
    """Yield the largest normalised residuals of the estimator."""
    residuals = [p for p in points if kind_of(p) == "residual" and p.attr == "rn"]
    if residuals:
        yield Ranking(
            name="RESIDUALS",
            description="normalised residuals of measurements, the largest magnitude first",
            value_name="RN",
            members=tuple(p.tag for p in residuals),
            names=tuple(instance_of(p) for p in residuals),
            n=RESIDUALS_SHOWN,
        )
