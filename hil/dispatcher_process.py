"""Dispatcher process: ``python -m hil.dispatcher_process SPEC_JSON``.

Looks at the plant and the newest forecasts every few minutes of simulated time, plans when there is a new
forecast, and commands as an operator would: through a command ring of its own, checked and kept on record
like anybody's. It commands only while the mode of the station's dispatch says so. Where it dies, is slow or
has no forecast, the rules in the core take over by themselves when its plan grows old.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time

from forecasting.dispatch.dispatcher import Dispatcher
from forecasting.dispatch.messages import MANUAL, Command
from forecasting.dispatch.outputs import State
from forecasting.dispatch.publication import publish, state_of
from hil import damage, gateway_process
from hil.dispatch_checks import read_settings
from hil.dispatch_forecast import DispatchForecast
from hil.dispatch_points import DispatchPoints
from hil.dispatch_site import site_of
from hil.forecaster_setup import ClearSky
from hil.gateway_process import Complaints, behind, say
from hil.gateway_status import SERVING, STARTING, GatewayStatus
from hil.published_board import PublishedBoard
from hil.publishers import DISPATCHER, FORECASTER
from hil.recorder.audit import AuditJournal
from hil.runspec import RunSpec
from hil.settings_sections import DispatchSection
from hil.state_file import StateFile
from hil.station import read_plan
from protocols.command_desk import CommandDesk, Who
from protocols.gateway import Gateway
from protocols.roles import OPERATOR
from rtcore.board import Snapshot
from rtcore.clock import NS_PER_HOUR, NS_PER_S

NICE = 10
LOOK_S = 0.2
"""Between two looks at the clock [s]."""
SHOWN_S = 1.0
"""Between two images of the board [s]."""
KEEP_S = 30.0
"""Its state is written so often at least [s]."""
STATE = "dispatcher-state.json.gz"
WHO = Who("dispatch", "", "dispatcher", "plan", OPERATOR)


class Station:
    """The plant and its forecasts as the dispatcher sees them, and what it does about them.

    Parameters
    ----------
    decide_ns : int
        Simulated time between two decisions [ns].
    """

    def __init__(
        self,
        spec: RunSpec,
        gateway: Gateway,
        desk: CommandDesk,
        dispatcher: Dispatcher,
        points: DispatchPoints,
        forecasts: DispatchForecast,
        decide_ns: int,
    ) -> None:
        self._complain = Complaints()
        self._gateway, self._desk, self.dispatcher = gateway, desk, dispatcher
        self._points, self._forecasts, self._decide_ns = points, forecasts, decide_ns
        first = spec.n_core
        for name, count in spec.published.items():
            if name == FORECASTER:
                self._of_forecaster = slice(first, first + count)
            first += count
        self._n_core = spec.n_core
        self._decided_ns, self._kept_plans, self._kept_s = -(1 << 62), 0, time.monotonic()
        self._file = StateFile(spec.state_dir / STATE, {"run": spec.core["run_id"]})
        kept = self._file.read(self._complain)
        if kept is not None:
            try:
                dispatcher.restore(kept)
            except (ValueError, KeyError, TypeError) as error:
                self._complain(f"{self._file.path}: not taken: {damage.words_of(error)}")
        self.state = State.STARTING
        self.sim_ns: int | None = None
        self.n_failed = 0

    async def look(self) -> None:
        """Decide when it is time, and command."""
        snapshot = self._gateway.snapshot(time.monotonic_ns())
        if snapshot is None:
            return
        self.sim_ns = snapshot.sim_ns
        if abs(snapshot.sim_ns - self._decided_ns) < self._decide_ns:
            return
        self._decided_ns = snapshot.sim_ns
        try:
            await self._command(snapshot, self._decide(snapshot))
            self.keep()
        except Exception as error:  # noqa: BLE001 - whatever it is, the plant goes on and the next look comes
            self.n_failed += 1
            self._complain(f"decision failed: {type(error).__name__}: {error}")

    def _decide(self, snapshot: Snapshot) -> tuple[Command, ...]:
        core = slice(0, self._n_core)
        readings = self._points.readings(snapshot.values[core], snapshot.quality[core])
        ours = self._of_forecaster
        off = self._points.sites_off(snapshot.values[core])
        forecast = self._forecasts.take(snapshot.values[ours], snapshot.quality[ours], off)
        mode = MANUAL if readings is None else readings.mode
        self.state = state_of(self.dispatcher, mode, has_forecast=forecast is not None)
        if readings is None:
            return ()
        decision = self.dispatcher.decide(snapshot.sim_ns, readings, forecast)
        for event in decision.events:
            say(event)
        self.state = state_of(self.dispatcher, mode, has_forecast=forecast is not None)
        return decision.commands

    def keep(self) -> None:
        """Write down what is known, with every plan and now and then."""
        plans, now_s = self.dispatcher.n_plans, time.monotonic()
        if plans != self._kept_plans or now_s - self._kept_s > KEEP_S:
            self._kept_plans, self._kept_s = plans, now_s
            self._file.write(self.dispatcher.state(), self._complain)

    async def _command(self, snapshot: Snapshot, commands: tuple[Command, ...]) -> None:
        for command in commands:
            write = self._points.write(command)
            if command.what != "plan" and snapshot.values[write[0]] == write[1]:
                continue  # it is so already
            verdict = await self._desk.execute([write], WHO)
            if not verdict.is_done:
                tag = self._gateway.points[write[0]].tag
                self._complain(f"{tag} = {write[1]:g}: refused: {verdict.reason.name.lower()}")


def make_station(spec: RunSpec, gateway: Gateway, desk: CommandDesk) -> Station:
    """Return the dispatcher of a run, from the station's files."""
    plan = read_plan(spec.core["station"])
    section, weather = plan.station.dispatch, plan.station.weather
    assert isinstance(section, DispatchSection)
    assert weather is not None
    settings, _ = read_settings(section, "")
    site = site_of(plan, plan.station.start_utc_ns)
    points = DispatchPoints(spec.points[: spec.n_core], site)
    clear = ClearSky(weather, NS_PER_HOUR)
    forecasts = DispatchForecast(spec.points_of(FORECASTER), site, clear.power)
    snapshot = gateway.snapshot(time.monotonic_ns())
    number = 0 if snapshot is None else round(float(snapshot.values[points.plan]))
    dispatcher = Dispatcher(site, settings, first_number=number)
    return Station(spec, gateway, desk, dispatcher, points, forecasts, round(section.decide_s * NS_PER_S))


async def serve(spec: RunSpec) -> None:
    """Look, decide, command and show until SIGTERM."""
    status = GatewayStatus.create(spec.gateway_path(DISPATCHER))
    status.write(state=STARTING, pid=os.getpid())
    gateway = gateway_process.attach(spec, DISPATCHER)
    desk = CommandDesk(gateway, AuditJournal(spec.audit_path(DISPATCHER)))
    board = PublishedBoard(spec, DISPATCHER, round(SHOWN_S * NS_PER_S))
    say(f"ready {len(spec.points_of(DISPATCHER))} points")  # the station need not wait for what follows
    station = make_station(spec, gateway, desk)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    shown_s = -SHOWN_S
    while not stopping.is_set():
        status.write(
            state=SERVING,
            clients=0,
            requests=station.dispatcher.n_plans,
            refused=desk.n_refused,
            commands=desk.n_done,
            errors=station.n_failed,
        )
        await station.look()
        if station.sim_ns is not None and time.monotonic() - shown_s >= SHOWN_S:
            shown_s = time.monotonic()
            out = publish(board.layout, station.dispatcher, station.sim_ns, station.state)
            board.publish(out.values, out.quality, station.sim_ns)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), LOOK_S)


def main(arguments: list[str]) -> int:
    """Run the process; return its exit code."""
    return gateway_process.main("hil.dispatcher_process", arguments, behind(NICE, serve))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
