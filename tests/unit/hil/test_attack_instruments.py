"""Attacks at instruments, carried out in the slots of a small plant as on a running station."""

from __future__ import annotations

import dataclasses as dc
from collections import deque
from collections.abc import Mapping

import numpy as np
import pytest

from estimation.attacks import Attack, Kind
from hil.attack_instruments import Instruments
from hil.attack_slots import HOLD_S, SPEED_MAX, Setting, hold_s, settings
from rtcore.assembly.instances import ATTACK_COUNT
from rtcore.board import Snapshot
from rtcore.engine import Engine
from rtcore.errors import HostError
from rtcore.plant.attack import BIAS, RAMP, SCALE
from rtcore.points import Kind as PointKind
from rtcore.points import Point
from rtcore.quality import Quality
from tests.unit.rtcore import small_station as small

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""
DT_NS = 1_000_000
"""Step of the small plant."""
SHORT_S = 0.06
"""A hold that needs few steps: 60 of them; setting up and renewing a slot takes seven."""


def lab() -> list[Point]:
    bit = {"states": ("OFF", "ON")}
    found = [
        small._point(f"LAB.ARM.{n.upper()}", "arming.station", n, PointKind.CONTROL, 0.0, 1.0)
        for n in ("arm", "disarm")
    ]
    found.append(
        small._point("LAB.ARM.ARMED", "arming.station", "is_armed", PointKind.STATUS, 0.0, 1.0, **bit)
    )
    for k in range(1, ATTACK_COUNT + 1):
        of, tag = f"attack.{k}", f"LAB.ATK_{k}"
        for n in ("target", "mode", "a", "b", "duration_s"):
            found.append(small._point(f"{tag}.{n.upper()}", of, f"{n}_sp", PointKind.SETPOINT, -1e6, 1e6))
        for n in ("apply", "clear"):
            found.append(small._point(f"{tag}.{n.upper()}", of, n, PointKind.CONTROL, 0.0, 1.0))
        found.append(small._point(f"{tag}.ACTIVE", of, "is_active", PointKind.STATUS, 0.0, 1.0, **bit))
        found.append(small._point(f"{tag}.REFUSAL", of, "refusal", PointKind.ANALOG, 0.0, 1e9))
        found.append(small._point(f"{tag}.LEFT_S", of, "left_s", PointKind.ANALOG, -1e9, 1e9))
        found.append(small._point(f"{tag}.TRUE_VALUE", of, "true_value", PointKind.ANALOG, -1e9, 1e9))
    return found


class EngineBench:
    """A running station's bench and images on a plant under the virtual clock."""

    def __init__(self, ripple_pu: float = 0.0) -> None:
        setup, points = small.setup(ripple_pu=ripple_pu), [*small.points(), *lab()]
        perfect = {key: np.zeros(len(points)) for key in small.INSTRUMENT_KEYS}
        self.engine = Engine(
            dc.replace(setup, points=points, instruments=perfect, unit_factor=np.ones(len(points)))
        )
        self.n, self.shown, self.house_v = 0, deque[Snapshot](maxlen=2), list[float]()
        self.step(3)
        self.numbers = {tag: k + 1 for tag, k in self.engine.index.items()}

    def step(self, n: int = 1) -> None:
        for _ in range(n):
            self.engine.step()
            self.n += 1
            self.house_v.append(self.engine.value("HOUSE.V"))
            values, quality = self.engine.world.values.copy(), self.engine.world.quality.copy()
            ns = self.n * DT_NS
            self.shown.append(Snapshot(self.n, ns, ns, ns, DT_NS, 0, 0, values, quality))

    def command(self, writes: Mapping[str, float]) -> None:
        ids = self.engine.command(list(writes.items()))
        self.step()
        verdicts = self.engine.verdicts()
        if refused := [verdicts[i].reason.name for i in ids if not verdicts[i].is_done]:
            raise HostError("; ".join(refused))

    def value(self, tag: str) -> float:
        return self.engine.value(tag)

    def newest(self) -> Snapshot:
        return self.shown[-1]

    def before(self, image: Snapshot) -> Snapshot | None:
        return self.shown[0] if self.shown[0].step == image.step - 1 else None

    def attacked(self, *attacks: Attack, hold_s: float = HOLD_S) -> Instruments:
        return Instruments(self, self, self.numbers, attacks, hold_s)


def on(kind: Kind, *channels: str, name: str = "x", **more: object) -> Attack:
    figures = {
        k: more.pop(k) for k in ("offset", "factor", "per_s", "limit", "delay_s", "sigma") if k in more
    }
    return Attack(name=name, kind=kind, channels=channels, parameters=figures, **more)  # type: ignore[arg-type]


def test_figures_become_the_slots_settings() -> None:
    (one,) = settings(on(Kind.RAMP, "A.V1", per_s=2.0))
    assert (one.mode, one.a, one.b) == (RAMP, 2.0, 0.0)  # 0: without end
    (one,) = settings(on(Kind.RAMP, "A.V1", per_s=2.0, limit=5.0))
    assert one.b == 5.0
    opened = Attack(name="t", kind=Kind.TOPOLOGY, statuses={"CB.ST_52A": 0.0, "CB.ST_52B": 1.0})
    assert [(s.tag, s.mode, s.a) for s in settings(opened)] == [
        ("CB.ST_52A", SCALE, 0.0),
        ("CB.ST_52B", BIAS, 1.0),
    ]


def test_attacks_begin_when_due_end_by_themselves_and_are_told() -> None:
    bench = EngineBench()
    opened = Attack(name="t", kind=Kind.TOPOLOGY, statuses={"CB.ST_52A": 0.0, "CB.ST_52B": 1.0}, start_s=1.0)
    attacks = [opened, on(Kind.BIAS, "HOUSE.V", name="b", offset=50.0, duration_s=0.05)]
    slots = bench.attacked(*attacks)
    true_v = bench.value("HOUSE.V")
    assert slots.go(0.0) == [f"b: HOUSE.V is falsified (LAB.ATK_1, point {bench.numbers['HOUSE.V']})"]
    assert bench.value("HOUSE.V") == pytest.approx(true_v + 50.0, abs=1e-3)  # the loop stops at 1e-6 pu
    bench.step()
    (row,) = slots.rows(0.0)
    assert (row.tag, row.false_value - row.true_value) == ("HOUSE.V", pytest.approx(50.0, abs=1e-3))
    bench.step(60)
    assert slots.go(0.9) == ["b: HOUSE.V shows the truth again (LAB.ATK_1)"]
    assert len(slots.go(1.0)) == 2 and not slots.is_over
    assert (bench.value("CB.ST_52A"), bench.value("CB.ST_52B")) == (0.0, 1.0)
    slots.clear()
    assert slots.is_over
    assert (bench.value("CB.ST_52A"), bench.value("CB.ST_52B")) == (1.0, 0.0)
    assert [(s.attack, s.channels) for s in slots.spans] == [
        ("b", ("HOUSE.V",)), ("t", ("CB.ST_52A",)), ("t", ("CB.ST_52B",)),
    ]  # fmt: skip


def test_an_attack_without_an_end_is_renewed_unnoticed_and_lapses_when_nobody_does() -> None:
    bench = EngineBench()
    slots = bench.attacked(on(Kind.BIAS, "HOUSE.V", offset=50.0), hold_s=SHORT_S)
    true_v = bench.value("HOUSE.V")
    slots.go(0.0)
    bench.house_v.clear()
    for _ in range(30):  # three holds
        bench.step(6)
        assert slots.go(0.1) == []
        assert 0.0 < bench.value("LAB.ATK_1.LEFT_S") <= SHORT_S
    np.testing.assert_allclose(bench.house_v, true_v + 50.0, atol=1e-3)  # the loop stops at 1e-6 pu
    bench.step(round(SHORT_S * 1e9 / DT_NS) + 1)  # its command was killed
    assert bench.value("LAB.ATK_1.ACTIVE") == 0.0
    assert bench.value("HOUSE.V") == pytest.approx(true_v, abs=1e-3)
    assert "before its time" in slots.go(9.0)[0]


def test_an_attack_that_is_longer_than_a_hold_ends_when_it_is_to() -> None:
    bench = EngineBench()
    slots = bench.attacked(on(Kind.SCALE, "HOUSE.V", factor=2.0, duration_s=0.2), hold_s=SHORT_S)
    slots.go(0.0)
    begun, n_false = bench.n, 0
    while not slots.is_over:
        bench.step()
        slots.go(0.1)
        n_false += 1
        assert bench.n < 1000
    lasted = bench.n - begun
    assert 200 <= lasted + 1 <= 200 + 2 * 7  # the last renewal counts from when it was asked for


def test_a_ramp_goes_on_at_its_limit_after_its_renewal() -> None:
    bench = EngineBench()
    ramp = on(Kind.RAMP, "HOUSE.V", per_s=-1000.0, limit=50.0)  # 50 ms until it is held
    slots = bench.attacked(ramp, hold_s=SHORT_S)
    true_v = bench.value("HOUSE.V")
    slots.go(0.0)
    errors = []
    for _ in range(200):
        bench.step()
        slots.go(0.1)
        errors.append(bench.value("HOUSE.V") - true_v)
    assert errors[9] == pytest.approx(-11.0, abs=1.5)  # 1 V a step
    np.testing.assert_allclose(errors[60:], -50.0, atol=1e-3)
    assert bench.value("LAB.ATK_1.MODE") == BIAS


def test_what_cannot_be_renewed_is_set_up_for_as_long_as_it_lasts() -> None:
    for kind, figures in ((Kind.FREEZE, {}), (Kind.DELAY, {"delay_s": 2.0}), (Kind.RAMP, {"per_s": 1.0})):
        (one,) = settings(on(kind, "HOUSE.V", duration_s=500.0, **figures))  # type: ignore[arg-type]
        assert one.grant_s(30.0) == 500.0
    assert Setting("HOUSE.V", BIAS, 1.0, 0.0, 500.0).grant_s(30.0) == 30.0
    assert Setting("HOUSE.V", RAMP, -2.0, 10.0).grant_s(30.0) == 35.0


def test_a_hold_is_as_long_by_the_wall_clock_however_fast_the_station_runs() -> None:
    assert hold_s(1_000_000, 1_000_000) == HOLD_S
    assert hold_s(10_000_000, 1_000_000) == 10.0 * HOLD_S
    assert hold_s(1_000_000, 10_000_000) == HOLD_S  # slower: it lasts longer than needed
    assert hold_s(1_000_000, 0) == SPEED_MAX * HOLD_S


def test_true_and_false_value_are_of_one_step() -> None:
    bench = EngineBench(ripple_pu=0.2)  # the load is another in every step
    slots = bench.attacked(on(Kind.BIAS, "HOUSE.P", offset=500.0))
    slots.go(0.0)
    true, rows = [], []
    for _ in range(20):
        bench.step()
        true.append(bench.value("LAB.ATK_1.TRUE_VALUE"))
        rows += slots.rows(0.0)
    assert len({r.true_value for r in rows}) > 10
    for row in rows:
        assert row.false_value - row.true_value == pytest.approx(500.0, abs=1e-6)  # rounding of 1e3 W
    assert [r.true_value for r in rows] == true
    assert {(r.true_quality, r.false_quality) for r in rows} == {(0, 0)}


def test_the_true_quality_behind_a_loss_is_not_known() -> None:
    bench = EngineBench()
    slots = bench.attacked(on(Kind.DROPOUT, "HOUSE.P"))
    slots.go(0.0)
    bench.step()
    (row,) = slots.rows(0.0)
    assert (row.true_quality, row.false_quality) == (None, int(Quality.BAD_NO_COMMUNICATION))


def test_an_image_that_the_loop_skipped_gives_no_rows() -> None:
    bench = EngineBench()
    slots = bench.attacked(on(Kind.BIAS, "HOUSE.P", offset=5.0))
    slots.go(0.0)
    bench.shown.popleft()
    assert slots.rows(0.0) == []


def test_an_attack_waits_for_the_one_before_it_at_its_point() -> None:
    bench = EngineBench()
    first = on(Kind.BIAS, "HOUSE.V", name="a", offset=50.0, duration_s=0.1)
    second = on(Kind.BIAS, "HOUSE.V", name="b", offset=-50.0, start_s=0.1)
    slots = bench.attacked(first, second)
    slots.go(0.0)
    assert slots.go(0.1) == []  # its slot ends by the plant's clock, which is behind
    bench.step(110)
    said = slots.go(0.2)
    assert [line.partition(":")[0] for line in said] == ["a", "b"]


def test_slots_in_use_are_left_alone_and_too_few_are_told() -> None:
    bench = EngineBench()
    first = bench.attacked(on(Kind.BIAS, "HOUSE.V", offset=1.0))
    first.go(0.0)
    second = bench.attacked(on(Kind.BIAS, "HOUSE.P", offset=1.0))
    assert "LAB.ATK_2" in second.go(0.0)[0]
    tags = [p.tag for p in small.points() if p.kind is PointKind.ANALOG and not p.is_health][:ATTACK_COUNT]
    many = bench.attacked(on(Kind.SCALE, *tags, factor=2.0))
    with pytest.raises(HostError, match="16 slots are needed, 14 are free"):
        many.go(0.0)
    second.clear()
    assert bench.value("LAB.ATK_1.ACTIVE") == 1.0


def test_a_point_that_another_slot_holds_is_refused_by_its_reason_and_the_slot_is_named() -> None:
    bench = EngineBench()
    killed = bench.attacked(on(Kind.BIAS, "HOUSE.V", offset=1.0))
    killed.go(0.0)  # and nobody clears it
    again = bench.attacked(on(Kind.BIAS, "HOUSE.V", offset=1.0))
    with pytest.raises(HostError, match="another slot is at the point already"):
        again.go(0.0)
    again.clear()
    assert again.active() == ["LAB.ATK_1"]


def test_an_arming_that_nothing_used_is_closed_at_the_end() -> None:
    bench = EngineBench()
    slots = bench.attacked()
    bench.command({"LAB.ARM.ARM": 1.0})
    slots.clear()
    assert bench.value("LAB.ARM.ARMED") == 0.0
