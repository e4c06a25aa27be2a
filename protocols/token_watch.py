"""The token that a device echoes: how long it is under way, and whether it still moves. Pure.

A device whose communication answers while its logic stands gives itself away by a token that stands.
"""

from __future__ import annotations

from collections import OrderedDict

from protocols.wiring_image import TOKENS

REMEMBERED = 4096
"""Tokens under way that are kept; older ones never came back."""


class TokenWatch:
    """Times between a token's first sending and its echo."""

    def __init__(self) -> None:
        self._sent: OrderedDict[int, int] = OrderedDict()
        self._newest: int | None = None
        self._echo: int | None = None
        self.moved_ns = 0
        """When the echo last changed or was the newest token [ns, monotonic]; 0 not since the beginning."""
        self.n_strange = 0
        """Echoes of tokens that nobody sent."""

    @property
    def echo(self) -> int | None:
        """The newest echo."""
        return self._echo

    def restart(self) -> None:
        """Begin anew: a device that was away may come back with any echo."""
        self._sent.clear()
        self._newest = self._echo = None
        self.moved_ns = 0

    def sent(self, token: int, now_ns: int) -> None:
        """Note a token that is sent; one that is sent again keeps its first time."""
        if token != self._newest:
            self._newest = token
            self._sent.pop(token, None)
            self._sent[token] = now_ns
            if len(self._sent) > REMEMBERED:
                self._sent.popitem(last=False)

    def echoed(self, raw: float, now_ns: int) -> int | None:
        """Note what the device says; returns the time since that token was first sent [ns] if it is new."""
        echo = int(raw) if 0 <= raw < TOKENS else None
        if echo is None:
            self.n_strange += 1
            return None
        is_first, is_new = self._echo is None, echo != self._echo
        self._echo = echo
        if (is_new and not is_first) or echo == self._newest:
            self.moved_ns = now_ns  # the first echo may stand there since long ago
        if not is_new:
            return None
        started_ns = self._sent.get(echo)
        if started_ns is None:
            self.n_strange += not is_first  # the first may be of another time
            return None
        while next(iter(self._sent)) != echo:
            self._sent.popitem(last=False)
        return now_ns - started_ns
