"""Machines, EMFs, frequency elements and synchronism checks of a world."""

from __future__ import annotations

import numpy as np

from rtcore.assembly.places import bus_nodes
from rtcore.assembly.store import Store
from rtcore.network.admittance import emf_sources
from rtcore.network.grid import Grid
from rtcore.network.model import Network
from rtcore.plant import generator as gen
from rtcore.plant import source
from rtcore.plant.exciter import Exciter
from rtcore.plant.frequency import Frequency
from rtcore.plant.governor import Governor
from rtcore.protection.sync_check_25 import SyncCheck
from rtcore.world import EmfStates, Frequencies, Machines, SyncChecks

_REGISTERED = (Exciter, Frequency, Governor, SyncCheck, source)  # importing a module declares its kind


def emf_states(grid: Grid) -> EmfStates:
    """Return the EMFs at rest at nominal frequency."""
    n, f0_hz, g = len(grid.emfs), grid.network.base_frequency_hz, grid.arrays
    at = g.emfs.at[:, 0]
    return EmfStates(
        f0_hz=f0_hz,
        theta_rad=np.zeros(n),
        omega_pu=np.zeros(n),
        f_hz=np.full(n, f0_hz),
        owner=np.where(at < grid.n, g.owner[np.minimum(at, grid.n - 1)], -1).astype(np.int32),
        turns=np.ones(n, np.complex128),
    )


def machines(grid: Grid, store: Store) -> Machines:
    """Return generators, governors and exciters; a source has no machine unless the settings say so."""
    network = grid.network
    ders = {d.name: d for d in network.ders if d.kind == "machine"}
    names = store.names("generator")
    rated = [1e3 * ders[n].kva if n in ders else 100e6 for n in names]
    model = [1.0 if n in ders else 0.0 for n in names]
    p = store.params("generator", s_rated_va=rated, model=model)
    sources = emf_sources(network)
    emf_of = [grid.emfs.index(f"der.{n}" if n in ders else f"source.{n}") for n in names]
    x1_ohm = [sources[grid.emfs[k]].x1_ohm for k in emf_of]
    base_v = [1e3 * sources[grid.emfs[k]].base_kv for k in emf_of]
    return Machines(
        generator_p=p,
        generator=store.rows("generator"),
        governor_p=store.params("governor"),
        governor=store.rows("governor"),
        exciter_p=store.params("exciter"),
        exciter=store.rows("exciter"),
        emf_of=np.array(emf_of, np.int32),
        x_pu=np.array(x1_ohm) * p["s_rated_va"] / np.square(base_v),
    )


def initial_state(store: Store, network: Network) -> None:
    """Sources run, machines of the plant stand still; everything at its rated values."""
    rows, n_sources = store.rows("generator"), len(network.sources)
    rows["state"][:n_sources] = gen.RUNNING
    rows["is_running"][:n_sources] = 1.0
    rows["e_pu"] = rows["efd_pu"] = rows["v_pu_sp"] = 1.0
    rows["f_hz_sp"] = network.base_frequency_hz
    rows["omega_pu"][n_sources:] = -1.0


def frequencies(grid: Grid, store: Store) -> Frequencies:
    """Return the frequency elements of the buses that points name."""
    return Frequencies(
        p=store.params("frequency"),
        s=store.rows("frequency"),
        at=bus_nodes(grid, store.names("frequency")),
    )


def sync_checks(grid: Grid, store: Store) -> SyncChecks:
    """Return the synchronism check of every breaker."""
    switches = {s.name: s for s in grid.network.switches}
    chosen = [switches[n] for n in store.names("sync_check")]

    def side(bus: str, nodes: tuple[int, ...]) -> list[int]:
        found = [grid.node_at(i) if i >= 0 else -1 for i in grid.nodes.of(bus, nodes)][:3]
        return found + [-1] * (3 - len(found))

    return SyncChecks(
        p=store.params("sync_check"),
        s=store.rows("sync_check"),
        side1=np.array([side(s.bus1, s.nodes1) for s in chosen], np.int32).reshape(-1, 3),
        side2=np.array([side(s.bus2, s.nodes2) for s in chosen], np.int32).reshape(-1, 3),
    )
