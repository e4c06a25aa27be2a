"""The vectorised image agrees, byte for byte, with the scalar codec."""

from __future__ import annotations

import math
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from protocols.gateway import Gateway
from protocols.modbus_codec import FORMATS, ORDERS, encode
from protocols.modbus_image import OVERFLOW, QUALITY_BITS, ImageBuilder, LiveImage
from protocols.modbus_map import build
from rtcore.board import Snapshot
from rtcore.points import Kind
from rtcore.quality import Quality
from tests.support.modbus_rig import STAMPS, UNITS, point, rig_points
from tests.support.python_core import PythonCore

SETTINGS = {"units": UNITS, "default_unit": 1}
SCALES = ("", "*0.1", "*-0.01", "*1000")
CASES = [(name, order, scale) for name in FORMATS if name != "bit" for order in ORDERS for scale in SCALES]
POINTS = [
    point(f"P.D{k}.V", f"1:ir:{1000 + 4 * k}:{name}:{order}{scale}")
    for k, (name, order, scale) in enumerate(CASES)
]
STAMPED = [{"unit": 1, "address": 4000 + 6 * k, "device": f"P.D{k}"} for k in range(len(CASES))]
BUILDER = ImageBuilder(build(POINTS, STAMPED, SETTINGS))


def snapshot(values, quality=None, step=1):
    values = np.asarray(values, float)
    return Snapshot(
        step=step,
        utc_ns=1_700_000_000_123_456_789,
        mono_ns=0,
        sim_ns=0,
        dt_ns=1_000_000,
        flags=0,
        digest=0,
        values=values,
        quality=np.zeros(len(values), np.uint8) if quality is None else quality,
    )


VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-1e6, 1e6),
    st.integers(-(2**33), 2**33).map(float),
)


@given(value=VALUES)
def test_image_holds_what_the_scalar_codec_gives_in_every_format_and_order(value):
    image = BUILDER.build(snapshot([value] * len(CASES)))
    base = BUILDER.base[1, "ir"]
    for k, (name, order, scale) in enumerate(CASES):
        raw, overflowed = encode(value, FORMATS[name], order, float(scale[1:] or 1))
        at = 2 * (base + 1000 + 4 * k)
        found = image.registers[at : at + len(raw)]
        if not (math.isnan(value) and name.startswith("float")):  # NaN has many bit patterns
            assert found == raw, (value, name, order, scale)
        word = 2 * (base + 4000 + 6 * k + 5)
        assert image.registers[word : word + 2] == (OVERFLOW if overflowed else 0).to_bytes(2, "big")


def test_stamp_carries_step_and_utc():
    image = BUILDER.build(snapshot(np.zeros(len(CASES)), step=2**32 + 5))
    at = 2 * (BUILDER.base[1, "ir"] + 4000)
    seq, utc_s = (int.from_bytes(image.registers[a : a + 4], "big") for a in (at, at + 4))
    assert (seq, utc_s) == (5, 1_700_000_000)
    assert int.from_bytes(image.registers[at + 8 : at + 10], "big") == 123


@given(
    bits=st.lists(st.booleans(), min_size=300, max_size=300),
    start=st.integers(0, 299),
    count=st.integers(1, 300),
)
def test_any_run_of_bits_is_packed_from_the_lowest(bits, start, count):
    points = [point(f"B.D{k}.V", f"1:di:{k}:bit", Kind.STATUS, 0, 1, ("a", "b")) for k in range(300)]
    image = _bit_builder(points).build(snapshot(bits))
    count = min(count, 300 - start)
    wanted = np.packbits(np.array(bits[start : start + count]), bitorder="little").tobytes()
    assert image.read_bits(start, count) == wanted


_BUILDERS = {}


def _bit_builder(points):
    if "bits" not in _BUILDERS:
        _BUILDERS["bits"] = ImageBuilder(build(points, [], SETTINGS))
    return _BUILDERS["bits"]


def test_registers_that_no_point_uses_read_zero():
    builder = ImageBuilder(build([point("A.B.C", "1:ir:200:uint16")], [], SETTINGS))
    image = builder.build(snapshot([65535.0]))
    at = 2 * (builder.base[1, "ir"] + 94)
    assert image.registers[at : at + 2 * 106] == bytes(212)


def test_every_quality_code_above_good_sets_a_bit():
    for code in range(256):
        assert bool(QUALITY_BITS[code] & 1) == (code >= 128)
        assert bool(QUALITY_BITS[code]) == (code >= 64 or code == Quality.GOOD_LOCAL_OVERRIDE)


def test_image_is_built_once_for_one_step_and_not_at_all_when_the_core_is_dead():
    points = rig_points()
    core = PythonCore(points)
    core.tick()
    now = [time.monotonic_ns()]
    gateway = Gateway(points, core.board, core.producer())
    live = LiveImage(gateway, ImageBuilder(build(points, STAMPS, SETTINGS)), lambda: now[0])
    first = live.current()
    assert first is not None
    assert live.current() is first
    core.tick()
    second = live.current()
    assert second is not first
    assert second.step == first.step + 1
    now[0] += 500_000_000  # the promise: dead within half a second of the last heartbeat
    assert live.current() is None
    core.board.ctl[16] = now[0]
    assert live.current() is second


def test_1400_points_are_rebuilt_fast_enough_for_every_step():
    points = [point(f"M.D{k // 6}.A{k % 6}", f"1:ir:{1000 + 2 * k}:float32") for k in range(1400)]
    builder = ImageBuilder(build(points, [{"unit": 1, "address": 0, "device": ""}], SETTINGS))
    shot = snapshot(np.linspace(0, 1e5, 1400))
    best_s = min(_timed(builder, shot) for _ in range(200))
    # 20 us on the development machine; the promise is 50 us, and a slow shared host gets 4 times that.
    assert best_s < 200e-6


def _timed(builder, shot):
    start = time.perf_counter()
    builder.build(shot)
    return time.perf_counter() - start
