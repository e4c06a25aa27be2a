"""Ground truth to disk, a little at a time: what passes values on does it between two steps.

A thread would not do: while the system holds it up within Python, it holds everything up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from estimation.tamper import Span
from estimation.tamper_rows import Falsehood
from hil.attack_truth import TruthLog
from rtcore.errors import HostError

ROWS_A_TURN = 64
"""Most rows that are written at once: some tenths of a millisecond."""


class Source(Protocol):
    """What keeps the truth (``estimation.tamper.Tamper``)."""

    spans: list[Span]

    def take_rows(self, n_most: int) -> Sequence[Falsehood]:
        """Return some rows, the oldest ones; none when there are none."""


class TruthWriter:
    """Writes what a tamper keeps.

    Parameters
    ----------
    say : callable
        Told when nothing can be written any more; attacks go on without.
    """

    def __init__(self, log: TruthLog, source: Source, say: Callable[[str], None]) -> None:
        self._log, self._source, self._say = log, source, say
        self._has_failed = False

    def note(self, t_s: float, what: str, **more: Any) -> None:
        """Add something that happened; the next turn writes it."""
        self._log.note(t_s, what, **more)

    def turn(self, now_s: float) -> None:
        """Write some of what there is, at a time by the wall clock [s]."""
        self._try(lambda: self._write(now_s))

    def close(self) -> None:
        """Write all that is left, and close the files."""
        self._try(self._write_rest)
        with contextlib.suppress(HostError):  # told already
            self._log.close(self._source.spans)

    def _write(self, now_s: float) -> None:
        self._log.rows(self._source.take_rows(ROWS_A_TURN))
        self._log.keep(self._source.spans, now_s)

    def _write_rest(self) -> None:
        while rows := self._source.take_rows(ROWS_A_TURN):
            self._log.rows(rows)
        self._log.save(self._source.spans)

    def _try(self, write: Callable[[], None]) -> None:
        if self._has_failed:
            return
        try:
            write()
        except HostError as error:
            self._has_failed = True
            self._say(f"the truth is not kept any more: {error}")
