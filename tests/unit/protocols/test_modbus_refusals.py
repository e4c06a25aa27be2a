"""The block of the last write, without a socket: what it holds, where it ends, what it leaves alone."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.gateway import MODBUS_EXCEPTION, Gateway
from protocols.modbus_image import ImageBuilder, LiveImage
from protocols.modbus_map import ADDRESS_MAX, MIRROR_AT, build
from protocols.modbus_pdu import Responder, Write
from protocols.modbus_refusals import FIELDS, REFUSALS_AT, LastWrite, asked, is_write, why_refused
from rtcore.commands import Reason
from tests.support.modbus_rig import STAMPS, UNITS, rig_points
from tests.support.python_core import PythonCore

REGISTERS = 6


def responder() -> Responder:
    points = rig_points()
    core = PythonCore(points)
    core.tick()
    places = build(points, STAMPS, {"units": UNITS, "default_unit": 1})
    live = LiveImage(
        Gateway(points, core.board, core.producer()), ImageBuilder(places), lambda: int(core.board.ctl[16])
    )
    return Responder(places, live, {})


RESPONDER = responder()


def ask(last: LastWrite, unit: int, pdu: bytes | str) -> bytes | Write:
    """Do with one request what a connection does with it."""
    raw = bytes.fromhex(pdu) if isinstance(pdu, str) else pdu
    view = RESPONDER.views[unit]
    reply = RESPONDER.reply(view, raw)
    if isinstance(reply, bytes) and reply[0] > 0x7F:
        if not is_write(raw):
            return last.answer(raw, reply)
        last.settle(unit, raw, why_refused(view, raw, reply[1]))
    return reply


def read(last: LastWrite, unit: int = 1, at: int = REFUSALS_AT, count: int = REGISTERS) -> bytes:
    reply = ask(last, unit, struct.pack(">BHH", 4, at, count))
    assert isinstance(reply, bytes)
    return reply


def fields(last: LastWrite, unit: int = 1) -> tuple[int, ...]:
    """Return (reason, function, address, unit, refusals)."""
    return struct.unpack(">HHHHI", read(last, unit)[2:])


def test_no_point_nor_mirrored_point_can_reach_the_block() -> None:
    assert MIRROR_AT + ADDRESS_MAX < REFUSALS_AT
    assert REFUSALS_AT + REGISTERS <= 65_536


def test_fields_fill_the_block_in_order() -> None:
    sizes = {"uint16": 1, "uint32": 2}
    ends = [offset + sizes[fmt] for offset, fmt, _ in FIELDS]
    assert [offset for offset, _, _ in FIELDS] == [0, *ends[:-1]]
    assert ends[-1] == REGISTERS


def test_block_is_zero_before_the_first_write() -> None:
    assert fields(LastWrite()) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_shows_by_its_number(reason: Reason) -> None:
    last = LastWrite()
    last.settle(2, bytes.fromhex("05 0003 FF00"), reason)
    assert fields(last) == (int(reason), 5, 3, 2, int(reason is not Reason.DONE))
    assert reason is Reason.DONE or reason in MODBUS_EXCEPTION


@pytest.mark.parametrize(
    ("first", "count"),
    [(at, n) for at in (1_308, 9_999, *range(REFUSALS_AT - 2, 65_536)) for n in (*range(1, 9), 125)],
)
def test_a_read_is_answered_exactly_when_it_lies_in_the_block(first: int, count: int) -> None:
    last = LastWrite()
    last.settle(7, bytes.fromhex("06 1234 0000"), Reason.TAGGED)
    reply = read(last, 1, first, count)
    if first >= REFUSALS_AT and first + count <= REFUSALS_AT + REGISTERS:
        whole = bytes.fromhex("000F 0006 1234 0007 0000 0001")
        at = 2 * (first - REFUSALS_AT)
        assert reply == bytes((4, 2 * count)) + whole[at : at + 2 * count]
    else:
        assert reply == b"\x84\x02"


def test_count_of_a_read_is_judged_before_its_address() -> None:
    for count in ("0000", "007E"):
        assert ask(LastWrite(), 1, f"04 FFF0 {count}") == b"\x84\x03"


def test_masters_with_function_3_only_read_the_same() -> None:
    last = LastWrite()
    last.settle(1, bytes.fromhex("06 0014 0000"), Reason.NOT_ARMED)
    assert ask(last, 1, "03 FFF0 0006") == b"\x03" + read(last)[1:]


@pytest.mark.parametrize("unit", [0, 1, 2, 3, 101, 255])
def test_block_is_the_same_on_every_unit(unit: int) -> None:
    last = LastWrite()
    last.n_refused = 0x0001_0001
    last.settle(2, bytes.fromhex("0F 0006 0004 01 0F"), Reason.LOCKED_OUT)
    assert fields(last, unit) == (16, 15, 6, 2, 0x0001_0002)


@pytest.mark.parametrize(
    ("unit", "pdu", "reason", "address"),
    [
        (2, "05 0010 FF00", Reason.UNKNOWN_POINT, 16),
        (2, "05 0015 FF00", Reason.NOT_WRITABLE, 21),
        (2, "05 0003 1234", Reason.WRONG_TYPE, 3),
        (2, "05", Reason.WRONG_TYPE, 0),
        (2, "0F 0006 0004 01 0F", Reason.UNKNOWN_POINT, 6),
        (2, "0F 0014 0002 01 03", Reason.NOT_WRITABLE, 20),
        (1, "06 0032 0001", Reason.UNKNOWN_POINT, 50),
        (1, "06 0064 42F6", Reason.WRONG_TYPE, 100),
        (1, "06 006E 0001", Reason.NOT_WRITABLE, 110),
        (1, "06 2AF8 0001", Reason.NOT_WRITABLE, 11_000),
        (1, "06 FFF0 0001", Reason.UNKNOWN_POINT, REFUSALS_AT),
        (1, "10 0064 0003 06 0000 0000 0000", Reason.WRONG_TYPE, 100),
        (1, "10 0026 0003 06 0001 0002 0003", Reason.UNKNOWN_POINT, 38),
        (1, "10 0014 0002 06 0001 0002", Reason.WRONG_TYPE, 20),
        (1, "16 0064 FF00 00AA", Reason.WRONG_TYPE, 100),
        (1, "16 0032 FF00 00AA", Reason.UNKNOWN_POINT, 50),
        (1, "17 07CF 0002 0014 0001 02 7777", Reason.UNKNOWN_POINT, 20),
        (1, "17 0014 0001 006E 0001 02 7777", Reason.NOT_WRITABLE, 110),
    ],
)
def test_write_that_never_became_a_command_has_a_reason(
    unit: int, pdu: str, reason: Reason, address: int
) -> None:
    last = LastWrite()
    reply = ask(last, unit, pdu)
    assert isinstance(reply, bytes) and reply[0] > 0x7F
    assert fields(last) == (int(reason), int(pdu[:2], 16), address, unit, 1)


@pytest.mark.parametrize(
    "pdu", ["04 0FA0 0001", "03 0000 0000", "01 0000 0001", "07", "2B 0D 00 00", "85 02"]
)
def test_refused_request_that_is_no_write_leaves_the_block_alone(pdu: str) -> None:
    last = LastWrite()
    last.settle(2, bytes.fromhex("05 0003 FF00"), Reason.IN_LOCAL)
    reply = ask(last, 1, pdu)
    assert isinstance(reply, bytes) and reply[0] > 0x7F
    assert fields(last) == (7, 5, 3, 2, 1)


def test_write_that_is_carried_out_clears_the_reason_and_keeps_the_count() -> None:
    last = LastWrite()
    last.settle(2, bytes.fromhex("05 0003 FF00"), Reason.TAGGED)
    last.settle(1, bytes.fromhex("06 0014 0001"), Reason.DONE)
    assert fields(last) == (0, 6, 20, 1, 1)


@pytest.mark.parametrize(
    ("unit", "pdu", "via", "address"),
    [
        (1, "06 0032 0001", "1:hr:50 FC6", 50),
        (0, "06 0032 0001", "1:hr:50 FC6", 50),  # unit 0 is unit 1 here
        (101, "10 0026 0003 06 0001 0002 0003", "101:hr:38+3 FC16", 38),
        (2, "0F 0006 0004 01 0F", "2:co:6+4 FC15", 6),
        (9, "16 0014 FF00 00AA", "9:hr:20 FC22", 20),
        (1, "17 07CF 0002 0014 0001 02 7777", "1:hr:20 FC23", 20),
        (2, "05 00", "2:co FC5", None),
        (1, "10 0026", "1:hr:38 FC16", 38),
    ],
)
def test_what_a_refused_write_asked_for_is_put_into_words(
    unit: int, pdu: str, via: str, address: int | None
) -> None:
    wanted = {"via": via, "function": int(pdu[:2], 16), "unit": unit, "address": address}
    assert asked(unit, RESPONDER.views.get(unit), bytes.fromhex(pdu)) == wanted


@given(unit=st.sampled_from([1, 2, 3, 101]), pdu=st.binary(min_size=1, max_size=253))
def test_no_request_raises_and_a_refused_write_always_has_a_reason(unit: int, pdu: bytes) -> None:
    last = LastWrite()
    reply = ask(last, unit, pdu)
    if isinstance(reply, bytes) and pdu[0] in (5, 6, 15, 16, 22, 23):
        reason, function, _, of_unit, n = fields(last)
        assert (reason != 0, function, of_unit, n) == (True, pdu[0], unit, 1)
    else:
        assert last.n_refused == 0
