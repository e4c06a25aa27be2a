"""What a station can do in a relay test, from its files alone: plans are checked before it runs."""

from __future__ import annotations

from pathlib import Path

from hil import paths
from hil.relaytest.bench import Facts, RelayFacts
from hil.station import STEP_FIFO_NS, Plan, read_plan
from rtcore.errors import Problem, UserInputError
from rtcore.protection.injection import F_MAX_HZ, F_MIN_HZ

I_MAX_A, V_MAX_V, DF_MAX_HZ_S = 1e5, 1e6, 50.0
"""What the sources of the test set can do: primary current, voltage, ramp of the frequency."""


def facts_of(station: str, near: Path) -> Facts:
    """Return the facts of a station by name or file; a step that the host decides counts as the shortest."""
    plan = read_plan(str(paths.find("stations", station, near)))
    step_us = plan.station.loop.step_us
    return facts(plan, STEP_FIFO_NS * 1e-9 if step_us == "auto" else step_us * 1e-6)


def facts(plan: Plan, dt_s: float) -> Facts:
    """Return the facts of a station that has been read; UserInputError without a protection scheme."""
    if plan.scheme is None:
        what = "has no protection scheme: a test set stands at a relay"
        raise UserInputError([Problem(str(plan.station.path), "", what)])
    buses = {b.name: 1e3 * b.base_kv_ln for b in plan.network.buses}
    places = {}
    for relay in plan.scheme.relays:
        inputs = relay.inputs
        places[relay.name] = RelayFacts(
            ct_ratio=inputs.ct_primary_a / inputs.ct_secondary_a if relay.terminal else 1.0,
            vt_ratio=1.0,
            v_nominal_v=buses.get(relay.vt_bus, max(buses.values())),
            f_nominal_hz=plan.network.base_frequency_hz,
        )
    return Facts(
        dt_s=dt_s,
        locations=places,
        i_max_a=I_MAX_A,
        v_max_v=V_MAX_V,
        f_min_hz=F_MIN_HZ,
        f_max_hz=F_MAX_HZ,
        df_max_hz_s=DF_MAX_HZ_S,
        faults=tuple(plan.faults.names),
        tags=frozenset(p.tag for p in plan.points.points if p.is_writable),
    )
