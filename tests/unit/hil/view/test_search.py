"""Points are found by what somebody types, the best first."""

from __future__ import annotations

import pytest

from hil.view.model import PointInfo
from hil.view.search import PointIndex, Query


def point(tag: str, kind: str = "analog", unit: str = "kW", description: str = "", role: str = "operator"):
    device, _, name = tag.rpartition(".")
    return PointInfo(
        tag=tag, kind=kind, unit=unit, minimum=0.0, maximum=1.0, description=description, states=None,
        device=device, template="t", source="s.x", attr=name.lower(), role=role, is_health=False,
        publisher="core",
    )  # fmt: skip


INDEX = PointIndex(
    [
        point("SUB.T1.P", description="active power towards the feeders"),
        point("FDR_A.CB_101.IA", unit="A", description="current of phase a"),
        point("FDR_A.CB_101.TRIP", "control", "", "open the breaker"),
        point("FDR_A.R_CB_101_51P_G1.PICKUP_A", "setpoint", "A", "pickup", "engineer"),
        point("FDR_B.CB_201.IA", unit="A", description="current of phase a"),
        point("XCB.Y", description="what has CB within a word"),
    ]
)


def found(text: str) -> list[str]:
    return [p.tag for p in INDEX.find(Query.of(text))]


def test_nothing_typed_shows_every_point_in_the_stations_order() -> None:
    assert len(found("")) == len(INDEX) == 6
    assert found("")[0] == "SUB.T1.P"


def test_all_words_must_be_there_in_whatever_case_and_order() -> None:
    assert found("cb_101 Fdr_A ia") == ["FDR_A.CB_101.IA"]


def test_words_of_descriptions_units_and_kinds_count() -> None:
    assert found("towards") == ["SUB.T1.P"]
    assert set(found("kw")) == {"SUB.T1.P", "XCB.Y"}
    assert found("control") == ["FDR_A.CB_101.TRIP"]


def test_a_word_at_the_beginning_of_a_part_comes_before_one_within() -> None:
    assert found("cb")[-1] == "XCB.Y"
    assert found("sub")[0] == "SUB.T1.P"


def test_a_role_leaves_what_it_is_asked_for_of_points_that_take_commands() -> None:
    assert found("@engineer") == ["FDR_A.R_CB_101_51P_G1.PICKUP_A"]
    assert found("@oper") == ["FDR_A.CB_101.TRIP"]


def test_letters_in_their_order_are_enough_where_no_word_is_found() -> None:
    assert found("fa101i")[0] == "FDR_A.CB_101.IA"
    assert "FDR_B.CB_201.IA" not in found("fa101i")
    assert found("zzz") == []


@pytest.mark.parametrize(
    ("text", "qualities"),
    [
        ("=bad", ("bad",)),
        ("=-good", ("uncertain", "bad", "waiting")),
        ("=b =unc", ("uncertain", "bad")),
        ("=", ()),
        ("=nonsense", ()),
        ("=-", ()),
    ],
)
def test_qualities_are_told_by_their_beginning(text: str, qualities: tuple[str, ...]) -> None:
    assert Query.of(text).qualities == qualities


@pytest.mark.parametrize("text", ["@", "=", "[", "(", "\\", "* ?", "a" * 500, "=@ @= ~"])
def test_nothing_that_can_be_typed_is_an_error(text: str) -> None:
    assert isinstance(found(text), list)
