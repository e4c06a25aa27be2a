"""The points screen: every point of a live station, found as one types, read only while in view."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hil.console.app import ConsoleApp
from hil.console.pages.points import PointsPage
from hil.console.widgets.point_list import PointList
from tests.support.console_rig import SMALL, WIDE, console, screen_text, until, until_shown
from tests.support.station import Station

KEY_NAMES = {" ": "space", "=": "equals_sign", "@": "at", "_": "underscore", "-": "minus", ".": "full_stop"}


async def type_in(pilot: Pilot[None], text: str) -> None:
    """Type into the search field, as a user does."""
    await pilot.press("slash")
    for letter in text:
        await pilot.press(KEY_NAMES.get(letter, letter))


def point_list(pilot: Pilot[None]) -> PointList:
    return pilot.app.screen.query_one(PointList)


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_words_that_are_typed_find_points_and_their_live_values(
    substation: Station, size: tuple[int, int]
) -> None:
    async with console(substation, "0", size=size) as pilot:
        await type_in(pilot, "sub.t1.p")
        await until_shown(pilot, f"12 of {len(substation.spec.points)} points")  # and its residuals
        await until(pilot, lambda: pilot.app.view.number("SUB.T1.P") is not None)
        await pilot.pause(0.6)
        line = next(x for x in screen_text(pilot).splitlines() if "SUB.T1.P " in x)
        shown = float(line.split()[2])
        assert shown == pytest.approx(substation.value("SUB.T1.P"), rel=0.05)
        assert "kW" in line
        assert "good" in line


async def test_only_points_in_view_are_read(substation: Station) -> None:
    async with console(substation, "0") as pilot:
        await until(pilot, lambda: bool(pilot.app.view.reading("SUB.SRC.F").status))
        watched = pilot.app.view.link._tags
        assert len(watched) < 60
        await pilot.press("end")
        last = substation.spec.points[-1].tag
        await until(pilot, lambda: bool(pilot.app.view.reading(last).status))
        assert "SUB.SRC.F" not in pilot.app.view.link._tags
        assert last in screen_text(pilot)


async def test_a_search_that_nothing_is_like_says_how_to_leave_it(substation: Station) -> None:
    async with console(substation, "0", size=SMALL) as pilot:
        await type_in(pilot, "qqq")
        await until_shown(pilot, "no point is like that; x clears the search")
        await pilot.press("escape", "x")
        n = len(substation.spec.points)
        await until_shown(pilot, f"{n} of {n} points")


async def test_qualities_are_found_that_are_not_in_view(substation: Station) -> None:
    async with console(substation, "0") as pilot:
        await type_in(pilot, "se.est.thr =bad")
        await until_shown(pilot, "SE.EST.THRESHOLD_CENTRED")
        listed = [p.tag for p in point_list(pilot).rows]
        assert "SE.EST.THRESHOLD" not in listed  # which is good, and has the same words
        assert all(substation.quality(tag) >= 128 for tag in listed)
        await pilot.press("escape", "x")
        await type_in(pilot, "=-good")  # of all points of the station
        await until(pilot, lambda: len(point_list(pilot).rows) > 20)
        await until_shown(pilot, "qualities read")
        found = {p.tag for p in point_list(pilot).rows}
        spec = substation.spec
        controls = {p.tag for p in spec.points if p.kind == "control"}
        bad = {p.tag for p in spec.points if substation.quality(p.tag) >= 128} - controls
        assert len(bad) > 20
        assert len(bad - found) <= 0.1 * len(bad)  # some come and go


async def test_the_detail_tells_range_role_and_words_of_a_code(substation: Station) -> None:
    async with console(substation, "0") as pilot:
        await type_in(pilot, "se.est.reason")
        await until_shown(pilot, "0 = estimated")
        await until_shown(pilot, "not converged, 5 gain matrix singular")
        await pilot.press("escape", "x")
        await type_in(pilot, "sub.src.v_sp")
        await until_shown(pilot, "commanded by role operator")


async def test_the_cursor_stays_on_its_point_when_the_search_widens(substation: Station) -> None:
    async with console(substation, "0") as pilot:
        await type_in(pilot, "fdr_b.cb_201 52")
        await pilot.press("down", "down")
        chosen = point_list(pilot).selected
        assert chosen is not None
        await pilot.press("x")
        assert point_list(pilot).selected == chosen
        assert chosen.tag in screen_text(pilot)


async def test_the_search_is_exported_with_values(
    substation: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with console(substation, "0") as pilot:
        await type_in(pilot, "fdr_a.head")
        await pilot.press("enter", "e")
        await until_shown(pilot, "24 rows in")
    (path,) = tmp_path.glob("points-iowa240-*.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = {row["tag"]: row for row in csv.DictReader(file)}
    assert {f"FDR_A.HEAD.{x}" for x in ("VA", "IA", "P", "Q")} <= set(rows)
    assert float(rows["FDR_A.HEAD.P"]["value"]) == pytest.approx(substation.value("FDR_A.HEAD.P"), rel=0.1)
    assert rows["FDR_A.HEAD.P"]["status"] == "Good"


async def test_the_mouse_chooses_a_row(substation: Station) -> None:
    async with console(substation, "0") as pilot:
        await pilot.click(PointList, offset=(5, 4))
        chosen = point_list(pilot).selected
        assert chosen is not None
        assert chosen.tag == substation.spec.points[3].tag


async def test_a_point_that_is_only_measured_says_so_when_it_is_operated(substation: Station) -> None:
    async with console(substation, "0") as pilot:
        await type_in(pilot, "sub.bus1.va")
        await pilot.press("enter", "o")
        await until_shown(pilot, "SUB.BUS1 is only measured")


async def test_typing_in_six_thousand_points_is_followed_at_once(substation: Station) -> None:
    """The list is drawn anew with every letter; a table that is filled anew would take seconds."""
    async with console(substation, "0") as pilot:
        app: ConsoleApp = pilot.app
        page = app.pages["Points"]
        assert isinstance(page, PointsPage)
        field = page.query_one("#points-query", Input)
        times_s = []
        for text in ("f", "fd", "fdr", "fdr_", "fdr_b", "fdr_b ", "fdr_b cb", ""):
            started = time.process_time()
            field.value = text
            await pilot.pause()
            times_s.append(time.process_time() - started)
        assert sorted(times_s)[len(times_s) // 2] < 0.5  # of processor time; nearer 0.03
