"""Transformer temperatures, voltage relays and the controls of the whole plant."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence
from typing import Any

import numpy as np

from rtcore.assembly.places import first_rows, select_rows
from rtcore.assembly.store import Store
from rtcore.control import (
    capacitor_control,
    dispatch,
    load_shedding,
    microgrid,
    power_factor_correction,
    tap_changer,
    tap_changer_inputs,
)
from rtcore.network.grid import Grid
from rtcore.network.model import Transformer
from rtcore.plant import transformer_thermal
from rtcore.world import (
    BankControls,
    BankGroups,
    Dispatches,
    Microgrids,
    Sheds,
    TapChangers,
    Thermals,
)

_REGISTERED = (load_shedding,)  # importing a module declares its kind


def thermals(grid: Grid, store: Store, ambient_degc: float) -> Thermals:
    """Return every transformer at the steady state without load.

    The load of a transformer is the current into the phase conductors of its first winding.
    """
    network = grid.network
    p = store.params("thermal", rated_va=[1e3 * t.windings[0].kva for t in network.transformers])
    ends = [(f"transformer.{t.name}", 1) for t in network.transformers]
    rows, first = grid.terminal_rows(ends), first_rows(grid, ends)
    phases = [min(t.phases, int(first[i + 1] - first[i])) for i, t in enumerate(network.transformers)]
    keep = [int(first[i]) + k for i, n in enumerate(phases) for k in range(n)]
    s, k_pu = store.rows("thermal"), np.zeros(len(phases))
    transformer_thermal.init(p, s, k_pu, ambient_degc)
    return Thermals(
        p=p,
        s=s,
        rows=select_rows(rows, keep),
        first=np.concatenate([[0], np.cumsum(phases)]).astype(np.int32),
        rated_a=np.array([_rated_a(t) for t in network.transformers]),
        k_pu=k_pu,
    )


def _rated_a(t: Transformer) -> float:
    """Return the rated line current of the first winding [A]."""
    w = t.windings[0]
    return w.kva / w.kv / (np.sqrt(3.0) if t.phases == 3 else 1.0)


def tap_changers(grid: Grid, store: Store) -> TapChangers:
    """Return the voltage relays with the settings of the network's regulators, and yours over them."""
    relays = [tap_changer.relay_of(r) for r in grid.network.regulators]
    names = [f.name for f in dc.fields(tap_changer.TapChanger)] if relays else []
    p = store.params("tap_changer", **{n: [getattr(r, n) for r in relays] for n in names})
    s = store.rows("tap_changer")
    tap_changer.init(p, s, store.rows("regulator"), is_auto=p["is_auto"])
    return TapChangers(p, s, tap_changer_inputs.wire(grid))


def _numbers(store: Store, kind: str, among: Sequence[str]) -> Any:
    """Return where each instance of a kind stands among names."""
    return np.array([among.index(name) for name in store.names(kind)], np.int32)


def microgrids(grid: Grid, store: Store) -> Microgrids:
    """Return the points of connection; the network's first battery is their master."""
    s = store.rows("microgrid")
    microgrid.init(s)
    pcc = _numbers(store, "microgrid", [x.name for x in grid.network.switches])
    return Microgrids(store.params("microgrid"), s, pcc, np.zeros(len(s), np.int32))


def sheds(grid: Grid, store: Store) -> Sheds:
    """Return the stages of load shedding, in service."""
    s = store.rows("load_shedding")
    s["is_enabled_sp"] = 1.0
    breaker_of = _numbers(store, "load_shedding", [x.name for x in grid.network.switches])
    return Sheds(store.params("load_shedding"), s, breaker_of, np.zeros(len(s)), np.zeros(len(s)))


def dispatches(store: Store) -> Dispatches:
    """Return the dispatch of batteries, in the mode of their settings."""
    p, s = store.params("dispatch"), store.rows("dispatch")
    dispatch.init(p, s)
    return Dispatches(p, s, _numbers(store, "dispatch", store.names("battery")))


def banks(grid: Grid, store: Store, *, time_of_day_s: float) -> BankControls:
    """Return the capacitor controls at the banks' present positions."""
    capacitors = grid.network.capacitors
    p, s = store.params("capacitor_control"), store.rows("capacitor_control")
    bank = _numbers(store, "capacitor_control", [c.name for c in capacitors])
    capacitor_control.init(p, s, store.rows("capacitor"), bank, time_of_day_s=time_of_day_s)
    group_p, group = store.params("power_factor_correction"), store.rows("power_factor_correction")
    power_factor_correction.init(group_p, group)
    members = np.flatnonzero(p["control"] == capacitor_control.GROUP).astype(np.int32)
    at = np.array([grid.node_at(grid.nodes.of(c.bus1, c.nodes1)[0]) for c in capacitors], np.int32)
    return BankControls(
        p=p,
        s=s,
        bank=bank,
        at=at[bank],
        seen=np.zeros((4, len(s))),
        groups=BankGroups(group_p, group, np.tile(members, (len(group), 1))),
    )
