"""What the disturbance recorder of a run takes from its station, its board and its event ring."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import paths, segment
from hil.recorder.disturbance_setup import (
    Limits,
    disturbance_recorder,
    relay_rows,
    states_before,
)
from hil.recorder.event_tail import EventTail
from hil.settings_check import check_file
from hil.station import Plan, read_plan
from rtcore import board as bd
from rtcore.errors import UserInputError
from rtcore.points import Kind
from rtcore.ring import EVENT_COMMAND, EVENT_STATUS
from rtcore.waves import format_waves, waves_bytes
from tests.unit.hil.recorder.ring_rig import make_memory, make_spec, point, publish

POINTS = [
    point("R1.TRIP", source="relay.r1", attr="is_trip"),
    point("CB1.CLOSED", source="breaker.cb1", attr="is_52a"),
    point("CB1.OPEN", Kind.CONTROL, source="breaker.cb1", attr="trip"),
    point("BUS.VA", Kind.ANALOG, source="bus.b1", attr="va_v"),
    point("LOOP.SLIPPED", source="loop.loop", attr="is_slipped"),
]
TRIP, CLOSED, OPEN, VOLTAGE, SLIPPED = range(len(POINTS))
RELAY = {"ct_primary_a": 600.0, "ct_secondary_a": 5.0, "tau_s": 0.02, "has_ct": True, "has_vt": True}
SETTINGS = {
    "relays": [RELAY | {"name": "R1"}], "triggers": [], "f0_hz": 60.0, "pre_s": 0.2, "post_s": 0.3,
    "form": "BINARY32", "single": False, "keep": 10,
}  # fmt: skip


def snapshot(values: list[float], quality: list[int] | None = None, step: int = 0) -> bd.Snapshot:
    image = bd.blank_image(len(values))
    image.values[:], image.quality[:] = values, quality or 0
    return bd.Snapshot(step, 0, 0, 0, 1_000_000, 0, 0, image.values, image.quality)


def test_states_before_events_are_those_that_the_events_came_from() -> None:
    def event(kind: int, target: int, old: int, new: int) -> tuple[int, ...]:
        return (0, 0, kind, target, old, new, 0, 0)

    events = [
        event(EVENT_STATUS, CLOSED, 1, 0),
        event(EVENT_COMMAND, CLOSED, 0, 1),
        event(EVENT_STATUS, CLOSED, 0, 1),
        event(EVENT_STATUS, SLIPPED, 0, 1),
    ]
    digitals = [(TRIP, "R1.TRIP"), (CLOSED, "CB1.CLOSED")]
    for closed in (0.0, 1.0):  # whether or not the image shows the last of them already
        assert states_before(events, digitals, snapshot([1, closed, 0, 0, 0])) == {TRIP: 1, CLOSED: 1}


def test_triggers_and_states_of_before_the_recorder_came_are_taken_from_the_ring(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, POINTS, disturbances=SETTINGS)
    ring, board = make_memory(spec)
    segment.create(spec.waves_path, waves_bytes(1, 64), lambda memory: format_waves(memory, 1, 64))
    ring.push(step=10, target=SLIPPED, old=0, new=1)
    ring.push(step=20, target=TRIP, old=0, new=1)
    ring.push(step=30, target=CLOSED, old=1, new=0)
    publish(board, 40, [1, 0, 0, 0, 1])
    seen = board.read()
    assert seen is not None
    recorder = disturbance_recorder(spec, tmp_path / "records", EventTail(ring.buffer), seen)
    assert [tag for _, tag in recorder.plan.digitals] == ["R1.TRIP", "CB1.CLOSED"]
    assert (recorder.plan.trips, recorder.plan.commands) == (frozenset({TRIP}), frozenset({OPEN}))
    assert recorder.is_pending, "the trip of step 20"


def test_a_limit_triggers_when_it_is_crossed_and_not_while_a_value_stays_beyond_it() -> None:
    limits = Limits([{"tag": "V", "above": 110.0, "below": 90.0}], {"V": 0})
    seen = [100.0, 111.0, 112.0, 100.0, 89.0, 90.0, 110.0, float("nan"), 110.1]
    found = [limits.crossed(snapshot([v])) for v in seen]
    assert found == [False, True, False, False, True, False, False, False, True]


def test_each_limit_is_watched_for_itself_and_a_bad_value_shows_nothing() -> None:
    above = [{"tag": tag, "above": 1.0, "below": None} for tag in "AB"]
    limits = Limits(above, {"A": 0, "B": 1})
    assert not limits.crossed(snapshot([2.0, 0.0])), "it may have been there for hours"
    assert limits.crossed(snapshot([2.0, 2.0]))
    assert not limits.crossed(snapshot([2.0, 2.0]))
    assert not limits.crossed(snapshot([0.0, 5.0], quality=[0, 129]))


# ---- the station ---------------------------------------------------------------------------


def plan_with(folder: Path, disturbances: str) -> Plan:
    text = (paths.config_dir() / "stations" / "iowa240.toml").read_text()
    path = folder / "iowa240.toml"
    path.write_text(text + f"\n[recorder.disturbances]\n{disturbances}\n")
    return read_plan(str(path))


def test_every_relay_of_a_station_is_recorded_with_its_ratio_and_time_constant(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, "")
    assert plan.scheme is not None
    rows = relay_rows(plan)
    assert [r["name"] for r in rows] == [r.name.upper() for r in plan.scheme.relays]
    first, relay = rows[0], plan.scheme.relays[0]
    assert first["ct_primary_a"] == relay.inputs.ct_primary_a
    assert first["tau_s"] == pytest.approx(relay.inputs.x_over_r / (2 * 3.141592653589793 * 60.0))


def test_every_bad_trigger_is_told_in_one_report_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UserInputError) as caught:
        plan_with(
            tmp_path,
            'triggers = [{ tag = "SUB.BUS1.VAA", below = 7000 }, { tag = "SUB.BUS1.VB" }, '
            '{ tag = "SUB.BUS1.VA", below = 7000 }]',
        )
    problems = caught.value.problems
    found = [(p.place.removeprefix("recorder.disturbances."), p.what) for p in problems]
    assert [place for place, _ in found] == ["triggers[0].tag", "triggers[1]"]
    assert "did you mean 'SUB.BUS1.V" in found[0][1]
    assert "above or below" in found[1][1]
    assert check_file(tmp_path / "iowa240.toml") == problems
