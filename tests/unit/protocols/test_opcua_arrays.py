"""Arrays of points: what they show, to whom, and what it costs."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData

from protocols import opcua_array_list
from protocols.opcua_array_list import Array, Arrays, Ranking
from protocols.opcua_arrays import LiveArrays
from protocols.opcua_publish import utc
from rtcore.quality import Quality

INDEX = {"A.V": 0, "B.V": 1, "R1.RN": 2, "R2.RN": 3, "R3.RN": 4}
PROFILE = Array(
    name="VPROFILE.F.A", description="voltages", unit="pu",
    members=("B.V", "A.V"), factors=(0.01, 0.01), distances=(1.0, 2.0),
)  # fmt: skip
RESIDUALS = Ranking(
    name="RESIDUALS", description="residuals", value_name="RN",
    members=("R1.RN", "R2.RN", "R3.RN"), names=("M1", "M2", "M3"), n=2,
)  # fmt: skip
ARRAYS = Arrays((PROFILE,), (RESIDUALS,))
KEYS = ("arrays.VPROFILE.F.A", "arrays.RESIDUALS.RN", "arrays.RESIDUALS.TAGS")


@pytest.fixture
def aspace() -> AddressSpace:
    made = AddressSpace()
    for key in KEYS:
        record = NodeData(ua.NodeId(key, 2))
        record.attributes[ua.AttributeIds.Value] = AttributeValue(ua.DataValue())
        made[record.nodeid] = record
    return made


def read(aspace: AddressSpace, key: str) -> Any:
    return aspace.read_attribute_value(ua.NodeId(key, 2), ua.AttributeIds.Value)


def image(*values: float, bad: tuple[int, ...] = ()) -> tuple[Any, Any]:
    quality = np.zeros(len(INDEX), np.uint8)
    quality[list(bad)] = Quality.BAD_SENSOR
    return np.array(values), quality


def test_an_array_has_its_members_in_order_in_its_own_unit_and_nan_for_bad_ones(aspace: AddressSpace) -> None:
    live = LiveArrays(ARRAYS, INDEX, aspace)
    live.swept(*image(101.0, 99.0, 0.0, 0.0, 0.0), 5_000)
    data = read(aspace, KEYS[0])
    assert data.Value.Value == pytest.approx([0.99, 1.01])
    assert (data.Value.VariantType, data.SourceTimestamp) == (ua.VariantType.Double, utc(5_000))
    live.swept(*image(101.0, 99.0, 0.0, 0.0, 0.0, bad=(1,)), 6_000)
    first, second = read(aspace, KEYS[0]).Value.Value
    assert math.isnan(first) and second == pytest.approx(1.01)


def test_before_the_first_sweep_nothing_is_known(aspace: AddressSpace) -> None:
    LiveArrays(ARRAYS, INDEX, aspace)
    assert all(math.isnan(x) for x in read(aspace, KEYS[0]).Value.Value)
    assert read(aspace, KEYS[2]).Value.Value == []


def test_a_ranking_has_the_largest_magnitudes_and_what_they_are_of(aspace: AddressSpace) -> None:
    live = LiveArrays(ARRAYS, INDEX, aspace)
    live.swept(*image(0.0, 0.0, 1.0, -3.0, 2.0), 1)
    assert read(aspace, KEYS[1]).Value.Value == [-3.0, 2.0]
    assert read(aspace, KEYS[2]).Value.Value == ["M2", "M3"]


def test_what_is_bad_has_no_place_in_a_ranking(aspace: AddressSpace) -> None:
    live = LiveArrays(ARRAYS, INDEX, aspace)
    live.swept(*image(0.0, 0.0, 1.0, -3.0, 2.0, bad=(2, 3)), 1)
    assert read(aspace, KEYS[1]).Value.Value == [2.0]
    assert read(aspace, KEYS[2]).Value.Value == ["M3"]


class Items:
    """Takes what a monitored item takes."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def notify(self, handle: int, data: Any) -> None:
        self.told.append(data.Value.Value)

    def callback(self) -> None: ...


def test_subscribers_are_told_of_changes_and_of_nothing_else(aspace: AddressSpace) -> None:
    live, items = LiveArrays(ARRAYS, INDEX, aspace), Items()
    aspace[ua.NodeId(KEYS[0], 2)].attributes[ua.AttributeIds.Value].datachange_callbacks[1] = items.callback
    for values, bad in (((100.0, 99.0), ()), ((100.0, 99.0), ()), ((100.0, 99.0), (0,)), ((7.0, 99.0), (0,))):
        live.swept(*image(*values, 0.0, 0.0, 0.0, bad=bad), 1)
    assert [np.isnan(t).tolist() for t in items.told] == [[False, False], [False, True]]


def test_arrays_survive_their_way_through_a_file() -> None:
    assert Arrays.from_dict(json.loads(json.dumps(ARRAYS.to_dict()))) == ARRAYS


def test_every_array_is_a_variable_with_its_members_and_distances() -> None:
    nodes = {n.key: n for n in opcua_array_list.nodes("lab", ARRAYS)}
    assert {KEYS[0], KEYS[1], KEYS[2], "arrays"} <= nodes.keys()
    assert nodes[f"{KEYS[0]}/Members"].parent == KEYS[0]
    assert nodes[f"{KEYS[0]}/Distances"].is_array
    assert list(opcua_array_list.nodes("lab", Arrays())) == []
