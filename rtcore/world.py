"""Everything one station's step reads and writes, as one tuple of arrays.

Component state rows lie back to back in ``x`` (float64); the structured arrays here are
views of it, so a point is one index into ``x``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rtcore.control.tap_changer_inputs import TapChangerInputs
from rtcore.instruments import PointArrays
from rtcore.network.factor import Complex, Ints
from rtcore.network.grid_arrays import Floats, GridArrays, TerminalRows

Rows = np.ndarray[Any, Any]
Words = npt.NDArray[np.int64]

# ``times``: what the step needs to know about time, all int64 [ns]
T_EPOCH, T_DT, T_PROFILE_START, T_PROFILE_STEP, T_PROFILE_WRAPS, T_LOCAL = range(6)
# T_LOCAL: local time less UTC

# ``counters``
K_STEPS, K_NOT_CONVERGED, K_IS_SOLVED, K_FP_EVENTS, K_COMMANDS, K_DIGEST, K_TOPOLOGY = range(7)


class EmfStates(NamedTuple):
    """Angle and frequency of every EMF against a frame that turns at nominal frequency."""

    f0_hz: float
    theta_rad: Floats
    omega_pu: Floats
    f_hz: Floats
    owner: Ints
    """First EMF of the island that each EMF's terminals are in, -1 dead."""
    turns: Complex


class Machines(NamedTuple):
    """Generators with their governors and exciters, row by row; the sources' come first."""

    generator_p: Rows
    generator: Rows
    governor_p: Rows
    governor: Rows
    exciter_p: Rows
    exciter: Rows
    emf_of: Ints
    x_pu: Floats


class Frequencies(NamedTuple):
    """Frequency elements at buses."""

    p: Rows
    s: Rows
    at: Ints


class SyncChecks(NamedTuple):
    """Synchronism checks, one per breaker."""

    p: Rows
    s: Rows
    side1: Ints
    side2: Ints


class WeatherArrays(NamedTuple):
    """Weather and its prepared rows."""

    p: Rows
    s: Rows
    poa_w_m2: Floats
    ambient_degc: Floats
    times: Words
    """Start and length of the rows [ns], and whether they wrap."""


class DemandParts(NamedTuple):
    """What changes the demand of loads beside the profile.

    ``now``, shape (4, n_loads): factors on P and Q, additions [W], [var]. Then the components
    behind them, ``load`` being the load of each row and ``node`` a node of it.
    """

    now: Floats
    dynamics_p: Rows
    dynamics: Rows
    dynamics_load: Ints
    dynamics_node: Ints
    dynamics_k: Floats
    """Work space: frequency, life, factors of P and Q, shape (4, n)."""
    hvac_p: Rows
    hvac: Rows
    hvac_rooms: Floats
    hvac_load: Ints
    hvac_node: Ints
    hvac_live: Floats


class Thermals(NamedTuple):
    """Transformer temperatures, and where their load is measured."""

    p: Rows
    s: Rows
    rows: TerminalRows
    first: Ints
    rated_a: Floats
    k_pu: Floats


class TapChangers(NamedTuple):
    """Voltage relays of the regulators, one per regulator."""

    p: Rows
    s: Rows
    inputs: TapChangerInputs


class BatterySeen(NamedTuple):
    """What the last solution says at each battery."""

    v_pu: Complex
    f_hz: Floats
    live: Floats
    p_w: Floats
    q_var: Floats
    i_pu: Floats


class Storage(NamedTuple):
    """Batteries; ``at`` is -1 where there is no phase, ``i_a`` a view of the network's injections."""

    p: Rows
    s: Rows
    at: Ints
    back: Ints
    i_a: Complex
    emf_of: Ints
    seen: BatterySeen


class Sites(NamedTuple):
    """Photovoltaic sites, and what they see at their terminals; arrays as of ``Storage``."""

    p: Rows
    s: Rows
    fleet: Rows
    at: Ints
    back: Ints
    i_a: Complex
    v_pu: Floats
    f_hz: Floats
    live: Floats
    clearness: Floats
    x_m: Floats
    y_m: Floats


class Microgrids(NamedTuple):
    """Points of connection: their breaker (also their synchronism check) and their battery."""

    p: Rows
    s: Rows
    pcc: Ints
    master: Ints


class Sheds(NamedTuple):
    """Stages of load shedding and the breaker of each."""

    p: Rows
    s: Rows
    breaker_of: Ints
    v_pu: Floats
    f_hz: Floats


class Dispatches(NamedTuple):
    """Rules of batteries."""

    p: Rows
    s: Rows
    battery_of: Ints


class BankGroups(NamedTuple):
    """Automatic power-factor correction: groups of bank controls."""

    p: Rows
    s: Rows
    members: Ints


class BankControls(NamedTuple):
    """Capacitor controls, the bank and a node of each.

    ``seen``: voltage [pu], power [W], [var] and current [A], shape (4, n).
    """

    p: Rows
    s: Rows
    bank: Ints
    at: Ints
    seen: Floats
    groups: BankGroups


class World(NamedTuple):
    """The plant, its instruments and the memory it is shown in."""

    grid: GridArrays
    v_good: Complex
    x: Floats
    emf: EmfStates
    source: Rows
    machines: Machines
    frequencies: Frequencies
    sync: SyncChecks
    weather: WeatherArrays
    parts: DemandParts
    thermal: Thermals
    tap_changers: TapChangers
    storage: Storage
    sites: Sites
    microgrids: Microgrids
    sheds: Sheds
    dispatches: Dispatches
    banks: BankControls
    totals: Rows
    load_p: Rows
    load: Rows
    load_columns: Floats
    load_branch: Ints
    bus_at: Ints
    bus_columns: Floats
    terminal_rows: TerminalRows
    terminal_of: Ints
    terminal_phase: Ints
    terminal_columns: Floats
    breaker_p: Rows
    breaker: Rows
    breaker_units: Ints
    regulator_p: Rows
    regulator: Rows
    regulator_units: Ints
    capacitor: Rows
    capacitor_units: Ints
    capacitor_rows: TerminalRows
    capacitor_first: Ints
    loop: Rows
    profile_p: Floats
    profile_q: Floats
    times: Words
    noise: Floats
    keys: npt.NDArray[np.uint64]
    points: PointArrays
    image: Words
    values: Floats
    quality: npt.NDArray[np.uint8]
    status_before: Floats
    events: Words
    group: Words
    counters: Words
