"""What is derived from one component's declaration: registry, dtypes, limits and their texts."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

import rtcore.component
from hil.plant_settings import declare_all
from rtcore.component import REGISTRY, Attr, ParameterError, Spec, check_params, component, param, rows_of
from rtcore.errors import GridhilError
from rtcore.plant.breaker import Breaker
from rtcore.plant.load import Load
from rtcore.plant.regulator import Regulator

declare_all()
KINDS = {
    *("source", "load", "loads", "bus", "terminal", "breaker", "regulator", "capacitor", "loop", "scratch"),
    *("generator", "governor", "exciter", "thermal", "tap_changer", "pv", "battery", "weather", "hvac"),
    *("microgrid", "load_shedding", "dispatch", "sync_check", "frequency", "harmonic_bus"),
}


def test_every_kind_of_the_plant_is_registered_under_its_name() -> None:
    assert REGISTRY.keys() >= KINDS
    assert all(REGISTRY[kind].kind == kind for kind in REGISTRY)


@pytest.mark.parametrize("kind", sorted(REGISTRY))
def test_every_attribute_has_a_name_of_its_own_and_a_meaning(kind: str) -> None:
    spec = REGISTRY[kind]
    names = [a.name for a in spec.attrs]
    assert len(set(names)) == len(names)
    assert all(a.doc for a in spec.attrs)
    assert spec.doc
    assert {a.writable for a in spec.attrs} <= {"", "setpoint", "pulse"}
    assert {a.guard for a in spec.attrs} <= {"", *names}
    for attr in spec.attrs:
        assert {name for name, _ in attr.interlocks} | {attr.stamp} - {""} <= set(names)
    suffixes = {
        "V": "_v",
        "A": "_a",
        "W": "_w",
        "var": "_var",
        "s": "_s",
        "Hz": "_hz",
        "us": "_us",
        "ms": "_ms",
        "VA": "_va",
        "Wh": "_wh",
        "Hz/s": "_hz_s",
        "W/m2": "_w_m2",
        "m/s": "_m_s",
        "m": "_m",
        "h": "_h",
        "%": "_pct",
        "deg": "_deg",
        "rad": "_rad",
        "degC": "_degc",
        "K": "_k",
    }
    for a in spec.attrs:
        assert a.name.removesuffix("_sp").endswith(suffixes.get(a.unit, "")), (a.name, a.unit)


@pytest.mark.parametrize("kind", sorted(REGISTRY))
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
        needed = {f.name: 4.0 for f in dc.fields(spec.params) if f.default is dc.MISSING}
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


def test_every_parameter_out_of_its_limits_is_named_at_once() -> None:
    with pytest.raises(ParameterError) as caught:
        Load(ripple_pu=0.31, ripple_tau_s=0.0)
    assert caught.value.problems == [
        ("ripple_pu", "ripple_pu = 0.31 pu: must be <= 0.3 pu (standard deviation of the ripple)"),
        ("ripple_tau_s", "ripple_tau_s = 0.0 s: must be > 0 s (correlation time of the ripple)"),
    ]
    assert str(caught.value).splitlines() == [f"load.{message}" for _, message in caught.value.problems]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Spec:
    monkeypatch.setattr("rtcore.component.REGISTRY", {})

    @component("machine", attrs=())
    class Machine:
        """A machine."""

        h_s: float = param(unit="s", doc="inertia constant", gt=0)
        offset_v: float = param(default=0.0, unit="V", doc="offset")
        model: float = param(default="none", unit="", doc="governor", choices={"none": 0, "tgov1": 1})

    return rtcore.component.REGISTRY["machine"]


def test_values_are_checked_without_an_object_and_need_not_be_all(machine: Spec) -> None:
    assert check_params(machine, {}) == []
    assert machine.required == ("h_s",)
    found = check_params(
        machine, {"h_s": -1, "hs": 1, "offset_v": float("nan"), "model": "tgov2"} | {"x": None}
    )
    assert found == [
        ("h_s", "h_s = -1 s: must be > 0 s (inertia constant)"),
        ("hs", "unknown parameter 'hs'; allowed: h_s, offset_v, model; did you mean 'h_s'?"),
        ("offset_v", "offset_v = nan V: must be a number (offset)"),
        ("model", "model = 'tgov2': must be one of none, tgov1; did you mean 'tgov1'? (governor)"),
        ("x", "unknown parameter 'x'; allowed: h_s, offset_v, model"),
    ]


@pytest.mark.parametrize("value", ["5", None, [1.0], 1j])
def test_what_is_no_number_is_refused_as_such(machine: Spec, value: object) -> None:
    ((name, what),) = check_params(machine, {"h_s": value})
    assert name == "h_s" and what.endswith("must be a number (inertia constant)")


def test_a_word_of_a_closed_set_becomes_its_number_in_object_and_row(machine: Spec) -> None:
    made = [machine.params(h_s=1.0), machine.params(h_s=1.0, model="tgov1"), machine.params(h_s=1, model=1.0)]
    assert [m.model for m in made] == [0, 1, 1.0]
    assert list(rows_of(made, machine)["model"]) == [0.0, 1.0, 1.0]
    assert dc.replace(made[1], h_s=2.0).model == 1


@pytest.mark.parametrize("bad", ["tgov", 2, 0.5, None, [], float("nan")])
def test_what_is_not_of_a_closed_set_is_refused_with_the_words_allowed(machine: Spec, bad: object) -> None:
    with pytest.raises(ParameterError, match="must be one of none, tgov1"):
        machine.params(h_s=1.0, model=bad)


def test_a_limit_that_nobody_knows_is_refused_where_it_is_declared() -> None:
    with pytest.raises(TypeError, match="unknown limits"):
        param(unit="", doc="", min=0)


def test_parameters_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(
        ParameterError, match="top_oil_trip_degc = 90: must not be below top_oil_alarm_degc = 105"
    ):
        REGISTRY["thermal"].params(rated_va=1e6, top_oil_trip_degc=90.0)
