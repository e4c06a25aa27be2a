"""Contact wear: both laws against reference values, and what an interruption adds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcore.component import REGISTRY, ParameterError, rows_of
from rtcore.plant.breaker import CLOSED, OPENING, Breaker, init, step
from rtcore.plant.breaker_wear import operations

SPEC = REGISTRY["breaker"]
VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "data" / "reference" / "protection_vectors.json").read_text()
)["breaker_wear"]
TWO, THREE = VECTORS["abb"], VECTORS["three_point"]
REL = 1e-9  # the reference has twelve figures


def two_point() -> Any:
    return rows_of(
        [
            Breaker(
                wear_law="two_point",  # type: ignore[arg-type]
                wear_1_a=TWO["i_rated_ka"] * 1e3,
                wear_1_ops=TWO["n_rated"],
                wear_3_a=TWO["i_fault_ka"] * 1e3,
                wear_3_ops=TWO["n_fault"],
            )
        ],
        SPEC,
    )


def three_point() -> Any:
    (a1, n1), (a2, n2), (a3, n3) = THREE["points_ka_ops"]
    return rows_of(
        [
            Breaker(
                wear_law="three_point",  # type: ignore[arg-type]
                wear_1_a=a1 * 1e3,
                wear_1_ops=n1,
                wear_2_a=a2 * 1e3,
                wear_2_ops=n2,
                wear_3_a=a3 * 1e3,
                wear_3_ops=n3,
            )
        ],
        SPEC,
    )


@pytest.mark.parametrize("row", TWO["rows"], ids=lambda r: f"{r['i_ka']} kA")
def test_the_two_point_law_gives_the_reference(row: dict[str, float]) -> None:
    n = operations(two_point(), 0, row["i_ka"] * 1e3)
    assert n == pytest.approx(row["ops_available"], rel=REL)
    assert TWO["n_rated"] / n == pytest.approx(row["ops_consumed"], rel=REL)


def test_the_two_point_law_has_the_slope_of_the_reference_and_flat_ends() -> None:
    p = two_point()
    slope = math.log(operations(p, 0, 8e3) / operations(p, 0, 2e3)) / math.log(4.0)
    assert slope == pytest.approx(TWO["slope"], rel=REL)
    assert operations(p, 0, 100.0) == TWO["n_rated"]  # one operation
    assert operations(p, 0, 40e3) == TWO["n_fault"]  # n_rated / n_fault operations


@pytest.mark.parametrize("row", THREE["rows"], ids=lambda r: f"{r['i_ka']} kA")
def test_the_three_point_law_gives_the_reference(row: dict[str, float]) -> None:
    n = operations(three_point(), 0, row["i_ka"] * 1e3)
    assert n == pytest.approx(row["ops"], rel=REL)
    assert 100.0 / n == pytest.approx(row["wear_pct"], rel=REL)


def test_the_defaults_are_the_three_points_of_the_reference() -> None:
    assert rows_of([Breaker()], SPEC)["wear_2_a"] == three_point()["wear_2_a"]
    assert operations(rows_of([Breaker()], SPEC), 0, 12e3) == operations(three_point(), 0, 12e3)


@given(low_a=st.floats(0.0, 1e5), high_a=st.floats(0.0, 1e5), law=st.sampled_from([two_point, three_point]))
def test_a_greater_current_never_wears_less(low_a: float, high_a: float, law: Any) -> None:
    low_a, high_a = sorted((low_a, high_a))
    p = law()
    # a part in 1e12: the powers of neighbouring currents round either way
    assert operations(p, 0, high_a) <= operations(p, 0, low_a) * (1.0 + 1e-12)


@pytest.mark.parametrize("i_a", [math.nan, math.inf, -1.0, 0.0])
def test_an_absurd_current_costs_what_a_point_costs(i_a: float) -> None:
    assert operations(three_point(), 0, i_a) in (10_000.0, 12.0)


def test_points_out_of_order_are_refused() -> None:
    with pytest.raises(ParameterError, match="wear_3_a = 20000: must not be below wear_2_a"):
        Breaker(wear_2_a=30e3)
    with pytest.raises(ParameterError, match="must not be below"):
        Breaker(wear_3_ops=200)


@pytest.mark.parametrize(
    ("law", "pct"), [("off", [0.0] * 3), ("three_point", [100 / 49.0569841496, 100 / 150, 0.01])]
)
def test_each_pole_wears_by_what_it_interrupted(law: str, pct: list[float]) -> None:
    p = rows_of([Breaker(scatter_s=0.0, has_arc="off", wear_law=law)], SPEC)  # type: ignore[arg-type]
    s, unit = np.zeros(1, SPEC.state_dtype), np.ones((3, 3))
    init(s, [True])
    i = np.array([[12e3, 8e3j, -800.0]], complex)
    s["trip"] = 1.0
    for n in range(60):
        step(
            p, s, np.array([[0, 1, 2]], np.int32), unit, np.ones(1), i, np.zeros(1), np.uint64(1),
            n * 1e-3, 377.0, 1e-3,
        )  # fmt: skip
        if s["state"][0] in (CLOSED, OPENING):
            assert s["wear_a_pct"][0] == 0.0
    assert [s[f"wear_{x}_pct"][0] for x in "abc"] == pytest.approx(pct, rel=REL)
