"""What the disturbance recorder of a run takes: from the station's plan, through the run's specification."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil import segment
from hil.recorder.disturbance import DisturbanceRecorder, Plan, RelayChannels
from hil.runspec import RunSpec
from rtcore.board import Snapshot
from rtcore.errors import Problem, did_you_mean
from rtcore.points import Kind
from rtcore.waves import WaveReader

if TYPE_CHECKING:
    from hil.station import Plan as StationPlan

FOLDER = "disturbances"


def relay_rows(plan: StationPlan) -> list[dict[str, Any]]:
    """Return the channels of every relay of a station, as plain data, in the order of the scheme."""
    if plan.scheme is None:
        return []
    w0_rad_s = 2.0 * math.pi * plan.network.base_frequency_hz
    return [
        dc.asdict(
            RelayChannels(
                name=relay.name.upper(),
                ct_primary_a=relay.inputs.ct_primary_a,
                ct_secondary_a=relay.inputs.ct_secondary_a,
                tau_s=relay.inputs.x_over_r / w0_rad_s,
                has_ct=bool(relay.terminal),
                has_vt=bool(relay.vt_bus),
            )
        )
        for relay in plan.scheme.relays
    ]


def trigger_problems(plan: StationPlan) -> list[Problem]:
    """Return what is wrong with the limits that trigger records."""
    tags = [p.tag for p in plan.points.points]
    found = []
    for k, t in enumerate(plan.station.recorder.disturbances.triggers):
        place = f"recorder.disturbances.triggers[{k}]"
        if t.tag not in tags:
            hint = did_you_mean(t.tag, tags)
            found.append(Problem(str(plan.station.path), f"{place}.tag", f"no point {t.tag!r}{hint}"))
        if t.above is None and t.below is None:
            found.append(Problem(str(plan.station.path), place, "has no limit: above or below"))
    return found


def disturbance_recorder(spec: RunSpec, folder: Path, first: Snapshot) -> DisturbanceRecorder:
    """Return the recorder of a run; ``first`` has the statuses from which its events go on."""
    given = spec.recorder["disturbances"]
    digitals = [
        (k, p.tag)
        for k, p in enumerate(spec.points)
        if p.kind is Kind.STATUS and p.source.partition(".")[0] in ("relay", "breaker", "injection", "fault")
    ]
    plan = Plan(
        station=spec.name,
        f0_hz=given["f0_hz"],
        dt_s=spec.core["dt_ns"] * 1e-9,
        relays=[RelayChannels(**row) for row in given["relays"]],
        digitals=digitals,
        trips=_points(spec, "relay", "is_trip"),
        commands=_points(spec, "breaker", "trip") | _points(spec, "breaker", "close"),
        pre_s=given["pre_s"],
        post_s=given["post_s"],
        form=given["form"],
        single=given["single"],
    )
    states = {k: int(first.values[k]) for k, _ in digitals}
    return DisturbanceRecorder(plan, WaveReader(segment.attach(spec.waves_path)), folder / FOLDER, states)


def crossed(thresholds: Sequence[dict[str, Any]], index: dict[str, int], seen: Snapshot) -> list[str]:
    """Return the tags of the thresholds that a snapshot is beyond."""
    found = []
    for t in thresholds:
        value = float(seen.values[index[t["tag"]]])
        if (t["above"] is not None and value > t["above"]) or (t["below"] is not None and value < t["below"]):
            found.append(t["tag"])
    return found


def _points(spec: RunSpec, kind: str, attr: str) -> frozenset[int]:
    return frozenset(
        k for k, p in enumerate(spec.points) if p.source.partition(".")[0] == kind and p.attr == attr
    )
