"""Fault slots: commands, lives to the instant, refusals, the library."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from rtcore.component import REGISTRY, rows_of
from rtcore.network.fault_slots import F_LL, F_OPEN, F_SLG, measure_faults
from rtcore.network.grid_arrays import ENDS_MAX, FAULT_SLOTS, LINE, SLOT, FaultSlots
from rtcore.plant import fault
from rtcore.plant.arming import Arming
from rtcore.plant.fault import INTERMITTENT, SELF_CLEARING, TEMPORARY, measure, set_up, step

SPEC = REGISTRY["fault"]
BUS, LATERAL, LINE_PLACE = 1.0, 2.0, 3.0
NO_LIBRARY = np.zeros((0, len(fault.SETUP)))


def places() -> FaultSlots:
    """A three-phase bus, one with phase b alone, and a line of three phases."""
    lines = np.zeros(1, LINE)
    lines["n"], lines["conductor"], lines["last_slot"] = 3, [0, 1, 2], -1
    bus_node = np.array([[0, 1, 2], [-1, 3, -1]], np.int32)
    slots = np.zeros(FAULT_SLOTS, SLOT)
    return FaultSlots(bus_node, lines, slots, np.zeros((3 * ENDS_MAX + 1, 2 * ENDS_MAX), np.complex128))


class Rig:
    """Slots on nodes whose voltage and liveness the test sets; a world without a solver."""

    def __init__(self, dt_s: float = 0.001, key: int = 7, library: np.ndarray = NO_LIBRARY) -> None:  # type: ignore[type-arg]
        self.s, self.fs = np.zeros(FAULT_SLOTS, SPEC.state_dtype), places()
        set_up(self.s)
        self.arming_p = rows_of([Arming()], REGISTRY["arming"])
        self.arming = np.zeros(1, REGISTRY["arming"].state_dtype)
        self.v = np.array([100.0, 100.0j, -100.0, 50.0, 0.0], np.complex128)
        self.live = np.ones(4, np.uint8)
        self.library, self.key, self.dt_s = library, np.uint64(key), dt_s
        self.change_ago_s = dt_s
        self.n = 0

    def go(self, n: int = 1, slot: int = 0, **commands: float) -> int:
        for name, value in commands.items():
            self.s[name][slot] = value
        changes = 0
        for _ in range(n):
            change = np.zeros(1)
            changes += step(
                self.s, self.fs, self.library, self.arming_p, self.arming, self.key, change, self.dt_s
            )
            self.change = float(change[0])
            measure_faults(self.v, self.live, self.fs)
            measure(self.s, self.fs, self.change_ago_s, self.dt_s)
            self.n += 1
        return changes

    def apply(self, slot: int = 0, is_armed: float = 1.0, **setup: float) -> int:
        self.arming["is_armed"] = is_armed
        how = {"place_sp": BUS, "type_sp": float(F_SLG), "r_ohm_sp": 2.0} | setup
        return self.go(slot=slot, apply=1.0, **how)

    def until_off(self, n_max: int = 100_000) -> float:
        """Return the simulated time at which slot 0 goes off [s]."""
        for _ in range(n_max):
            self.go()
            if self.row.is_on == 0.0:
                return self.n * self.dt_s - self.row.on_ago_s
        pytest.fail("the fault never went")

    @property
    def row(self) -> SimpleNamespace:
        return SimpleNamespace(**{name: float(self.s[name][0]) for name in self.s.dtype.names})


def test_apply_takes_effect_at_the_beginning_of_its_step() -> None:
    rig = Rig()
    assert rig.apply() == 1
    assert (rig.row.is_on, rig.row.on_ago_s, rig.change) == (1.0, rig.dt_s, rig.dt_s)
    assert (rig.row.is_live, rig.row.strikes, rig.row.apply) == (1.0, 1.0, 0.0)
    assert rig.row.ia_a == pytest.approx(50.0) and rig.row.ib_a == 0.0
    assert rig.row.i0_a == pytest.approx(50.0 / 3.0)


def test_a_permanent_fault_stays_until_it_is_cleared() -> None:
    rig = Rig(dt_s=0.1)
    rig.apply()
    rig.live[:] = 0
    assert rig.go(1000) == 0 and rig.row.is_on == 1.0
    assert rig.go(clear=1.0) == 1
    assert (rig.row.is_on, rig.row.ia_a, rig.row.clear, rig.row.on_ago_s) == (0.0, 0.0, 0.0, 0.1)
    assert rig.go(clear=1.0) == 0  # nothing there to take away


def test_an_accepted_fault_uses_up_the_arming_and_a_refused_one_does_not() -> None:
    rig = Rig()
    rig.apply(place_sp=99.0)
    assert (rig.row.is_possible, rig.row.is_on, rig.row.is_armed) == (0.0, 0.0, 1.0)
    rig.apply()
    assert (rig.row.is_possible, rig.row.is_on, rig.row.is_armed) == (1.0, 1.0, 0.0)


def test_an_application_at_the_very_step_of_disarming_is_not_done() -> None:
    rig = Rig()
    assert rig.apply(is_armed=0.0) == 0
    assert (rig.row.is_possible, rig.row.is_on, rig.row.strikes) == (1.0, 0.0, 0.0)


def test_one_arming_is_for_all_faults_applied_at_one_step() -> None:
    rig = Rig()
    for name, value in {"place_sp": BUS, "type_sp": float(F_SLG), "r_ohm_sp": 2.0, "apply": 1.0}.items():
        rig.s[name][:2] = value
    rig.arming["is_armed"] = 1.0
    assert rig.go() == 2 and list(rig.s["is_on"][:2]) == [1.0, 1.0]
    assert rig.arming["is_armed"][0] == 0.0


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 0.1])
@pytest.mark.parametrize("duration_s", [0.05, 0.1234567])
def test_a_self_clearing_fault_lasts_to_the_instant(dt_s: float, duration_s: float) -> None:
    rig = Rig(dt_s)
    rig.apply(life_sp=SELF_CLEARING, duration_s_sp=duration_s)
    begin_s = 0.0
    end_s = rig.n * dt_s - rig.row.on_ago_s if rig.row.is_on == 0.0 else rig.until_off()
    assert end_s - begin_s == pytest.approx(duration_s, abs=1e-9)  # rounding of a sum of steps
    assert 0.0 <= rig.row.on_ago_s <= dt_s and rig.row.is_applied == 0.0


@pytest.mark.parametrize("dt_s", [0.25e-3, 1e-3, 0.05])
def test_a_temporary_fault_goes_after_its_dead_time_counted_from_the_opening(dt_s: float) -> None:
    rig = Rig(dt_s)
    rig.apply(life_sp=TEMPORARY, deionise_s_sp=0.3)
    rig.go(20)
    assert rig.row.is_on == 1.0
    rig.live[:3], rig.change_ago_s = 0, 0.4 * dt_s  # the breaker parts within the next step
    rig.go()
    opened_s = rig.n * dt_s - 0.4 * dt_s
    rig.change_ago_s = dt_s
    assert rig.row.is_on == 1.0 and rig.row.is_live == 0.0
    assert rig.until_off() - opened_s == pytest.approx(0.3, abs=1e-9)


def test_a_temporary_fault_that_is_reenergised_too_early_stays() -> None:
    rig = Rig(0.01)
    rig.apply(life_sp=TEMPORARY, deionise_s_sp=0.3)
    for _ in range(3):
        rig.live[:3] = 0
        rig.go(28)  # one step short of the bound within which it would go all the same
        assert rig.row.is_on == 1.0 and rig.row.left_s <= 0.3
        rig.live[:3] = 1
        rig.go(10)
    assert rig.row.is_on == 1.0 and rig.row.dead_s == -1.0


def test_only_the_faulted_phases_keep_a_temporary_fault() -> None:
    rig = Rig(0.01)
    rig.apply(life_sp=TEMPORARY, deionise_s_sp=0.1)
    rig.live[0] = 0  # phases b and c live on
    rig.go(20)
    assert rig.row.is_on == 0.0


def test_a_fault_on_a_dead_section_is_accepted_and_shown_without_voltage() -> None:
    rig = Rig()
    rig.live[:], rig.v[:] = 0, 0.0
    rig.apply()
    assert (rig.row.is_on, rig.row.is_live, rig.row.is_possible, rig.row.ia_a) == (1.0, 0.0, 1.0, 0.0)


def test_an_intermittent_fault_comes_and_goes_with_its_means_and_the_same_for_a_seed() -> None:
    def history(key: int) -> list[float]:
        rig, seen = Rig(0.01, key), []
        rig.apply(life_sp=INTERMITTENT, on_s_sp=0.2, off_s_sp=0.6)
        for _ in range(40_000):
            rig.go()
            seen.append(rig.row.is_on)
        assert rig.row.is_applied == 1.0
        # 400 s are 500 times on; the standard error of the share on is about 0.01, of strikes about 22
        assert np.mean(seen) == pytest.approx(0.25, abs=0.05)
        assert rig.row.strikes == pytest.approx(500, abs=110)
        rig.go(clear=1.0)
        assert rig.row.is_on == 0.0 and rig.go(100) == 0
        return seen

    assert history(1) == history(1) != history(2)


def test_slots_draw_from_streams_of_their_own() -> None:
    rig = Rig(0.01)
    for slot in range(2):
        rig.apply(slot=slot, life_sp=INTERMITTENT)
    assert rig.s["left_s"][0] != rig.s["left_s"][1]


def test_times_far_below_a_step_do_not_run_away() -> None:
    rig = Rig(0.1)
    rig.apply(life_sp=INTERMITTENT, on_s_sp=1e-9, off_s_sp=1e-9)
    assert rig.go() <= fault.TOGGLES_MAX
    assert rig.row.left_s >= 0.0 and 0.0 <= rig.row.on_ago_s <= 0.1


def test_applying_anew_replaces_the_fault_of_a_slot() -> None:
    rig = Rig()
    rig.apply()
    rig.apply(type_sp=float(F_LL), phases_sp=6.0)
    assert (rig.row.is_on, rig.row.strikes, rig.row.ia_a) == (1.0, 2.0, 0.0)
    assert rig.row.ib_a == pytest.approx(rig.row.ic_a) and rig.row.i0_a == pytest.approx(0.0, abs=1e-9)


REFUSED = [
    ({"place_sp": 0.0}, 1),
    ({"place_sp": 4.0}, 1),
    ({"place_sp": 1.5}, 1),
    ({"place_sp": LATERAL, "phases_sp": 1.0}, 2),
    ({"place_sp": LINE_PLACE, "fraction_sp": 1.0}, 3),
    ({"type_sp": 0.0}, 4),
    ({"phases_sp": 7.0}, 5),
    ({"type_sp": float(F_OPEN)}, 6),
    ({"r_ohm_sp": 0.0}, 7),
    ({"life_sp": 4.0}, 8),
    ({"life_sp": float("nan")}, 8),
    ({"life_sp": TEMPORARY, "deionise_s_sp": 0.0}, 8),
    ({"life_sp": SELF_CLEARING, "duration_s_sp": float("nan")}, 8),
    ({"life_sp": INTERMITTENT, "off_s_sp": -1.0}, 8),
]


@pytest.mark.parametrize(("setup", "refusal"), REFUSED)
def test_what_cannot_be_is_refused_with_a_number_and_leaves_what_is_there(
    setup: dict[str, float], refusal: int
) -> None:
    rig = Rig()
    rig.apply()
    assert rig.apply(**setup) == 0
    assert (rig.row.is_possible, rig.row.refusal, rig.row.is_on) == (0.0, refusal, 1.0)
    assert rig.row.ia_a == pytest.approx(50.0)


def test_a_library_entry_loads_every_setpoint_once() -> None:
    entry = [2.0, 0.25, 3.0, 2.0, 7.0, 1.0, 0.11, 0.22, 0.33, 0.44]
    rig = Rig(library=np.array([[0.0] * 10, entry]))
    rig.go(entry_sp=2.0)
    assert [getattr(rig.row, name) for name in fault.SETUP] == entry
    rig.go(r_ohm_sp=8.0)
    assert rig.row.r_ohm_sp == 8.0  # what is changed afterwards stays
    rig.go(entry_sp=3.0)
    assert (rig.row.place_sp, rig.row.type_sp) == (0.0, 0.0)  # no such entry: nothing to apply by mistake
    rig.apply(place_sp=2.0, type_sp=float(F_SLG), phases_sp=2.0)
    assert rig.row.ib_a == pytest.approx(25.0)


@pytest.mark.parametrize("name", [*fault.SETUP, "entry_sp"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300, 1e300])
def test_absurd_setpoints_do_not_stick(name: str, value: float) -> None:
    rig = Rig()
    rig.apply(**{name: value})
    rig.go(5)
    outputs = [a.name for a in SPEC.attrs if not a.writable]
    assert all(np.isfinite(rig.s[o]).all() for o in outputs if o != "entry")
    rig.go(clear=1.0, **{name: 0.0})
    rig.apply(**{**fault.SETUP, "place_sp": BUS, "type_sp": float(F_SLG)})
    assert rig.row.is_on == 1.0
