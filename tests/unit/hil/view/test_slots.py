"""Which commands put a fault or an attack on the plant."""

from __future__ import annotations

from hil.view.slots import AttackWish, FaultWish, Step, place_number
from tests.support.console_models import model_of, point

SLOT = "LAB.FAULT_2"


def test_a_fault_of_the_library_is_loaded_anew_then_changed() -> None:
    steps = FaultWish(entry=3, r_ohm=5.0, duration_s=0.2).steps(SLOT)
    assert steps == [
        Step(f"{SLOT}.ENTRY", 0.0), Step(f"{SLOT}.ENTRY", 3.0), Step(f"{SLOT}.R_OHM", 5.0),
        Step(f"{SLOT}.DURATION_S", 0.2), Step(f"{SLOT}.LIFE", 2.0),
    ]  # fmt: skip


def test_a_fault_by_place_needs_place_and_type_and_has_nothing_of_the_library() -> None:
    assert FaultWish(entry=0, place=4).problem()
    wish = FaultWish(entry=0, place=4, type=1)
    assert not wish.problem()
    steps = {s.tag: s.value for s in wish.steps(SLOT)}
    assert steps[f"{SLOT}.ENTRY"] == 0.0
    assert (steps[f"{SLOT}.PLACE"], steps[f"{SLOT}.TYPE"]) == (4.0, 1.0)
    assert steps[f"{SLOT}.R_OHM"] == steps[f"{SLOT}.LIFE"] == steps[f"{SLOT}.PHASES"] == 0.0


def test_an_attack_names_a_measurement_by_its_number_from_one() -> None:
    model = model_of(point("F.CB.TRIP", "breaker", kind="control"), point("F.HEAD.IA", "feeder_head"))
    wish = AttackWish("F.HEAD.IA", mode=1, a=10.0, b=0.0, duration_s=30.0)
    assert not wish.problem(model)
    assert wish.steps(model, "LAB.ATK_1")[0] == Step("LAB.ATK_1.TARGET", 2.0)
    assert "no point" in AttackWish("F.NO", 1, 0.0, 0.0, 0.0).problem(model)
    assert "no measurement" in AttackWish("F.CB.TRIP", 1, 0.0, 0.0, 0.0).problem(model)
    assert "mode" in AttackWish("F.HEAD.IA", 0, 0.0, 0.0, 0.0).problem(model)


def test_a_place_is_named_or_numbered() -> None:
    model = model_of(places=("none", "bus.bus1", "line.l_1_2"))
    assert place_number(model, "l_1_2") == place_number(model, "LINE.L_1_2") == place_number(model, "2") == 2
    assert place_number(model, "bus1") == 1
    assert place_number(model, "") is None
    assert place_number(model, "bus9") == -1
