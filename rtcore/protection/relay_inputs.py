"""What a relay sees: its current and voltage transformers, sequence components, VT supervision (60).

seen = true * (1 + ratio error) e^(j phase error) * (1 + noise), a current also times the factor of
its saturated core (``ct_saturation``). Errors are drawn once for each transformer, N(0, limit/3) cut
at the limit: IEC 61869-2 (CT: 5P has 1 %, 60' at rated current) and 61869-3 (VT: 0.5 has 0.5 %, 20').

    I0, I1, I2 = (Ia + Ib + Ic)/3, (Ia + a Ib + a^2 Ic)/3, (Ia + a^2 Ib + a Ic)/3,  a = e^(j 120 deg)

Every CT has a clock of its own: a fault begins when its current more than doubles within a step and
ends above ``INCEPTION_CT`` times its primary rating, and is over when the current falls below that.
All cores get the worst offset, so a three-phase fault makes no false residual current.

VT failure: V2 > 0.2 V1 while I2 < 0.1 I1, or a phase voltage that drops by 0.2 pu in one step
while no phase current changes by 10 % (the rule "V2 without I2, or dV without dI" of loss-of-potential
logic; figures from memory: verify). Relative to V1, I1 and the current before, so that the voltage
and the load current that a fault on the source side takes along do not look like a blown fuse. It holds
until the voltages are whole again. Without load current nothing is judged.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rtcore.component import Attr, component, param
from rtcore.jit import kernel
from rtcore.network.powerflow import row_currents
from rtcore.noise import normal
from rtcore.phasor import size
from rtcore.protection.ct_saturation import factor

Complex = npt.NDArray[np.complex128]

INCEPTION_CT = 1.5
"""A fault current is above so many times the primary rating."""
LOAD_CT = 0.002
"""Below this part of the primary rating a current says nothing of the voltage."""
SAME_CURRENT = 0.1
"""A current that changes by less, of itself, did not change."""
WHOLE_PU = 0.7
"""Voltages above this are whole."""
ABSURD = 1e12
"""Beyond this [A, V] a number is none, and counts as 0."""
NOISE_STREAMS = 12
"""Of each relay: real and imaginary part of three currents and three voltages."""

DEG = 180.0 / math.pi
THIRD = 1.0 / 3.0
HALF_SQRT_3 = math.sqrt(0.75)

SEQUENCES = ("zero", "positive", "negative")
_PHASORS = (
    *((f"i{k}", "a", f"current of phase {k}") for k in "abc"),
    *((f"i{k}", "a", f"{word}-sequence current") for k, word in enumerate(SEQUENCES)),
    *((f"v{k}", "v", f"voltage of phase {k} to ground") for k in "abc"),
    *((f"v{k}", "v", f"{word}-sequence voltage") for k, word in enumerate(SEQUENCES)),
)
SIZE, ANGLE, RESIDUAL, F, FAILED, FACTOR, LOST, SINCE, I_BEFORE, V_BEFORE = (
    *(0, 12, 24, 25, 26, 27, 28),
    *(29, 32, 35),
)
"""Columns of a state row; the phasors in the order of ``_PHASORS``."""
I_SEEN, I_SEQ, V_SEEN, V_SEQ = 0, 3, 6, 9
"""Where each three of them begin."""


@component(
    "relay_inputs",
    attrs=(
        *(Attr(f"{name}_{unit}", unit.upper(), doc) for name, unit, doc in _PHASORS),
        *(Attr(f"{name}_deg", "deg", f"angle of the {doc}, to that of V1") for name, _, doc in _PHASORS),
        Attr("in_a", "A", "residual current 3 I0"),
        Attr("f_hz", "Hz", "frequency"),
        Attr("is_vt_failed", "", "1 while a VT has failed (60)"),
        Attr("ct_factor", "", "lowest of the factors of the saturated cores, at most 1"),
        Attr(
            "vt_lost_sp",
            "",
            "VT fuses out: 0 none, 1..3 that phase, 4 all",
            writable="setpoint",
            role="instructor",
        ),
        *(Attr(f"fault_{k}_s", "s", f"time since a fault began in phase {k}; -1 no fault") for k in "abc"),
        *(Attr(f"i_before_{k}_a", "A", f"true current of phase {k} a step ago") for k in "abc"),
        *(Attr(f"v_before_{k}_v", "V", f"voltage of phase {k} a step ago") for k in "abc"),
    ),
)
class RelayInputs:
    """Instrument transformers and measuring side of one relay."""

    ct_primary_a: float = param(default=400.0, unit="A", doc="CT rated primary current", ge=1, le=1e5)
    ct_secondary_a: float = param(default=5.0, unit="A", doc="CT rated secondary current", ge=0.5, le=10)
    ct_vk_v: float = param(default=200.0, unit="V", doc="CT knee voltage", ge=1, le=1e5)
    ct_r_ohm: float = param(default=1.0, unit="ohm", doc="CT winding and burden", ge=0.01, le=1000)
    x_over_r: float = param(default=5.0, unit="", doc="X/R of the primary fault loop", ge=0.5, le=60)
    is_saturation: float = param(default=1.0, unit="", doc="1: CTs saturate", ge=0, le=1)
    ct_class_pct: float = param(default=1.0, unit="%", doc="CT ratio error at most", ge=0, le=10)
    ct_phase_deg: float = param(default=1.0, unit="deg", doc="CT phase error at most", ge=0, le=5)
    ct_noise_pct: float = param(default=0.0, unit="%", doc="noise of a current, one sigma", ge=0, le=10)
    vt_class_pct: float = param(default=0.5, unit="%", doc="VT ratio error at most", ge=0, le=10)
    vt_phase_deg: float = param(default=0.33, unit="deg", doc="VT phase error at most", ge=0, le=5)
    vt_noise_pct: float = param(default=0.0, unit="%", doc="noise of a voltage, one sigma", ge=0, le=10)
    vt_v2_pu: float = param(default=0.2, unit="pu", doc="60: V2 of V1 above, or step of a V", ge=0.05, le=1)
    vt_i2_pu: float = param(default=0.1, unit="pu", doc="60: I2 of I1 below", ge=0.01, le=1)


def init(p: npt.NDArray[np.void], s: npt.NDArray[np.void], rng: np.random.Generator) -> Complex:
    """Set the state before the first step and draw the transformers' errors.

    Returns
    -------
    gain : complex128[n, 6]
        Factor of each transformer: currents a, b, c, then voltages a, b, c.
    """
    for k in "abc":
        s[f"fault_{k}_s"] = -1.0
    s["ct_factor"] = 1.0
    gain = np.ones((len(p), 6), complex)
    for at, kind in ((0, "ct"), (3, "vt")):
        ratio, turn = (np.clip(rng.standard_normal((len(p), 3)) / 3.0, -1.0, 1.0) for _ in range(2))
        size = 1.0 + ratio * p[f"{kind}_class_pct"][:, None] / 100.0
        gain[:, at : at + 3] = size * np.exp(1j * turn * p[f"{kind}_phase_deg"][:, None] / DEG)
    return gain


@kernel
def _number(z):  # type: ignore[no-untyped-def]
    """Return a phasor, 0 for one that is not a number."""
    return z if abs(z.real) < ABSURD and abs(z.imag) < ABSURD else 0.0j


@kernel
def _sequence(x, r, out):  # type: ignore[no-untyped-def]
    """Zero, positive and negative sequence of the phases in row ``r``."""
    a, b, c = x[r, 0], x[r, 1], x[r, 2]
    even_re, even_im = THIRD * (b.real + c.real), THIRD * (b.imag + c.imag)
    odd_re, odd_im = HALF_SQRT_3 * THIRD * (c.imag - b.imag), HALF_SQRT_3 * THIRD * (b.real - c.real)
    re, im = THIRD * a.real, THIRD * a.imag
    out[r, 0] = complex(re + even_re, im + even_im)
    out[r, 1] = complex(re - 0.5 * even_re + odd_re, im - 0.5 * even_im + odd_im)
    out[r, 2] = complex(re - 0.5 * even_re - odd_re, im - 0.5 * even_im - odd_im)


@kernel
def _core(p, tables, r, i_a, since_s):  # type: ignore[no-untyped-def]
    """Return the factor that the saturated core of one phase makes."""
    if p["is_saturation"][r] == 0.0 or not since_s >= 0.0:
        return 1.0
    secondary_a = i_a * p["ct_secondary_a"][r] / p["ct_primary_a"][r]
    return factor(tables, r, p["ct_vk_v"][r] / (secondary_a * p["ct_r_ohm"][r]), since_s)


@kernel
def _noisy(z, sigma, noise, key, stream):  # type: ignore[no-untyped-def]
    return z * complex(1.0 + sigma * normal(noise, key, stream), sigma * normal(noise, key, stream + 1))


@kernel
def _currents(p, columns, gain, tables, i, i_seq, r, is_direct, noise, key, change_ago_s, dt_s):  # type: ignore[no-untyped-def]
    """Turn the true currents of a relay into those it sees; returns whether all are as a step ago."""
    sigma, is_same = p["ct_noise_pct"][r] / 100.0, True
    limit_a, lowest = INCEPTION_CT * p["ct_primary_a"][r], 1.0
    for k in range(3):
        i[r, k] = _number(i[r, k])
        i_a, before_a = size(i[r, k]), columns[r, I_BEFORE + k]
        is_same = is_same and abs(i_a - before_a) <= SAME_CURRENT * before_a
        columns[r, I_BEFORE + k] = i_a
        if is_direct:
            columns[r, SINCE + k] = -1.0
            continue
        i[r, k] *= gain[r, k]
        if sigma > 0.0:
            i[r, k] = _noisy(i[r, k], sigma, noise, key, NOISE_STREAMS * r + 2 * k)
        if not i_a > limit_a:
            columns[r, SINCE + k] = -1.0
            continue
        if i_a > 2.0 * before_a:
            columns[r, SINCE + k] = change_ago_s
        elif columns[r, SINCE + k] >= 0.0:
            columns[r, SINCE + k] += dt_s
        of_core = _core(p, tables, r, i_a, columns[r, SINCE + k])
        i[r, k] *= of_core
        lowest = min(lowest, of_core)
    columns[r, FACTOR] = lowest
    _sequence(i, r, i_seq)
    return is_same


@kernel
def _voltages(p, columns, gain, ideal, v, vt_at, u, u_seq, r, noise, key):  # type: ignore[no-untyped-def]
    """Voltages that a relay sees; where not all three phases are there, V1 is the first there is."""
    sigma, lost = p["vt_noise_pct"][r] / 100.0, columns[r, LOST]
    first, n = 0, 0
    for k in range(2, -1, -1):
        at = vt_at[r, k]
        if at >= 0:
            first, n = k, n + 1
        if at < 0 or lost == 4.0 or lost == k + 1.0:
            u[r, k] = 0.0
            continue
        u[r, k] = _number(ideal.v[k] if r == ideal.at[0] else v[at])
        if r == ideal.direct[0]:
            continue
        u[r, k] *= gain[r, 3 + k]
        if sigma > 0.0:
            u[r, k] = _noisy(u[r, k], sigma, noise, key, NOISE_STREAMS * r + 6 + 2 * k)
    if n == 3:
        _sequence(u, r, u_seq)
        return True
    u_seq[r, 0] = u_seq[r, 2] = 0.0
    u_seq[r, 1] = u[r, first]
    return False


@kernel
def _supervise(p, columns, v, v_seq, i_seq, base_v, r, is_same):  # type: ignore[no-untyped-def]
    """VT failure of one relay with three phases."""
    fell, lowest = 0.0, ABSURD
    for k in range(3):
        u = size(v[r, k])
        fell = max(fell, columns[r, V_BEFORE + k] - u)
        lowest = min(lowest, u)
        columns[r, V_BEFORE + k] = u
    limit = p["vt_v2_pu"][r]
    is_skew = size(v_seq[r, 2]) > limit * size(v_seq[r, 1])
    if columns[r, FAILED] != 0.0:
        if not is_skew and lowest > WHOLE_PU * base_v:
            columns[r, FAILED] = 0.0
        return
    is_fallen = fell > limit * base_v
    if not (is_skew or is_fallen):
        return
    i1, i2 = size(i_seq[r, 1]), size(i_seq[r, 2])
    if i1 < LOAD_CT * p["ct_primary_a"][r]:
        return
    if (is_skew and i2 < p["vt_i2_pu"][r] * i1) or (is_fallen and is_same):
        columns[r, FAILED] = 1.0


@kernel
def _show(columns, r, x, at, to):  # type: ignore[no-untyped-def]
    """Magnitudes and angles of three phasors, angles to that of ``to``; 0 for a phasor of 0."""
    for k in range(3):
        columns[r, SIZE + at + k] = size(x[r, k])
        w = x[r, k] * to.conjugate()
        columns[r, ANGLE + at + k] = math.atan2(w.imag, w.real) * DEG


@kernel
def _publish(columns, seen, r):  # type: ignore[no-untyped-def]
    """Write the points; angles to V1, else to Va, else to I1."""
    to = seen.i_seq[r, 1]
    if size(seen.v_seq[r, 1]) > 1.0:
        to = seen.v_seq[r, 1]
    elif size(seen.v[r, 0]) > 1.0:
        to = seen.v[r, 0]
    _show(columns, r, seen.i, I_SEEN, to)
    _show(columns, r, seen.i_seq, I_SEQ, to)
    _show(columns, r, seen.v, V_SEEN, to)
    _show(columns, r, seen.v_seq, V_SEQ, to)
    columns[r, RESIDUAL] = 3.0 * columns[r, SIZE + I_SEQ]
    columns[r, F] = seen.f_hz[r]


@kernel
def measure(  # type: ignore[no-untyped-def]
    p, columns, gain, tables, places, seen, ideal, v, unit, noise, key, step, every, change_ago_s, dt_s
):
    """Measure the network for every relay: ``take_currents``, then ``see``.

    Parameters
    ----------
    places : tuple with rows, of, phase, vt_at
        The first three as the assembly's ``terminal_rows_of`` returns them: current rows of the phase
        conductors, relay and phase of each. ``vt_at``: int32[n, 3] node of each phase, -1 none.
    unit
        States of the units, as ``row_currents`` needs them.
    """
    take_currents(places.rows, places.of, places.phase, v, unit, seen.i)
    if ideal.at[0] >= 0:
        seen.i[ideal.at[0]] = ideal.i
    see(p, columns, gain, tables, places.vt_at, seen, ideal, v, noise, key, step, every, change_ago_s, dt_s)


@kernel
def take_currents(rows, of, phase, v, unit, i):  # type: ignore[no-untyped-def]
    """Write the true phase currents of every relay [A]."""
    row_currents(v, unit, rows, 0, of.shape[0])
    found = rows.i_a
    i[:] = 0.0
    for k in range(of.shape[0]):
        i[of[k], phase[k]] += found[k]


@kernel
def see(  # type: ignore[no-untyped-def]
    p, columns, gain, tables, vt_at, seen, ideal, v, noise, key, step, every, change_ago_s, dt_s
):
    """Make of true currents and voltages what relays see of them.

    Parameters
    ----------
    columns : float64[n, n_attributes]
        State rows.
    gain : complex128[n, 6]
        Errors of the transformers, from ``init``.
    tables : SaturationTables
    vt_at : int32[n, 3]
        Nodes of the VTs, -1 where there is none.
    seen : tuple with i, i_seq, v, v_seq; f_hz, v_base_v
        The first four, complex128[n, 3], are written in every step: phases a, b, c and sequences
        0, 1, 2 [A, V]; ``i`` comes with the true currents. ``f_hz`` is shown; ``v_base_v`` is the
        line-to-neutral base of the VTs' bus.
    ideal : tuple with at, direct, v
        The relay at ``at`` has these voltages before its VTs, complex128[3] [V]; int64[1], -1 none. The one
        at ``direct`` sees its currents and voltages as they are, but for VT fuses that are out.
    v : complex128[n_nodes]
        Solved voltages [V].
    noise, key : float64[], uint64
        Quantile table and the key of this step's noise of relays.
    step, every : int
        Points are written every so many steps, the relays in turn; ``is_vt_failed`` and ``ct_factor``
        in every step.
    change_ago_s : float
        How long before the end of the step the network last changed: a fault began then.
    """
    i, i_seq, u, u_seq, base_v = seen.i, seen.i_seq, seen.v, seen.v_seq, seen.v_base_v
    for r in range(columns.shape[0]):
        is_direct = r == ideal.direct[0]
        is_same = _currents(p, columns, gain, tables, i, i_seq, r, is_direct, noise, key, change_ago_s, dt_s)
        if _voltages(p, columns, gain, ideal, v, vt_at, u, u_seq, r, noise, key):
            _supervise(p, columns, u, u_seq, i_seq, base_v[r], r, is_same)
        if (step + r) % every == 0:
            _publish(columns, seen, r)
