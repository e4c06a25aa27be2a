"""Man in the middle on real frames: answers of the server's own function codes, values of its own codec."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimation.attacks import Attack, Kind
from estimation.tamper import Tamper
from protocols.gateway import Gateway
from protocols.modbus_codec import FORMATS, decode
from protocols.modbus_image import ImageBuilder, LiveImage
from protocols.modbus_map import MIRROR_AT, build
from protocols.modbus_pdu import Responder, Write
from protocols.modbus_tamper import Frames, ModbusTamper, Tally
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

    def falsified(self, t_s, values, quality):  # type: ignore[no-untyped-def]
        if t_s < self.from_s:
            return values, quality, unkept
        return values + self.change, np.full_like(quality, LOST) if self.loses else quality, unkept


def unkept(*_truth: object) -> None:
    """Keep no ground truth."""


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


def test_a_read_and_write_in_one_request_lies_in_both_directions(responder: Responder) -> None:
    both = ModbusTamper(MAP, Image(["SP.R5.V"], Plus(7.0)), Image(["SP.R3.V"], Plus(10.0)))
    pdu = struct.pack(">BHHHHB", 23, 5, 1, 2, 2, 4) + struct.pack(">HH", 1, 500)
    arrived = both.request(0.0, frame(pdu))[HEAD.size :]
    assert arrived[:10] == pdu[:10]
    write = responder.reply(responder.views[1], arrived)
    assert isinstance(write, Write) and dict(write.writes)[INDEX["SP.R3.V"]] == 510.0
    answer = struct.pack(">BBH", 23, 2, 100)
    assert both.reply(0.0, frame(answer)) == frame(struct.pack(">BBH", 23, 2, 107))
    assert both.n_changed == 2


def test_a_mask_write_goes_on_as_it_is_and_is_counted_where_writes_are_falsified() -> None:
    tally = Tally()
    tamper = ModbusTamper(MAP, None, Image(["SP.R3.V"], Plus(10.0)), tally)
    for address in (3, 5):
        masked = frame(struct.pack(">BHHH", 22, address, 0x00FF, 0x0100))
        assert tamper.request(0.0, masked) == masked
        assert tamper.reply(0.0, masked) == masked
    assert (tally.mask_writes, tally.malformed, tamper.n_changed) == (1, 0, 0)


def kept(*attacks: Attack, tags: tuple[str, ...]) -> tuple[Image, Tamper]:
    own = Tamper(attacks, {t: k for k, t in enumerate(tags)}, np.random.default_rng(1), keeps_rows=True)
    return Image(tags, own), own


def plus(tag: str, offset: float, name: str = "x") -> Attack:
    return Attack(name=name, kind=Kind.BIAS, channels=(tag,), parameters={"offset": offset})


def test_the_truth_has_rows_of_what_went_out_alone_and_as_the_registers_say_it(responder: Responder) -> None:
    tags = ("M.F.V", "M.INT.V")
    image, own = kept(plus("M.F.V", 10.0, "a"), plus("M.INT.V", 0.26, "b"), tags=tags)
    tamper = ModbusTamper(MAP, image)
    asks(responder, tamper, read(4, 200, 2), t_s=1.0)  # one of the two points
    asks(responder, tamper, read(4, 202, 1), t_s=2.0)  # the other, in steps of 0.1
    rows = [(r.t_s, r.attack, r.tag, r.true_value, r.false_value) for r in own.rows]
    assert rows == [(1.0, "a", "M.F.V", 123.5, 133.5), (2.0, "b", "M.INT.V", 4.2, 4.5)]
    assert [(s.attack, s.first_s, s.last_s, s.scans) for s in own.spans] == [("a", 1, 1, 1), ("b", 2, 2, 1)]


def test_what_is_lost_in_the_rounding_of_a_register_is_not_false(responder: Responder) -> None:
    image, own = kept(plus("M.INT.V", 0.04), tags=("M.INT.V",))
    tamper = ModbusTamper(MAP, image)
    true, got = asks(responder, tamper, read(4, 202, 1))
    assert got == true and tamper.n_changed == 0
    assert (own.rows, own.spans) == ([], [])


def test_a_withheld_reply_is_kept_as_no_value(responder: Responder) -> None:
    tags = ("M.F.V", "M.INT.V")
    lost = Attack(name="lost", kind=Kind.DROPOUT, channels=("M.F.V",))
    image, own = kept(lost, tags=tags)
    assert asks(responder, ModbusTamper(MAP, image), read(4, 200, 3))[1] is None
    rows = {(r.attack, r.tag, r.true_value, np.isnan(r.false_value), r.false_quality) for r in own.rows}
    assert rows == {("lost", "M.F.V", 123.5, True, LOST), ("lost", "M.INT.V", 4.2, True, LOST)}


def test_a_falsified_write_is_kept_with_what_arrived() -> None:
    image, own = kept(plus("SP.R3.V", 10.4), tags=("SP.R3.V",))
    ModbusTamper(MAP, None, image).request(3.0, frame(struct.pack(">BHH", 6, 3, 500)))
    assert [(r.true_value, r.false_value) for r in own.rows] == [(500.0, 510.0)]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (b"\x04\x00\xc8\x00", None),  # a read that is a byte short
        (b"\x10\x00\x02\x00\x02\x03\x00\x01\x00", None),  # a byte count that is not that of the count
        (struct.pack(">BHHHHB", 23, 5, 1, 2, 2, 4) + b"\x00", None),  # its registers are missing
        (read(4, 200, 2), b"\x04\x02\x00\x00"),  # half of what was asked for
        (read(4, 200, 2), b"\x03\x04\x00\x00\x00\x00"),  # an answer to something else
    ],
)
def test_frames_that_cannot_be_understood_go_on_as_they_are_and_are_counted(
    asked: bytes, answered: bytes | None
) -> None:
    tally = Tally()
    tags = ["M.F.V", "SP.R3.V"]
    tamper = ModbusTamper(MAP, Image(tags, Plus(1.0)), Image(tags, Plus(1.0)), tally)
    assert tamper.request(0.0, frame(asked)) == frame(asked)
    if answered is not None:
        assert tamper.reply(0.0, frame(answered)) == frame(answered)
    assert (tally.malformed, tamper.n_changed) == (1, 0)


def test_an_answer_that_nobody_asked_for_is_counted() -> None:
    tally = Tally()
    tamper = ModbusTamper(MAP, Image(["M.F.V"], Plus(1.0)), None, tally)
    answer = frame(b"\x04\x04\x00\x00\x00\x00")
    assert tamper.reply(0.0, answer) == answer and tally.malformed == 1


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
    tally = Tally()
    frames = Frames(tally)
    before = frame(b"\x03\x00\x00\x00\x01")
    assert frames.feed(before + b"GET / HTTP/1.1\r\n") == [before]
    assert frames.is_broken and frames.rest == b"GET / HTTP/1.1\r\n"
    assert tally.streams == 1
