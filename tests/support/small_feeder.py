"""A feeder and a scheme whose fault currents and operating times can be computed by hand."""

from __future__ import annotations

import dataclasses as dc
import math
from typing import Any

from hil import coordination as co
from hil.studies import Case
from rtcore.network.model import Bus, Line, LineCode, Network, Source, Switch, Transformer, Winding
from rtcore.protection.curves import CURVES
from rtcore.protection.overcurrent_51 import Overcurrent51
from rtcore.protection.recloser_79 import Recloser79
from rtcore.protection.relay_inputs import RelayInputs
from rtcore.protection.scheme import Element, Relay, Scheme

ABC = (1, 2, 3)
V_LN = 13_800.0 / math.sqrt(3.0)
OPENING_S = 0.050 + 2.0 * math.sqrt(3.0) * 0.001 + 0.5 / 60.0
"""Of a breaker with its defaults: travel, scatter, half a cycle of arc."""

REL = 1e-6
"""The 0.1 milliohm of a bolted fault are square to reactances of 1 ohm and more: 1e-8."""


def reactance(name: str, phases: tuple[int, ...]) -> LineCode:
    """One ohm a unit of length, no coupling: the zero sequence has the same."""
    n = len(phases)
    zero = tuple((0.0,) * n for _ in range(n))
    x = tuple(tuple(float(i == j) for j in range(n)) for i in range(n))
    return LineCode(name=name, unit="none", r=zero, x=x, c_nf=zero)


def line(name: str, bus1: str, bus2: str, x_ohm: float, nodes: tuple[int, ...] = ABC) -> Line:
    code = "x3" if nodes == ABC else "x1"
    return Line(
        name=name,
        bus1=bus1,
        nodes1=nodes,
        bus2=bus2,
        nodes2=nodes,
        linecode=code,
        length=x_ohm,
        unit="none",
    )


def switch(
    name: str, bus1: str, bus2: str, kind: Any = "breaker", nodes: tuple[int, ...] = ABC, **more: Any
) -> Switch:
    return Switch(name=name, kind=kind, bus1=bus1, nodes1=nodes, bus2=bus2, nodes2=nodes, r_ohm=1e-6, **more)


def feeder(**changes: Any) -> Network:
    """Source 1 ohm, cb_a, 1 ohm, rcl, 2 ohm, then a fused lateral of phase b with 1 ohm."""
    source = Source(
        name="grid", bus="s", nodes=ABC, base_kv=13.8, r1_ohm=1e-6, x1_ohm=1.0, r0_ohm=1e-6, x0_ohm=1.0
    )
    network = Network(
        name="feeder",
        buses=tuple(Bus(name=b, base_kv_ln=V_LN / 1e3) for b in "sabcdef"),
        sources=(source,),
        linecodes=(reactance("x3", ABC), reactance("x1", (2,))),
        lines=(line("l1", "a", "b", 1.0), line("l2", "c", "d", 2.0), line("l3", "e", "f", 1.0, (2,))),
        switches=(
            switch("cb_a", "s", "a"),
            switch("rcl", "b", "c"),
            switch("fuse_f", "d", "e", "fuse", (2,)),
        ),
    )
    return dc.replace(network, **changes)


def overcurrent(name: str, breaker: str, pickup_a: float, dial: float, **more: Any) -> Element:
    settings = {k: more.pop(k) for k in ("quantity", "shots", "minimum_s", "is_enabled") if k in more}
    made = Overcurrent51(curve=CURVES["iec_vi_b"], pickup_a=pickup_a, time_dial=dial, **settings)
    return Element(name=name, function="overcurrent_51", settings=(made,), **({"trips": (breaker,)} | more))


def relay(name: str, *elements: Element, terminal: int = 1) -> Relay:
    return Relay(
        name=name, breaker=name, terminal=f"switch.{name}@{terminal}", inputs=RelayInputs(), elements=elements
    )


RECLOSING = Element(name="79", function="recloser_79", settings=(Recloser79(),))
FAST, SLOW = (200.0, 0.05), (200.0, 0.2)
HEAD = (400.0, 0.3)


def scheme(head: tuple[float, float] = HEAD) -> Scheme:
    cb_a = relay("cb_a", overcurrent("51p", "cb_a", *head))
    rcl = relay(
        "rcl",
        overcurrent("51f", "rcl", *FAST, shots=0b00011),
        overcurrent("51s", "rcl", *SLOW, shots=0b11100),
        RECLOSING,
    )
    return Scheme(name="small", title="small scheme", relays=(cb_a, rcl))


def study(network: Network | None = None, of: Scheme | None = None, **options: Any) -> co.Coordination:
    return co.study(Case(network or feeder(), None), of or scheme(), {}, **options)


def very_inverse_s(i_a: float, pickup_a: float, dial: float) -> float:
    """IEC 60255-151 curve B."""
    return dial * 13.5 / (i_a / pickup_a - 1.0)


def cleared_by_65k_s(i_a: float) -> float:
    """The greatest melting current at 0.1 s is 1100 A, I2t beyond, 13.3 ms of arc."""
    return 0.1 * (1100.0 / i_a) ** 2 + 0.0133


def margin(found: co.Coordination, pair: tuple[str, str], kind: str, place: str) -> co.Margin:
    wanted = (*pair, kind, place)
    (one,) = [m for m in found.margins if (m.downstream, m.upstream, m.kind, m.place) == wanted]
    return one


def transformer(name: str, bus1: str, bus2: str, kv: tuple[float, float]) -> Transformer:
    hv = Winding(bus=bus1, nodes=ABC, conn="delta", kv=kv[0], kva=10_000.0, r_pct=1e-6)
    lv = Winding(bus=bus2, nodes=(1, 2, 3, 0), conn="wye", kv=kv[1], kva=10_000.0, r_pct=1e-6)
    return Transformer(name=name, phases=3, windings=(hv, lv), x_pct=(10.0,))
