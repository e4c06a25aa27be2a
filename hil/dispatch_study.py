"""Rules against the dispatcher: the same weeks, the same sun and load, once commanded by each."""

from __future__ import annotations

import dataclasses as dc
import datetime as dt
from collections.abc import Callable, Sequence

import numpy as np

from estimation.pseudo import History
from forecasting.dispatch.settings import Settings
from forecasting.series import Floats, Series
from hil.dispatch_site import feeder_of, site_of
from hil.dispatch_study_forecast import AHEAD
from hil.dispatch_study_run import Case, Run, StudyRun
from hil.load_history import history_of
from hil.station import Plan, make_setup, read_plan
from rtcore.assemble import Setup
from rtcore.clock import NS_PER_HOUR, NS_PER_S
from rtcore.errors import Problem, UserInputError
from rtcore.plant.pv_inverter import Pv

DT_NS = 10 * NS_PER_S
"""Step of the plant in a study [ns]."""

MODES = ("rules", "optimising")
"""What can be compared, in the order of running."""

CLEAR_DAYS = 0.4
"""Part of the quarter days that are clear in the sky of a study."""


@dc.dataclass(frozen=True)
class Options:
    """What is studied.

    Parameters
    ----------
    station : str
    start_ns : int
        UTC, a full hour.
    weeks : int
    load_scale : float
        Of the loads' profile.
    penetration_pct : float
        Part of the sites that take part.
    volt_var : bool
        Sites as the station has them; else at unity power factor, which is what IEEE 1547 sites do unless
        told otherwise.
    is_perfect : bool
        The dispatcher is told the load to come.
    seed : int
        Of the sky.
    """

    station: str
    start_ns: int
    weeks: int = 4
    load_scale: float = 2.0
    penetration_pct: float = 100.0
    volt_var: bool = False
    is_perfect: bool = False
    seed: int = 2017


Tick = Callable[[int, int], None]


def study(
    options: Options,
    modes: Sequence[str],
    settings: Settings | None = None,
    tick: Tick = lambda _done, _all: None,
) -> tuple[Case, list[Run]]:
    """Run each mode over the same weeks, rules first.

    The dispatcher is asked to end with the states of charge that the rules ended with, so that neither
    case has lived on its stock.
    """
    case = make_case(options, settings or Settings())
    ordered = [m for m in MODES if m in modes]
    runs: list[Run] = []
    for k, mode in enumerate(ordered):
        names = [b.name for b in case.site.batteries]
        final = dict(zip(names, runs[0].soc_pct[-1].tolist(), strict=True)) if runs else None

        def counted(done: int, hours: int, k: int = k) -> None:
            tick(k * hours + done, len(ordered) * hours)

        runs.append(StudyRun(case, mode, final).run(counted))
    return case, runs


def make_case(options: Options, settings: Settings) -> Case:
    """Return what all runs have in common."""
    hours = 168 * options.weeks
    plan = _plan(options)
    history = history_of(plan)
    site = site_of(plan, options.start_ns)
    assert history is not None
    setup = make_setup(plan, DT_NS, duration_s=(hours + AHEAD + 1) * 3600.0)
    start_row = (options.start_ns - history.start_ns) // history.step_ns
    rows = np.arange(start_row, start_row + hours + AHEAD)
    _check(options, history, start_row, hours)
    loads = _feeder_means(plan, site.feeders, history)
    return Case(
        setup=setup,
        site=site,
        settings=settings,
        hours=hours,
        sites_on=_sites_on(options, len(site.pv)),
        covers=_sky(options, hours),
        clear_w=_clear_w(plan, _sites_on(options, len(site.pv)), setup, hours + AHEAD),
        histories={
            f: Series(f, history.start_ns, NS_PER_HOUR, w[:start_row], _zone(plan)) for f, w in loads.items()
        },
        truth_w={f: w[rows] for f, w in loads.items()} if options.is_perfect else None,
    )


def _plan(options: Options) -> Plan:
    """Return the station with the study's load, sun and start; its upstream grid does not swing."""
    plan = read_plan(options.station)
    station = plan.station
    zone = dt.timezone(dt.timedelta(seconds=station.utc_offset_s))
    start = dt.datetime.fromtimestamp(options.start_ns / NS_PER_S, zone)
    station = dc.replace(
        station,
        time=station.time.model_copy(update={"start": start}),
        load=station.load.model_copy(update={"scale": options.load_scale, "ripple_pct": 0.0}),
    )
    plant = {kind: {name: dict(p) for name, p in of.items()} for kind, of in plan.plant.items()}
    for source in plan.network.sources:
        plant.setdefault("generator", {})[source.name] = {"model": "infinite"}
    plant["pv_fleet"] = {"all": {"penetration_pct": options.penetration_pct}}
    if not options.volt_var:
        for p in plant.get("pv", {}).values():
            p["q_mode"] = "constant_pf"
    return dc.replace(plan, station=station, plant=plant)


def _check(options: Options, history: History, start_row: int, hours: int) -> None:
    if options.start_ns % NS_PER_HOUR:
        raise UserInputError([Problem("--start", "", "must be a full hour")])
    if start_row < 28 * 24 or start_row + hours + AHEAD > len(history.p_w):
        what = "four weeks of the load profile must lie before the start, and a day behind the end"
        raise UserInputError([Problem("--start", "", what)])


def _zone(plan: Plan) -> str:
    seconds = plan.station.utc_offset_s
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{abs(seconds) // 3600:02d}:{abs(seconds) % 3600 // 60:02d}"


def _feeder_means(plan: Plan, feeders: Sequence[str], history: History) -> dict[str, Floats]:
    """Return the hourly mean of each feeder's load: the plant goes straight from row to row."""
    out = {}
    for f in feeders:
        mine = [k for k, x in enumerate(plan.network.loads) if feeder_of(x.name) == f]
        rows = history.p_w[:, mine].sum(1) * plan.station.load.scale
        out[f] = 0.5 * (rows + np.append(rows[1:], rows[-1]))
    return out


def _sky(options: Options, hours: int) -> Floats:
    """Return the cloud cover of each quarter of a day: clear, or anything up to overcast."""
    rng = np.random.default_rng(options.seed)
    n = hours // 6
    return np.where(rng.random(n) < CLEAR_DAYS, 0.0, rng.uniform(0.1, 0.95, n))


def _sites_on(options: Options, n: int) -> int:
    """Return how many of the sites take part."""
    return round(options.penetration_pct * n / 100.0)


def _clear_w(plan: Plan, sites_on: int, setup: Setup, hours: int) -> Floats:
    """Return the mean power of all sites under a clear sky in each hour [W]."""
    assert setup.sky is not None
    rated_w = sum(1e3 * d.kva for d in [d for d in plan.network.ders if d.kind == "pv"][:sites_on])
    if rated_w == 0.0:
        return np.zeros(hours)
    p = Pv(s_rated_va=rated_w, v_base_v=1.0)
    poa, ambient = setup.sky.poa_w_m2, setup.sky.ambient_degc
    cell = ambient + (p.noct_degc - 20.0) * poa / 800.0
    dc_w = rated_w * p.dc_ac_ratio * p.derate_pu * poa / 1000.0 * (1.0 + p.gamma_per_k * (cell - 25.0))
    ac_w = np.minimum(dc_w * p.efficiency, rated_w)
    per_hour = NS_PER_HOUR // setup.sky.step_ns
    first = (setup.clock.epoch_ns - setup.sky.start_ns) // setup.sky.step_ns
    means = ac_w[first : first + hours * per_hour].reshape(hours, per_hour).mean(1)
    return np.asarray(means)
