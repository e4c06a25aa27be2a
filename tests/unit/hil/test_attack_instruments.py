"""Attacks at instruments, carried out in the slots of a small plant as on a running station."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping

import numpy as np
import pytest

from estimation.attacks import Attack, Kind
from hil.attack_instruments import Instruments, settings
from rtcore.assembly.instances import ATTACK_COUNT
from rtcore.engine import Engine
from rtcore.errors import HostError
from rtcore.plant.attack import BIAS, RAMP, SCALE
from rtcore.points import Kind as PointKind
from rtcore.points import Point
from tests.unit.rtcore import small_station as small

pytestmark = pytest.mark.timeout(600)
"""With an empty cache the first of these tests compiles every kernel."""


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
        found.append(small._point(f"{tag}.TRUE_VALUE", of, "true_value", PointKind.ANALOG, -1e9, 1e9))
    return found


class EngineBench:
    """A running station's bench on a plant under the virtual clock."""

    def __init__(self) -> None:
        setup, points = small.setup(), [*small.points(), *lab()]
        perfect = {key: np.zeros(len(points)) for key in small.INSTRUMENT_KEYS}
        self.engine = Engine(
            dc.replace(setup, points=points, instruments=perfect, unit_factor=np.ones(len(points)))
        )
        self.engine.step(3)
        self.numbers = {tag: k + 1 for tag, k in self.engine.index.items()}

    def command(self, writes: Mapping[str, float]) -> None:
        ids = self.engine.command(list(writes.items()))
        self.engine.step()
        verdicts = self.engine.verdicts()
        if refused := [verdicts[i].reason.name for i in ids if not verdicts[i].is_done]:
            raise HostError("; ".join(refused))

    def value(self, tag: str) -> float:
        return self.engine.value(tag)


def on(kind: Kind, *channels: str, name: str = "x", **more: object) -> Attack:
    figures = {k: more.pop(k) for k in ("offset", "factor", "per_s", "limit") if k in more}
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
    slots = Instruments(bench, bench.numbers, attacks)
    true_v = bench.value("HOUSE.V")
    assert slots.go(0.0) == [f"b: HOUSE.V is falsified (LAB.ATK_1, point {bench.numbers['HOUSE.V']})"]
    assert bench.value("HOUSE.V") == pytest.approx(true_v + 50.0, abs=1e-3)  # the loop stops at 1e-6 pu
    (row,) = slots.rows(0.0)
    assert (row.tag, row.false_value - row.true_value) == ("HOUSE.V", pytest.approx(50.0, abs=1e-3))
    bench.engine.step(60)
    assert slots.go(0.9) == ["b: HOUSE.V shows the truth again (LAB.ATK_1)"]
    assert len(slots.go(1.0)) == 2 and not slots.is_over
    assert (bench.value("CB.ST_52A"), bench.value("CB.ST_52B")) == (0.0, 1.0)
    slots.clear()
    assert slots.is_over
    assert (bench.value("CB.ST_52A"), bench.value("CB.ST_52B")) == (1.0, 0.0)
    assert [(s.attack, s.channels) for s in slots.spans] == [
        ("b", ("HOUSE.V",)), ("t", ("CB.ST_52A",)), ("t", ("CB.ST_52B",)),
    ]  # fmt: skip


def test_slots_in_use_are_left_alone_and_too_few_are_told() -> None:
    bench = EngineBench()
    first = Instruments(bench, bench.numbers, [on(Kind.BIAS, "HOUSE.V", offset=1.0)])
    first.go(0.0)
    second = Instruments(bench, bench.numbers, [on(Kind.BIAS, "HOUSE.P", offset=1.0)])
    assert "LAB.ATK_2" in second.go(0.0)[0]
    tags = [p.tag for p in small.points() if p.kind is PointKind.ANALOG and not p.is_health][:ATTACK_COUNT]
    many = Instruments(bench, bench.numbers, [on(Kind.SCALE, *tags, factor=2.0)])
    with pytest.raises(HostError, match="16 slots are needed, 14 are free"):
        many.go(0.0)
    second.clear()
    assert bench.value("LAB.ATK_1.ACTIVE") == 1.0


def test_a_point_that_another_slot_holds_is_refused_by_its_reason_and_the_slot_is_named() -> None:
    bench = EngineBench()
    killed = Instruments(bench, bench.numbers, [on(Kind.BIAS, "HOUSE.V", offset=1.0)])
    killed.go(0.0)  # and nobody clears it
    again = Instruments(bench, bench.numbers, [on(Kind.BIAS, "HOUSE.V", offset=1.0)])
    with pytest.raises(HostError, match="another slot is at the point already"):
        again.go(0.0)
    again.clear()
    assert again.active() == ["LAB.ATK_1"]


def test_an_arming_that_nothing_used_is_closed_at_the_end() -> None:
    bench = EngineBench()
    slots = Instruments(bench, bench.numbers, [])
    bench.command({"LAB.ARM.ARM": 1.0})
    slots.clear()
    assert bench.value("LAB.ARM.ARMED") == 0.0
