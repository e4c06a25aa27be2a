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
from rtcore.protection.ct_saturation import SaturationTables
from rtcore.waves import Waves

Rows = np.ndarray[Any, Any]
Words = npt.NDArray[np.int64]

# ``times``: what the step needs to know about time, all int64 [ns]
T_EPOCH, T_DT, T_PROFILE_START, T_PROFILE_STEP, T_PROFILE_WRAPS, T_LOCAL = range(6)
# T_LOCAL: local time less UTC

# ``counters``
K_STEPS, K_NOT_CONVERGED, K_IS_SOLVED, K_FP_EVENTS, K_COMMANDS, K_DIGEST, K_TOPOLOGY, K_COMMANDS_SEEN = range(
    8
)


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


class Loads(NamedTuple):
    """Loads of the network."""

    p: Rows
    s: Rows
    columns: Floats
    """The state rows as numbers, shape (n, n_attrs)."""
    branch: Ints
    """Number of each branch within its load (0, 1, 2)."""


class Terminals(NamedTuple):
    """Terminals with measuring points: the currents of their phase conductors."""

    rows: TerminalRows
    of: Ints
    phase: Ints
    columns: Floats
    """The state rows as numbers, shape (n, n_attrs)."""


class Regulators(NamedTuple):
    """Step-voltage regulators of one phase each."""

    p: Rows
    s: Rows
    units: Ints


class Capacitors(NamedTuple):
    """Switched capacitor banks."""

    s: Rows
    units: Ints
    rows: TerminalRows
    first: Ints


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


class Poles(NamedTuple):
    """Where the currents of switching devices are: rows, the device and phase of each.

    ``i_a``: current of each pole in the last solution, complex128[n, 3] [A].
    """

    rows: TerminalRows
    of: Ints
    phase: Ints
    i_a: Complex


class Breakers(NamedTuple):
    """Circuit breakers."""

    p: Rows
    s: Rows
    units: Ints
    """Unit of the pole in each phase, -1 where there is none, shape (n, 3)."""
    poles: Poles


class Fuses(NamedTuple):
    """Fuses of laterals."""

    p: Rows
    s: Rows
    units: Ints
    poles: Poles


class Faults(NamedTuple):
    """Faults that are there or could be, and what allows them."""

    s: Rows
    library: Floats
    arming_p: Rows
    arming: Rows


class Attacks(NamedTuple):
    """Slots that falsify what points show, which points they may, and the past that a delay shows."""

    s: Rows
    is_open: npt.NDArray[np.uint8]
    history: Floats


class ElementRows(NamedTuple):
    """Elements of one protection function, of all relays; views of ``Elements``.

    ``p``: the settings in force.
    """

    p: Rows
    s: Rows
    of: Ints
    """Relay of each."""
    is_permitted: Floats


class Elements(NamedTuple):
    """Elements of all protection functions, one function after the other."""

    settings: Floats
    """Settings in force, row by row."""
    begin: Words
    """Where the settings of each element begin there, and one past the last."""
    groups_at: Words
    """Where each of its settings groups begins in ``x``, shape (n, GROUPS_MAX)."""
    of: Ints
    is_permitted: Floats
    needs_voltage: npt.NDArray[np.uint8]
    """1 where a failed VT blocks the element."""
    residual_at: Words
    """Where in ``settings`` the quantity is that a failed VT falsifies when it is the residual, -1 none."""
    direction_at: Words
    """Where in ``x`` the flag is that must be set, -1 none."""
    shot_at: Words
    """Where in ``x`` the relay's recloser shot is, -1 none."""
    shots_at: Words
    """Where in ``settings`` the shots are that it serves in, -1 none."""


class Matrix(NamedTuple):
    """Elements of all relays in the order of the scheme; see ``relay.step``."""

    rows: Words
    flags: Words
    trips: Words
    first: Ints
    since_s: Floats


class Seen(NamedTuple):
    """What each relay sees; positive current flows into the line [A, V]. ``_seq``: 0, 1, 2."""

    i: Complex
    i_seq: Complex
    v: Complex
    v_seq: Complex
    f_hz: Floats
    is_f_valid: Floats
    v_base_v: Floats


class RelayInputs(NamedTuple):
    """Instrument transformers of the relays."""

    p: Rows
    s: Rows
    rows: TerminalRows
    of: Ints
    phase: Ints
    vt_at: Ints
    columns: Floats
    """The memory of ``s`` as float64[n, n_attrs]."""
    gain: Complex
    saturation: SaturationTables
    frequency_row: Ints


class Ideal(NamedTuple):
    """What the relay at ``at`` (-1: none) sees in place of the network; ``direct``: past its CTs and VTs."""

    at: Words
    direct: Words
    i: Complex
    v: Complex
    f_hz: Floats


class Injections(NamedTuple):
    """Ideal sources for relay tests, and the instruments of each relay's bay that show them, -1 none."""

    s: Rows
    ideal: Ideal
    terminal_of: Ints
    bus_of: Ints
    play: Complex
    """Frames of all records, complex128[n, 6], one a step."""
    first: Words
    """Where each record begins, and one past the last."""


class Relays(NamedTuple):
    """The protection system."""

    p: Rows
    s: Rows
    own: Ints
    """Breaker of each relay, -1 none."""
    breaker_of_bf: Ints
    breaker_of_79: Ints
    inputs: RelayInputs
    seen: Seen
    matrix: Matrix
    elements: Elements
    directional_67: ElementRows
    overcurrent_51: ElementRows
    instantaneous_50: ElementRows
    negative_sequence_46: ElementRows
    undervoltage_27: ElementRows
    overvoltage_59: ElementRows
    frequency_81: ElementRows
    rocof_81r: ElementRows
    rocof_work: Floats
    thermal_49: ElementRows
    breaker_failure_50bf: ElementRows
    recloser_79: ElementRows
    work: Floats
    """Room for what is passed between functions, shape (6, n)."""


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
    loads: Loads
    bus_at: Ints
    bus_columns: Floats
    terminals: Terminals
    breakers: Breakers
    fuses: Fuses
    faults: Faults
    attacks: Attacks
    change: Floats
    """How long before the end of the step, and of the one before, the network changed [s], 0 never."""
    relays: Relays
    injections: Injections
    waves: Waves
    regulators: Regulators
    capacitors: Capacitors
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
