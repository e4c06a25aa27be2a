"""A hand-made station for tests of the core: one source, one breaker, one regulator, one bank, two loads.

    src ==line== a --[cb]-- b --(reg, phase 1..3)-- c : load "town" (three-phase), bank "cap"
                 |
                 d : load "house" (one phase), not behind the breaker

Written so that every figure the tests need can be read off here.
"""

from __future__ import annotations

import numpy as np

from rtcore.assemble import Profile, Setup
from rtcore.clock import SimClock
from rtcore.network import model as m
from rtcore.points import Kind, Point

EPOCH_NS = 1_600_000_000_000_000_000
V_LN = 7200.0
TOWN_W, TOWN_VAR = 900e3, 300e3
HOUSE_W, HOUSE_VAR = 60e3, 20e3
LINE_R, LINE_X = 0.3, 0.6


def _bus(name: str) -> m.Bus:
    return m.Bus(name=name, base_kv_ln=V_LN / 1e3)


def _regulator(phase: int) -> m.Regulator:
    winding = [
        m.Winding(bus=b, nodes=(phase, 0), conn="wye", kv=7.2, kva=5000.0, r_pct=0.001) for b in ("b", "c")
    ]
    return m.Regulator(
        transformer=m.Transformer(name=f"reg{phase}", phases=1, windings=tuple(winding), x_pct=(0.01,)),
        control=f"ctl{phase}",
    )


def network() -> m.Network:
    code = m.LineCode(
        name="code",
        unit="none",
        r=((LINE_R, 0.0, 0.0), (0.0, LINE_R, 0.0), (0.0, 0.0, LINE_R)),
        x=((LINE_X, 0.0, 0.0), (0.0, LINE_X, 0.0), (0.0, 0.0, LINE_X)),
        c_nf=((0.0,) * 3,) * 3,
    )
    abc = (1, 2, 3)
    line = {"linecode": "code", "unit": "none", "length": 1.0}
    return m.Network(
        name="small",
        buses=tuple(_bus(b) for b in ("src", "a", "b", "c", "d")),
        sources=(
            m.Source(
                name="grid",
                bus="src",
                nodes=abc,
                base_kv=12.47,
                r1_ohm=0.01,
                x1_ohm=0.1,
                r0_ohm=0.01,
                x0_ohm=0.1,
            ),
        ),
        linecodes=(code,),
        lines=(
            m.Line(name="trunk", bus1="src", nodes1=abc, bus2="a", nodes2=abc, **line),  # type: ignore[arg-type]
            m.Line(name="spur", bus1="a", nodes1=abc, bus2="d", nodes2=abc, **line),  # type: ignore[arg-type]
        ),
        switches=(
            m.Switch(name="cb", kind="breaker", bus1="a", nodes1=abc, bus2="b", nodes2=abc, r_ohm=1e-4),
        ),
        regulators=tuple(_regulator(k) for k in abc),
        capacitors=(
            m.Capacitor(
                name="cap", bus1="c", nodes1=abc, phases=3, kv=12.47, steps_kvar=(300.0,), steps_on=(True,)
            ),
        ),
        loads=(
            m.Load(
                name="town",
                bus="c",
                nodes=(1, 2, 3, 0),
                phases=3,
                conn="wye",
                kv=12.47,
                kw=TOWN_W / 1e3,
                kvar=TOWN_VAR / 1e3,
                vmin_pu=0.8,
                vmax_pu=1.2,
            ),
            m.Load(
                name="house",
                bus="d",
                nodes=(1, 0),
                phases=1,
                conn="wye",
                kv=7.2,
                kw=HOUSE_W / 1e3,
                kvar=HOUSE_VAR / 1e3,
                vmin_pu=0.8,
                vmax_pu=1.2,
            ),
        ),
    )


def _point(tag: str, source: str, attr: str, kind: Kind, low: float, high: float, **more: object) -> Point:
    return Point(
        tag=tag,
        device=tag.rpartition(".")[0],
        template="test",
        source=source,
        attr=attr,
        kind=kind,
        unit="",
        minimum=low,
        maximum=high,
        deadband=0.0,
        instrument="",
        description=tag,
        wire={},
        **more,  # type: ignore[arg-type]
    )


def points() -> list[Point]:
    bit = {"states": ("NO", "YES")}
    found = [
        _point("S.V_SP", "source.grid", "v_pu_sp", Kind.SETPOINT, 0.8, 1.2),
        _point("S.SCALE_SP", "loads.all", "scale_sp", Kind.SETPOINT, 0.0, 5.0),
        _point("S.P", "loads.all", "p_w", Kind.ANALOG, -1e9, 1e9),
        _point("S.X_SP", "scratch.1", "value_sp", Kind.SETPOINT, -1000.0, 1000.0),
        _point("S.Y_SP", "scratch.2", "value_sp", Kind.SETPOINT, 0.0, 65535.0),
        _point("CB.ST_52A", "breaker.cb", "is_52a", Kind.STATUS, 0.0, 1.0, **bit),
        _point("CB.ST_52B", "breaker.cb", "is_52b", Kind.STATUS, 0.0, 1.0, **bit),
        _point("CB.TRIP", "breaker.cb", "trip", Kind.CONTROL, 0.0, 1.0),
        _point("CB.CLOSE", "breaker.cb", "close", Kind.CONTROL, 0.0, 1.0),
        _point("CB.REMOTE", "breaker.cb", "is_remote_sp", Kind.SETPOINT, 0.0, 1.0, **bit),
        _point("CB.OPS", "breaker.cb", "ops", Kind.ANALOG, 0.0, 1e6),
        _point("CAP.ST", "capacitor.cap", "is_closed", Kind.STATUS, 0.0, 1.0, **bit),
        _point("CAP.OPEN", "capacitor.cap", "open", Kind.CONTROL, 0.0, 1.0),
        _point("CAP.CLOSE", "capacitor.cap", "close", Kind.CONTROL, 0.0, 1.0),
        _point("CAP.Q", "capacitor.cap", "q_var", Kind.ANALOG, -1e7, 1e7),
        _point("HOUSE.P", "load.house", "p1_w", Kind.ANALOG, -1e9, 1e9),
        _point("HOUSE.V", "load.house", "v1_v", Kind.ANALOG, 0.0, 1e5),
        _point("HOUSE.DEMAND", "load.house", "demand_w", Kind.ANALOG, -1e15, 1e15),
        _point("LOOP.STEP", "loop.loop", "step", Kind.ANALOG, 0.0, 1e15, is_health=True),
        _point("LOOP.BAD", "loop.loop", "not_converged", Kind.ANALOG, 0.0, 1e15, is_health=True),
        _point("LOOP.FP", "loop.loop", "fp_events", Kind.ANALOG, 0.0, 1e15, is_health=True),
        _point("LOOP.SLIPPED", "loop.loop", "is_slipped", Kind.STATUS, 0.0, 1.0, is_health=True, **bit),
        _point("LOOP.SLIPPED_MS", "loop.loop", "slipped_ms", Kind.ANALOG, 0.0, 1e15, is_health=True),
    ]
    for k in (1, 2, 3):
        found += [
            _point(f"A.V{k}", "bus.a", f"v{k}_v", Kind.ANALOG, 0.0, 1e5),
            _point(f"C.V{k}", "bus.c", f"v{k}_v", Kind.ANALOG, 0.0, 1e5),
            _point(f"CB.I{k}", "terminal.switch.cb@1", f"i{k}_a", Kind.ANALOG, 0.0, 1e5),
            _point(f"TOWN.V{k}", "load.town", f"v{k}_v", Kind.ANALOG, 0.0, 1e5),
            _point(f"TOWN.P{k}", "load.town", f"p{k}_w", Kind.ANALOG, -1e9, 1e9),
            _point(f"REG{k}.TAP", f"regulator.reg{k}", "tap", Kind.ANALOG, -16.0, 16.0),
            _point(f"REG{k}.TAP_SP", f"regulator.reg{k}", "tap_sp", Kind.SETPOINT, -16.0, 16.0),
        ]
    return found


INSTRUMENT_KEYS = ("class_frac", "noise_frac", "noise_abs", "quantum_abs", "cutoff_abs")


def setup(
    dt_ns: int = 1_000_000,
    seed: int = 1,
    ripple_pu: float = 0.0,
    ripple_tau_s: float = 60.0,
    profile: Profile | None = None,
    load_scale: float = 1.0,
    **instruments: float,
) -> Setup:
    """Return the station's setup; instruments are perfect unless figures for all points are given."""
    chosen = points()
    assert set(instruments) <= set(INSTRUMENT_KEYS), instruments
    return Setup(
        network=network(),
        points=chosen,
        instruments={key: np.full(len(chosen), instruments.get(key, 0.0)) for key in INSTRUMENT_KEYS},
        unit_factor=np.ones(len(chosen)),
        clock=SimClock(EPOCH_NS, dt_ns),
        seed=seed,
        profile=profile,
        load_scale=load_scale,
        ripple_pu=ripple_pu,
        ripple_tau_s=ripple_tau_s,
    )
