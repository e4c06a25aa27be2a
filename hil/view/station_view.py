"""The one thing screens talk to: values of what they show, and commands.

A screen says what it shows (``show``); only that is subscribed to, with health and alarms. Readings never
raise.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses as dc
import enum
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from hil.view.alarms import AlarmRow, alarm_rows
from hil.view.history import History
from hil.view.link import PLANT_STARTING, Link, Phase
from hil.view.model import StationModel
from hil.view.reading import NOTHING, Reading
from protocols.station_client import Identity, StationClient, Update
from protocols.station_errors import StationError, is_unsure

__all__ = ["HEALTH", "NEWEST", "Identity", "Outcome", "StationError", "StationView", "Verdict"]

HEALTH = (
    "SUB.LOOP.HEARTBEAT", "SUB.LOOP.SIM_TIME", "SUB.LOOP.OVERRUNS", "SUB.LOOP.REALTIME", "SUB.LOOP.SLIPPED",
    "LAB.ARM.ARMED", "LAB.ARM.TIME_LEFT_S",
)  # fmt: skip
"""Watched whatever is shown."""
HEARTBEAT = HEALTH[0]
SERVING, STARTING = "serving", "starting"
VERIFY = "Nobody knows whether it was done: verify at the device"
ALARMS_S = 1.0


class Verdict(enum.Enum):
    """What became of a command."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown, verify"


@dc.dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict of a command or login, in words."""

    verdict: Verdict
    text: str

    @property
    def is_done(self) -> bool:
        """Tell whether it was done."""
        return self.verdict is Verdict.DONE


class StationView:
    """A station seen over one link.

    Parameters
    ----------
    url : str
    user, password : str
    identity : callable, optional
        See ``protocols.station_client.StationClient``.

    Attributes
    ----------
    model : StationModel or None
        None before the first connection.
    status : dict
        What the newest ``ReadStatus`` said.
    alarms : tuple of AlarmRow
        Alarms that are not normal, the most urgent first.
    knows_alarms : bool
        False until the station's alarms were read over this connection: none listed says nothing then.
    changes : int
        Grows with every value that came, so that a screen knows whether there is anything to draw.
    """

    def __init__(
        self,
        url: str,
        user: str = "",
        password: str = "",
        identity: Callable[[], Identity] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.model: StationModel | None = None
        self.status: dict[str, Any] = {}
        self.alarms: tuple[AlarmRow, ...] = ()
        self.alarms_number, self.knows_alarms = -1, False
        self.changes = 0
        self.history = History()
        self._clock_s = clock_s
        self._values: dict[str, Update] = {}
        self._shown: dict[str, tuple[str, ...]] = {"": HEALTH}
        self._model_listeners: list[Callable[[StationModel], None]] = []

        def make(user: str, password: str, take: Callable[[Sequence[Update]], None]) -> StationClient:
            return StationClient(url, user, password, take, identity)

        self.link = Link(make, self._take_model, self._take, self._take_status, self._drop, clock_s)
        self.link.as_user(user, password)

    # ---- life

    async def run(self) -> None:
        """Keep the link; until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.link.run())
            group.create_task(self._keep_alarms())

    def on_model(self, listener: Callable[[StationModel], None]) -> None:
        """Call a listener at each connection, also at once where there is a model."""
        self._model_listeners.append(listener)
        if self.model is not None:
            listener(self.model)

    @property
    def user(self) -> str:
        """Who is logged in, as the station says."""
        return str(self.status.get("you", {}).get("user") or self.link.user or "anonymous")

    @property
    def role(self) -> str:
        """The role that the station gives him now."""
        return str(self.status.get("you", {}).get("role", "observer"))

    # ---- values

    def show(self, owner: str, tags: Iterable[str]) -> None:
        """Say what one screen or panel shows; nothing: it shows nothing any more.

        Only tags that the station has are asked for, readings of others are ``MISSING``; arrays are
        ``arrays.NAME``.
        """
        wanted = tuple(dict.fromkeys(tags))
        if wanted:
            self._shown[owner] = wanted
        else:
            self._shown.pop(owner, None)
        self._watch()

    def reading(self, tag: str) -> Reading:
        """Return the newest value of a point or array that is shown; never raises."""
        is_stale = self.link.phase is not Phase.LIVE
        found = self._values.get(tag)
        if tag in self.link.unknown or (self.model is not None and found is None and not self._is_known(tag)):
            return dc.replace(NOTHING, is_missing=True, is_stale=is_stale)
        if found is None:
            return dc.replace(NOTHING, is_stale=is_stale)
        return Reading(found.value, found.status, found.source, is_stale)

    def number(self, tag: str) -> float | None:
        """Return a number that holds now, None for one that does not."""
        reading = self.reading(tag)
        return reading.number if reading.is_usable else None

    async def look(self, tags: Iterable[str]) -> dict[str, Reading]:
        """Read many points once, without showing them; those without a value of their own are left out.

        Raises
        ------
        StationError
        """
        model = self.model
        asked = [t for t in tags if model is not None and model.has(t) and model.points[t].kind != "control"]
        found = await self.link.client().read(asked)
        return {u.tag: Reading(u.value, u.status, u.source) for u in found}

    def _is_known(self, tag: str) -> bool:
        return tag.startswith("arrays.") or (self.model is not None and self.model.has(tag))

    def _watch(self) -> None:
        model = self.model
        if model is None:
            return
        known = [t for tags in self._shown.values() for t in tags if self._is_known(t)]
        self.link.watch(t for t in known if t not in model.points or model.points[t].kind != "control")

    # ---- what comes

    def _take_model(self, model: StationModel) -> None:
        self._values.clear()  # nothing of an earlier run is shown as if it were of this one
        self.model = model
        self.alarms_number, self.knows_alarms = -1, False
        self.changes += 1
        self._watch()
        for listener in self._model_listeners:
            listener(model)

    def _take(self, updates: Sequence[Update]) -> None:
        now_s = self._clock_s()
        for update in updates:
            self._values[update.tag] = update
            if isinstance(update.value, float):
                self.history.add(update.tag, now_s, update.value)
        if any(u.tag == HEARTBEAT for u in updates):
            self._judge_plant()
        self.changes += len(updates)

    def _drop(self, tags: frozenset[str]) -> None:
        """Forget what is watched no longer: shown again, it waits for its value as it is then."""
        for tag in tags:
            self._values.pop(tag, None)

    def _take_status(self, status: dict[str, Any]) -> None:
        self.status = status
        self.changes += 1
        self._judge_plant()

    def _judge_plant(self) -> None:
        """Tell the link where the plant is silent: gateways answer without it, with what it said last."""
        processes: list[dict[str, Any]] = self.status.get("processes", [])
        core = next((p for p in processes if p.get("name") == "core"), None)
        beat = self._values.get(HEARTBEAT)
        if core is not None and core["state"] == STARTING:
            self.link.plant_silent(0.0, PLANT_STARTING)
        elif core is not None and core["state"] != SERVING:
            self.link.plant_silent(core.get("beat_age_s") or 0.0)
        else:
            self.link.plant_silent(0.0 if beat is not None and beat.status.startswith("Bad") else None)

    async def _keep_alarms(self) -> None:
        while True:
            with contextlib.suppress(StationError, ValueError, TypeError):  # looked at again in a second
                text, number = await self.link.client().service("ReadAlarms")
                if number != self.alarms_number:
                    self.alarms, self.alarms_number = alarm_rows(text), number
                    self.changes += 1
                self.knows_alarms = True
            await asyncio.sleep(ALARMS_S)

    # ---- commands

    async def command(self, tag: str, value: float | bool | None = None) -> Outcome:
        """Write a setpoint (bool for one with states), or carry out a control (None); never raises."""
        try:
            answer = await self.link.client().command(tag, value)
        except StationError as error:
            if error.is_unsure:
                return Outcome(Verdict.UNKNOWN, f"{error}. {VERIFY}")
            return Outcome(Verdict.REFUSED, str(error))
        if is_unsure(answer.status):
            return Outcome(Verdict.UNKNOWN, f"{answer.text}. {VERIFY}")
        return Outcome(Verdict.DONE if answer.is_done else Verdict.REFUSED, answer.text)

    async def login(self, user: str, password: str) -> Outcome:
        """Go on as another user; an empty name is anonymous."""
        try:
            await self.link.login(user, password)
        except StationError as error:
            return Outcome(Verdict.REFUSED, str(error))
        return Outcome(Verdict.DONE, f"logged in as {user}" if user else "anonymous")

    async def acknowledge(self, tags: Sequence[str], comment: str = "") -> Outcome:
        """Acknowledge alarms; all where none is named."""
        try:
            text, count = await self.link.client().acknowledge(tags, comment)
        except StationError as error:
            if error.is_unsure:
                return Outcome(
                    Verdict.UNKNOWN, f"{error}. Nobody knows whether it was done: look at the alarms again"
                )
            return Outcome(Verdict.REFUSED, str(error))
        self.alarms_number = -1
        return Outcome(Verdict.DONE if count else Verdict.REFUSED, text)

    # ---- records: StationError where there are none

    async def events(self, since: int, count: int) -> tuple[int, list[dict[str, Any]]]:
        """Return the last sequence number and events after ``since``; ``NEWEST`` for the newest."""
        return await self.link.client().read_events(since, count)

    async def trend(
        self, tag: str, begin: datetime, end: datetime, count: int
    ) -> tuple[list[datetime], list[float], list[int]]:
        """Return what was recorded of a point: times, values, qualities."""
        return await self.link.client().read_trend(tag, begin, end, count)

    async def test_bench(self) -> dict[str, Any]:
        """Return the relay test that runs, or ran last."""
        found = await self.link.client().read_json("ReadTestBench")
        return found if isinstance(found, dict) else {}


NEWEST = 2**64 - 1
"""``since`` of the newest events."""
