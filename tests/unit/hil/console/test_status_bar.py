"""The bar: alarms that nobody counted are not none, and a count of a lost link has its mark."""

from __future__ import annotations

from hil.console.app import ConsoleApp
from hil.console.widgets.status_bar import _alarms
from hil.view.alarms import AlarmRow
from hil.view.station_view import StationView

ALARM = AlarmRow("F.CB.DISC", "", "high", "unack_active", 0, 0, 1, "", "", "ALARM")


def shown(*, is_live: bool, is_read: bool, alarms: tuple[AlarmRow, ...] = ()) -> str:
    view = StationView("opc.tcp://127.0.0.1:4840/gridhil", clock_s=lambda: 100.0)
    view.link._is_connected, view.link._heard_s = is_live, 100.0
    view.knows_alarms, view.alarms = is_read, alarms
    found = _alarms(ConsoleApp(view, is_ascii=True))
    return (found if isinstance(found, str) else found[0]).strip()


def test_no_alarms_is_said_only_of_a_station_that_was_asked() -> None:
    assert shown(is_live=False, is_read=False) == "alarms unknown"
    assert shown(is_live=True, is_read=False) == "alarms unknown"
    assert shown(is_live=True, is_read=True) == "no alarms"
    assert shown(is_live=False, is_read=True) == "no alarms?"


def test_a_count_says_whether_it_holds_now() -> None:
    assert shown(is_live=True, is_read=True, alarms=(ALARM,)).endswith("alarms: 1 active, 1 not acknowledged")
    assert shown(is_live=False, is_read=True, alarms=(ALARM,) * 2).endswith(
        "alarms: 2? active, 2? not acknowledged"
    )
