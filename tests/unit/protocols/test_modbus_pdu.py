"""Function codes without a socket: identification that needs several answers, masks, fuzz."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from protocols.gateway import Gateway
from protocols.modbus_image import ImageBuilder, LiveImage
from protocols.modbus_map import build
from protocols.modbus_pdu import Responder, Write, masked
from tests.support.modbus_rig import STAMPS, UNITS, rig_points
from tests.support.python_core import PythonCore


def responder(identity):
    points = rig_points()
    core = PythonCore(points)
    core.tick()
    places = build(points, STAMPS, {"units": UNITS, "default_unit": 1})
    live = LiveImage(
        Gateway(points, core.board, core.producer()), ImageBuilder(places), lambda: int(core.board.ctl[16])
    )
    return Responder(places, live, identity)


RESPONDER = responder({})


def identify(r, level, first):
    return r.reply(r.views[1], bytes((0x2B, 0x0E, level, first)))


def test_long_identity_is_given_in_several_answers():
    texts = {k: k * 30 for k in ("vendor", "product", "version", "url", "product_name", "model")}
    r = responder(texts)
    found, first = {}, 0
    for _ in range(10):
        reply = identify(r, 2, first)
        assert len(reply) <= 253
        at = 7
        for _ in range(reply[6]):
            number, length = reply[at], reply[at + 1]
            found[number] = reply[at + 2 : at + 2 + length]
            at += 2 + length
        if reply[4] == 0:
            break
        first = reply[5]
    assert list(found) == list(range(7))
    assert found[0] == ("vendor" * 30).encode()


@given(unit=st.integers(0, 255), pdu=st.binary(min_size=1, max_size=253))
def test_no_request_raises_and_every_refusal_repeats_the_function(unit, pdu):
    view = RESPONDER.views.get(unit)
    if view is None:
        return
    reply = RESPONDER.reply(view, pdu)
    if isinstance(reply, Write):
        assert reply.function == pdu[0]
        assert reply.writes or reply.mask
    else:
        assert reply[0] & 0x7F == pdu[0] & 0x7F
        assert len(reply) <= 253


@given(raw=st.integers(0, 65535), and_mask=st.integers(0, 65535), or_mask=st.integers(0, 65535))
def test_mask_takes_each_bit_from_the_register_or_from_the_or_mask(raw, and_mask, or_mask):
    result = masked(raw, and_mask, or_mask)
    for k in range(16):
        source = raw if and_mask >> k & 1 else or_mask
        assert result >> k & 1 == source >> k & 1


def test_read_of_an_unchanged_board_is_cheap():
    view, pdu = RESPONDER.views[1], bytes.fromhex("03 0000 007D")
    RESPONDER.reply(view, pdu)
    best_s = min(_timed(view, pdu) for _ in range(300))
    assert best_s < 50e-6  # about 1.5 us on the development machine


def _timed(view, pdu):
    start = time.perf_counter()
    RESPONDER.reply(view, pdu)
    return time.perf_counter() - start
