"""What the disturbance recorder of a run takes: from the station's plan, through the run's specification."""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil import segment
from hil.recorder.disturbance import DisturbanceRecorder, Event, Plan, RelayChannels
from hil.recorder.event_tail import EventTail
from hil.runspec import RunSpec
from rtcore.board import Snapshot
from rtcore.errors import Problem, did_you_mean
from rtcore.points import Kind
from rtcore.quality import is_bad
from rtcore.ring import E_KIND, E_OLD, E_TARGET, EVENT_CAPACITY, EVENT_STATUS
from rtcore.waves import WaveReader

if TYPE_CHECKING:
    from hil.settings_sections import TriggerSection
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


def limit_problems(
    file: str, triggers: Sequence[TriggerSection], tags: Collection[str] | None
) -> list[Problem]:
    """Return what is wrong with the limits of a station file that trigger records; tags None: not known."""
    found = []
    for k, t in enumerate(triggers):
        place = f"recorder.disturbances.triggers[{k}]"
        if tags is not None and t.tag not in tags:
            found.append(Problem(file, f"{place}.tag", f"no point {t.tag!r}{did_you_mean(t.tag, tags)}"))
        if t.above is None and t.below is None:
            found.append(Problem(file, place, "has no limit: above or below"))
    return found


def disturbance_recorder(spec: RunSpec, folder: Path, tail: EventTail, seen: Snapshot) -> DisturbanceRecorder:
    """Return the recorder of a run, which has taken what the event ring still holds.

    Triggers of the last seconds count although this process was not there: their steps are in the ring.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    tail : EventTail
        At the beginning of the ring; it goes on from there.
    seen : Snapshot
        Of a step that is in the ring of events already, if anything happened in it.
    """
    _, records = tail.take(EVENT_CAPACITY)
    events = [tuple(row) for row in records.tolist()]
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
        keep=given["keep"],
        form=given["form"],
        single=given["single"],
    )
    ring = WaveReader(segment.attach(spec.waves_path))
    recorder = DisturbanceRecorder(plan, ring, folder / FOLDER, states_before(events, digitals, seen))
    recorder.take(events)
    return recorder


def states_before(
    events: Sequence[Event], digitals: Sequence[tuple[int, str]], seen: Snapshot
) -> dict[int, int]:
    """Return the states of status points before events, some of which ``seen`` shows already."""
    states = {k: int(seen.values[k]) for k, _ in digitals}
    for e in reversed(events):
        if e[E_KIND] == EVENT_STATUS and e[E_TARGET] in states:
            states[e[E_TARGET]] = e[E_OLD]
    return states


class Limits:
    """Watches points for their limits; one that is beyond at the first look has crossed nothing yet.

    Parameters
    ----------
    triggers : sequence of dict
        ``tag``, ``above``, ``below`` (None: no limit).
    index : mapping
        Tag -> number of the point.
    """

    def __init__(self, triggers: Sequence[dict[str, Any]], index: Mapping[str, int]) -> None:
        self._rows = [(index[t["tag"]], t["above"], t["below"]) for t in triggers]
        self._beyond = [True] * len(self._rows)

    def crossed(self, seen: Snapshot) -> bool:
        """Tell whether a point went beyond a limit since the look before; what is bad shows nothing."""
        before, self._beyond = self._beyond, [self._is_beyond(seen, *row) for row in self._rows]
        return any(now and not then for now, then in zip(self._beyond, before))

    @staticmethod
    def _is_beyond(seen: Snapshot, at: int, above: float | None, below: float | None) -> bool:
        value = float(seen.values[at])
        if is_bad(int(seen.quality[at])):
            return False
        return (above is not None and value > above) or (below is not None and value < below)


def _points(spec: RunSpec, kind: str, attr: str) -> frozenset[int]:
    return frozenset(
        k for k, p in enumerate(spec.points) if p.source.partition(".")[0] == kind and p.attr == attr
    )
