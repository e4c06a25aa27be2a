"""A feeder phase by phase: what is measured, what is computed, what is not known."""

from __future__ import annotations

import math

import pytest

from hil.view import feeder_values as fv
from hil.view.model import StationModel
from hil.view.reading import BAD, NOTHING, Reading
from tests.support.map_models import STATIONS, reader, shipped_model

IOWA = shipped_model("iowa240")
ANGLES = dict(zip("ABC", (0.0, -120.0, 120.0), strict=True))


def place(model: StationModel, name: str) -> fv.Place:
    return next(p for p in fv.places(model) if p.name == name)


def feeder_b(lag_deg: float = 30.0) -> dict[str, float]:
    """Return a balanced load of feeder B: 8 kV, 50 A."""
    values = {"FDR_B.HEAD.P": 1039.2, "FDR_B.HEAD.Q": 600.0}
    for x, angle in ANGLES.items():
        values |= {f"FDR_B.HEAD.V{x}": 8000.0, f"FDR_B.HEAD.I{x}": 50.0}
        values |= {f"FDR_B.R_CB_201_IN.V{x}_V": 8000.0, f"FDR_B.R_CB_201_IN.V{x}_DEG": angle}
        values |= {f"FDR_B.R_CB_201_IN.I{x}_A": 50.0, f"FDR_B.R_CB_201_IN.I{x}_DEG": angle - lag_deg}
    return values


@pytest.mark.parametrize("name", STATIONS)
def test_every_shipped_station_offers_the_substation_and_its_feeders(name: str) -> None:
    model = shipped_model(name)
    found = fv.places(model)
    assert [p.name for p in found] == ["Substation", "FDR_A", "FDR_B", "FDR_C"]
    for one in found:
        tags = fv.place_tags(model, one)
        assert [t for t in tags if not t.startswith("arrays.") and not model.has(t)] == []
        assert f"{one.amperes}.P" in tags


def test_powers_of_phases_are_computed_from_the_relays_phasors_and_sums_are_measured() -> None:
    rows = fv.rows(IOWA, place(IOWA, "FDR_B"), reader(feeder_b()))
    for row in rows[:3]:
        volt, per_unit, ampere, p, q, s, pf = row.cells
        assert (volt.value, ampere.value) == (8000.0, 50.0)
        assert per_unit.value == pytest.approx(8000.0 / 7967.434, rel=1e-5)
        assert p.value == pytest.approx(400.0 * math.cos(math.radians(30.0)))
        assert q.value == pytest.approx(200.0)
        assert p.is_computed
        assert s.value == pytest.approx(400.0)
        assert pf.value == pytest.approx(math.cos(math.radians(30.0)))
    assert rows[3].cells[3].value == 1039.2
    assert not rows[3].cells[3].is_computed


def test_phases_that_are_measured_are_not_computed() -> None:
    values = {"SUB.T1.PA": 100.0, "SUB.T1.QA": 50.0, "SUB.T1.IA": 12.0, "SUB.BUS1.VA": 8000.0}
    row = fv.rows(IOWA, place(IOWA, "Substation"), reader(values))[0]
    assert row.cells[3] == fv.Number(100.0, Reading(100.0, "Good"))
    assert row.cells[2].value == 12.0


def test_without_a_relay_there_are_no_powers_of_phases() -> None:
    model = shipped_model("iowa240-ref")
    one = place(model, "FDR_B")
    assert one.inputs == ""
    rows = fv.rows(model, one, reader({"FDR_B.HEAD.P": 10.0, "FDR_B.HEAD.Q": 0.0}))
    assert rows[0].cells[3].value is None
    assert rows[3].cells[3].value == 10.0
    assert fv.phasors(one, reader({})) == ([None] * 3, [None] * 3)


def test_a_missing_angle_leaves_its_phase_unknown_and_no_other() -> None:
    values = feeder_b()
    del values["FDR_B.R_CB_201_IN.VB_DEG"]
    volts, amperes = fv.phasors(place(IOWA, "FDR_B"), reader(values))
    assert [v is None for v in volts] == [False, True, False]
    assert None not in amperes
    rows = fv.rows(IOWA, place(IOWA, "FDR_B"), reader(values))
    assert rows[1].cells[3].value is None
    assert rows[2].cells[3].value is not None


def test_what_is_computed_is_as_bad_as_its_worst_part() -> None:
    values = feeder_b()

    def read(tag: str) -> Reading:
        status = "BadSensorFailure" if tag.endswith("R_CB_201_IN.IA_DEG") else "Good"
        return Reading(values[tag], status) if tag in values else NOTHING

    rows = fv.rows(IOWA, place(IOWA, "FDR_B"), read)
    assert rows[0].cells[3].worst.grade == BAD
    assert rows[1].cells[3].worst.grade == "good"


def test_a_profile_has_a_distance_for_every_voltage_and_no_bad_one() -> None:
    name = "arrays.VPROFILE.FDR_B.C"
    found = {name: [1.01, math.nan, 0.94], f"{name}/Members": ["X.V1", "Y.V1", "Z.VC"],
             f"{name}/Distances": [0.0, 1.0, 2.5]}  # fmt: skip
    along = fv.along(place(IOWA, "FDR_B"), lambda t: Reading(found[t], "Good") if t in found else NOTHING)
    assert along == [fv.Voltage(0.0, 1.01, "X.V1", 2), fv.Voltage(2.5, 0.94, "Z.VC", 2)]


def test_harmonics_belong_to_the_feeder_where_they_are_measured() -> None:
    found = {p.name: p.harmonics for p in fv.places(shipped_model("iowa240-der"))}
    assert found == {
        "Substation": ("DER.THD_BUS1",),
        "FDR_A": (),
        "FDR_B": ("DER.TDD_201",),
        "FDR_C": ("DER.THD_C79",),
    }
    assert {p.harmonics for p in fv.places(IOWA)} == {()}


def test_angles_are_turned_to_that_of_the_reference() -> None:
    turned = fv.turned([1j, -1j, None], 1j)
    assert turned[0] == pytest.approx(1.0)
    assert turned[1] == pytest.approx(-1.0)
    assert turned[2] is None
    assert fv.turned([1j], None) == [1j]
