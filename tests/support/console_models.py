"""Small models of stations for tests of what screens make of them."""

from __future__ import annotations

import dataclasses as dc
from typing import Any

from hil.view.model import Element, PointInfo, Relay, StationModel

RELAY = Relay(
    "R", "B", "R_IN", "R_79",
    (
        Element("R_67P", "67P", ("R_67P_G1",)),
        Element("R_51P", "51P", ("R_51P_G1", "R_51P_G2")),
        Element("R_50BF", "50BF", ()),
        Element("R_79", "79", ("R_79_G1",)),
    ),
)  # fmt: skip
"""A relay with a direction, two elements that trip, and reclosing."""


def point(tag: str, template: str, source: str = "", **changes: Any) -> PointInfo:
    """Return a point of a device made from a template."""
    device, _, name = tag.rpartition(".")
    fields: dict[str, Any] = {
        "tag": tag, "kind": "analog", "unit": "", "minimum": 0.0, "maximum": 1.0, "description": "",
        "states": None, "device": device, "template": template, "source": source or f"{template}.{device}",
        "attr": name.lower(), "role": "observer", "is_health": False, "publisher": "core",
    }  # fmt: skip
    return PointInfo(**(fields | changes))


def model_of(*points: PointInfo, **changes: Any) -> StationModel:
    """Return a model with these points and no map."""
    devices: dict[str, list[PointInfo]] = {}
    for p in points:
        devices.setdefault(p.device, []).append(p)
    fields: dict[str, Any] = dict.fromkeys((f.name for f in dc.fields(StationModel)), ())
    fields |= {
        "name": "small", "title": "small", "run_id": "1", "started_utc_ns": 0, "version": "0",
        "period_ns": 10**7, "dt_ns": 10**7, "speed": 1.0, "points": {p.tag: p for p in points},
        "devices": {d: tuple(ps) for d, ps in devices.items()}, "v_low_pu": 0.95, "v_high_pu": 1.05,
    }  # fmt: skip
    return StationModel(**(fields | changes))


def protection_model() -> StationModel:
    """Return a model with ``RELAY``."""
    templates = {"R_67P": "directional_67", "R_51P": "overcurrent_51", "R_50BF": "breaker_failure_50bf",
                 "R_79": "recloser_79", "R": "relay"}  # fmt: skip
    return model_of(*(point(f"{d}.PICKUP", t) for d, t in templates.items()), relays=(RELAY,))
