"""The static model of a station for its console: points, map, feeders, relays, named faults.

``gridhil run`` has the whole plan at hand and writes it into the run directory, so that the gateway, which
must start fast, need not read networks.
"""

from __future__ import annotations

import importlib.metadata
import json
import zlib
from typing import Any

from hil.forecast_targets import targets_of
from hil.point_units import split_unit
from hil.publishers import publisher_of
from hil.runspec import RunSpec
from hil.services.alarms import alarms_of
from hil.services.feeder_map import Devices, FeederMap
from hil.station import Plan
from protocols.alarm_book import Alarm
from rtcore.network.fault_table import place_table
from rtcore.network.model import Regulator
from rtcore.points import Point
from rtcore.protection.scheme import Element, Relay

VERSION = 1
LEVEL = 6
V_LOW_PU, V_HIGH_PU = 0.95, 1.05
"""Range A of ANSI C84.1 [pu]."""


def packed(found: dict[str, Any]) -> bytes:
    """Return a model as it is served."""
    return zlib.compress(json.dumps(found, separators=(",", ":")).encode(), LEVEL)


def model(plan: Plan, spec: RunSpec, drawn: FeederMap) -> dict[str, Any]:
    """Return the model as JSON can hold it."""
    devices = drawn.devices
    alarms = {a.tag: a for a in alarms_of(spec.points)}
    return {
        "version": VERSION,
        "gridhil": importlib.metadata.version("gridhil"),
        "station": {
            "name": spec.name,
            "title": spec.station,
            "run_id": spec.core["run_id"],
            "started_utc_ns": spec.started_utc_ns,
        },
        "core": {key: spec.core[key] for key in ("period_ns", "dt_ns", "speed", "strict")},
        "points": [_point(p, alarms.get(p.tag)) for p in spec.points],
        "map": drawn.to_dict(),
        "feeders": drawn.feeders,
        "relays": [] if plan.scheme is None else [_relay(r, devices) for r in plan.scheme.relays],
        "regulators": [_regulator(r, devices) for r in plan.network.regulators],
        "transformers": [
            {"device": device, "thermal": devices.of("thermal", name.rpartition(".")[2].partition("@")[0])}
            for device, name in devices.having("transformer", "terminal")
        ],
        "faults": [
            {"number": k, "name": f.name, "text": f.title} for k, f in enumerate(plan.faults.faults, 1)
        ],
        "places": place_table(plan.network),
        "switches": [s.name for s in plan.network.switches],
        "forecasts": _forecasts(plan, spec, devices),
        "limits": {"v_low_pu": V_LOW_PU, "v_high_pu": V_HIGH_PU},
    }


def _point(p: Point, alarm: Alarm | None) -> dict[str, Any]:
    return {
        "tag": p.tag,
        "kind": str(p.kind),
        "unit": p.unit,
        "min": p.minimum,
        "max": p.maximum,
        "description": p.description,
        "states": None if p.states is None else list(p.states),
        "device": p.device,
        "template": p.template,
        "source": p.source,
        "attr": p.attr,
        "role": p.role,
        "health": p.is_health,
        "publisher": publisher_of(p) or "core",
        "alarm": "" if alarm is None else alarm.severity,
        "alarm_on": 1 if alarm is None else alarm.on,
    }


def _relay(relay: Relay, devices: Devices) -> dict[str, Any]:
    recloser = next((e.name for e in relay.elements if e.function == "recloser_79"), "")
    elements = [_element(relay, e, devices) for e in relay.elements]
    return {
        "device": devices.of("relay", relay.name),
        "breaker": devices.of("breaker", relay.breaker, "breaker") if relay.breaker else "",
        "inputs": devices.of("relay_inputs", relay.name),
        "recloser": devices.of("recloser_79", f"{relay.name}.{recloser}") if recloser else "",
        "elements": [e for e in elements if e["device"]],
    }


def _element(relay: Relay, element: Element, devices: Devices) -> dict[str, Any]:
    name = f"{relay.name}.{element.name}"
    groups = (devices.of(f"{element.function}_settings", f"{name}.{k}") for k in range(1, relay.n_groups + 1))
    return {
        "device": devices.of(element.function, name),
        "function": element.name.upper(),
        "settings": [g for g in groups if g],
    }


def _forecasts(plan: Plan, spec: RunSpec, devices: Devices) -> list[dict[str, Any]]:
    """Return what is forecast: its device, and the points that it is measured by, in kW."""
    settings = plan.station.forecast
    if settings is None or not plan.station.has_forecasts:
        return []
    targets, _ = targets_of(settings, spec.points[: spec.n_core], str(plan.station.path))
    units = {p.tag: split_unit(p.unit)[0] / 1e3 for p in spec.points[: spec.n_core]}
    return [
        {
            "device": devices.of("forecast", t.name),
            "step_s": settings.step_min * 60,
            "measured": [[tag, sign * units[tag]] for tag, sign in zip(t.tags, t.signs, strict=True)],
        }
        for t in targets
    ]


def _regulator(regulator: Regulator, devices: Devices) -> dict[str, str]:
    nodes = regulator.transformer.windings[0].nodes
    return {
        "device": devices.of("regulator", regulator.name),
        "control": devices.of("tap_changer", regulator.name),
        "phase": "".join("abc"[n - 1] for n in nodes if 1 <= n <= 3),
    }
