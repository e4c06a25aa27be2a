"""The balanced equivalent of a feeder: what tools can hold that know only three-phase lines.

Every branch is a three-phase line of the primary's voltage, every load three-phase wye of the same power;
one- and two-phase branches get the same series impedance in all three phases, transformers and regulators
their short-circuit impedance referred to the primary, capacitors are constant reactive loads. Voltage drops
along the feeder stay of the size they have. Parallel single-phase units count once.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from rtcore.network.model import Bus, Line, LineCode, Load, Network, Transformer, length_ratio

PHASES = (1, 2, 3)
Z_MIN_OHM = 0.01
"""Least impedance of a branch; below it pandapower's estimator does not converge."""


@dc.dataclass(frozen=True)
class Branch:
    """Self and mutual impedance [ohm] and capacitance [nF] between two buses."""

    bus1: str
    bus2: str
    self_ohm: complex
    mutual_ohm: complex = 0.0
    self_nf: float = 0.0
    mutual_nf: float = 0.0


def equivalent(network: Network) -> Network:
    """Return the balanced equivalent: same buses, radial as its open switches leave it."""
    branches = {frozenset((b.bus1, b.bus2)): b for b in _branches(network)}
    base_kv_ln = float(np.median([b.base_kv_ln for b in network.buses]))
    (source,) = network.sources
    scale = (base_kv_ln * np.sqrt(3.0) / source.base_kv) ** 2
    return Network(
        name=f"{network.name} balanced",
        base_frequency_hz=network.base_frequency_hz,
        buses=tuple(Bus(name=b.name, base_kv_ln=base_kv_ln) for b in network.buses),
        sources=(
            dc.replace(
                source,
                base_kv=base_kv_ln * float(np.sqrt(3.0)),
                r1_ohm=source.r1_ohm * scale,
                x1_ohm=source.x1_ohm * scale,
                r0_ohm=source.r0_ohm * scale,
                x0_ohm=source.x0_ohm * scale,
            ),
        ),
        linecodes=tuple(_code(k, b) for k, b in enumerate(branches.values())),
        lines=tuple(_line(k, b) for k, b in enumerate(branches.values())),
        loads=_loads(network, base_kv_ln),
    )


def _branches(network: Network) -> list[Branch]:
    codes = {c.name: c for c in network.linecodes}
    base_kv = float(np.sqrt(3.0) * np.median([b.base_kv_ln for b in network.buses]))
    found = [Branch(s.bus1, s.bus2, complex(s.r_ohm, s.x_ohm)) for s in network.switches if s.is_closed]
    found += [_of_line(e, codes[e.linecode]) for e in network.lines]
    units = [*network.transformers, *(r.transformer for r in network.regulators)]
    return found + [_of_transformer(t, base_kv) for t in units]


def _of_line(e: Line, code: LineCode) -> Branch:
    """Averages over the phases that the line has; its own sum where it has only one."""
    length = e.length * length_ratio(e.unit, code.unit)
    own = np.eye(code.phases, dtype=bool)
    z = length * (np.array(code.r) + 1j * np.array(code.x))
    c = length * np.array(code.c_nf)
    is_single = code.phases == 1
    return Branch(
        e.bus1,
        e.bus2,
        complex(z[own].mean()),
        0.0 if is_single else complex(z[~own].mean()),
        float(c[own].mean()),
        0.0 if is_single else float(c[~own].mean()),
    )


def _of_transformer(t: Transformer, base_kv: float) -> Branch:
    """Series impedance between the first two windings, per cent of its whole rating."""
    first, second = t.windings[:2]
    z_pct = complex(first.r_pct + second.r_pct, t.x_pct[0])
    return Branch(first.bus, second.bus, 0.01 * z_pct * base_kv**2 * 1e3 / first.kva)


def _code(number: int, b: Branch) -> LineCode:
    def matrix(own: float, mutual: float) -> tuple[tuple[float, ...], ...]:
        return tuple(tuple(own if i == j else mutual for j in range(3)) for i in range(3))

    size = abs(b.self_ohm - b.mutual_ohm)
    soft = max(1.0, Z_MIN_OHM / size) if size else 1.0
    own, mutual = (b.self_ohm * soft, b.mutual_ohm * soft) if size else (complex(Z_MIN_OHM), 0j)
    return LineCode(
        name=f"c{number}",
        unit="none",
        r=matrix(own.real, mutual.real),
        x=matrix(own.imag, mutual.imag),
        c_nf=matrix(b.self_nf, b.mutual_nf),
    )


def _line(number: int, b: Branch) -> Line:
    return Line(
        name=f"l{number}",
        bus1=b.bus1,
        nodes1=PHASES,
        bus2=b.bus2,
        nodes2=PHASES,
        linecode=f"c{number}",
        length=1.0,
        unit="none",
    )


def _loads(network: Network, base_kv_ln: float) -> tuple[Load, ...]:
    power_kva: dict[str, complex] = {}
    for load in network.loads:
        power_kva[load.bus] = power_kva.get(load.bus, 0j) + complex(load.kw, load.kvar)
    for bank in network.capacitors:
        power_kva[bank.bus1] = power_kva.get(bank.bus1, 0j) - 1j * bank.kvar_on
    return tuple(
        Load(
            name=f"d_{bus}",
            bus=bus,
            nodes=(*PHASES, 0),
            phases=3,
            conn="wye",
            kv=base_kv_ln * float(np.sqrt(3.0)),
            kw=s.real,
            kvar=s.imag,
        )
        for bus, s in power_kva.items()
    )
