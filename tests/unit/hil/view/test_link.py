"""The link: connects, notices silence, connects again, never shows what is old as live."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from hil.view.link import STALE_S, Link, Phase
from hil.view.model import StationModel
from protocols.station_client import Update
from protocols.station_errors import StationError, Trouble

MODEL: dict[str, Any] = {
    "version": 1,
    "gridhil": "0",
    "station": {"name": "here", "title": "Here", "run_id": "1", "started_utc_ns": 0},
    "core": {"period_ns": 1, "dt_ns": 1, "speed": 1.0, "strict": False},
    "points": [],
    "map": {"buses": [], "branches": [], "items": []},
    "feeders": [],
    "relays": [],
    "regulators": [],
    "transformers": [],
    "faults": [],
    "places": [],
    "limits": {"v_low_pu": 0.95, "v_high_pu": 1.05},
}


class Server:
    """What the clients of a link meet; changed by the test."""

    def __init__(self) -> None:
        self.model: Any = MODEL
        self.trouble: StationError | None = None
        self.is_silent = False
        self.clients: list[Client] = []
        self.logins: dict[str, str] = {}

    def make(self, user: str, password: str, take: Callable[[Sequence[Update]], None]) -> Any:
        self.clients.append(Client(self, user, password, take))
        return self.clients[-1]


class Client:
    """Has the methods of a station's client that a link uses."""

    def __init__(self, server: Server, user: str, password: str, take: Any) -> None:
        self._server, self.user, self._password, self.take = server, user, password, take
        self.watched: list[list[str]] = []
        self.is_closed = False

    async def connect(self) -> None:
        if self._server.trouble:
            raise self._server.trouble
        if self.user and self._server.logins.get(self.user) != self._password:
            raise StationError(Trouble.LOGIN, "wrong name or password")

    async def close(self) -> None:
        self.is_closed = True

    async def read_model(self) -> Any:
        return self._server.model

    async def read_json(self, _: str) -> Any:
        if self.is_closed or self._server.trouble:
            raise self._server.trouble or StationError(Trouble.LOST, "closed")
        while self._server.is_silent:
            await asyncio.sleep(0.01)
        return {"you": {"user": self.user or "anonymous", "role": "observer"}}

    async def watch(self, tags: Sequence[str]) -> list[str]:
        self.watched.append(list(tags))
        return [t for t in tags if t == "GONE"]


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Rig:
    def __init__(self) -> None:
        self.server, self.clock = Server(), Clock()
        self.models: list[StationModel] = []
        self.updates: list[Update] = []
        self.dropped: list[frozenset[str]] = []
        self.link = Link(
            self.server.make,
            self.models.append,
            self.updates.extend,
            lambda _: None,
            self.dropped.append,
            self.clock,
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10.0):
            while not condition():
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def linked() -> AsyncIterator[Rig]:
    rig = Rig()
    task = asyncio.create_task(rig.link.run())
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_is_live_once_it_has_the_model() -> None:
    async with linked() as rig:
        assert rig.link.phase is Phase.CONNECTING
        await rig.until(lambda: rig.link.is_live)
        assert [m.name for m in rig.models] == ["here"]
        assert rig.link.words == ""


async def test_without_a_sign_of_life_it_is_stale_and_with_one_live_again() -> None:
    async with linked() as rig:
        await rig.until(lambda: rig.link.is_live)
        rig.server.is_silent = True
        rig.clock.now_s += STALE_S + 0.1
        assert rig.link.phase is Phase.STALE
        rig.server.clients[-1].take([])
        assert rig.link.phase is Phase.LIVE


async def test_a_lost_connection_is_told_and_made_again_by_itself() -> None:
    async with linked() as rig:
        await rig.until(lambda: rig.link.is_live)
        rig.server.trouble = StationError(Trouble.LOST, "the wire is cut")
        await rig.until(lambda: rig.link.phase is Phase.LOST)
        assert rig.link.words == "the wire is cut"
        rig.server.trouble = None
        await rig.until(lambda: rig.link.is_live)
        assert rig.link.n_connects == 2
        assert len(rig.models) == 2  # it may be another run
        assert rig.server.clients[0].is_closed


async def test_after_a_new_connection_the_same_points_are_watched() -> None:
    async with linked() as rig:
        rig.link.watch(["A.B", "C.D", "A.B"])
        await rig.until(lambda: rig.link.is_live and bool(rig.server.clients[-1].watched))
        rig.server.trouble = StationError(Trouble.LOST, "")
        await rig.until(lambda: rig.link.phase is Phase.LOST)
        rig.server.trouble = None
        await rig.until(lambda: rig.link.is_live and bool(rig.server.clients[-1].watched))
        assert rig.server.clients[-1].watched == [["A.B", "C.D"]]


async def test_what_is_watched_no_longer_is_told_so_that_it_is_not_shown_as_it_was() -> None:
    async with linked() as rig:
        rig.link.watch(["A.B", "C.D"])
        await rig.until(lambda: rig.link.is_live and bool(rig.server.clients[-1].watched))
        rig.link.watch(["C.D"])
        await rig.until(lambda: frozenset({"A.B"}) in rig.dropped)


async def test_a_point_that_the_station_has_not_is_known_as_such() -> None:
    async with linked() as rig:
        rig.link.watch(["A.B", "GONE"])
        await rig.until(lambda: rig.link.unknown == {"GONE"})


async def test_a_refused_login_at_the_start_is_not_tried_again() -> None:
    rig = Rig()
    rig.link.as_user("ann", "wrong")
    task = asyncio.create_task(rig.link.run())
    await rig.until(lambda: rig.link.phase is Phase.REFUSED)
    n_clients = len(rig.server.clients)
    await asyncio.sleep(0.8)  # longer than the first pause
    assert len(rig.server.clients) == n_clients  # a third or fourth attempt would lock the user out
    rig.server.logins["ann"] = "right"
    await rig.link.login("ann", "right")
    await rig.until(lambda: rig.link.is_live)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_refused_login_leaves_the_session_as_it_was() -> None:
    async with linked() as rig:
        await rig.until(lambda: rig.link.is_live)
        session = rig.server.clients[-1]
        try:
            await rig.link.login("ann", "wrong")
        except StationError as error:
            assert error.trouble is Trouble.LOGIN
        assert rig.link.user == ""
        assert rig.link.is_live
        assert not session.is_closed


async def test_a_login_goes_on_as_the_other_user() -> None:
    async with linked() as rig:
        await rig.until(lambda: rig.link.is_live)
        rig.server.logins["ann"] = "right"
        await rig.link.login("ann", "right")
        await rig.until(lambda: rig.link.is_live and rig.link.n_connects == 2)
        assert rig.server.clients[-1].user == "ann"


async def test_a_model_of_another_version_is_told_in_words() -> None:
    rig = Rig()
    rig.server.model = {"version": 99}
    task = asyncio.create_task(rig.link.run())
    await rig.until(lambda: "another version" in rig.link.words)
    assert not rig.link.is_live
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_fault_of_the_program_itself_is_no_screen_that_looks_live() -> None:
    async with linked() as rig:
        await rig.until(lambda: rig.link.is_live)
        rig.server.trouble = ZeroDivisionError("ours")  # type: ignore[assignment]
        await rig.until(lambda: "fault of this program" in rig.link.words)
        assert rig.link.phase is Phase.LOST
        assert "ZeroDivisionError" not in rig.link.words


async def test_where_a_fault_of_the_program_is_described_is_told_with_it() -> None:
    async with linked() as rig:
        await rig.until(lambda: rig.link.is_live)
        rig.link.on_fault = lambda error: f"; {error} is described"
        rig.server.trouble = ZeroDivisionError("ours")  # type: ignore[assignment]
        await rig.until(lambda: rig.link.words == "fault of this program; ours is described")


async def test_a_silent_plant_behind_a_station_that_answers_is_stale_and_as_old_as_its_last_step() -> None:
    async with linked() as rig:
        await rig.until(lambda: rig.link.is_live)
        rig.link.plant_silent(2.0)
        assert rig.link.phase is Phase.STALE
        assert "PLANT SILENT" in rig.link.words
        rig.clock.now_s += 3.0
        rig.server.clients[-1].take([])
        rig.link.plant_silent(0.0)
        assert rig.link.age_s == 5.0
        rig.link.plant_silent(None)
        assert rig.link.is_live
        assert rig.link.words == ""


@pytest.mark.parametrize("trouble", [Trouble.NO_STATION, Trouble.SECURITY, Trouble.CERTIFICATE])
async def test_a_password_is_not_offered_again_to_what_is_not_the_station_it_was(trouble: Trouble) -> None:
    rig = Rig()
    rig.server.trouble = StationError(trouble, "somebody else")
    rig.link.as_user("ann", "right")
    task = asyncio.create_task(rig.link.run())
    await rig.until(lambda: rig.link.phase is Phase.REFUSED)
    n_clients = len(rig.server.clients)
    await asyncio.sleep(0.8)  # longer than the first pause
    assert len(rig.server.clients) == n_clients
    assert rig.link.may_log_in
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_who_only_observes_tries_again_whatever_is_there() -> None:
    rig = Rig()
    rig.server.trouble = StationError(Trouble.CERTIFICATE, "out of its time")
    task = asyncio.create_task(rig.link.run())
    await rig.until(lambda: len(rig.server.clients) > 1)
    assert rig.link.phase is Phase.CONNECTING
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
