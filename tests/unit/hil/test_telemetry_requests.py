"""Telemetered points become few Modbus requests; quality words of devices are put down to their points."""

from __future__ import annotations

import struct

import pytest

from hil.telemetry_requests import BIT_GAP, REGISTER_GAP, plan_requests, quality_of
from protocols import modbus_image as mi
from protocols import modbus_map
from protocols.modbus_pdu import READ_REGISTERS_MAX
from rtcore.points import Kind
from rtcore.quality import Quality
from tests.support.modbus_rig import point

UNITS = [{"unit": 1}, {"unit": 2, "order": "CDAB"}]
NAMES = ("A", "B", "C")
POINTS = [
    *(
        point(f"M1.X.{n}", f"1:ir:{106 + 2 * k}:float32", minimum=0.0, maximum=50.0)
        for k, n in enumerate(NAMES)
    ),
    *(point(f"M2.X.{n}", f"1:ir:{126 + 2 * k}:float32") for k, n in enumerate(NAMES)),
    point("FAR.X.A", "1:ir:1000:float32"),
    point("SWAP.X.A", "2:ir:106:float32"),
    point("TENTH.X.A", "2:ir:108:int16*0.1"),
    point("CB1.X.POS", "1:di:0:bit", Kind.STATUS, 0, 1, ("open", "closed")),
    point("CB2.X.POS", "1:di:9:bit", Kind.STATUS, 0, 1, ("open", "closed")),
    point("CB3.X.POS", f"1:di:{11 + BIT_GAP}:bit", Kind.STATUS, 0, 1, ("open", "closed")),
]
INDEX = {p.tag: k for k, p in enumerate(POINTS)}
STAMPS = [
    {"unit": 1, "address": 0, "device": ""},
    {"unit": 1, "address": 100, "device": "M1.X"},
    {"unit": 1, "address": 120, "device": "M2.X"},
    {"unit": 2, "address": 0, "device": ""},
]
MAP = modbus_map.build(POINTS, STAMPS, {"units": UNITS})


def shape(*tags: str) -> list[tuple[int, str, int, int]]:
    return [(r.unit, r.table, r.address, r.count) for r in plan_requests(MAP, [INDEX[t] for t in tags])]


def test_a_device_is_read_from_its_quality_word_to_its_last_point() -> None:
    assert shape("M1.X.A", "M1.X.C") == [(1, "ir", 105, 7)]


def test_neighbours_share_a_request_and_what_lies_far_off_has_its_own() -> None:
    assert REGISTER_GAP >= 125 - 112
    assert shape("M1.X.A", "M1.X.C", "M2.X.B", "FAR.X.A") == [(1, "ir", 105, 25), (1, "ir", 1000, 2)]


def test_only_what_is_wanted_is_read() -> None:
    assert shape("CB1.X.POS") == [(1, "di", 0, 1)]
    assert shape() == []


def test_bits_are_read_together_across_small_gaps_only() -> None:
    found = shape("CB1.X.POS", "CB2.X.POS", "CB3.X.POS")
    assert found == [(1, "di", 0, 10), (1, "di", 11 + BIT_GAP, 1)]


def test_no_request_is_longer_than_the_protocol_allows() -> None:
    points = [point(f"L{k}.X.A", f"1:ir:{200 + 2 * k}:float32") for k in range(300)]
    requests = plan_requests(modbus_map.build(points, [], {"units": [{"unit": 1}]}), range(300))
    assert max(r.count for r in requests) <= READ_REGISTERS_MAX
    assert sum(len(r.entries) for r in requests) == 300
    assert len(requests) == -(-600 // (READ_REGISTERS_MAX - 1))  # an even number of registers: float32


def test_registers_become_values_in_the_order_and_scale_of_their_points() -> None:
    (request,) = plan_requests(MAP, [INDEX["SWAP.X.A"], INDEX["TENTH.X.A"]])
    raw = struct.pack(">f", 12.5)
    got = list(request.registers(raw[2:] + raw[:2] + struct.pack(">h", -123)))
    assert got == [
        (INDEX["SWAP.X.A"], 12.5, 0),
        (INDEX["TENTH.X.A"], pytest.approx(-12.3, rel=1e-15), 0),  # one product of float64
    ]


def test_bits_become_zero_and_one() -> None:
    (request,) = plan_requests(MAP, [INDEX["CB1.X.POS"], INDEX["CB2.X.POS"]])
    got = list(request.bits([True] + 9 * [False]))
    assert got == [(INDEX["CB1.X.POS"], 1.0, 0), (INDEX["CB2.X.POS"], 0.0, 0)]


def test_each_point_has_the_quality_of_its_own_device() -> None:
    (request,) = plan_requests(MAP, [INDEX["M1.X.A"], INDEX["M2.X.A"]])
    registers = [0] * request.count
    registers[125 - request.address] = mi.INVALID | mi.COMMS_LOST
    raw = struct.pack(f">{request.count}H", *registers)
    quality = {index: q for index, _, q in request.registers(raw)}
    assert quality == {INDEX["M1.X.A"]: 0, INDEX["M2.X.A"]: int(Quality.BAD_NO_COMMUNICATION)}


@pytest.mark.parametrize(
    ("word", "value", "quality"),
    [
        (0, 5.0, Quality.GOOD),
        (mi.INVALID, 5.0, Quality.BAD),
        (mi.INVALID | mi.BLOCKED, 5.0, Quality.BAD_OUT_OF_SERVICE),
        (mi.INVALID | mi.STALE, 5.0, Quality.BAD_WAITING),
        (mi.INVALID | mi.DE_ENERGISED, 0.0, Quality.BAD_DEENERGISED),
        (mi.INVALID | mi.DE_ENERGISED, 5.0, Quality.GOOD),  # another point of the device lies dead
        (mi.OUT_OF_RANGE, 50.0, Quality.UNCERTAIN_RANGE),
        (mi.OUT_OF_RANGE, 5.0, Quality.GOOD),  # another point of the device is out of its range
        (mi.STALE, 5.0, Quality.UNCERTAIN_LAST_USABLE),
        (mi.SUBSTITUTED, 5.0, Quality.UNCERTAIN_SUBSTITUTE),
        (0, float("nan"), Quality.BAD),
    ],
)
def test_a_quality_word_counts_for_the_points_that_it_fits(word: int, value: float, quality: Quality) -> None:
    assert quality_of(word, value, POINTS[0]) == int(quality)


def test_every_quality_that_the_server_tells_in_a_word_comes_back_as_no_better_one() -> None:
    for code in Quality:
        value = 0.0 if code is Quality.BAD_DEENERGISED else 50.0
        back = quality_of(int(mi.QUALITY_BITS[code]), value, POINTS[0])
        assert back // 64 >= code // 64, code  # Good, Uncertain, Bad are 64 apart
