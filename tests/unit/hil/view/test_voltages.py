"""Voltages of a map: of meters, of their neighbours, and where they lie."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from hil.view.energised import SWITCHING, Topology
from hil.view.reading import NOTHING, Reading
from hil.view.voltages import Band, band, bus_voltages, profile, voltage_tags, voltages
from tests.support.map_models import shipped_model

MODEL = shipped_model("iowa240")


def arrays(**members: float) -> Callable[[str], Reading]:
    """Return the profile of feeder B, phase a, with some voltages."""
    values, tags, kms = profile("FDR_B", "a")
    found = {
        values: list(members.values()),
        tags: [name.replace("__", ".") for name in members],
        kms: [0.1 * k for k in range(len(members))],
    }
    return lambda tag: Reading(found[tag], "Good") if tag in found else NOTHING


def test_what_is_not_measured_well_is_left_out() -> None:
    found = voltages(MODEL, arrays(FDR_B__HEAD__VA=1.01, FDR_B__M2002__V1=math.nan))
    assert found == {"FDR_B.HEAD.VA": 1.01}


def test_a_bus_of_no_feeder_is_read_in_volts() -> None:
    read = {"SUB.BUS1.VA": Reading(8000.0, "Good")}
    found = voltages(MODEL, lambda tag: read.get(tag, NOTHING))
    assert found == {"SUB.BUS1.VA": pytest.approx(8000.0 / 7967.434, rel=1e-5)}


def test_at_most_a_few_arrays_are_asked_for_whatever_the_number_of_meters() -> None:
    tags = voltage_tags(MODEL)
    assert len(tags) < 30
    assert {t for t in tags if not t.startswith("arrays.")} == {"SUB.BUS1.VA", "SUB.BUS1.VB", "SUB.BUS1.VC"}


def test_a_bus_without_a_meter_has_the_voltage_of_the_nearest_never_across_a_switch() -> None:
    topology = Topology(MODEL)
    meter = next(i for i in MODEL.items if i.device == "FDR_B.HEAD")
    found = bus_voltages(topology, {"FDR_B.HEAD.VA": 0.93, "FDR_B.HEAD.VB": 1.01})
    at = topology.index[meter.bus]
    assert found[at] == (0.93, 1.01)
    for other in topology.neighbours(at):
        assert found[other] == (0.93, 1.01)
    for k, branch in enumerate(MODEL.branches):
        if branch.kind in SWITCHING and branch.device == "FDR_B.CB_201":
            before, behind = topology.ends[k]
            assert (found[before], found[behind]) == (None, (0.93, 1.01))


@pytest.mark.parametrize(
    ("voltage", "expected"),
    [
        (None, Band.NONE),
        ((0.95, 1.05), Band.NORMAL),
        ((0.949, 1.0), Band.LOW),
        ((1.0, 1.051), Band.HIGH),
        ((0.94, 1.06), Band.LOW),
    ],
)
def test_a_voltage_lies_in_a_band(voltage: tuple[float, float] | None, expected: Band) -> None:
    assert band(MODEL, voltage) is expected
