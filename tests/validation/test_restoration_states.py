"""Grading of iowa240 in every state with one tie closed: what the head of the scheme says of it.

The states are all that feed every section over one tie and leave no loop: one breaker of a feeder
open, one tie closed. Margins are those of ``gridhil coordination``, [s].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from hil import coordination as co
from hil.station import Plan, read_plan, with_upstream_machine, with_upstream_reactance
from hil.studies import Case
from rtcore.errors import UserInputError

RESTORED = {"rcl_1006": 2}

GRADED = [
    (None, None, {}, 0.211, ("rcl_3107", "cb_302")),
    ("rcl_1006", "cb_102", {}, 0.211, ("rcl_3107", "cb_302")),
    ("cb_202", "cb_204", {}, 0.211, ("rcl_3107", "cb_302")),
    ("cb_302", "cb_303", {}, 0.208, ("rcl_3107", "cb_303")),
    ("cb_203", "cb_102", RESTORED, 0.165, ("rcl_1006", "cb_101")),
]
"""Open, close, settings groups, least margin between two relays, which."""

NOT_GRADED = [
    ("cb_203", "cb_102", {}, {("cb_102", "rcl_1006")}),
    ("cb_101", "cb_102", {}, {("rcl_1006", "cb_102")}),
    ("cb_201", "cb_102", {}, {("cb_102", "rcl_1006"), ("cb_203", "cb_102"), ("cb_202", "cb_203")}),
    ("cb_201", "cb_102", RESTORED, {("cb_203", "cb_102"), ("cb_202", "cb_203")}),
    ("cb_202", "cb_102", {}, {("cb_102", "rcl_1006"), ("cb_203", "cb_102")}),
    ("cb_202", "cb_102", RESTORED, {("cb_203", "cb_102")}),
    ("cb_201", "cb_204", {}, {("cb_202", "cb_204")}),
    ("cb_301", "cb_204", {}, {("cb_204", "cb_202")}),
    ("cb_201", "cb_303", {}, {("cb_303", "cb_302"), ("cb_202", "cb_303")}),
    ("cb_202", "cb_303", {}, {("cb_303", "cb_302")}),
    ("cb_301", "cb_303", {}, {("cb_302", "cb_303")}),
]
"""Open, close, settings groups, pairs of which the second trips before the first has cleared."""

BREAKERS = ("cb_101", "rcl_1006", "cb_201", "cb_202", "cb_203", "cb_301", "cb_302", "rcl_3107")
TIES = ("cb_102", "cb_204", "cb_303")

Study = Callable[[str | None, str | None, Mapping[str, int]], co.Coordination]


@pytest.fixture(scope="module")
def study() -> Study:
    plan: Plan = read_plan("iowa240")
    network = with_upstream_reactance(plan.network, with_upstream_machine(plan.network, plan.plant))
    scheme = plan.scheme
    assert scheme is not None

    def run(opened: str | None, closed: str | None, groups: Mapping[str, int]) -> co.Coordination:
        return co.study(
            Case(network, plan.station),
            scheme,
            plan.plant,
            opened=[opened] if opened else [],
            closed=[closed] if closed else [],
            groups=groups,
        )

    return run


def least(found: co.Coordination) -> dict[tuple[str, str], float]:
    """Return the least margin of each pair of relays, and check that no fuse is overtaken."""
    assert [m for m in found.margins if not m.needed_s and m.verdict != "ok"] == []
    margins: dict[tuple[str, str], float] = {}
    for m in found.margins:
        if m.needed_s:
            pair = (m.downstream, m.upstream)
            margins[pair] = min(m.margin_s, margins.get(pair, m.margin_s))
    return margins


@pytest.mark.parametrize(("opened", "closed", "groups", "least_s", "pair"), GRADED)
def test_a_graded_state_has_the_margin_that_the_scheme_claims(
    study: Study,
    opened: str | None,
    closed: str | None,
    groups: dict[str, int],
    least_s: float,
    pair: tuple[str, str],
) -> None:
    found = study(opened, closed, groups)
    margins = least(found)
    assert min(margins, key=lambda p: margins[p]) == pair
    assert round(margins[pair], 3) == least_s  # claimed to the millisecond
    assert found.is_coordinated == (groups == {})


@pytest.mark.parametrize(("opened", "closed", "groups", "wrong"), NOT_GRADED)
def test_who_trips_too_early_in_a_state_that_is_not_graded(
    study: Study, opened: str, closed: str, groups: dict[str, int], wrong: set[tuple[str, str]]
) -> None:
    margins = least(study(opened, closed, groups))
    assert {pair for pair, s in margins.items() if s < 0.0} == wrong
    if (opened, closed) in {("cb_201", "cb_303"), ("cb_202", "cb_303")}:
        assert round(margins["cb_203", "cb_303"], 3) == 0.031
    short = {pair for pair, s in margins.items() if 0.0 <= s < co.MARGIN_S}
    assert short - {("cb_203", "cb_303"), ("cb_102", "rcl_1006"), ("rcl_1006", "cb_101")} == set()


@pytest.mark.parametrize("closed", TIES)
def test_no_state_over_one_tie_is_forgotten(study: Study, closed: str) -> None:
    named = {state[0] for state in (*GRADED, *NOT_GRADED) if state[1] == closed}
    for opened in set(BREAKERS) - named:
        with pytest.raises(UserInputError, match="is fed from both sides"):
            study(opened, closed, {})


def test_the_recloser_in_its_second_group_is_between_tie_and_head_at_every_current(study: Study) -> None:
    """Currents of the bolted faults, down to where the recloser picks up: faults with resistance."""
    found = study("cb_203", "cb_102", RESTORED)
    tie, recloser, head = (found.protected[n].device for n in ("cb_102", "rcl_1006", "cb_101"))
    for m in found.margins:
        for share in (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15):
            i = share * currents(m)
            if (m.downstream, m.upstream) == ("cb_102", "rcl_1006"):
                assert recloser.first(i).time_s - tie.cleared(i).time_s > 0.16, (m, share)
            if (m.downstream, m.upstream) == ("rcl_1006", "cb_101"):
                assert head.first(i).time_s - recloser.cleared(i).time_s > 0.16, (m, share)


def currents(m: co.Margin) -> co.Complex:
    """Return currents of a fault alone in the phases that it has, without load."""
    turn = np.exp(-2j * np.pi / 3.0 * np.arange(3))
    if m.kind == "3ph":
        return m.i_downstream_a * turn
    i = np.zeros(3, np.complex128)
    for sign, phase in zip((1.0, -1.0), m.phases, strict=False):
        i["abc".index(phase)] = sign * m.i_downstream_a
    return i
