"""What is derived from one component's declaration: registry, dtypes, limits and their texts."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

import rtcore.assemble  # noqa: F401 -- importing it declares every kind
from rtcore.component import REGISTRY, Attr, ParameterError, component, param, rows_of
from rtcore.errors import GridhilError
from rtcore.plant.breaker import Breaker
from rtcore.plant.load import Load
from rtcore.plant.regulator import Regulator

KINDS = {
    *("source", "load", "loads", "bus", "terminal", "breaker", "regulator", "capacitor", "loop", "scratch"),
}


def test_every_kind_of_the_plant_is_registered_under_its_name() -> None:
    assert REGISTRY.keys() >= KINDS
    assert all(REGISTRY[kind].kind == kind for kind in REGISTRY)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_attribute_has_a_name_of_its_own_and_a_meaning(kind: str) -> None:
    spec = REGISTRY[kind]
    names = [a.name for a in spec.attrs]
    assert len(set(names)) == len(names)
    assert all(a.doc for a in spec.attrs)
    assert spec.doc
    assert {a.writable for a in spec.attrs} <= {"", "setpoint", "pulse"}
    assert {a.guard for a in spec.attrs} - {""} <= set(names)
    suffixes = {
        "V": "_v",
        "A": "_a",
        "W": "_w",
        "var": "_var",
        "s": "_s",
        "Hz": "_hz",
        "us": "_us",
        "ms": "_ms",
    }
    for a in spec.attrs:
        assert a.name.removesuffix("_sp").endswith(suffixes.get(a.unit, "")), (a.name, a.unit)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_state_rows_are_float64_words_without_gaps(kind: str) -> None:
    spec = REGISTRY[kind]
    assert spec.state_dtype.itemsize == 8 * len(spec.attrs)
    for i, a in enumerate(spec.attrs):
        assert spec.column(a.name) == i
        assert spec.state_dtype.fields is not None
        assert spec.state_dtype.fields[a.name] == (np.dtype("f8"), 8 * i)
        assert spec.attr(a.name) is a


def test_parameter_rows_hold_every_parameter() -> None:
    spec = REGISTRY["load"]
    table = rows_of([Load(ripple_pu=0.1), Load(ripple_tau_s=5.0)], spec)
    assert table.dtype == spec.param_dtype
    assert list(table["ripple_pu"]) == [0.1, 0.02]
    assert list(table["ripple_tau_s"]) == [60.0, 5.0]


def test_defaults_are_inside_their_own_limits() -> None:
    for spec in REGISTRY.values():
        needed = {f.name: 1.0 for f in dc.fields(spec.params) if f.default is dc.MISSING}
        spec.params(**needed)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Breaker(open_time_s=0.0),
            "breaker.open_time_s = 0.0 s: must be > 0 s (trip command to contacts parted)",
        ),
        (
            lambda: Load(ripple_pu=0.31),
            "load.ripple_pu = 0.31 pu: must be <= 0.3 pu (standard deviation of the ripple)",
        ),
        (
            lambda: Load(ripple_pu=-0.01),
            "load.ripple_pu = -0.01 pu: must be >= 0 pu (standard deviation of the ripple)",
        ),
        (
            lambda: Regulator(step_pu=float("nan")),
            "regulator.step_pu = nan pu: must be > 0 pu (ratio change of one tap)",
        ),
    ],
)
def test_a_value_outside_its_limits_is_refused_with_value_unit_limit_and_meaning(make, text) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ParameterError) as caught:
        make()
    assert str(caught.value) == text
    assert isinstance(caught.value, GridhilError)
    assert isinstance(caught.value, ValueError)


def test_all_four_kinds_of_limit_hold_at_their_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcore.component.REGISTRY", {})

    @component("thing", attrs=(Attr("y_v", "V", "output"),))
    class Thing:
        """Something."""

        a: float = param(default=1.0, unit="", doc="a", gt=0, lt=2)
        b: float = param(default=0.0, unit="V", doc="b", ge=0, le=2)

    Thing(a=1.9, b=2.0)
    Thing(b=0.0)
    for bad, sign in (({"a": 0}, "> 0"), ({"a": 2}, "< 2"), ({"b": -1}, ">= 0 V"), ({"b": 3}, "<= 2 V")):
        with pytest.raises(ParameterError, match=f"must be {sign}"):
            Thing(**bad)


def test_parameters_are_frozen_and_given_by_name() -> None:
    breaker = Breaker()
    with pytest.raises(dc.FrozenInstanceError):
        breaker.open_time_s = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        Breaker(0.05)  # type: ignore[misc]
