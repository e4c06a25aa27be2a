"""Attack slots in a running plant: armed only, what each mode shows, and that nothing else changes."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pytest

from rtcore.commands import Reason
from rtcore.engine import Engine
from rtcore.plant.attack import (
    BIAS,
    DELAY,
    DROPOUT,
    FREEZE,
    HISTORY,
    NOT_OPEN,
    RAMP,
    RANDOM,
    SCALE,
    TAKEN,
)
from rtcore.points import Kind
from rtcore.quality import Quality
from rtcore.ring import E_KIND, E_NEW, E_TARGET, EVENT_STATUS
from tests.unit.rtcore import small_station as small

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""

PLAIN = small.points()
NUMBER = {p.tag: k + 1 for k, p in enumerate(PLAIN)}
DT_S = 1e-3
ON, OFF, LOW, HIGH = 1.0, 0.0, -1e6, 1e6


def lab_points() -> list[object]:
    bit = {"states": ("OFF", "ON")}
    found = [
        small._point("LAB.ARM", "arming.station", "arm", Kind.CONTROL, 0.0, 1.0),
        small._point("LAB.ARMED", "arming.station", "is_armed", Kind.STATUS, 0.0, 1.0, **bit),
    ]
    for k in (1, 2):
        of = f"attack.{k}"
        for name in ("target", "mode", "a", "b", "duration_s"):
            tag = f"ATK_{k}.{name.upper()}"
            found.append(small._point(tag, of, f"{name}_sp", Kind.SETPOINT, LOW, HIGH))
        for name in ("apply", "clear"):
            found.append(small._point(f"ATK_{k}.{name.upper()}", of, name, Kind.CONTROL, 0.0, 1.0))
        found.append(small._point(f"ATK_{k}.ACTIVE", of, "is_active", Kind.STATUS, 0.0, 1.0, **bit))
        for name in ("true_value", "left_s", "refusal"):
            found.append(small._point(f"ATK_{k}.{name.upper()}", of, name, Kind.ANALOG, -1e9, 1e9))
    return found


def engine(**figures: float) -> Engine:
    """A plant with slots behind its points, and instruments with noise unless figures say otherwise."""
    setup = small.setup(ripple_pu=0.02)
    points = [*PLAIN, *lab_points()]
    figures = {"noise_frac": 0.002, "class_frac": 0.005} | figures
    instruments = {key: np.zeros(len(points)) for key in small.INSTRUMENT_KEYS}
    for key, value in figures.items():
        instruments[key][: len(PLAIN)] = value
    e = Engine(
        dc.replace(setup, points=points, instruments=instruments, unit_factor=np.ones(len(points)))  # type: ignore[arg-type]
    )
    e.step(3)
    return e


def set_up(
    e: Engine, tag: str, mode: int, a: float = 0.0, b: float = 0.0, s: float = 0.0, slot: int = 1
) -> None:
    names = {"TARGET": NUMBER[tag], "MODE": mode, "A": a, "B": b, "DURATION_S": s}
    e.command([(f"ATK_{slot}.{name}", float(value)) for name, value in names.items()])
    e.step()


def attack(
    e: Engine, tag: str, mode: int, a: float = 0.0, b: float = 0.0, s: float = 0.0, slot: int = 1
) -> None:
    """Set up, arm, apply; the attack is there when this returns."""
    set_up(e, tag, mode, a, b, s, slot)
    assert e.do("LAB.ARM", ON).is_done
    assert e.do(f"ATK_{slot}.APPLY", ON).is_done
    assert e.value(f"ATK_{slot}.ACTIVE") == ON


def both(n: int, tag: str, mode: int, a: float = 0.0, b: float = 0.0) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """What the attacked point shows from the step of application on, and the same plant's unattacked one."""
    attacked, clean = engine(), engine()
    set_up(clean, tag, mode, a, b)
    clean.do("LAB.ARM", ON)
    clean.step()
    attack(attacked, tag, mode, a, b)
    seen = []
    for _ in range(n):
        seen.append((attacked.value(tag), clean.value(tag)))
        attacked.step()
        clean.step()
    shown, true = np.array(seen).T
    return shown, true


def test_without_arming_it_is_refused_and_nothing_changes() -> None:
    e = engine()
    set_up(e, "HOUSE.P", BIAS, 500.0)
    assert e.do("ATK_1.APPLY", ON).reason is Reason.NOT_ARMED
    assert e.value("ATK_1.ACTIVE") == OFF
    assert e.value("HOUSE.P") == pytest.approx(small.HOUSE_W, rel=0.1)  # ripple, class and noise are far less


@pytest.mark.parametrize("tag", ["LOOP.STEP", "S.V_SP", "CB.TRIP", "S.X_SP"])
def test_health_and_what_masters_write_cannot_be_attacked(tag: str) -> None:
    e = engine()
    set_up(e, tag, BIAS, 1.0)
    e.do("LAB.ARM", ON)
    assert e.do("ATK_1.APPLY", ON).reason is Reason.INTERLOCKED
    assert e.value("ATK_1.REFUSAL") == NOT_OPEN


def test_the_lab_itself_cannot_be_attacked() -> None:
    e = engine()
    for tag in ("LAB.ARMED", "ATK_2.ACTIVE", "ATK_2.TRUE_VALUE"):
        e.do("ATK_1.TARGET", float(e.index[tag] + 1))
        e.do("ATK_1.MODE", float(BIAS))
        assert e.value("ATK_1.REFUSAL") == NOT_OPEN


def test_a_point_is_attacked_by_one_slot_at_a_time() -> None:
    e = engine()
    attack(e, "HOUSE.P", BIAS, 500.0)
    set_up(e, "HOUSE.P", SCALE, 2.0, slot=2)
    e.do("LAB.ARM", ON)
    assert e.do("ATK_2.APPLY", ON).reason is Reason.INTERLOCKED
    assert e.value("ATK_2.REFUSAL") == TAKEN


def test_application_uses_up_the_arming() -> None:
    e = engine()
    attack(e, "HOUSE.P", BIAS, 500.0)
    assert e.value("LAB.ARMED") == OFF


def test_slots_that_are_set_up_but_not_applied_leave_every_other_point_bit_for_bit() -> None:
    touched, plain = engine(), engine()
    set_up(touched, "HOUSE.P", RANDOM, 500.0)
    plain.step()
    n = len(PLAIN)
    for _ in range(50):
        touched.step()
        plain.step()
        assert touched.world.values[:n].tobytes() == plain.world.values[:n].tobytes()


def test_an_attack_changes_one_point_and_nothing_of_the_plant() -> None:
    attacked, clean = engine(), engine()
    set_up(clean, "HOUSE.P", RANDOM, 500.0)
    clean.do("LAB.ARM", ON)
    clean.step()
    attack(attacked, "HOUSE.P", RANDOM, 500.0)
    for _ in range(50):
        attacked.step()
        clean.step()
    n = len(PLAIN)
    differs = np.flatnonzero(attacked.world.values[:n] != clean.world.values[:n])
    assert [PLAIN[i].tag for i in differs] == ["HOUSE.P"]
    np.testing.assert_array_equal(attacked.grid.arrays.v, clean.grid.arrays.v)
    assert attacked.digest != clean.digest  # histories that masters saw differently are different ones


def test_bias_scale_and_ramp_are_what_their_names_say() -> None:
    shown, true = both(5, "HOUSE.P", BIAS, 500.0)
    np.testing.assert_array_equal(shown, true + 500.0)
    shown, true = both(5, "HOUSE.P", SCALE, 1.1)
    np.testing.assert_array_equal(shown, true * 1.1)
    shown, true = both(8, "HOUSE.P", RAMP, 1e6, 5e3)
    change = np.minimum(1e6 * DT_S * np.arange(1, 9), 5e3)
    np.testing.assert_allclose(shown, true + change, rtol=1e-12)  # rounding of the sum of steps


def test_a_frozen_point_keeps_the_value_and_quality_of_the_step_before() -> None:
    e = engine()
    earlier = e.value("A.V1")
    set_up(e, "A.V1", FREEZE)
    e.do("LAB.ARM", ON)
    before = e.value("A.V1")
    assert e.do("ATK_1.APPLY", ON).is_done
    shown = {e.value("A.V1")}
    for _ in range(20):
        e.step()
        shown.add(e.value("A.V1"))
    assert shown == {before} and e.quality("A.V1") is Quality.GOOD
    assert earlier != before  # the instrument is noisy, so a point that is not frozen moves


def test_a_dead_point_that_is_frozen_looks_alive() -> None:
    e = engine()
    set_up(e, "C.V1", FREEZE)
    e.do("LAB.ARM", ON)
    before = e.value("C.V1")
    e.do("ATK_1.APPLY", ON)
    e.do("CB.TRIP", ON)
    e.step(200)
    assert e.quality("C.V2") is Quality.BAD_DEENERGISED
    assert (e.value("C.V1"), e.quality("C.V1")) == (before, Quality.GOOD)
    assert e.value("ATK_1.TRUE_VALUE") == 0.0


def test_random_noise_has_the_sigma_that_was_asked_for() -> None:
    shown, true = both(400, "HOUSE.P", RANDOM, 500.0)
    error = shown - true
    assert error.std() == pytest.approx(500.0, rel=0.2)  # 5 sigma of a deviation from 400 draws is 18 %
    assert abs(error.mean()) < 5.0 * 500.0 / np.sqrt(400)
    assert len(np.unique(error)) > 390


def test_dropout_is_bad_quality_and_the_last_value() -> None:
    e = engine()
    attack(e, "HOUSE.P", DROPOUT)
    first = e.value("HOUSE.P")
    e.step(10)
    assert (e.value("HOUSE.P"), e.quality("HOUSE.P")) == (first, Quality.BAD_NO_COMMUNICATION)
    assert e.do("ATK_1.CLEAR", ON).is_done
    assert e.quality("HOUSE.P") is Quality.GOOD and e.value("HOUSE.P") != first


def test_delay_shows_the_past() -> None:
    shown, true = both(60, "HOUSE.P", DELAY, 0.02)
    np.testing.assert_array_equal(shown[20:], true[:40])
    assert len(set(shown[:20])) == 1  # nothing older is known


def test_a_delay_longer_than_its_memory_is_kept_coarsely() -> None:
    n = 2 * HISTORY + 10
    shown, true = both(n, "HOUSE.P", DELAY, 1.5 * HISTORY * DT_S)
    stride, depth = 2, int(1.5 * HISTORY) // 2
    k = np.arange(stride * depth, n)
    np.testing.assert_array_equal(shown[k], true[(k // stride - depth) * stride])


def test_a_status_can_be_spoofed_both_ways_and_tells_its_event() -> None:
    e = engine()
    attack(e, "CB.ST_52A", BIAS, -1.0)
    assert (e.value("CB.ST_52A"), e.value("CB.ST_52B")) == (0.0, 0.0)
    assert e.value("CB.I1") > 30.0  # the breaker itself stays closed
    told = [r for r in e.events.take() if r[E_KIND] == EVENT_STATUS and r[E_TARGET] == e.index["CB.ST_52A"]]
    assert [int(r[E_NEW]) for r in told] == [0]
    attack(e, "CB.ST_52B", SCALE, 0.0, slot=2)
    e.do("ATK_1.CLEAR", ON)
    assert e.value("CB.ST_52A") == 1.0


def test_an_attack_with_a_duration_ends_by_itself_to_the_step() -> None:
    attacked, clean = engine(), engine()
    set_up(clean, "HOUSE.P", BIAS, 500.0, s=0.02)
    clean.do("LAB.ARM", ON)
    clean.step()
    attack(attacked, "HOUSE.P", BIAS, 500.0, s=0.02)
    is_false = []
    for _ in range(40):
        is_false.append(attacked.value("HOUSE.P") != clean.value("HOUSE.P"))
        attacked.step()
        clean.step()
    assert is_false == [True] * 20 + [False] * 20
    assert attacked.value("ATK_1.ACTIVE") == OFF and attacked.value("ATK_1.LEFT_S") == 0.0


def test_a_false_value_stays_within_the_range_of_its_point() -> None:
    e = engine()
    attack(e, "HOUSE.V", SCALE, 1e5)
    assert e.value("HOUSE.V") == 1e5


def test_one_request_applies_several_attacks_with_one_arming() -> None:
    e = engine()
    set_up(e, "HOUSE.P", BIAS, 500.0)
    set_up(e, "A.V1", BIAS, 100.0, slot=2)
    e.do("LAB.ARM", ON)
    e.command([("ATK_1.APPLY", ON), ("ATK_2.APPLY", ON)])
    e.step()
    assert (e.value("ATK_1.ACTIVE"), e.value("ATK_2.ACTIVE")) == (ON, ON)


def test_a_point_that_holds_its_value_without_a_solution_is_not_falsified_twice() -> None:
    e = engine()
    attack(e, "HOUSE.P", BIAS, 500.0)
    shown = e.value("HOUSE.P")
    good = e.world.profile_p.copy()
    e.world.profile_p[0, 0] = np.nan
    for _ in range(3):
        e.step()
        assert (e.value("HOUSE.P"), e.quality("HOUSE.P")) == (shown, Quality.BAD_NOT_CONVERGED)
    e.do("ATK_1.CLEAR", ON)
    assert e.value("HOUSE.P") == shown - 500.0  # what it had held without the attack
    e.world.profile_p[:] = good
    e.step()
    assert e.quality("HOUSE.P") is Quality.GOOD
