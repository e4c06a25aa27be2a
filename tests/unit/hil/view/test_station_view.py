"""The view of a station: verdicts that are not known, a plant that is silent, alarms that were not read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hil.view.link import Phase
from hil.view.station_view import HEARTBEAT, StationView, Verdict
from protocols.station_client import Answer, Update
from protocols.station_errors import StationError, Trouble, words_of
from tests.support.console_models import model_of

SERVING = {"name": "core", "state": "serving", "beat_age_s": 0.01}
SILENT = {"name": "core", "state": "silent", "beat_age_s": 4.0}
STARTING = {"name": "core", "state": "starting", "beat_age_s": 61.0}


class Client:
    """Has the methods of a station's client that commands use."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    async def command(self, *_: Any) -> Answer:
        answer = self._answer()
        assert isinstance(answer, Answer)
        return answer

    async def acknowledge(self, *_: Any) -> tuple[str, int]:
        self._answer()
        return "1 acknowledged", 1

    async def service(self, *_: Any) -> tuple[str, int]:
        return "[]", 1


def fails(trouble: Trouble, *, is_unsure: bool) -> Callable[[], Any]:
    error = StationError(trouble, "gone")
    error.is_unsure = is_unsure

    def fail() -> Any:
        raise error

    return fail


def viewed(answer: Callable[[], Any]) -> StationView:
    """Return a view with a live link to a client that answers so."""
    view = StationView("opc.tcp://127.0.0.1:4840/gridhil", clock_s=lambda: 100.0)
    view.link._client, view.link._is_connected, view.link._heard_s = Client(answer), True, 100.0  # type: ignore[assignment]
    return view


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("Good", Verdict.DONE),
        ("BadInvalidState", Verdict.REFUSED),
        ("BadTimeout", Verdict.UNKNOWN),
    ],
)
async def test_a_command_without_a_verdict_in_time_is_not_called_refused(
    status: str, verdict: Verdict
) -> None:
    view = viewed(lambda: Answer(status == "Good", words_of(status), status))
    outcome = await view.command("F.CB.TRIP")
    assert outcome.verdict is verdict
    assert ("verify at the device" in outcome.text) == (verdict is Verdict.UNKNOWN)


@pytest.mark.parametrize("trouble", [Trouble.LOST, Trouble.SILENT])
async def test_what_was_under_way_when_the_link_failed_is_unknown(trouble: Trouble) -> None:
    view = viewed(fails(trouble, is_unsure=True))
    assert (await view.command("F.CB.TRIP")).verdict is Verdict.UNKNOWN
    assert (await view.acknowledge(["F.CB.ALARM"])).verdict is Verdict.UNKNOWN


async def test_what_was_not_sent_is_refused() -> None:
    view = viewed(fails(Trouble.REFUSED, is_unsure=False))
    assert (await view.acknowledge(["F.CB.ALARM"])).verdict is Verdict.REFUSED
    view.link._is_connected = False
    assert (await view.acknowledge(["F.CB.ALARM"])).verdict is Verdict.REFUSED


def test_a_core_that_is_silent_is_not_shown_as_live() -> None:
    view = viewed(lambda: None)
    view._take_status({"processes": [SERVING]})
    assert view.link.is_live
    view._take_status({"processes": [SILENT]})
    assert view.link.phase is Phase.STALE
    assert view.link.age_s == 4.0
    assert "PLANT SILENT" in view.link.words
    assert view.reading(HEARTBEAT).is_stale
    view._take_status({"processes": [SERVING]})
    assert view.link.is_live


@pytest.mark.parametrize(("status", "is_live"), [("Good", True), ("BadNoCommunication", False)])
def test_a_heartbeat_that_is_bad_is_a_silent_plant(status: str, is_live: bool) -> None:
    view = viewed(lambda: None)
    news: Sequence[Update] = [Update(HEARTBEAT, 1.0, status, None)]
    view._take(news)
    assert view.link.is_live == is_live


async def test_alarms_are_known_once_they_were_read_and_not_before() -> None:
    view = viewed(lambda: None)
    assert not view.knows_alarms
    task = asyncio.create_task(view._keep_alarms())
    async with asyncio.timeout(5.0):
        while not view.knows_alarms:
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    view._take_model(model_of())
    assert not view.knows_alarms


def test_a_plant_that_is_being_prepared_is_not_called_silent_and_has_no_age() -> None:
    view = viewed(lambda: None)
    view._take_status({"processes": [STARTING]})
    assert view.link.phase is Phase.STALE
    assert view.link.words.startswith("PLANT STARTING: no data yet")
    assert not view.link.had_data
    view._take_status({"processes": [SERVING]})
    assert view.link.phase is Phase.LIVE
    assert view.link.had_data
