"""One run of a study: the plant under its virtual clock, commanded by rules or by the dispatcher.

The dispatcher sees published points, meters with their errors, and commands through the ring of an
operator. What the run is judged by is the plant's true state instead.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Callable

import numpy as np

from forecasting.dispatch.dispatcher import Dispatcher
from forecasting.dispatch.messages import OPTIMISING, RULES, Command, Forecast, Readings
from forecasting.dispatch.planner import Deadline
from forecasting.dispatch.settings import Settings
from forecasting.dispatch.site import Site
from forecasting.series import Floats, Series
from hil.dispatch_forecast import SUN_LEAST, SUN_MOST
from hil.dispatch_study_forecast import (
    AHEAD,
    LoadForecast,
    Spread,
    SunForecast,
    forecast_of,
)
from hil.dispatch_study_tags import Tags
from rtcore.assemble import Setup
from rtcore.clock import NS_PER_HOUR, NS_PER_S
from rtcore.engine import Engine

SAMPLE_S = 60
"""Interval of the samples that a run is judged by [s]."""

DECIDE_S = 60
"""Interval in which the dispatcher is asked [s]."""

DEMAND_S = 900
"""Interval of the demand whose highest mean is the peak [s]."""


@dc.dataclass(frozen=True)
class Case:
    """What both runs have in common.

    ``sites_on``: sites that take part, the first ones; ``covers``: cloud cover of each quarter of a day;
    ``clear_w``: shape (n_hour + 24,), mean clear-sky power of all sites in an hour; ``histories``: feeder ->
    hourly load before the start; ``truth_w``: feeder -> the load to come, for runs that know it (else None).
    """

    setup: Setup
    site: Site
    settings: Settings
    hours: int
    sites_on: int
    covers: Floats
    clear_w: Floats
    histories: dict[str, Series]
    truth_w: dict[str, Floats] | None = None


@dc.dataclass(frozen=True)
class Run:
    """What came of a run.

    ``import_w``: shape (n_minute,); ``v_low``, ``v_high``: lowest and highest service voltage of each minute
    [pu]; ``low_h``, ``high_h``: shape (n_service,), hours below and above the limits; ``soc_pct``: shape
    (n_hour, n_battery); ``taps``: shape (n_hour, n_regulator); ``battery_w``: shape (n_hour, n_battery).
    """

    mode: str
    import_w: Floats
    v_low: Floats
    v_high: Floats
    low_h: Floats
    high_h: Floats
    soc_pct: Floats
    taps: Floats
    battery_w: Floats
    load_wh: float
    solar_wh: float
    curtailed_wh: float
    losses_wh: float
    throughput_wh: float
    tap_operations: int
    dispatcher: Dispatcher | None = None
    solve_ms: tuple[float, ...] = ()
    events: tuple[str, ...] = ()


class StudyRun:
    """Steps the plant of a case through its time."""

    def __init__(self, case: Case, mode: str, deadline_pct: dict[str, float] | None = None) -> None:
        self.case, self.mode = case, mode
        self.engine = Engine(case.setup)
        self.tags = Tags(self.engine, case.site)
        self.start_ns = case.setup.clock.epoch_ns
        self._loads = LoadForecast(case.histories)
        self._sun, self._spread = SunForecast(), Spread()
        self._sums: dict[str, list[float]] = {}
        self._forecast: Forecast | None = None
        self._solve_ms: list[float] = []
        self._events: list[str] = []
        self.dispatcher: Dispatcher | None = None
        if mode == "optimising":
            end_ns = self.start_ns + case.hours * NS_PER_HOUR
            deadline = Deadline(end_ns, deadline_pct) if deadline_pct else None
            self.dispatcher = Dispatcher(case.site, case.settings, deadline=deadline)

    def run(self, tick: Callable[[int, int], None] = lambda _done, _all: None) -> Run:
        """Run to the end."""
        case, e = self.case, self.engine
        per_sample = round(SAMPLE_S * NS_PER_S / case.setup.clock.dt_ns)
        minutes = case.hours * 60
        seen = _Seen(case, self.tags, minutes)
        mode = OPTIMISING if self.dispatcher else RULES
        e.command([(self.tags.mode, float(mode))])
        for minute in range(minutes):
            if minute % 360 == 0:
                e.command([(self.tags.cover, float(case.covers[minute // 360]))])
            if minute % 60 == 0 and self.dispatcher:
                self._new_hour(minute // 60)
            if minute % (DECIDE_S // 60) == 0 and self.dispatcher and minute > 0:
                self._decide(minute)
            e.step(per_sample)
            self._check_verdicts()
            seen.sample(minute)
            if self.dispatcher:
                self._measure()
            if minute % 60 == 59:
                tick(minute // 60 + 1, case.hours)
        return seen.result(self.mode, self.dispatcher, tuple(self._solve_ms), tuple(self._events))

    # -- what the dispatcher sees --------------------------------------------------------

    def _measure(self) -> None:
        for name, x in self.tags.hourly().items():
            self._sums.setdefault(name, []).append(x)

    def _new_hour(self, hour: int) -> None:
        """Close an hour and make the forecast of those ahead."""
        case = self.case
        if hour > 0:
            means = {name: float(np.mean(x)) for name, x in self._sums.items()}
            self._sums = {}
            loads = {f: means[f] for f in case.site.feeders}
            self._loads.append(loads)
            rated = float(np.sum(case.site.pv_rated_w[: case.sites_on]))
            self._sun.append(means["sun"], float(case.clear_w[hour - 1]), 0.02 * rated)
            self._spread.append(sum(loads.values()))
        load_w = self._loads.ahead()
        if case.truth_w is not None:
            load_w = {f: case.truth_w[f][hour : hour + AHEAD] for f in case.site.feeders}
        clear_w = case.clear_w[hour : hour + AHEAD]
        sun_w = self._sun.ahead(clear_w)
        spread_w = self._spread.ahead(np.sum([load_w[f] for f in case.site.feeders], axis=0))
        end_ns = self.start_ns + hour * NS_PER_HOUR
        rated_w = {p.name: p.rated_w * (k < case.sites_on) for k, p in enumerate(case.site.pv)}
        self._forecast = forecast_of(
            end_ns, load_w, (sun_w, SUN_MOST * clear_w, SUN_LEAST * clear_w), rated_w, spread_w
        )

    def _decide(self, minute: int) -> None:
        assert self.dispatcher is not None and self._forecast is not None
        now_ns = self.start_ns + minute * SAMPLE_S * NS_PER_S
        n_plans = self.dispatcher.n_plans
        decision = self.dispatcher.decide(now_ns, self.readings(), self._forecast)
        self._events += decision.events
        if self.dispatcher.n_plans > n_plans and decision.plan is not None:
            self._solve_ms.append(decision.plan.solve_ms)
        self._command(decision.commands)

    def readings(self) -> Readings:
        """Return what the points say now."""
        return self.tags.readings()

    def _command(self, commands: tuple[Command, ...]) -> None:
        writes = [self.tags.write(c) for c in commands]
        if writes:
            self.engine.command(writes)

    def _check_verdicts(self) -> None:
        """Note the commands that the plant refused."""
        for verdict in self.engine.verdicts().values():
            if not verdict.is_done:
                self._events.append(f"refused: {verdict.reason.name}")


class _Seen:
    """Sums of a run's true state."""

    def __init__(self, case: Case, tags: Tags, minutes: int) -> None:
        self.case, self.tags = case, tags
        self.import_w, self.v_low, self.v_high = (np.empty(minutes) for _ in range(3))
        n = len(tags.services)
        self.low, self.high = np.zeros(n), np.zeros(n)
        self.sums = np.zeros(3)
        self.start = tags.energies()
        self.hourly: list[tuple[Floats, Floats, Floats]] = []
        self._battery = np.zeros(len(case.site.batteries))

    def sample(self, minute: int) -> None:
        v = self.tags.service_pu()
        s = self.case.settings
        self.low += v < s.v_min_pu
        self.high += v > s.v_max_pu
        self.v_low[minute], self.v_high[minute] = v.min(), v.max()
        self.import_w[minute] = self.tags.import_w()
        self.sums += self.tags.powers()
        self._battery += self.tags.battery_w()
        if minute % 60 == 59:
            self.hourly.append((self.tags.soc_pct(), self.tags.taps(), self._battery / 60.0))
            self._battery = np.zeros_like(self._battery)

    def result(
        self, mode: str, dispatcher: Dispatcher | None, solve_ms: tuple[float, ...], events: tuple[str, ...]
    ) -> Run:
        hours = SAMPLE_S / 3600.0
        load_wh, solar_wh, sun_wh = (self.sums * hours).tolist()
        taken, given = self.tags.energies() - self.start
        import_wh = float(np.sum(self.import_w)) * hours
        soc, taps, battery_w = (np.array([h[k] for h in self.hourly]) for k in range(3))
        return Run(
            mode=mode,
            import_w=self.import_w,
            v_low=self.v_low,
            v_high=self.v_high,
            low_h=self.low * hours,
            high_h=self.high * hours,
            soc_pct=soc,
            taps=taps,
            battery_w=battery_w,
            load_wh=load_wh,
            solar_wh=solar_wh,
            curtailed_wh=sun_wh - solar_wh,
            losses_wh=import_wh + solar_wh + given - taken - load_wh,
            throughput_wh=taken + given,
            tap_operations=self.tags.tap_operations(),
            dispatcher=dispatcher,
            solve_ms=solve_ms,
            events=events,
        )
