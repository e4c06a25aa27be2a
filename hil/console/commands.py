"""What the command palette finds of a station: operate a device, trend a point, the laboratory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from hil.view import devices

if TYPE_CHECKING:
    from hil.console.app import ConsoleApp

MOST = 40
"""Hits of one kind: nobody reads more, and each costs."""


class StationCommands(Provider):
    """Names are compared as plain text first: fuzzy comparison of thousands of tags would be felt."""

    @property
    def _console(self) -> ConsoleApp:
        return cast("ConsoleApp", self.app)

    async def startup(self) -> None:
        """List the names once per opening."""
        model = self._console.view.model
        self._operate = [] if model is None else [f"operate {d}" for d in devices.operable(model)]
        self._trend = (
            [] if model is None else [f"trend {t}" for t, p in model.points.items() if p.kind != "control"]
        )

    async def discover(self) -> Hits:
        """Offer the laboratory's doors while nothing is typed."""
        for name, text, call in self._console.laboratory():
            yield DiscoveryHit(name, call, help=text)

    async def search(self, query: str) -> Hits:
        """Yield what contains every word of the query."""
        words = query.lower().split()
        matcher = self.matcher(query)
        for name, text, call in self._console.laboratory():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), call, help=text)
        for names, action in (
            (self._operate, self._console.action_operate),
            (self._trend, self._console.action_trend),
        ):
            found = [n for n in names if all(word in n.lower() for word in words)]
            for name in sorted(found, key=len)[:MOST]:
                target = name.partition(" ")[2]
                score = 1.0 / (1.0 + len(name) - len(query))
                yield Hit(max(score, 0.01), matcher.highlight(name), partial(action, target))
