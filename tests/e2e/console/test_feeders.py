"""The screen of feeders on live stations: what stands there is what is measured."""

from __future__ import annotations

import re

import pytest
from textual.pilot import Pilot

from tests.support.console_rig import SMALL, WIDE, console, screen_text, until, until_shown
from tests.support.station import Station

TIMEOUT_S = 30.0
SIZES = [(WIDE, False), (SMALL, False), (SMALL, True)]


def numbers(pilot: Pilot[None], row: str) -> list[float]:
    """Return the numbers of a line of the table of phases."""
    line = next((x for x in screen_text(pilot).splitlines() if re.match(rf"[│|] {row} ", x)), "")
    return [float(x) for x in re.findall(r"-?\d+\.\d+", line[:76])]


async def shown_phases(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: all(len(numbers(pilot, p)) == 7 for p in "abc"), TIMEOUT_S)


@pytest.mark.parametrize(("size", "is_ascii"), SIZES)
async def test_a_feeder_shows_what_its_head_and_relay_measure(
    substation: Station, size: tuple[int, int], is_ascii: bool
) -> None:
    async with console(substation, "3", "right", "right", size=size, is_ascii=is_ascii) as pilot:
        await until_shown(pilot, "FDR_B, FDR_B.CB_201 closed", TIMEOUT_S)
        await shown_phases(pilot)
        rows = {p: numbers(pilot, p) for p in "abc"}
        for phase, (volt, per_unit, ampere, p, q, s, pf) in rows.items():
            assert volt == pytest.approx(substation.value(f"FDR_B.HEAD.V{phase.upper()}"), rel=0.02)
            assert ampere == pytest.approx(substation.value(f"FDR_B.HEAD.I{phase.upper()}"), rel=0.1)
            assert per_unit == pytest.approx(volt / 7967.434, abs=2e-4)
            assert s == pytest.approx((p * p + q * q) ** 0.5, abs=0.2)
            assert pf == pytest.approx(p / s, abs=2e-3)
        assert sum(r[3] for r in rows.values()) == pytest.approx(substation.value("FDR_B.HEAD.P"), rel=0.05)
        text = screen_text(pilot)
        assert "P, Q of phases computed from FDR_B.R_CB_201_IN" in text
        for words in ("phasors, FDR_B.CB_201", "positive", "neg/pos %", "Va", "Ic", "voltage along FDR_B"):
            assert words in text, words
        assert re.search(r"\d+ voltages, \d\.\d{3} to \d\.\d{3} pu: all within 0.95 to 1.05", text)
        if is_ascii:
            assert all(
                x.isascii() for x in text.splitlines()[2:-1] if not x.endswith(("▂", "▃", "▄", "▅", "▆"))
            )


async def test_sequence_components_are_those_of_the_relay(substation: Station) -> None:
    async with console(substation, "3", "right") as pilot:
        await until_shown(pilot, "FDR_A, FDR_A.CB_101 closed", TIMEOUT_S)
        await until(pilot, lambda: bool(re.search(r"positive +\d", screen_text(pilot))), TIMEOUT_S)
        found = re.search(r"positive +(\d+\.\d+) +\S+ +(\d+\.\d+)", screen_text(pilot))
        assert found is not None
        assert float(found[1]) == pytest.approx(substation.value("FDR_A.R_CB_101_IN.V1_V"), rel=0.02)
        assert float(found[2]) == pytest.approx(substation.value("FDR_A.R_CB_101_IN.I1_A"), rel=0.1)


async def test_the_substation_is_measured_phase_by_phase_and_has_every_feeders_profile(
    substation: Station,
) -> None:
    async with console(substation, "3") as pilot:
        await until_shown(pilot, "all measured at SUB.T1 and SUB.BUS1", TIMEOUT_S)
        await shown_phases(pilot)
        total = numbers(pilot, "all")[0]
        assert sum(numbers(pilot, p)[3] for p in "abc") == pytest.approx(total, rel=0.05)
        await until_shown(pilot, "voltage along all feeders")
        await until(pilot, lambda: bool(re.search(r"4\d\d voltages", screen_text(pilot))), TIMEOUT_S)


async def test_the_profile_marks_phases_by_letters_along_the_kilometres(substation: Station) -> None:
    async with console(substation, "3", "right", "right", "right") as pilot:
        await until_shown(pilot, "FDR_C, FDR_C.CB_301 closed", TIMEOUT_S)
        await until(pilot, lambda: sum(screen_text(pilot).count(x) for x in ("aa", "cc")) > 3, TIMEOUT_S)
        assert "km from the source" in screen_text(pilot)
        drawn = screen_text(pilot).split("voltage along FDR_C")[1].splitlines()[2:-6]
        assert sum(line.count(p) for line in drawn for p in "abc") > 20


async def test_a_feeder_that_is_off_says_so(substation: Station) -> None:
    async with console(substation, "3", "right", "right", role="operator", size=SMALL) as pilot:
        await until_shown(pilot, "FDR_B, FDR_B.CB_201 closed", TIMEOUT_S)
        view = pilot.app.view  # type: ignore[attr-defined]
        assert (await view.command("FDR_B.CB_201.TRIP")).is_done
        try:
            await until_shown(pilot, "FDR_B.CB_201 OPEN", TIMEOUT_S)
            await until_shown(pilot, "no voltage measured along it now", TIMEOUT_S)
        finally:
            done = []

            async def closed() -> bool:
                done.append((await view.command("FDR_B.CB_201.CLOSE")).is_done)
                return done[-1]

            for _ in range(60):
                if await closed():
                    break
                await pilot.pause(0.5)
        assert done[-1]
        await until_shown(pilot, "FDR_B.CB_201 closed", TIMEOUT_S)


async def test_the_operate_key_opens_the_breaker_of_the_feeder_and_a_click_chooses_another(
    substation: Station,
) -> None:
    async with console(substation, "3", role="operator", size=SMALL) as pilot:
        await until_shown(pilot, "[Substation]", TIMEOUT_S)
        await pilot.click("#feeder-choice", offset=(18, 0))
        await until_shown(pilot, "[FDR_A]")
        await pilot.press("enter")
        await until_shown(pilot, "Operate FDR_A.CB_101")
        await pilot.press("escape")


async def test_harmonics_stand_where_they_are_measured(microgrid: Station) -> None:
    async with console(microgrid, "3") as pilot:
        await until_shown(pilot, "DER.THD_BUS1", TIMEOUT_S)
        await pilot.press("right")
        await until_shown(pilot, "this station measures no harmonics here")
        await pilot.press("right")
        await until_shown(pilot, "DER.TDD_201")
        await until(pilot, lambda: bool(re.search(r"TDD \d+\.?\d* %", screen_text(pilot))), TIMEOUT_S)
