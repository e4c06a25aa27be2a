"""The wiring table at work without a device: what is written, what outputs ask for, what tokens tell."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest

from protocols.duration_histogram import BINS, DurationHistogram, bin_of, upper_edge_ns
from protocols.modbus_blocks import read_blocks, write_blocks
from protocols.token_watch import REMEMBERED, TokenWatch
from protocols.wiring import FromDevice, Heartbeat, ModbusPlace, OpcuaPlace, ToDevice, Token, Wiring
from protocols.wiring_image import ReadPlan, WiringImage
from protocols.wiring_outputs import Outputs, Wish
from rtcore import histogram
from rtcore.board import Snapshot
from rtcore.quality import Quality
from tests.support.device_rig import INDEX, POINTS

MS = 1_000_000


def hr(
    address: int, form: str = "uint16", order: str = "ABCD", table: str = "hr", unit: int = 1
) -> ModbusPlace:
    return ModbusPlace(unit, table, address, form, order)


def table(
    *rows: ToDevice | FromDevice, token: Token | None = None, heartbeat: Heartbeat | None = None
) -> Wiring:
    return Wiring(
        name="t",
        role="client",
        protocol="modbus",
        cycle_ms=5.0,
        timeout_ms=100.0,
        watchdog_s=1.0,
        to_device=tuple(r for r in rows if isinstance(r, ToDevice)),
        from_device=tuple(r for r in rows if isinstance(r, FromDevice)),
        token=token,
        heartbeat=heartbeat or Heartbeat(),
        failsafe=(("CB.X.TRIP", 1.0),),
    )


def snapshot(quality: Quality = Quality.GOOD, **values: float) -> Snapshot:
    """An image in which the points named CB_X_.. have these values, and IA this quality."""
    image = np.zeros(len(POINTS))
    codes = np.zeros(len(POINTS), np.uint8)
    for name, value in values.items():
        image[INDEX["CB.X." + name if name != "TOKEN_OUT" else "TST.TOKEN_OUT"]] = value
    codes[INDEX["CB.X.IA"]] = quality
    return Snapshot(0, 0, 0, 0, 0, 0, 0, image, codes)


def test_a_table_survives_json() -> None:
    wiring = table(
        ToDevice(point="CB.X.IA", place=hr(2, "float32", "CDAB"), scale=0.5, quality=hr(4)),
        FromDevice(point="CB.X.TRIP", place=OpcuaPlace("ns=2;s=T", "Boolean"), edge="falling"),
        token=Token(sent=hr(1), echo=hr(101), point_in="TST.TOKEN_IN"),
        heartbeat=Heartbeat(received=hr(9)),
    )
    assert Wiring.from_dict(json.loads(json.dumps(wiring.to_dict()))) == wiring
    assert wiring.commanded() == ["CB.X.TRIP", "CB.X.TRIP", "TST.TOKEN_IN"]


# ---------------------------------------------------------------- what the device gets


def test_values_come_in_the_order_of_their_places() -> None:
    wiring = table(
        ToDevice(point="CB.X.IA", place=hr(2), scale=0.1, offset=5.0, quality=hr(3)),
        ToDevice(point="CB.X.ST_52A", place=hr(8, "bool", table="co")),
        token=Token(sent=hr(1), echo=hr(101), point_out="TST.TOKEN_OUT"),
        heartbeat=Heartbeat(sent=hr(0)),
    )
    image = WiringImage(wiring, POINTS)
    assert [p.address for p in image.places if isinstance(p, ModbusPlace)] == [1, 0, 2, 3, 8]
    found = image.values(snapshot(IA=12.5, ST_52A=1.0, TOKEN_OUT=65537.0))
    # raw = (12.5 - 5) / 0.1 in floating point; the token has 16 bits
    assert found == [1.0, 1.0, pytest.approx(75.0, rel=1e-12), 0.0, 1.0]


@pytest.mark.parametrize(
    ("on_bad", "shown"),
    [("last", 7.0), ("invalid", math.nan), ("stop", None)],
    ids=["last", "invalid", "stop"],
)
@pytest.mark.parametrize("quality", [Quality.UNCERTAIN_SENSOR, Quality.BAD])
def test_a_point_that_is_not_good_shows_what_its_row_says(
    on_bad: str, shown: float | None, quality: Quality
) -> None:
    image = WiringImage(table(ToDevice(point="CB.X.IA", place=hr(2), on_bad=on_bad, quality=hr(3))), POINTS)
    image.values(snapshot(IA=7.0))
    value, code = image.values(snapshot(quality, IA=9.0))
    assert value == shown or (value is not None and math.isnan(value) and on_bad == "invalid")
    assert code == quality


def test_there_is_no_last_good_value_before_the_first() -> None:
    image = WiringImage(table(ToDevice(point="CB.X.IA", place=hr(2))), POINTS)
    assert image.values(snapshot(Quality.BAD, IA=9.0)) == [None]


def test_without_a_plant_token_and_heartbeat_are_left_as_they_are() -> None:
    wiring = table(
        ToDevice(point="CB.X.IA", place=hr(2), quality=hr(3)),
        token=Token(sent=hr(1), echo=hr(101)),
        heartbeat=Heartbeat(sent=hr(0)),
    )
    image = WiringImage(wiring, POINTS)
    assert image.values(snapshot(IA=7.0)) == [1.0, 1.0, 7.0, 0.0]
    assert image.values(None) == [None, None, 7.0, Quality.BAD_NO_COMMUNICATION]
    assert image.values(snapshot(IA=8.0)) == [2.0, 2.0, 8.0, 0.0]


def test_readings_are_told_apart_whatever_is_configured() -> None:
    rows = FromDevice(point="CB.X.TRIP", place=hr(0, "bool", table="co"))
    both = ReadPlan(table(rows, token=Token(sent=hr(1), echo=hr(2)), heartbeat=Heartbeat(received=hr(3))))
    found = both.sort([5.0, 6.0, 1.0])
    assert (found.echo, found.heartbeat, found.rows) == (5.0, 6.0, [1.0])
    assert ReadPlan(table(rows)).sort([1.0]).rows == [1.0]


# ---------------------------------------------------------------- requests


def test_contiguous_places_are_one_request_and_a_value_is_never_cut() -> None:
    places = [hr(4, "float32"), hr(0), hr(1), hr(2, "int32"), hr(7), hr(7, unit=2), hr(7, "bool", table="co")]
    assert [str(b) for b in write_blocks(places, [0.0] * 7)] == ["1:co:7", "1:hr:0+6", "1:hr:7", "2:hr:7"]
    many = [hr(2 * k, "float32") for k in range(100)]
    assert [b.count for b in write_blocks(many, [0.0] * 100)] == [122, 78]  # 123 registers at most: 61 values
    assert [b.count for b in read_blocks(many)] == [124, 76]  # 125 at most


def test_a_place_without_a_value_is_left_out_of_the_write() -> None:
    places = [hr(0), hr(1), hr(2)]
    assert [str(b) for b in write_blocks(places, [1.0, None, 3.0])] == ["1:hr:0", "1:hr:2"]
    assert write_blocks(places, [None, None, None]) == []


def test_places_that_are_read_may_share_registers() -> None:
    places = [hr(0, "float32"), hr(0), hr(1), hr(2)]
    (block,) = read_blocks(places)
    values: list[float | None] = [None] * 4
    block.take_registers(struct.pack(">fH", 1.5, 9), values)
    assert values == [1.5, 0x3FC0, 0, 9]


@pytest.mark.parametrize(
    ("order", "wire"),
    [("ABCD", "01020304"), ("CDAB", "03040102"), ("BADC", "02010403"), ("DCBA", "04030201")],
)
def test_byte_orders_are_those_of_the_letters(order: str, wire: str) -> None:
    places = [hr(0, "uint32", order)]
    (block,) = write_blocks(places, [0.0])
    raw, n_clamped = block.registers([float(0x01020304)])
    assert (raw.hex(), n_clamped) == (wire, 0)
    values: list[float | None] = [None]
    block.take_registers(raw, values)
    assert values == [0x01020304]


@pytest.mark.parametrize(
    ("form", "value", "wire", "n_clamped"),
    [
        ("int16", -2.0, "fffe", 0),
        ("int16", 40_000.0, "7fff", 1),
        ("int16", math.nan, "8000", 1),
        ("uint16", -1.0, "0000", 1),
        ("uint16", math.nan, "ffff", 1),
        ("bool", 3.0, "0001", 0),
        ("float64", 1.0, "3ff0000000000000", 0),
    ],
)
def test_what_does_not_fit_is_clamped_and_counted(form: str, value: float, wire: str, n_clamped: int) -> None:
    (block,) = write_blocks([hr(0, form)], [value])
    raw, found = block.registers([value])
    assert (raw.hex(), found) == (wire, n_clamped)


# ---------------------------------------------------------------- what outputs ask for


def outputs(**row: object) -> Outputs:
    point = str(row.pop("point", "CB.X.TRIP"))
    return Outputs(table(FromDevice(point=point, place=hr(0), **row)), POINTS)  # type: ignore[arg-type]


def asked(found: Outputs, *states: float | None) -> list[int]:
    """Return how many wishes each state led to."""
    return [len(found.wishes([s])) for s in states]


def test_a_rising_edge_asks_once_and_what_is_seen_first_asks_for_nothing() -> None:
    assert asked(outputs(), 1, 1, 0, 1, 1, 0, 0, 1) == [0, 0, 0, 1, 0, 0, 0, 1]


def test_a_falling_edge_is_that_of_a_normally_closed_contact() -> None:
    assert asked(outputs(edge="falling"), 0, 1, 0, 0, 1) == [0, 0, 1, 0, 0]


def test_a_cycle_without_an_answer_neither_makes_an_edge_nor_hides_one() -> None:
    assert asked(outputs(), 0, None, 0, None, 1, None, 1) == [0, 0, 0, 0, 1, 0, 0]


def test_an_edge_while_only_watched_asks_for_nothing_later() -> None:
    found = outputs()
    assert asked(found, 0) == [0]
    found.watch([1.0])
    assert asked(found, 1, 0, 1) == [0, 0, 1]


def test_a_level_asks_for_each_new_value_in_the_steps_of_its_setpoint() -> None:
    found = outputs(point="CB.X.SP", edge="level", scale=0.1, offset=1.0)
    index = INDEX["CB.X.SP"]
    assert found.wishes([10.0]) == [Wish(0, index, 2.0, True)]
    assert found.wishes([10.2]) == []  # 2.02 is 2.0 in steps of 0.1
    assert found.wishes([33.0]) == [Wish(0, index, 4.3, True)]
    found.watch([33.0])
    assert found.wishes([33.0]) == [Wish(0, index, 4.3, True)]


def test_what_is_no_number_asks_for_nothing_and_is_counted() -> None:
    found = outputs(point="CB.X.SP", edge="level")
    assert asked(found, math.nan, math.inf, 1.0) == [0, 0, 1]
    assert found.n_invalid == 2


# ---------------------------------------------------------------- tokens and times


def test_the_time_of_a_token_runs_from_its_first_sending_to_its_first_echo() -> None:
    watch = TokenWatch()
    assert watch.echoed(0.0, 0) is None  # stood there before anything was sent
    watch.sent(7, 1 * MS)
    watch.sent(7, 2 * MS)
    watch.sent(8, 3 * MS)
    assert watch.echoed(7.0, 6 * MS) == 5 * MS
    assert watch.echoed(7.0, 7 * MS) is None
    assert watch.echoed(8.0, 9 * MS) == 6 * MS
    assert (watch.echo, watch.n_strange) == (8, 0)


def test_an_echo_that_nobody_sent_is_counted_and_has_no_time() -> None:
    watch = TokenWatch()
    watch.sent(1, 0)
    watch.echoed(1.0, 1)
    assert [watch.echoed(x, 2) for x in (999.0, -1.0, math.nan, 70000.0)] == [None] * 4
    assert watch.n_strange == 4


def test_a_token_that_stands_does_not_move_even_if_it_is_seen_for_the_first_time() -> None:
    watch = TokenWatch()
    watch.sent(5, 0)
    watch.echoed(3.0, 10)
    watch.echoed(3.0, 20)
    assert watch.moved_ns == 0
    watch.echoed(5.0, 30)
    watch.echoed(5.0, 40)  # the newest there is: the emulator stands, not the device
    assert watch.moved_ns == 40


def test_tokens_under_way_are_kept_in_bounded_number_across_the_wrap() -> None:
    watch = TokenWatch()
    for k in range(70_000):
        watch.sent(k % 65_536, k)
    assert len(watch._sent) == REMEMBERED
    assert watch.echoed(float(69_999 % 65_536), 70_001) == 2


def test_bins_are_those_of_the_loops_histogram() -> None:
    rng = np.random.default_rng(1)
    durations = [int(d) for d in 10 ** rng.uniform(0, 11, 3000)] + [-5, 0, 249, 250, 4000, 8000]
    assert [bin_of(d) for d in durations] == [histogram.bin_of.py_func(d) for d in durations]
    assert [upper_edge_ns(b) for b in range(BINS)] == [
        histogram.upper_edge_ns.py_func(b) for b in range(BINS)
    ]


def test_percentiles_are_upper_edges_of_bins() -> None:
    found = DurationHistogram(np.zeros(BINS, np.int64))
    assert math.isnan(found.percentile_ns(0.5))
    for k in range(100):
        found.add(k * MS)
    assert found.n == 100
    # A bin is 1/16 of an octave wide, so that an edge is at most 1/16 above what lies in it.
    assert 49 * MS <= found.percentile_ns(0.5) <= 49 * MS * 17 / 16
    assert 98 * MS <= found.percentile_ns(0.99) <= 98 * MS * 17 / 16
