"""A command that a key sends at once, and the station's verdict said to the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from hil.view.station_view import Outcome

if TYPE_CHECKING:
    from hil.console.page import Page


def verdict_words(outcome: Outcome) -> str:
    """Return a verdict with the station's words, where these say more."""
    verdict = outcome.verdict.value
    return verdict if outcome.text in ("", verdict) else f"{verdict}. {outcome.text}"


class OneKey:
    """Commands that a key sends at once: one at a time, and none by a key that is held down.

    Parameters
    ----------
    page : Page
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._is_sending = False

    def send(self, tag: str, value: float | bool | None, words: str) -> None:
        """Send a command, unless the key repeats itself or a verdict is due."""
        if not self._is_sending and not self._page.console.is_held:
            self._is_sending = True
            self._page.run_worker(self._carry_out(tag, value, words), group="command")

    async def _carry_out(self, tag: str, value: float | bool | None, words: str) -> None:
        try:
            outcome = await self._page.view.command(tag, value)
        finally:
            self._is_sending = False
        severity: Literal["information", "warning"] = "information" if outcome.is_done else "warning"
        self._page.notify(f"{words}: {verdict_words(outcome)}", severity=severity)
