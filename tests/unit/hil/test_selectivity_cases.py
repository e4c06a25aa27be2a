"""Places and cases of the selectivity sweep: from the topology, the same for the same seed."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from hil.coordination_walk import walk
from hil.fault_library import TYPES
from hil.selectivity_cases import FAILURE, LIVES, PERMANENT, TEMPORARY, Place, cases, choose, devices, places
from hil.station import Plan, read_plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return read_plan("iowa240")


def test_the_nearest_device_towards_the_source_is_expected(plan: Plan) -> None:
    assert plan.scheme is not None
    known = devices(plan.network, plan.scheme)
    recloser, fuse, head = known["rcl_3107"], known["fuse_3108"], known["cb_hv"]
    assert (recloser.relay, recloser.upstream_relay, recloser.bf_trips) == ("rcl_3107", "cb_302", ("cb_302",))
    assert recloser.is_reclosing
    assert not recloser.is_fuse
    assert (fuse.upstream, fuse.upstream_relay, fuse.is_fuse) == ("rcl_3107", "rcl_3107", True)
    assert (head.upstream, head.bf_trips, head.is_reclosing) == ("", (), False)
    for d in known.values():  # what breaker failure trips is the next device: the sweep relies on it
        assert d.is_fuse or d.bf_trips == ((d.upstream,) if d.upstream else ())
    on = {p.name: p.switch for p in places(plan.network, plan.scheme)}
    assert on["bus.bus3140"] == "rcl_3107"
    assert on["bus.bus3112"] == "fuse_3108"
    assert on["bus.bus1"] == "cb_hv"


def test_places_are_primary_buses_and_lines_of_all_feeders(plan: Plan) -> None:
    assert plan.scheme is not None
    found = places(plan.network, plan.scheme)
    names = [p.name for p in found]
    assert len(set(names)) == len(names) >= 200
    protective = {r.breaker for r in plan.scheme.relays} | {
        s.name for s in plan.network.switches if s.kind == "fuse"
    }
    zones = walk(plan.network, protective).values()
    assert {n for n in names if n.startswith("bus.")} == {f"bus.{b}" for p in zones for b in p.zone}
    assert not [n for n in names if n.startswith("bus.t_")]  # behind service transformers
    assert {n.removeprefix("bus.")[3] for n in names if n.startswith("bus.bus")} >= {"1", "2", "3"}


def test_fewer_places_are_of_every_zone_the_same_share() -> None:
    found = [Place(f"bus.{zone}{k}", "a", zone) for zone, n in (("x", 60), ("y", 20)) for k in range(n)]
    chosen = choose(found, 20, np.random.default_rng(3))
    assert collections.Counter(p.switch for p in chosen) == {"x": 15, "y": 5}
    assert chosen == [p for p in found if p in chosen]
    assert (
        choose(found, 20, np.random.default_rng(3)) == chosen != choose(found, 20, np.random.default_rng(4))
    )
    assert (
        choose(found, None, np.random.default_rng(3)) == choose(found, 99, np.random.default_rng(3)) == found
    )


def test_every_type_that_the_place_has_phases_for_comes_permanent_and_temporary(plan: Plan) -> None:
    assert plan.scheme is not None
    at = {p.name: p for p in places(plan.network, plan.scheme)}
    found = cases(plan.network, plan.scheme, None, 1)
    by_place = collections.defaultdict(list)
    for c in found:
        by_place[c.place].append(c)
        assert set(c.phases) <= set(at[c.place].phases)
        assert len(c.phases) == TYPES[c.kind][1]
        assert c.expected.switch == at[c.place].switch
    assert by_place.keys() == at.keys()
    for name, its in by_place.items():
        fitting = {kind for kind, (_, n) in TYPES.items() if n <= len(at[name].phases)}
        for life in (PERMANENT, TEMPORARY):
            assert {c.kind for c in its if c.life == life} == fitting
        assert sum(c.life == FAILURE for c in its) == (0 if its[0].expected.is_fuse else 1)
    assert {c.kind for c in found} == set(TYPES)
    assert {c.life for c in found} == set(LIVES)


def test_the_seed_makes_the_choices(plan: Plan) -> None:
    assert plan.scheme is not None
    first, again, other = (cases(plan.network, plan.scheme, 30, seed) for seed in (1, 1, 2))
    assert first == again != other
