"""Dialogs and keys that command, on a board that is made of a few points and notes what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, OptionList, Select

from hil.console.app import ConsoleApp
from hil.console.dialogs.acknowledge import AcknowledgeDialog
from hil.console.dialogs.dialog import BOUNCE_S
from hil.console.dialogs.too_small import TooSmall
from hil.console.widgets.device_table import DeviceTable
from hil.view.link import Link, Phase
from hil.view.model import Fault
from hil.view.station_view import Outcome, StationView, Verdict
from protocols.station_client import Update
from tests.support.console_models import model_of, point
from tests.support.console_rig import screen_text, until, until_shown

BREAKER, SLOTS = "F.CB", ("LAB.FAULT_1", "LAB.FAULT_2")
SETTINGS = ("ENTRY", "PLACE", "FRACTION", "TYPE", "PHASES", "LIFE", "R_OHM", "DURATION_S")
POINTS = (
    point(f"{BREAKER}.TRIP", "breaker", kind="control", attr="trip", role="operator"),
    point(
        f"{BREAKER}.TAG", "breaker", kind="setpoint", attr="is_tagged_sp", states=("OFF", "TAGGED"),
        role="operator",
    ),
    point("CAP.ST", "capacitor", kind="status", states=("OPEN", "CLOSED")), point("CAP.Q", "capacitor"),
    point("R.TAP", "regulator"), point("R.TAP_SP", "regulator", kind="setpoint", role="operator"),
    point("LAB.ARM.ARMED", "arming", kind="status", states=("NO", "YES")),
    point("LAB.ARM.ARM", "arming", kind="control", role="instructor"),
    *(point(f"{s}.APPLIED", "fault", kind="status", states=("NO", "YES")) for s in SLOTS),
    *(point(f"{s}.APPLY", "fault", kind="control", role="instructor") for s in SLOTS),
    *(point(f"{s}.CLEAR", "fault", kind="control", role="instructor") for s in SLOTS),
    *(point(f"{s}.{n}", "fault", kind="setpoint", role="instructor") for s in SLOTS for n in SETTINGS),
)  # fmt: skip
VALUES = {f"{BREAKER}.TAG": 0.0, "R.TAP": 3.0, "R.TAP_SP": 3.0, "LAB.ARM.ARMED": 0.0} | {
    f"{s}.APPLIED": 0.0 for s in SLOTS
}


class Board(StationView):
    """A station's view without a station: it is live, and notes what it is sent."""

    def __init__(self, role: str = "instructor", values: dict[str, float] | None = None) -> None:
        super().__init__("opc.tcp://127.0.0.1:1/none")
        self.sent: list[tuple[str, float | bool | None]] = []
        self.acknowledged: list[tuple[str, ...]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.status = {"you": {"user": role, "role": role}}
        library = (Fault(1, "worst", "three phases at the source"), Fault(2, "mild", "one phase, far away"))
        self.model = model_of(
            *POINTS,
            faults=library,
            places=("", "bus.b1"),
            regulators=({"device": "R", "control": "", "phase": "a"},),
        )
        self._take([Update(t, v, "Good", None) for t, v in (VALUES | (values or {})).items()])

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def command(self, tag: str, value: float | bool | None = None) -> Outcome:
        self.sent.append((tag, value))
        await self.may_answer.wait()
        return Outcome(Verdict.DONE, "done")

    async def acknowledge(self, tags: Sequence[str], comment: str = "") -> Outcome:
        self.acknowledged.append(tuple(tags))
        await self.may_answer.wait()
        return Outcome(Verdict.DONE, "acknowledged")

    async def login(self, user: str, password: str) -> Outcome:
        await self.may_answer.wait()
        return Outcome(Verdict.DONE, f"logged in as {user}")


@pytest.fixture(autouse=True)
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, "phase", property(lambda _: Phase.LIVE))


def held(app: ConsoleApp, key: str, count: int, gap_s: float = 0.03, first_s: float = 0.6) -> None:
    """Press a key and hold it down: its repetitions come as a terminal sends them."""
    for k in range(count):
        event = events.Key(key, None)
        event.time -= gap_s * (count - 1 - k) + (0.0 if k else first_s - gap_s)
        app.post_message(event)


async def opened(pilot: Pilot[None], action: Callable[[], None], words: str) -> Screen[Any]:
    action()
    await until_shown(pilot, words)
    return pilot.app.screen


async def test_a_held_enter_selects_and_executes_nothing() -> None:
    app = ConsoleApp(board := Board())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, lambda: app.action_operate(BREAKER), f"Operate {BREAKER}")
        held(app, "enter", 40)
        await pilot.pause(BOUNCE_S + 0.3)
        assert board.sent == []
        assert "Execute?" in screen_text(pilot)
        await pilot.pause(BOUNCE_S)
        await pilot.press("enter")
        await until(pilot, lambda: board.sent == [(f"{BREAKER}.TRIP", None)])
        held(app, "enter", 40)
        await pilot.pause(BOUNCE_S + 0.3)
        assert len(board.sent) == 1, "the next command is not begun by it"
        assert "DONE" in screen_text(pilot), "the verdict stays"


async def test_a_held_enter_chooses_no_state() -> None:
    app = ConsoleApp(board := Board())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, lambda: app.action_operate(BREAKER, "TAG"), "Which state?")
        await pilot.pause(BOUNCE_S)
        await pilot.press("right")
        held(app, "enter", 20, first_s=0.03)
        await pilot.pause(0.5)
        assert "Which state?" in screen_text(pilot)
        assert board.sent == []
        assert not isinstance(screen.focused, OptionList)


async def test_a_state_that_holds_already_is_said_and_no_refusal_foretold() -> None:
    app = ConsoleApp(Board())
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, lambda: app.action_operate(BREAKER, "TAG"), "Which state?")
        await pilot.pause(BOUNCE_S)
        await pilot.click("#state0")
        await until_shown(pilot, "It has this value already")
        assert "refuse" not in screen_text(pilot)


async def test_a_fault_is_chosen_named_and_applied_by_the_second_f6() -> None:
    app = ConsoleApp(board := Board(values={"LAB.FAULT_1.APPLIED": 1.0}))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app.action_fault, "Put a fault")
        await pilot.press("f6")
        await until_shown(pilot, "choose a fault")
        entry = screen.query_one("#entry", Select)
        entry.action_show_overlay()
        await pilot.press("down", "f6")
        await until_shown(pilot, "a list is open")
        await pilot.press("escape")
        entry.value = 2
        await pilot.press("f6")
        await until_shown(pilot, "F6 again applies at LAB.FAULT_2: 2 one phase, far away")
        assert board.sent == []
        await pilot.pause(BOUNCE_S)
        await pilot.press("f6")
        await until(pilot, lambda: ("LAB.FAULT_2.APPLY", None) in board.sent)
        assert ("LAB.FAULT_2.ENTRY", 2.0) in board.sent


async def test_a_slot_in_use_is_not_set_up_anew() -> None:
    app = ConsoleApp(board := Board(values={f"{s}.APPLIED": 1.0 for s in SLOTS}))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app.action_fault, "Put a fault")
        screen.query_one("#entry", Select).value = 1
        for _ in range(2):
            await pilot.press("f6")
            await until_shown(pilot, "is in use: clear it first")
            await pilot.pause(BOUNCE_S)
        assert board.sent == []


async def test_an_observer_is_told_which_role_a_fault_needs() -> None:
    app = ConsoleApp(Board("observer"))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app.action_fault, "Applying needs the role instructor")


async def test_escape_waits_for_the_verdict_of_a_laboratory_command() -> None:
    app = ConsoleApp(board := Board(values={"LAB.FAULT_1.APPLIED": 1.0}))

    def acknowledge() -> None:
        app.push_screen(AcknowledgeDialog(["A.B"]))

    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        for action, title, begin in (
            (app.action_fault, "Put a fault", ("f8",)),
            (app.action_arm, "Arm the laboratory", ("A", "R", "M", "enter")),
            (acknowledge, "Acknowledge A.B", ("enter",)),
        ):
            board.may_answer.clear()
            screen = await opened(pilot, action, title)
            await pilot.press(*begin)
            await until_shown(pilot, "sent, waiting for the verdict")
            await pilot.press("escape")
            await until_shown(pilot, "wait: the verdict is due")
            assert app.screen is screen
            board.may_answer.set()
            if action is not acknowledge:  # which goes by itself
                await until_shown(pilot, "DONE")
                await pilot.press("escape")
            await until(pilot, lambda screen=screen: app.screen is not screen)  # type: ignore[misc]


async def test_a_key_that_acts_at_once_sends_one_command_however_long_it_is_held() -> None:
    app = ConsoleApp(board := Board())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("5")
        page = app.page
        await until(pilot, lambda: page.query_one("#regulators", DeviceTable).row_count == 1)
        await pilot.press("minus")
        await until(pilot, lambda: board.sent == [("R.TAP_SP", 2.0)])
        held(app, "minus", 40, first_s=0.03)
        await pilot.pause(BOUNCE_S)
        assert board.sent == [("R.TAP_SP", 2.0)]


async def test_a_trend_asks_for_as_many_rows_as_it_will_draw_from_the_first_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    async def trend(
        _self: StationView, _tag: str, _from: object, _to: object, n: int
    ) -> tuple[list[Any], ...]:
        asked.append(n)
        return [], [], []

    monkeypatch.setattr(Board, "trend", trend)
    app = ConsoleApp(Board())
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, lambda: app.action_trend("R.TAP"), "nothing is recorded")
        await pilot.press("1")
        await until(pilot, lambda: len(asked) > 1)
    assert min(asked) > 100, "two rows are no history"


async def test_once_armed_enter_closes_the_dialog_and_letters_go_nowhere() -> None:
    app = ConsoleApp(board := Board())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, app.action_arm, "Arm the laboratory")
        screen.query_one("#word", Input).value = "ARM"
        await pilot.press("enter")
        await until_shown(pilot, "DONE")
        await pilot.press("f")
        assert screen.query_one("#word", Input).value == ""
        await pilot.pause(BOUNCE_S)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not screen)
    assert board.sent == [("LAB.ARM.ARM", None)]


async def test_with_the_cursor_on_a_bank_no_tap_is_moved() -> None:
    app = ConsoleApp(board := Board())
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("5")
        page = app.page
        await until(pilot, lambda: page.query_one("#banks", DeviceTable).row_count == 1)
        page.query_one("#banks").focus()
        await pilot.press("minus")
        await until_shown(pilot, "the cursor is on a capacitor bank")
        assert board.sent == []


async def test_only_the_alarms_that_were_listed_are_acknowledged() -> None:
    app = ConsoleApp(board := Board())
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(AcknowledgeDialog(["A.B", "C.D"]))
        await until_shown(pilot, "Acknowledge 2 alarms: A.B, C.D")
        await pilot.press("enter")
        await until(pilot, lambda: board.acknowledged == [("A.B", "C.D")])


async def test_a_dialog_that_ends_behind_a_small_terminal_takes_itself_away() -> None:
    app = ConsoleApp(board := Board())
    async with app.run_test(size=(80, 24)) as pilot:
        board.may_answer.clear()
        dialog = await opened(pilot, app.action_login, "Log in")
        await pilot.press(*"me", "enter", *"secret", "enter")
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: isinstance(app.screen, TooSmall))
        board.may_answer.set()
        await pilot.pause(0.3)
        assert isinstance(app.screen, TooSmall)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: dialog not in app.screen_stack)
        assert app.screen is app.page


async def test_a_password_typed_at_once_is_never_in_the_field_of_the_name() -> None:
    app = ConsoleApp(Board())
    async with app.run_test(size=(80, 24)) as pilot:
        for key in ("enter", "tab"):
            screen = await opened(pilot, app.action_login, "Password")
            for pressed in (*"me", key, *"secret"):
                app.post_message(events.Key(pressed, pressed if len(pressed) == 1 else None))
            await until(pilot, lambda: "secret" in screen.query_one("#password", Input).value)  # noqa: B023
            assert screen.query_one("#user", Input).value == "me"
            await pilot.press("escape")


async def test_what_is_said_is_shown_as_it_is() -> None:
    app = ConsoleApp(Board())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.page.notify("nothing is named like '[/x]'")
        await until_shown(pilot, "[/x]")


async def test_a_table_is_written_where_the_user_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = ConsoleApp(Board())
    async with app.run_test(size=(80, 24)):
        assert app.save_csv("points", ("a",), []) == "there is nothing to write"
        assert "1 rows in " in app.save_csv("points", ("a",), [(1,)])
        assert len(list(tmp_path.iterdir())) == 1
        delivered = []
        monkeypatch.setattr(ConsoleApp, "is_web", property(lambda _: True))
        monkeypatch.setattr(app, "deliver_text", lambda file, save_filename: delivered.append(file.read()))
        assert "browser" in app.save_csv("points", ("a",), [(1,)])
        assert delivered == ["a\r\n1\r\n"]
        assert len(list(tmp_path.iterdir())) == 1, "nothing on the server"
