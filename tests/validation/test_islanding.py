"""Islands of the shipped station: never two masters, never a blind closing, whatever happens when.

Every step is looked at by what the network itself says (``tests.support.island_watch``): contacts,
EMFs in service and voltages, not what controls and checks say of themselves.
"""

from __future__ import annotations

import dataclasses as dc
import functools

import numpy as np
import pytest

from hil.engine_snapshot import Snapshot
from hil.station import load_setup
from rtcore.assemble import Setup
from rtcore.clock import SimClock
from rtcore.control import microgrid as mg
from rtcore.engine import Engine
from rtcore.plant import battery
from rtcore.plant import generator as gen
from rtcore.ring import E_KIND, E_NEW, E_TARGET, EVENT_STATUS
from tests.support import island_watch as iw
from tests.support.island_watch import Watch

pytestmark = pytest.mark.timeout(900)
"""With an empty cache the first of these tests compiles every kernel."""

GRID, TRANSFER, ISLAND, RESYNC, DEAD = mg.GRID, mg.TRANSFER, mg.ISLAND, mg.RESYNC, mg.DEAD


@functools.cache
def station() -> Setup:
    return load_setup("iowa240-der", 1_000_000)


def at_rest(dt_ms: float, seed: int) -> Engine:
    """Return a new engine of the station on a July noon at rest."""
    clock = SimClock(station().clock.epoch_ns, round(dt_ms * 1e6))
    engine = Engine(dc.replace(station(), clock=clock, seed=seed))
    looking_at(engine).seconds(0.5)
    return engine


def looking_at(engine: Engine) -> Watch:
    return Watch(engine, "cb_hv", "bus_xfmr")


@functools.cache
def moment_at_rest(dt_ms: float) -> tuple[Engine, Snapshot]:
    engine = at_rest(dt_ms, 1)
    return engine, Snapshot(engine)


def watch(dt_ms: float = 5.0) -> Watch:
    """Return the station on a July noon at rest: one engine, brought back each time."""
    engine, moment = moment_at_rest(dt_ms)
    moment.restore()
    return looking_at(engine)


def value(w: Watch, tag: str) -> float:
    return w.engine.value(tag)


def state(w: Watch) -> float:
    return float(w.engine.world.microgrids.s["state"][0])


def set_soc(w: Watch, soc_pct: float, number: int = 0) -> None:
    s = w.engine.world.storage
    battery.set_soc(s.p, s.s, number, soc_pct)


def wait_for(w: Watch, wanted: float, limit_s: float) -> float:
    """Advance until the microgrid is in a state; returns how long it took [s]."""
    dt_s = w.engine.setup.clock.dt_ns * 1e-9
    n = 0
    while state(w) != wanted:
        w.steps(1)
        n += 1
        assert n * dt_s < limit_s, f"state {state(w)} instead of {wanted} after {limit_s} s"
    return n * dt_s


def check(w: Watch) -> None:
    """Nothing that must never be has been."""
    c, x = w.counts, w.extremes
    assert c[iw.N_TWO_MASTERS] == 0
    assert c[iw.N_FORMING_CLOSED] == 0
    assert c[iw.N_NOT_FINITE] == 0
    # Closed by hand onto a dead line, the battery follows, and a machine of 2 MVA has the whole feeder
    # until the contacts are open again 0.1 s later: there need not be a solution.
    assert c[iw.N_NOT_SOLVED] * w.engine.setup.clock.dt_ns <= 100e6 * max(c[iw.N_CLOSINGS], 1)
    dt_s = w.engine.setup.clock.dt_ns * 1e-9
    # The check looks ahead by the closing time at the slip of the moment it permits; while the
    # contacts travel clouds and ripple move the slip by some mHz, and two steps pass unseen.
    assert x[iw.X_ANGLE_DEG] <= 10.0 + 360.0 * 0.1 * 2 * dt_s
    assert x[iw.X_SLIP_HZ] <= 0.1 + 0.01
    assert x[iw.X_DV_PU] <= 0.05 + 0.005


# ------------------------------------------------------------------ end to end


def test_loss_of_mains_at_noon_makes_an_island_within_its_limits_and_comes_back() -> None:
    w = watch(1.0)
    before_w = value(w, "SUB.LOAD.P")
    w.forget()
    w.do("SUB.SRC.MAINS", 0.0)
    took_s = wait_for(w, ISLAND, 2.0)
    assert took_s < 0.15  # 40 ms of undervoltage, 50 ms of travel, and steps between them
    w.seconds(0.3)
    w.forget()
    w.seconds(20.0)
    # Droop of 1 %, PV in surplus of nothing: 2.0 of 3.6 MW; limits are those of ANSI C84.1 range B
    assert 59.4 < w.extremes[iw.X_F_MIN_HZ] <= w.extremes[iw.X_F_MAX_HZ] < 60.6
    assert 0.917 < w.extremes[iw.X_V_MIN_PU] <= w.extremes[iw.X_V_MAX_PU] < 1.058
    assert value(w, "SUB.LOAD.P") == pytest.approx(before_w, rel=0.03), "nothing was shed"
    assert value(w, "DER.FLEET.TRIPPED") == 0.0
    w.do("SUB.SRC.MAINS", 1.0)
    assert wait_for(w, RESYNC, 40.0) == pytest.approx(30.0, abs=1.0)
    wait_for(w, GRID, 40.0)
    assert w.counts[iw.N_LIVE_CLOSINGS] == 1
    w.seconds(5.0)
    assert value(w, "DER.BESS_1.MODE") == battery.FOLLOWING
    check(w)


def test_an_island_in_surplus_curtails_by_its_frequency_and_does_not_overcharge() -> None:
    w = watch()
    w.do("DER.FLEET.PENETRATION_SP", 100.0)
    w.do("SUB.LOAD.SCALE_SP", 0.3)
    set_soc(w, 94.0)
    w.seconds(1.0)
    w.do("DER.MGC.AUTO", 0.0)
    w.do("DER.MGC.ISLAND")
    wait_for(w, ISLAND, 1.0)
    w.seconds(60.0)
    w.forget()
    w.seconds(120.0)
    assert value(w, "DER.FLEET.P") < 0.6 * value(w, "DER.FLEET.P_AVAIL")
    # 94 % of charge raise frequency by 0.8 Hz, charging by droop a little more
    assert 60.5 < w.extremes[iw.X_F_MIN_HZ] <= w.extremes[iw.X_F_MAX_HZ] < 61.5
    assert w.extremes[iw.X_V_MAX_PU] < 1.1
    assert value(w, "DER.BESS_1.SOC") < 96.0
    assert value(w, "DER.FLEET.TRIPPED") == 0.0
    check(w)


def test_an_island_short_of_power_sheds_load_by_frequency() -> None:
    w = watch()
    w.do("DER.FLEET.PENETRATION_SP", 0.0)
    set_soc(w, 12.0)  # of 10 at least: frequency is lowered, the last resort is near
    w.do("SUB.SRC.MAINS", 0.0)
    wait_for(w, ISLAND, 1.0)
    w.seconds(30.0)
    shed = [value(w, f"DER.SHED_{k}.SHED") for k in ("302", "203", "202")]
    assert shed[0] == 1.0
    assert value(w, "SUB.LOAD.P") < 0.9 * 3590.0
    assert w.extremes[iw.X_F_MIN_HZ] > 57.0
    check(w)


@pytest.mark.parametrize("how", ["empty", "off"])
def test_without_a_battery_the_island_is_dead_until_the_mains_are_back(how: str) -> None:
    w = watch()
    if how == "off":
        w.do("DER.BESS_1.ENABLE", 0.0)
    else:
        set_soc(w, 5.0)
    w.do("SUB.SRC.MAINS", 0.0)
    wait_for(w, DEAD, 1.0)
    w.seconds(20.0)
    assert state(w) == DEAD
    assert not w.engine.world.grid.live[w.bus].any()
    assert value(w, "SUB.LOAD.P") == 0.0
    w.do("SUB.SRC.MAINS", 1.0)
    wait_for(w, GRID, 35.0)
    w.seconds(2.0)
    assert value(w, "SUB.LOAD.P") > 3000.0
    assert w.counts[iw.N_LIVE_CLOSINGS] == 0, "onto a dead bus"
    check(w)


def test_a_battery_that_trips_in_its_island_starts_it_again_from_black() -> None:
    w = watch()
    w.do("SUB.SRC.MAINS", 0.0)
    wait_for(w, ISLAND, 1.0)
    w.seconds(5.0)
    w.do("DER.BESS_1.ENABLE", 0.0)
    wait_for(w, DEAD, 0.1)
    w.seconds(1.0)
    assert not w.engine.world.grid.live[w.bus].any()
    w.do("DER.BESS_1.ENABLE", 1.0)
    wait_for(w, ISLAND, 6.0)
    w.seconds(0.5)
    assert 0.0 < value(w, "DER.BESS_1.V") < 0.6, "the voltage rises over two seconds"
    w.seconds(30.0)
    w.forget()
    w.seconds(10.0)
    assert w.extremes[iw.X_V_MIN_PU] > 0.9
    assert w.extremes[iw.X_F_MIN_HZ] > 59.0
    w.do("SUB.SRC.MAINS", 1.0)
    wait_for(w, GRID, 90.0)
    check(w)


def test_the_grid_is_not_closed_onto_a_black_start_that_still_rises() -> None:
    w = watch()
    w.do("DER.MGC.AUTO", 0.0)
    w.do("DER.BESS_1.ENABLE", 0.0)
    w.do("DER.MGC.ISLAND")
    wait_for(w, DEAD, 1.0)
    w.do("DER.BESS_1.ENABLE", 1.0)
    wait_for(w, ISLAND, 6.0)
    for _ in range(40):
        w.do("DER.PCC.CLOSE")
        w.seconds(0.02)
        assert w.counts[iw.N_LIVE_CLOSINGS] == 0 or w.extremes[iw.X_DV_PU] <= 0.055
    check(w)


@functools.cache
def moment_of_slipping() -> tuple[Engine, Snapshot]:
    """The island has slipped away from where the grid will be."""
    w = watch(1.0)
    w.do("SUB.SRC.MAINS", 0.0)
    wait_for(w, ISLAND, 1.0)
    w.seconds(7.0)
    check(w)
    return w.engine, Snapshot(w.engine)


@pytest.mark.parametrize("back_ms", [10, 30, 45, 55])
def test_mains_that_come_back_while_a_dead_line_is_being_closed_are_not_joined_blindly(back_ms: int) -> None:
    engine, moment = moment_of_slipping()
    moment.restore()
    w = looking_at(engine)
    w.do("DER.PCC.CLOSE")  # a dead line may be closed
    w.steps(back_ms)
    w.do("SUB.SRC.MAINS", 1.0)
    w.seconds(1.0)
    check(w)


def test_a_running_machine_rides_through_and_shares_the_island() -> None:
    w = watch()
    w.do("DER.DG_1.P_SP", 900.0)
    w.do("DER.DG_1.START")
    w.seconds(30.0)
    assert value(w, "DER.DG_1.STATE") == gen.RUNNING
    w.do("SUB.SRC.MAINS", 0.0)
    wait_for(w, ISLAND, 3.0)  # the machine hides the loss until frequency tells
    w.seconds(20.0)
    assert value(w, "DER.DG_1.STATE") == gen.RUNNING
    assert value(w, "DER.DG_1.P") == pytest.approx(950.0, abs=200.0)
    w.do("SUB.SRC.MAINS", 1.0)
    wait_for(w, GRID, 90.0)
    w.seconds(10.0)
    assert value(w, "DER.DG_1.STATE") == gen.RUNNING
    check(w)


# ------------------------------------------------------------------ any sequence


EVENTS = (
    ("SUB.SRC.MAINS", (0.0, 1.0, 1.0)),
    ("SUB.SRC.F_SP", (59.4, 60.0, 60.0, 60.08)),
    ("SUB.SRC.V_SP", (0.94, 1.0, 1.0, 1.06)),
    ("DER.MGC.ISLAND", (1.0,)),
    ("DER.MGC.RESYNC", (1.0,)),
    ("DER.MGC.AUTO", (0.0, 1.0, 1.0)),
    ("DER.MGC.BLACKSTART", (0.0, 1.0, 1.0)),
    ("DER.PCC.TRIP", (1.0,)),
    ("DER.PCC.CLOSE", (1.0,)),
    ("DER.PCC.CLOSE", (1.0,)),
    ("DER.BESS_1.ENABLE", (0.0, 1.0, 1.0)),
    ("DER.BESS_2.ENABLE", (0.0, 1.0)),
    ("DER.BESS_1.P_SP", (-2000.0, 0.0, 3000.0)),
    ("DER.FLEET.PENETRATION_SP", (0.0, 50.0, 100.0)),
    ("SUB.LOAD.SCALE_SP", (0.3, 1.0, 1.6)),
    ("DER.DG_1.START", (1.0,)),
    ("DER.DG_1.STOP", (1.0,)),
    ("DER.DG_1.P_SP", (0.0, 800.0, 1800.0)),
    ("FDR_C.CB_302.TRIP", (1.0,)),
    ("FDR_C.CB_302.CLOSE", (1.0,)),
)
WAITS_S = (0.005, 0.01, 0.03, 0.05, 0.07, 0.1, 0.3, 1.0, 3.0, 12.0)
"""Down to a step, so that events meet breakers in travel and timers that just run out."""

SOCS = (8.0, 11.0, 50.0, 50.0, 93.0, 99.0)


def play(w: Watch, seed: int, n: int) -> list[str]:
    """Give random events at random moments; returns what was given, for the report of a failure."""
    rng = np.random.default_rng(seed)
    told = []
    for _ in range(n):
        tag, values = EVENTS[rng.integers(len(EVENTS))]
        given = float(rng.choice(values))
        told.append(f"{w.engine.n_steps} {tag}={given} in state {state(w):g}")
        w.do(tag, given)
        if rng.random() < 0.08:
            set_soc(w, float(rng.choice(SOCS)))
        w.seconds(float(rng.choice(WAITS_S)))
        if w.counts[[iw.N_TWO_MASTERS, iw.N_FORMING_CLOSED, iw.N_NOT_FINITE]].any():
            break
    return told


@pytest.mark.parametrize("seed", range(4))
def test_no_sequence_of_events_makes_two_masters_or_a_blind_closing(seed: int) -> None:
    w = looking_at(at_rest(5.0, seed + 1))
    told = play(w, seed, 100)
    try:
        check(w)
    except AssertionError as error:
        pytest.fail(f"{error}\n{w.counts} {w.extremes}\n" + "\n".join(told))
    # Whatever happened, a healthy grid and a battery in service end in GRID again.
    for tag, given in [
        ("SUB.SRC.MAINS", 0.0), ("SUB.SRC.MAINS", 1.0), ("SUB.SRC.F_SP", 60.0), ("SUB.SRC.V_SP", 1.0),
        ("DER.MGC.AUTO", 1.0), ("DER.MGC.BLACKSTART", 1.0), ("DER.BESS_1.ENABLE", 1.0),
        ("SUB.LOAD.SCALE_SP", 1.0), ("DER.FLEET.PENETRATION_SP", 50.0),
    ]:  # fmt: skip
        w.do(tag, given)
    set_soc(w, 50.0)
    try:
        wait_for(w, GRID, 300.0)
        check(w)
    except AssertionError as error:
        pytest.fail(f"{error}\n{w.counts} {w.extremes}\n" + "\n".join(told))


def test_the_same_seed_and_commands_give_the_same_history() -> None:
    """Short, but with an island, its closing onto the grid and a blackout in it."""
    histories = []
    for seed in (3, 3, 4):
        w = looking_at(at_rest(5.0, seed))
        play(w, 8, 16)
        histories.append((w.engine.digest, w.engine.image))
        assert (w.counts[iw.N_LIVE_CLOSINGS], state(w)) == (1, DEAD)
    first, again, other = histories
    assert first == again
    assert other[0] != first[0]


def test_every_transition_is_in_the_event_list() -> None:
    w = watch()
    tags = {w.engine.index[f"DER.MGC.{n}"]: n for n in ("IN_TRANSFER", "FORMED", "IN_RESYNC", "ISLANDED")}

    def news() -> list[tuple[str, int]]:
        return [
            (tags[e[E_TARGET]], e[E_NEW])
            for e in w.engine.events.take()
            if e[E_KIND] == EVENT_STATUS and e[E_TARGET] in tags
        ]

    news()
    w.do("SUB.SRC.MAINS", 0.0)
    wait_for(w, ISLAND, 1.0)
    assert sorted(news()) == sorted([("IN_TRANSFER", 1), ("ISLANDED", 1), ("IN_TRANSFER", 0), ("FORMED", 1)])
    w.do("SUB.SRC.MAINS", 1.0)
    wait_for(w, RESYNC, 40.0)
    assert sorted(news()) == sorted([("FORMED", 0), ("IN_RESYNC", 1)])
    wait_for(w, GRID, 60.0)
    assert sorted(news()) == sorted([("IN_RESYNC", 0), ("ISLANDED", 0)])
    check(w)
