"""Who moved what and why, and which channels balance each other."""

import numpy as np
import pytest

from estimation.channels import Accuracy, Channel, Contacts, Telemetry
from estimation.detectors.areas import areas_of, layout_of
from estimation.detectors.changes import TRIP_S, ChangeWatch
from estimation.detectors.scan import ChangeKind
from estimation.measurements import Kind, Measurement
from rtcore.points import Kind as PointKind
from rtcore.points import Point
from rtcore.quality import Quality

ROWS = (
    ("F.CB.ST_52A", "breaker.cb", "is_52a", PointKind.STATUS),
    ("F.R_CB.TRIPS", "relay.cb", "trips", PointKind.ANALOG),
    ("S.REG.TAP", "regulator.r", "tap", PointKind.ANALOG),
    ("S.AVR.AUTO", "tap_changer.r", "is_auto_sp", PointKind.SETPOINT),
    ("S.AVR.V", "tap_changer.r", "v_relay_v", PointKind.ANALOG),
    ("S.AVR.V_SP", "tap_changer.r", "vreg_v_sp", PointKind.SETPOINT),
    ("S.AVR.BAND_SP", "tap_changer.r", "band_v_sp", PointKind.SETPOINT),
    ("LAB.ARM.SP", "arming.lab", "armed_sp", PointKind.SETPOINT),
)
START = np.array([1.0, 0.0, 3.0, 1.0, 121.6, 120.0, 3.0, 0.0])
AT = {tag: i for i, (tag, *_) in enumerate(ROWS)}


def point(tag: str, source: str, attr: str, kind: PointKind) -> Point:
    return Point(
        tag=tag, device=tag.rpartition(".")[0], template="", source=source, attr=attr, kind=kind, unit="",
        minimum=0, maximum=1, deadband=0, instrument="", description="", wire={},
    )  # fmt: skip


@pytest.fixture
def watch() -> ChangeWatch:
    telemetry = Telemetry(
        name="t", channels=(), statuses={"cb": Contacts(points=(0,))}, taps={"r": 2}, capacitors={}
    )
    watch = ChangeWatch([point(*row) for row in ROWS], telemetry)
    assert watch.update(0.0, START, np.zeros(len(ROWS), np.uint8)) == []
    return watch


def moved(watch: ChangeWatch, t_s: float = 10.0, logged: tuple[str, ...] = (), **values: float) -> list[str]:
    """Return why each of the changes happened."""
    x = (START if watch.before is None else watch.before).copy()
    for tag, value in values.items():
        x[AT[tag.replace("__", ".")]] = value
    return [c.explained_by for c in watch.update(t_s, x, np.zeros(len(ROWS), np.uint8), logged)]


def test_a_breaker_that_opens_by_itself_is_not_explained(watch: ChangeWatch) -> None:
    assert moved(watch, F__CB__ST_52A=0) == [""]
    assert moved(watch) == []


def test_a_breaker_is_explained_by_a_trip_for_a_while(watch: ChangeWatch) -> None:
    assert moved(watch, F__CB__ST_52A=0, F__R_CB__TRIPS=1) == ["protection"]
    assert moved(watch, 10.0 + TRIP_S, F__CB__ST_52A=1) == ["protection"]
    assert moved(watch, 11.0 + TRIP_S, F__CB__ST_52A=0) == [""]


def test_a_breaker_is_explained_by_a_command_of_the_centre_to_its_device(watch: ChangeWatch) -> None:
    assert moved(watch, logged=("F.CB.TRIP",), F__CB__ST_52A=0) == ["command"]


def test_a_tap_in_automatic_towards_the_band_is_explained(watch: ChangeWatch) -> None:
    assert moved(watch, S__REG__TAP=2) == ["control"]  # 1.6 V high of 1.5 V allowed: down


def test_a_tap_away_from_the_band_or_in_manual_is_not(watch: ChangeWatch) -> None:
    assert moved(watch, S__REG__TAP=4) == [""]
    assert moved(watch, S__AVR__AUTO=0) == [""]
    assert moved(watch, S__REG__TAP=3) == [""]


def test_set_values_count_and_what_the_instructor_does_not(watch: ChangeWatch) -> None:
    assert moved(watch, S__AVR__V_SP=126, LAB__ARM__SP=1) == [""]


def test_a_value_that_is_bad_moves_nothing(watch: ChangeWatch) -> None:
    quality = np.zeros(len(ROWS), np.uint8)
    quality[0] = Quality.BAD_NO_COMMUNICATION
    x = START.copy()
    x[0] = 0.0
    assert watch.update(10.0, x, quality) == []
    assert watch.update(20.0, START, np.zeros(len(ROWS), np.uint8)) == []


def test_kinds_of_changes_are_told(watch: ChangeWatch) -> None:
    x = START.copy()
    x[[0, 2, 5]] = 0.0, 2.0, 121.0
    kinds = [c.kind for c in watch.update(10.0, x, np.zeros(len(ROWS), np.uint8))]
    assert kinds == [ChangeKind.BREAKER, ChangeKind.TAP, ChangeKind.SETPOINT]


def channel(name: str, kind: Kind, nodes: tuple[int, ...] = (1,), period_s: float = 0.0) -> Channel:
    measurement = Measurement(name=name, kind=kind, element="e", terminal=1, nodes=nodes)
    accuracy = Accuracy(quantum=2.0, cutoff=3.0)
    return Channel(measurement=measurement, point=0, factor=1.0, accuracy=accuracy, period_s=period_s)


CHANNELS = (
    channel("SUB.T1.P", Kind.P_FLOW, (1, 2, 3)),
    channel("SUB.T1.PA", Kind.P_FLOW),
    channel("A.HEAD.P", Kind.P_FLOW, (1, 2, 3)),
    channel("B.HEAD.P", Kind.P_FLOW, (1, 2, 3)),
    channel("B.SM_1.PA", Kind.P_FLOW),
    channel("B.SM_1.PB", Kind.P_FLOW),
    channel("B.M1.PA", Kind.P_INJ, period_s=900.0),
)


def test_the_substation_balances_the_heads_and_each_head_its_sections() -> None:
    areas = {
        a.name: dict(zip(a.channels.tolist(), a.signs.tolist(), strict=True)) for a in areas_of(CHANNELS)
    }
    # The transformer's flow is into its secondary side: minus it is what the heads take.
    assert areas == {
        "SUB.T1 p_flow": {0: -1.0, 2: -1.0, 3: -1.0},
        "B.HEAD B.SM_1 p_flow": {3: 1.0, 4: -1.0, 5: -1.0},
    }


def test_a_group_is_one_kind_of_one_device_and_resolution_is_the_wider_of_step_and_cut_off() -> None:
    layout = layout_of(CHANNELS)
    assert {k: v.tolist() for k, v in layout.groups.items()}["B.SM_1 p_flow"] == [4, 5]
    assert layout.quantum[0] == 6.0
    assert layout.period_s[-1] == 900.0
