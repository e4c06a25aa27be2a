"""The map laid out and drawn: names do not overlap, sections look like what they are, also without colour."""

from __future__ import annotations

import dataclasses as dc
import time
from collections.abc import Mapping

import pytest
from rich.style import Style

from hil.console.looks import ASCII, DARK, UNICODE
from hil.console.widgets.map_facts import faults, sections, unusual, voltage_words
from hil.console.widgets.map_paint import Painter, Scene
from hil.console.widgets.map_sheet import Sheet, Window
from hil.console.widgets.map_things import CLOSEST, Places, things
from hil.console.widgets.raster import DOTTED, SOLID, Grid
from hil.view import switching
from hil.view.energised import SWITCHING, Topology
from hil.view.voltages import Band
from tests.support.map_models import (
    NETWORKS,
    STATIONS,
    network_model,
    normal_values,
    opened,
    reader,
    shipped_model,
)

SIZES = [(80, 12), (84, 33), (160, 55), (400, 100)]
PAINT_S = {(120, 40): 0.03, (400, 100): 0.1}
"""What drawing may take of a processor [s]."""


class Drawn:
    """A shipped station's map at one moment."""

    def __init__(
        self,
        name: str = "iowa240",
        values: Mapping[str, float] | None = None,
        *,
        size: tuple[int, int] = (84, 33),
        is_ascii: bool = False,
        zoom: float = 1.0,
        wanted: str = "",
    ) -> None:
        self.model = shipped_model(name)
        self.topology = Topology(self.model)
        self.things = things(self.topology)
        places = Places(self.topology)
        grid = Grid(*size, is_ascii)
        window = Window.around(places, grid)
        window = dc.replace(window, scale=window.scale * zoom)
        self.sheet = Sheet(self.topology, places, self.things, grid, window, wanted)
        read = reader(normal_values(self.model) | dict(values or {}))
        switches = switching.switches(self.model, read)
        faults = switching.faults(self.model, read)
        picture = self.topology.picture(
            {k: s.conduction for k, s in switches.items()}, switching.feeding(self.model, read), faults
        )
        self.scene = Scene(picture, switches, faults, selected=wanted)
        self.painter = Painter(DARK, ASCII if is_ascii else UNICODE, is_ascii=is_ascii)

    def text(self, **changes: object) -> list[str]:
        """Return its lines, without colour."""
        scene = dc.replace(self.scene, **changes)  # type: ignore[arg-type]
        return [s.text for s in self.painter.paint(self.sheet, self.things, scene, Style())]

    def styles(self, **changes: object) -> set[str]:
        """Return the colours on it."""
        scene = dc.replace(self.scene, **changes)  # type: ignore[arg-type]
        strips = self.painter.paint(self.sheet, self.things, scene, Style())
        return {
            s.style.color.name
            for strip in strips
            for s in strip
            if s.text.strip() and s.style and s.style.color
        }


@pytest.mark.parametrize("name", STATIONS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_ascii", [True, False])
def test_names_overlap_neither_each_other_nor_symbols(
    name: str, size: tuple[int, int], is_ascii: bool
) -> None:
    for zoom in (1.0, 3.0, 8.0):
        sheet = Drawn(name, size=size, is_ascii=is_ascii, zoom=zoom).sheet
        cells = [(n.column + k, n.row) for n in sheet.names for k in range(len(n.text))]
        cells += sheet.spots.values()
        assert len(cells) == len(set(cells))
        assert all(sheet.grid.has(*cell) for cell in cells)


@pytest.mark.parametrize("size", SIZES)
def test_every_switching_device_has_its_symbol_when_all_is_in_view(size: tuple[int, int]) -> None:
    drawn = Drawn("iowa240-der", size=size)
    able = {b.device for b in drawn.model.branches if b.kind in SWITCHING}
    assert able <= drawn.sheet.spots.keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_every_shipped_network_fits_its_window(name: str) -> None:
    topology = Topology(network_model(name))
    places, grid = Places(topology), Grid(80, 20, False)
    window = Window.around(places, grid)
    for place in places.folded:
        x, y = window.dot(place, grid)
        assert 0.0 <= x < grid.width
        assert 0.0 <= y < grid.height


def test_a_window_gives_a_dot_its_place_back() -> None:
    for is_ascii in (True, False):
        grid = Grid(80, 20, is_ascii)
        window = Window(10.0, 5.0, 7.0)
        assert window.place(window.dot((12.5, 3.25), grid), grid) == pytest.approx((12.5, 3.25))


def test_services_and_buses_appear_near_by_alone() -> None:
    far, near = Drawn(), Drawn(zoom=8.0)
    assert "load" not in {t.kind for t in far.things if t.key in far.sheet.spots}
    assert near.sheet.level == CLOSEST
    assert "load" in {t.kind for t in near.things if t.key in near.sheet.spots}
    assert any(n.text.startswith("bus") for n in near.sheet.names)


def test_names_that_are_given_twice_stand_in_full() -> None:
    labels = [t.label for t in Drawn().things]
    assert len(labels) == len(set(labels))
    assert "FDR_B.HEAD" in labels
    assert "CB_201" in labels


def test_what_is_wanted_is_drawn_whatever_the_room() -> None:
    key = next(t.key for t in Drawn().things if t.kind == "load")
    assert key in Drawn(size=(60, 12), wanted=key).sheet.spots


@pytest.mark.parametrize("is_ascii", [True, False])
def test_a_dead_feeder_is_dotted_and_its_breaker_open(is_ascii: bool) -> None:
    normal = Drawn(is_ascii=is_ascii)
    tripped = Drawn(values=opened("FDR_B.CB_201"), is_ascii=is_ascii)
    column, row = tripped.sheet.spots["FDR_B.CB_201"]
    assert normal.text()[row][column] == ("#" if is_ascii else "■")
    assert tripped.text()[row][column] == ("o" if is_ascii else "□")
    line = next(
        k for k, b in enumerate(tripped.model.branches)
        if b.kind == "line" and b.bus2.startswith("bus2") and len(tripped.sheet.stroke(k, 0, SOLID)) > 4
    )  # fmt: skip
    assert tripped.sheet.stroke(line, 0, DOTTED) != tripped.sheet.stroke(line, 0, SOLID)
    texts = ["".join(d.text()) for d in (normal, tripped)]
    inked = [sum(c != " " for c in text) for text in texts]
    assert texts[0] != texts[1]
    assert is_ascii or inked[1] < inked[0]
    assert DARK.dead not in normal.styles()
    assert {DARK.dead.lower(), DARK.live.lower()} <= {s.lower() for s in tripped.styles()}


def test_a_fault_is_an_x_in_a_section_of_the_colour_of_alarms() -> None:
    model = shipped_model("iowa240")
    place = model.places.index("bus.bus2005")
    values = {"LAB.FAULT_1.APPLIED": 1.0, "LAB.FAULT_1.ON": 1.0, "LAB.FAULT_1.PLACE": float(place)}
    drawn = Drawn(values=values)
    (fault,) = drawn.scene.faults
    cell = drawn.sheet.fault_cell(fault)
    assert cell == drawn.sheet.bus_cell(drawn.topology.index["bus2005"])
    assert drawn.text()[cell[1]][cell[0]] == "X"
    assert DARK.bad.lower() in {s.lower() for s in drawn.styles()}
    assert DARK.bad.lower() not in {s.lower() for s in Drawn().styles()}
    assert faults(drawn.scene, DARK).plain.strip() == "X FAULT_1: fault at bus2005, no voltage"
    assert faults(Drawn().scene, DARK).plain == ""


def test_a_relay_with_a_target_marks_the_name_of_its_breaker() -> None:
    assert "CB_204!" in "".join(Drawn().text(targets=frozenset({"FDR_B.CB_204"})))
    assert "!" not in "".join(Drawn().text())


def test_a_machine_that_stands_looks_other_than_one_that_runs() -> None:
    drawn = Drawn("iowa240-der")
    column, row = drawn.sheet.spots["DER.DG_1"]
    assert drawn.text()[row][column] == "G"
    assert drawn.text(off=frozenset({"DER.DG_1"}))[row][column] == "g"


def test_a_breaker_that_moves_leaves_question_marks_behind_it() -> None:
    moving = {"FDR_A.CB_101.ST_52A": 0.0, "FDR_A.CB_101.ST_52B": 0.0}
    drawn = Drawn(values=moving)
    column, row = drawn.sheet.spots["FDR_A.CB_101"]
    assert drawn.text()[row][column] == UNICODE.moving
    assert "".join(drawn.text()).count("?") > 3
    assert "?" not in "".join(Drawn().text())


def test_voltages_outside_their_limits_have_arrows_not_only_colours() -> None:
    drawn = Drawn()
    n = len(drawn.model.buses)
    assert "▼" in "".join(drawn.text(bands=[Band.LOW] * n))
    assert "▲" in "".join(drawn.text(bands=[Band.HIGH] * n))
    text = "".join(drawn.text(bands=[Band.NORMAL] * n))
    assert "▼" not in text
    assert "▲" not in text


def test_a_stale_map_has_no_colour_left() -> None:
    assert Drawn().styles()
    assert Drawn().styles(is_stale=True) == set()


@pytest.mark.parametrize("name", STATIONS)
def test_ascii_is_ascii(name: str) -> None:
    for zoom in (1.0, 8.0):
        drawn = Drawn(name, values=opened("FDR_B.CB_201"), is_ascii=True, zoom=zoom)
        bands = [list(Band)[k % 4] for k in range(len(drawn.model.buses))]
        assert "".join(drawn.text(bands=bands)).isascii()


def test_the_facts_say_in_words_what_the_map_shows() -> None:
    drawn = Drawn(values=opened("FDR_B.CB_201") | {"FDR_A.FUSE_1011.BLOWN_B": 1.0, "FDR_C.CB_301.TAG": 1.0})
    said = sections(drawn.topology, drawn.scene, DARK).plain
    assert "FDR_B DEAD" in said
    assert "FDR_C live" in said
    assert "partly live" in said
    what = unusual(drawn.model, drawn.scene, DARK).plain
    assert what == "CB_201 open, FUSE_1011 blown in b, CB_301 tagged"
    assert unusual(drawn.model, Drawn().scene, DARK).plain == "switches normal"


def test_voltages_in_words() -> None:
    model = shipped_model("iowa240")
    said = voltage_words(model, {"A.HEAD.VA": 0.94, "A.M1.V1": 1.0, "A.M2.V1": 1.06}, DARK).plain
    assert said == "3 voltages: 1 < 0.95, 1 > 1.05 pu; 0.940 A.HEAD to 1.060 A.M2"
    assert "nothing measures" in voltage_words(model, {}, DARK).plain


def test_the_nearest_thing_to_a_click_is_found_and_nothing_far_from_all() -> None:
    sheet = Drawn().sheet
    column, row = sheet.spots["FDR_B.CB_204"]
    assert sheet.nearest(column, row) == "FDR_B.CB_204"
    assert sheet.nearest(column + 1, row) in sheet.spots
    assert sheet.nearest(83, 32) is None


@pytest.mark.slow
@pytest.mark.parametrize("size", PAINT_S)
def test_drawing_is_quick(size: tuple[int, int]) -> None:
    drawn = Drawn("iowa240-der", size=size, zoom=1.5)
    took_s = []
    for _ in range(9):
        begin_s = time.process_time()
        drawn.text()
        took_s.append(time.process_time() - begin_s)
    assert sorted(took_s)[0] < PAINT_S[size]
