"""Relays of a world: their instrument transformers, elements, settings groups and trip matrix."""

from __future__ import annotations

import numpy as np

from rtcore.assembly.instances import FUNCTIONS, NO_SCHEME
from rtcore.assembly.places import bus_nodes, terminal_named, terminal_rows_of
from rtcore.assembly.store import Store
from rtcore.component import REGISTRY, rows_of, settings_kind
from rtcore.network.grid import Grid
from rtcore.protection import (
    breaker_failure_50bf,
    ct_saturation,
    directional_67,
    frequency_81,
    instantaneous_50,
    negative_sequence_46,
    overcurrent_51,
    overvoltage_59,
    recloser_79,
    relay_inputs,
    rocof_81r,
    thermal_49,
    undervoltage_27,
)
from rtcore.protection.relay import GROUPS_MAX, LOCKS_OUT, STARTS_79, STARTS_BF, Relay
from rtcore.protection.scheme import Scheme
from rtcore.world import ElementRows, Elements, Matrix, RelayInputs, Relays, Seen

_REGISTERED = (
    Relay,
    breaker_failure_50bf,
    directional_67,
    frequency_81,
    instantaneous_50,
    negative_sequence_46,
    overcurrent_51,
    overvoltage_59,
    undervoltage_27,
)
"""Importing a module declares its kind."""

WORK_ROWS = 8


def relays(grid: Grid, store: Store, scheme: Scheme | None, rng: np.random.Generator, dt_s: float) -> Relays:
    """Return the protection system of a scheme, in service, its first settings group in force."""
    scheme = scheme or NO_SCHEME
    _settings(store, scheme)
    s, n = store.rows("relay"), len(scheme.relays)
    s["is_in_service_sp"] = s["is_quiet"] = 1.0
    s["group"] = s["group_sp"] = [float(r.group) for r in scheme.relays]
    s["groups"] = [float(max((len(e.settings) for e in r.elements), default=1)) for r in scheme.relays]
    breakers = store.names("breaker")
    every, kinds = _elements(store, scheme)
    for i in range(len(every.of)):  # the functions' own initial states follow from them
        begin, end = every.begin[i : i + 2]
        first = every.groups_at[i, int(s["group"][every.of[i]]) - 1]
        every.settings[begin:end] = store.x[first : first + end - begin]
    thermal, recloser = kinds["thermal_49"], kinds["recloser_79"]
    thermal_49.init(thermal.p, thermal.s)
    own = np.array([breakers.index(r.breaker) if r.breaker else -1 for r in scheme.relays], np.int32)
    recloser_79.init(recloser.p, recloser.s, own[recloser.of], store.rows("breaker"), is_settled=True)
    return Relays(
        p=store.params("relay"),
        s=s,
        own=own,
        breaker_of_bf=own[kinds["breaker_failure_50bf"].of],
        breaker_of_79=own[recloser.of],
        inputs=_inputs(grid, store, scheme, rng),
        seen=_seen(grid, scheme),
        matrix=_matrix(store, scheme, breakers),
        elements=every,
        rocof_work=rocof_81r.samples_for(len(kinds["rocof_81r"].of), dt_s),
        work=np.zeros((WORK_ROWS, max(n, len(breakers), 1))),
        **kinds,
    )


def frequencies_needed(scheme: Scheme | None) -> set[str]:
    """Return the frequency elements, by source name, that relays with frequency functions look at."""
    kinds = ("frequency_81", "rocof_81r", "directional_67")
    return {
        f"frequency.{r.vt_bus}"
        for r in (scheme or NO_SCHEME).relays
        if any(e.function in kinds for e in r.elements)
    }


def _settings(store: Store, scheme: Scheme) -> None:
    """Put the scheme's settings into the rows of their groups."""
    for relay in scheme.relays:
        for element in relay.elements:
            spec = REGISTRY[element.function]
            rows = rows_of(list(element.settings), spec)
            for g in range(len(element.settings)):
                source = f"{settings_kind(element.function)}.{relay.name}.{element.name}.{g + 1}"
                for k, name in enumerate(rows.dtype.names or ()):
                    store.x[store.row_begin(source) + k] = rows[name][g]


def _elements(store: Store, scheme: Scheme) -> tuple[Elements, dict[str, ElementRows]]:
    """Return all elements, and views of those of each function."""
    found = [
        (kind, r, relay, e)
        for kind in FUNCTIONS
        for r, relay in enumerate(scheme.relays)
        for e in relay.elements
        if e.function == kind
    ]
    n = len(found)
    widths = [len(REGISTRY[kind].param_dtype.names or ()) for kind, *_ in found]
    begin = np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
    groups = np.zeros((n, GROUPS_MAX), np.int64)
    direction, shot, shots, residual = (np.full(n, -1) for _ in range(4))
    for i, (kind, _, relay, element) in enumerate(found):
        for g in range(GROUPS_MAX):
            group = min(g + 1, len(element.settings))  # a group that is not there is as the last one
            groups[i, g] = store.row_begin(f"{settings_kind(kind)}.{relay.name}.{element.name}.{group}")
        if element.direction:
            flag = "is_reverse" if element.direction.startswith("-") else "is_forward"
            source = f"directional_67.{relay.name}.{element.direction.removeprefix('-')}"
            direction[i] = store.address(source, flag)
        names = REGISTRY[kind].param_dtype.names or ()
        recloser = next(iter(relay.of("recloser_79")), None)
        if kind == "overvoltage_59":
            residual[i] = begin[i] + names.index("quantity")
        if recloser is not None and "shots" in names:
            shot[i] = store.address(f"recloser_79.{relay.name}.{recloser.name}", "shot")
            shots[i] = begin[i] + names.index("shots")
    every = Elements(
        settings=np.zeros(int(begin[-1])),
        begin=begin,
        groups_at=groups,
        of=np.array([r for _, r, _, _ in found], np.int32),
        is_permitted=np.ones(n),
        residual_at=residual,
        needs_voltage=np.array([kind == "undervoltage_27" for kind, *_ in found], np.uint8),
        direction_at=direction.astype(np.int64),
        shot_at=shot.astype(np.int64),
        shots_at=shots.astype(np.int64),
    )
    return every, {kind: _view(store, every, kind, [k for k, *_ in found]) for kind in FUNCTIONS}


def _view(store: Store, every: Elements, kind: str, kinds: list[str]) -> ElementRows:
    """Return the elements of one function."""
    first = kinds.index(kind) if kind in kinds else 0
    end = first + kinds.count(kind)
    settings = every.settings[every.begin[first] : every.begin[end]]
    return ElementRows(
        p=settings.view(REGISTRY[kind].param_dtype),
        s=store.rows(kind),
        of=every.of[first:end],
        is_permitted=every.is_permitted[first:end],
    )


def _matrix(store: Store, scheme: Scheme, breakers: list[str]) -> Matrix:
    """Return what each element's operation does; reclosers and directions do not operate."""
    rows, flags, trips, first = [], [], [], [0]
    for relay in scheme.relays:
        for e in relay.elements:
            if e.function in ("recloser_79", "directional_67"):
                continue
            rows.append(store.row_begin(f"{e.function}.{relay.name}.{e.name}"))
            flags.append(STARTS_79 * e.starts_79 + STARTS_BF * e.starts_bf + LOCKS_OUT * e.locks_out)
            trips.append(sum(1 << breakers.index(b) for b in e.trips))
        first.append(len(rows))
    return Matrix(
        np.array(rows, np.int64),
        np.array(flags, np.int64),
        np.array(trips, np.int64),
        np.array(first, np.int32),
        np.full(len(rows), -1.0),
    )


def _seen(grid: Grid, scheme: Scheme) -> Seen:
    n, f0_hz = len(scheme.relays), grid.network.base_frequency_hz
    base_v = {b.name: 1e3 * b.base_kv_ln for b in grid.network.buses}
    shape = (n, 3)
    return Seen(
        i=np.zeros(shape, np.complex128),
        i_seq=np.zeros(shape, np.complex128),
        v=np.zeros(shape, np.complex128),
        v_seq=np.zeros(shape, np.complex128),
        f_hz=np.full(n, f0_hz),
        is_f_valid=np.zeros(n),
        v_base_v=np.array([base_v[r.vt_bus] if r.vt_bus else 1.0 for r in scheme.relays]),
    )


def _inputs(grid: Grid, store: Store, scheme: Scheme, rng: np.random.Generator) -> RelayInputs:
    p = rows_of([r.inputs for r in scheme.relays], REGISTRY["relay_inputs"])
    s = store.rows("relay_inputs")
    gain = relay_inputs.init(p, s, rng)
    seeing = [k for k, r in enumerate(scheme.relays) if r.terminal]
    rows, of, phase = terminal_rows_of(grid, [terminal_named(scheme.relays[k].terminal) for k in seeing])
    frequencies = store.names("frequency")
    row = [frequencies.index(r.vt_bus) if r.vt_bus in frequencies else -1 for r in scheme.relays]
    return RelayInputs(
        p=p,
        s=s,
        rows=rows,
        of=np.array(seeing, np.int32)[of],
        phase=phase,
        vt_at=bus_nodes(grid, [r.vt_bus for r in scheme.relays]),
        columns=store.columns("relay_inputs"),
        gain=gain,
        saturation=ct_saturation.tables(p, grid.network.base_frequency_hz),
        frequency_row=np.array(row, np.int32),
    )
