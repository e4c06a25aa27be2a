"""Looks at a station after every step for what must never be; compiled, so that every step can be looked at.

Judges by the network itself (contacts, EMFs in service, voltages), not by what controls and checks say.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from rtcore.engine import Engine, run_steps
from rtcore.jit import kernel
from rtcore.world import World

FORMING = 2.0

# Counts, then extremes, of what was seen.
N_TWO_MASTERS, N_NOT_FINITE, N_CLOSINGS, N_LIVE_CLOSINGS, N_NOT_SOLVED, N_FORMING_CLOSED = range(6)
X_ANGLE_DEG, X_SLIP_HZ, X_DV_PU, X_V_MAX_PU, X_V_MIN_PU, X_F_MAX_HZ, X_F_MIN_HZ = range(7)


class Seen(NamedTuple):
    """What is looked at: a kernel that took the whole world would compile for half a minute."""

    v: Any
    base_v: Any
    owner: Any
    unit: Any
    live: Any
    emf_unit: Any
    f_hz: Any
    side1: Any
    side2: Any
    breaker_units: Any
    emf_of: Any
    counters: Any
    values: Any
    n_sources: int


def seen_of(w: World) -> Seen:
    """Return what of a world is looked at."""
    g = w.grid
    return Seen(
        g.v, g.base_v, g.owner, g.unit, g.live, g.emfs.unit, w.emf.f_hz, w.sync.side1, w.sync.side2,
        w.breakers.units, w.storage.emf_of, w.counters, w.values, len(w.source),
    )  # fmt: skip


@kernel
def _mean(v, base_v, at):  # type: ignore[no-untyped-def]
    """Positive-sequence voltage of three nodes [pu]."""
    turn = complex(-0.5, math.sqrt(0.75))
    return (v[at[0]] + turn * v[at[1]] + turn * turn * v[at[2]]) / 3.0 / base_v[at[0]]


@kernel
def run_watched(drive, seen, commands, verdicts, first, n, pcc, master_bus, counts, extremes):  # type: ignore[no-untyped-def]
    """Advance by ``n`` steps and look after each; ``pcc``: breaker number, ``master_bus``: three nodes."""
    v, owner, unit = seen.v, seen.owner, seen.unit
    n_sources = seen.n_sources
    contact = unit[seen.breaker_units[pcc, 0]]
    for step in range(first, first + n):
        was_open = contact[0] == 0.0
        u1 = _mean(v, seen.base_v, seen.side1[pcc])
        u2 = _mean(v, seen.base_v, seen.side2[pcc])
        k1, k2 = owner[seen.side1[pcc, 0]], owner[seen.side2[pcc, 0]]
        slip_hz = seen.f_hz[k2] - seen.f_hz[k1] if k1 >= 0 and k2 >= 0 else 0.0
        run_steps(drive, commands, verdicts, step, 1)
        if was_open and contact[0] != 0.0:
            counts[N_CLOSINGS] += 1
            is_joined = False  # the sides at the step before, of two islands only when both were alive
            if k1 >= 0 and k2 >= 0 and k1 != k2:
                is_joined = True
            if is_joined:
                counts[N_LIVE_CLOSINGS] += 1
                turn = u2 * u1.conjugate()
                angle = abs(math.degrees(math.atan2(turn.imag, turn.real)))
                extremes[X_ANGLE_DEG] = max(extremes[X_ANGLE_DEG], angle)
                extremes[X_SLIP_HZ] = max(extremes[X_SLIP_HZ], abs(slip_hz))
                extremes[X_DV_PU] = max(extremes[X_DV_PU], abs(abs(u2) - abs(u1)))
        is_mains = False
        for k in range(n_sources):
            is_mains = is_mains or unit[seen.emf_unit[k], 0] != 0.0
        for i in range(seen.emf_of.shape[0]):
            k = seen.emf_of[i]
            if unit[seen.emf_unit[k], 0] == 0.0:
                continue
            if contact[0] != 0.0:
                counts[N_FORMING_CLOSED] += 1
            if is_mains and contact[0] != 0.0:
                counts[N_TWO_MASTERS] += 1
        counts[N_NOT_SOLVED] += 1 - min(seen.counters[2], 1)
        for i in range(seen.values.shape[0]):
            if not abs(seen.values[i]) < 1e300:
                counts[N_NOT_FINITE] += 1
        for i in range(seen.live.shape[0]):
            if not abs(v[i]) < 1e300:
                counts[N_NOT_FINITE] += 1
        k = owner[master_bus[0]]
        if k >= 0:
            u_pu = abs(_mean(v, seen.base_v, master_bus))
            extremes[X_V_MAX_PU], extremes[X_V_MIN_PU] = (
                max(extremes[X_V_MAX_PU], u_pu),
                min(extremes[X_V_MIN_PU], u_pu),
            )
            f = seen.f_hz[k]
            extremes[X_F_MAX_HZ], extremes[X_F_MIN_HZ] = (
                max(extremes[X_F_MAX_HZ], f),
                min(extremes[X_F_MIN_HZ], f),
            )


class Watch:
    """An engine that is looked at after every step."""

    def __init__(self, engine: Engine, pcc: str, bus: str) -> None:
        self.engine = engine
        self.seen = seen_of(engine.world)
        names = [s.name for s in engine.grid.network.switches]
        self.pcc = names.index(pcc)
        self.bus = np.array(
            [engine.grid.node_at(engine.grid.nodes.index[f"{bus}.{k}"]) for k in (1, 2, 3)], np.int32
        )
        self.counts = np.zeros(6, np.int64)
        self.extremes = np.zeros(7)
        self.forget()

    def forget(self) -> None:
        """Begin the extremes anew."""
        self.extremes[:] = 0.0
        self.extremes[[X_V_MIN_PU, X_F_MIN_HZ]] = np.inf

    def steps(self, n: int) -> None:
        e = self.engine
        run_watched(
            e.drive,
            self.seen,
            e.rings.commands,
            e.rings.verdicts,
            e.n_steps,
            n,
            self.pcc,
            self.bus,
            self.counts,
            self.extremes,
        )
        e.n_steps += n

    def seconds(self, t_s: float) -> None:
        self.steps(max(1, round(t_s * 1e9 / self.engine.setup.clock.dt_ns)))

    def do(self, tag: str, value: float = 1.0) -> None:
        """Give a command that the next watched step takes."""
        self.engine.command([(tag, value)])
        self.steps(1)
        self.engine.verdicts()
