"""A station at one moment, the same on every machine: the real plant, seen as over a live link.

The values are those of the engine after a few simulated seconds; what estimator and forecaster publish was
recorded from a station that ran (``tests/data/console``).
"""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from hil import run_command
from hil.paths import config_dir
from hil.services.arrays import arrays_of
from hil.services.feeder_map import FeederMap
from hil.services.model import model
from hil.station import make_setup, read_plan
from hil.view.alarms import AlarmRow
from hil.view.model import StationModel
from hil.view.station_view import NEWEST, StationView
from protocols.opcua_array_list import Arrays
from protocols.opcua_space import STATUS_NAME
from protocols.station_client import Update
from protocols.station_errors import StationError, Trouble
from rtcore.engine import Engine
from rtcore.points import Kind
from rtcore.quality import Quality

DT_NS = 10_000_000
SECONDS = 5
DATA = Path(__file__).parents[1] / "data" / "console"
NOW = dt.datetime(2026, 1, 1, 12, 0, 0, tzinfo=dt.UTC)
STATUS: dict[str, Any] = {
    "you": {"user": "ann", "role": "operator"},
    "utc_ns": int(NOW.timestamp()) * 1_000_000_000,
    "mono_ns": 0,
    "processes": [
        {"name": name, "state": "serving", "pid": 1000 + k, "clients": k, "requests": 100 * k, "refused": 0,
         "commands": 0, "errors": 0, "beat_age_s": 0.1}
        for k, name in enumerate(("core", "modbus", "opcua", "estimator", "recorder"))
    ],
    "sessions": [{"peer": "127.0.0.1:50000", "user": "ann", "role": "operator", "age_s": 60.0}],
    "modbus_clients": 1,
    "commands": [
        {"utc_ns": int(NOW.timestamp()) * 1_000_000_000, "protocol": "opcua", "peer": "127.0.0.1:50000",
         "user": "ann", "role": "operator", "writes": [["FDR_B.CB_201.TRIP", 1.0]], "result": "DONE"}
    ],
    "recorder": None,
    "loop": {"lateness_us": {"edges": [], "counts": []}, "overruns_by_cause": {}, "last_overruns": [],
             "mode": "real time", "slipped": False},
    "attack": {"file": "", "active": []},
}  # fmt: skip

EVENTS: list[dict[str, Any]] = [
    {"seq": k, "step": 400 + k, "utc_ns": STATUS["utc_ns"] - 990_000_000 + 10_000_000 * k, "kind": kind,
     "tag": tag, "old": old, "new": new, "verdict": verdict, "quality": "0", "who": who, "text": text}
    for k, (kind, tag, old, new, verdict, who, text) in enumerate(
        (
            ("command", "FDR_B.CB_201.TRIP", 0.0, 1.0, "DONE", "opcua", "done"),
            ("status", "FDR_B.CB_201.ST_52A", 1.0, 0.0, "", "", "CLOSED to OPEN"),
            ("status", "FDR_B.CB_201.ST_52B", 0.0, 1.0, "", "", "CLOSED to OPEN"),
            ("status", "FDR_B.R_CB_201_79.LOCKOUT", 0.0, 1.0, "", "", "OFF to ON"),
        ),
        1,
    )
]  # fmt: skip


class FrozenView(StationView):
    """A view that nothing more comes to."""

    def __init__(self, found: StationModel, updates: list[Update], alarms: tuple[AlarmRow, ...]) -> None:
        super().__init__("opc.tcp://127.0.0.1:4840/gridhil", "ann", "", clock_s=lambda: 1000.0)
        self.link._is_connected, self.link._heard_s, self.link.n_connects = True, 1000.0, 1
        self._take_model(found)
        self._take(updates)
        self._take_status(STATUS)
        self.alarms, self.knows_alarms = alarms, True

    async def run(self) -> None:
        """Stay as it is."""

    async def events(self, since: int, count: int) -> tuple[int, list[dict[str, Any]]]:
        """Return what led to this moment."""
        rows = [r for r in EVENTS if r["seq"] > since or since == NEWEST][-count:]
        return EVENTS[-1]["seq"], rows

    async def trend(self, *_: Any) -> Any:
        """There is no record."""
        raise StationError(Trouble.REFUSED, "nothing is recorded of it")

    async def test_bench(self) -> dict[str, Any]:
        """There was no test."""
        return {}


@cache
def _moment(name: str) -> tuple[StationModel, list[Update], tuple[AlarmRow, ...]]:
    plan = read_plan(name)
    spec = run_command.make_spec(plan, Path("/nowhere"), DT_NS, False, None)
    spec = dc.replace(
        spec, started_utc_ns=STATUS["utc_ns"], core=spec.core | {"run_id": "00000000", "period_ns": DT_NS}
    )
    drawn = FeederMap(plan.network, spec.points)
    found = StationModel.of(model(plan, spec, drawn))
    engine = Engine(make_setup(plan, DT_NS))
    engine.step(SECONDS * 1_000_000_000 // DT_NS - 100)
    assert engine.do("FDR_B.CB_201.TRIP", 1.0).is_done  # something to see: a dead feeder
    engine.step(99)
    updates = []
    for point in engine.points:
        if point.kind is Kind.CONTROL:
            continue
        quality = engine.quality(point.tag)
        value = 0.0 if point.is_health else engine.value(point.tag)
        is_null = quality >= Quality.BAD and quality is not Quality.BAD_DEENERGISED
        updates.append(Update(point.tag, None if is_null else value, STATUS_NAME[quality], NOW))
    core = {u.tag: u for u in updates}
    updates += _published(found, core, arrays_of(spec.points, drawn))
    return found, updates, _alarms(found, core)


def _published(found: StationModel, core: dict[str, Update], arrays: Arrays) -> Iterator[Update]:
    """Yield what other processes published, as recorded, and the voltage profiles of the plant as it is."""
    for line in (DATA / "published_iowa240.jsonl").read_text().splitlines():
        tag, value, status = json.loads(line)
        if found.has(tag) or tag.startswith(("arrays.FORECAST.", "arrays.RESIDUALS.")):
            yield Update(tag, value, status, NOW)
    for array in arrays.arrays:
        if array.members[0] in core:
            name, of = f"arrays.{array.name}", [core[tag] for tag in array.members]
            scaled = [
                math.nan if u.value is None or u.status.startswith("Bad") else u.value * f
                for u, f in zip(of, array.factors, strict=True)
            ]
            yield Update(name, scaled, "Good", NOW)
            yield Update(f"{name}/Members", list(array.members), "Good", NOW)
            if array.distances:
                yield Update(f"{name}/Distances", list(array.distances), "Good", NOW)


def _alarms(found: StationModel, values: dict[str, Update]) -> tuple[AlarmRow, ...]:
    ns = STATUS["utc_ns"]
    return tuple(
        AlarmRow(
            p.tag, p.description, p.alarm, "unack_active", ns, ns, 1, "", "", (p.states or ("0", "1"))[1]
        )
        for p in found.points.values()
        if p.alarm and p.tag in values and values[p.tag].value == float(p.alarm_on)
    )


def frozen(name: str) -> FrozenView:
    """Return a station five simulated seconds after its start, feeder B tripped in the last one."""
    assert (config_dir() / "stations" / f"{name}.toml").is_file()
    return FrozenView(*_moment(name))
