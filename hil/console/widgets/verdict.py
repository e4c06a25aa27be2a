"""A command that a key sends at once, and the station's verdict said to the user."""

from __future__ import annotations

from textual.widget import Widget

from hil.view.station_view import Outcome, StationView


def verdict_words(outcome: Outcome) -> str:
    """Return a verdict with the station's words, where these say more."""
    verdict = outcome.verdict.value
    return verdict if outcome.text in ("", verdict) else f"{verdict}. {outcome.text}"


async def carry_out(
    page: Widget, view: StationView, tag: str, value: float | bool | None, words: str
) -> None:
    """Send a command and tell what became of it; to be run in a worker."""
    outcome = await view.command(tag, value)
    page.notify(
        f"{words}: {verdict_words(outcome)}", severity="information" if outcome.is_done else "warning"
    )
