"""The estimator's screen on a live station: state, J, residuals, comparison, an attack with its truth."""

from __future__ import annotations

import pytest

from tests.support.console_rig import SMALL, WIDE, console, screen_text, until, until_shown
from tests.support.station import Station

ATTACKED, SLOT = "FDR_B.HEAD.P", "LAB.ATK_1"


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_the_state_is_in_view_on_any_terminal(substation: Station, size: tuple[int, int]) -> None:
    async with console(substation, "7", size=size) as pilot:
        await until_shown(pilot, "CONVERGED")
        await until_shown(pilot, "suspects none")
        text = screen_text(pilot)
        line = next(x for x in text.splitlines() if x.strip().startswith("J "))
        words = line.split()
        assert float(words[1]) > 0.0
        assert float(words[3]) == pytest.approx(substation.value("SE.EST.THRESHOLD"), rel=0.2)
        assert "not observable 0 nodes" in text
        assert "J over its threshold, last 10 minutes" in text


async def test_residuals_and_voltages_are_listed_with_what_was_measured(substation: Station) -> None:
    async with console(substation, "7", size=(160, 60)) as pilot:
        await until_shown(pilot, "Largest normalised residuals")
        await until(pilot, lambda: bool(pilot.app.view.reading("arrays.RESIDUALS.TAGS").value))
        first = pilot.app.view.reading("arrays.RESIDUALS.TAGS").value[0]
        await until_shown(pilot, first)
        await until_shown(pilot, "FDR_A.HEAD")
        rows = [x for x in screen_text(pilot).splitlines() if "bus1001" in x]
        assert rows, screen_text(pilot)
        estimated, measured, percent = (float(x) for x in rows[0].split("bus1001")[1].split()[1:4])
        assert measured == pytest.approx(substation.value("FDR_A.HEAD.VA"), rel=0.02)
        assert percent == pytest.approx(100.0 * (estimated - measured) / measured, abs=0.02)


async def test_a_falsified_measurement_is_told_as_suspect_with_its_true_value(substation: Station) -> None:
    """Attacked through the console's own way to the station, as an instructor would."""
    number = [p.tag for p in substation.spec.points].index(ATTACKED) + 1
    async with console(substation, "7", role="instructor", size=(160, 60)) as pilot:
        view = pilot.app.view
        await until_shown(pilot, "none at instruments")
        for tag, value in (("TARGET", number), ("MODE", 1), ("A", 400.0), ("DURATION_S", 60.0)):
            outcome = await view.command(f"{SLOT}.{tag}", float(value))
            assert outcome.is_done, outcome
        assert (await view.command("LAB.ARM.ARM")).is_done
        assert (await view.command(f"{SLOT}.APPLY")).is_done
        try:
            await until_shown(pilot, f"{ATTACKED} bias ({SLOT})")
            await until_shown(pilot, "removed", 30.0)
            text = screen_text(pilot)
            assert ATTACKED in text.partition("suspects ")[2].splitlines()[0]
            shown, true = (float(text.partition(w)[2].split()[0]) for w in ("  shown ", "  true "))
            assert shown - true == pytest.approx(400.0, abs=60.0)
        finally:
            assert (await view.command(f"{SLOT}.CLEAR")).is_done
        await until_shown(pilot, "none at instruments")


async def test_a_station_without_an_estimator_says_so(microgrid: Station) -> None:
    async with console(microgrid, "7", size=SMALL) as pilot:
        await until_shown(pilot, "This station has no state estimator.")
