"""Quantities of plans in primary, secondary, multiples."""

import pytest

from hil.relaytest.bench import RelayFacts
from hil.relaytest.quantities import parse

RELAY = RelayFacts(ct_ratio=80.0, vt_ratio=120.0, v_nominal_v=7967.0, f_nominal_hz=60.0)


@pytest.mark.parametrize(
    ("text", "amperes"),
    [("600 A", 600.0), ("0.6 kA", 600.0), ("7.5 A sec", 600.0), ("2 x", 600.0), (" 2x ", 600.0)],
)
def test_same_current_in_every_notation(text: str, amperes: float) -> None:
    # 1e-9: the notations differ by a product, nothing else
    assert parse(text).current_a(RELAY, 300.0) == pytest.approx(amperes, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "volts"), [("7.967 kV", 7967.0), ("66.391667 V sec", 7967.0), ("1 pu", 7967.0)]
)
def test_same_voltage_in_every_notation(text: str, volts: float) -> None:
    # 1e-6: the secondary value is written with eight digits
    assert parse(text).voltage_v(RELAY) == pytest.approx(volts, rel=1e-6)


@pytest.mark.parametrize("text", ["600", "A", "2 x sec", "-5 A", "5 W", 600.0, "1e A", "nan A"])
def test_what_is_no_quantity_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r"write it like|negative"):
        parse(text)


def test_voltage_is_no_current_and_a_multiple_needs_a_pickup() -> None:
    with pytest.raises(ValueError, match="a current is needed"):
        parse("7 kV").current_a(RELAY, 300.0)
    with pytest.raises(ValueError, match="gives no pickup"):
        parse("2 x").current_a(RELAY, None)
    with pytest.raises(ValueError, match="no voltage"):
        parse("7 A").voltage_v(RELAY)
