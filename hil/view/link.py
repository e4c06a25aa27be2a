"""The link to a station: connects, keeps watching, notices silence, connects again by itself."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hil.view.model import StationModel
from protocols.station_client import StationClient, Update
from protocols.station_errors import StationError, Trouble

STATUS_S = 1.0
STALE_S = 2.5
"""Without a sign of life for so long, nothing is shown as live [s]; the server gives one every second."""
AGAIN_S = (0.5, 1.0, 2.0, 3.0)
"""Pauses between attempts to connect [s]; the last one is kept."""
FINAL = (Trouble.WRONG_URL, Trouble.LOGIN)
"""Trouble that trying again does not mend."""
FINAL_WITH_PASSWORD = (Trouble.NO_STATION, Trouble.SECURITY, Trouble.CERTIFICATE)
"""Trouble in connecting after which a password is not offered again by itself."""
PLANT_SILENT = "PLANT SILENT: the station answers, its plant does not step"
PLANT_STARTING = "PLANT STARTING: no data yet; the first start on a machine takes minutes"


class Phase(enum.Enum):
    """Where the link is."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    LOST = "lost"
    REFUSED = "refused"


class Link:
    """Keeps one client connected.

    Parameters
    ----------
    make : callable
        Returns a new client for user, password and the taker of updates.
    on_model, on_updates, on_status : callable
        Take the model at each connect, values, and what ``ReadStatus`` says.
    on_dropped : callable
        Takes the points that are watched no longer: what is known of them grows old.
    clock_s : callable
        Monotonic time [s].

    Attributes
    ----------
    words : str
        Why it is not live, for people; empty while it is.
    trouble : Trouble or None
        What kind of trouble ``words`` tell.
    n_connects : int
        Connections made so far.
    on_fault : callable
        Takes a fault of this program; returns words on where it is described, to go on with after "fault".
    """

    def __init__(
        self,
        make: Callable[[str, str, Callable[[Sequence[Update]], None]], StationClient],
        on_model: Callable[[StationModel], None],
        on_updates: Callable[[Sequence[Update]], None],
        on_status: Callable[[dict[str, Any]], None],
        on_dropped: Callable[[frozenset[str]], None] = lambda _: None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._clock_s = make, clock_s
        self._on_model, self._on_updates, self._on_status = on_model, on_updates, on_status
        self._on_dropped, self._watched = on_dropped, frozenset[str]()
        self._client: StationClient | None = None
        self._user, self._password = "", ""
        self._tags: tuple[str, ...] = ()
        self._is_watching_due = asyncio.Event()
        self._heard_s = -1e9
        self._plant_s: float | None = None
        self._is_connected, self._is_final = False, False
        self._again = asyncio.Event()
        self.words, self.n_connects = "", 0
        self.trouble: Trouble | None = None
        self.on_fault: Callable[[Exception], str] = lambda _: ""
        self.unknown: frozenset[str] = frozenset()

    @property
    def user(self) -> str:
        """Who is logged in; empty: anonymous."""
        return self._user

    def as_user(self, user: str, password: str) -> None:
        """Connect as this user at the next attempt."""
        self._user, self._password = user, password

    @property
    def age_s(self) -> float:
        """Time since the last sign of life, of the plant where that is the silent one [s]."""
        return self._clock_s() - (self._heard_s if self._plant_s is None else self._plant_s)

    @property
    def phase(self) -> Phase:
        """Where the link is now."""
        if self._is_final:
            return Phase.REFUSED
        if self._is_connected:
            is_heard = self._plant_s is None and self.age_s < STALE_S
            return Phase.LIVE if is_heard else Phase.STALE
        return Phase.LOST if self.n_connects else Phase.CONNECTING

    @property
    def may_log_in(self) -> bool:
        """Tell whether another login may help."""
        return self.trouble is not Trouble.WRONG_URL

    @property
    def is_live(self) -> bool:
        """Tell whether what is shown holds now."""
        return self.phase is Phase.LIVE

    @property
    def had_data(self) -> bool:
        """Tell whether the plant has stepped, so that what is shown has an age."""
        return self.words != PLANT_STARTING

    def plant_silent(self, age_s: float | None, words: str = PLANT_SILENT) -> None:
        """Take for how long the plant has been silent though the station answers [s]; None: it steps."""
        if age_s is None:
            self._plant_s = None
            if self._is_connected:
                self.words = ""
            return
        since_s = self._clock_s() - age_s
        self._plant_s = since_s if self._plant_s is None else min(self._plant_s, since_s)
        self.words = words

    def watch(self, tags: Iterable[str]) -> None:
        """Watch exactly these from now on."""
        wanted = tuple(dict.fromkeys(tags))
        if wanted != self._tags:
            self._tags = wanted
            self._is_watching_due.set()

    def client(self) -> StationClient:
        """Return the client of the session; StationError without one."""
        if self._client is None or not self._is_connected:
            raise StationError(Trouble.LOST, self.words or "not connected")
        return self._client

    async def login(self, user: str, password: str) -> None:
        """Open a session as another user; the old one goes on where that is refused.

        Raises
        ------
        StationError
        """
        trial = self._make(user, password, lambda _: None)
        try:
            await trial.connect()
        finally:
            await trial.close()
        self._user, self._password = user, password
        self._is_final = False
        await self._drop()
        self._again.set()

    async def run(self) -> None:
        """Work until cancelled; leave the station then."""
        try:
            await self._keep_connecting()
        finally:
            self._is_connected = False
            await self._drop()

    async def _keep_connecting(self) -> None:
        attempt = 0
        while True:
            self._again.clear()
            try:
                await self._session()
            except StationError as error:
                self.words, self.trouble = str(error), error.trouble
                self._is_final = error.trouble in FINAL or (
                    bool(self._password) and not self._is_connected and error.trouble in FINAL_WITH_PASSWORD
                )
            except Exception as error:  # noqa: BLE001 - a fault of ours must not leave a screen that looks live
                self.words, self.trouble = f"fault of this program{self.on_fault(error)}", None
            was_connected, self._is_connected = self._is_connected, False
            await self._drop()
            attempt = 0 if was_connected else attempt + 1
            pause_s = None if self._is_final else AGAIN_S[min(attempt, len(AGAIN_S) - 1)]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._again.wait()

    async def _session(self) -> None:
        """Connect and stay connected until something goes wrong."""
        client = self._client = self._make(self._user, self._password, self._take)
        await client.connect()
        try:
            model = StationModel.of(await client.read_model())
        except (KeyError, TypeError, ValueError):
            raise StationError(
                Trouble.NO_STATION, "the station's description is of another version of gridhil"
            ) from None
        self._on_model(model)
        self.unknown = self._watched = frozenset()
        self._heard_s = self._clock_s()
        self._is_connected, self.words, self.trouble, self._plant_s = True, "", None, None
        self.n_connects += 1
        self._is_watching_due.set()
        work = [
            asyncio.create_task(self._keep_watching(client)),
            asyncio.create_task(self._keep_asking(client)),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _keep_watching(self, client: StationClient) -> None:
        while True:
            await self._is_watching_due.wait()
            self._is_watching_due.clear()
            wanted = self._tags
            self.unknown = frozenset(await client.watch(wanted))
            self._on_dropped(self._watched.difference(wanted))
            self._watched = frozenset(wanted)

    async def _keep_asking(self, client: StationClient) -> None:
        while True:
            self._on_status(await client.read_json("ReadStatus"))
            self._heard()
            await asyncio.sleep(STATUS_S)

    def _take(self, updates: Sequence[Update]) -> None:
        self._heard()
        self._on_updates(updates)

    def _heard(self) -> None:
        self._heard_s = self._clock_s()

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
