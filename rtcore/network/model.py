"""Electrical network as plain frozen data: what is connected where, with physical parameters.

No state, no matrices and no files here: ``admittance`` builds matrices, ``hil.network_files``
reads and writes folders.

Conventions, stated once for the whole project
----------------------------------------------
- A *node* is a bus and a conductor: ``bus.number``, lower case. Numbers 1, 2, 3 are phases a, b, c;
  any other positive number is whatever the circuit uses it for (neutral, leg). 0 is ground.
- Loads: load convention, P and Q positive when drawn. Sources and generators: generator
  convention, P and Q positive when delivered.
- Branch current at a terminal is positive INTO the element, so I = Y V with Y the element block.
- ``base_kv_ln`` is line to neutral [kV]. ``kv`` of a wye or delta element of two or three phases
  is line to line, of a one-phase element the voltage across its terminals [kV].
- Angles in degrees, phase sequence 1-2-3 positive.
"""

from __future__ import annotations

import dataclasses as dc
from typing import Literal

Conn = Literal["wye", "delta"]
DerKind = Literal["pv", "battery", "machine"]
Matrix = tuple[tuple[float, ...], ...]
GROUND = 0

UNIT_M = {
    "mi": 1609.344,
    "kft": 304.8,
    "km": 1000.0,
    "m": 1.0,
    "ft": 0.3048,
    "in": 0.0254,
    "cm": 0.01,
    "mm": 0.001,
}
"""Length units in metres; ``none`` means a bare number that needs no conversion."""

LENGTH_UNITS = ("none", *UNIT_M)


def length_ratio(unit: str, code_unit: str) -> float:
    """Return how many ``code_unit`` one ``unit`` is; 1 when either is ``none``."""
    if "none" in (unit, code_unit):
        return 1.0
    return UNIT_M[unit] / UNIT_M[code_unit]


def conductors(phases: int, conn: Conn) -> int:
    """Return how many nodes a wye or delta winding or load names, neutral included."""
    return phases if conn == "delta" and phases > 2 else phases + 1


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """A place; ``x``, ``y`` are drawing coordinates of no stated unit (None: not drawn)."""

    name: str
    base_kv_ln: float
    x: float | None = None
    y: float | None = None


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Thevenin source; impedances are positive (= negative) and zero sequence [ohm]."""

    name: str
    bus: str
    nodes: tuple[int, ...]
    return_bus: str = ""
    return_nodes: tuple[int, ...] = ()
    """Where the second terminal goes; empty means ground."""
    base_kv: float
    v_pu: float = 1.0
    angle_deg: float = 0.0
    r1_ohm: float
    x1_ohm: float
    r0_ohm: float
    x0_ohm: float

    @property
    def phases(self) -> int:
        """Number of phases."""
        return len(self.nodes)


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class LineCode:
    """Phase impedance matrices per unit of length: R, X [ohm/unit], nodal C [nF/unit]."""

    name: str
    unit: str
    r: Matrix
    x: Matrix
    c_nf: Matrix

    @property
    def phases(self) -> int:
        """Order of the matrices."""
        return len(self.r)


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Pi section; ``rating_a`` is for displays and alarms only."""

    name: str
    bus1: str
    nodes1: tuple[int, ...]
    bus2: str
    nodes2: tuple[int, ...]
    linecode: str
    length: float
    unit: str
    rating_a: float | None = None


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Gang-operated series element with a small impedance per phase, uncoupled."""

    name: str
    kind: Literal["breaker", "switch", "fuse"]
    bus1: str
    nodes1: tuple[int, ...]
    bus2: str
    nodes2: tuple[int, ...]
    r_ohm: float
    x_ohm: float = 0.0
    is_closed: bool = True
    rating_a: float | None = None


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Winding:
    """One winding of a transformer; ``nodes`` hold the neutral last for wye.

    ``tap`` is the ratio [pu of ``kv``]; ``r_neutral_ohm`` < 0 means that no neutral impedance is
    modelled inside the transformer (the neutral is the node that ``nodes`` names).
    """

    bus: str
    nodes: tuple[int, ...]
    conn: Conn
    kv: float
    kva: float
    r_pct: float
    tap: float = 1.0
    r_neutral_ohm: float = -1.0
    x_neutral_ohm: float = 0.0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Transformer:
    """Two or more windings; percentages refer to the kVA of winding 1.

    ``x_pct`` are the short-circuit reactances of the winding pairs 12, 13, ..., 23, ... .
    A centre-tapped service transformer has three one-phase windings, the last two in series:
    nodes (1, 0) and (0, 2). ``antifloat_ppm`` adds that part of the rated admittance to ground at
    every winding end so that no island is singular.
    """

    name: str
    phases: int
    windings: tuple[Winding, ...]
    x_pct: tuple[float, ...]
    no_load_loss_pct: float = 0.0
    magnetising_pct: float = 0.0
    antifloat_ppm: float = 1.0
    lead_lag: Literal["lag", "lead"] = "lag"


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Regulator:
    """A transformer with an on-load tap changer and the settings of its voltage relay.

    ``tap`` is the position that the transformer stands at, an integer. Ratio of the tapped winding
    = mid + tap * step; the ``tap`` of that winding itself is 1 and counts for nothing. Voltages of
    the settings are on the relay's secondary side [V].
    """

    transformer: Transformer
    control: str
    """Name of the relay, for lists of settled taps."""
    tapped_winding: int = 2
    tap: int = 0
    tap_min_pu: float = 0.9
    tap_max_pu: float = 1.1
    tap_steps: int = 32
    measured_winding: int = 2
    measured_phase: str = "1"
    """Phase of the measured winding: a number, or ``max`` or ``min`` over all phases."""
    vreg_v: float = 120.0
    band_v: float = 3.0
    pt_ratio: float = 60.0
    ct_primary_a: float = 300.0
    r_v: float = 0.0
    x_v: float = 0.0
    vlimit_v: float = 0.0
    """First-customer limit; 0 switches it off."""
    delay_s: float = 15.0
    tap_delay_s: float = 2.0
    max_tap_change: int = 16
    controlled_bus: str = ""
    """Bus whose voltage is regulated; empty: the transformer's own terminal."""
    controlled_node: int = 0
    remote_pt_ratio: float = 60.0

    @property
    def name(self) -> str:
        """Name of the transformer."""
        return self.transformer.name

    @property
    def step_pu(self) -> float:
        """Change of ratio by one tap [pu]."""
        return (self.tap_max_pu - self.tap_min_pu) / self.tap_steps

    @property
    def mid_pu(self) -> float:
        """Ratio at tap 0 [pu]."""
        return 0.5 * (self.tap_max_pu + self.tap_min_pu)

    @property
    def tap_highest(self) -> int:
        """Highest tap position; the lowest is its negative."""
        return self.tap_steps // 2

    def ratio(self, tap: int) -> float:
        """Return the ratio of the tapped winding at a position [pu]."""
        return self.mid_pu + tap * self.step_pu


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Capacitor:
    """Bank of steps; shunt when ``bus2`` is empty. Ratings in kvar at ``kv``, all phases together."""

    name: str
    bus1: str
    nodes1: tuple[int, ...]
    bus2: str = ""
    nodes2: tuple[int, ...] = ()
    conn: Conn = "wye"
    phases: int
    kv: float
    steps_kvar: tuple[float, ...]
    steps_on: tuple[bool, ...]

    @property
    def kvar_on(self) -> float:
        """Rating of the steps in service [kvar]."""
        return sum(q for q, on in zip(self.steps_kvar, self.steps_on, strict=True) if on)


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Reactor:
    """R + jX per phase, with an optional resistance in parallel; shunt when ``bus2`` is empty."""

    name: str
    bus1: str
    nodes1: tuple[int, ...]
    bus2: str = ""
    nodes2: tuple[int, ...] = ()
    conn: Conn = "wye"
    phases: int
    r_ohm: float
    x_ohm: float
    parallel_r_ohm: float | None = None


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Nominal power and how it follows voltage.

    Models: 1 constant power, 2 constant impedance, 4 exponents ``cvr_watts``, ``cvr_vars``,
    5 constant current, 8 ZIP with ``zipv`` = (z, i, p of P; z, i, p of Q; cut-off voltage [pu]).
    Outside [``vmin_pu``, ``vmax_pu``] and below ``vlow_pu`` see ``powerflow``'s load law.
    """

    name: str
    bus: str
    nodes: tuple[int, ...]
    phases: int
    conn: Conn
    kv: float
    kw: float
    kvar: float
    model: int = 1
    vmin_pu: float = 0.95
    vmax_pu: float = 1.05
    vlow_pu: float = 0.5
    cvr_watts: float = 1.0
    cvr_vars: float = 2.0
    zipv: tuple[float, ...] = ()


LOAD_MODELS = (1, 2, 4, 5, 8)


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Der:
    """Distributed energy resource: where it is connected and what it is rated, no dynamics.

    ``pv`` is a current source. ``battery`` and ``machine`` are EMFs behind a positive (= negative)
    and a zero sequence impedance [pu of ``kv``, ``kva``], three-phase wye with grounded neutral.
    ``nodes`` and ``kv`` as of a load: the neutral last for wye.
    """

    name: str
    kind: DerKind
    bus: str
    nodes: tuple[int, ...]
    conn: Conn = "wye"
    kv: float
    kva: float
    r1_pu: float = 0.0
    x1_pu: float = 0.0
    r0_pu: float = 0.0
    x0_pu: float = 0.0

    @property
    def phases(self) -> int:
        """Number of phases; three nodes in delta are three phases, two are one."""
        n = len(self.nodes)
        return n if self.conn == "delta" and n > 2 else n - 1


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Everything, in file order."""

    name: str
    title: str = ""
    base_frequency_hz: float = 60.0
    buses: tuple[Bus, ...]
    sources: tuple[Source, ...]
    linecodes: tuple[LineCode, ...] = ()
    lines: tuple[Line, ...] = ()
    switches: tuple[Switch, ...] = ()
    transformers: tuple[Transformer, ...] = ()
    regulators: tuple[Regulator, ...] = ()
    capacitors: tuple[Capacitor, ...] = ()
    reactors: tuple[Reactor, ...] = ()
    loads: tuple[Load, ...] = ()
    ders: tuple[Der, ...] = ()

    def terminals(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """Return (element, bus, nodes) of every terminal of every element, ground terminals left out."""
        rows: list[tuple[str, str, tuple[int, ...]]] = []
        for s in self.sources:
            rows += [(f"source.{s.name}", s.bus, s.nodes), (f"source.{s.name}", s.return_bus, s.return_nodes)]
        for kind, pairs in (
            ("line", self.lines),
            ("switch", self.switches),
            ("capacitor", self.capacitors),
            ("reactor", self.reactors),
        ):
            for e in pairs:
                rows += [(f"{kind}.{e.name}", e.bus1, e.nodes1), (f"{kind}.{e.name}", e.bus2, e.nodes2)]
        named = [(f"transformer.{t.name}", t) for t in self.transformers]
        named += [(f"regulator.{r.name}", r.transformer) for r in self.regulators]
        rows += [(label, w.bus, w.nodes) for label, t in named for w in t.windings]
        rows += [(f"load.{d.name}", d.bus, d.nodes) for d in self.loads]
        rows += [(f"der.{d.name}", d.bus, d.nodes) for d in self.ders]
        return [row for row in rows if row[1]]
