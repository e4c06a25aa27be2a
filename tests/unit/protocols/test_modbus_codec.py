"""Values become registers and come back, in every format and order."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.modbus_codec import FORMATS, ORDERS, arrange, decode, encode

INTEGERS = [f for f in FORMATS.values() if f.is_integer]
ORDER = st.sampled_from(ORDERS)


@given(fmt=st.sampled_from(INTEGERS), order=ORDER, data=st.data())
def test_integer_round_trips(fmt, order, data):
    # Integers up to 2**53 are exact in the float64 of a point; larger ones are not asked for.
    value = data.draw(st.integers(max(fmt.low, -(2**53)), min(fmt.high, 2**53)))
    raw, overflowed = encode(float(value), fmt, order)
    assert len(raw) == 2 * fmt.registers
    assert not overflowed
    assert decode(raw, fmt, order) == value


@given(value=st.floats(allow_nan=False, allow_infinity=False), order=ORDER)
def test_float64_round_trips(value, order):
    assert decode(encode(value, FORMATS["float64"], order)[0], FORMATS["float64"], order) == value


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False), order=ORDER)
def test_float32_round_trips_to_the_same_registers(value, order):
    raw, _ = encode(value, FORMATS["float32"], order)
    read = decode(raw, FORMATS["float32"], order)
    assert encode(read, FORMATS["float32"], order) == (raw, False)
    assert read == pytest.approx(value, rel=2**-24, abs=2**-150)  # half a unit in the last place


@given(raw=st.binary(min_size=4, max_size=4), order=ORDER)
def test_any_four_bytes_can_be_decoded(raw, order):
    for name in ("float32", "int32", "uint32"):
        assert isinstance(decode(raw, FORMATS[name], order), float)


@given(
    value=st.floats(allow_nan=True, allow_infinity=True),
    fmt=st.sampled_from([f for f in FORMATS.values() if f.registers]),
    order=ORDER,
    scale=st.sampled_from([1.0, 0.1, -0.001, 1000.0, 1e-300]),
)
def test_encoding_never_raises_and_flags_what_does_not_fit(value, fmt, order, scale):
    raw, overflowed = encode(value, fmt, order, scale)
    assert len(raw) == 2 * fmt.registers
    if fmt.is_integer and not math.isfinite(value):
        assert overflowed


@pytest.mark.parametrize(
    ("order", "registers"),
    [("ABCD", "47F12000"), ("CDAB", "200047F1"), ("BADC", "F1470020"), ("DCBA", "0020F147")],
)
def test_word_orders_of_the_self_test_float(order, registers):
    assert encode(123456.0, FORMATS["float32"], order)[0].hex().upper() == registers


def test_64_bit_values_follow_the_same_two_swaps():
    raw = struct.pack(">Q", 0x0102030405060708)
    assert arrange(raw, "CDAB").hex() == "0708050603040102"
    assert arrange(raw, "BADC").hex() == "0201040306050807"
    assert arrange(raw, "DCBA").hex() == "0807060504030201"


@pytest.mark.parametrize("order", ORDERS)
def test_single_register_is_big_endian_in_every_order(order):
    assert encode(0x0102, FORMATS["uint16"], order)[0] == b"\x01\x02"


@pytest.mark.parametrize(
    ("fmt", "value", "registers"),
    [
        ("int16", 1e9, "7fff"),
        ("int16", -1e9, "8000"),
        ("int16", math.nan, "8000"),
        ("uint16", math.nan, "ffff"),
        ("uint16", -1.0, "0000"),
        ("uint32", 1e12, "ffffffff"),
        ("uint64", 1e30, "ffffffffffffffff"),
        ("float32", 1e300, "7f7fffff"),
        ("float32", -math.inf, "ff7fffff"),
    ],
)
def test_value_that_does_not_fit_clamps_to_the_limit(fmt, value, registers):
    raw, overflowed = encode(value, FORMATS[fmt])
    assert (raw.hex(), overflowed) == (registers, True)


@pytest.mark.parametrize(("raw", "scale", "value"), [(3, 0.1, 0.3), (11, 0.1, 1.1), (7, 0.001, 0.007)])
def test_decimal_scale_gives_the_decimal_value(raw, scale, value):
    assert decode(struct.pack(">h", raw), FORMATS["int16"], "ABCD", scale) == value


def test_float32_is_read_as_the_decimal_that_was_written():
    assert decode(struct.pack(">f", 1.1), FORMATS["float32"]) == 1.1
