"""Directional element (ANSI 67, 67N, 67Q): tells in which direction a fault lies, and never trips.

It permits or blocks other elements: ``is_forward`` and ``is_reverse`` are its outputs, pickup means that a
direction is decided, and ``is_operated`` stays 0. Forward is from the relay's bus into the line.

``phase``     90-degree connection: I of a phase against the voltage between the other two (A: Vbc), forward
              within ``half_sector_deg`` on either side of the characteristic angle ``rca_deg``,
              |angle(I) - angle(Vpol) - RCA| < 90 deg. Each phase with current has a vote: the majority
              decides and a tie goes to the phase of the largest current, or that phase decides alone
``ground``    3 I0 against -3 V0, ``rca_ground_deg``: behind the relay V0 = -Z0 I0
``negative``  z2 = Re[V2 conj(I2 at ``line_angle_deg``)] / |I2|^2, forward below ``z2f_ohm``, reverse above
              ``z2r_ohm`` [ohm, primary]; needs no voltage to polarise, so it works beside a strong bus

Ground and negative want at least ``ratio_min`` of the positive sequence, which keeps errors of the
current transformers under load from counting.

Voltage memory: a fault at the relay leaves no voltage to polarise. Of each voltage between phases the
direction is kept as a phasor of length 1. From the last step in which the voltage was above ``v_min_pu``
it fades as exp(-3 t / memory_s) and is gone after ``memory_s``. The frame of all phasors turns at the
nominal frequency, so the memory stands still in it but for the slip of the last valid frequency:
it turns by 2 pi (f - f_nominal) t. Without voltage and memory no direction is decided.

G. Ziegler, Numerical Distance Protection, 4th ed., 3.3.2 (memory); SEL-351 manual, section 4 (Z2F, Z2R,
I0/I1 and I2/I1 restraints): settings ranges from memory: verify.
"""

from __future__ import annotations

import math

from rtcore.component import Attr, component, in_order, param
from rtcore.jit import kernel
from rtcore.phasor import TWO_PI, abs2
from rtcore.protection.element import ELEMENT, set_pickup

PHASE, GROUND, NEGATIVE = 0.0, 1.0, 2.0
QUANTITIES = {"phase": PHASE, "ground": GROUND, "negative": NEGATIVE}
MAJORITY, LARGEST = 0.0, 1.0
RULES = {"majority": MAJORITY, "largest_phase": LARGEST}

SQRT3 = math.sqrt(3.0)
DECAY = 3.0
GONE_SQUARE = math.exp(-2.0 * DECAY) * (1.0 - 1e-9)
"""Square of the length at which the memory is gone; a step that ends there still has it."""
SLIP_MAX_HZ = 20.0

TINY = 1e-12
"""The compiler may divide before it asks whether it should: never by 0."""


@component(
    "directional_67",
    attrs=(
        *ELEMENT,
        Attr("is_forward", "", "1 while the fault lies in the line", stamp="direction_ago_s"),
        Attr("is_reverse", "", "1 while the fault lies behind the relay", stamp="direction_ago_s"),
        Attr("direction_ago_s", "s", "time from the last change of the direction to the end of its step"),
        Attr("is_memory", "", "1 while a lost voltage is polarised by its memory"),
        Attr("slip_hz", "Hz", "last valid frequency less nominal"),
        Attr("memory_bc_re", "", "memory of the voltage b to c, real part"),
        Attr("memory_bc_im", "", "memory of the voltage b to c, imaginary part"),
        Attr("memory_ca_re", "", "memory of the voltage c to a, real part"),
        Attr("memory_ca_im", "", "memory of the voltage c to a, imaginary part"),
        Attr("memory_ab_re", "", "memory of the voltage a to b, real part"),
        Attr("memory_ab_im", "", "memory of the voltage a to b, imaginary part"),
    ),
    rules=in_order("z2f_ohm", "z2r_ohm"),
    settings=True,
)
class Directional67:
    """Directional element."""

    is_enabled: float = param(default=1.0, unit="", doc="1: in service", ge=0, le=1)
    quantity: float = param(default="phase", unit="", doc="what it looks at", choices=QUANTITIES)
    rule: float = param(default="majority", unit="", doc="phase: who decides", choices=RULES)
    rca_deg: float = param(
        default=45.0, unit="deg", doc="phase: characteristic angle, I ahead of the voltage", ge=-95, le=95
    )
    rca_ground_deg: float = param(
        default=-60.0, unit="deg", doc="ground: characteristic angle, 3 I0 ahead of -3 V0", ge=-95, le=95
    )
    half_sector_deg: float = param(default=90.0, unit="deg", doc="half of the sector", ge=45, le=90)
    i_min_a: float = param(
        default=20.0, unit="A", doc="least phase current, 3 I0, 3 I2, primary", ge=0.1, le=1e6
    )
    v_min_pu: float = param(default=0.02, unit="pu", doc="least polarising voltage", ge=0.001, le=0.5)
    memory_s: float = param(default=2.0, unit="s", doc="phase: memory of the voltage; 0 none", ge=0, le=10)
    ratio_min: float = param(default=0.1, unit="", doc="least I0/I1, I2/I1; 0 off", ge=0, le=1)
    line_angle_deg: float = param(
        default=65.0, unit="deg", doc="negative: angle of the line's Z1", ge=5, le=90
    )
    z2f_ohm: float = param(default=-0.1, unit="ohm", doc="negative: forward below, primary", ge=-1e3, le=1e3)
    z2r_ohm: float = param(default=0.1, unit="ohm", doc="negative: reverse above, primary", ge=-1e3, le=1e3)


@kernel
def _unit(angle_deg):  # type: ignore[no-untyped-def]
    angle = math.radians(angle_deg)
    return complex(math.cos(angle), math.sin(angle))


@kernel
def side(i, pol, rca, edge_cos):  # type: ignore[no-untyped-def]
    """Direction of a current against a voltage: 1 forward, -1 reverse, 0 between the sectors.

    ``rca`` is a phasor of length 1 at the characteristic angle, ``edge_cos`` the cosine of half a sector.
    """
    torque = (i * (pol * rca).conjugate()).real
    edge = edge_cos * math.sqrt(abs2(i) * abs2(pol)) if edge_cos > 0.0 else 0.0
    return 1.0 if torque > edge else (-1.0 if torque < -edge else 0.0)


@kernel
def _edge_cos(half_sector_deg):  # type: ignore[no-untyped-def]
    return math.cos(math.radians(half_sector_deg)) if half_sector_deg < 90.0 else 0.0


@kernel
def _fade(p, s, e, dt_s):  # type: ignore[no-untyped-def]
    """What a memory is multiplied with in a step without voltage."""
    if not p["memory_s"][e] > 0.0:
        return 0.0j
    angle = TWO_PI * s["slip_hz"][e] * dt_s
    return math.exp(-DECAY * dt_s / p["memory_s"][e]) * complex(math.cos(angle), math.sin(angle))


@kernel
def _kept(memory, fade):  # type: ignore[no-untyped-def]
    faded = memory * fade
    return faded if abs2(faded) >= GONE_SQUARE else 0.0j


@kernel
def _remember(p, s, e, v, v_base_v, r, dt_s):  # type: ignore[no-untyped-def]
    """Follow the three voltages; returns what polarises phases a, b, c."""
    least_v = SQRT3 * p["v_min_pu"][e] * v_base_v[r]
    bc, ca, ab = v[r, 1] - v[r, 2], v[r, 2] - v[r, 0], v[r, 0] - v[r, 1]
    n_bc, n_ca, n_ab = math.sqrt(abs2(bc)), math.sqrt(abs2(ca)), math.sqrt(abs2(ab))
    has_bc, has_ca, has_ab = least_v < n_bc < math.inf, least_v < n_ca < math.inf, least_v < n_ab < math.inf
    fade = 1.0 + 0.0j if has_bc and has_ca and has_ab else _fade(p, s, e, dt_s)
    m_bc = (
        bc / max(n_bc, TINY) if has_bc else _kept(complex(s["memory_bc_re"][e], s["memory_bc_im"][e]), fade)
    )
    m_ca = (
        ca / max(n_ca, TINY) if has_ca else _kept(complex(s["memory_ca_re"][e], s["memory_ca_im"][e]), fade)
    )
    m_ab = (
        ab / max(n_ab, TINY) if has_ab else _kept(complex(s["memory_ab_re"][e], s["memory_ab_im"][e]), fade)
    )
    s["memory_bc_re"][e], s["memory_bc_im"][e] = m_bc.real, m_bc.imag
    s["memory_ca_re"][e], s["memory_ca_im"][e] = m_ca.real, m_ca.imag
    s["memory_ab_re"][e], s["memory_ab_im"][e] = m_ab.real, m_ab.imag
    is_used = (not has_bc and m_bc != 0.0) or (not has_ca and m_ca != 0.0) or (not has_ab and m_ab != 0.0)
    s["is_memory"][e] = 1.0 if is_used else 0.0
    return m_bc, m_ca, m_ab


@kernel
def _of_phases(p, e, i, r, polarising):  # type: ignore[no-untyped-def]
    """Vote of the phases that have current: 1 forward, -1 reverse, 0 undecided."""
    least, largest = p["i_min_a"][e] * p["i_min_a"][e], 0.0
    of_largest, votes = 0.0, 0.0
    rca, edge_cos = _unit(p["rca_deg"][e]), _edge_cos(p["half_sector_deg"][e])
    for k in range(3):
        square = abs2(i[r, k])
        if not least < square < math.inf:
            continue
        of_phase = side(i[r, k], polarising[k], rca, edge_cos)
        votes += of_phase
        if square > largest:
            largest, of_largest = square, of_phase
    if p["rule"][e] == LARGEST or votes == 0.0:
        return of_largest
    return 1.0 if votes > 0.0 else -1.0


@kernel
def _is_enough(p, e, i, i1):  # type: ignore[no-untyped-def]
    """Whether a zero or negative sequence is large enough to have a direction."""
    square, least = 9.0 * abs2(i), p["i_min_a"][e]
    share = p["ratio_min"][e]
    return least * least < square < math.inf and square >= 9.0 * share * share * abs2(i1)


@kernel
def _of_ground(p, e, i_seq, v_seq, v_base_v, r):  # type: ignore[no-untyped-def]
    least_v = p["v_min_pu"][e] * v_base_v[r]
    if not _is_enough(p, e, i_seq[r, 0], i_seq[r, 1]):
        return 0.0
    if not least_v * least_v < 9.0 * abs2(v_seq[r, 0]) < math.inf:
        return 0.0
    rca, edge_cos = _unit(p["rca_ground_deg"][e]), _edge_cos(p["half_sector_deg"][e])
    return side(i_seq[r, 0], -v_seq[r, 0], rca, edge_cos)


@kernel
def z2_ohm(v2, i2, line_angle_deg):  # type: ignore[no-untyped-def]
    """Negative-sequence impedance seen along the line's angle [ohm]."""
    return (v2 * (i2 * _unit(line_angle_deg)).conjugate()).real / max(abs2(i2), TINY)


@kernel
def _of_negative(p, e, i_seq, v_seq, r):  # type: ignore[no-untyped-def]
    if not _is_enough(p, e, i_seq[r, 2], i_seq[r, 1]):
        return 0.0
    z2 = z2_ohm(v_seq[r, 2], i_seq[r, 2], p["line_angle_deg"][e])
    if z2 < p["z2f_ohm"][e]:
        return 1.0
    return -1.0 if z2 > p["z2r_ohm"][e] else 0.0


@kernel
def step(  # type: ignore[no-untyped-def]
    p, s, of, i, i_seq, v, v_seq, v_base_v, f_hz, is_f_valid, f_nominal_hz, is_permitted, change_ago_s, dt_s
):
    """Decide the direction of every element.

    Parameters
    ----------
    of : int32[n]
        Relay of each element.
    i, i_seq : complex128[n_relays, 3]
        Phase currents and their zero, positive, negative sequence [A], from the bus into the line.
    v, v_seq : complex128[n_relays, 3]
        Phase voltages to ground and their sequences [V].
    v_base_v : float64[n_relays]
        Line-to-neutral base [V].
    f_hz, is_f_valid : float64[n_relays]
        Frequency [Hz] and whether there is one.
    f_nominal_hz : float
        Frequency at which the frame of the phasors turns.
    is_permitted : float64[n]
        0 blocks an element: no direction; the memory goes on.
    change_ago_s : float
        How long before the end of the step the network last changed; ``dt_s`` when it did not.
    """
    for e in range(s.shape[0]):
        r = of[e]
        if is_f_valid[r] != 0.0 and abs(f_hz[r] - f_nominal_hz) < SLIP_MAX_HZ:
            s["slip_hz"][e] = f_hz[r] - f_nominal_hz
        now = 0.0
        if p["quantity"][e] == PHASE:
            now = _of_phases(p, e, i, r, _remember(p, s, e, v, v_base_v, r, dt_s))
        elif p["quantity"][e] == GROUND:
            now = _of_ground(p, e, i_seq, v_seq, v_base_v, r)
        else:
            now = _of_negative(p, e, i_seq, v_seq, r)
        if p["is_enabled"][e] == 0.0 or is_permitted[e] == 0.0:
            now = 0.0
        if now != s["is_forward"][e] - s["is_reverse"][e]:
            s["is_forward"][e], s["is_reverse"][e] = max(now, 0.0), max(-now, 0.0)
            s["direction_ago_s"][e] = change_ago_s
        set_pickup(s, e, now != 0.0, change_ago_s)
