"""Man in the middle on real frames: answers of the server's own function codes, values of its own codec."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.gateway import Gateway
from protocols.modbus_codec import FORMATS, decode
from protocols.modbus_image import ImageBuilder, LiveImage
from protocols.modbus_map import MIRROR_AT, build
from protocols.modbus_pdu import Responder, Write
from protocols.modbus_tamper import Frames, ModbusTamper
from protocols.tamper_image import LOST, Image
from tests.support.modbus_rig import STAMPS, UNITS, point, rig_points
from tests.support.python_core import PythonCore

POINTS = [
    *rig_points(),
    point("M.F.V", "1:ir:200:float32"),
    point("M.INT.V", "1:ir:202:int16*0.1"),
    point("M.SWAP.V", "2:ir:300:float32"),
]
MAP = build(POINTS, STAMPS, {"units": UNITS, "default_unit": 1})
INDEX = {p.tag: k for k, p in enumerate(POINTS)}
HEAD = struct.Struct(">HHHB")


class Plus:
    """Adds to every value from a time on, or loses them all."""

    def __init__(self, change: float, from_s: float = 0.0, loses: bool = False) -> None:
        self.change, self.from_s, self.loses = change, from_s, loses

    def apply(self, t_s, values, quality):  # type: ignore[no-untyped-def]
        if t_s < self.from_s:
            return values, quality
        return values + self.change, np.full_like(quality, LOST) if self.loses else quality


@pytest.fixture(scope="module")
def responder() -> Responder:
    core = PythonCore(POINTS)
    true = {"M.F.V": 123.5, "M.INT.V": 4.2, "M.SWAP.V": -7.25, "CB22.T.POS": 1.0}
    core.value_of = lambda i, _step: true.get(POINTS[i].tag, 0.0)
    core.tick()
    live = LiveImage(
        Gateway(POINTS, core.board, core.producer()), ImageBuilder(MAP), lambda: int(core.board.ctl[16])
    )
    return Responder(MAP, live, {})


def frame(pdu: bytes, unit: int = 1, transaction: int = 7) -> bytes:
    return HEAD.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def asks(
    responder: Responder, tamper: ModbusTamper, pdu: bytes, unit: int = 1, t_s: float = 0.0
) -> tuple[bytes, bytes | None]:
    """Return the server's answer and what the master gets of it, as PDUs."""
    passed = tamper.request(t_s, frame(pdu, unit))
    assert passed == frame(pdu, unit)  # reads go on as they are
    answer = responder.reply(responder.views[unit], pdu)
    assert isinstance(answer, bytes)
    got = tamper.reply(t_s, frame(answer, unit))
    assert got is None or got[: HEAD.size] == frame(answer, unit)[: HEAD.size]
    return answer, None if got is None else got[HEAD.size :]


def shown(*tags: str, **how: float) -> ModbusTamper:
    return ModbusTamper(MAP, Image(tags, Plus(**{"change": 10.0, **how})))  # type: ignore[arg-type]


def read(function: int, address: int, count: int) -> bytes:
    return struct.pack(">BHH", function, address, count)


def test_only_the_registers_of_the_attacked_point_change(responder: Responder) -> None:
    true, got = asks(responder, shown("M.F.V"), read(4, 198, 6))
    assert got is not None and len(got) == len(true)
    assert struct.unpack_from(">f", true, 2 + 4) == (123.5,)
    assert struct.unpack_from(">f", got, 2 + 4) == (133.5,)
    assert got[: 2 + 4] == true[: 2 + 4] and got[2 + 8 :] == true[2 + 8 :]


def test_scaled_integers_and_other_word_orders_are_written_as_the_map_says(responder: Responder) -> None:
    _, got = asks(responder, shown("M.INT.V"), read(4, 202, 1))
    assert got is not None and decode(got[2:], FORMATS["int16"], scale=0.1) == 14.2
    _, got = asks(responder, shown("M.SWAP.V"), read(4, 300, 2), unit=2)
    assert got is not None and decode(got[2:], FORMATS["float32"], "CDAB") == 2.75


@pytest.mark.parametrize(
    ("unit", "function", "at"), [(1, 3, MIRROR_AT), (101, 4, 0), (101, 3, MIRROR_AT), (0, 4, 0)]
)
def test_copies_of_a_register_lie_as_well(responder: Responder, unit: int, function: int, at: int) -> None:
    _, got = asks(responder, shown("M.F.V"), read(function, at + 200, 2), unit)
    assert got is not None and struct.unpack_from(">f", got, 2) == (133.5,)


def test_a_status_bit_can_be_turned(responder: Responder) -> None:
    true, got = asks(responder, shown("CB22.T.POS", change=-1.0), read(2, 0, 1), unit=2)
    assert (true[2] & 1, got and got[2] & 1) == (1, 0)


def test_lost_communication_is_no_answer(responder: Responder) -> None:
    tamper = shown("M.F.V", loses=True)
    assert asks(responder, tamper, read(4, 200, 2))[1] is None
    true, got = asks(responder, tamper, read(4, 202, 1))  # another point of the same unit
    assert got == true


def test_before_the_attack_and_beside_its_points_every_byte_is_the_servers(responder: Responder) -> None:
    tamper = shown("M.F.V", from_s=5.0)
    true, got = asks(responder, tamper, read(4, 198, 6), t_s=4.9)
    assert got == true
    true, got = asks(responder, tamper, read(4, 198, 6), t_s=5.0)
    assert got != true
    for pdu in (read(3, 0, 40), read(4, 0, 500), read(4, 201, 1), read(9, 0, 1), b"\x2b\x0e\x01\x00"):
        true, got = asks(responder, tamper, pdu, t_s=6.0)  # ..., refusals, half a value
        assert got == true, pdu


def written(*tags: str) -> ModbusTamper:
    return ModbusTamper(MAP, None, Image(tags, Plus(10.0)))


@pytest.mark.parametrize(
    ("pdu", "value", "echo"),
    [
        (struct.pack(">BHH", 6, 3, 500), (3, 510.0), None),
        (struct.pack(">BHHB", 16, 2, 2, 4) + struct.pack(">HH", 1, 500), (3, 510.0), 5),
        (struct.pack(">BHHBf", 16, 100, 2, 4, 2.5), ("SP.F.V", 12.5), 5),
    ],
)
def test_a_write_arrives_changed_and_is_confirmed_unchanged(
    responder: Responder, pdu: bytes, value: tuple[int | str, float], echo: int | None
) -> None:
    name, expected = value
    tag = f"SP.R{name}.V" if isinstance(name, int) else name
    tamper = written(tag)
    arrived = tamper.request(0.0, frame(pdu))[HEAD.size :]
    write = responder.reply(responder.views[1], arrived)
    assert isinstance(write, Write) and dict(write.writes)[INDEX[tag]] == expected
    confirmed = tamper.reply(0.0, frame(write.echo))
    assert confirmed == frame(pdu[:echo])


def test_a_coil_is_turned_both_ways() -> None:
    off = ModbusTamper(MAP, None, Image(["CB20.T.MODE"], Plus(-1.0)))
    assert off.request(0.0, frame(b"\x05\x00\x14\xff\x00", 2))[-2:] == b"\x00\x00"
    on = ModbusTamper(MAP, None, Image(["CB20.T.MODE"], Plus(1.0)))
    several = struct.pack(">BHHBB", 15, 20, 1, 1, 0)
    assert on.request(0.0, frame(several, 2))[-1:] == b"\x01"


def test_a_refused_write_is_told_as_the_server_tells_it() -> None:
    tamper = written("SP.R3.V")
    tamper.request(0.0, frame(struct.pack(">BHH", 6, 3, 500)))
    refusal = frame(b"\x86\x03")
    assert tamper.reply(0.0, refusal) == refusal


def test_answers_are_told_apart_by_their_transaction(responder: Responder) -> None:
    tamper = shown("M.F.V")
    first, second = read(4, 200, 2), read(4, 198, 2)
    tamper.request(0.0, frame(first, transaction=1))
    tamper.request(0.0, frame(second, transaction=2))
    answers = [responder.reply(responder.views[1], pdu) for pdu in (first, second)]
    assert isinstance(answers[0], bytes) and isinstance(answers[1], bytes)
    assert tamper.reply(0.0, frame(answers[1], transaction=2)) == frame(answers[1], transaction=2)
    assert tamper.reply(0.0, frame(answers[0], transaction=1)) != frame(answers[0], transaction=1)


@given(st.lists(st.binary(min_size=1, max_size=253), max_size=5), st.randoms(use_true_random=False))
def test_frames_come_out_of_the_stream_as_they_went_in(pdus: list[bytes], cut: object) -> None:
    sent = [frame(pdu, transaction=k) for k, pdu in enumerate(pdus)]
    stream, frames, got = b"".join(sent), Frames(), []
    while stream:
        n = cut.randint(1, len(stream))  # type: ignore[attr-defined]
        got += frames.feed(stream[:n])
        stream = stream[n:]
    assert got == sent and frames.rest == b""


@given(st.binary(min_size=1, max_size=253), st.binary(min_size=1, max_size=253), st.integers(0, 255))
def test_whatever_comes_goes_on_without_an_error(asked: bytes, answered: bytes, unit: int) -> None:
    tags = ["M.F.V", "SP.R3.V", "CB20.T.MODE"]
    tamper = ModbusTamper(MAP, Image(tags, Plus(1.0)), Image(tags, Plus(1.0)))
    assert len(tamper.request(0.0, frame(asked, unit))) == len(frame(asked, unit))
    got = tamper.reply(0.0, frame(answered, unit))
    assert got is not None


def test_what_is_no_modbus_is_told() -> None:
    frames = Frames()
    before = frame(b"\x03\x00\x00\x00\x01")
    assert frames.feed(before + b"GET / HTTP/1.1\r\n") == [before]
    assert frames.is_broken and frames.rest == b"GET / HTTP/1.1\r\n"
