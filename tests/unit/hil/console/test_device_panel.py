"""The panel beside the map, and the phasor diagram: what they say of readings."""

from __future__ import annotations

import pytest
from rich.text import Text

from hil.console.looks import DARK
from hil.console.widgets.canvas import Canvas
from hil.console.widgets.device_panel import panel_points
from hil.console.widgets.feeder_lines import phase_lines, profile_words, sequence_lines
from hil.console.widgets.phasors import Arrow, Phasors
from hil.console.widgets.raster import Grid
from hil.view import feeder_values as fv
from hil.view.reading import Reading
from hil.view.sequence import phasor
from tests.support.map_models import shipped_model

MODEL = shipped_model("iowa240")
BALANCED = [phasor(8000.0, angle) for angle in (10.0, -110.0, 130.0)]


def text(lines: list[Text]) -> list[str]:
    return [line.plain.rstrip() for line in lines]


def test_a_breaker_has_its_relays_state_beside_its_own() -> None:
    tags = [p.tag for p in panel_points(MODEL, "FDR_A.CB_101")]
    assert tags[:2] == ["FDR_A.CB_101.ST_52A", "FDR_A.CB_101.ST_52B"]
    assert {"FDR_A.R_CB_101.TARGETS", "FDR_A.R_CB_101_79.SHOT"} <= set(tags)
    assert panel_points(MODEL, "") == ()
    assert all(p.kind != "control" for p in panel_points(MODEL, "FDR_A.CB_101"))


def test_a_balanced_system_reads_as_one() -> None:
    lines = text(sequence_lines(BALANCED, [None] * 3, DARK, is_stale=False, has_angles=True))
    assert lines[1].split() == ["positive", "8000.00", "0.0", "-", "-"]
    assert lines[4].split()[:3] == ["neg/pos", "%", "0.00"]
    assert lines[6].split()[:3] == ["uneven", "%", "0.00"]


def test_stale_components_have_question_marks() -> None:
    lines = text(sequence_lines(BALANCED, BALANCED, DARK, is_stale=True, has_angles=False))
    assert lines[1].split() == ["positive", "8000.00?", "8000.00?"]


def test_what_rounds_to_nothing_has_no_sign_and_what_is_stale_a_question_mark() -> None:
    cells = tuple(
        fv.Number(value, Reading(value, "Good", is_stale=stale))
        for value, stale in ((-0.004, False), (1.0, False), (5.0, True), (-3.25, False), (0.0, False),
                             (3.25, False), (-1.0, False))
    )  # fmt: skip
    line = text(phase_lines([fv.Row("a", cells)], DARK))[1]
    assert line.split() == ["a", "0.0", "1.0000", "5.0?", "-3.2", "0.0", "3.2", "-1.000"]


@pytest.mark.parametrize(
    ("voltages", "words"),
    [
        ([1.0, 1.02], "2 voltages, 1.000 to 1.020 pu: all within 0.95 to 1.05"),
        ([0.94, 1.0], "1 below 0.95 (lowest M0 0.0 km)"),
        ([1.0, 1.07], "1 above 1.05 (highest M1 1.0 km)"),
        ([], "no voltage measured along it now"),
    ],
)
def test_a_profile_names_what_is_outside(voltages: list[float], words: str) -> None:
    found = [fv.Voltage(float(k), v, f"M{k}", 0) for k, v in enumerate(voltages)]
    assert words in profile_words(MODEL, found, DARK).plain


@pytest.mark.parametrize("is_ascii", [False, True])
@pytest.mark.parametrize("size", [(42, 14), (41, 7)])
def test_the_diagram_has_an_arrow_and_a_line_of_the_list_for_every_phasor(
    size: tuple[int, int], is_ascii: bool
) -> None:
    canvas = Canvas(Grid(*size, is_ascii))
    arrows = [Arrow("Va", 8000 + 0j, 0, False), Arrow("Ia", phasor(50.0, -30.0), 0, True),
              Arrow("Ib", None, 1, True), Arrow("Ic", 0j, 2, True)]  # fmt: skip
    Phasors()._draw(canvas, arrows, DARK, is_stale=False)
    drawn = [strip.text for strip in canvas.strips(Phasors().rich_style)]
    diagram = drawn[0].index("size") - 6
    assert sum("Va" in line[:diagram] for line in drawn) == 1
    assert sum("Ia" in line[:diagram] for line in drawn) == 1
    assert not any("Ib" in line[:diagram] or "Ic" in line[:diagram] for line in drawn)
    listed = "\n".join(drawn)
    assert "Va  8000.0V    0.0" in listed
    assert "Ia    50.0A  -30.0" in listed
    assert "Ib        -      -" in listed
    assert "Ic     0.0A      -" in listed
    assert not is_ascii or listed.isascii()
