"""The cyclic exchange with a device under test: pace, watchdog, fail-safe state, recovery.

A cycle writes the newest image of the plant, reads the device's outputs and sends what they ask for on
its way; it waits for no verdict. Whatever the device does is counted and said, never an exception.

state     when                                                          outputs
waiting   the device has not been heard since the start                 ask for nothing
running   exchanges are whole, token and heartbeat move                 command the plant
failsafe  none of it for the watchdog time; the configured commands     ask for nothing
          are given once, then everything is held until the device is
          back, which counts edges from what stands then
"""

from __future__ import annotations

import asyncio
import dataclasses as dc
import enum
import time
from collections.abc import Callable, Coroutine
from typing import Any

from protocols.command_desk import CommandDesk, Who
from protocols.device_link import Fault, Link, LinkError
from protocols.duration_histogram import DurationHistogram
from protocols.gateway import Gateway
from protocols.token_watch import TokenWatch
from protocols.wiring import Wiring
from protocols.wiring_image import ReadPlan, WiringImage
from protocols.wiring_outputs import Outputs, Wish
from rtcore.commands import Reason

BACK_OFF_S = (0.1, 2.0)
"""First and longest wait between two attempts to connect [s]."""
IN_FLIGHT_MAX = 64
"""Most commands that wait for their verdict; an output that chatters beyond it is not heard."""
ECHOES_MAX = IN_FLIGHT_MAX // 2
"""An echo is not passed on while so many commands wait: it takes no place from an output."""
WATCH_S = 0.05
"""The watchdog looks at least so often [s]."""
SAID_MAX = 32
"""Most different faults that are put into the log between two changes of the state."""
NS = 1_000_000_000
AGAIN = (Reason.BUSY, Reason.CORE_DEAD, Reason.EXPIRED, Reason.AUDIT_FAILED)
"""Refusals after which a level is commanded again; an edge never is."""


class State(enum.IntEnum):
    """How it stands between the emulator and the device."""

    WAITING = 1
    RUNNING = 2
    FAILSAFE = 3


@dc.dataclass(slots=True)
class Counters:
    """What happened since the process started."""

    cycles: int = 0
    late: int = 0
    """Cycles that were left out, because those before them took too long."""
    whole: int = 0
    """Cycles in which every request was answered."""
    connects: int = 0
    failsafes: int = 0
    timeout: int = 0
    refused: int = 0
    garbage: int = 0
    closed: int = 0
    dropped: int = 0
    """Wishes of the device that found too many before them."""


class DeviceExchange:
    """Runs the exchange of one wiring table over one link.

    Parameters
    ----------
    link : Link
        Made for ``image.places`` and ``plan.places``.
    role : str
        What the device may command (``protocols.roles``).
    exchanges, tokens : DurationHistogram
        Where round trips are counted: of whole exchanges, and of the token through the device's logic.
    say : callable
        Takes one line for the log at every change.
    clock_ns : callable
        CLOCK_MONOTONIC [ns].
    """

    def __init__(
        self,
        wiring: Wiring,
        gateway: Gateway,
        desk: CommandDesk,
        link: Link,
        image: WiringImage,
        plan: ReadPlan,
        role: str,
        exchanges: DurationHistogram,
        tokens: DurationHistogram,
        say: Callable[[str], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.wiring, self.gateway, self.link = wiring, gateway, link
        self.state = State.WAITING
        self.count = Counters()
        self.token = TokenWatch()
        self.outputs = Outputs(wiring, gateway.points)
        self.answered_ns = 0
        """When the last whole exchange ended [ns, monotonic]."""
        self._desk, self._image, self._plan, self._role = desk, image, plan, role
        self._exchanges, self._tokens, self._say, self._clock = exchanges, tokens, say, clock_ns
        self._watchdog_ns = round(wiring.watchdog_s * NS)
        self._cycle_ns = round(wiring.cycle_ms * 1e6)
        self._has_echo = wiring.token is not None and wiring.token.echo is not None
        self._beat: float | None = None
        self._beat_ns = 0
        self._is_connected, self._connected_ns = False, 0
        self._said: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._under_way: set[int] = set()
        self._pending: dict[int, Wish] = {}
        self._passed: tuple[int, int | None] = (0, None)

    @property
    def is_connected(self) -> bool:
        """Tell whether there is a connection to the device."""
        return self._is_connected

    async def run(self) -> None:
        """Exchange until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                # Beside the exchange: a connection that cannot be had takes longer than the watchdog.
                group.create_task(self._watch())
                group.create_task(self._exchange())
        finally:
            await self.link.close()

    async def _exchange(self) -> None:
        back_off_s = BACK_OFF_S[0]
        while True:
            await self._connect()
            deadline_ns = self._clock()
            while self._is_connected:
                whole = self.count.whole
                await self._cycle()
                self._judge()
                if self.count.whole > whole:
                    back_off_s = BACK_OFF_S[0]
                if self._is_connected:
                    deadline_ns = await self._until_next(deadline_ns)
            await asyncio.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, BACK_OFF_S[1])

    async def _watch(self) -> None:
        """Judge now and then; not after this process itself was held up: the device had no chance then."""
        before_ns = self._clock()
        while True:
            await asyncio.sleep(min(WATCH_S, self.wiring.watchdog_s / 10))
            now_ns = self._clock()
            if now_ns - before_ns < self._watchdog_ns // 2:
                self._judge()
            before_ns = now_ns

    async def _until_next(self, deadline_ns: int) -> int:
        """Sleep until the next cycle of the grid; those that went by in the meantime are counted late."""
        deadline_ns += self._cycle_ns
        behind_ns = self._clock() - deadline_ns
        if behind_ns > 0:
            n_late = -(-behind_ns // self._cycle_ns)
            self.count.late += n_late
            deadline_ns += n_late * self._cycle_ns
        await asyncio.sleep(max(0.0, (deadline_ns - self._clock()) / NS))
        return deadline_ns

    async def _connect(self) -> None:
        try:
            await self.link.connect()
        except LinkError as error:
            self._note_fault(error)
            return
        self._is_connected = True
        self.count.connects += 1
        self._connected_ns = self._clock()

    async def _drop(self) -> None:
        self._is_connected = False
        await self.link.close()

    async def _cycle(self) -> None:
        started_ns = self._clock()
        values = self._image.values(self.gateway.snapshot(started_ns))
        if self._has_echo and self._image.token is not None:
            self.token.sent(self._image.token, started_ns)
        self.count.cycles += 1
        try:
            read, faults = await self.link.exchange(values)
        except LinkError as error:
            self._note_fault(error)
            await self._drop()
            return
        now_ns = self._clock()
        for fault in faults:
            self._note_fault(fault)
        if not faults:
            self.count.whole += 1
            self.answered_ns = now_ns
            self._exchanges.add(now_ns - started_ns)
        elif now_ns - max(self.answered_ns, self._connected_ns) > self._watchdog_ns and all(
            f.fault is Fault.TIMEOUT for f in faults
        ):
            await self._drop()  # silent for so long: perhaps a new connection is answered
        self._take(read, now_ns)

    def _take(self, read: list[float | None], now_ns: int) -> None:
        """Look at what the device put out; while it runs, its outputs command."""
        readings = self._plan.sort(read)
        if readings.echo is not None:
            trip_ns = self.token.echoed(readings.echo, now_ns)
            if trip_ns is not None:
                self._tokens.add(trip_ns)
        if readings.heartbeat is not None and readings.heartbeat != self._beat:
            if self._beat is not None:  # the first may stand there since long ago
                self._beat_ns = now_ns
            self._beat = readings.heartbeat
        if self.state is not State.RUNNING:
            self.outputs.watch(readings.rows)
            return
        for wish in self.outputs.wishes(readings.rows):
            self._ask(wish)
        self._pass_echo_on(now_ns)

    # ---------------------------------------------------------------- watchdog

    def _heard_ns(self) -> int:
        """Return since when something is missing: an answer, the token, the heartbeat."""
        found = [self.answered_ns]
        if self._has_echo:
            found.append(self.token.moved_ns)
        if self.wiring.heartbeat.received is not None:
            found.append(self._beat_ns)
        return min(found)

    def _judge(self) -> None:
        """Change the state if it is no longer the right one."""
        heard_ns = self._heard_ns()
        is_well = heard_ns > 0 and self._clock() - heard_ns <= self._watchdog_ns
        if is_well and self.state is not State.RUNNING:
            self._recover()
        elif not is_well and self.state is State.RUNNING:
            self._fail_safe()

    def _recover(self) -> None:
        self.state = State.RUNNING
        self._said.clear()
        self._say(f"device {self.link.address} is heard")
        self._note("running")

    def _fail_safe(self) -> None:
        self.state = State.FAILSAFE
        self.count.failsafes += 1
        self._pending.clear()
        what = self._missing()
        self._say(f"device {self.link.address}: {what} for {self.wiring.watchdog_s:g} s: fail-safe state")
        self._note("failsafe", missing=what)
        for tag, value in self.wiring.failsafe:
            self._start(self._execute([(self.gateway.index[tag], value)], "failsafe"))
        # Whatever the device showed before says nothing about the one that comes back.
        self.token.restart()
        self._beat, self._beat_ns, self.answered_ns = None, 0, 0

    def _missing(self) -> str:
        heard_ns = self._heard_ns()
        if heard_ns == self.answered_ns:
            return "no whole answer"
        return "the token stands" if heard_ns == self.token.moved_ns else "the heartbeat stands"

    def _note_fault(self, error: LinkError) -> None:
        name = error.fault.value
        setattr(self.count, name, getattr(self.count, name) + 1)
        text = str(error)
        if text not in self._said and len(self._said) < SAID_MAX:  # not two hundred times a second
            self._said.add(text)
            self._say(f"device {self.link.address}: {text}")

    # ---------------------------------------------------------------- commands

    def _ask(self, wish: Wish) -> None:
        """Send a wish on its way; of a level, one at a time and the newest."""
        if wish.is_level and wish.row in self._under_way:
            self._pending[wish.row] = wish
        elif len(self._tasks) >= IN_FLIGHT_MAX:
            self.count.dropped += 1
        elif wish.is_level:
            self._under_way.add(wish.row)
            self._start(self._set_level(wish))
        else:
            place = self.wiring.from_device[wish.row].place
            self._start(self._execute([(wish.index, wish.value)], str(place)))

    async def _set_level(self, wish: Wish) -> None:
        place = str(self.wiring.from_device[wish.row].place)
        try:
            current: Wish | None = wish
            while current is not None:
                reason = await self._execute([(current.index, current.value)], place)
                again = current if reason in AGAIN and self.state is State.RUNNING else None
                current = self._pending.pop(wish.row, again)
                if reason in AGAIN:
                    await asyncio.sleep(BACK_OFF_S[0])
        finally:
            self._under_way.discard(wish.row)

    def _pass_echo_on(self, now_ns: int) -> None:
        """Command the echo into its point, now and then: each is a command on record."""
        token = self.wiring.token
        if token is None or not token.point_in or self.token.echo is None:
            return
        then_ns, then = self._passed
        is_due = self.token.echo != then and now_ns - then_ns >= token.pass_on_ms * 1e6
        # Like a trip, an echo waits for no verdict on the one before: both are to take equally long.
        if is_due and len(self._tasks) < ECHOES_MAX:
            self._passed = (now_ns, self.token.echo)
            self._start(
                self._execute([(self.gateway.index[token.point_in], float(self.token.echo))], "token")
            )

    async def _execute(self, writes: list[tuple[int, float]], via: str) -> Reason:
        who = Who("device", self.link.address, "", via, self._role)
        return (await self._desk.execute(writes, who)).reason

    def _note(self, state: str, **fields: str) -> None:
        self._start(self._desk.note("device", state=state, peer=self.link.address, **fields))

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
