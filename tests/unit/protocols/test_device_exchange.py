"""The exchange with links that do what no device would do for a test: hang, fail by plan, go on for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import numpy as np

from protocols.command_desk import CommandDesk
from protocols.device_exchange import ECHOES_MAX, IN_FLIGHT_MAX, SAID_MAX, DeviceExchange, State
from protocols.device_link import Fault, LinkError
from protocols.duration_histogram import BINS, DurationHistogram
from protocols.gateway import Gateway
from protocols.wiring import FromDevice, ModbusPlace, Token, Wiring
from protocols.wiring_image import ReadPlan, WiringImage
from rtcore.commands import Reason
from tests.support.device_rig import INDEX, POINTS
from tests.support.modbus_rig import MemoryAudit
from tests.support.python_core import PythonCore

WATCHDOG_S = 0.1
PATIENCE_S = 8.0


class PlannedLink:
    """Answers each exchange with what ``answer`` returns; ``connects`` says what connecting does."""

    address = "planned"
    n_late = n_clamped = 0

    def __init__(self) -> None:
        self.answer: Callable[[], tuple[list[float | None], list[LinkError]]] = lambda: ([0.0, 0.0], [])
        self.hangs_at_connect = False
        self.echoes = False

    async def connect(self) -> None:
        while self.hangs_at_connect:
            await asyncio.sleep(0.01)

    async def exchange(self, values: Sequence[float | None]) -> tuple[list[float | None], list[LinkError]]:
        read, faults = self.answer()
        return ([values[0], *read] if self.echoes else read), faults

    async def close(self) -> None: ...


class Rig:
    """A core in a thread, an exchange in the test's loop."""

    def __init__(self, token: Token | None = None) -> None:
        def place(k: int) -> ModbusPlace:
            return ModbusPlace(1, "hr", k, "int16")

        wiring = Wiring(
            name="t",
            role="client",
            protocol="modbus",
            cycle_ms=2.0,
            timeout_ms=50.0,
            watchdog_s=WATCHDOG_S,
            to_device=(),
            from_device=(
                FromDevice(point="CB.X.TRIP", place=place(0)),
                FromDevice(point="CB.X.SP", place=place(1), edge="level"),
            ),
            token=token,
            failsafe=(("CB.X.TRIP", 1.0),),
        )
        self.core = PythonCore(POINTS, claimed_period_s=0.09)
        gateway = Gateway(POINTS, self.core.board, self.core.producer())
        self.audit = MemoryAudit()
        self.link = PlannedLink()
        self.link.echoes = token is not None
        self.lines: list[str] = []
        self.exchange = DeviceExchange(
            wiring,
            gateway,
            CommandDesk(gateway, self.audit),
            self.link,
            WiringImage(wiring, POINTS),
            ReadPlan(wiring),
            "operator",
            DurationHistogram(np.zeros(BINS, np.int64)),
            DurationHistogram(np.zeros(BINS, np.int64)),
            self.lines.append,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Rig]:
        with self.core:
            work = asyncio.ensure_future(self.exchange.run())
            try:
                await self.until(lambda: self.exchange.state is State.RUNNING)
                yield self
                assert not work.done(), work
            finally:
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.002)


async def test_the_watchdog_does_not_wait_for_a_connection_that_hangs() -> None:
    async with Rig().running() as rig:
        rig.link.hangs_at_connect = True

        def lost() -> tuple[list[float | None], list[LinkError]]:
            raise LinkError(Fault.CLOSED, "gone")

        rig.link.answer = lost
        await rig.until(lambda: rig.exchange.state is State.FAILSAFE)
        await rig.until(lambda: rig.core.pulses == [("CB.X.TRIP", 1.0)])
        assert not rig.exchange.is_connected


async def test_faults_that_come_every_cycle_are_counted_each_time_and_said_once() -> None:
    async with Rig().running() as rig:
        n = 0

        def refuse() -> tuple[list[float | None], list[LinkError]]:
            nonlocal n
            n += 1
            faults = [LinkError(Fault.REFUSED, text) for text in ("one", "two", f"number {n}")]
            return [None, None], faults

        rig.link.answer = refuse
        await rig.until(lambda: rig.exchange.count.refused > 3 * (SAID_MAX + 5))
        said = [line for line in rig.lines if "fail-safe" not in line and "is heard" not in line]
        assert said.count("device planned: one") == said.count("device planned: two") == 1
        assert len(said) == SAID_MAX


async def test_a_level_that_changes_faster_than_verdicts_come_ends_at_its_newest_value() -> None:
    async with Rig().running() as rig:
        values = iter(range(1, 61))
        now = [0.0]

        def ramp() -> tuple[list[float | None], list[LinkError]]:
            now[0] = float(next(values, 60))
            return [0.0, now[0]], []

        rig.link.answer = ramp
        await rig.until(lambda: rig.core.setpoints[INDEX["CB.X.SP"]] == 60.0)
        written = [r["writes"][0][1] for r in rig.audit.records if r["event"] == "command"]
        assert written == sorted(written)
        assert written[-1] == 60.0


async def test_a_level_that_was_refused_for_lack_of_room_is_commanded_again() -> None:
    async with Rig().running() as rig:
        refusals = iter([Reason.BUSY, Reason.BUSY])
        rig.core.decide = lambda i, v: next(refusals, Reason.DONE)
        rig.link.answer = lambda: ([0.0, 5.0], [])
        await rig.until(lambda: rig.core.setpoints[INDEX["CB.X.SP"]] == 5.0)


async def test_wishes_beyond_what_may_be_under_way_are_dropped_and_counted() -> None:
    async with Rig().running() as rig:
        state = [0.0]

        def chatter() -> tuple[list[float | None], list[LinkError]]:
            state[0] = 1.0 - state[0]
            return [state[0], 0.0], []

        gate = asyncio.Event()
        append = rig.audit.append

        async def slow(record: dict[str, object]) -> None:
            await gate.wait()  # a disk that takes its time
            await append(record)

        rig.audit.append = slow  # type: ignore[method-assign]
        rig.link.answer = chatter
        await rig.until(lambda: rig.exchange.count.dropped > 10)
        assert len(asyncio.all_tasks()) < 3 * IN_FLIGHT_MAX
        rig.link.answer = lambda: ([0.0, 0.0], [])
        gate.set()
        await rig.until(lambda: len(rig.core.pulses) >= IN_FLIGHT_MAX - 1)


async def test_echoes_wait_for_no_verdict_and_leave_room_for_the_outputs() -> None:
    register = ModbusPlace(1, "hr", 9, "uint16")
    token = Token(sent=register, echo=register, point_in="TST.TOKEN_IN", pass_on_ms=1.0)
    async with Rig(token).running() as rig:
        gate, asked = asyncio.Event(), list[str]()

        async def slow(record: dict[str, object]) -> None:
            asked.append(str(record.get("via")))
            await gate.wait()  # a disk that takes its time

        rig.audit.append = rig.audit.pass_by = slow  # type: ignore[method-assign]
        await rig.until(lambda: asked.count("token") >= ECHOES_MAX - 2)  # one or two were under way before
        rig.link.answer = lambda: ([1.0, 0.0], [])
        await rig.until(lambda: "1:hr:0:int16" in asked)
        assert asked.count("token") <= ECHOES_MAX
        gate.set()
        await rig.until(lambda: rig.core.pulses == [("CB.X.TRIP", 1.0)])


async def test_echoes_leave_nothing_in_the_audit() -> None:
    register = ModbusPlace(1, "hr", 9, "uint16")
    token = Token(sent=register, echo=register, point_in="TST.TOKEN_IN", pass_on_ms=1.0)
    async with Rig(token).running() as rig:
        await rig.until(lambda: rig.exchange.token.echo is not None and rig.exchange.count.cycles > 20)
        rig.link.answer = lambda: ([1.0, 0.0], [])
        await rig.until(lambda: rig.core.pulses == [("CB.X.TRIP", 1.0)])
    commands = [r["via"] for r in rig.audit.records if r["event"] == "command"]
    assert "1:hr:0:int16" in commands
    assert "token" not in commands
