"""Ages by the source's time stamps: of another clock, of a clock far off, of a device that stands still."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import numpy as np
import pytest

from hil.telemetry_readers import OpcuaReader
from hil.telemetry_stamps import AGE_MAX_S, CLOCK_OFF_S, SourceClock
from rtcore.quality import Quality
from tests.support.opcua_rig import Rig

S = 1_000_000_000
NOW = 1_500_000_000 * S


def stamps(*ages_s: float, now_ns: int = NOW) -> np.ndarray:
    return np.array([now_ns - round(a * S) for a in ages_s], np.int64)


def test_ages_are_those_of_the_stamps_in_simulated_time() -> None:
    assert SourceClock(1.0).ages(NOW, stamps(0.1, 4.0, 600.0)).tolist() == [0.1, 4.0, 600.0]
    assert SourceClock(60.0).ages(NOW, stamps(0.1, 4.0)).tolist() == [6.0, 240.0]


def test_where_simulated_time_has_no_rate_or_values_have_no_stamp_they_are_of_the_fetch() -> None:
    assert SourceClock(None).ages(NOW, stamps(3.0)).tolist() == [0.0]
    mixed = np.array([0, NOW - 2 * S], np.int64)
    assert SourceClock(1.0).ages(NOW, mixed).tolist() == [0.0, 2.0]
    assert SourceClock(1.0).ages(NOW, np.zeros(0, np.int64)).tolist() == []


def test_a_stamp_of_a_moment_ahead_is_no_negative_age() -> None:
    clock = SourceClock(1.0)
    assert clock.ages(NOW, stamps(-0.2, 0.3)).tolist() == [0.0, 0.3]
    assert clock.offset_s == 0.0


@pytest.mark.parametrize("off_s", [3600.0, -3600.0, 400.0 * 86_400.0])
def test_a_clock_far_off_counts_from_its_newest_stamp(off_s: float) -> None:
    clock = SourceClock(1.0)
    assert clock.ages(NOW, stamps(-off_s, -off_s + 7.0)).tolist() == [0.0, 7.0]
    assert clock.offset_s == off_s


def test_a_device_of_another_clock_that_stands_still_ages() -> None:
    clock, still = SourceClock(1.0), stamps(3600.0)
    assert clock.ages(NOW, still).tolist() == [0.0]
    assert clock.ages(NOW + 30 * S, still).tolist() == [30.0]


def test_a_clock_that_is_set_on_is_followed_and_a_new_connection_is_another_clock() -> None:
    clock = SourceClock(1.0)
    clock.ages(NOW, stamps(0.0))
    assert clock.ages(NOW, stamps(-2.0 * CLOCK_OFF_S, 0.0)).tolist() == [0.0, 2.0 * CLOCK_OFF_S]
    clock.forget()
    assert clock.ages(NOW, stamps(1.0)).tolist() == [1.0]


def test_ages_have_an_end() -> None:
    assert SourceClock(1.0).ages(NOW, np.array([NOW, 1], np.int64)).tolist() == [0.0, AGE_MAX_S]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


def read(rig: Rig, ahead_s: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return ages and faults of two points, for somebody whose clock is ahead by so much."""
    tags = [p.tag for p in rig.points]
    reader = OpcuaReader(rig.url, rig.points, 5.0, clock_ns=lambda: time.time_ns() + round(ahead_s * S))

    async def once() -> tuple[np.ndarray, tuple[str, ...]]:
        found = await reader.read(np.array([tags.index("SUB.BUS1.VA"), tags.index("SUB.BUS1.VB")], np.intp))
        await reader.close()
        assert found.quality.tolist() == [int(Quality.GOOD)] * 2
        assert found.age_s is not None
        return found.age_s, found.faults

    return asyncio.run(once())


def test_opc_ua_brings_the_stamps_of_the_source(rig: Rig) -> None:
    """The core of the rig stamps by the same clock; a sweep and a busy machine are up to 2 s."""
    ages, faults = read(rig, 3.0)
    assert (ages >= 3.0 - 1e-3).all()
    assert (ages <= CLOCK_OFF_S).all()
    assert faults == ()


def test_opc_ua_of_a_server_with_another_clock_says_so(rig: Rig) -> None:
    ages, (fault,) = read(rig, 7200.0)
    assert ages.tolist() == [0.0, 0.0]
    assert "-2.0 h off" in fault
