"""The overview's boxes: what is not known is not shown as good, and figures never run together."""

from __future__ import annotations

from typing import Any

import pytest

from hil.console import looks
from hil.console.pages import overview_parts as parts
from hil.view.lateness import LatenessWatch
from hil.view.station_view import StationView
from protocols.station_client import Update
from tests.support.console_models import model_of, point

LOOP = [point(f"SUB.LOOP.{n}", "loop") for n in ("LATE_P50", "LATE_P99", "LATE_P999", "LATE_MAX", "EXEC_P50")]
FLAGS = [
    point("SUB.LOOP.SLIPPED", "loop", states=("IN STEP", "SLIPPED")),
    point("LAB.ARM.ARMED", "lab", states=("SAFE", "ARMED")),
]
PROCESS = {"state": "serving", "clients": 12, "requests": 123456, "refused": 7, "beat_age_s": 0.0}
STATUS: dict[str, Any] = {
    "processes": [{"name": name} | PROCESS for name in ("core", "forecaster", "dispatcher")],
    "sessions": [{"user": "ann", "role": "operator", "age_s": 5.0, "peer": "127.0.0.1:5"}],
    "commands": [{"utc_ns": 0, "writes": [["F.CB.TRIP", 1.0]], "result": "DONE", "user": "ann"}],
    "loop": {"mode": "real time", "overruns_by_cause": {"host": 3}, "last_overruns": []},
    "modbus_clients": 1,
}


def seen(*, is_live: bool = True, width: int = 36, **values: float) -> parts.Seen:
    """Return what boxes are drawn from: values by the point's last word, without underscores' order."""
    view = StationView("opc.tcp://127.0.0.1:4840/gridhil", clock_s=lambda: 100.0)
    model = model_of(*LOOP, *FLAGS)
    view.link._is_connected, view.link._heard_s, view.link.n_connects = is_live, 100.0, 1
    view._take_model(model)
    view._take([Update(t, values[t.rpartition(".")[2]], "Good", None) for t in model.points
                if t.rpartition(".")[2] in values])  # fmt: skip
    view._take_status(STATUS)
    return parts.Seen(view, model, looks.DARK, looks.UNICODE, LatenessWatch(), width)


def test_in_step_is_said_only_while_it_is_known() -> None:
    assert "in step" in parts.loop(seen(SLIPPED=0.0)).plain
    assert "SLIPPED" in parts.loop(seen(SLIPPED=1.0)).plain
    assert "SLIPPED?" in parts.loop(seen(is_live=False, SLIPPED=1.0)).plain
    assert "in step" not in parts.loop(seen()).plain


def test_not_armed_is_said_only_while_it_is_known() -> None:
    assert parts._laboratory(seen(ARMED=0.0)).plain == "not armed"
    assert parts._laboratory(seen(is_live=False, ARMED=1.0)).plain == "ARMED?"
    assert parts._laboratory(seen()).plain == "-"


@pytest.mark.parametrize("part", [parts.commands, parts.processes, parts.sessions, parts.overruns])
def test_every_row_of_a_lost_link_has_its_mark(part: Any) -> None:
    rows = part(seen(is_live=False)).plain.splitlines()
    if part is parts.processes:
        rows = rows[1:]
    assert rows
    assert all("?" in row for row in rows)
    assert "?" not in part(seen()).plain


def test_alarms_that_were_not_read_are_not_none() -> None:
    found = seen()
    assert parts.alarms(found).plain == "not known yet"
    found.view.knows_alarms = True
    assert parts.alarms(found).plain == "none"


@pytest.mark.parametrize("is_live", [True, False])
def test_long_latenesses_are_told_apart_with_their_unit(is_live: bool) -> None:
    found = seen(is_live=is_live, LATE_P50=93.0, LATE_P99=99999.0, LATE_P999=304000.0, LATE_MAX=7551818.0)
    row = parts.loop(found).plain.splitlines()[2]
    mark = "" if is_live else "?"
    assert row.split() == [f"93{mark}", f"99999{mark}", f"304ms{mark}", f"7.552s{mark}"]
    assert "p50 -, p99 - us" in parts.loop(found).plain
    assert "p50 2s," in parts.loop(seen(EXEC_P50=2e6)).plain


def test_a_process_with_a_long_name_keeps_away_from_its_state() -> None:
    rows = parts.processes(seen()).plain.splitlines()
    assert rows[2].split() == ["forecaster", "serving", "12", "123456", "7"]
    assert len({len(row) for row in rows}) == 1


def test_one_master_is_no_masters() -> None:
    assert "1 master over Modbus" in parts.sessions(seen()).plain
